"""pyzmq: a PAIR of sockets over ipc."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contract import End, Link, Peer, Role, fresh_name, load


@dataclass(frozen=True, slots=True)
class _Pair(Link):
    path: str

    def open(self, role: Role) -> End:
        zmq: Any = load("zmq")
        context = zmq.Context()
        pair = context.socket(zmq.PAIR)
        if role in ("receiver", "pong"):
            pair.bind(f"ipc://{self.path}")
        else:
            pair.connect(f"ipc://{self.path}")  # waits for the other by itself

        def close() -> None:
            pair.close(linger=0)
            context.term()

        return End(send=pair.send, receive=pair.recv, close=close)

    def close(self) -> None:
        Path(self.path).unlink(missing_ok=True)


class ZeroMQ(Peer):
    name = "pyzmq"
    module = "zmq"
    package = "pyzmq"
    shared_by_many = "PAIR is one to one"

    def one_way(self, size: int, depth: int) -> Link:
        return _Pair(str(Path(tempfile.gettempdir(), fresh_name())))

    def two_way(self, size: int) -> Link:
        return self.one_way(size, 1)

    def stream(self, size: int) -> Link:
        return self.one_way(size, 1)
