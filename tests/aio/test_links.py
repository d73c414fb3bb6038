"""Queues, ports and connections for tasks: what each does, on both event loops."""

import ssl
import threading

import anyio
import anyio.lowlevel
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
from tests.aio.striking import NOTHING, cancelled_at


async def until(reason):
    while not reason():
        await anyio.lowlevel.checkpoint()


def waits(thing):
    """Whether a task sleeps in the line of receivers."""
    return bool(line_of(thing, "fileno")._queue)


def test_a_queue_has_the_names_of_python_s_own(run, space):
    """put and get are awaited, and their _nowait forms say Full and Empty."""

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


@pytest.fixture(params=["unix", "tcp"])
def place(request, tmp_path):
    return f"unix://{tmp_path}/listens" if request.param == "unix" else "tcp://127.0.0.1:0"


def test_a_connection_carries_messages_both_ways(run, place):
    """connect and accept are awaited, and messages go both ways, of any size."""

    async def main():
        large = bytes(5_000_000)
        async with aio.listen(place) as listener, anyio.create_task_group() as tasks:

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
                assert await client.send_many([1, 2, 3]) == 3
                got = []
                while len(got) < 3:
                    got += await client.receive_many(3)
                assert got == [1, 2, 3]
                assert client.try_receive("none") == "none"
                with pytest.raises(Empty):
                    await client.receive(timeout=0.01)
                assert threading.active_count() <= threads

    run(main)


def test_a_reader_that_does_not_read_is_waited_for(run, place):
    """Who sends more than there is room for waits, can be told so, and goes on."""

    async def main():
        async with aio.listen(place) as listener:
            client = await aio.connect(listener.address)
            server = await listener.accept()
            sent = 0
            try:
                for _ in range(1000):
                    await client.send(bytes(100_000), timeout=0.05)
                    sent += 1
                raise AssertionError("100 MB were sent and nobody read")
            except Full:
                pass
            got = []

            async def read():
                while len(got) < sent:
                    got.append(len(await server.receive()))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await client.flush()
            assert got == [100_000] * sent
            client.close()
            server.close()

    run(main)


def test_the_end_of_a_connection_is_told(run, place):
    """Closing one end wakes who waits at both, with what it means there."""

    async def main():
        async with aio.listen(place) as listener:
            client = await aio.connect(listener.address)
            server = await listener.accept()
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
            server.close()

    run(main)


def test_closing_a_listener_ends_accepting(run, place):
    """A task that waits in accept, or loops over a listener, is ended by close."""

    async def main():
        listener = aio.listen(place)
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


def test_connecting_says_what_is_wrong(run, tmp_path):
    """Nobody there, nobody answering, and a wrong token are told apart."""

    async def main():
        with pytest.raises(NotFound):
            await aio.connect(f"unix://{tmp_path}/nowhere")
        with pytest.raises(NotFound):
            await aio.connect("tcp://127.0.0.1:1")
        async with aio.listen(f"unix://{tmp_path}/listens", token=b"x" * 32) as listener:
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


def test_a_token_is_proven_in_a_task(run, tmp_path):
    """Both ends prove that they have the token, with tasks at both."""

    async def main():
        token = b"t" * 32
        async with aio.listen(f"unix://{tmp_path}/listens", token=token) as listener:
            got = []

            async def serve():
                server = await listener.accept()
                got.append(await server.receive())
                server.close()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(serve)
                client = await aio.connect(listener.address, token=token)
                await client.send("hello")
            client.close()
            assert got == ["hello"]

    run(main)


def test_tls_without_a_check_needs_a_token(run):
    """A context that checks no certificate is refused, as it is without tasks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    async def main():
        with pytest.raises(ValueError, match="checks no certificate"):
            await aio.connect("tls://127.0.0.1:1", tls=context)

    run(main)


@pytest.mark.parametrize("awaits", [1, 2])  # to let others run; for a message
def test_a_cancelled_receive_over_a_connection_leaves_the_message(run, place, awaits):
    """Whenever a receiver is cancelled, the next one gets what it did not."""

    async def main():
        async with aio.listen(place) as listener:
            client = await aio.connect(listener.address)
            server = await listener.accept()
            for how in ("before", "after", "never"):
                if how == "never":
                    await client.send("m")

                def strike(cancel, how=how):
                    if how == "before":
                        client._end.send("m")
                    cancel()
                    if how == "after":
                        client._end.send("m")

                result, cancelled = await cancelled_at(
                    awaits, server.receive(), lambda: None, strike, False
                )
                if result is NOTHING:
                    assert cancelled
                    assert await server.receive() == "m"
                else:
                    assert result == "m"
                    if not cancelled and how != "never":
                        continue
                assert server.try_receive() is None
            client.close()
            server.close()

    run(main)


def test_wait_takes_links_of_every_kind(run, space, place):
    """aio.wait gives those that can be received from, of all kinds at once."""

    async def main():
        async with (
            aio.Mailbox("box") as box,
            aio.MessageQueue("queue") as queue,
            aio.Port("port") as port,
            aio.listen(place) as listener,
        ):
            client = await aio.connect(listener.address)
            server = await listener.accept()
            every = [box, queue, port, listener, server]
            assert await aio.wait(every, timeout=0.01) == []
            await client.send(1)
            assert await aio.wait(every) == [server]
            await queue.put(1)
            async with aio.Port.open("port") as sender:
                await sender.send(1)
            assert {id(one) for one in await aio.wait(every)} == {id(server), id(queue), id(port)}
            client.close()
            server.close()
            box.destroy()
            queue.destroy()

    run(main)
