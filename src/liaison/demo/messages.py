"""What the processes say to each other."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from liaison.demo.figures import Figures, Unreadable
from liaison.demo.survey import Source

__all__ = ["Box", "Done", "Go", "Job", "Lease", "News", "Order", "Ready", "Sent", "Taken", "Task"]


class Lease(Protocol):
    """What the work needs of a delivery."""

    @property
    def message(self) -> Any:
        """What was sent."""

    @property
    def attempt(self) -> int:
        """How many times it was delivered: 1 at first."""
        ...


class Box(Protocol):
    """What the work needs of a mailbox; `liaison.demo.queues` makes the same of a Queue."""

    def send(self, message: Any, /) -> Any:
        """Send a message, once there is room."""

    def receive(self, *, timeout: float | None = None) -> Any:
        """Receive a message, or raise `queue.Empty`."""

    def lease(self) -> AbstractContextManager[Lease]:
        """Receive a message, and have it until the block is left."""
        ...


class Task(msgspec.Struct, frozen=True, tag=True):
    """To the reader: read these files and send them on, once you are told to go.

    ``bare`` asks for the messages without the work, to time them: everything is read before the
    start, and nothing is computed.
    """

    sources: list[Source]
    bare: bool = False


class Go(msgspec.Struct, frozen=True, tag=True):
    """To the reader: the clock runs."""


class Job(msgspec.Struct, frozen=True):
    """To the workers: a file's contents."""

    id: int
    contents: bytes
    python: bool
    bare: bool


class Ready(msgspec.Struct, frozen=True, tag=True):
    """To the collector: process `pid` has started, or the reader has understood its task."""

    pid: int


class Sent(msgspec.Struct, frozen=True, tag=True):
    """To the collector: the reader has sent so many jobs, and that was all of its task."""

    jobs: int


class Taken(msgspec.Struct, frozen=True, tag=True):
    """To the collector: worker `pid` has the lease of a file, at its `attempt`-th delivery."""

    pid: int
    id: int
    attempt: int


class Done(msgspec.Struct, frozen=True, tag=True):
    """To the collector: a file's figures; `attempt` above 1 flags what may be there twice."""

    pid: int
    id: int
    attempt: int
    figures: Figures | Unreadable | None


Order = Task | Go
News = Ready | Sent | Taken | Done
