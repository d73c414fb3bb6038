"""Queues, connections and listeners for tasks: what each does, on both event loops."""

import threading
from contextlib import suppress

import anyio
import pytest

from liaison import (
    AccessDenied,
    CallTimeout,
    Closed,
    Disconnected,
    Empty,
    Ended,
    Full,
    NotFound,
    aio,
)
from liaison.aio.line import line_of
from tests.aio.progress import until
from tests.aio.test_connection import pair


def waits(thing):
    """Whether a task sleeps in the line of receivers."""
    return bool(line_of(thing, "fileno")._queue)


def test_a_queue_has_the_names_of_pythons_own(run, space):
    """put and get are awaited, and their _nowait forms raise Full and Empty."""

    async def main():
        async with aio.MessageQueue("queue", max_messages=2) as queue:
            await queue.put(1)
            queue.put_nowait(2)
            assert (queue.qsize(), queue.full(), queue.empty()) == (2, True, False)
            with pytest.raises(Full):
                queue.put_nowait(3)
            with pytest.raises(Full):
                await queue.put(3, timeout=0.01)
            assert [await queue.get(), queue.get_nowait()] == [1, 2]
            with pytest.raises(Empty):
                queue.get_nowait()
            with pytest.raises(Empty):
                await queue.get(timeout=0.01)
            queue.destroy()

    run(main)


def test_a_connection_carries_messages_both_ways(run, address):
    """connect and accept are awaited; messages of any size go both ways, and start no thread."""

    async def main():
        large = bytes(5_000_000)
        async with await aio.listen(address) as listener, anyio.create_task_group() as tasks:

            async def serve():
                async with await listener.accept() as server:
                    async for message in server:
                        await server.send(message)

            tasks.start_soon(serve)
            async with await aio.connect(listener.address) as client:
                threads = threading.active_count()
                await client.send({"item": "tea"})
                assert await client.receive() == {"item": "tea"}
                await client.send(large)
                assert await client.receive() == large
                assert threading.active_count() <= threads

    run(main)


def test_a_reader_that_does_not_read_is_waited_for(run, address):
    """A task that sends more than there is room for waits, up to its timeout, and goes on."""

    async def main():
        async with pair(address) as (client, server):
            sent, got = 0, []
            with suppress(Full):
                while sent < 1000:
                    await client.send(bytes(100_000), timeout=0.05)
                    sent += 1
            assert sent < 1000

            async def read():
                while len(got) < sent:
                    got.append(len(await server.receive()))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await client.flush()
            assert got == [100_000] * sent

    run(main)


def test_closing_one_end_wakes_tasks_at_both(run, address):
    """Closing one end of a connection gives tasks that wait there Closed, at the other Ended."""

    async def main():
        async with pair(address) as (client, server):
            outcome = {}

            async def receive(name, end):
                try:
                    await end.receive()
                except Exception as error:
                    outcome[name] = error

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(receive, "client", client)
                tasks.start_soon(receive, "server", server)
                await until(lambda: waits(client) and waits(server))
                client.close()
            assert isinstance(outcome["client"], Closed)
            assert isinstance(outcome["server"], Ended)
            with pytest.raises(Disconnected):
                await server.send_many([bytes(100_000)] * 100)

    run(main)


def test_closing_a_listener_ends_accepting(run, address):
    """Closing a listener ends the loop of a task over it, and a later accept."""

    async def main():
        listener = await aio.listen(address)
        with pytest.raises(Empty):
            await listener.accept(timeout=0.01)

        async def loop():
            async for _ in listener:
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(loop)
            await until(lambda: waits(listener))
            listener.close()
        with pytest.raises(Closed):
            await listener.accept()

    run(main)


def test_connecting_tells_errors_apart(run, tmp_path):
    """A missing listener, one that does not answer, and a wrong token are errors of their own."""

    async def main():
        with pytest.raises(NotFound):
            await aio.connect(f"unix://{tmp_path}/nowhere")
        with pytest.raises(NotFound):
            await aio.connect("tcp://127.0.0.1:1")
        async with await aio.listen(f"unix://{tmp_path}/listens", token=b"x" * 32) as listener:
            with pytest.raises(CallTimeout):
                await aio.connect(listener.address, token=b"x" * 32, timeout=0.05)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(refused, listener.address, tasks.cancel_scope)
                await listener.accept()  # as long as the answer to a wrong token takes

    async def refused(address, scope):
        with pytest.raises(AccessDenied):
            await aio.connect(address, token=b"y" * 32)
        scope.cancel()

    run(main)
