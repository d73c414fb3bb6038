"""Mailboxes for tasks, on both event loops: many tasks on one, killed processes, the end."""

import select
import threading

import anyio
import pytest

import liaison
from liaison import Closed, Destroyed, Empty, aio
from liaison.aio.end import receivers, senders
from tests.aio.progress import until
from tests.descriptors import descriptors
from tests.links.actor import Actor


async def asleep(box, to_send=False):
    """Wait until a task leads the line of receivers, or of senders."""
    line = (senders if to_send else receivers)(box._end)
    await until(lambda: line._led is not None and (line._queue or line._watching))


def test_many_tasks_are_served_in_order(run, mailbox):
    """Tasks that wait on one mailbox are served in the order in which they came, by no thread."""

    async def main():
        box = mailbox()
        got = []
        before = threading.active_count()

        async def receive(n):
            got.append((n, await box.receive()))

        async with anyio.create_task_group() as tasks:
            for n in range(50):
                tasks.start_soon(receive, n)
                await until(lambda n=n: len(receivers(box._end)._queue) > n)
            threads = threading.active_count()
            with liaison.Mailbox.open("box") as sender:
                sender.send_many(range(50))
        assert got == [(n, n) for n in range(50)]
        assert threads <= before

    run(main)


def test_many_tasks_send_to_a_full_mailbox(run, mailbox):
    """Tasks that wait for room get it in turn, as another process receives."""

    async def main():
        box = mailbox(capacity=2)
        with Actor("box = Mailbox('box')") as other:
            other.start("[box.receive() for _ in range(300)]")
            async with anyio.create_task_group() as tasks:
                for n in range(300):
                    tasks.start_soon(box.send, n)
            assert sorted(other.answer()) == list(range(300))

    run(main)


def test_a_cancelled_offer_is_taken_back(run, mailbox):
    """A task that is cancelled while it waits at a rendezvous leaves no message there."""

    async def main():
        box = mailbox(capacity=0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(box.send, "never sent")
            await until(lambda: len(box))
            tasks.cancel_scope.cancel()
        assert len(box) == 0
        assert box.statistics().loaned == box.statistics().leased == 0

    run(main)


def test_a_block_settles_what_it_has(run, mailbox):
    """The end of an `async with` gives back, acknowledges or discards, as that of a `with` does."""

    async def main():
        box = mailbox(capacity=1)
        async with box.loan(3) as loan:
            loan[:] = b"not"
        assert box.statistics().free == 1
        async with box.loan(3) as loan:
            loan[:] = b"job"
            await loan.send()
        with pytest.raises(ZeroDivisionError):
            async with box.lease() as delivery:
                raise ZeroDivisionError
        async with box.lease() as delivery:
            assert (delivery.message, delivery.attempt) == (b"job", 2)
        assert box.statistics().free == 1

    run(main)


@pytest.mark.parametrize("wanted", ["receive", "send"])
@pytest.mark.parametrize("end", ["close", "destroy"])
def test_the_end_wakes_every_task(run, mailbox, wanted, end):
    """Closing gives every waiting task Closed, destroying gives it Destroyed."""

    async def main():
        box = mailbox(capacity=1)
        if wanted == "send":
            await box.send(0)
        ended = []

        async def wait():
            try:
                await (box.send(1) if wanted == "send" else box.receive())
            except (Closed, Destroyed) as error:
                ended.append(type(error))

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(wait)
            await asleep(box, wanted == "send")
            getattr(box, end)()
        assert ended == [{"close": Closed, "destroy": Destroyed}[end]] * 5

    run(main)


@pytest.mark.parametrize("held", ["lease()", "loan(1)"])
def test_what_a_killed_process_held_comes_back(run, mailbox, held):
    """A waiting task gets the message or the room that a process held when it was killed."""

    async def main():
        box = mailbox(capacity=1)
        if held == "lease()":
            await box.send(1)
        with Actor("box = Mailbox('box')", f"held = box.{held}") as other:

            async def kill():
                await asleep(box, held != "lease()")
                other.kill()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(kill)
                if held != "lease()":
                    await box.send(1)
                async with box.lease() as delivery:
                    assert (delivery.message, delivery.attempt) == (1, 1 + (held == "lease()"))

    run(main)


def test_waiting_for_any(run, mailbox):
    """A task waits for many links of both kinds; cancelled, it leaves nothing behind."""

    async def main():
        boxes = [mailbox(f"box-{n}") for n in range(10)]
        with liaison.Mailbox("plain") as plain:
            assert await aio.wait([*boxes, plain], timeout=0.01) == []
            with anyio.move_on_after(0.01):
                await aio.wait([*boxes, plain])
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(boxes[3].send, 1)
                assert await aio.wait([*boxes, plain]) == [boxes[3]]
            plain.send(1)
            assert set(map(id, await aio.wait([*boxes, plain]))) == {id(plain), id(boxes[3])}
            plain.destroy()

    run(main)


def test_nothing_is_left_open(run, mailbox):
    """After the end every descriptor is closed, and the files behind them are gone."""

    async def main():
        mailbox("other")  # the space stays open
        before = descriptors()
        async with aio.Mailbox("brief", capacity=1) as box:
            with anyio.move_on_after(0.01):
                await box.receive()
            await box.send(1)
            with anyio.move_on_after(0.01):
                await box.send(2)
            # Three for each, and one of a bell that was rung here.
            assert descriptors() == before + 7
            box.destroy()
        assert descriptors() == before

    run(main)


def test_a_message_that_came_while_no_task_waited_is_found_by_wait(run, mailbox):
    """A link on which a task has waited before stays readable while it has a message."""

    async def main():
        box = mailbox()
        with pytest.raises(Empty):
            await box.receive(timeout=0.001)
        assert box.try_send(1)
        for _ in range(5):
            await anyio.sleep(0)  # the event loop notices it, and has no task to wake
        assert select.select([box], [], [], 0)[0]
        assert await aio.wait([box]) == [box]
        assert await box.receive() == 1

    run(main)
