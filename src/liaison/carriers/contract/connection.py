"""Connections, listeners, and the terms of both."""

from __future__ import annotations

from abc import ABC, abstractmethod

from liaison.carriers.contract.end import ExchangingEnd

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any

    from liaison._native.carrier import CarrierEnd
    from liaison.codec import Codec, CodecName
    from liaison.link import Peer

# pyright: reportReturnType=false

__all__ = ["ConnectionEnd", "ListenerEnd", "Terms"]


class Terms:
    """What a user says of a connection, or of all that a listener accepts; see `liaison.listen`."""

    __slots__ = ("codec", "insecure", "max_message", "tls", "token", "type")

    LARGEST = 1 << 26  # bytes of the largest message, unless the user says otherwise

    def __init__(
        self,
        *,
        token: str | bytes | None = None,
        tls: Any = None,
        max_message: int = LARGEST,
        type: Any = None,
        codec: Codec | CodecName | None = None,
        insecure: bool = False,
    ) -> None:
        self.token = token
        self.tls = tls
        self.max_message = max_message
        self.type = type
        self.codec: Codec | CodecName | None = codec
        self.insecure = insecure

    @classmethod
    def of(cls, function: str, options: dict[str, Any]) -> Terms:
        """Make them of the options that a function of this name was given."""
        try:
            return cls(**options)
        except TypeError as error:
            raise TypeError(str(error).replace("Terms.__init__", function)) from None


class ConnectionEnd(ExchangingEnd):
    """One end of a connection; what its methods raise stands at `liaison.Connection`.

    It has no receipts, and to close it may wait for what was sent to leave.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def peer_address(self) -> str | None:
        """Where the other end is, a URL; None where it has no address."""

    @property
    @abstractmethod
    def peer(self) -> Peer | None:
        """The process at the other end, where the system tells."""

    @property
    @abstractmethod
    def encrypted(self) -> bool:
        """Whether nobody on the way can read what is sent."""

    @abstractmethod
    def flush(self, *, timeout: float | None = None) -> None:
        """Send what is `pending`."""

    @property
    @abstractmethod
    def pending(self) -> int:
        """Bytes of a message that counts as sent, and that wait for the other end to read."""

    @property
    @abstractmethod
    def sent(self) -> int:
        """How many messages were handed over as a whole."""

    @property
    @abstractmethod
    def confirmed(self) -> int:
        """How many of them the other program is known to have received."""

    # ---- in steps

    @abstractmethod
    def outlet(self) -> int:
        """A descriptor that is writable when there is room to send; -1: this end is closed."""

    @abstractmethod
    def part(self) -> bool:
        """Close it without waiting; whether that was all. If not, `linger` is to follow."""

    @abstractmethod
    def linger(self) -> None:
        """Wait for what was sent to leave, and leave."""


class ListenerEnd(ABC):
    """A listener."""

    __slots__ = ()

    @property
    @abstractmethod
    def address(self) -> str:
        """Where it listens, a URL; the real one, whatever was asked for."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether it was closed."""

    @property
    @abstractmethod
    def dropped(self) -> int:
        """How many connections were dropped before their handshake was complete."""

    @abstractmethod
    def accept(self, timeout: float | None = None) -> CarrierEnd:
        """The `ConnectionEnd` of the next connection whose handshake is complete."""

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that is readable when `accept` has something to do."""

    @abstractmethod
    def close(self) -> None:
        """Stop listening; idempotent."""
