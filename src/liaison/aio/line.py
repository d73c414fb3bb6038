"""The tasks that wait for one descriptor.

- Tasks in the *queue* want the same thing, of which there may be only one: only the first of them
  tries to get it, and a task that leaves the queue, with or without it, wakes the next.
- Tasks that *watch* each want something of their own: all are woken when there may be news.

Nothing is awaited between an attempt that succeeds and the return of its result. So a task that is
cancelled was waiting, and had nothing: it leaves, and the next is woken in its place.

Arming the descriptor silences it, for all tasks. So when it may have been readable before it is
armed, all tasks that must look are woken: none misses the news.

On asyncio the descriptor stays registered with the loop from one wait to the next, since
registering it costs more than a message; a callback arms it and wakes tasks. Elsewhere one task in
the line *leads*: it waits for the descriptor, and wakes others when the descriptor is readable, or
when the task itself leaves.
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
"""What an attempt returns that has found nothing yet."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the asyncio loop of the calling task; None in a task of another kind, or in none."""
    asyncio = sys.modules.get("asyncio")
    try:
        if asyncio is None or asyncio.current_task() is None:  # trio may be a guest of a loop
            return None
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@coroutine
def _others() -> Generator[None, Any, None]:
    yield


async def checkpoint() -> None:
    """Let other tasks run; the calling task can be cancelled here."""
    if running_loop() is not None:
        await _others()
    else:
        await anyio.lowlevel.checkpoint()


async def readable(descriptor: int) -> None:
    """Wait until the descriptor is readable, or is being closed."""
    with suppress(anyio.ClosedResourceError):
        await anyio.wait_readable(descriptor)


async def writable(source: Any) -> None:
    """Wait until the descriptor has room to send, or is being closed."""
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
        """Begin a wait, and return what to await at once; a call before this wakes no task."""
        self._call = anyio.Event()
        return self._call.wait()


class _LoopPlace(_Place):
    """The same on asyncio, where the task awaits the place itself, which is used like a future.

    A real future would resume its task in the loop's next turn, later by a fifth of a wake-up's
    time. The loop's callback, which runs outside of any task, resumes the task at once.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_go_on", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._go_on: tuple[Callable[[Any], object], Context] | None = None  # while the task waits
        self._cancelled: tuple[Any, ...] | None = None  # the arguments of its `CancelledError`
        self._asyncio_future_blocking = False  # set when it is awaited; asyncio's task reads it

    def called(self) -> Awaitable[object]:
        return self

    def __await__(self) -> Generator[Any, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def call(self) -> None:
        """Resume the task in the loop's next turn."""
        if self._go_on is not None:
            (go_on, context), self._go_on = self._go_on, None
            self._loop.call_soon(go_on, self, context=context)

    def resume(self) -> None:
        """Resume the task at once, unless it was called already; only outside of any task."""
        if self._go_on is not None:
            (go_on, context), self._go_on = self._go_on, None
            context.run(go_on, self)

    # ---- the methods of a future that its task calls

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
            # No variable keeps the error: its traceback refers to this frame, which would make a
            # cycle that only the garbage collector frees.
            raise sys.modules["asyncio"].CancelledError(*told)


