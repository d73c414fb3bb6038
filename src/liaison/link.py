"""What a link is, which processes are on it, and its counts: plain facts, frozen."""

from __future__ import annotations

from operator import attrgetter

from liaison.facts import Facts
from liaison.printable import printable

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    Access: TypeAlias = Literal["any", "exclusive", "pair"]
    Direction: TypeAlias = Literal["one-way", "two-way"]
    Established: TypeAlias = Literal["automatic", "named", "inherited", "connected"]
    Kind: TypeAlias = Literal[
        "mailbox", "queue", "port", "endpoint", "direct", "pipe", "named pipe", "connection"
    ]
    Lifetime: TypeAlias = Literal["receiver", "senders"]
    MessageSize: TypeAlias = Literal["fixed", "variable"]

__all__ = ["Link", "Peer", "Statistics"]


class Peer(Facts):
    r"""A process that uses a link: a sender, a receiver, a creator.

    Of a process that has ended, only ``pid`` may be known.

    - ``name``: the name of its endpoint, or None.
    - ``pid``: its process id, in its own pid namespace; 0 when it is not known.
    - ``host``: the machine's name.
    - ``started``: when it started, in seconds since the epoch; 0.0 when not known.
    - ``command``: its command line, shortened to 127 bytes.

    The process chooses ``name`` and ``command`` itself, so characters in them that are not
    printable are replaced by escapes such as ``\\x1b``.

    >>> Peer(name=None, pid=4711, host="here", started=0.0, command="python worker.py").pid
    4711
    """

    name: str | None
    pid: int
    host: str
    started: float
    command: str

    def __init__(self, name: str | None, pid: int, host: str, started: float, command: str) -> None:
        """Escape the two texts here, once for all places that show them."""
        if not f"{name}{command}".isprintable():  # the rule is quick: each delivery has a Peer
            name = name and printable(name)
            command = printable(command)
        super().__init__(name, pid, host, started, command)

    def __str__(self) -> str:
        """Return its name and pid."""
        return f"{self.name} (pid {self.pid})" if self.name else f"pid {self.pid}"


class Link(Facts):
    """What a link is: its kind, its policy, and the processes on it at this moment.

    - ``capacity``: most messages that are accepted and not yet acknowledged; 0 is a rendezvous,
      None means that the system counts bytes and not messages.
    - ``max_processes``: how many processes may be on the link at once.
    - ``message_size``: ``"fixed"`` (up to ``max_message`` bytes) or ``"variable"``.
    - ``max_message``: bytes of the largest message that can be sent.
    - ``memory``: bytes reserved for payloads of any size; None if the link grows on demand.
    - ``bytes``: bytes that the link occupies now.
    - ``lifetime``: ``"receiver"`` if a port ends with its receiver, ``"senders"`` if also with its
      last sender; None for every other kind.
    - ``creator``: while it lives, other processes need ``force=True`` to destroy the link.

    >>> import liaison
    >>> with liaison.Mailbox.create("described", capacity=10) as box:
    ...     box.link.capacity, box.link.kind, box.link.direction
    ...     box.destroy()
    (10, 'mailbox', 'one-way')
    """

    name: str
    id: str
    kind: Kind
    carrier: str
    capacity: int | None
    direction: Direction
    max_processes: int
    established: Established
    message_size: MessageSize
    max_message: int
    senders: tuple[Peer, ...]
    receivers: tuple[Peer, ...]
    access: Access
    memory: int | None
    max_deliveries: int | None
    dead_letters: str | None
    creator: Peer
    bytes: int
    lifetime: Lifetime | None = None


class Statistics(Facts):
    """A snapshot of a link's counts of messages; others change them, so they may not add up.

    A message that is just being received may be in neither ``waiting`` nor ``leased``. If ``free``
    equals the capacity, the link holds no message.

    - ``accepted``, ``taken``: messages sent, and received at least once, since the link's creation.
    - ``waiting``: messages that could be received now; ``returned`` of these were released by a
      receiver, or leased by one that died.
    - ``leased``: received and not yet acknowledged; ``loaned``: being written.
    - ``free``: how many more messages could be accepted.
    - ``receivers_waiting``, ``senders_waiting``: threads asleep until there is a message, or room.
    - ``memory_used``, ``memory_reserved``, ``memory_limit``: bytes for payloads of any size.

    >>> import liaison
    >>> with liaison.Mailbox.create("counted", capacity=10) as box:
    ...     box.send("tea")
    ...     box.statistics().waiting, box.statistics().free
    ...     box.destroy()
    (1, 9)
    """

    accepted: int
    taken: int
    waiting: int
    returned: int
    leased: int
    loaned: int
    free: int
    receivers_waiting: int
    senders_waiting: int
    memory_used: int
    memory_reserved: int
    memory_limit: int

    @classmethod
    def together(cls, several: list[Statistics]) -> Statistics:
        """Add up the counts of several links.

        >>> Statistics.together([]).waiting
        0
        """
        if len(several) == 1:
            return several[0]
        each = map(attrgetter(*cls.__match_args__), several)
        return (
            cls(*map(sum, zip(*each, strict=True)))
            if several
            else cls(*[0] * len(cls.__match_args__))
        )
