"""``liaison ls``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from liaison import Space, spaces
from liaison.address import Address
from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.sight import Sight, current_space, facts, look

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from liaison.errors import LiaisonError

Found = list[Sight | tuple[str, "LiaisonError"]]


@command("ls")
@click.option("-a", "--all-spaces", is_flag=True, help="List the links of all your spaces.")
def ls(all_spaces: bool, as_json: bool) -> None:
    """List the links of a space."""
    space = None if all_spaces else current_space()
    chosen = spaces() if all_spaces else [space] if space is not None else []
    found = {space.name: (space, sorted(look(space), key=_name)) for space in chosen}
    if as_json:
        output.write_json([_described(name, one) for name in found for one in found[name][1]])
        return
    if not any(links for _, links in found.values()):
        where = "any of your spaces" if all_spaces else str(Address.current_space())
        click.echo(f"There are no links in {where} yet. `liaison send NAME MESSAGE` creates one.")
        return
    console = output.console()
    for number, (space, links) in enumerate(found.values()):
        if number:
            console.print()
        _draw(console, space, links)


def _name(one: Sight | tuple[str, LiaisonError]) -> str:
    return one.link.name if isinstance(one, Sight) else one[0]


def _described(space: str, one: Sight | tuple[str, LiaisonError]) -> dict[str, Any]:
    if isinstance(one, Sight):
        return {"space": space, **facts(one)}
    name, error = one
    return {"space": space, "name": name, "error": str(error), "type": type(error).__name__}


def _draw(console: Console, space: Space, links: Found) -> None:
    from rich.table import Table
    from rich.text import Text

    members = len(space.members())
    console.print(
        Text.assemble(
            ("space ", "dim"),
            (space.name, "bold"),
            (f"  {_count(len(links), 'link')}, {_count(members, 'process', 'es')}", "dim"),
        )
    )
    if not links:
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("NAME", style="bold", no_wrap=True)
    table.add_column("KIND")
    for heading in ("CAPACITY", "WAITING", "LEASED", "SENDERS", "RECEIVERS", "MEMORY"):
        table.add_column(heading, justify="right")
    for one in links:
        if isinstance(one, Sight):
            _add(table, one)
        else:
            table.add_row(one[0], Text(type(one[1]).__name__.lower(), "red"))
    console.print(table)


def _add(table: Table, sight: Sight) -> None:
    from rich.text import Text

    link, now = sight.link, sight.statistics
    full = bool(link.capacity) and now.free == 0
    kind = link.kind if link.access == "any" else f"{link.kind}, {link.access}"
    table.add_row(
        link.name,
        kind,
        str(link.capacity) if link.capacity else "rendezvous",
        _number(now.waiting, "red" if full else "yellow"),
        _number(now.leased, "cyan"),
        _number(len(link.senders)),
        _number(len(link.receivers)),
        Text(output.amount(link.bytes)),
    )


def _number(value: int, style: str = "") -> Any:
    """A number; a zero is dim."""
    from rich.text import Text

    return Text(str(value), style if value else "dim")


def _count(number: int, noun: str, plural: str = "s") -> str:
    return f"{number} {noun}{plural if number != 1 else ''}"
