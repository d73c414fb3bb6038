"""What all named links have in common: how an end of one is opened, carried and passed on."""

from __future__ import annotations

import operator
from functools import cache

from liaison.address import Address
from liaison.carriers import shm
from liaison.carriers.contract import MailboxContract
from liaison.closing import Closing
from liaison.errors import InvalidAddress, LiaisonError, Mismatch
from liaison.links.dead_letters import bury, mourn

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self

    from liaison.carriers.shm_observer import EndpointObserver
    from liaison.codec import Codec

__all__ = ["LinkEnd", "Observed", "parsed", "require_memory", "size"]


class LinkEnd(Closing, MailboxContract):
    """An end of a link that has a name and carries messages."""

    __slots__ = ()

    _named: ClassVar[str | None]  # the kind, as `Link.kind` says it; None: any
    _kind: type[LinkEnd]  # as users know it: without its carrier
    _arguments: tuple[Any, Any]  # type and codec, as given

    if not TYPE_CHECKING:  # a checker of types looks at __init__

        def __new__(cls, address=None, *_, **__):
            """Make an end of the kind that the address's carrier has."""
            # A subclass may have a constructor of its own; then __init__ hears the address.
            given = isinstance(address, (str, Address))
            return cls._bare(parsed(address) if given else Address.current_space())

    @classmethod
    def open(
        cls, address: str | Address, *, type: Any = None, codec: Codec | str | None = None
    ) -> Self:
        """Open a link of this kind that exists.

        Raises `NotFound` where there is none, otherwise as the constructor does.

        >>> import liaison
        >>> liaison.Mailbox.open("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        liaison.errors.NotFound: there is no shm://.../nowhere; create it with ...
        """
        where = parsed(address)
        return cls._bare(where)._begin_as("open", where, {}, type, codec)

    @classmethod
    def observe(
        cls, address: str | Address, *, type: Any = None, codec: Codec | str | None = None
    ) -> Self:
        """Open a link of this kind that exists without taking part in it.

        An observer takes no place on the link and is not listed among its processes; it can only
        `peek`, ask for `statistics`, `link` and `len`, and `destroy`.

        Raises `NotFound` where there is none, otherwise as the constructor does.

        >>> import liaison
        >>> with liaison.Mailbox("watched") as box:
        ...     box.send("tea")
        ...     with liaison.Mailbox.observe("watched") as observer:
        ...         print(len(observer), observer.peek())
        ...     box.destroy()
        1 ['tea']
        """
        where = parsed(address)
        return cls._bare(where)._begin_as("observe", where, {}, type, codec)

    @classmethod
    def _bare(cls, where: Address) -> Self:
        return _carried(cls, where)

    def _begin_as(
        self, how: str, where: Address, policy: dict[str, Any], type: Any, codec: Any
    ) -> Self:
        policy = {"kind": self._named, **policy}
        try:
            self._start(where, how, policy, type, codec, bury, mourn)  # type: ignore[attr-defined]
        except Mismatch:
            if different := _differences(where, policy):
                raise Mismatch(f"{where} exists, and {different}") from None
            raise
        self._arguments = (type, codec)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel by address, as to a spawned process; opened there anew."""
        return _reopen, (self._kind, self.address, *self._arguments)

    def __repr__(self) -> str:
        """Show where it is."""
        state = " (closed)" if self.closed else ""
        return f"<{type(self).__name__} {self.address}{state}>"


class Observed(LinkEnd):
    """An end of a link of any kind, for who only looks; see `observe`."""

    __slots__ = ()

    _named = None

    @classmethod
    def look(cls, address: str | Address) -> Observed | EndpointObserver:
        """Observe a link of any kind, also an endpoint. Raises as `observe` does."""
        where = parsed(address)
        end = cls.observe(where)
        if end.link.kind != "endpoint":
            return end
        end.close()
        from liaison.carriers.shm_observer import EndpointObserver

        return EndpointObserver(where)


_POLICY = ("capacity", "max_message", "memory", "access", "max_deliveries", "dead_letters")
_ARTICLES = {"endpoint": "an"}
_OF_A_QUEUE = {"capacity": "max_messages", "max_message": "message_size"}


def _differences(where: Address, policy: dict[str, Any]) -> str:
    """How the link at `where` is other than was asked for; "" when that cannot be told."""
    try:
        with Observed.observe(where) as end:
            link = end.link
    except LiaisonError:
        return ""
    if policy.get("kind") not in (None, link.kind):
        return f"is {_ARTICLES.get(link.kind, 'a')} {link.kind}, not a {policy['kind']}"
    names = _OF_A_QUEUE if link.kind == "queue" else {}
    found = [
        f"its {names.get(name, name)} is {getattr(link, name)!r}, not {asked!r}"
        for name in _POLICY
        if (asked := policy.get(name)) not in (None, 0, -1, "", getattr(link, name))
        or (name == "capacity" and asked == 0 != link.capacity)
    ]
    return "; ".join(found) + ": leave out what does not matter" if found else ""


@cache
def _in_memory(kind: type[LinkEnd]) -> type[shm.MailboxEnd]:
    """The class of ends of `kind` that are carried by shared memory.

    The carrier's class comes after what users wrote and before the contract, so that a call of
    `send` is a call of the compiled module, with no Python in between.
    """
    body = {
        "__slots__": ("_arguments",),
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "_kind": kind,
    }
    return type(kind.__name__, (kind, shm.MailboxEnd), body)


def _carried(kind: type[LinkEnd], where: Address) -> Any:
    """An end that is not open yet."""
    require_memory(where)
    made = kind if issubclass(kind, shm.MailboxEnd) else _in_memory(kind)
    return shm.MailboxEnd.__new__(made)


def require_memory(where: Address) -> None:
    """Refuse an address that is not in shared memory."""
    if where.scheme != "shm":
        other = (
            "; sockets are liaison.listen and liaison.connect"
            if where.scheme in ("unix", "tcp", "tls")
            else ""
        )
        raise InvalidAddress(
            f"{where}: no link of this kind can be carried by {where.scheme}://; "
            f"use a bare name or shm://{other}"
        )


def parsed(address: str | Address) -> Address:
    """What a user gave as an address."""
    return address if isinstance(address, Address) else Address.parse(address)


def _reopen(kind: type[LinkEnd], address: str, type: Any, codec: Any) -> LinkEnd:
    return kind.open(address, type=type, codec=codec)


def size(name: str, value: int | None, least: int, most: int) -> int | None:
    """A number that a user gave, checked."""
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}={value!r} is not a whole number") from None
    if not least <= number <= most:
        raise ValueError(f"{name}={number} is out of range: it is {least} to {most}, or None")
    return number
