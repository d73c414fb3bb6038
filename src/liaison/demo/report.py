"""What the demonstration found: the document that ``--json`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from liaison.demo.figures import Figures, Totals, Unreadable
from liaison.demo.survey import Skipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from liaison.demo.collector import Collector
    from liaison.demo.crew import Crew
    from liaison.demo.murder import Murder
    from liaison.demo.survey import Survey

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

_MOST_DIFFERENCES = 10  # told; of all that there are


class Input(msgspec.Struct, frozen=True):
    """What was worked on."""

    title: str
    path: str
    files: int
    bytes: int
    skipped: list[Skipped]


class Worker(msgspec.Struct, frozen=True):
    """A process that computed: how many files it did, which it holds, how it came and went."""

    pid: int
    files: int
    holding: str | None
    killed: bool
    replaces: int | None


class Kill(msgspec.Struct, frozen=True):
    """Who was killed while it held which file, and who had the file next, how soon."""

    signal: str
    pid: int
    file: str
    replaced_by: int | None
    redelivered_to: int | None
    attempt: int | None
    redelivered_after_seconds: float | None


class Counts(msgspec.Struct, frozen=True):
    """What became of the files that were sent; `lost` and `counted_twice` must be 0."""

    sent: int
    received: int
    redelivered: int
    duplicates_dropped: int
    lost: int
    counted_twice: int


class Check(msgspec.Struct, frozen=True):
    """Whether one process alone found the same, and nothing was lost or counted twice."""

    holds: bool
    differences: list[str]


class Seconds(msgspec.Struct, frozen=True):
    """How long the whole work took, from the word to go to the last result."""

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
    """Everything."""

    input: Input
    workers: list[Worker]
    result: Totals
    check: Check
    counts: Counts
    kill: Kill | None
    seconds: Seconds
    messages_only: Messages


def workers(survey: Survey, crew: Crew[Any], collector: Collector, murder: Murder) -> list[Worker]:
    """The workers of a run that goes on or has ended, the successor after its victim."""
    pids = list(crew.workers)
    if murder.victim is not None:
        at = pids.index(murder.successor) if murder.successor in pids else len(pids)
        pids.insert(at, murder.victim)
    found: list[Worker] = []
    for pid in pids:
        held = murder.file if pid == murder.victim else collector.holding.get(pid)
        found.append(
            Worker(
                pid=pid,
                files=collector.shares[pid],
                holding=None if held is None else survey.name(held),
                killed=pid == murder.victim,
                replaces=murder.victim if pid == murder.successor else None,
            )
        )
    return found


def kill(survey: Survey, murder: Murder) -> Kill | None:
    """What is known of the kill; None when there was nobody to kill in time."""
    if murder.victim is None or murder.file is None:
        return None
    return Kill(
        signal="SIGKILL",
        pid=murder.victim,
        file=survey.name(murder.file),
        replaced_by=murder.successor,
        redelivered_to=murder.heir,
        attempt=murder.attempt,
        redelivered_after_seconds=murder.seconds,
    )


def check(
    survey: Survey,
    collector: Collector,
    alone: Mapping[int, Figures | Unreadable],
) -> Check:
    """Compare file by file with what one process alone found."""
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
        differences.append(f"{collector.doubled} results came twice, and not flagged")
    return Check(not differences, differences)


def _said(figures: Figures | Unreadable | None) -> str:
    if isinstance(figures, Figures):
        tokens = "" if figures.tokens is None else f", {figures.tokens} tokens"
        return f"{figures.size} bytes{tokens}, SHA-256 {figures.sha256.hex()[:16]}…"
    return figures.reason if figures else "nothing"
