"""multiprocessing.Queue and SimpleQueue."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from typing import Any

from .contract import End, Link, Peer, Role


@dataclass(frozen=True, slots=True)
class _Queue(Link):
    queue: Any

    def open(self, role: Role) -> End:
        return End(send=self.queue.put, receive=self.queue.get, close=self.queue.close)

    def close(self) -> None:
        self.queue.close()


class Queue(Peer):
    name = "multiprocessing.Queue"
    module = "multiprocessing"

    def one_way(self, size: int, depth: int) -> Link:
        # Bounded like the others: its feeder thread would otherwise let senders finish before
        # anything has travelled.
        return _Queue(multiprocessing.get_context("spawn").Queue(depth))


class SimpleQueue(Peer):
    name = "multiprocessing.SimpleQueue"
    module = "multiprocessing"

    def one_way(self, size: int, depth: int) -> Link:
        return _Queue(multiprocessing.get_context("spawn").SimpleQueue())
