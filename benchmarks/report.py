"""Writes the documentation's page of benchmarks."""

from __future__ import annotations

from pathlib import Path

from .picture import draw
from .results import Results
from .table import markdown, sections

_INTRODUCTION = """\
# Benchmarks

![Ping-pong and throughput of liaison beside its peers](benchmarks.svg)

Measured on {machine}. Load before the run: {load}. {rounds} rounds; in each, all contenders are
measured in turn for {budget} s, and a figure is the median of its rounds. Every end is a process
of its own, {pinned}. The same run measured the machine's limits in C. Reading the clock adds
{clock:.0f} ns to each ping-pong sample; nothing is subtracted. Absolute figures change from
machine to machine, ratios less: `liaison bench` measures yours.

How far apart two cores are decides most of all, and a host that moves virtual cores changes it from
one minute to the next. So below each column stands what two processes that take turns spinning, in
C, needed there and back just before its figures were measured: *near* is below 150 ns, *far* above
400. A gate for one of the two counts the rounds at that distance alone.

This page is written by `python -m benchmarks --write-docs docs`.
"""


def write_docs(results: Results, directory: Path) -> None:
    """Write benchmarks.md and benchmarks.svg into the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    options = results.options
    parts = [
        _INTRODUCTION.format(
            machine=results.machine,
            load=results.machine.load,
            rounds=options.rounds,
            budget=options.budget,
            pinned="tied to one core" if options.pin else "placed by the scheduler",
            clock=results.clock_ns,
        ),
        *(markdown(section) + "\n" for section in sections(results)),
        _versions(results),
    ]
    (directory / "benchmarks.md").write_text("\n".join(parts))
    (directory / "benchmarks.svg").write_text(draw(results))


def _versions(results: Results) -> str:
    named = [f"{name} {version}" for name, version in results.versions.items() if version]
    return f"Versions: {', '.join(named)}; the others are of {results.machine.python}.\n"
