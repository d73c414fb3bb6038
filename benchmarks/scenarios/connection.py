"""Connections: the speed of messages over a socket, compared with bare bytes."""

from __future__ import annotations

from ..options import Options
from ..peers import Link, Peer
from .contract import Trial
from .flow import Flow
from .pingpong import PingPong


class _Streams(Peer):
    """A contender, with its Unix stream sockets only."""

    def __init__(self, peer: Peer) -> None:
        self.name = peer.name
        self._peer = peer

    def one_way(self, size: int, depth: int) -> Link:
        return self._peer.stream(size)

    def two_way(self, size: int) -> Link:
        return self._peer.stream(size)


class ConnectionPingPong(PingPong):
    limits = ("socket",)

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.key = "connection/ping-pong"
        self.title = f"Connection over a Unix socket: ping-pong of {size} B"

    def prepare(self, peer: Peer, options: Options) -> Trial:
        return super().prepare(_Streams(peer), options)


class ConnectionFlow(Flow):
    limits = ()

    def __init__(self, size: int) -> None:
        super().__init__(size, "single")
        self.key = "connection/one-way"
        self.title = f"Connection over a Unix socket: {self.title.lower()}"

    def prepare(self, peer: Peer, options: Options) -> Trial:
        return super().prepare(_Streams(peer), options)
