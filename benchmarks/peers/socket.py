"""A pair of Unix sockets, straight from the standard library."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from .contract import End, Link, Peer, Role, Unsupported

# Above its send buffer a SEQPACKET message is refused; a kernel's default is a little over this.
_LARGEST = 128 * 1024


@dataclass(frozen=True, slots=True)
class _Sockets(Link):
    first: socket.socket
    second: socket.socket
    size: int

    def open(self, role: Role) -> End:
        mine, other = self.first, self.second
        if role in ("receiver", "pong"):
            mine, other = other, mine
        other.close()
        receive, size = mine.recv, self.size
        return End(send=mine.send, receive=lambda: receive(size), close=mine.close)

    def close(self) -> None:
        self.first.close()
        self.second.close()


@dataclass(frozen=True, slots=True)
class _Streams(Link):
    """Bare streams, of which both ends know how many bytes a message has."""

    first: socket.socket
    second: socket.socket
    size: int

    def open(self, role: Role) -> End:
        mine, other = self.first, self.second
        if role in ("receiver", "pong"):
            mine, other = other, mine
        other.close()
        if self.size <= _LARGEST:
            receive, size = mine.recv, self.size
            return End(send=mine.send, receive=lambda: receive(size), close=mine.close)
        memory, size = bytearray(self.size), self.size
        receive_into = mine.recv_into

        def receive_whole() -> bytearray:
            receive_into(memory, size, socket.MSG_WAITALL)
            return memory

        return End(send=mine.sendall, receive=receive_whole, close=mine.close)

    def close(self) -> None:
        self.first.close()
        self.second.close()


class Socket(Peer):
    name = "Unix socket"
    module = "socket"

    def one_way(self, size: int, depth: int) -> Link:
        if size > _LARGEST:
            raise Unsupported("a SEQPACKET message has to fit the socket's buffer")
        return _Sockets(*socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET), size)

    def two_way(self, size: int) -> Link:
        return self.one_way(size, 1)

    def stream(self, size: int) -> Link:
        return _Streams(*socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM), size)
