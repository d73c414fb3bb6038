"""``liaison receive``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import click

from liaison import (
    Busy,
    DecodeError,
    Destroyed,
    Empty,
    Endpoint,
    Mailbox,
    MessageQueue,
    Mismatch,
    NotFound,
    Port,
)
from liaison.cli import output
from liaison.cli.command import command
from liaison.cli.parameters import LINK, SECONDS
from liaison.cli.pipeline import Outlet
from liaison.cli.sight import look_at
from liaison.deadline import Deadline

if TYPE_CHECKING:
    from liaison.carriers.contract import Delivery

_GLANCE = 0.5  # seconds between two checks that the output still has a reader


@command(
    "receive",
    examples="""\
liaison receive jobs --follow | while read -r job; do ./work "$job"; done
""",
)
@click.argument("name", type=LINK)
@click.option("-f", "--follow", is_flag=True, help="Receive until the link is destroyed.")
@click.option("-n", "--count", type=click.IntRange(min=1), metavar="N", help="Receive N messages.")
@click.option(
    "--timeout", type=SECONDS, metavar="S", help="Seconds to wait for each message; 0: do not wait."
)
@click.option("--raw", is_flag=True, help="Write no newline after a message.")
@click.option("--existing", is_flag=True, help="Fail if the link does not exist.")
def receive(
    name: str,
    follow: bool,
    count: int | None,
    timeout: float | None,
    raw: bool,
    existing: bool,
    as_json: bool,
) -> None:
    r"""Receive messages from a link.

    NAME is a mailbox or a message queue, or an endpoint that no living process has. By default one
    message is received; with --count N of them, with --follow all that come.

    Text and bytes are written as they are, other values as JSON, each with a newline after it. On a
    terminal, control characters are shown as escapes such as \x1b. With --json each message is an
    object with its sender and attempt.

    A message is acknowledged after it was written; if writing fails, or this process dies, the next
    receiver gets it. With --follow into a pipe it is acknowledged when the process at the other
    end has read it, so no message is lost in the pipe.

    A missing mailbox is created, unless --timeout is 0. The exit code is 3 if the timeout passes
    first; with --follow, only if nothing was received.
    """
    # Before a message is received: Python can lose a Ctrl-C that comes during an import, and then
    # nothing would end the wait for the reader.
    import_module("liaison.codec")
    outlet = Outlet(b"" if raw else b"\n")
    wanted = count if count is not None or follow else 1
    received = 0
    with _mailbox(name, create=not existing and timeout != 0) as box:
        while wanted is None or received < wanted:
            try:
                delivery = _next(box, timeout, outlet if follow else None)
            except Empty:
                if follow and received:
                    return
                raise
            except Destroyed:
                if follow:
                    return
                raise
            try:
                with delivery:
                    outlet.write(_content(delivery, as_json=as_json))
                    received += 1
                    if follow and received != wanted:
                        outlet.wait_until_read(alive=box.__len__)
            except Destroyed:
                continue  # it was written, and its link is gone


def _mailbox(name: str, *, create: bool) -> Mailbox | MessageQueue | Port | Endpoint:
    try:
        return Mailbox.open(name)
    except Mismatch:
        kind = look_at(name).link.kind
    except NotFound:
        if not create:
            raise
        return Mailbox(name)
    if kind == "endpoint":
        return Endpoint(name)
    # Receiving from a port then raises an error: this process is not its receiver.
    return (Port if kind == "port" else MessageQueue).open(name)


def _next(
    box: Mailbox | MessageQueue | Port | Endpoint, timeout: float | None, outlet: Outlet | None
) -> Delivery:
    """Wait for a message, and check meanwhile that the output still has a reader."""
    if outlet is None or not outlet.is_pipe:
        return box.lease(timeout=timeout)
    deadline = Deadline(timeout)
    while True:
        left = deadline.remaining()
        last = left is not None and left <= _GLANCE
        try:
            return box.lease(timeout=left if last else _GLANCE)
        except (Empty, Busy):
            outlet.check_reader()
            if last:
                raise


def _content(delivery: Delivery, *, as_json: bool) -> bytes:
    wrong = {}
    try:
        message = delivery.message
    except DecodeError as error:
        # A pickle, for example: its bytes are written, so it does not block the messages behind it.
        message, wrong = error.payload, {"error": str(error)}
        if not as_json:
            click.echo(f"liaison: {error}; its bytes follow", err=True)
    if not as_json:
        return output.as_line(message)
    told = {"sender": delivery.sender, "attempt": delivery.attempt}
    return output.json_line({**output.described(message), **told, **wrong})
