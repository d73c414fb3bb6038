"""The processes of the demonstration, whatever carries their messages."""

from __future__ import annotations

import atexit
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from liaison.demo.lifeline import undisturbed
from liaison.demo.messages import Box

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from liaison.demo.collector import Collector

__all__ = ["Crew", "CrewFailed"]

_Box = TypeVar("_Box", bound=Box)


class CrewFailed(Exception):
    """A process of the crew ended by a fault of its own."""


class Crew(ABC, Generic[_Box]):
    """A reader and workers, and the boxes through which they are reached.

    A context manager: within its block the processes run; after it they have ended and nothing is
    left of them, however it was left.
    """

    orders: _Box
    files: _Box
    results: _Box
    reader: int  # process ids
    workers: list[int]

    @abstractmethod
    def look_after(self) -> list[tuple[int, int]]:
        """Replace workers that were killed; return the process ids of each and of its successor.

        Raises `CrewFailed` when a process has ended in another way.
        """

    @abstractmethod
    def settled(self, collector: Collector) -> bool:
        """Whether there is nothing more to come, now that all files have been sent."""

    @abstractmethod
    def _start(self) -> None:
        """Make the boxes and start the processes."""

    @abstractmethod
    def _end(self, completed: bool) -> None:
        """End the processes, idle ones if the work was `completed`, and remove the boxes."""

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            with undisturbed():
                # Ctrl-C can come at the first step of `__exit__`, which then removes nothing.
                atexit.register(self._end, False)
                self._start()
        except BaseException:
            self._finish(completed=False)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End and remove everything."""
        self._finish(completed=kind is None)

    def _finish(self, completed: bool) -> None:
        with undisturbed():
            self._end(completed)
            atexit.unregister(self._end)
