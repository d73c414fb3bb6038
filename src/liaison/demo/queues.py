"""The same crew, connected by the queues of the standard library."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from liaison.demo.crew import Crew, CrewFailed
from liaison.demo.lifeline import end_with, undisturbed
from liaison.demo.reader import read
from liaison.demo.worker import work

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from liaison.demo.collector import Collector

__all__ = ["QueueCrew"]

_CAPACITY = 64  # as the mailbox has it


@dataclass(frozen=True)
class _Taken:
    """What was got from a queue is got once: it looks like a first delivery."""

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


class QueueCrew(Crew[QueueBox]):
    """Processes connected by two queues and, for the few orders, a simple one."""

    def __init__(self, size: int) -> None:
        """Prepare for `size` workers."""
        self._size = size
        self._processes: list[BaseProcess] = []

    def _start(self) -> None:
        resource_tracker.ensure_running()
        with undisturbed():  # anew: starting the tracker lets Ctrl-C through again
            self._start_undisturbed()

    def _start_undisturbed(self) -> None:
        context = multiprocessing.get_context("spawn")
        # A SimpleQueue has no thread in this process: Ctrl-C could be put off in no other.
        self.orders = QueueBox(context.SimpleQueue())
        # Kept until the end: a spawned process finds its semaphores by names that live as long.
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
        """Replace nobody: nobody is killed here, because a queue does not survive it."""
        for process in self._processes:
            if not process.is_alive():
                raise CrewFailed(f"process {process.pid} ended with status {process.exitcode}")
        return []

    def settled(self, collector: Collector) -> bool:
        """Whether there is nothing more to come: a queue cannot tell, only the results can."""
        return collector.complete

    def _end(self, completed: bool) -> None:
        # Idle or not: there is no way to say that a queue has come to its end.
        for process in self._processes:
            if process.pid is not None:
                process.kill()
                process.join()
        self._processes.clear()


def _play(role: Callable[..., None], parent: int, boxes: tuple[QueueBox, ...]) -> None:
    end_with(parent)
    role(*boxes)
