"""The cost of waiting: processor time of idle receivers, memory of an idle mailbox."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ..options import Options
from ..peers import OURS, Link, Peer, Unsupported
from ..team import Team
from ..worker import Job, die_with
from .contract import Metric, Scenario, Trial

RECEIVERS = 64
# Sleepers look more and more rarely; an idle one has slept for long.
_SETTLING = 4.0


def _host(link: Link, receivers: int) -> Job:
    """Forks its receivers: 64 spawned interpreters would take the machine's memory for nothing."""
    parent = os.getpid()
    children: list[int] = []
    for _ in range(receivers):
        child = os.fork()
        if child == 0:
            try:
                die_with(parent)
                link.open("receiver").receive()
            finally:
                os._exit(1)
        children.append(child)

    def step(order: Any) -> float:
        _, seconds = order
        time.sleep(_SETTLING)
        before, began = _processor_time(children), time.perf_counter_ns()
        time.sleep(seconds)
        after, ended = _processor_time(children), time.perf_counter_ns()
        # A receiver that failed to open its end would be idle, too.
        gone = [child for child in children if os.waitpid(child, os.WNOHANG)[0]]
        if gone:
            raise ChildProcessError(f"{len(gone)} of {receivers} receivers did not stay")
        return (after - before) / (ended - began) * 100

    def close() -> None:
        for child in children:
            os.kill(child, 9)
        for child in children:
            os.waitpid(child, 0)

    return Job(step, close)


def _processor_time(children: list[int]) -> int:
    """Nanoseconds used so far by all threads of the living children.

    Linux encodes a process's processor clock in its pid. Resource usage would count a child
    only once it has ended, and /proc/PID/stat counts in hundredths of a second, which is more
    than what is looked for.
    """
    return sum(time.clock_gettime_ns((~child << 3) | 2) for child in children)


class _IdleTrial(Trial):
    def __init__(self, link: Link, options: Options) -> None:
        self._seconds = options.idle
        with ExitStack() as undo:
            undo.callback(link.close)
            self._team = Team([(_host, (link, RECEIVERS))], pin=options.pin)
            undo.callback(self._team.close)
            self._open = undo.pop_all()

    def round(self) -> dict[str, float]:
        (percent,) = self._team.round(self._seconds, within=self._seconds + 30)
        return {"cpu": percent}

    def close(self) -> None:
        self._open.close()


class Idle(Scenario):
    most_rounds = 1

    def __init__(self) -> None:
        super().__init__(
            "idle/cpu",
            f"{RECEIVERS} idle receivers, part of one core",
            Metric("cpu", "%"),
        )

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.shared_by_many:
            raise Unsupported(peer.shared_by_many)
        return _IdleTrial(peer.one_way(64, 1024), options)


class _MemoryTrial(Trial):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def round(self) -> dict[str, float]:
        from ..peers.liaison import space_directory

        link = self._peer.one_way(64, 1024)
        try:
            return {"memory": _reserved(space_directory() / "links") / 1024}
        finally:
            link.close()


def _reserved(directory: Path) -> int:
    """Allocated bytes, which can be less than the files' lengths."""
    files = [entry.stat().st_blocks * 512 for entry in os.scandir(directory) if entry.is_file()]
    if not files:
        raise Unsupported("its segment is not where it is looked for")
    return max(files)


class Memory(Scenario):
    most_rounds = 1

    def __init__(self) -> None:
        super().__init__("idle/memory", "Memory of an idle mailbox", Metric("memory", "KiB"))

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("measured for mailboxes only")
        return _MemoryTrial(peer)
