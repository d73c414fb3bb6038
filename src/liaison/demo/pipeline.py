"""One run of the work through a team."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from liaison.demo.collector import Collector
from liaison.demo.messages import Go, News, Ready, Task

if TYPE_CHECKING:
    from liaison.demo.killer import Killer
    from liaison.demo.team import Team

__all__ = ["Run", "await_ready", "gather"]

_BEAT = 0.1  # seconds between checks of the team and updates of the screen


@dataclass(frozen=True)
class Run:
    """The result of a run: its collector, and the seconds from the start to the last result."""

    collector: Collector
    seconds: float


def gather(
    team: Team[Any],
    task: Task,
    tick: Callable[[Collector], None],
    killer: Killer | None = None,
) -> Run:
    """Give the team a task, and collect the results.

    Calls `tick` about ten times a second. Raises `TeamFailed`.
    """
    collector = Collector(len(task.sources))
    team.orders.send(task)
    await_ready(team, [team.reader])
    start = beat = perf_counter()
    end: float | None = None
    team.orders.send(Go())
    while True:
        news = _next(team, _BEAT)
        if news is not None:
            collector.take(news)
            if killer is not None:
                killer.witness(news, collector)
        if collector.complete and end is None:
            end = perf_counter()
        if news is None or perf_counter() - beat > _BEAT:
            beat = perf_counter()
            for pid, successor in team.look_after():
                collector.holding.pop(pid, None)
                if killer is not None and pid == killer.victim:
                    killer.successor = successor
            tick(collector)
        # Not "until it is complete": if a file were lost, that would never happen.
        quiet = news is None or collector.complete
        if quiet and collector.sent is not None and team.settled(collector):
            break
    while (news := _next(team, 0)) is not None:
        collector.take(news)
    tick(collector)
    return Run(collector, (end or perf_counter()) - start)


def await_ready(team: Team[Any], processes: list[int]) -> None:
    """Wait until each of these processes has said that it is ready.

    The list may be the team's own, in which killed workers are replaced. Raises `TeamFailed`.
    """
    ready: set[int] = set()
    while not ready.issuperset(processes):
        match _next(team, _BEAT):
            case Ready(pid=pid):
                ready.add(pid)
            case _:
                team.look_after()


def _next(team: Team[Any], timeout: float) -> News | None:
    try:
        return team.results.receive(timeout=timeout)
    except queue.Empty:  # liaison.Empty is a subclass
        return None
