"""What a link is, and who is on it, as told to its users: plain facts, frozen."""

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
    r"""A process at the other end.

    What is known of a process that has ended can be little: then only ``pid`` is set.

    - ``name``: the endpoint name it gave itself, or None.
    - ``pid``: its process id, in its own pid namespace; 0 when not even that is known.
    - ``host``: the machine's name.
    - ``started``: when it started, in seconds since the epoch; 0.0 when not known.
    - ``command``: its command line, shortened to 127 bytes.

    The process says the two texts itself, so they hold nothing that steers a terminal: what is not
    printable stands in them as an escape, such as ``\\x1b``.

    >>> Peer(name=None, pid=4711, host="here", started=0.0, command="python worker.py").pid
    4711
    """

    name: str | None
    pid: int
    host: str
    started: float
    command: str

    def __init__(self, name: str | None, pid: int, host: str, started: float, command: str) -> None:
        """Make the texts harmless here, so that nobody who shows them has to."""
        if not f"{name}{command}".isprintable():  # seldom: each sender is told of so
            name = name and printable(name)
            command = printable(command)
        super().__init__(name, pid, host, started, command)

    def __str__(self) -> str:
        """Say who it is as briefly as can be."""
        return f"{self.name} (pid {self.pid})" if self.name else f"pid {self.pid}"


class Link(Facts):
    """What a link is: its kind, its policy, and the processes on it at this moment.

    - ``capacity``: messages accepted and not yet acknowledged; 0 is a rendezvous, None where the
      system counts bytes and not messages.
    - ``max_processes``: how many may be on the link at once.
    - ``message_size``: ``"fixed"`` (up to ``max_message`` bytes) or ``"variable"``.
    - ``max_message``: bytes of the largest message that can ever be sent.
    - ``memory``: bytes reserved for payloads of any size; None where it grows on demand.
    - ``bytes``: what the link occupies now.
    - ``lifetime``: what ends a port: ``"receiver"``, its receiver's end, or ``"senders"``, also
      that of its last sender; None for every other kind.
    - ``creator``: who made it; while it lives only it may destroy the link without force.

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
    """A snapshot of a link's counts; taken while others go on, so it need not add up exactly.

    A message that is just being taken may be in neither ``waiting`` nor ``leased``; when ``free``
    is the capacity, there is none.

    - ``accepted``, ``taken``: messages since the link was created: sent, and received at least
      once.
    - ``waiting``: messages that could be received now; ``returned`` of these came back from a
      receiver that died or gave them up.
    - ``leased``: received and not yet acknowledged; ``loaned``: being written.
    - ``free``: further messages that could be accepted.
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
        """The sum of several links' counts.

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
