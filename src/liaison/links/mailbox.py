"""Mailboxes: indirect communication, through a named place where anyone may send and receive."""

from __future__ import annotations

import operator
from functools import cache
from typing import TYPE_CHECKING, Any

from liaison.address import Address
from liaison.carriers import shm
from liaison.carriers.contract import MailboxContract
from liaison.errors import Full, InvalidAddress

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from liaison.codec import Codec

__all__ = ["Mailbox"]

_ACCESS = ("any", "exclusive", "pair")
_LARGEST_CAPACITY = 1 << 18  # messages
_LARGEST_MEMORY = 1 << 40  # bytes


class Mailbox(MailboxContract):
    """A named queue of messages between any number of processes.

    Opens the mailbox at `address`, or creates it. What is said of it must then agree with what it
    is; what is left out is not compared.

    - ``capacity``: how many messages may be accepted and not yet acknowledged; 1024 when created
      without saying. 0 makes it a rendezvous: `send` returns once a receiver has the message.
    - ``max_message``: bytes of the largest message, for which room is then reserved in every
      place; None for messages of any size.
    - ``memory``: bytes for payloads that are too large for their place, all reserved at creation.
      None begins with 32 KiB and reserves more when it is needed, up to 1 GiB.
    - ``access``: ``"any"`` (one of the waiting receivers gets the message, the oldest waiter
      first), ``"exclusive"`` (one process at a time may receive), ``"pair"`` (at most two processes
      on the link).
    - ``type``: what messages are to be; they are validated and arrive as that type.
    - ``codec``: ``"pickle"``, or an object with ``encode`` and ``decode``.
    - ``max_deliveries``: after so many deliveries without an acknowledgement a message goes to
      ``dead_letters``, the address of a mailbox (``NAME.dead`` unless said otherwise).

    Raises `InvalidAddress`, `Mismatch` when it exists and is different, `Busy` when it is a pair
    that has its two processes, `AccessDenied`, `NoSpace`, `Corrupt`, `VersionMismatch`, and
    `ValueError` for sizes that cannot be.

    >>> import liaison
    >>> with liaison.Mailbox("orders") as box:
    ...     box.send({"item": "tea", "count": 2})
    ...     print(box.receive())
    ...     box.destroy()
    {'item': 'tea', 'count': 2}
    """

    __slots__ = ()

    _kind: type[Mailbox]  # as users know it: without its carrier
    _arguments: tuple[Any, Any]  # type and codec, as given

    if not TYPE_CHECKING:  # a checker of types looks at __init__

        def __new__(cls, address=None, *_, **__):
            """Make an end of the kind that the address's carrier has."""
            # A subclass may have a constructor of its own; then __init__ hears the address.
            given = isinstance(address, (str, Address))
            return cls._bare(_parse(address) if given else Address.current_space())

    def __init__(
        self,
        address: str | Address,
        *,
        capacity: int | None = None,
        max_message: int | None = None,
        memory: int | None = None,
        access: str | None = None,
        type: Any = None,
        codec: Codec | str | None = None,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
    ) -> None:
        """Open the mailbox, or create it."""
        where = _parse(address)
        self._begin_as(
            "open or create",
            where,
            _policy(
                where,
                capacity=capacity,
                max_message=max_message,
                memory=memory,
                access=access,
                max_deliveries=max_deliveries,
                dead_letters=dead_letters,
            ),
            type,
            codec,
        )

    @classmethod
    def create(
        cls,
        address: str | Address,
        *,
        capacity: int | None = None,
        max_message: int | None = None,
        memory: int | None = None,
        access: str | None = None,
        type: Any = None,
        codec: Codec | str | None = None,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
    ) -> Mailbox:
        """Create a mailbox that does not exist; the arguments are the constructor's.

        Raises `NameTaken` where one exists, otherwise as the constructor does.

        >>> import liaison
        >>> box = liaison.Mailbox.create("fresh", capacity=1)
        >>> liaison.Mailbox.create("fresh")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        liaison.errors.NameTaken: shm://.../fresh exists; open it with ...
        >>> box.destroy()
        """
        where = _parse(address)
        policy = _policy(
            where,
            capacity=capacity,
            max_message=max_message,
            memory=memory,
            access=access,
            max_deliveries=max_deliveries,
            dead_letters=dead_letters,
        )
        return cls._bare(where)._begin_as("create", where, policy, type, codec)

    @classmethod
    def open(
        cls, address: str | Address, *, type: Any = None, codec: Codec | str | None = None
    ) -> Mailbox:
        """Open a mailbox that exists.

        Raises `NotFound` where there is none, otherwise as the constructor does.

        >>> import liaison
        >>> liaison.Mailbox.open("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        liaison.errors.NotFound: there is no shm://.../nowhere; create it with ...
        """
        where = _parse(address)
        return cls._bare(where)._begin_as("open", where, {}, type, codec)

    @classmethod
    def observe(
        cls, address: str | Address, *, type: Any = None, codec: Codec | str | None = None
    ) -> Mailbox:
        """Open a mailbox that exists without taking part in it.

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
        where = _parse(address)
        return cls._bare(where)._begin_as("observe", where, {}, type, codec)

    @classmethod
    def _bare(cls, where: Address) -> Self:
        return _carried(cls, where)

    def _begin_as(
        self, how: str, where: Address, policy: dict[str, Any], type: Any, codec: Any
    ) -> Self:
        self._start(where, how, policy, type, codec, _bury)  # type: ignore[attr-defined]
        self._arguments = (type, codec)
        return self

    def __enter__(self) -> Self:
        """Give this end; the block closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close this end."""
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel by address, as to a spawned process; opened there anew."""
        return _reopen, (self._kind, self.address, *self._arguments)

    def __repr__(self) -> str:
        """Show where it is."""
        state = " (closed)" if self.closed else ""
        return f"<{type(self).__name__} {self.address}{state}>"


