"""What each carrier promises: all that crosses from the links above to whoever carries them.

A carrier is one object, a `Carrier`, which `liaison.carriers.registry` finds by the scheme of an
address. It makes ends, and a user's object has one. An end owns what it gives out until that is
settled. Where a method waits, ``timeout`` is in seconds: None waits for ever, 0 does not wait, and
Ctrl-C interrupts. Every method may be called from many threads, and after a fork from the child.

What it raises stands at the methods of the links, `liaison.Mailbox` and the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache

from liaison._native.carrier import CarrierEnd
from liaison.errors import InvalidAddress
from liaison.facts import Facts
from liaison.message import Generic, Message, Message_co

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType
    from typing import Any, Literal, Self, TypeAlias

    from liaison.address import Address
    from liaison.codec import Codec, CodecName, Coder
    from liaison.errors import LiaisonError
    from liaison.link import Access, Kind, Lifetime, Link, Peer, Statistics

    Correspondent: TypeAlias = str | Address | Peer  # how users name an endpoint
    How: TypeAlias = Literal["open", "create", "open or create", "observe"]
    State: TypeAlias = Literal["queued", "received", "acknowledged", "dead-lettered"]

# pyright: reportReturnType=false

__all__ = [
    "Carrier",
    "Cleaned",
    "Delivery",
    "End",
    "EndpointEnd",
    "Listed",
    "Loan",
    "ObservedEndpoint",
    "PipeEnd",
    "Policy",
    "Reading",
    "Receipt",
    "Several",
    "SpaceEnd",
]


class Policy(Facts):
    """What was said of a link that is to be opened or made; None is what was left unsaid.

    What is said must agree with a link that exists. The words are those of `liaison.Mailbox`, and
    `lifetime` of `liaison.Port`; `dead_letters` is an address.
    """

    kind: Kind | None = None
    capacity: int | None = None
    max_message: int | None = None
    memory: int | None = None
    access: Access | None = None
    max_deliveries: int | None = None
    dead_letters: str | None = None
    lifetime: Lifetime | None = None


class Reading:
    """How an end makes messages of bytes, and bytes of messages.

    - ``coder``: makes the coder, when a message first needs it.
    - ``bytes_only``: whether bytes are sent and received as they are.
    """

    __slots__ = ("bytes_only", "coder")

    def __init__(self, coder: Callable[[], Coder], bytes_only: bool) -> None:
        self.coder = coder
        self.bytes_only = bytes_only

    @classmethod
    def of(cls, type: Any, codec: Codec | CodecName | None) -> Reading:
        """What was said of a link's messages: their type, and who encodes them."""
        make_coder = _coders()
        if type is None and codec is None:
            return cls(make_coder, True)
        coder = make_coder(type, codec)
        return cls(lambda: coder, coder.takes_bytes)


@cache
def _coders() -> type[Coder]:
    """What makes coders. The first link imports it, since msgspec takes as long as all the rest.

    The first message cannot: it may be that of a signal handler, or of `__del__` when Python ends.
    """
    from liaison.codec import Coder

    return Coder


class Carrier(ABC):
    """Makes links, and the ends of those that there are."""

    @abstractmethod
    def open(self, where: Address, how: How, policy: Policy, reading: Reading) -> CarrierEnd:
        """An `End` of the link at `where`.

        ``how`` is ``"open"`` (one that exists), ``"create"`` (one that does not), ``"open or
        create"``, or ``"observe"``: one that exists, without taking part.

        Raises `NotFound`, `NameTaken`, `Mismatch`, `Busy`, `AccessDenied`, `NoSpace`, `Corrupt`,
        `VersionMismatch`, `InvalidAddress`.
        """

    carries_pipes = False  # also those without a name

    def prepare(self, kind: str) -> None:
        """Import now what an ``"endpoint"`` or a ``"space"`` needs, if that is not there already.

        When the first is opened it may be too late: a program can have given up its rights by then.
        """

    def pipe(
        self, space: Address, policy: Policy, reading: Reading
    ) -> tuple[CarrierEnd, CarrierEnd]:
        """The reading and the writing `PipeEnd` of a new pipe, which has no name.

        Its processes know one another by `space`, or else by another of this machine.
        """
        raise self.unable("pipe")

    def inherited(self, handle: str, reads: bool, reading: Reading) -> CarrierEnd:
        """The `PipeEnd` that this process was given, by its `PipeEnd.handle`."""
        raise self.unable("pipe")

    def named_pipe(self, where: Address, policy: Policy, reading: Reading) -> CarrierEnd:
        """This process's side of a named pipe: what a `PipeEnd` is, both ways."""
        raise self.unable("named pipe")

    def endpoint(
        self, where: Address, capacity: int | None, reading: Reading, *, passing: bool
    ) -> CarrierEnd:
        """The `EndpointEnd` of who is the endpoint at `where` from now on.

        A `passing` one ends with this process.
        """
        raise self.unable("endpoint")

    def observe_endpoint(self, where: Address) -> ObservedEndpoint:
        """The endpoint at `where`, for who only looks."""
        raise self.unable("endpoint")

    def space(self, where: Address, *, create: bool, group: int | None = None) -> SpaceEnd:
        """The space at `where`, made where it is missing and `create` says so; `group` shares it.

        Raises `NotFound`, `AccessDenied`, `NoSpace`.
        """
        raise self.unable("space")

    def spaces(self) -> list[str]:
        """What spaces of the caller's there are, as `Address.parse_space` reads them."""
        return []

    def remove_space(self, where: Address, *, force: bool) -> None:
        """Remove the space at `where`, if nothing keeps it; see `liaison.Space.remove`."""
        raise self.unable("space")

    def unable(self, kind: str) -> InvalidAddress:
        """The error of a carrier that has not this kind of links."""
        return InvalidAddress(f"no {kind} can be carried by {type(self).__name__}")


