"""The whole demonstration, one part after the other."""

from __future__ import annotations

from itertools import accumulate, cycle, islice
from typing import TYPE_CHECKING, Any

from liaison.demo.alone import compute_alone
from liaison.demo.figures import total
from liaison.demo.killer import Killer
from liaison.demo.mailboxes import MailboxTeam
from liaison.demo.messages import Task
from liaison.demo.pipeline import await_ready, gather
from liaison.demo.queues import QueueTeam
from liaison.demo.report import Counts, Input, Messages, Report, Seconds, check, kill, workers
from liaison.demo.survey import Source, Survey

if TYPE_CHECKING:
    from collections.abc import Callable

    from liaison.demo.collector import Collector
    from liaison.demo.pipeline import Run
    from liaison.demo.screen import Screen
    from liaison.demo.team import Team

__all__ = ["perform"]

_MESSAGES = 3000  # files sent without work; fewer take too little time to compare
_MEMORY = 8 << 20  # bytes of different contents among them


def perform(survey: Survey, size: int, screen: Screen) -> Report:
    """Do the work with `size` workers and liaison, kill one of them, check and compare.

    Raises `TeamFailed` when a process ended by an error of its own, and what `Mailbox` raises.
    """
    work = Task(survey.sources)
    bare = Task(_repeated(survey.sources), bare=True)
    largest = max(source.size for source in survey.sources)

    with MailboxTeam(size, largest) as team:
        killer = Killer(team)

        def show(collector: Collector) -> None:
            screen.crowd(
                workers(survey, team, collector, killer),
                kill(survey, killer),
                (len(team.files), len(team.results)),
            )

        await_ready(team, team.workers)
        run = _act(screen, "liaison, a worker killed half-way", team, work, killer, show)
        crowd = workers(survey, team, run.collector, killer)
        bare_run = _act(screen, "liaison, messages only", team, bare)

    with QueueTeam(size) as rivals:
        await_ready(rivals, rivals.workers)
        queue_run = _act(screen, "Queue, nobody killed", rivals, work)
        queue_bare_run = _act(screen, "Queue, messages only", rivals, bare)

    with screen.act("a single process, as a check", len(survey.sources)) as act:
        alone, alone_seconds = compute_alone(survey.sources, act.tick)
        act.finish(alone_seconds)

    collector = run.collector
    return Report(
        input=Input(survey.title, survey.path, len(survey.sources), survey.size, survey.skipped),
        workers=crowd,
        result=total(figures for _, figures in sorted(collector.figures.items()) if figures),
        check=check(survey, collector, alone),
        counts=Counts(
            sent=collector.sent or 0,
            received=collector.received,
            redelivered=collector.redelivered,
            duplicates_dropped=collector.dropped,
            lost=collector.lost,
            counted_twice=collector.doubled,
        ),
        kill=kill(survey, killer),
        seconds=Seconds(run.seconds, queue_run.seconds, alone_seconds),
        messages_only=Messages(
            files=len(bare.sources),
            # A file, the message that it was taken, and its result.
            messages=2 * bare_run.collector.taken + bare_run.collector.received,
            bytes=sum(source.size for source in bare.sources),
            liaison_seconds=bare_run.seconds,
            multiprocessing_queue_seconds=queue_bare_run.seconds,
        ),
    )


def _act(
    screen: Screen,
    title: str,
    team: Team[Any],
    task: Task,
    killer: Killer | None = None,
    show: Callable[[Collector], None] | None = None,
) -> Run:
    with screen.act(title, len(task.sources)) as act:

        def tick(collector: Collector) -> None:
            if show is not None:
                show(collector)
            act.tick(len(collector.figures))

        run = gather(team, task, tick, killer)
        act.finish(run.seconds)
    return run


def _repeated(sources: list[Source]) -> list[Source]:
    """Some of the sources, repeatedly, each time with another id."""
    sizes = accumulate(source.size for source in sources)
    some = [source for source, sum in zip(sources, sizes, strict=True) if sum <= _MEMORY]
    again = islice(cycle(some or sources[:1]), _MESSAGES)
    return [Source(id, source.path, source.size) for id, source in enumerate(again)]
