"""One end of a connection over a stream socket."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from liaison._native.frames import LARGEST, Frames
from liaison.address import Address
from liaison.carriers.contract import ConnectionEnd
from liaison.carriers.stream import place
from liaison.carriers.stream.handshake import HELLO
from liaison.errors import Closed
from liaison.link import Link, Peer

if TYPE_CHECKING:
    from liaison.carriers.stream.greeting import Greeting
    from liaison.carriers.stream.trust import Trust

__all__ = ["Conversation"]


class Conversation(Frames, ConnectionEnd):
    """A socket after its handshake; `unfinished` where the other end's hello is still to come."""

    __slots__ = ("_accepted", "_address", "_peer", "_peer_address")

    def __init__(
        self,
        connection: socket.socket,
        greeting: Greeting,
        trust: Trust,
        *,
        address: str,
        peer_address: str | None,
        unfinished: bool = False,
        accepted: bool = False,
    ) -> None:
        """Take the socket over."""
        self._address = address
        self._peer_address = peer_address
        self._peer = place.peer_of(connection)
        self._accepted = accepted
        self._open(
            f"the connection to {peer_address or self._peer or address}",
            connection,
            trust.coder,
            trust.coder.bytes_only,
            seal=None if unfinished else greeting.seal(),
            rest=greeting.rest,
            greeting=greeting.handshake if unfinished else None,
            hello=HELLO,
            ours=trust.largest,
            theirs=min(greeting.theirs, LARGEST),
        )

    @property
    def address(self) -> str:
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
        if self.outlet() < 0:
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
            max_message=self.largest,
            senders=(here, there),
            receivers=(here, there),
            access="pair",
            memory=None,
            max_deliveries=None,
            dead_letters=None,
            creator=here if self._accepted else there,
            bytes=self.transport.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
            + self.transport.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        )


def _unknown(address: str | None) -> Peer:
    host = Address.parse(address).hosts[0][0] if address else ""
    return Peer(name=None, pid=0, host=host, started=0.0, command="")