class Listed(Facts):
    """A link; of an endpoint also by what names it is reached, and by whom.

    There are no statistics where nobody asked for them.
    """

    address: str
    link: Link
    statistics: Statistics | None
    aliases: list[str]
    known_as: dict[str, list[Peer]]


class Cleaned(Facts):
    """What `Space.clean` removed: links, remains of dead creators, doorbells; bytes set free."""

    links: int
    remains: int
    doorbells: int
    bytes: int


class SpaceEnd(ABC):
    """A space that is open."""

    @property
    @abstractmethod
    def path(self) -> str:
        """The directory in which it lies; "" where it lies in none."""

    @property
    @abstractmethod
    def gone(self) -> bool:
        """Whether it was removed: whoever comes finds another, or none."""

    @abstractmethod
    def names(self) -> list[str]:
        """The names of its links."""

    @abstractmethod
    def listed(self, *, counts: bool) -> list[Listed | tuple[str, LiaisonError]]:
        """Its links, by name, with their statistics if `counts`.

        Instead of one that cannot be looked at, its name and the reason. One that is gone by then,
        or has proved to be over, is left out.
        """

    @abstractmethod
    def members(self) -> list[Peer]:
        """The living processes that have used it."""

    @abstractmethod
    def clean(self, *, links: bool) -> Cleaned:
        """Remove what dead processes left behind; with `links`, also what nobody needs."""

    @abstractmethod
    def unlink(self, name: str) -> None:
        """Remove a link that is so damaged that it cannot be opened."""


class End(CarrierEnd, ABC):
    """One end of a link that carries messages.

    First what users call, with the meaning that it has for `liaison.Mailbox`; then the steps of
    which the same consists for who waits by a descriptor, as tasks do; then what a pipe adds.
    """

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
    def loan(self, size: int, *, timeout: float | None = None) -> Loan:
        """Memory of the link, to write a message into."""

    @abstractmethod
    def receive(self, *, timeout: float | None = None) -> Any:
        """Receive one message."""

    @abstractmethod
    def try_receive(self, default: Any = None) -> Any:
        """Receive one message if there is one, else `default`."""

    @abstractmethod
    def receive_many(self, max: int, *, timeout: float | None = None) -> list[Any]:
        """Wait for one message, and take what is there besides, at most `max`."""

    @abstractmethod
    def lease(self, *, timeout: float | None = None) -> Delivery:
        """Receive one message, and keep it until it is settled."""

    @abstractmethod
    def peek(self, max: int = 10) -> list[Any]:
        """Copies of at most `max` messages that wait, oldest first."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """A snapshot of the counts."""

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that is readable when there may be a message."""

    @abstractmethod
    def close(self) -> None:
        """Give up this end; idempotent."""

    @abstractmethod
    def destroy(self, *, force: bool = False) -> None:
        """Destroy the link for everybody."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the messages that wait."""

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
    def ready(self) -> bool:
        """Whether a receive need not wait. If it would have to, `fileno()` is quiet now."""

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

    It knows the users' links by identity and keeps none of them: whoever keeps it gives it up when
    one of them dies. One thread at a time waits with it.
    """

    references: list[Any]  # of who keeps it
    exhausted: bool  # nobody else can wait like this now: ask the kernel instead

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
        """Give it up; who waits with it looks again."""

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


class Delivery(ABC, Generic[Message_co]):
    """A message under lease; leaving its ``with`` block acknowledges it, or returns it."""

    @property
    @abstractmethod
    def message(self) -> Message_co:
        """What was sent. Raises `DecodeError`."""

    @property
    @abstractmethod
    def view(self) -> memoryview:
        """The bytes in place."""

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
        """Give it to the next receiver, ahead of the rest."""

    @abstractmethod
    def __enter__(self) -> Self:
        """Give it."""

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Settle it."""


