"""The process that reads: ``python -m liaison.demo.reader ORDERS FILES RESULTS``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

import liaison
from liaison.demo.figures import Unreadable
from liaison.demo.lifeline import addresses
from liaison.demo.messages import Box, Done, Job, Order, Ready, Sent, Task
from liaison.demo.survey import load, reason

__all__ = ["read"]


def read(orders: Box, files: Box, results: Box) -> None:
    """Carry out one task after the other, until the mailboxes are destroyed."""
    pid = os.getpid()
    with suppress(liaison.Destroyed):
        while True:
            task: Task = orders.receive()
            messages = _messages(task)
            if task.bare:
                messages = iter(list(messages))
            results.send(Ready(pid))
            orders.receive()
            sent = 0
            for message in messages:
                if isinstance(message, Job):
                    files.send(message)
                    sent += 1
                else:
                    results.send(message)
            results.send(Sent(sent))


def _messages(task: Task) -> Iterator[Job | Done]:
    # A task without work repeats its files; their contents are in memory only once.
    contents = cache(load) if task.bare else load
    for source in task.sources:
        try:
            yield Job(source.id, contents(source.path, source.size), source.python, task.bare)
        except OSError as error:
            yield Done(os.getpid(), source.id, 1, Unreadable(reason(error)))


def main() -> None:
    """Open the mailboxes that the command line names."""
    orders, files, results = addresses(
        "Read files for the workers of `liaison demo`.", "orders", "files", "results"
    )
    with suppress(liaison.Destroyed, liaison.NotFound):
        read(
            liaison.Mailbox.open(orders, type=Order),
            liaison.Mailbox.open(files, type=Job),
            liaison.Mailbox.open(results),
        )


if __name__ == "__main__":
    main()
