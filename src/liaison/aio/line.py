"""The tasks that wait for one descriptor.

- Those in the *queue* want the same thing, of which there may be one: only the first of them looks
  for it, and whoever leaves the queue, with what it wanted or without, calls the next.
- Those who *watch* want something of their own each: all are called when there may be news.

Nothing is awaited between an attempt that succeeds and the return of what it got. So a task that is
cancelled was waiting, and had nothing: it leaves, and the next is called in its place.

Arming the descriptor silences it, for everybody. So whoever arms it when it may have been readable
has everybody look who must: nobody sleeps through it.

On asyncio the descriptor stays registered with the loop from one wait to the next, since to come
and go costs more than a message; a callback arms it and calls. Elsewhere one task in the line
*leads*: it waits for the descriptor, and calls others when it is readable, or when it leaves.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from types import coroutine
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, finalize, ref

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Generator
    from contextvars import Context

__all__ = [
    "PENDING",
    "Line",
    "Room",
    "calling",
    "checkpoint",
    "closing",
    "line_of",
    "readable",
    "running_loop",
    "writable",
]

PENDING: Final = object()
"""What an attempt gives that found nothing yet."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The asyncio loop whose task this is; None for a task of another kind, or outside of any."""
    asyncio = sys.modules.get("asyncio")
    try:
        if asyncio is None or asyncio.current_task() is None:  # trio may run on top of a loop
            return None
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@coroutine
def _others() -> Generator[None, Any, None]:
    yield


async def checkpoint() -> None:
    """Let other tasks run; the caller may be cancelled here."""
    if running_loop() is not None:
        await _others()
    else:
        await anyio.lowlevel.checkpoint()


async def readable(descriptor: int) -> None:
    """Wait until the descriptor is readable, or is just being closed."""
    with suppress(anyio.ClosedResourceError):
        await anyio.wait_readable(descriptor)


async def writable(source: Any) -> None:
    """Wait until what can be sent with takes something, or is just being closed."""
    with suppress(anyio.ClosedResourceError):
        await anyio.wait_writable(source)


class _Place:
    """A task's place in a line."""

    __slots__ = ("_call",)

    def __init__(self) -> None:
        self._call: anyio.Event | None = None

    def call(self) -> None:
        if self._call is not None:
            self._call.set()

    def called(self) -> Awaitable[object]:
        """What to await, at once: who calls before that calls in vain."""
        self._call = anyio.Event()
        return self._call.wait()


class _LoopPlace(_Place):
    """The same on asyncio: itself what the task awaits, as asyncio allows of what is like a future.

    A future would have its task go on in the loop's next turn, a fifth of a wake-up later. The
    loop's own callback, which is no task's, goes on with the task at once.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_go_on", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._go_on: tuple[Callable[[Any], object], Context] | None = None  # while the task waits
        self._cancelled: tuple[Any, ...] | None = None  # what the error is made of
        self._asyncio_future_blocking = False  # whether it was awaited, for the task

    def called(self) -> Awaitable[object]:
        return self

    def __await__(self) -> Generator[Any, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def call(self) -> None:
        """Have the task go on in the loop's next turn."""
        if self._go_on is not None:
            (go_on, context), self._go_on = self._go_on, None
            self._loop.call_soon(go_on, self, context=context)

    def resume(self) -> None:
        """Go on with the task, unless it was called already; only outside of any task."""
        if self._go_on is not None:
            (go_on, context), self._go_on = self._go_on, None
            context.run(go_on, self)

    # ---- what a task asks of a future

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, go_on: Callable[[Any], object], *, context: Context) -> None:
        self._go_on = go_on, context

    def done(self) -> bool:
        return self._go_on is None

    def cancel(self, msg: Any = None) -> bool:
        if self._go_on is None:
            return False
        self._cancelled = () if msg is None else (msg,)
        self.call()
        return True

    def result(self) -> None:
        if self._cancelled is not None:
            told, self._cancelled = self._cancelled, None
            # Kept nowhere: what a frame of its own traceback knows is left to the collector.
            raise sys.modules["asyncio"].CancelledError(*told)


