"""hyperq, in its variant for bytes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .contract import End, Link, Peer, Role, fresh_name, load


@dataclass(frozen=True, slots=True)
class _Ring(Link):
    name: str
    creator: Any

    def open(self, role: Role) -> End:
        ring = load("hyperq").BytesHyperQ(self.name)
        return End(send=ring.put, receive=ring.get)

    def close(self) -> None:
        # The last of its handles unlinks the names, but a killed one never counts itself out.
        posix = load("_posixshmem")
        for name in (self.name, f"b_{self.name}"):
            with suppress(FileNotFoundError):
                posix.shm_unlink(f"/{name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _Ring, (self.name, None)  # children open it by its name


class Hyperq(Peer):
    name = "hyperq"
    module = "hyperq"
    package = "hyperq"
    opened_by_name = True

    def one_way(self, size: int, depth: int) -> Link:
        name = fresh_name()
        room = max(1 << 16, depth * (size + 8))  # it has no default
        return _Ring(name, load(self.module).BytesHyperQ(room, name))
