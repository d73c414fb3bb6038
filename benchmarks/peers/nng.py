"""pynng: a Pair0 of sockets over ipc."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contract import End, Link, Peer, Role, fresh_name, load


@dataclass(frozen=True, slots=True)
class _Pair(Link):
    path: str

    def open(self, role: Role) -> End:
        pynng: Any = load("pynng")
        pair = pynng.Pair0()
        if role in ("receiver", "pong"):
            pair.listen(f"ipc://{self.path}")
        else:
            pair.dial(f"ipc://{self.path}", block=False)
            deadline = time.monotonic() + 30
            while not pair.pipes and time.monotonic() < deadline:
                time.sleep(0.001)
        return End(send=pair.send, receive=pair.recv, close=pair.close)

    def close(self) -> None:
        with suppress(FileNotFoundError):
            Path(self.path).unlink()


class Nng(Peer):
    name = "pynng"
    module = "pynng"
    package = "pynng"
    shared_by_many = "a Pair0 is one to one"

    def one_way(self, size: int, depth: int) -> Link:
        return _Pair(str(Path(tempfile.gettempdir(), fresh_name())))

    def two_way(self, size: int) -> Link:
        return self.one_way(size, 1)

    def stream(self, size: int) -> Link:
        return self.one_way(size, 1)
