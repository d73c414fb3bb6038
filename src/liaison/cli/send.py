"""``liaison send``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

import liaison
from liaison import LiaisonError, Mailbox, MessageQueue, Mismatch, Port
from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.failure import Failure
from liaison.cli.parameters import LINK, SECONDS
from liaison.cli.sight import look_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self


@command(
    "send",
    examples="""\
liaison send jobs "first job" "second job"
tail -f access.log | liaison send log -
liaison send jobs --parse-json '{"id": 7, "urgent": true}'
""",
)
@click.argument("name", type=LINK)
@click.argument("messages", nargs=-1, metavar="[MESSAGE]...")
@click.option("--whole", is_flag=True, help="Send all of standard input as one message of bytes.")
@click.option("--parse-json", "--json-in", is_flag=True, help="Parse each message as JSON.")
@click.option("--existing", is_flag=True, help="Fail if the link does not exist.")
@click.option(
    "--timeout", type=SECONDS, metavar="S", help="Seconds that each message may wait for room."
)
@click.option("--receipt", is_flag=True, help="Wait for each message's receiver, and show it.")
def send(
    name: str,
    messages: tuple[str, ...],
    whole: bool,
    parse_json: bool,
    existing: bool,
    timeout: float | None,
    receipt: bool,
    as_json: bool,
) -> None:
    """Send messages to a link.

    NAME is a mailbox, a message queue, a port or an endpoint; a missing mailbox is created. Each
    MESSAGE is sent as text. The message - stands for the lines of standard input, each of which is
    sent as soon as it is read.
    """
    if whole and parse_json:
        raise click.UsageError("--whole sends bytes: leave out --parse-json")
    if whole and messages not in ((), ("-",)):
        raise click.UsageError("--whole sends standard input: leave out the messages")
    if not whole and not messages:
        raise click.UsageError("no message is given; give one, or - to send standard input")
    contents = _whole() if whole else _each(messages, parse_json=parse_json)
    sent = 0
    with _open(name, create=not existing) as box:
        try:
            for content in contents:
                ticket = box.send(content, timeout=timeout, receipt=receipt)
                sent += 1
                if ticket is not None:
                    peer = ticket.wait_received(timeout)
                    if as_json:
                        click.echo(output.json_line({"received_by": peer}))
                    else:
                        click.echo(f"received by {output.who(peer)}")
        except (LiaisonError, Failure) as error:
            if sent:
                error.add_note(f"{sent} sent before")
            raise
        if as_json and not receipt:
            output.write_json({"address": box.address, "sent": sent})


def _open(name: str, *, create: bool) -> Mailbox | MessageQueue | Port | _ToEndpoint:
    try:
        return Mailbox(name) if create else Mailbox.open(name)
    except Mismatch:
        kind = look_at(name).link.kind
    if kind == "endpoint":
        return _ToEndpoint(name)
    return (Port if kind == "port" else MessageQueue).open(name)


class _ToEndpoint:
    """An endpoint to send to, from one without a name that ends with this process."""

    def __init__(self, name: str) -> None:
        self.address = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, message: Any, *, timeout: float | None, receipt: bool) -> None:
        if receipt:
            raise click.UsageError("--receipt is not for an endpoint")
        liaison.send(self.address, message, timeout=timeout)


def _whole() -> Iterator[bytes]:
    yield sys.stdin.buffer.read()


def _each(messages: tuple[str, ...], *, parse_json: bool) -> Iterator[Any]:
    for message in messages:
        if message != "-":
            # The bytes that the shell gave: arguments need not be UTF-8.
            yield _content(os.fsencode(message), "the message", parse_json=parse_json)
            continue
        for number, line in enumerate(sys.stdin.buffer, 1):
            yield _content(line.removesuffix(b"\n"), f"line {number}", parse_json=parse_json)


def _content(text: bytes, place: str, *, parse_json: bool) -> Any:
    if parse_json:
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Failure(f"{place} is not JSON: {error}", kind="InvalidJSON") from error
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text  # sent as bytes, which arrive unchanged
