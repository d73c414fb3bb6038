"""A crowd at one mailbox: jobs a second, when 2, 64, 256 and 400 receivers wait for them."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack
from typing import Any

from ..crew import Crew
from ..options import Options
from ..peers import OURS, Peer, Unsupported
from ..samples import median
from ..worker import Job, die_with
from .contract import Metric, Scenario, Trial

CROWDS = (2, 64, 256, 400)
JOBS = 200_000
_PASSES = 5  # of a twentieth of a second each: one that others interrupt is not the median
_WARM_UP = 50_000  # each receiver touches its memory for the first time
_AT_LEAST = 256  # so many are seen waiting; further ones wait, too
_FEW = 4  # processes, whose threads they are


def _receives(name: str, threads: int) -> int:
    """A child whose threads receive until it is killed."""
    import liaison

    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        die_with(parent)
        threading.stack_size(1 << 18)
        box = liaison.Mailbox.open(name)

        def receive() -> None:
            for _ in box:
                pass

        for _ in range(threads - 1):
            threading.Thread(target=receive, daemon=True).start()
        receive()
    finally:
        os._exit(0)


def _have_done(box: Any, jobs: int) -> None:
    done = box.statistics().taken + jobs
    for _ in range(jobs):
        box.send(b"64 bytes, or as good as that")
    while box.statistics().taken < done:  # seldom: to ask takes a core from those who work
        time.sleep(0.0001)


def _serves(receivers: int, processes: int) -> float:
    """Jobs a second."""
    import liaison

    name = f"crowd-{os.getpid()}-{receivers}"
    box = liaison.Mailbox(name, capacity=1000)
    crowd = [_receives(name, receivers // processes) for _ in range(processes)]
    try:
        while box.statistics().receivers_waiting < min(receivers, _AT_LEAST):
            time.sleep(0.01)
        _have_done(box, _WARM_UP)
        rates: list[float] = []
        for _ in range(_PASSES):
            began = time.perf_counter()
            _have_done(box, JOBS)
            rates.append(JOBS / (time.perf_counter() - began))
        return median(rates)
    finally:
        for child in crowd:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        box.destroy()
        box.close()


def _crowds(threads: bool) -> Job:
    def step(_: Any) -> dict[str, float]:
        return {str(n): _serves(n, min(n, _FEW) if threads else n) for n in CROWDS}

    return Job(step, lambda: None)


class _CrowdTrial(Trial):
    def __init__(self, threads: bool, options: Options) -> None:
        with ExitStack() as undo:
            self._crew = Crew([(_crowds, (threads,))], pin=options.pin)
            undo.callback(self._crew.close)
            self._open = undo.pop_all()

    def round(self) -> dict[str, float]:
        (figures,) = self._crew.round(None, within=300)
        return figures

    def close(self) -> None:
        self._open.close()


class Crowd(Scenario):
    def __init__(self, whose: str) -> None:
        super().__init__(
            f"crowd/{whose}",
            f"Jobs for 2 to 400 receivers that wait at one mailbox, {whose}",
            *(Metric(str(n), "jobs/s") for n in CROWDS),
        )
        self.threads = whose == "threads"

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("one process waits for another")
        return _CrowdTrial(self.threads, options)
