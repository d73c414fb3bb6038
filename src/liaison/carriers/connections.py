"""What a carrier of connections promises beside `liaison.carriers.contract`."""

from __future__ import annotations

from abc import ABC, abstractmethod

from liaison._native.carrier import CarrierEnd

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from liaison.codec import Codec, CodecName
    from liaison.link import Link, Peer

# pyright: reportReturnType=false

__all__ = ["LARGEST", "ConnectionEnd", "ListenerEnd", "Terms"]

LARGEST = 1 << 26
"""Bytes of the largest message that is taken, where nothing else is said."""


class Terms:
    """What was said of a connection, or of all that a listener accepts; see `liaison.listen`."""

    __slots__ = ("codec", "insecure", "max_message", "tls", "token", "type")

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


class ConnectionEnd(CarrierEnd, ABC):
    """One end of a connection; what its methods raise stands at `liaison.Connection`."""

    __slots__ = ()

    @property
    @abstractmethod
    def address(self) -> str:
        """The address that was listened on, a URL."""

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

    @property
    @abstractmethod
    def link(self) -> Link:
        """What this link is, and who is on it."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether this end was closed."""

    @abstractmethod
    def send(self, message: Any, *, timeout: float | None = None, receipt: bool = False) -> None:
        """Send one message."""

    @abstractmethod
    def try_send(self, message: Any) -> bool:
        """Send one message if that needs no waiting; whether it was sent."""

    @abstractmethod
    def send_many(self, messages: Iterable[Any], *, timeout: float | None = None) -> int:
        """Send messages in their order; how many were sent in time."""

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

    @abstractmethod
    def receive(self, *, timeout: float | None = None) -> Any:
        """Receive one message."""

    @abstractmethod
    def try_receive(self, default: Any = None) -> Any:
        """Receive one message if there is one, or else `default`."""

    @abstractmethod
    def receive_many(self, max: int, *, timeout: float | None = None) -> list[Any]:
        """Wait for one message, then take what is there besides: at most `max` in all."""

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that is readable when there may be a message."""

    @abstractmethod
    def outlet(self) -> int:
        """A descriptor that is writable when there is room to send; -1: this end is closed."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether a receive would not wait; if it would, the descriptor is quiet from now on."""

    @abstractmethod
    def close(self) -> None:
        """Give up this end; idempotent. May wait for what was sent to leave."""

    @abstractmethod
    def part(self) -> bool:
        """The same without waiting; whether that was all. If not, `linger` is to follow."""

    @abstractmethod
    def linger(self) -> None:
        """Wait for what was sent to leave, and leave."""


class ListenerEnd(ABC):
    """Where others connect to."""

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
        """How many connections were dropped that had not introduced themselves."""

    @abstractmethod
    def accept(self, timeout: float | None = None) -> CarrierEnd:
        """The `ConnectionEnd` of who has connected, and introduced themselves as asked."""

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that is readable when `accept` has something to do."""

    @abstractmethod
    def close(self) -> None:
        """Stop listening; idempotent."""
