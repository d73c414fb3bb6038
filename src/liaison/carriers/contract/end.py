"""An end of a link that carries messages, and several of them at once."""

from __future__ import annotations

from abc import ABC, abstractmethod

from liaison._native.carrier import CarrierEnd

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from liaison.carriers.contract.held import Delivery, Loan, Receipt
    from liaison.link import Link, Peer, Statistics

# pyright: reportReturnType=false

__all__ = ["End", "ExchangingEnd", "KeepingEnd", "PipeEnd", "Several"]


class AnyEnd(CarrierEnd, ABC):
    """What every end of a link has, whether it sends, receives or observes."""

    __slots__ = ()

    @property
    @abstractmethod
    def address(self) -> str:
        """The link's address, a URL."""

    @property
    @abstractmethod
    def link(self) -> Link:
        """What the link is, and who is on it at this moment."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether this end was closed."""

    @abstractmethod
    def close(self) -> None:
        """Give up this end, and the name that was this process's; idempotent."""


class KeepingEnd(AnyEnd):
    """What the end of a link that keeps messages also has."""

    __slots__ = ()

    @abstractmethod
    def peek(self, max: int = 10) -> list[Any]:
        """Copies of at most `max` messages that wait, oldest first."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """A snapshot of the counts."""

    @abstractmethod
    def destroy(self, *, force: bool = False) -> None:
        """Destroy the link for everybody, with what was sent to it and not received."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the messages that wait."""


class ExchangingEnd(AnyEnd):
    """How messages are sent and received, with the meaning that it has for `liaison.Mailbox`."""

    __slots__ = ()

    @abstractmethod
    def send(
        self, message: Any, *, timeout: float | None = None, receipt: bool = False
    ) -> Receipt | None:
        """Send one message; at a rendezvous, once a receiver has it."""

    @abstractmethod
    def try_send(self, message: Any) -> bool:
        """Send one message if that needs no waiting; whether it was sent."""

    @abstractmethod
    def send_many(self, messages: Iterable[Any], *, timeout: float | None = None) -> int:
        """Send messages in their order; how many were accepted in time."""

    @abstractmethod
    def receive(self, *, timeout: float | None = None) -> Any:
        """Receive one message."""

    @abstractmethod
    def try_receive(self, default: Any = None) -> Any:
        """Receive one message if there is one, else `default`."""

    @abstractmethod
    def receive_many(self, max: int, *, timeout: float | None = None) -> list[Any]:
        """Wait for one message; receive it and those that wait behind it, at most `max` in all."""

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that is readable when there may be a message."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether a receive need not wait. If it would have to, `fileno()` is quiet now."""


class End(KeepingEnd, ExchangingEnd):
    """One end of a link that carries messages.

    First what users also call; then the steps of which the same consists for tasks, which wait by a
    descriptor.
    """

    __slots__ = ()

    @abstractmethod
    def loan(self, size: int, *, timeout: float | None = None) -> Loan:
        """Memory of the link, to write a message into."""

    @abstractmethod
    def lease(self, *, timeout: float | None = None) -> Delivery:
        """Receive one message, and keep it until it is settled."""

    # ---- in steps

    @property
    @abstractmethod
    def rendezvous(self) -> bool:
        """Whether sender and receiver meet."""

    @abstractmethod
    def pack(self, message: Any) -> Any:
        """The message as it travels, whatever that is to the carrier: it is encoded once."""

    @abstractmethod
    def post(self, parcel: Any, receipt: bool = False, final: bool = False) -> Any:
        """Send what was packed, if there is room: a receipt if one was asked for, else True.

        At a rendezvous it is offered, and there always is a receipt. None when there is no room;
        `Full` or `NoReceiver` instead, if this is the `final` try.
        """

    @abstractmethod
    def room(self) -> int:
        """A descriptor that is readable when there may be room, or news of a receipt.

        Each call arms it: whoever waits for it looks once more after the call.
        """

    @abstractmethod
    def take(self, default: Any, nanoseconds: int = 0) -> Any:
        """Receive one message if there is one, or comes within so short a time."""

    @abstractmethod
    def reached(self, receipt: Any, settled: bool, final: bool = False) -> Peer | None:
        """Who received the message, or, if `settled`, acknowledged it; None: nobody yet.

        `Empty` instead, if this is the `final` look. Raises when there is no hope of more.
        """

    @abstractmethod
    def offer(self, loan: Any) -> Any:
        """At a rendezvous: a receipt of what was written, which can be taken now; None: not yet."""

    @abstractmethod
    def withdraw(self, receipt: Any, raising: bool = False) -> None:
        """Take an offer back, unless somebody has it; `raising`, say `NoReceiver` then."""

    def several(self, links: list[Any]) -> Several | None:
        """What waits for these links together, of which this is the first's end; None: nothing."""
        return None


class Several(ABC):
    """What waits for several ends of one carrier together, quicker than by their descriptors.

    It knows the users' links by identity and keeps none of them alive: its owner closes it when one
    of them dies. One thread at a time waits with it.
    """

    references: list[Any]  # weak ones, of its owner
    exhausted: bool  # no other set can be made now: wait by the kernel instead

    @abstractmethod
    def knows(self, links: list[Any]) -> bool:
        """Whether it is for exactly these."""

    @abstractmethod
    def has(self, link: object) -> bool:
        """Whether this is the end of one of them."""

    @abstractmethod
    def wait(self, links: list[Any], timeout: float | None) -> list[Any] | None:
        """Those from which something can be received; None: make another set, this is over."""

    @abstractmethod
    def close(self) -> None:
        """Give it up; a thread that waits with it looks again."""

    @abstractmethod
    def abandon(self) -> None:
        """Give up a forked child's copy."""


class PipeEnd(End):
    """One end of a pipe, in which bytes can be read and written beside messages."""

    @property
    @abstractmethod
    def largest_message(self) -> int:
        """The bytes of the largest message."""

    @abstractmethod
    def write(self, data: Any, most: int) -> int:
        """Send bytes in messages of at most `most` bytes; return how many, which is all."""

    @abstractmethod
    def chunk(self, *, timeout: float | None = None) -> tuple[bytes, int]:
        """The bytes of the next message, or the rest of one, and where in them to begin."""

    @abstractmethod
    def put_back(self, rest: bytes, at: int) -> None:
        """What of a chunk was not used, from `at` on: it is the next one."""

    @abstractmethod
    def descriptors(self) -> tuple[int, ...]:
        """What a program that is given this end has to inherit."""

    @property
    @abstractmethod
    def handle(self) -> str:
        """What to tell that program, for `Carrier.inherited`; it begins with ``SCHEME:``."""

    @abstractmethod
    def handed(self) -> tuple[Callable[..., CarrierEnd], tuple[Any, ...]]:
        """How another process has it that is sent this end: what to call there, and with what.

        Whether it reads and a `Reading` come after these. To be pickled at once.
        """
