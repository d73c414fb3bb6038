"""The same team, connected by the queues of the standard library."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from liaison.demo.lifeline import end_with, undisturbed
from liaison.demo.reader import read
from liaison.demo.team import Team, TeamFailed
from liaison.demo.worker import work

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from liaison.demo.collector import Collector

__all__ = ["QueueTeam"]

_CAPACITY = 64  # as the mailbox


@dataclass(frozen=True)
class _Taken:
    """A message from a queue, which is always a first delivery."""

    message: Any
    attempt: int = 1


class QueueBox:
    """A queue, with the methods of a mailbox that the work uses."""

    def __init__(self, queue: Any) -> None:
        """Wrap a queue of `multiprocessing`."""
        self._queue = queue

    def send(self, message: Any, /) -> None:
        """Put a message."""
        self._queue.put(message)

    def receive(self, *, timeout: float | None = None) -> Any:
        """Get a message, or raise `queue.Empty`."""
        return self._queue.get() if timeout is None else self._queue.get(timeout=timeout)

    @contextmanager
    def lease(self) -> Generator[_Taken]:
        """Get a message; if the block is not completed it is lost."""
        yield _Taken(self._queue.get())


class QueueTeam(Team[QueueBox]):
    """Processes connected by two queues and, for the few orders, a simple one."""

    def __init__(self, size: int) -> None:
        """Prepare for `size` workers."""
        self._size = size
        self._processes: list[BaseProcess] = []

    def _start(self) -> None:
        resource_tracker.ensure_running()
        with undisturbed():  # again, because starting the tracker unblocks Ctrl-C
            self._start_undisturbed()

    def _start_undisturbed(self) -> None:
        context = multiprocessing.get_context("spawn")
        # A SimpleQueue starts no thread, in which Ctrl-C would not be blocked.
        self.orders = QueueBox(context.SimpleQueue())
        # Kept until the end: a spawned process finds its semaphores by names that exist as long.
        self.files = QueueBox(context.Queue(_CAPACITY))
        self.results = QueueBox(context.Queue())

        def spawn(role: Callable[..., None], *boxes: QueueBox) -> int:
            process = context.Process(target=_play, args=(role, os.getpid(), boxes), daemon=True)
            self._processes.append(process)
            process.start()
            return process.pid or 0

        self.reader = spawn(read, self.orders, self.files, self.results)
        self.workers = [spawn(work, self.files, self.results) for _ in range(self._size)]

    def look_after(self) -> list[tuple[int, int]]:
        """Replace no process: none is killed, because a queue does not survive that."""
        for process in self._processes:
            if not process.is_alive():
                raise TeamFailed(f"process {process.pid} ended with status {process.exitcode}")
        return []

    def settled(self, collector: Collector) -> bool:
        """Whether no more results can come: the queue cannot tell, so count the results."""
        return collector.complete

    def _end(self, completed: bool) -> None:
        # Idle or not: a queue cannot tell its readers that it has ended.
        for process in self._processes:
            if process.pid is not None:
                process.kill()
                process.join()
        self._processes.clear()


def _play(role: Callable[..., None], parent: int, boxes: tuple[QueueBox, ...]) -> None:
    end_with(parent)
    role(*boxes)