class Line:
    """Tasks of one event loop that wait for one descriptor of a link.

    The link's `method` arms and returns the descriptor, which from then on becomes readable when
    there may be news. The line does not keep the link alive; the tasks that wait in the line do.

    `silenced_by` names what makes the descriptor unreadable again: ``"looking"``, a look that finds
    nothing, or a call of `method`; ``"arming"``, only a call of `method`; ``"reading"``, reading
    all that is there.
    """

    __slots__ = ("__weakref__", "_led", "_link", "_method", "_queue", "_silenced_by", "_watching")

    def __init__(self, link: Any, method: str, *, silenced_by: str = "reading") -> None:
        self._link = ref(link)
        self._method = method
        self._silenced_by = silenced_by
        self._queue: dict[Any, None] = {}  # places, in the order in which they were taken
        self._watching: dict[Any, None] = {}
        self._led: int | None = None  # the descriptor that the leader waits for

    def _arm(self) -> int:
        return getattr(self._link(), self._method)()

    @property
    def queued(self) -> bool:
        """Whether a task waits in the queue."""
        return bool(self._queue)

    def closing(self) -> None:
        """Wake all tasks: the descriptor is about to be closed."""
        if self._led is not None:
            anyio.notify_closing(self._led)

    def call(self) -> None:
        """Wake all tasks that must look, although the descriptor may be silent."""
        self.closing()  # wakes the leader, which wakes the others

    async def until(
        self,
        attempt: Callable[[], Any],
        *,
        queue: bool = True,
        again: Callable[[], Any] | None = None,
    ) -> Any:
        """Wait until `attempt` returns something other than `PENDING`; return that.

        After the first attempt, `again` is called instead, if it is given.
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
        """Arm the descriptor, unless a task has; return it if the caller must wait for it."""
        return None if self._led is not None else self._arm()

    async def _lead(self, descriptor: int) -> None:
        self._led = descriptor
        try:
            await readable(descriptor)
        finally:
            self._led = None
            self._call()

    def _call(self) -> None:
        """Wake all tasks that must look: the queue's first, and without a leader all that watch."""
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
        self._loop = ref(loop)  # weak: `_by_loop` forgets the loop with its lines
        self._forgetting: finalize[..., Any] | None = None
        self._heard = False

    def closing(self) -> None:
        """Wake all tasks, and unregister the descriptor, which is about to be closed."""
        if self._led is not None and self._forgetting is not None:
            self._led = None
            self._forgetting()
        self._call()

    def call(self) -> None:
        """Wake all tasks that must look, although the descriptor may be silent."""
        for first in self._queue:
            first.call()
            break
        for place in self._watching:
            place.call()

    def _place(self) -> _Place:
        return _LoopPlace(self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        loop = self._loop()
        assert loop is not None  # one of its tasks waits
        return loop

    def _prepare(self) -> None:
        if self._silenced_by == "looking":
            self._heard = False
        if self._led is None:
            descriptor = self._arm()
            this = ref(self)  # weak: the loop must not keep a link alive

            def rang() -> None:
                line = this()
                if line is not None:
                    line._rang()

            self._running().add_reader(descriptor, rang)
            self._led = descriptor
            # An unused link is closed; another file may then have its descriptor's number.
            self._forgetting = finalize(self._link(), _forget, self._loop, descriptor)
            self._forgetting.atexit = False

    def _rang(self) -> None:
        waiting = self._queue or self._watching
        if waiting and not self._heard:
            self._heard = True  # the woken task may silence it; else the loop calls this again
        elif not waiting and self._silenced_by == "reading":
            self.closing()
        else:
            self._heard = False
            link: Any = self._link()
            try:
                known = self._arm() == self._led
                # No task here wants the message: the descriptor stays readable, for other waiters.
                left = self._silenced_by == "looking" and link.ready() and not waiting
            except Exception:
                known = left = False
            if left or not known:  # unknown: it was closed, and perhaps another was made
                self.closing()
        first = next(iter(self._queue), None)
        watching = list(self._watching)  # a copy, since a resumed task leaves the line
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
    else:  # garbage is collected in any thread
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.remove_reader, descriptor)


class Room:
    """The wait for room to send, by the task that has the turn to send over a connection.

    `outlet` returns the descriptor; a negative one means that the connection is closed.
    """

    __slots__ = ("_outlet", "_waits")

    def __init__(self, outlet: Callable[[], int]) -> None:
        self._outlet = outlet
        self._waits: tuple[asyncio.AbstractEventLoop, int, asyncio.Future[None]] | None = None

    async def wait(self) -> None:
        """Wait until something can be sent, or the connection is being closed."""
        descriptor = self._outlet()
        if descriptor < 0:
            return
        loop = running_loop()
        if loop is None:
            await writable(descriptor)
            return
        # anyio's own wait finds the task by the descriptor's number. After a close here, another
        # connection may have that number before this task has left: leaving would then also remove
        # the other connection's registration.
        room = loop.create_future()
        loop.add_writer(descriptor, _tell, room)
        self._waits = loop, descriptor, room
        try:
            await room
        finally:
            self._stop()

    def closing(self) -> None:
        """Wake the waiting task: the descriptor is about to be closed."""
        self._stop()
        descriptor = self._outlet()
        if descriptor >= 0:
            with suppress(RuntimeError, anyio.NoEventLoopError):  # no loop: no task waits
                anyio.notify_closing(descriptor)

    def _stop(self) -> None:
        """Wake the waiting task, if its event loop runs the caller."""
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


# By event loop: a forked child, or a second loop, finds none of the first loop's tasks.
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
    """The line of this event loop's tasks that wait for the descriptor of the link's `method`."""
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
    """Wake the tasks of this event loop that wait for the link, which may be silent already."""
    for line in _lines_here(link):
        line.call()


def _lines_here(link: Any) -> list[Line]:
    try:
        return list(_lines_of(running_loop()).get(link, {}).values())
    except (RuntimeError, anyio.NoEventLoopError):  # no loop: no task waits
        return []
