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
    help="A queue has --capacity places of --max-message, and all its memory from the start.",
)
@click.option(
    "--capacity",
    type=int,
    metavar="N",
    help="Messages accepted and not yet acknowledged; 0: a rendezvous.  [default: 1024; queue: 10]",
)
@click.option(
    "--max-message", type=SIZE, help="Room for messages of this size in every place, such as 64K."
)
@click.option(
    "--memory", type=SIZE, help="Room for all payloads together, such as 2G, reserved at once."
)
@click.option(
    "--access",
    type=click.Choice(["any", "exclusive", "pair"]),
    help="Who may receive: any process, one at a time, or two processes in all.  [default: any]",
)
@click.option(
    "--max-deliveries",
    type=int,
    metavar="N",
    help="After so many without an acknowledgement a message is set aside.",
)
@click.option(
    "--dead-letters", type=LINK, help="The mailbox that gets those.  [default: NAME.dead]"
)
def create(name: str, kind: str, as_json: bool, **policy: Any) -> None:
    """Create a mailbox.

    Or a message queue, with --kind. Writes its address. Without this command a mailbox is created
    when it is first used. A port is created by its receiver, with which it ends.
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
    """A message about arguments, as one about options."""
    for argument, option in (("max_messages", "capacity"), ("message_size", "max-message")):
        message = message.replace(f"{argument}=", f"--{option} ")
    for argument in policy:
        message = message.replace(f"{argument}=", f"--{argument.replace('_', '-')} ")
    return message.replace(" , or None", "").replace(", or None", "")
