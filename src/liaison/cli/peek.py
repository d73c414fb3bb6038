"""``liaison peek``."""

from __future__ import annotations

import click

from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.parameters import LINK
from liaison.links.observer import observed


@command("peek")
@click.argument("name", type=LINK)
@click.option(
    "-n", "count", type=click.IntRange(min=0), default=10, show_default=True, help="Show at most N."
)
def peek(name: str, count: int, as_json: bool) -> None:
    """Show waiting messages without receiving them.

    The oldest comes first. They are written as `liaison receive` would write them.
    """
    with observed(name) as box:
        messages = box.peek(count)
    if as_json:
        output.write_json([output.described(message) for message in messages])
        return
    for message in messages:
        click.echo(output.as_line(message))
