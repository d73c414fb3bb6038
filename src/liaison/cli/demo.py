"""``liaison demo``."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.failure import Failure

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console

    from liaison.demo.survey import Survey

_MOST_WORKERS = 64


@command("demo")
@click.argument("path", required=False, type=click.Path(exists=True))
@click.option(
    "-w",
    "--workers",
    type=click.IntRange(1, _MOST_WORKERS),
    help="How many processes compute.  [default: one for each core, at least 2]",
)
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Also draw a picture of the result to this file.",
)
def demo(path: str | None, workers: int | None, svg: Path | None, as_json: bool) -> int:
    """Demonstrate liaison on this machine.

    One process reads the files at PATH (by default the sources of Python's standard library),
    several compute, and one collects. Half-way one of those that compute is killed by SIGKILL. The
    result is compared with that of a single process, and the time with multiprocessing.Queue.
    """
    # Imported here, so that completing a command line does not load it.
    from liaison.demo import picture
    from liaison.demo.performance import perform
    from liaison.demo.screen import Screen
    from liaison.demo.survey import survey
    from liaison.demo.team import TeamFailed

    size = workers or max(2, min(len(os.sched_getaffinity(0)), _MOST_WORKERS))
    found = survey(path)
    if not found.sources:
        raise Failure(_nothing(found), hint="give another PATH", code=2, kind="Usage")
    console = _console(as_json)
    with _stoppable():
        try:
            with Screen(console, found) as screen:
                report = perform(found, size, screen)
        except TeamFailed as failure:
            raise Failure(str(failure), kind="TeamFailed") from failure
    if svg is not None:
        svg.write_text(picture.svg(report), encoding="utf-8")
    if as_json:
        output.write_json(report)
    else:
        summary = picture.summary(report, titled=console.is_terminal)
        console.print(summary, width=min(console.width, picture.WIDTH))
    return 0 if report.check.holds else 1


def _nothing(found: Survey) -> str:
    why = "; ".join(f"{skipped.name}: {skipped.reason}" for skipped in found.skipped[:3])
    return f"no file to read under {found.title}" + (f" ({why})" if why else "")


def _console(as_json: bool) -> Console:
    """Return a console on standard output; with JSON there, on standard error if a terminal."""
    from rich.console import Console

    for stream in (sys.stdout, sys.stderr):
        # If the encoding lacks the picture's characters, question marks are written.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    quiet = as_json and not sys.stderr.isatty()
    return Console(stderr=as_json, quiet=quiet, highlight=False, markup=False, emoji=False)


@contextmanager
def _stoppable() -> Generator[None]:
    """End the block at Ctrl-C, SIGTERM or SIGHUP, and ignore these while it cleans up."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    stopping = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # The parent may want one of them ignored, as nohup does.
    before = {n: h for n in stopping if (h := signal.getsignal(n)) is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
