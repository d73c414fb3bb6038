"""Connections for tasks where something comes between: full sockets, timeouts, ends, closing."""

import os
import selectors
import socket
import threading

import anyio
import anyio.lowlevel
import pytest

import liaison
from liaison import aio

LARGE = 5_000_000  # bytes: more than a socket takes at once


async def until(reason):
    while not reason():
        await anyio.lowlevel.checkpoint()


@pytest.fixture(params=["unix", "tcp"])
def place(request, tmp_path):
    return f"unix://{tmp_path}/listens" if request.param == "unix" else "tcp://127.0.0.1:0"


async def pair(place):
    """Both ends of a connection that takes little at once."""
    async with aio.listen(place) as listener:
        client = await aio.connect(listener.address)
        server = await listener.accept()
    client._end._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    server._end._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    return client, server


def answers(server):
    """Answer the first message, from a thread."""
    if server.receive(timeout=60) == bytes(LARGE):
        server.send("all of it")


async def receives(client):
    return await client.receive()


async def waits(client):
    assert await aio.wait([client], timeout=50) == [client]
    return client.try_receive()


async def waits_without_tasks(client):
    def wait():
        assert liaison.wait([client._end], timeout=50) == [client._end]
        return client.try_receive()

    return await anyio.to_thread.run_sync(wait)


async def selects(client):
    def select():
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            while (message := client.try_receive()) is None:
                assert selector.select(50)
            return message

    return await anyio.to_thread.run_sync(select)


@pytest.mark.parametrize("receive", [receives, waits, waits_without_tasks, selects])
@pytest.mark.parametrize("asleep", [False, True])
def test_the_rest_of_a_message_goes_out_while_waiting_for_its_answer(run, place, receive, asleep):
    """Who sent a message in part and then waits, however, sends the rest meanwhile.

    Also when it was waiting already when that was sent.
    """

    async def main():
        client, server = await pair(place)
        thread = threading.Thread(target=answers, args=(server._end,))
        got = []

        async def wait():
            got.append(await receive(client))

        if not asleep:
            assert client.try_send(bytes(LARGE))
            assert client.pending
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            for _ in range(20 if asleep else 0):
                await anyio.lowlevel.checkpoint()
            if asleep:
                assert client.try_send(bytes(LARGE))
            thread.start()
        assert got == ["all of it"]
        assert client.pending == 0
        thread.join()
        client.close()
        server.close()

    run(main)


def test_a_socket_that_is_out_of_order_for_a_moment_costs_nothing(place):
    """What is pending stays when this machine's trouble keeps it from being sent."""
    with liaison.listen(place) as listener:
        client = liaison.connect(listener.address)
        server = listener.accept(timeout=60)
    assert client.try_send(bytes(LARGE))
    descriptor = client._socket.fileno()
    socket_itself = os.dup(descriptor)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), descriptor)
        with pytest.raises(OSError, match="non-socket"):
            client.try_receive()
    os.dup2(socket_itself, descriptor)
    os.close(socket_itself)
    assert client.pending
    thread = threading.Thread(target=answers, args=(server,))
    thread.start()
    assert client.receive(timeout=60) == "all of it"
    thread.join()
    client.close()
    server.close()
