"""faster-fifo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .contract import End, Link, Peer, Role, load


@dataclass(frozen=True, slots=True)
class _Fifo(Link):
    queue: Any

    def open(self, role: Role) -> End:
        queue = self.queue
        return End(
            send=queue.put,
            receive=queue.get,
            send_many=queue.put_many,
            receive_many=lambda most: queue.get_many(max_messages_to_get=most),
        )

    def close(self) -> None:
        self.queue.close()


class FasterFifo(Peer):
    name = "faster-fifo"
    module = "faster_fifo"
    package = "faster-fifo"
    batches = True

    def one_way(self, size: int, depth: int) -> Link:
        load("faster_fifo_reduction")  # registers how the queue is handed to a spawned process
        room = max(1_000_000, depth * (size + 128))  # the first is its own default
        return _Fifo(load(self.module).Queue(max_size_bytes=room))
