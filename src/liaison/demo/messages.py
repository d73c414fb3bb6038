"""The messages between the processes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from liaison.demo.figures import Figures, Unreadable
from liaison.demo.survey import Source

__all__ = ["Box", "Done", "Go", "Job", "Lease", "News", "Order", "Ready", "Sent", "Taken", "Task"]


class Lease(Protocol):
    """The part of a delivery that the work uses."""

    @property
    def message(self) -> Any:
        """The message."""

    @property
    def attempt(self) -> int:
        """How many times it was delivered: 1 at first."""
        ...


class Box(Protocol):
    """The part of a mailbox that the work uses; `liaison.demo.queues` gives it to a Queue."""

    def send(self, message: Any, /) -> Any:
        """Send a message, once there is room."""

    def receive(self, *, timeout: float | None = None) -> Any:
        """Receive a message, or raise `queue.Empty`."""

    def lease(self) -> AbstractContextManager[Lease]:
        """Receive a message under lease until the block is left."""
        ...


class Task(msgspec.Struct, frozen=True, tag=True):
    """To the reader: read these files and send them to the workers after `Go`.

    ``bare`` times the messages without the work: everything is read before the start, and nothing
    is computed.
    """

    sources: list[Source]
    bare: bool = False


class Go(msgspec.Struct, frozen=True, tag=True):
    """To the reader: start."""


class Job(msgspec.Struct, frozen=True):
    """To the workers: a file's contents."""

    id: int
    contents: bytes
    python: bool
    bare: bool


class Ready(msgspec.Struct, frozen=True, tag=True):
    """To the collector: process `pid` has started, or the reader is ready to start its task."""

    pid: int


class Sent(msgspec.Struct, frozen=True, tag=True):
    """To the collector: the reader has sent all jobs of its task, so many."""

    jobs: int


class Taken(msgspec.Struct, frozen=True, tag=True):
    """To the collector: worker `pid` has the lease of a file, at its `attempt`-th delivery."""

    pid: int
    id: int
    attempt: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """To the collector: a file's figures; with an `attempt` above 1 they may come twice."""

    pid: int
    id: int
    attempt: int
    figures: Figures | Unreadable | None


Order = Task | Go
News = Ready | Sent | Taken | Done
