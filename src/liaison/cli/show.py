"""``liaison show``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.parameters import LINK
from liaison.cli.sight import Sight, facts, look_at, space_of

if TYPE_CHECKING:
    from rich.table import Table

    from liaison import Peer


@command("show")
@click.argument("name", type=LINK)
def show(name: str, as_json: bool) -> None:
    """Show a link's properties, counts and processes."""
    sight = look_at(name)
    if as_json:
        output.write_json(facts(sight))
    else:
        _draw(sight)


def _draw(sight: Sight) -> None:
    from rich.box import ROUNDED
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    parts = (_policy(sight), Text(), _counts(sight), Text(), _peers(sight))
    title = Text.assemble((f" {sight.link.name} ", "bold"), (f"{sight.address} ", "dim"))
    output.console().print(
        Panel(
            Group(*parts),
            title=title,
            title_align="left",
            box=ROUNDED,
            border_style="dim",
            padding=(1, 2),
            expand=False,
        )
    )


def _pairs(pairs: list[tuple[str, str]]) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(style="dim", no_wrap=True, min_width=12)
    table.add_column()
    for label, value in pairs:
        table.add_row(label, value)
    return table


def _policy(sight: Sight) -> Table:
    link = sight.link
    access = {
        "any": "any process may receive",
        "exclusive": "one process at a time may receive",
        "pair": "two processes at most",
    }
    capacity = f"{link.capacity} messages" if link.capacity else "none: a rendezvous"
    largest = output.amount(link.max_message)
    reserved = "grows on demand" if link.memory is None else output.amount(link.memory)
    policy = f"{link.access}: {access.get(link.access, '')}".removesuffix(": ")
    if link.lifetime is not None:
        ends = {"receiver": "its receiver", "senders": "its receiver or its last sender"}
        policy = f"one process may receive; ends with {ends[link.lifetime]}"
    if link.kind == "endpoint":
        policy = "one process at a time has the name; each sender has a link of its own"
    pairs = [
        ("kind", f"{link.kind}, {link.direction}, {link.established}"),
        ("carried by", link.carrier),
        ("access", policy),
        ("capacity", capacity),
        ("messages", f"{link.message_size} size, {largest} at most"),
        ("for payloads", reserved if link.message_size == "variable" else "in each place"),
        ("processes", f"{link.max_processes} at most"),
    ]
    if sight.aliases:
        pairs.insert(1, ("also called", ", ".join(sight.aliases)))
    if link.max_deliveries is not None:
        pairs.append(("deliveries", f"{link.max_deliveries}, then to {link.dead_letters}"))
    if link.dead_letters is not None and (link.max_deliveries is None or link.kind == "port"):
        pairs.append(("dead letters", link.dead_letters))
    pairs += [("created by", _creator(sight)), ("id", link.id)]
    return _pairs(pairs)


def _creator(sight: Sight) -> str:
    creator = sight.link.creator
    if not creator.pid:
        return "a process that has ended"
    lives = creator in space_of(sight.address).members()
    return output.who(creator) + ("" if lives else ", which has ended")


def _counts(sight: Sight) -> Table:
    now = sight.statistics
    waiting = f"{now.waiting}"
    if now.returned:
        waiting += f", {now.returned} of them returned by a receiver"
    asleep = f"{now.receivers_waiting} to receive, {now.senders_waiting} to send"
    memory = f"{output.amount(sight.link.bytes)} in all"
    if now.memory_reserved:
        used, reserved = output.amount(now.memory_used), output.amount(now.memory_reserved)
        memory += f"; payloads use {used} of {reserved}"
    return _pairs(
        [
            ("accepted", f"{now.accepted} since it was created"),
            ("taken", f"{now.taken}"),
            ("waiting", waiting),
            ("leased", f"{now.leased}"),
            ("room for", f"{now.free} more"),
            ("asleep", asleep),
            ("memory", memory),
        ]
    )


def _peers(sight: Sight) -> Table:
    from rich.table import Table
    from rich.text import Text

    link = sight.link
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("PID", justify="right")
    named = any(peer.name for peer in (*link.senders, *link.receivers))
    if named:
        table.add_column("NAME")
    table.add_column("DOES")
    table.add_column("FOR", justify="right")
    table.add_column("COMMAND")
    roles: dict[Peer, list[str]] = {}
    names = {peer: name for name, peers in sight.known_as.items() for peer in peers}
    for peer in link.senders:
        name = names.get(peer, link.name)
        roles[peer] = ["sends" if name == link.name else f"sends to {name}"]
    for peer in link.receivers:
        roles.setdefault(peer, []).append("receives")
    for peer, role in roles.items():
        table.add_row(
            str(peer.pid),
            *([peer.name or ""] if named else []),
            ", ".join(role),
            output.age(peer.started),
            Text(peer.command),
        )
    if not roles:
        table = _pairs([("processes", "none is on it now")])
    return table
