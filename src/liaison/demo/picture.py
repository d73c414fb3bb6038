"""Drawing the team, the result and the comparison, without printing them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.filesize import decimal
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from liaison.demo.report import Kill, Report, Worker

__all__ = ["WIDTH", "crowd", "heading", "story", "summary", "svg"]

WIDTH = 92  # columns; longer lines are hard to read
_GOOD, _BAD, _NAME, _QUIET = "bold green", "bold red", "cyan", "bright_black"
_MOST_SKIPPED = 3
_SPARED = (
    "No process was killed with the Queue: a message that a killed process has got is lost, and "
    "one that is killed at the wrong moment keeps the lock for ever."
)


def heading(
    title: str, files: int, size: int, waiting: tuple[int, int] | None = None
) -> RenderableType:
    """The files and the processes that they pass, with the numbers of waiting messages."""
    what = Text.assemble(
        ("liaison demo", "bold"),
        f"  {_count(files, 'file')}, {decimal(size)}: ",
        (title, _NAME),
    )
    files_waiting, results_waiting = ("", "") if waiting is None else map(" {:<2}".format, waiting)
    way = Text.assemble((" ─▶ ", _QUIET)).join(
        (
            Text("reader", "bold"),
            Text(f"files{files_waiting}", _NAME),
            Text("workers", "bold"),
            Text(f"results{results_waiting}", _NAME),
            Text("collector", "bold"),
        )
    )
    return Group(_line(what), _line(way), Text())


def crowd(workers: list[Worker], kill: Kill | None, most: int | None = None) -> RenderableType:
    """The workers, what each does and how much each has done; at most `most` of them."""
    # If there is no room for all, the killed worker and its successor come first.
    shown = sorted(workers, key=_uneventful)[:most] if most else workers
    top = max((worker.files for worker in workers), default=1)
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=len("worker 12345"))
    table.add_column(justify="right", min_width=3)
    table.add_column(max_width=20)
    table.add_column()
    for worker in shown:
        style = _BAD if worker.killed else "magenta"
        table.add_row(
            _line(Text(f"worker {worker.pid}", _BAD if worker.killed else "bold")),
            f"{worker.files:,}",
            ProgressBar(
                total=max(top, 1),
                completed=worker.files,
                style="bar.back",
                complete_style=style,
                finished_style=style,
            ),
            _line(_doing(worker)),
        )
    if more := len(workers) - len(shown):
        table.add_row(Text(f"and {more} more", _QUIET))
    lines: list[RenderableType] = [table]
    if kill is not None:
        lines += [Text(line, "yellow") for line in story(kill)[2:]]
    return Group(*lines)


def _uneventful(worker: Worker) -> bool:
    return not worker.killed and worker.replaces is None


def _doing(worker: Worker) -> Text:
    if worker.killed:
        return Text.assemble(("kill -9", _BAD), " while it held ", (worker.holding or "", _NAME))
    if worker.replaces is not None and worker.holding is None:
        return Text(f"replaced {worker.replaces}", _GOOD)
    return Text(worker.holding or "", _NAME)


def story(kill: Kill) -> list[str]:
    """What happened to the killed worker and to its file: a line for each event so far."""
    lines = [f"kill -9 of worker {kill.pid} while it held {kill.file}"]
    if kill.replaced_by is not None:
        lines.append(f"worker {kill.replaced_by} was started in its place")
    if kill.redelivered_to is not None and kill.redelivered_after_seconds is not None:
        lines.append(
            f"{kill.file} went to worker {kill.redelivered_to}, "
            f"{kill.redelivered_after_seconds * 1000:.1f} ms later, as attempt {kill.attempt}"
        )
    return lines


def summary(report: Report, titled: bool = True) -> RenderableType:
    """The whole report; `titled` adds the heading."""
    title = heading(report.input.title, report.input.files, report.input.bytes)
    return Group(
        title if titled else Text(),
        crowd(report.workers, report.kill),
        Text() if report.kill else Text("no worker was killed: they finished too soon\n", "yellow"),
        _result(report),
        Text(),
        _counts(report),
        Text(),
        _comparison(report),
        Text(),
        Text(_SPARED, _QUIET),
    )


def svg(report: Report) -> str:
    """The summary as a picture of a terminal."""
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        highlight=False,
        color_system="truecolor",
        legacy_windows=False,
    )
    console.print(summary(report))
    return console.export_svg(title="liaison demo")


def _result(report: Report) -> RenderableType:
    result = report.result
    found = [
        f"{result.tokens:,} tokens",
        f"{decimal(result.bytes)}, compressed {decimal(result.compressed_bytes)}",
        f"digest {result.sha256[:16]}",
    ]
    lines = [_line(Text("   ".join(found)))]
    for number, what in (
        (result.not_python, "not Python: tokens were not counted"),
        (result.broken_sources, "with a syntax error: tokens were counted up to it"),
        (result.unreadable, "not readable"),
    ):
        if number:
            lines.append(Text(f"{_count(number, 'file')} {what}", "yellow"))
    lines += [
        _line(Text(f"left out: {skipped.name}: {skipped.reason}", "yellow"))
        for skipped in report.input.skipped[:_MOST_SKIPPED]
    ]
    if (more := len(report.input.skipped) - _MOST_SKIPPED) > 0:
        lines.append(Text(f"and {more:,} more", "yellow"))
    if report.check.holds:
        lines.append(Text("✔ the same as the result of a single process, file by file", _GOOD))
    else:
        lines.append(Text("✘ not the result of a single process", _BAD))
        lines += [Text(f"  {difference}", "red") for difference in report.check.differences]
    return Group(*lines)


def _counts(report: Report) -> RenderableType:
    counts = report.counts
    table = _table()
    row: list[Text] = []
    for title, number, wanted in (
        ("sent", counts.sent, None),
        ("received", counts.received, None),
        ("redelivered", counts.redelivered, None),
        ("duplicates dropped", counts.duplicates_dropped, None),
        ("lost", counts.lost, 0),
        ("counted twice", counts.counted_twice, 0),
    ):
        table.add_column(title, justify="right")
        style = "" if wanted is None else _GOOD if number == wanted else _BAD
        row.append(Text(f"{number:,}", style))
    table.add_row(*row)
    return table


def _table() -> Table:
    return Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style=_QUIET)


def _comparison(report: Report) -> RenderableType:
    seconds, messages = report.seconds, report.messages_only
    table = _table()
    table.add_column("time")
    for title in ("liaison", "multiprocessing.Queue", "one process"):
        table.add_column(title, justify="right")
    table.add_row(
        "the work",
        _time(seconds.liaison),
        _time(seconds.multiprocessing_queue),
        _time(seconds.one_process),
    )
    table.add_row(
        f"{messages.messages:,} messages only",
        _time(messages.liaison_seconds),
        _time(messages.multiprocessing_queue_seconds),
        "",
    )
    return table


def _line(text: Text) -> Text:
    """The text on one line, cut at its end."""
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
