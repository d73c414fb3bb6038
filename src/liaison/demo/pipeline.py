"""One run of the work through a crew."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from liaison.demo.collector import Collector
from liaison.demo.messages import Go, News, Ready, Task

if TYPE_CHECKING:
    from liaison.demo.crew import Crew
    from liaison.demo.murder import Murder

__all__ = ["Run", "await_ready", "gather"]

_BEAT = 0.1  # seconds between looks after the crew and at the screen


@dataclass(frozen=True)
class Run:
    """What a run gave: its collector, and the seconds from the start to the last result."""

    collector: Collector
    seconds: float


def gather(
    crew: Crew[Any],
    task: Task,
    tick: Callable[[Collector], None],
    murder: Murder | None = None,
) -> Run:
    """Have the crew carry out a task, and collect the results.

    Calls `tick` about ten times a second. Raises `CrewFailed`.
    """
    collector = Collector(len(task.sources))
    crew.orders.send(task)
    await_ready(crew, [crew.reader])
    start = beat = perf_counter()
    end: float | None = None
    crew.orders.send(Go())
    while True:
        news = _next(crew, _BEAT)
        if news is not None:
            collector.take(news)
            if murder is not None:
                murder.witness(news, collector)
        if collector.complete and end is None:
            end = perf_counter()
        if news is None or perf_counter() - beat > _BEAT:
            beat = perf_counter()
            for pid, successor in crew.look_after():
                collector.holding.pop(pid, None)
                if murder is not None and pid == murder.victim:
                    murder.successor = successor
            tick(collector)
        # Not "until it is complete": were a file lost, that would be for ever.
        quiet = news is None or collector.complete
        if quiet and collector.sent is not None and crew.settled(collector):
            break
    while (news := _next(crew, 0)) is not None:
        collector.take(news)
    tick(collector)
    return Run(collector, (end or perf_counter()) - start)


def await_ready(crew: Crew[Any], processes: list[int]) -> None:
    """Wait until each of these processes has said that it is ready.

    The list may be the crew's own: successors of workers that were killed are waited for instead.
    Raises `CrewFailed`.
    """
    ready: set[int] = set()
    while not ready.issuperset(processes):
        match _next(crew, _BEAT):
            case Ready(pid=pid):
                ready.add(pid)
            case _:
                crew.look_after()


def _next(crew: Crew[Any], timeout: float) -> News | None:
    try:
        return crew.results.receive(timeout=timeout)
    except queue.Empty:  # which liaison's Empty also is
        return None
