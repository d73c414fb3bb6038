"""Bonds between the demonstration's process and those it starts."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["end_with", "undisturbed"]

_PR_SET_PDEATHSIG = 1
_DISTURBANCES = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def end_with(parent: int) -> None:
    """Have this process killed when its parent ends, even if that is killed itself.

    Its mailboxes would not tell: a creator killed with SIGKILL destroys nothing.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the line above
        sys.exit(1)


@contextmanager
def undisturbed() -> Generator[None]:
    """Put off Ctrl-C and its like: what is started and what is removed is so completely.

    Processes started meanwhile never see these signals, so that Ctrl-C is the parent's business
    alone; and they do not take modules from the directory in which the demonstration was called,
    which may hold a ``queue.py``.
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
