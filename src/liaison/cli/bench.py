"""``liaison bench``."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.failure import Failure

if TYPE_CHECKING:
    from collections.abc import Callable


@command("bench")
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@click.option("--list", "listed", is_flag=True, help="List the scenarios; measure nothing.")
@click.option("--quick", is_flag=True, help="Measure briefly: rough figures, not to be published.")
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="Number of rounds.")
@click.option("--budget", type=float, metavar="S", help="Seconds for each library and round.")
@click.option("--peer", "peers", multiple=True, metavar="NAME", help="Only NAME and liaison.")
@click.option("--pin", is_flag=True, help="Pin each process to one core.")
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw a picture to this file."
)
def bench(
    scenarios: tuple[str, ...],
    listed: bool,
    quick: bool,
    rounds: int | None,
    budget: float | None,
    peers: tuple[str, ...],
    pin: bool,
    svg: Path | None,
    as_json: bool,
) -> None:
    """Measure the speed of liaison and of other libraries.

    Each round measures all libraries and the machine's own limits, one after the other. Without a
    SCENARIO all scenarios are measured, which takes minutes. `pip install 'liaison-ipc[bench]'`
    installs the other libraries.
    """
    benchmarks = _benchmarks()
    if listed:
        _list(benchmarks, as_json=as_json)
        return
    _require(peers)
    options = benchmarks.Options.quick() if quick else benchmarks.Options()
    chosen = {"rounds": rounds, "budget": budget, "peers": peers, "pin": pin}
    options = replace(options, **{key: value for key, value in chosen.items() if value is not None})
    try:
        benchmarks.scenarios.select(scenarios)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if svg is not None:
        svg.touch()  # fails now rather than after minutes
    results = _measure(lambda progress: benchmarks.run(scenarios, options, progress))
    if svg is not None:
        svg.write_text(benchmarks.draw(results))
    if as_json:
        click.echo(benchmarks.to_json(results))
    else:
        _draw(results, benchmarks.sections(results))


def _benchmarks() -> Any:
    # By name, because a checkout has it elsewhere.
    try:
        return import_module("liaison._benchmarks")
    except ImportError as error:
        raise Failure(
            "this installation has no benchmarks", hint="install liaison-ipc from a wheel"
        ) from error


def _list(benchmarks: Any, *, as_json: bool) -> None:
    found = {scenario.key: scenario.title for scenario in benchmarks.SCENARIOS}
    if as_json:
        output.write_json(found)
        return
    for key, title in found.items():
        click.echo(f"{key:18} {title}")


def _require(names: tuple[str, ...]) -> None:
    """Raise an error if a library that was asked for by name is not installed."""
    known = {peer.name: peer for peer in import_module("liaison._benchmarks.peers").PEERS}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no peer {name!r}; the peers are {', '.join(known)}")
        try:
            known[name].version()
        except ImportError as error:
            raise Failure(
                f"{name} is {known[name].missing()}",
                hint="all of them: pip install 'liaison-ipc[bench]'",
                kind="NotInstalled",
            ) from error


def _measure(run: Callable[[Callable[[int, int, str], None]], Any]) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(24, complete_style="cyan"),
        TextColumn("{task.percentage:3.0f} %", style="dim"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", style="dim"),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        return run(
            lambda done, total, text: bar.update(
                task, completed=done, total=total, description=text
            )
        )


def _draw(results: Any, sections: Any) -> None:
    from rich.table import Table
    from rich.text import Text

    console = output.console()
    console.print(Text(str(results.machine), "dim"))
    for section in sections:
        table = Table(
            box=None,
            show_header=any(section.columns),
            header_style="dim",
            pad_edge=False,
            padding=(0, 2, 0, 0),
        )
        for index, heading in enumerate(section.columns):
            table.add_column(heading, justify="right" if index else "left")
        for cells in section.rows:
            ours = cells[0] == "liaison"
            table.add_row(*(Text(cell, "bold cyan" if ours else "") for cell in cells))
        console.print()
        console.print(Text(section.title, "bold"))
        console.print(table)
        for note in section.notes:
            console.print(Text(note, "dim"))
