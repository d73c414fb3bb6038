"""What a link gives out: deliveries, loans and receipts."""

from __future__ import annotations

from abc import ABC, abstractmethod

from liaison.message import Generic, Message, Message_co

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any, Literal, Self, TypeAlias

    from liaison.link import Peer

    State: TypeAlias = Literal["queued", "received", "acknowledged", "dead-lettered"]

# pyright: reportReturnType=false

__all__ = ["Delivery", "Loan", "Receipt"]


class Held(ABC):
    """What a user has of a link's memory, until it is settled, or its ``with`` block ends."""

    @property
    @abstractmethod
    def view(self) -> memoryview:
        """The bytes in place, writable those of a loan."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None: ...


class Delivery(Held, Generic[Message_co]):
    """A message under lease; leaving its ``with`` block acknowledges it, or returns it."""

    @property
    @abstractmethod
    def message(self) -> Message_co:
        """What was sent. Raises `DecodeError`."""

    @property
    @abstractmethod
    def sender(self) -> Peer:
        """The process that sent it."""

    @property
    @abstractmethod
    def attempt(self) -> int:
        """How many times it was delivered: 1 at first."""

    @abstractmethod
    def acknowledge(self) -> None:
        """Be done with it. Raises `LeaseLost` when it is no longer the caller's."""

    @abstractmethod
    def release(self) -> None:
        """Give it to the next receiver, ahead of the rest; of a destroyed link, to nobody."""


class Loan(Held, Generic[Message]):
    """Memory of the link to write a message into; leaving its ``with`` block discards it."""

    @abstractmethod
    def send(self, *, timeout: float | None = None) -> None:
        """Send what was written; `timeout` is for a rendezvous."""

    @abstractmethod
    def discard(self) -> None:
        """Give the memory back; idempotent."""

    @abstractmethod
    def __len__(self) -> int:
        """Count its bytes."""

    @abstractmethod
    def __getitem__(self, index: Any, /) -> Any:
        """Read some of it."""

    @abstractmethod
    def __setitem__(self, index: Any, value: Any, /) -> None:
        """Write some of it."""


class Receipt(ABC, Generic[Message_co]):
    """Tells a sender what became of its message."""

    @property
    @abstractmethod
    def state(self) -> State:
        """``"queued"``, ``"received"``, ``"acknowledged"`` or ``"dead-lettered"``."""

    @abstractmethod
    def wait_received(self, timeout: float | None = None) -> Peer:
        """Wait until somebody has received it; who. Raises `Empty`."""

    @abstractmethod
    def wait_acknowledged(self, timeout: float | None = None) -> Peer:
        """Wait until it was acknowledged or dead-lettered; by whom. Raises `Empty`."""
