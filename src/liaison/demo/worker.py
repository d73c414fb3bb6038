"""A process that computes: ``python -m liaison.demo.worker FILES RESULTS``."""

from __future__ import annotations

import os
from contextlib import suppress

import liaison
from liaison.demo.figures import figures_of
from liaison.demo.lifeline import addresses
from liaison.demo.messages import Box, Done, Job, Ready, Taken

__all__ = ["work"]


def work(files: Box, results: Box) -> None:
    """Compute the figures of one file after the other, until the mailboxes are destroyed.

    Leaving the block acknowledges the file, after its result was sent. Dying before that gives the
    file to another worker; dying between the two makes a second result, flagged by its attempt.
    """
    pid = os.getpid()
    with suppress(liaison.Destroyed):
        results.send(Ready(pid))
        while True:
            with files.lease() as delivery:
                job: Job = delivery.message
                results.send(Taken(pid, job.id, delivery.attempt))
                figures = None if job.bare else figures_of(job.contents, job.python)
                results.send(Done(pid, job.id, delivery.attempt, figures))


def main() -> None:
    """Open the mailboxes that the command line names."""
    files, results = addresses("Compute for `liaison demo`.", "files", "results")
    with suppress(liaison.Destroyed, liaison.NotFound):
        work(liaison.Mailbox.open(files, type=Job), liaison.Mailbox.open(results))


if __name__ == "__main__":
    main()
