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
@click.option("--list", "listed", is_flag=True, help="List the scenarios, and measure nothing.")
@click.option("--quick", is_flag=True, help="Short rounds: a look, nothing to publish.")
@click.option("--rounds", type=click.IntRange(min=1), metavar="N", help="Rounds.")
@click.option("--budget", type=float, metavar="S", help="Seconds for each contender and round.")
@click.option("--peer", "peers", multiple=True, metavar="NAME", help="Only this one and liaison.")
@click.option("--pin", is_flag=True, help="Tie each process to one core.")
@click.option(
    "--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw the picture there."
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
    """Measure liaison beside its peers.

    All contenders are measured in turn, round by round, and so are the machine's limits. Without a
    SCENARIO, all of them, which takes minutes. `pip install 'liaison-ipc[bench]'` brings the peers.
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
        svg.touch()  # rather now than after minutes
    results = _measure(lambda progress: benchmarks.run(scenarios, options, progress))
    if svg is not None:
        svg.write_text(benchmarks.draw(results))
    if as_json:
        click.echo(benchmarks.to_json(results))
    else:
        _draw(results, benchmarks.sections(results))


def _benchmarks() -> Any:
    # By name, because in a checkout this is not where it lies.
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
    """Whoever is asked for by name has to be there; otherwise those that are missing are noted."""
    known = {peer.name: peer for peer in import_module("liaison._benchmarks.peers").PEERS}
    for name in names:
        if name not in known:
            raise click.UsageError(f"there is no peer {name!r}; there are {', '.join(known)}")
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
