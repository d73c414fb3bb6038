"""The processes of the demonstration, over any kind of link."""

from __future__ import annotations

import atexit
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Generic, TypeVar

from liaison.demo.lifeline import undisturbed
from liaison.demo.messages import Box

if TYPE_CHECKING:
    from typing import Self

    from liaison.demo.collector import Collector

__all__ = ["Team", "TeamFailed"]

_Box = TypeVar("_Box", bound=Box)


class TeamFailed(Exception):
    """A process of the team ended by an error of its own."""


class Team(ABC, Generic[_Box]):
    """A reader and workers, and the boxes that connect them.

    A context manager: the processes run within its block, and are ended and removed after it, also
    after an exception.
    """

    orders: _Box
    files: _Box
    results: _Box
    reader: int  # process ids
    workers: list[int]

    @abstractmethod
    def look_after(self) -> list[tuple[int, int]]:
        """Replace workers that were killed; return the process ids of each and of its successor.

        Raises `TeamFailed` when a process has ended in another way.
        """

    @abstractmethod
    def settled(self, collector: Collector) -> bool:
        """Whether no more results can come; called after all files have been sent."""

    @abstractmethod
    def _start(self) -> None:
        """Create the boxes and start the processes."""

    @abstractmethod
    def _end(self, completed: bool) -> None:
        """End the processes, which are idle if the work is `completed`, and remove the boxes."""

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            with undisturbed():
                # Ctrl-C can interrupt `__exit__` at its first step, before it removes anything.
                atexit.register(self._end, False)
                self._start()
        except BaseException:
            self._finish(completed=False)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._finish(completed=kind is None)

    def _finish(self, completed: bool) -> None:
        with undisturbed():
            self._end(completed)
            atexit.unregister(self._end)
