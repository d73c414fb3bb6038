"""The kernel's message queues, through posix_ipc."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contract import End, Link, Peer, Role, Unsupported, fresh_name, load


@dataclass(frozen=True, slots=True)
class _MessageQueue(Link):
    name: str

    def open(self, role: Role) -> End:
        queue: Any = load("posix_ipc").MessageQueue(self.name)
        receive = queue.receive
        return End(send=queue.send, receive=lambda: receive()[0], close=queue.close)

    def close(self) -> None:
        load("posix_ipc").unlink_message_queue(self.name)


class PosixMessageQueue(Peer):
    name = "posix_ipc"
    module = "posix_ipc"
    package = "posix_ipc"
    opened_by_name = True

    def one_way(self, size: int, depth: int) -> Link:
        largest = _setting("msgsize_max")
        if size > largest:
            raise Unsupported(f"the kernel allows messages of {largest} bytes here")
        posix_ipc: Any = load(self.module)
        name = f"/{fresh_name()}"
        posix_ipc.MessageQueue(
            name,
            posix_ipc.O_CREX,
            max_messages=min(depth, _setting("msg_max")),
            max_message_size=max(size, 64),
        ).close()
        return _MessageQueue(name)


def _setting(name: str) -> int:
    return int(Path("/proc/sys/fs/mqueue", name).read_text())
