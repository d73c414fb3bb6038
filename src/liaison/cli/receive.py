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

_GLANCE = 0.5  # seconds between two looks at whether somebody still reads the output


@command(
    "receive",
    examples="""\
liaison receive jobs --follow | while read -r job; do ./work "$job"; done
""",
)
@click.argument("name", type=LINK)
@click.option("-f", "--follow", is_flag=True, help="Go on until the mailbox is destroyed.")
@click.option("-n", "--count", type=click.IntRange(min=1), metavar="N", help="Receive so many.")
@click.option(
    "--timeout", type=SECONDS, metavar="S", help="Seconds to wait for each message; 0: do not wait."
)
@click.option("--raw", is_flag=True, help="Put no newline after a message.")
@click.option("--existing", is_flag=True, help="Fail when there is no such mailbox yet.")
def receive(
    name: str,
    follow: bool,
    count: int | None,
    timeout: float | None,
    raw: bool,
    existing: bool,
    as_json: bool,
) -> None:
    r"""Receive messages from a mailbox.

    Or from a message queue, or as an endpoint, where the name is one's and no living process's.

    One message, --count of them, or, with --follow, all that come. Text and bytes are written as
    they are, other values as JSON, each with a newline after it; on a terminal, what would steer it
    is shown as an escape such as \x1b. With --json each message is an object that also tells the
    sender and the attempt.

    A message is acknowledged after it was written; if that fails, or this process dies, the next
    receiver gets it. With --follow into a pipe it is acknowledged when the process at the other
    end has read it, so that none is left behind in the pipe.

    The mailbox is created if it is missing, unless this does not wait. The exit code is 3 when the
    timeout passes first; with --follow, only when nothing was received.
    """
    # Before a message is taken: the interpreter itself can lose a Ctrl-C that comes while something
    # is imported, and then nothing would end the wait for the reader.
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
                continue  # it was written; there is nothing left to acknowledge it to


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
    # A port says that this process is not its receiver.
    return (Port if kind == "port" else MessageQueue).open(name)


def _next(
    box: Mailbox | MessageQueue | Port | Endpoint, timeout: float | None, outlet: Outlet | None
) -> Delivery:
    """Wait for a message, and meanwhile for the end of whoever reads the output."""
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
        # A pickle, say. What it consists of is still the reader's, and it blocks nobody.
        message, wrong = error.payload, {"error": str(error)}
        if not as_json:
            click.echo(f"liaison: {error}; here are its bytes", err=True)
    if not as_json:
        return output.as_line(message)
    told = {"sender": delivery.sender, "attempt": delivery.attempt}
    return output.json_line({**output.described(message), **told, **wrong})