class Line:
    """Tasks of one event loop that wait for one descriptor of a link.

    The link's `method` gives the descriptor, which from then on becomes readable when there may be
    news. The link is not kept alive: who waits in the line does that.

    `silenced_by` says what has the descriptor not be readable any more: ``"looking"`` in vain, and
    `method`; ``"arming"``, `method` alone; ``"reading"`` what is there.
    """

    __slots__ = ("__weakref__", "_led", "_link", "_method", "_queue", "_silenced_by", "_watching")

    def __init__(self, link: Any, method: str, *, silenced_by: str = "reading") -> None:
        self._link = ref(link)
        self._method = method
        self._silenced_by = silenced_by
        self._queue: dict[Any, None] = {}  # places, in the order in which they were taken
        self._watching: dict[Any, None] = {}
        self._led: int | None = None  # what the leader waits for

    def _arm(self) -> int:
        return getattr(self._link(), self._method)()

    @property
    def queued(self) -> bool:
        """Whether somebody waits for what there may be one of."""
        return bool(self._queue)

    def closing(self) -> None:
        """Wake everybody: the descriptor is about to be closed."""
        if self._led is not None:
            anyio.notify_closing(self._led)

    def call(self) -> None:
        """Have all look who must, although the descriptor may be silent."""
        self.closing()  # wakes who leads, and that one the others

    async def until(
        self,
        attempt: Callable[[], Any],
        *,
        queue: bool = True,
        again: Callable[[], Any] | None = None,
    ) -> Any:
        """Wait until `attempt` gives something other than `PENDING`; give that.

        `again` takes its place after the first time.
        """
        place = self._place()
        line = self._queue if queue else self._watching
        line[place] = None
        try:
            while True:
                if not queue or next(iter(line)) is place:
                    descriptor = self._prepare()
                    result = attempt()
                    if result is not PENDING:
                        return result
                    if again is not None:
                        attempt = again
                    if descriptor is not None:
                        await self._lead(descriptor)
                        continue
                await place.called()
        finally:
            del line[place]
            self._call()

    def _place(self) -> _Place:
        return _Place()

    def _prepare(self) -> int | None:
        """Arm the descriptor, if nobody has; give it, if the caller has to wait for it itself."""
        return None if self._led is not None else self._arm()

    async def _lead(self, descriptor: int) -> None:
        self._led = descriptor
        try:
            await readable(descriptor)
        finally:
            self._led = None
            self._call()

    def _call(self) -> None:
        """Have all look who must: the first of the queue, and without a leader all who watch."""
        for first in self._queue:
            first.call()
            break
        if self._led is None:
            for place in self._watching:
                place.call()


class _LoopLine(Line):
    """The same on asyncio; `_led` is the descriptor that is registered with the loop."""

    __slots__ = ("_forgetting", "_heard", "_loop")

    def __init__(
        self,
        link: Any,
        method: str,
        loop: asyncio.AbstractEventLoop,
        *,
        silenced_by: str = "reading",
    ) -> None:
        super().__init__(link, method, silenced_by=silenced_by)
        self._loop = ref(loop)  # which knows its lines, and is forgotten with them
        self._forgetting: finalize[..., Any] | None = None
        self._heard = False

    def closing(self) -> None:
        """Wake everybody, and let the loop forget the descriptor, which is about to be closed."""
        if self._led is not None and self._forgetting is not None:
            self._led = None
            self._forgetting()
        self._call()

    def call(self) -> None:
        """Have all look who must, although the descriptor may be silent."""
        for first in self._queue:
            first.call()
            break
        for place in self._watching:
            place.call()

    def _place(self) -> _Place:
        return _LoopPlace(self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = self._loop()
        assert loop is not None  # a task of it waits
        return loop

    def _prepare(self) -> None:
        if self._silenced_by == "looking":
            self._heard = False
        if self._led is None:
            descriptor = self._arm()
            this = ref(self)  # the loop keeps no link alive

            def rang() -> None:
                line = this()
                if line is not None:
                    line._rang()

            self._running().add_reader(descriptor, rang)
            self._led = descriptor
            # A link that nobody has any more is closed, and its descriptor's number another's.
            self._forgetting = finalize(self._link(), _forget, self._loop, descriptor)
            self._forgetting.atexit = False

    def _rang(self) -> None:
        waiting = self._queue or self._watching
        if waiting and not self._heard:
            self._heard = True  # who is called may silence it; else the loop comes here again
        elif not waiting and self._silenced_by == "reading":
            self.closing()
        else:
            self._heard = False
            link: Any = self._link()
            try:
                known = self._arm() == self._led
                # Nobody here wants what there is: it stays readable, for others who wait for it.
                left = self._silenced_by == "looking" and link.ready() and not waiting
            except Exception:
                known = left = False
            if left or not known:  # closed, and perhaps another was made
                self.closing()
        first = next(iter(self._queue), None)
        watching = list(self._watching)  # before any of them goes on, and leaves
        if first is not None:
            first.resume()
        for place in watching:
            place.resume()


def _forget(whose: ref[asyncio.AbstractEventLoop], descriptor: int) -> None:
    loop = whose()
    if loop is None or loop.is_closed():
        return
    asyncio = sys.modules["asyncio"]
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if here or not loop.is_running():
        loop.remove_reader(descriptor)
    else:  # memory is collected in any thread
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.remove_reader, descriptor)


