"""multiprocessing.Pipe."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from multiprocessing.connection import Connection

from .contract import End, Link, Peer, Role


@dataclass(frozen=True, slots=True)
class _Pipe(Link):
    first: Connection
    second: Connection

    def open(self, role: Role) -> End:
        """The first connection receives one way, as `Pipe(duplex=False)` hands them out."""
        mine, other = self.first, self.second
        if role in ("sender", "pong"):
            mine, other = other, mine
        other.close()
        if role == "sender":
            return End(send=mine.send_bytes, close=mine.close)
        if role == "receiver":
            return End(receive=mine.recv_bytes, close=mine.close)
        return End(mine.send_bytes, mine.recv_bytes, close=mine.close)

    def close(self) -> None:
        self.first.close()
        self.second.close()


@dataclass(frozen=True, slots=True)
class _Duplex(Link):
    first: Connection
    second: Connection

    def open(self, role: Role) -> End:
        mine, other = self.first, self.second
        if role in ("receiver", "pong"):
            mine, other = other, mine
        other.close()
        return End(mine.send_bytes, mine.recv_bytes, close=mine.close)

    def close(self) -> None:
        self.first.close()
        self.second.close()


class Pipe(Peer):
    name = "multiprocessing.Pipe"
    module = "multiprocessing"
    imports = "multiprocessing.connection"
    shared_by_many = "a connection is used by one process at a time"

    def one_way(self, size: int, depth: int) -> Link:
        return _Pipe(*multiprocessing.get_context("spawn").Pipe(duplex=False))

    def two_way(self, size: int) -> Link:
        return _Pipe(*multiprocessing.get_context("spawn").Pipe())

    def stream(self, size: int) -> Link:
        """Its own duplex pipe is such a socket."""
        return _Duplex(*multiprocessing.get_context("spawn").Pipe())
