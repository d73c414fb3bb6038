"""Mailboxes: indirect communication, through a named queue that all processes share."""

from __future__ import annotations

from liaison.carriers.contract import Policy
from liaison.dead_letters import beside, default_dead_letters
from liaison.links.end import LinkEnd, parsed, size
from liaison.message import Message

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Self, Unpack, overload

    from liaison.address import Address
    from liaison.codec import Codec, CodecName
    from liaison.link import Access
    from liaison.links.end import Options

    class MailboxOptions(Options, total=False):
        """The options of a mailbox, besides the type of its messages; see `Mailbox`."""

        access: Access | None
        max_deliveries: int | None
        dead_letters: str | None


__all__ = ["Mailbox", "policy_of"]

_ACCESS = ("any", "exclusive", "pair")
_LARGEST_CAPACITY = 1 << 18  # messages
_LARGEST_MEMORY = 1 << 40  # bytes


class Mailbox(LinkEnd[Message]):
    """A named queue of messages between any number of processes.

    Opens the mailbox at `address`, or creates it. Arguments that are given must agree with a
    mailbox that exists.

    - ``capacity``: most messages that are accepted and not yet acknowledged; by default 1024. 0
      makes it a rendezvous: `send` returns once a receiver has the message.
    - ``max_message``: bytes of the largest message, for which every place reserves room; None for
      messages of any size.
    - ``memory``: bytes for payloads of more than 72 bytes, all reserved at creation. None reserves
      memory when it is needed, up to 1 GiB, and places 128 at a time; a send that finds no memory
      then raises `NoSpace`.
    - ``access``: ``"any"`` (one of the waiting receivers gets the message, the oldest waiter
      first), ``"exclusive"`` (one process at a time may receive), ``"pair"`` (at most two processes
      on the link).
    - ``type``: the type of received messages, which are validated.
    - ``codec``: ``"pickle"``, or an object with ``encode`` and ``decode``.
    - ``max_deliveries``: a message that has been delivered so often without an acknowledgement is
      moved to ``dead_letters``, the address of a mailbox (by default ``NAME.dead``).

    Raises `InvalidAddress`, `Mismatch` when it exists with other properties, `Busy` when it is a
    pair that has its two processes, `AccessDenied`, `NoSpace`, `Corrupt`, `VersionMismatch`, and
    `ValueError` for a number that is out of range.

    >>> import liaison
    >>> with liaison.Mailbox("orders") as box:
    ...     box.send({"item": "tea", "count": 2})
    ...     print(box.receive())
    ...     box.destroy()
    {'item': 'tea', 'count': 2}
    """

    __slots__ = ()

    _named = "mailbox"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, address: str | Address, *, type: type[Message], **options: Unpack[MailboxOptions]
        ) -> None: ...
        @overload
        def __init__(
            self, address: str | Address, *, type: object = None, **options: Unpack[MailboxOptions]
        ) -> None: ...

    def __init__(
        self,
        address: str | Address,
        *,
        capacity: int | None = None,
        max_message: int | None = None,
        memory: int | None = None,
        access: Access | None = None,
        type: object = None,
        codec: Codec | CodecName | None = None,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
    ) -> None:
        """Open the mailbox, or create it."""
        where = parsed(address)
        policy = policy_of(
            where, capacity, max_message, memory, access, max_deliveries, dead_letters
        )
        self._begin(self._how_constructed, where, policy, type, codec)

    @classmethod
    def create(
        cls,
        address: str | Address,
        *,
        type: type[Message] | object = None,
        **options: Unpack[MailboxOptions],
    ) -> Self:
        """Create a mailbox that does not exist; the options are the constructor's.

        Raises `NameTaken` where one exists, otherwise as the constructor does.

        >>> import liaison
        >>> box = liaison.Mailbox.create("fresh", capacity=1)
        >>> liaison.Mailbox.create("fresh")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        liaison.errors.NameTaken: shm://.../fresh exists; open it with ...
        >>> box.destroy()
        """
        made = cls._to_create()
        Mailbox.__init__(made, address, type=type, **options)
        return made


def policy_of(
    where: Address,
    capacity: int | None,
    max_message: int | None,
    memory: int | None,
    access: Access | None,
    max_deliveries: int | None,
    dead_letters: str | None,
) -> Policy:
    """The checked policy of a link."""
    capacity = size("capacity", capacity, 0, _LARGEST_CAPACITY)
    max_message = size("max_message", max_message, 1, (1 << 32) - 4096)
    memory = size("memory", memory, 1, _LARGEST_MEMORY)
    max_deliveries = size("max_deliveries", max_deliveries, 1, (1 << 16) - 2)
    if access is not None and access not in _ACCESS:
        raise ValueError(f'access={access!r} is unknown: it is "any", "exclusive" or "pair"')
    if max_message and memory:
        raise ValueError(
            "max_message= reserves room for each message, memory= for all of them together: "
            "give one of the two"
        )
    letters = None if dead_letters is None else str(beside(where, dead_letters))
    if letters == str(where):
        raise ValueError("a mailbox cannot be its own dead_letters")
    if max_deliveries and not letters:
        default_dead_letters(where)  # raises now, if the name is too long
    return Policy(
        capacity=capacity,
        max_message=max_message,
        memory=memory,
        access=access,
        max_deliveries=max_deliveries,
        dead_letters=letters,
    )