class Loan(ABC, Generic[Message]):
    """Memory of the link to write a message into; leaving its ``with`` block discards it."""

    @property
    @abstractmethod
    def view(self) -> memoryview:
        """The memory, writable."""

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

    @abstractmethod
    def __enter__(self) -> Self:
        """Give it."""

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Settle it."""


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


class EndpointEnd(CarrierEnd, ABC):
    """An endpoint, as the process has it that it names.

    First what users call, with the meaning that it has for `liaison.Endpoint`; then the steps of
    which the same consists for tasks. What goes from one endpoint to another lies on a link of
    these two, and the end of that is an `End`.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What the endpoint is called now; after it was closed, what it was called then."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Its address now, a URL."""

    @property
    @abstractmethod
    def aliases(self) -> list[str]:
        """The other names by which it is reached."""

    @property
    @abstractmethod
    def link(self) -> Link:
        """What the endpoint is, and who has it or sends to it at this moment."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether this process has given the name up."""

    @abstractmethod
    def send(
        self,
        to: Correspondent,
        message: Any,
        *,
        timeout: float | None = None,
        receipt: bool = False,
    ) -> Receipt | None:
        """Send one message to the endpoint called `to`."""

    @abstractmethod
    def try_send(self, to: Correspondent, message: Any) -> bool:
        """Send one message if that needs no waiting; whether it was sent."""

    @abstractmethod
    def receive(self, source: Correspondent | None = None, *, timeout: float | None = None) -> Any:
        """Receive one message, from `source` or from anyone."""

    @abstractmethod
    def try_receive(self, source: Correspondent | None = None, default: Any = None) -> Any:
        """Receive one message if there is one, else `default`."""

    @abstractmethod
    def lease(
        self, source: Correspondent | None = None, *, timeout: float | None = None
    ) -> Delivery:
        """Receive one message, and keep it until it is settled."""

    @abstractmethod
    def rename(self, new: str) -> None:
        """Be called `new` from now on; who knows the old name still reaches it."""

    @abstractmethod
    def retire(self, old: str) -> None:
        """Be no longer reached by a name that it had."""

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor that is readable when there may be a message from anyone."""

    @abstractmethod
    def close(self) -> None:
        """Give the name up; idempotent."""

    @abstractmethod
    def destroy(self, *, force: bool = False) -> None:
        """Destroy the endpoint, with its names and all that was sent to it and not received."""

    @abstractmethod
    def peek(self, max: int = 10) -> list[Any]:
        """Copies of at most `max` messages that wait, those of one sender after the other's."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """A snapshot of the counts of all links to it together."""

    @abstractmethod
    def links(self) -> list[Link]:
        """Its links, one for each endpoint that it has sent to or received from."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the messages that wait."""

    # ---- in steps

    @abstractmethod
    def check(self) -> None:
        """Raise what is to be said when this end is of no use any more."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether a receive need not wait. If it would have to, `fileno()` is quiet now."""

    @abstractmethod
    def way_to(self, to: Correspondent) -> End:
        """The end by which `to` is sent to."""

    @abstractmethod
    def way_from(self, source: Correspondent) -> End | None:
        """The end by which is received what `source` sends; None while nothing has come from it."""

    @abstractmethod
    def is_over(self, to: Correspondent) -> bool:
        """Whether what `to` led to was destroyed, for all that is known."""

    @abstractmethod
    def ended(self, way: CarrierEnd) -> None:
        """Give up an end that `way_from` gave, and that says it was destroyed.

        Raises `Destroyed` when the endpoint itself was.
        """

    @property
    @abstractmethod
    def news(self) -> CarrierEnd:
        """An end whose descriptor is readable when somebody new may have sent.

        `way_from` silences it.
        """


class ObservedEndpoint(CarrierEnd, ABC):
    """An endpoint for who looks at it and takes no part; its counts are those of all its links."""

    @property
    @abstractmethod
    def address(self) -> str:
        """Its address now, a URL."""

    @property
    @abstractmethod
    def aliases(self) -> list[str]:
        """The other names by which it is reached."""

    @property
    @abstractmethod
    def link(self) -> Link:
        """What it is, and who has it or sends to it at this moment."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether this end was closed."""

    @abstractmethod
    def known_as(self) -> dict[str, list[Peer]]:
        """The names by which senders know it, and the living processes that use them."""

    @abstractmethod
    def peek(self, max: int = 10) -> list[Any]:
        """Copies of at most `max` messages that wait, those of one sender after the other's."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """The counts of all its links together, and the room on the fullest of them."""

    @abstractmethod
    def close(self) -> None:
        """Look no longer; idempotent."""

    @abstractmethod
    def destroy(self, *, force: bool = False) -> None:
        """Destroy it, with all that was sent to it."""

    @abstractmethod
    def __len__(self) -> int:
        """Count the messages that wait."""
