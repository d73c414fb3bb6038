"""A crowd at one mailbox: jobs a second, when 2, 64, 256 and 400 receivers wait for them; and what
a job costs when 16 and 400 workers hold theirs for a while."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ..options import Options
from ..peers import OURS, Peer, Unsupported
from ..samples import median
from ..team import Team
from ..worker import Job, die_with
from .contract import Metric, Scenario, Trial

CROWDS = (2, 64, 256, 400)
JOBS = 200_000
_PASSES = 5  # of a twentieth of a second each; an interrupted one is not the median
_WARM_UP = 50_000  # each receiver touches its memory for the first time
_AT_LEAST = 256  # statistics count so many waiting receivers; others wait, too
_FEW = 4  # processes, whose threads they are

WORKERS = (16, 400)
_HELD = 0.02  # seconds
_EACH = 50  # jobs a worker


def _child(name: str, work: Callable[[Any], None]) -> int:
    """A child that works at the mailbox until it is killed."""
    import liaison

    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        die_with(parent)
        work(liaison.Mailbox.open(name))
    finally:
        os._exit(0)


def _receives(name: str, threads: int) -> int:
    def receive(box: Any) -> None:
        for _ in box:
            pass

    def work(box: Any) -> None:
        threading.stack_size(1 << 18)
        for _ in range(threads - 1):
            threading.Thread(target=receive, args=(box,), daemon=True).start()
        receive(box)

    return _child(name, work)


def _holds(name: str) -> int:
    def work(box: Any) -> None:
        while True:
            with box.lease():
                time.sleep(_HELD)

    return _child(name, work)


def _have_done(box: Any, jobs: int) -> None:
    done = box.statistics().taken + jobs
    for _ in range(jobs):
        box.send(b"64 bytes, or as good as that")
    while box.statistics().taken < done:  # seldom, because asking takes a core from the workers
        time.sleep(0.0001)


@contextmanager
def _crowd(receivers: int, processes: int, start: Callable[[str], int]) -> Iterator[Any]:
    """A mailbox with so many waiting receivers in so many processes."""
    import liaison

    name = f"crowd-{os.getpid()}-{receivers}"
    box = liaison.Mailbox(name, capacity=1000)
    crowd = [start(name) for _ in range(processes)]
    try:
        while box.statistics().receivers_waiting < min(receivers, _AT_LEAST):
            time.sleep(0.01)
        yield box
    finally:
        for child in crowd:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        box.destroy()
        box.close()


def _serves(receivers: int, processes: int) -> float:
    """Jobs a second."""
    with _crowd(receivers, processes, lambda name: _receives(name, receivers // processes)) as box:
        _have_done(box, _WARM_UP)
        rates: list[float] = []
        for _ in range(_PASSES):
            began = time.perf_counter()
            _have_done(box, JOBS)
            rates.append(JOBS / (time.perf_counter() - began))
        return median(rates)


def _busy() -> float:
    """Seconds for which the machine's processors have worked since it was started."""
    with open("/proc/stat") as file:
        user, nice, system = map(int, file.readline().split()[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def _costs(workers: int) -> float:
    """Microseconds of processor time for a job, in all processes together."""
    jobs = workers * _EACH
    with _crowd(workers, workers, _holds) as box:
        before = _busy()
        _have_done(box, jobs)
        return (_busy() - before) / jobs * 1e6


def _crowds(whose: str) -> Job:
    def step(_: Any) -> dict[str, float]:
        if whose == "workers":
            return {str(n): _costs(n) for n in WORKERS}
        return {str(n): _serves(n, min(n, _FEW) if whose == "threads" else n) for n in CROWDS}

    return Job(step, lambda: None)


class _CrowdTrial(Trial):
    def __init__(self, whose: str, options: Options) -> None:
        with ExitStack() as undo:
            self._team = Team([(_crowds, (whose,))], pin=options.pin)
            undo.callback(self._team.close)
            self._open = undo.pop_all()

    def round(self) -> dict[str, float]:
        (figures,) = self._team.round(None, within=300)
        return figures

    def close(self) -> None:
        self._open.close()


class Crowd(Scenario):
    def __init__(self, whose: str) -> None:
        busy = whose == "workers"
        super().__init__(
            f"crowd/{whose}",
            "Processor time a job, of 16 and 400 that hold each for 20 ms"
            if busy
            else f"Jobs for 2 to 400 receivers that wait at one mailbox, {whose}",
            *(Metric(str(n), "us" if busy else "jobs/s") for n in (WORKERS if busy else CROWDS)),
        )
        self.whose = whose

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("one process waits for another")
        return _CrowdTrial(self.whose, options)
