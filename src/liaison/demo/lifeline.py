"""What binds the demonstration's process and its children: a common end, and signals."""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["addresses", "end_with", "undisturbed"]

_PR_SET_PDEATHSIG = 1
_DISTURBANCES = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def end_with(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, even by SIGKILL.

    The mailboxes would not end it: a creator that is killed does not destroy them.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(1)


def addresses(description: str, *names: str) -> list[str]:
    """Return the addresses on the command line, and end with the parent from now on."""
    parser = argparse.ArgumentParser(description=description)
    for name in names:
        parser.add_argument(name, help="a mailbox's address")
    parser.add_argument("--parent", type=int, help="end when this process, the parent, ends")
    options = parser.parse_args()
    if options.parent:
        end_with(options.parent)
    return [getattr(options, name) for name in names]


@contextmanager
def undisturbed() -> Generator[None]:
    """Delay Ctrl-C, SIGTERM and SIGHUP, so that starting and removing are never half done.

    Processes that are started meanwhile never see these signals: only the parent handles Ctrl-C.
    Nor do they import modules from the current directory, which may hold a ``queue.py``.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _DISTURBANCES)
    safe = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if safe is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = safe
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