@cache
def _in_memory(kind: type[Mailbox]) -> type[shm.MailboxEnd]:
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


def _carried(kind: type[Mailbox], where: Address) -> Any:
    """An end that is not open yet."""
    if where.scheme != "shm":
        raise InvalidAddress(
            f"{where}: no mailbox can be carried by {where.scheme}://; use a bare name or shm://"
        )
    made = kind if issubclass(kind, shm.MailboxEnd) else _in_memory(kind)
    return shm.MailboxEnd.__new__(made)


def _parse(address: str | Address) -> Address:
    return address if isinstance(address, Address) else Address.parse(address)


def _reopen(kind: type[Mailbox], address: str, type: Any, codec: Any) -> Mailbox:
    return kind.open(address, type=type, codec=codec)


def _size(name: str, value: int | None, least: int, most: int) -> int | None:
    if value is None:
        return None
    number = operator.index(value)
    if not least <= number <= most:
        raise ValueError(f"{name}={number} is out of range: it is {least} to {most}, or None")
    return number


def _policy(
    where: Address,
    *,
    capacity: int | None,
    max_message: int | None,
    memory: int | None,
    access: str | None,
    max_deliveries: int | None,
    dead_letters: str | None,
) -> dict[str, Any]:
    """What was said of the link, checked; the engine's words for what was left unsaid."""
    capacity = _size("capacity", capacity, 0, _LARGEST_CAPACITY)
    max_message = _size("max_message", max_message, 1, (1 << 32) - 4096)
    memory = _size("memory", memory, 1, _LARGEST_MEMORY)
    max_deliveries = _size("max_deliveries", max_deliveries, 1, (1 << 16) - 2)
    if access is not None and access not in _ACCESS:
        raise ValueError(f'access={access!r} is unknown: it is "any", "exclusive" or "pair"')
    if max_message and memory:
        raise ValueError(
            "max_message= reserves room for each message, memory= for all of them together: "
            "give one of the two"
        )
    grave = "" if dead_letters is None else str(_beside(where, dead_letters))
    if grave == str(where):
        raise ValueError("a mailbox cannot be its own dead_letters")
    if max_deliveries and not grave:
        _default_dead_letters(where)  # says now when the name would be too long
    return {
        "capacity": -1 if capacity is None else capacity,
        "max_message": max_message or 0,
        "memory": memory or 0,
        "access": access,
        "max_deliveries": max_deliveries or 0,
        "dead_letters": grave,
    }


def _beside(where: Address, address: str) -> Address:
    """An address as the users of the link at `where` mean it: a bare name is in its space."""
    from dataclasses import replace

    if "://" in address:
        return Address.parse(address)
    return replace(where, name=Address.parse(address).name)


def _default_dead_letters(where: Address) -> str:
    return str(_beside(where, f"{where.name}.dead"))


def _bury(box: Any, format: int, payload: memoryview, attempt: int) -> None:
    """Move a message that was delivered too often to the link's dead letters.

    It is sent there first and acknowledged here afterwards: dying between the two leaves it in
    both places rather than in neither.
    """
    with Mailbox(box.dead_letters) as dead:
        try:
            dead._forward(format, payload)  # type: ignore[attr-defined]
        except Full:
            raise Full(
                f"a message of {box.address} was delivered {attempt} times and belongs to its dead "
                f"letters, but {dead.address} is full; receive from that first"
            ) from None
