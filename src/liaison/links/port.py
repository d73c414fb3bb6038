"""Ports: a mailbox with one receiver, which it does not outlive."""

from __future__ import annotations

from liaison.dead_letters import default_dead_letters
from liaison.links.end import LinkEnd, parsed
from liaison.links.mailbox import policy_of
from liaison.message import Message

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Unpack, overload

    from liaison.address import Address
    from liaison.codec import Codec, CodecName
    from liaison.link import Lifetime
    from liaison.links.end import Options

    class PortOptions(Options, total=False):
        """What can be said of a port beside the type of its messages; see `Port`."""

        lifetime: Lifetime
        max_deliveries: int | None
        dead_letters: str | None


__all__ = ["Port"]

_LIFETIMES = ("receiver", "senders")


class Port(LinkEnd[Message]):
    """A mailbox with one receiver: the process that creates it, here. Others send to it.

    ``Port(name)`` creates a port, and its caller is the receiver; senders use ``Port.open(name)``,
    with which they can do what a mailbox's senders can, and nothing else. A port ends with its
    receiver, however that ends: it closes this end, drops it, exits, or is killed. Then the name
    is free again, and senders, also those that wait, get `Destroyed`. A child that the receiver
    forks is not the receiver.

    - ``capacity``: how many messages may be accepted and not yet acknowledged, 1 or more.
    - ``lifetime``: ``"receiver"``, or ``"senders"``: the port also ends with its last sender, once
      one has come. The receiver takes what is left and then gets `Destroyed`; a loop over the port
      ends. A sender is who has the port open for sending.
    - ``dead_letters``: the address of the mailbox to which messages go that the receiver did not
      settle in its life. Whoever notices the end first moves them there, also a new ``Port(name)``.
      Without it they end with the port.
    - ``max_message``, ``memory``, ``type``, ``codec``, ``max_deliveries``: as a mailbox's.

    Raises `Busy` while the port has a living receiver, `Mismatch` where the name is another kind of
    link's, `Full` when a dead receiver's messages find no room in its dead letters, otherwise as
    `Mailbox` does.

    >>> import liaison
    >>> with liaison.Port("parcels") as port:
    ...     with liaison.Port.open("parcels") as sender:
    ...         sender.send("tea")
    ...     print(port.receive())
    tea
    >>> liaison.Port.open("parcels")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    liaison.errors.NotFound: there is no shm://.../parcels; create it with Port...
    """

    __slots__ = ()

    _named = "port"

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, address: str | Address, *, type: type[Message], **options: Unpack[PortOptions]
        ) -> None: ...
        @overload
        def __init__(
            self, address: str | Address, *, type: object = None, **options: Unpack[PortOptions]
        ) -> None: ...

    def __init__(
        self,
        address: str | Address,
        *,
        capacity: int | None = 1024,
        lifetime: Lifetime = "receiver",
        max_message: int | None = None,
        memory: int | None = None,
        type: object = None,
        codec: Codec | CodecName | None = None,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
    ) -> None:
        """Create the port, and be its receiver."""
        where = parsed(address)
        if lifetime not in _LIFETIMES:
            raise ValueError(f'lifetime={lifetime!r} is unknown: it is "receiver" or "senders"')
        if capacity == 0:
            raise ValueError("capacity=0 is out of range: a port is no rendezvous")
        if max_deliveries and dead_letters is None:
            dead_letters = default_dead_letters(where)
        policy = policy_of(where, capacity, max_message, memory, None, max_deliveries, dead_letters)
        self._begin("create", where, policy.but(lifetime=lifetime), type, codec)
