"""Connections: two-way links between two programs, over Unix sockets, TCP and TLS."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from liaison.address import Address
from liaison.carriers.stream import LARGEST, Frames, place
from liaison.carriers.stream.handshake import HELLO
from liaison.closing import Closing
from liaison.errors import Closed
from liaison.link import Link, Peer

if TYPE_CHECKING:
    from typing import Self

    from liaison.carriers.stream.greeting import Greeting
    from liaison.codec import Coder

__all__ = ["Connection"]


class Connection(Closing, Frames):
    """One end of a two-way link between two programs; `connect` and `Listener.accept` make them.

    Messages are what they are for mailboxes, with their boundaries, in both directions. One thread
    may send while another receives.

    When the other end is closed or its process ends, everything that it sent can still be received;
    then receiving raises `Ended` (an `EOFError`) and sending `Disconnected` (a `BrokenPipeError`),
    which tell what was delivered. Nothing is connected anew behind your back.

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

    __slots__ = ("_accepted", "_address", "_peer", "_peer_address")

    def __init__(self) -> None:
        """Refuse: a connection has two ends."""
        raise TypeError("connections are made by liaison.connect() and Listener.accept()")

    @classmethod
    def _of(
        cls,
        connection: socket.socket,
        greeting: Greeting,
        coder: Coder,
        *,
        address: str,
        peer_address: str | None,
        ours: int,
        unfinished: bool = False,
        accepted: bool = False,
    ) -> Self:
        made = cls.__new__(cls)
        made._address = address
        made._peer_address = peer_address
        made._peer = place.peer_of(connection)
        made._accepted = accepted
        made._open(
            f"the connection to {peer_address or made._peer or address}",
            connection,
            coder,
            coder.bytes_only,
            seal=None if unfinished else greeting.seal(),
            rest=greeting.rest,
            greeting=greeting.handshake if unfinished else None,
            hello=HELLO,
            ours=ours,
            theirs=min(greeting.theirs, LARGEST),
        )
        return made

    # ---- what it is

    @property
    def address(self) -> str:
        """The address that was listened on, a URL."""
        return self._address

    @property
    def peer_address(self) -> str | None:
        """Where the other end is, a URL; None for the client of a Unix socket, which has none."""
        return self._peer_address

    @property
    def peer(self) -> Peer | None:
        """The process at the other end, where the system tells: on Unix sockets."""
        return self._peer

    @property
    def link(self) -> Link:
        """What this link is, and who is on it."""
        if not self._stands():
            raise Closed(f"this end of {self._address} was closed; connect again")
        here = place.own()
        there = self._peer or _unknown(self._peer_address)
        return Link(
            name=self._address,
            id="",
            kind="connection",
            carrier="stream",
            capacity=None,
            direction="two-way",
            max_processes=2,
            established="connected",
            message_size="variable",
            max_message=self._largest,
            senders=(here, there),
            receivers=(here, there),
            access="pair",
            memory=None,
            max_deliveries=None,
            dead_letters=None,
            creator=here if self._accepted else there,
            bytes=self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            + self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        )

    def __repr__(self) -> str:
        """Show what it connects."""
        state = " (closed)" if self.closed else ""
        return f"<Connection {self._peer_address or self._peer or self._address}{state}>"


def _unknown(address: str | None) -> Peer:
    host = Address.parse(address).hosts[0][0] if address else ""
    return Peer(name=None, pid=0, host=host, started=0.0, command="")
