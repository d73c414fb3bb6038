"""A process that measures: it gets an order for each round, and ends with its parent."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Job:
    """What the body of a worker returns after its set-up."""

    step: Callable[[Any], Any]
    """Each round: takes the order, gives the answer."""
    close: Callable[[], None] = _nothing
    """At the end, unless the worker had to be killed."""


Body = Callable[..., Job]

_SPAWN = multiprocessing.get_context("spawn")
_PR_SET_PDEATHSIG = 1


class WorkerFailed(Exception):
    """A worker raised, died, or did not answer in time."""


class Worker:
    """One process. Between rounds it sleeps in `read`, so waiting contenders take no time.

    Spawned and not forked: contenders with threads and locks of their own do not survive a fork,
    and a forked child would share the parent's warm caches and allocator.
    """

    def __init__(self, body: Body, *arguments: Any, cpu: int | None = None) -> None:
        self._orders, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(
            target=_live, args=(theirs, os.getpid(), cpu, body, arguments), daemon=True
        )
        # Ctrl-C reaches the whole foreground group, but only the parent ends processes, in an
        # order in which no process uses a name that is removed. The mask is inherited, so not
        # even a process that is only starting is interrupted.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def order(self, order: Any) -> None:
        try:
            self._orders.send((order,))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerFailed("the process died") from error

    def answer(self, deadline: float) -> Any:
        """Return the result of the last order, or at first of the set-up."""
        if not self._orders.poll(max(0.0, deadline - time.monotonic())):
            raise WorkerFailed("no answer in time")
        try:
            failure, answer = self._orders.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(1)
            raise WorkerFailed(f"died, exit code {self._process.exitcode}") from error
        if failure:
            raise WorkerFailed(failure)
        return answer

    def end(self) -> None:
        """Ask the worker to close its ends and exit; `kill` follows for one that cannot."""
        with suppress(OSError):
            self._orders.send(None)

    def kill(self, patience: float) -> None:
        self._process.join(patience)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        self._orders.close()


def die_with(parent: int) -> None:
    """Let the kernel kill this process when its parent dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def _live(
    orders: Connection, parent: int, cpu: int | None, body: Body, arguments: tuple[Any, ...]
) -> None:
    die_with(parent)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        job = body(*arguments)
        orders.send((None, None))
        while (received := orders.recv()) is not None:
            orders.send((None, job.step(received[0])))
        job.close()
    except (EOFError, BrokenPipeError):
        pass
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(last.filename)}:{last.lineno}"
        orders.send((f"{type(error).__name__}: {error} ({where})", None))
