"""The tasks that wait for one descriptor.

A descriptor can be waited for by one task at a time. So of the tasks in a line one *leads*: it
waits for the descriptor, and calls others when it is readable, or when it leaves.

- Those in the *queue* want the same thing, of which there may be one: only the first of them looks
  for it, and whoever leaves the queue, with what it wanted or without, calls the next.
- Those who *watch* want something of their own each: all are called when there may be news.

Nothing is awaited between an attempt that succeeds and the return of what it got. So a task that is
cancelled was waiting, and had nothing: it leaves, and the next is called in its place.

Arming the descriptor silences it, for everybody. It is done only by who is about to lead, and
whenever there is no leader all who have to look were called: nobody sleeps through it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PENDING", "Line", "lines_of", "readable"]

PENDING: Final = object()
"""What an attempt gives that found nothing yet."""


async def readable(descriptor: int) -> None:
    """Wait until the descriptor is readable, or is just being closed."""
    with suppress(anyio.ClosedResourceError):
        await anyio.wait_readable(descriptor)


class _Place:
    """A task's place in a line."""

    __slots__ = ("_call",)

    def __init__(self) -> None:
        self._call: anyio.Event | None = None

    def call(self) -> None:
        if self._call is not None:
            self._call.set()

    async def called(self) -> None:
        self._call = anyio.Event()
        try:
            await self._call.wait()
        finally:
            self._call = None


class Line:
    """Tasks of one event loop that wait for one descriptor of a link.

    `arm` gives the descriptor, which from then on becomes readable when there may be news.
    """

    __slots__ = ("_arm", "_led", "_queue", "_watching")

    def __init__(self, arm: Callable[[], int]) -> None:
        self._arm = arm
        self._queue: dict[_Place, None] = {}
        self._watching: dict[_Place, None] = {}
        self._led: int | None = None  # what the leader waits for

    @property
    def queued(self) -> bool:
        """Whether somebody waits for what there may be one of."""
        return bool(self._queue)

    def closing(self) -> None:
        """Wake everybody: the descriptor is about to be closed."""
        if self._led is not None:
            anyio.notify_closing(self._led)

    async def until(self, attempt: Callable[[], Any], *, queue: bool = True) -> Any:
        """Wait until `attempt` gives something other than `PENDING`; give that."""
        place = _Place()
        line = self._queue if queue else self._watching
        line[place] = None
        try:
            while True:
                if not queue or next(iter(line)) is place:
                    descriptor = None if self._led is not None else self._arm()
                    result = attempt()
                    if result is not PENDING:
                        return result
                    if descriptor is not None:
                        await self._lead(descriptor)
                        continue
                await place.called()
        finally:
            del line[place]
            self._call()

    async def _lead(self, descriptor: int) -> None:
        self._led = descriptor
        try:
            await readable(descriptor)
        finally:
            self._led = None
            self._call()

    def _call(self) -> None:
        """Have all look who must: the first of the queue, and without a leader all who watch."""
        if self._queue:
            next(iter(self._queue)).call()
        if self._led is None:
            for place in self._watching:
                place.call()


# By event loop: a forked child, or a second loop, finds none of the first one's tasks.
_lines: anyio.lowlevel.RunVar[WeakKeyDictionary[Any, tuple[Line, Line]]] = anyio.lowlevel.RunVar(
    "liaison.aio.lines"
)


def lines_of(end: Any) -> tuple[Line, Line]:
    """The receivers' line of an end, and the senders'."""
    known = _lines.get(None)
    if known is None:
        known = WeakKeyDictionary[Any, tuple[Line, Line]]()
        _lines.set(known)
    lines = known.get(end)
    if lines is None:
        lines = known[end] = (Line(_weakly(end, "fileno")), Line(_weakly(end, "_room")))
    return lines


def _weakly(end: Any, method: str) -> Callable[[], int]:
    """The end's method, without keeping the end alive: who waits in a line does that."""
    from weakref import ref

    known = ref(end)

    def arm() -> int:
        return getattr(known(), method)()

    return arm
