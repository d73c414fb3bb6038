"""Places in a line on asyncio, which tasks await instead of a future."""

import asyncio
import contextvars
import gc
import weakref
from contextlib import contextmanager, suppress

import anyio
import pytest

import liaison
from liaison import aio

SETTING = contextvars.ContextVar("setting", default="the loop's")


@contextmanager
def waiting():
    """A mailbox on which tasks are about to wait, and another end that sends to it."""
    box = aio.Mailbox("line")
    with liaison.Mailbox.open("line") as sender:
        yield box, sender
        sender.destroy()
    box.close()


async def asleep(task):
    """Return when the task waits for the descriptor."""
    while getattr(task, "_fut_waiter", None) is None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("debug", [False, True])
def test_a_task_goes_on_in_its_own_context(space, debug):
    """A task that is woken has its own context variables, and is the current task."""

    async def receive():
        SETTING.set("the task's")
        message = await box.receive()
        return message, SETTING.get(), asyncio.current_task()

    async def main():
        task = asyncio.create_task(receive())
        await asleep(task)
        sender.send(b"x")
        assert await task == (b"x", "the task's", task)
        assert SETTING.get() == "the loop's"

    with waiting() as (box, sender):
        asyncio.run(main(), debug=debug)


def test_anyio_sees_whether_a_task_waits(space):
    """anyio's `wait_all_tasks_blocked` returns while a task waits on a link, not while it runs."""

    async def main():
        task = asyncio.create_task(box.receive())
        await anyio.wait_all_tasks_blocked()
        sender.send(b"x")
        assert not task.done()
        while not task.done():
            await anyio.wait_all_tasks_blocked()
        assert task.result() == b"x"

    with waiting() as (box, sender):
        asyncio.run(main())


def test_a_cancelled_task_gets_the_message_of_its_cancellation(space):
    """The message given to `Task.cancel` reaches the task, which then waits no longer."""

    async def main():
        task = asyncio.create_task(box.receive())
        await asleep(task)
        assert task.cancel("because")
        with pytest.raises(asyncio.CancelledError, match="because"):
            await task
        sender.send(b"x")
        assert await box.receive() == b"x"

    with waiting() as (box, sender):
        asyncio.run(main())


def test_a_task_that_cancels_itself_does_not_wait(space):
    """A cancellation that was requested before the task waits ends the wait."""

    async def receive():
        asyncio.current_task().cancel("myself")
        with pytest.raises(asyncio.CancelledError, match="myself"):
            await box.receive()
        try:
            async with asyncio.timeout(0):
                await box.receive()
        except TimeoutError:
            return "in time"

    with waiting() as (box, _):
        assert asyncio.run(receive()) == "in time"


def test_a_cancelled_task_leaves_nothing_to_the_collector(space):
    """A link on which a cancelled task has waited goes with its last reference."""

    async def main(box):
        task = asyncio.create_task(box.receive())
        await asleep(task)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    gc.disable()
    try:
        with waiting() as (box, _):
            asyncio.run(main(box))
            gone = weakref.ref(box)
        del box
        assert gone() is None
    finally:
        gc.enable()


def test_a_loop_that_is_over_does_not_stay_in_memory(space):
    """A link that outlives many loops, as that of a module does, keeps none of them."""
    loops = weakref.WeakSet()

    async def main(box):
        loops.add(asyncio.get_running_loop())
        task = asyncio.create_task(box.receive())
        await asleep(task)
        await box.send("m")
        assert await task == "m"

    with waiting() as (box, _):
        for _ in range(3):
            asyncio.run(main(box))
        gc.collect()
        assert not len(loops)


def test_a_woken_task_may_close_the_link_on_which_others_wait(space):
    """All others get Closed, although the first goes on within the loop's callback."""

    async def first():
        message = await box.receive()
        box.close()
        return message

    async def main():
        tasks = [asyncio.create_task(first()), *(asyncio.create_task(box.receive()) for _ in "ab")]
        for task in tasks:
            await asleep(task)
        sender.send(b"x")
        assert await tasks[0] == b"x"
        for task in tasks[1:]:
            with pytest.raises(liaison.Closed):
                await task

    with waiting() as (box, sender):
        asyncio.run(main())


def test_an_error_in_a_woken_task_is_its_own(space):
    """The loop goes on to wake others when a task that it woke raises an error."""

    async def fails():
        await box.receive()
        raise LookupError("mine")

    async def main():
        failing = asyncio.create_task(fails())
        other = asyncio.create_task(box.receive())
        await asleep(failing)
        await asleep(other)
        sender.send_many([b"x", b"y"])
        with pytest.raises(LookupError, match="mine"):
            await failing
        assert await other == b"y"

    with waiting() as (box, sender):
        asyncio.run(main())