class Room:
    """Room to send: of who has the turn to send over a connection, the wait for it.

    `outlet` gives the descriptor; a negative one is of who closes it just now.
    """

    __slots__ = ("_outlet", "_waits")

    def __init__(self, outlet: Callable[[], int]) -> None:
        self._outlet = outlet
        self._waits: tuple[asyncio.AbstractEventLoop, int, asyncio.Future[None]] | None = None

    async def wait(self) -> None:
        """Wait until something can be sent, or it is just being closed."""
        descriptor = self._outlet()
        if descriptor < 0:
            return
        loop = running_loop()
        if loop is None:
            await writable(descriptor)
            return
        # anyio's own would know who waits by the descriptor's number. When that is closed here, it
        # may be another connection's before who waited here has left, and takes that one's along.
        room = loop.create_future()
        loop.add_writer(descriptor, _tell, room)
        self._waits = loop, descriptor, room
        try:
            await room
        finally:
            self._stop()

    def closing(self) -> None:
        """Wake who waits: the descriptor is about to be closed."""
        self._stop()
        descriptor = self._outlet()
        if descriptor >= 0:
            with suppress(RuntimeError, anyio.NoEventLoopError):  # no loop: nobody waits
                anyio.notify_closing(descriptor)

    def _stop(self) -> None:
        """Have who waits look again; on the event loop that it waits in."""
        if self._waits is None:
            return
        loop, descriptor, room = self._waits
        with suppress(RuntimeError):
            if sys.modules["asyncio"].get_running_loop() is loop:
                self._waits = None
                loop.remove_writer(descriptor)
                _tell(room)


def _tell(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)


# By event loop: a forked child, or a second loop, finds none of the first one's tasks.
_Lines = WeakKeyDictionary[Any, dict[str, Line]]
_by_loop: WeakKeyDictionary[Any, _Lines] = WeakKeyDictionary()
_by_run: anyio.lowlevel.RunVar[_Lines] = anyio.lowlevel.RunVar("liaison.aio.lines")


def _lines_of(loop: asyncio.AbstractEventLoop | None) -> _Lines:
    known = _by_run.get(None) if loop is None else _by_loop.get(loop)
    if known is None:
        known = _Lines()
        if loop is None:
            _by_run.set(known)
        else:
            _by_loop[loop] = known
    return known


def line_of(link: Any, method: str, *, silenced_by: str = "reading") -> Line:
    """The line of those tasks of this event loop that wait for what `method` of the link gives."""
    loop = running_loop()
    known = _lines_of(loop)
    lines = known.get(link)
    if lines is None:
        lines = known[link] = {}
    line = lines.get(method)
    if line is None:
        line = lines[method] = (
            Line(link, method, silenced_by=silenced_by)
            if loop is None
            else _LoopLine(link, method, loop, silenced_by=silenced_by)
        )
    return line


def closing(link: Any) -> None:
    """Wake the tasks of this event loop that wait for the link, which is about to be closed."""
    for line in _lines_here(link):
        line.closing()


def calling(link: Any) -> None:
    """Have the tasks of this event loop look that wait for the link: it may be silenced already."""
    for line in _lines_here(link):
        line.call()


def _lines_here(link: Any) -> list[Line]:
    try:
        return list(_lines_of(running_loop()).get(link, {}).values())
    except (RuntimeError, anyio.NoEventLoopError):  # no loop: nobody waits
        return []
