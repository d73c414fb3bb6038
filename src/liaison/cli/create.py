"""``liaison create``."""

from __future__ import annotations

from typing import Any

import click

from liaison import LiaisonError, Mailbox, MessageQueue
from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.parameters import LINK, SIZE
from liaison.cli.sight import Sight, facts


@command("create")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["mailbox", "queue"]),
    default="mailbox",
    help="A queue reserves --capacity places of --max-message bytes at creation.",
)
@click.option(
    "--capacity",
    type=int,
    metavar="N",
    help="Most unacknowledged messages; 0 is a rendezvous.  [default: 1024; queue: 10]",
)
@click.option(
    "--max-message", type=SIZE, help="Reserve room for a message of this size in every place: 64K."
)
@click.option("--memory", type=SIZE, help="Reserve this much for all payloads together: 2G.")
@click.option(
    "--access",
    type=click.Choice(["any", "exclusive", "pair"]),
    help="Who may receive: any process, one at a time, or two processes in all.  [default: any]",
)
@click.option(
    "--max-deliveries",
    type=int,
    metavar="N",
    help="A message delivered N times and never acknowledged goes to the dead letters.",
)
@click.option(
    "--dead-letters", type=LINK, help="The mailbox for dead letters.  [default: NAME.dead]"
)
def create(name: str, kind: str, as_json: bool, **policy: Any) -> None:
    """Create a mailbox or a message queue.

    Writes its address. `send` and `receive` create a missing mailbox themselves. Only its receiver
    can create a port, which ends with it.
    """
    try:
        box = _queue(name, policy) if kind == "queue" else Mailbox.create(name, **policy)
    except LiaisonError:
        raise
    except ValueError as error:
        raise click.UsageError(_in_options(str(error), policy)) from error
    with box:
        if as_json:
            output.write_json(facts(Sight(box.address, box.link, box.statistics())))
        else:
            click.echo(box.address)


def _queue(name: str, policy: dict[str, Any]) -> MessageQueue:
    places, size = policy.pop("capacity"), policy.pop("max_message")
    for argument, value in policy.items():
        if value is not None:
            raise click.UsageError(f"--{argument.replace('_', '-')} is not for a queue")
    return MessageQueue.create(name, max_messages=places, message_size=size)


def _in_options(message: str, policy: dict[str, Any]) -> str:
    """Name options instead of arguments in an error's text."""
    for argument, option in (("max_messages", "capacity"), ("message_size", "max-message")):
        message = message.replace(f"{argument}=", f"--{option} ")
    for argument in policy:
        message = message.replace(f"{argument}=", f"--{argument.replace('_', '-')} ")
    return message.replace(" , or None", "").replace(", or None", "")
