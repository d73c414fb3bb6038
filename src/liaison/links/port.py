"""Ports: a mailbox with one receiver, with which it ends."""

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
        """The options of a port, besides the type of its messages; see `Port`."""

        lifetime: Lifetime
        max_deliveries: int | None
        dead_letters: str | None


__all__ = ["Port"]

_LIFETIMES = ("receiver", "senders")


class Port(LinkEnd[Message]):
    """A mailbox with one receiver: the process that creates it. Other processes send to it.

    ``Port(name)`` creates the port, and its caller is the receiver; senders use
    ``Port.open(name)`` and can only send. A port ends with its receiver, when the receiver
    closes or deletes this end, exits, or is killed. Then the name is free again, and senders get
    `Destroyed`, also while they wait. A child that the receiver forks is not the receiver.

    - ``capacity``: most messages that are accepted and not yet acknowledged, 1 or more.
    - ``lifetime``: ``"receiver"``, or ``"senders"``: the port also ends with its last sender, once
      there has been one. The receiver takes the messages that are left and then gets `Destroyed`; a
      loop over the port ends. A sender is a process that has the port open to send.
    - ``dead_letters``: the address of the mailbox for messages that the receiver has not
      acknowledged when it ends. The first process that notices the end moves them there, for
      example a new ``Port(name)``. Without it they are lost with the port.
    - ``max_message``, ``memory``, ``type``, ``codec``, ``max_deliveries``: as for a mailbox.

    Raises `Busy` while the port has a living receiver, `Mismatch` when the name is that of another
    kind of link, `Full` when the dead letters have no room for a dead receiver's messages,
    otherwise as `Mailbox` does.

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
        """Create the port and become its receiver."""
        where = parsed(address)
        if lifetime not in _LIFETIMES:
            raise ValueError(f'lifetime={lifetime!r} is unknown: it is "receiver" or "senders"')
        if capacity == 0:
            raise ValueError("capacity=0 is out of range: a port cannot be a rendezvous")
        if max_deliveries and dead_letters is None:
            dead_letters = default_dead_letters(where)
        policy = policy_of(where, capacity, max_message, memory, None, max_deliveries, dead_letters)
        self._begin("create", where, policy.but(lifetime=lifetime), type, codec)
