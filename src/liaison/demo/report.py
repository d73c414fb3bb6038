"""The report of the demonstration, which ``--json`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from liaison.demo.figures import Figures, Totals, Unreadable
from liaison.demo.survey import Skipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liaison.demo.collector import Collector
    from liaison.demo.killer import Killer
    from liaison.demo.survey import Survey
    from liaison.demo.team import Team

__all__ = [
    "Check",
    "Counts",
    "Input",
    "Kill",
    "Messages",
    "Report",
    "Seconds",
    "Worker",
    "check",
    "kill",
    "workers",
]

_MOST_DIFFERENCES = 10  # reported


class Input(msgspec.Struct, frozen=True):
    """The files."""

    title: str
    path: str
    files: int
    bytes: int
    skipped: list[Skipped]


class Worker(msgspec.Struct, frozen=True):
    """A worker: how many files it has done, which it has leased, whom it replaced, if killed."""

    pid: int
    files: int
    holding: str | None
    killed: bool
    replaces: int | None


class Kill(msgspec.Struct, frozen=True):
    """The killed worker, the file that it had leased, and which worker got that next, how soon."""

    signal: str
    pid: int
    file: str
    replaced_by: int | None
    redelivered_to: int | None
    attempt: int | None
    redelivered_after_seconds: float | None


class Counts(msgspec.Struct, frozen=True):
    """The counts of messages; `lost` and `counted_twice` must be 0."""

    sent: int
    received: int
    redelivered: int
    duplicates_dropped: int
    lost: int
    counted_twice: int


class Check(msgspec.Struct, frozen=True):
    """Whether a single process has the same result, and nothing was lost or counted twice."""

    holds: bool
    differences: list[str]


class Seconds(msgspec.Struct, frozen=True):
    """How long the whole work took, from the start to the last result."""

    liaison: float
    multiprocessing_queue: float
    one_process: float


class Messages(msgspec.Struct, frozen=True):
    """How long the messages take without the work."""

    files: int
    messages: int
    bytes: int
    liaison_seconds: float
    multiprocessing_queue_seconds: float


class Report(msgspec.Struct, frozen=True):
    """The whole report."""

    input: Input
    workers: list[Worker]
    result: Totals
    check: Check
    counts: Counts
    kill: Kill | None
    seconds: Seconds
    messages_only: Messages


def workers(survey: Survey, team: Team[Any], collector: Collector, killer: Killer) -> list[Worker]:
    """The workers of a run, the successor after its victim."""
    pids = list(team.workers)
    if killer.victim is not None:
        at = pids.index(killer.successor) if killer.successor in pids else len(pids)
        pids.insert(at, killer.victim)
    found: list[Worker] = []
    for pid in pids:
        held = killer.file if pid == killer.victim else collector.holding.get(pid)
        found.append(
            Worker(
                pid=pid,
                files=collector.shares[pid],
                holding=None if held is None else survey.name(held),
                killed=pid == killer.victim,
                replaces=killer.victim if pid == killer.successor else None,
            )
        )
    return found


def kill(survey: Survey, killer: Killer) -> Kill | None:
    """What is known of the kill; None if the work ended before it."""
    if killer.victim is None or killer.file is None:
        return None
    return Kill(
        signal="SIGKILL",
        pid=killer.victim,
        file=survey.name(killer.file),
        replaced_by=killer.successor,
        redelivered_to=killer.heir,
        attempt=killer.attempt,
        redelivered_after_seconds=killer.seconds,
    )


def check(
    survey: Survey,
    collector: Collector,
    alone: Mapping[int, Figures | Unreadable],
) -> Check:
    """Compare with the result of a single process, file by file."""
    differences: list[str] = []
    for id, expected in alone.items():
        if id not in collector.figures:
            differences.append(f"{survey.name(id)}: lost")
        elif collector.figures[id] != expected:
            differences.append(
                f"{survey.name(id)}: {_said(collector.figures[id])}; alone: {_said(expected)}"
            )
    more = len(differences) - _MOST_DIFFERENCES
    if more > 0:
        differences[_MOST_DIFFERENCES:] = [f"and {more} more"]
    if collector.doubled:
        differences.append(f"{collector.doubled} results came twice, with attempt 1")
    return Check(not differences, differences)


def _said(figures: Figures | Unreadable | None) -> str:
    if isinstance(figures, Figures):
        tokens = "" if figures.tokens is None else f", {figures.tokens} tokens"
        return f"{figures.size} bytes{tokens}, SHA-256 {figures.sha256.hex()[:16]}…"
    return figures.reason if figures else "nothing"
