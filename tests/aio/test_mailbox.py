"""Mailboxes for tasks: each operation on both event loops, many tasks on one, deaths, the end."""

import os
import select
import threading

import anyio
import anyio.lowlevel
import pytest

import liaison
from liaison import Closed, Destroyed, Empty, aio
from liaison.aio.end import receivers, senders
from tests.links.actor import Actor


async def asleep(box, role=0):
    """Wait until a task leads the line of receivers (0) or senders (1)."""
    line = (receivers, senders)[role](box._end)
    while line._led is None or not (line._queue or line._watching):
        await anyio.lowlevel.checkpoint()


def test_many_tasks_are_served_in_order(run, mailbox):
    """Of the tasks that wait on one mailbox, who came first is served first; no thread waits."""

    async def main():
        box = mailbox()
        got = []
        before = threading.active_count()

        async def receive(n):
            got.append((n, await box.receive()))

        async with anyio.create_task_group() as tasks:
            for n in range(50):
                tasks.start_soon(receive, n)
                while len(receivers(box._end)._queue) <= n:
                    await anyio.lowlevel.checkpoint()
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
            while not len(box):
                await anyio.lowlevel.checkpoint()
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


def test_a_message_comes_back_from_the_dead(run, mailbox):
    """A task waits while another process holds the message, and gets it when that is killed."""

    async def main():
        box = mailbox(capacity=1)
        await box.send(1)
        with Actor("box = Mailbox('box')", "held = box.lease()") as other:

            async def kill():
                await asleep(box)
                other.kill()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(kill)
                async with box.lease() as delivery:
                    assert (delivery.message, delivery.attempt) == (1, 2)

    run(main)


def test_room_comes_back_from_the_dead(run, mailbox):
    """A task waits for room, and gets it when the process is killed that held it as a loan."""

    async def main():
        box = mailbox(capacity=1)
        with Actor("box = Mailbox('box')", "held = box.loan(1)") as other:

            async def kill():
                await asleep(box, 1)
                other.kill()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(kill)
                await box.send(1)
        assert await box.receive() == 1

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
        before = len(os.listdir("/proc/self/fd"))
        async with aio.Mailbox("brief", capacity=1) as box:
            with anyio.move_on_after(0.01):
                await box.receive()
            await box.send(1)
            with anyio.move_on_after(0.01):
                await box.send(2)
            # Three for each, and one of a bell that was rung here.
            assert len(os.listdir("/proc/self/fd")) == before + 7
            box.destroy()
        assert len(os.listdir("/proc/self/fd")) == before

    run(main)


def test_who_waits_for_several_hears_what_came_while_no_task_waited(run, mailbox):
    """A link on which a task has waited before stays readable with a message, for aio.wait."""

    async def main():
        box = mailbox()
        with pytest.raises(Empty):
            await box.receive(timeout=0.001)
        assert box.try_send(1)
        for _ in range(5):
            await anyio.sleep(0)  # the event loop hears it, and has nobody to tell
        assert select.select([box], [], [], 0)[0]
        assert await aio.wait([box]) == [box]
        assert await box.receive() == 1

    run(main)
