"""The processes of one contender in one scenario, which start, measure and end together."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from .worker import Body, Worker

# A round begins this long after its order, when all processes have read it: a barrier that needs
# no messages between them.
HEAD_START_NS = 2_000_000


class Team:
    """The processes; end them with `close`."""

    def __init__(self, bodies: Sequence[tuple[Body, tuple[Any, ...]]], *, pin: bool) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        self._workers: list[Worker] = []
        try:
            for index, (body, arguments) in enumerate(bodies):
                cpu = cpus[index % len(cpus)] if pin else None
                self._workers.append(Worker(body, *arguments, cpu=cpu))
            deadline = time.monotonic() + 60
            for worker in self._workers:
                worker.answer(deadline)
        except BaseException:
            self.close()
            raise

    def round(self, order: Any, *, within: float) -> list[Any]:
        """Give all workers the same order and a common start; return their answers, in order."""
        start = time.perf_counter_ns() + HEAD_START_NS
        for worker in self._workers:
            worker.order((start, order))
        deadline = time.monotonic() + within
        return [worker.answer(deadline) for worker in self._workers]

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        patience = time.monotonic() + 1.0
        while self._workers:
            self._workers.pop().kill(max(0.0, patience - time.monotonic()))


def await_start(start: int) -> None:
    """Sleep until the common start. It is not awaited by spinning, which with more processes than
    cores would delay the others."""
    remaining = start - time.perf_counter_ns()
    if remaining > 0:
        time.sleep(remaining / 1e9)
