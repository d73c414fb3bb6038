"""Connections: two-way links between two programs, over Unix sockets, TCP and TLS."""

from __future__ import annotations

from liaison._native.link import Conversing, attach, end_of
from liaison.closing import Closing
from liaison.message import Message

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any, NoReturn, Self

    from liaison._native.carrier import CarrierEnd
    from liaison.link import Peer

__all__ = ["Connection", "shown"]


class Connection(Closing, Conversing[Message]):
    """One end of a two-way link between two programs; `connect` and `Listener.accept` make them.

    It carries messages in both directions, as mailboxes do. One thread may send while another
    receives.

    When the other end is closed or its process ends, everything that it sent can still be received;
    then receiving raises `Ended` (an `EOFError`) and sending `Disconnected` (a `BrokenPipeError`),
    which tell what was delivered. A connection never reconnects by itself.

    >>> import liaison, tempfile
    >>> place = tempfile.TemporaryDirectory()
    >>> with place, liaison.listen(f"unix://{place.name}/tea") as listener:
    ...     client = liaison.connect(listener.address)
    ...     server = listener.accept()
    ...     client.send({"item": "tea"})
    ...     server.send_many([b"one", 2])
    ...     server.receive(), client.receive_many(10)
    ...     server.close()
    ...     list(client)
    ...     client.close()
    2
    ({'item': 'tea'}, [b'one', 2])
    []
    """

    __slots__ = ()

    def __init__(self) -> None:
        """Refuse: `connect` and `Listener.accept` make connections."""
        raise TypeError("connections are made by liaison.connect() and Listener.accept()")

    @classmethod
    def around(cls, end: CarrierEnd) -> Self:
        """Make a connection from its carrier's end."""
        made = cls.__new__(cls)
        attach(made, end)
        return made

    @property
    def peer_address(self) -> str | None:
        """The other end's address, a URL; None for the client of a Unix socket, which has none."""
        return end_of(self).peer_address

    @property
    def peer(self) -> Peer | None:
        """The process at the other end of a Unix socket; None for TCP and TLS."""
        return end_of(self).peer

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return end_of(self).encrypted

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a connection cannot be pickled; connect in the other process, or fork it")

    def __repr__(self) -> str:
        """Show the other end."""
        return shown(end_of(self), type(self).__name__)


def shown(end: Any, name: str) -> str:
    """The `repr` of a connection."""
    state = " (closed)" if end.closed else ""
    return f"<{name} {end.peer_address or end.peer or end.address}{state}>"
