"""What all named links have in common: opening an end, and passing it to another process."""

from __future__ import annotations

import operator
from functools import cache

from liaison._native.carrier import Unopened
from liaison._native.link import Receiving, Sending, attach
from liaison.address import Address
from liaison.carriers.contract import Policy, Reading
from liaison.carriers.registry import carrier_of
from liaison.closing import Closing
from liaison.errors import LiaisonError, Mismatch
from liaison.message import Message

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar, Self, TypedDict, TypeVar

    from liaison.carriers.contract import How
    from liaison.codec import Codec, CodecName
    from liaison.link import Kind, Link

    Function = TypeVar("Function", bound=Callable[..., object])

    class Options(TypedDict, total=False):
        """The options of a mailbox, a port and a pipe, besides the type of the messages.

        A constructor names its options itself, so that help(), completion and Python's error for an
        unknown option know them without a type checker. A function that only passes options on to a
        constructor, such as `create` and the constructors for tasks, takes them by this dictionary.
        """

        capacity: int | None
        max_message: int | None
        memory: int | None
        codec: Codec | CodecName | None


__all__ = ["AnyKind", "LinkEnd", "mismatch", "parsed", "passing_to", "size"]

_ANY = Policy()


@cache
def _of_kind(kind: Kind | None) -> Policy:
    return Policy(kind=kind)


class LinkEnd(Closing, Sending[Message], Receiving[Message]):
    """An end of a link that has a name and carries messages."""

    __slots__ = ("_how", "_said")

    _named: ClassVar[Kind | None]  # the kind, as in `Link.kind`; None: any
    _said: tuple[Any, Any]  # type and codec, as given
    _how: How

    @classmethod
    def open(
        cls,
        address: str | Address,
        *,
        type: type[Message] | object = None,
        codec: Codec | CodecName | None = None,
    ) -> Self:
        """Open a link of this kind that exists.

        ``Mailbox[Order].open("orders", type=Order)`` tells a type checker what ``receive`` returns.

        Raises `NotFound` when it does not exist, otherwise as the constructor does.

        >>> import liaison
        >>> liaison.Mailbox.open("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        liaison.errors.NotFound: there is no shm://.../nowhere; create it with ...
        """
        return cls._opened("open", parsed(address), _ANY, type, codec)

    @classmethod
    def observe(
        cls,
        address: str | Address,
        *,
        type: type[Message] | object = None,
        codec: Codec | CodecName | None = None,
    ) -> Self:
        """Open a link of this kind that exists, as an observer.

        An observer is not one of the link's processes; it can only use `peek`, `statistics`,
        `link`, `len` and `destroy`.

        Raises `NotFound` when it does not exist, otherwise as the constructor does.

        >>> import liaison
        >>> with liaison.Mailbox("watched") as box:
        ...     box.send("tea")
        ...     with liaison.Mailbox.observe("watched") as observer:
        ...         print(len(observer), observer.peek())
        ...     box.destroy()
        1 ['tea']
        """
        return cls._opened("observe", parsed(address), _ANY, type, codec)

    @classmethod
    def _to_create(cls) -> Self:
        """Make an object whose constructor must create the link, and not open an existing one."""
        made = cls.__new__(cls)
        made._how = "create"
        return made

    @property
    def _how_constructed(self) -> How:
        return "create" if getattr(self, "_how", "open") == "create" else "open or create"

    @classmethod
    def _opened(
        cls, how: How, where: Address, policy: Policy, type: Any, codec: Codec | CodecName | None
    ) -> Self:
        made = cls.__new__(cls)
        made._begin(how, where, policy, type, codec)
        return made

    def _begin(
        self, how: How, where: Address, policy: Policy, type: Any, codec: Codec | CodecName | None
    ) -> None:
        policy = _of_kind(self._named) if policy is _ANY else policy.but(kind=self._named)
        try:
            end = carrier_of(where).open(where, how, policy, Reading.of(type, codec))
        except Mismatch as error:
            if how == "observe":
                raise
            raise mismatch(error, where, policy) from None
        attach(self, end)
        self._how = "observe" if how == "observe" else "open"
        self._said = (type, codec)

    def __reduce_ex__(self, _: Any, /) -> tuple[Any, ...]:
        """Pickle the address; unpickling opens the link anew, unless this end is closed."""
        how = "closed" if self.closed else self._how
        fields = object.__getstate__(self)
        return _arrived, (type(self), how, self.address, *self._said), fields

    def __repr__(self) -> str:
        """Show the address."""
        state = " (closed)" if self.closed else ""
        return f"<{type(self).__name__} {self.address}{state}>"


class AnyKind(LinkEnd[Message]):
    """An end of a link of any kind."""

    __slots__ = ()

    _named = None


_POLICY = ("capacity", "max_message", "memory", "access", "max_deliveries", "dead_letters")
_OF_A_QUEUE = {"capacity": "max_messages", "max_message": "message_size"}


def mismatch(error: Mismatch, where: Address, policy: Policy) -> Mismatch:
    """The carrier's error, or one that says how the link at `where` differs from `policy`."""
    try:
        with AnyKind.observe(where) as end:
            different = _differences(end.link, policy)
    except LiaisonError:
        return error
    return Mismatch(f"{where} exists, and {different}") if different else error


def _differences(link: Link, policy: Policy) -> str:
    if policy.kind not in (None, link.kind):
        return f"is {_with_article(link.kind)}, not {_with_article(policy.kind)}"
    names = _OF_A_QUEUE if link.kind == "queue" else {}
    found = [
        f"its {names.get(name, name)} is {getattr(link, name)!r}, not {asked!r}"
        for name in _POLICY
        if (asked := getattr(policy, name)) not in (None, getattr(link, name))
    ]
    return "; ".join(found) + ": leave out the arguments that do not matter" if found else ""


def _with_article(kind: str) -> str:
    return f"an {kind}" if kind == "endpoint" else f"a {kind}"


def parsed(address: str | Address) -> Address:
    """The user's argument as an `Address`."""
    return address if isinstance(address, Address) else Address.parse(address)


def _arrived(kind: type[LinkEnd], how: str, address: str, type: Any, codec: Any) -> LinkEnd:
    if how == "observe":
        return kind.observe(address, type=type, codec=codec)
    if how == "open":
        return kind.open(address, type=type, codec=codec)
    made = kind.__new__(kind)
    attach(made, Unopened(address))
    return made


def passing_to(constructor: Callable[..., object]) -> Callable[[Function], Function]:
    """Have help() show the options of `constructor` for a function that passes them on to it."""

    def mark(function: Function) -> Function:
        function.__wrapped__ = constructor  # type: ignore[attr-defined]
        return function

    return mark


def size(name: str, value: int | None, least: int, most: int) -> int | None:
    """The user's argument as an int, checked."""
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is not a whole number") from None
    if not least <= number <= most:
        raise ValueError(f"{name}={number} is out of range: it is {least} to {most}, or None")
    return number
