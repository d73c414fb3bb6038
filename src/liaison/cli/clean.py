"""``liaison clean``."""

from __future__ import annotations

import click

from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.sight import current_space
from liaison.space import Cleaned


@command("clean")
@click.option(
    "--links",
    "--all",
    "links",
    is_flag=True,
    help="Also remove unused links of dead creators, with their messages.",
)
def clean(links: bool, as_json: bool) -> None:
    """Remove what dead processes left behind.

    Nothing that a living process uses is removed, and without --links no message is lost.
    """
    space = current_space()
    cleaned = space.clean(links=links) if space is not None else Cleaned(0, 0, 0, 0)
    if as_json:
        output.write_json(cleaned.as_dict())
        return
    removed = [
        f"{count} {noun}{'s' if count > 1 else ''}"
        for count, noun in (
            (cleaned.links, "link"),
            (cleaned.remains, "nameless segment"),
            (cleaned.doorbells, "doorbell"),
        )
        if count
    ]
    if removed:
        freed = f"; freed {output.amount(cleaned.bytes)}" if cleaned.bytes else ""
        click.echo(f"removed {', '.join(removed)}{freed}")
    else:
        click.echo("nothing to remove")
