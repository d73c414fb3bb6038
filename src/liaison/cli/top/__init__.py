"""``liaison top``: ``rates`` measures, ``screen`` draws, ``terminal`` reads keys."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict

import click

from liaison import NotFound
from liaison.address import Address
from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.parameters import LINK
from liaison.cli.top.rates import Moment, Watch

__all__ = ["top"]


@command("top")
@click.argument("names", type=LINK, nargs=-1, metavar="[NAME]...")
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(min=0.05),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds over which rates are measured.",
)
@click.option("--once", is_flag=True, help="Measure for one interval, show it, and end.")
def top(names: tuple[str, ...], interval: float, once: bool, as_json: bool) -> None:
    """Watch the links of a space at work.

    Without a NAME all links are watched. An observer takes no place on a link and does not slow its
    users. If the output is not a terminal, each interval writes a table; with --json, a line.
    """
    watch = Watch(names)
    if not once and not as_json and sys.stdout.isatty():
        from liaison.cli.top.screen import run

        run(watch, interval)
        return
    moment = watch.sample()
    if once and names and not moment.rows:
        raise NotFound(f"there is no {', '.join(str(Address.parse(name)) for name in names)}")
    while True:
        time.sleep(interval)
        moment = watch.sample()
        if as_json:
            click.echo(output.json_line(_told(moment)))
        else:
            from liaison.cli.top.screen import draw_plainly

            draw_plainly(moment)
            sys.stdout.flush()
        if once:
            return


def _told(moment: Moment) -> dict[str, object]:
    links = [
        {key: value for key, value in asdict(row).items() if key != "history"}
        for row in moment.rows
    ]
    return {
        "time": time.time(),
        "space": moment.space,
        "processes": moment.processes,
        "links": links,
    }
