"""What makes links, and what a user says of a link."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache

from liaison.errors import InvalidAddress
from liaison.facts import Facts

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeAlias

    from liaison._native.carrier import CarrierEnd
    from liaison.address import Address
    from liaison.carriers.contract.connection import ListenerEnd, Terms
    from liaison.carriers.contract.endpoint import ObservedEndpoint
    from liaison.carriers.contract.space import SpaceEnd
    from liaison.carriers.steps import Steps
    from liaison.codec import Codec, CodecName, Coder
    from liaison.link import Access, Kind, Lifetime

    How: TypeAlias = Literal["open", "create", "open or create", "observe"]

__all__ = ["Carrier", "Policy", "Reading"]


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
        """Make it of the `type` and the `codec` that a user gave."""
        make_coder = _coders()
        if type is None and codec is None:
            return cls(make_coder, True)
        coder = make_coder(type, codec)
        return cls(lambda: coder, coder.bytes_only)


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
        """Import now what an ``"endpoint"``, a ``"pipe"`` or a ``"space"`` needs.

        When the first is opened it may be too late: a program can have given up its rights by then.
        """

    def pipe(
        self, space: Address, policy: Policy, reading: Reading
    ) -> tuple[CarrierEnd, CarrierEnd]:
        """The reading and the writing `PipeEnd` of a new pipe, which has no name.

        Its processes know one another by `space`, or else by another of this machine.
        """
        raise self.unable("pipe", space)

    def inherited(self, handle: str, reads: bool, reading: Reading) -> CarrierEnd:
        """The `PipeEnd` that this process was given, by its `PipeEnd.handle`."""
        raise self.unable("pipe", handle)

    def named_pipe(self, where: Address, policy: Policy, reading: Reading) -> CarrierEnd:
        """This process's side of a named pipe: what a `PipeEnd` is, both ways."""
        raise self.unable("named pipe", where)

    def endpoint(
        self, where: Address, capacity: int | None, reading: Reading, *, passing: bool
    ) -> CarrierEnd:
        """The `EndpointEnd` by which this process is the endpoint at `where` from now on.

        A `passing` one ends with this process.
        """
        raise self.unable("endpoint", where)

    def observe_endpoint(self, where: Address) -> ObservedEndpoint:
        """The endpoint at `where`, for an observer."""
        raise self.unable("endpoint", where)

    def space(self, where: Address, *, create: bool, group: int | None = None) -> SpaceEnd:
        """The space at `where`, made where it is missing and `create` says so; `group` shares it.

        Raises `NotFound`, `AccessDenied`, `NoSpace`.
        """
        raise self.unable("space", where)

    def spaces(self) -> list[str]:
        """The caller's spaces, as `Address.parse_space` reads them."""
        return []

    def remove_space(self, where: Address, *, force: bool) -> None:
        """Remove the space at `where`, if nothing keeps it; see `liaison.Space.remove`."""
        raise self.unable("space", where)

    def listening(self, where: Address, terms: Terms) -> Steps[ListenerEnd]:
        """Listen at `where`; the last step returns the `ListenerEnd`."""
        raise self.no_socket(where)

    def connecting(self, where: Address, terms: Terms) -> Steps[CarrierEnd]:
        """Connect to the listener at `where`; the last step returns the `ConnectionEnd`."""
        raise self.no_socket(where)

    def no_socket(self, where: Address) -> InvalidAddress:
        """The error of a carrier that has no connections."""
        return InvalidAddress(
            f"{where} is no socket: use unix:///path, tcp://host:port or tls://host:port"
        )

    def unable(self, kind: str, where: object) -> InvalidAddress:
        """The error of a carrier that has no links of this kind."""
        return InvalidAddress(f"{where}: no {kind} can be carried there")
