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
    help="How many processes compute.  [default: one a core, at least 2]",
)
@click.option(
    "--svg",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write a picture of the result to this file as well.",
)
def demo(path: str | None, workers: int | None, svg: Path | None, as_json: bool) -> int:
    """See what liaison does, on this machine.

    One process reads the files at PATH (without it, the sources of Python's standard library),
    several compute, one collects. Half-way a computing process is killed with SIGKILL. The result
    is compared with that of one process alone, and the time with multiprocessing.Queue's.
    """
    # Here, because completing a command line should not load all of it.
    from liaison.demo import picture
    from liaison.demo.crew import CrewFailed
    from liaison.demo.performance import perform
    from liaison.demo.screen import Screen
    from liaison.demo.survey import survey

    size = workers or max(2, min(len(os.sched_getaffinity(0)), _MOST_WORKERS))
    found = survey(path)
    if not found.sources:
        raise Failure(_nothing(found), hint="give another PATH", code=2, kind="Usage")
    console = _console(as_json)
    with _stoppable():
        try:
            with Screen(console, found) as screen:
                report = perform(found, size, screen)
        except CrewFailed as failure:
            raise Failure(str(failure), kind="CrewFailed") from failure
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
    """Where people look: beside a JSON document, a terminal on standard error, or nowhere."""
    from rich.console import Console

    for stream in (sys.stdout, sys.stderr):
        # An encoding without the characters of the picture gets question marks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    quiet = as_json and not sys.stderr.isatty()
    return Console(stderr=as_json, quiet=quiet, highlight=False, markup=False, emoji=False)


@contextmanager
def _stoppable() -> Generator[None]:
    """End the block at Ctrl-C, SIGTERM or SIGHUP, and leave its cleaning up in peace after that."""

    def stop(number: int, _: FrameType | None) -> NoReturn:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)

    stopping = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    # Who started this may want it to ignore one of them, as nohup does.
    before = {n: h for n in stopping if (h := signal.getsignal(n)) is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
