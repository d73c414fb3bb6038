"""Connections for tasks where something comes between: full sockets, timeouts, ends, closing."""

import asyncio
import errno
import os
import platform
import selectors
import socket
import ssl
import struct
import threading
from contextlib import suppress

import anyio
import anyio.lowlevel
import pytest

import liaison
from liaison import AccessDenied, CallTimeout, Closed, Disconnected, Ended, Full, NotFound, aio
from liaison.carriers.stream import place as places
from tests.faults import seccomp

CALLS = {"x86_64": (44, 45), "aarch64": (206, 207)}  # sendto, recvfrom
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
    client._end.transport.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    server._end.transport.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
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


@pytest.mark.skipif(platform.machine() not in CALLS, reason="the system calls' numbers")
def test_a_socket_that_is_out_of_order_for_a_moment_costs_nothing(place):
    """What is pending stays when this machine's trouble keeps it from being sent."""
    with liaison.listen(place) as listener:
        client = liaison.connect(listener.address)
        server = listener.accept(timeout=60)
    assert client.try_send(bytes(LARGE))
    told = []

    def is_out_of_order():  # a filter is the thread's alone
        for call in CALLS[platform.machine()]:
            seccomp.refuse(call, errno.ENOBUFS)
        try:
            client.try_receive()
        except OSError as error:
            told.append(error.errno)

    thread = threading.Thread(target=is_out_of_order)
    thread.start()
    thread.join()
    assert told == [errno.ENOBUFS]
    assert client.pending
    thread = threading.Thread(target=answers, args=(server,))
    thread.start()
    assert client.receive(timeout=60) == "all of it"
    thread.join()
    client.close()
    server.close()


@pytest.mark.parametrize("arrives", [False, True])
def test_a_sender_is_told_of_the_end_although_another_noticed(run, place, arrives):
    """When a large message is cut off, its sender gets Disconnected, whoever sees that first.

    When it has left as a whole, what comes afterwards is nothing to its sender.
    """

    async def main():
        client, server = await pair(place)
        outcome = []

        async def send():
            try:
                await client.send(bytes(LARGE))
            except Disconnected as error:
                outcome.append(error)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await until(lambda: client.pending)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            # All of this before the sender has come to look.
            while arrives and server._end.try_receive() is None:
                client._end.try_receive()
            server.close()
            with pytest.raises(liaison.Ended):
                client._end.receive(timeout=50)
        assert len(outcome) == (not arrives)
        assert client.sent == arrives
        client.close()

    run(main)


def test_flush_without_waiting_sends_what_there_is_room_for(run, place):
    """flush(timeout=0) returns when nothing is left, and Full tells that something is."""

    async def main():
        client, server = await pair(place)
        await client.flush(timeout=0)
        assert client.try_send(bytes(LARGE))
        with pytest.raises(Full):
            await client.flush(timeout=0)
        thread = threading.Thread(target=server._end.receive)
        thread.start()
        await client.flush()
        assert client.pending == 0
        thread.join()
        await client.flush(timeout=0)
        client.close()
        with pytest.raises(Closed):
            await client.flush()
        server.close()

    run(main)


def test_a_timeout_that_has_passed_still_sends_what_there_is_room_for(run, place):
    """However short its timeout, send tries; and one that has begun counts as sent."""

    async def main():
        client, server = await pair(place)
        for message in (b"small", bytes(LARGE)):
            await client.send(message, timeout=1e-9)
        assert client.pending
        with pytest.raises(Full):
            await client.send(b"no room", timeout=1e-9)
        assert server.try_receive() == b"small"
        client.close()
        server.close()

    run(main)


def test_what_was_sent_and_confirmed_is_told(run, place):
    """`sent` and `confirmed` count for tasks as they do for threads."""

    async def main():
        client, server = await pair(place)
        assert await client.send_many([1, 2]) == 2
        assert (client.sent, client.confirmed) == (2, 0)
        assert [await server.receive(), await server.receive()] == [1, 2]
        await server.send("answer")
        assert await client.receive() == "answer"
        assert (client.sent, client.confirmed) == (2, 2)
        client.close()
        server.close()

    run(main)


def test_closing_beside_a_slow_peer_holds_nobody_up(run, place):
    """The other end is read by a task of the same loop, after that; and it sees a clean end."""

    async def main():
        client, server = await pair(place)
        await client.send(bytes(LARGE), timeout=0.01)
        assert client.pending
        client.close()
        assert client.closed
        assert await server.receive() == bytes(LARGE)
        with pytest.raises(Ended) as ended:
            await server.receive()
        assert ended.value.clean
        server.close()

    run(main)


def test_closing_beside_a_slow_peer_without_a_thread_closes_all_the_same(run, place, monkeypatch):
    """Where no thread can be started, as when Python ends, closing waits itself."""

    def refused(thread):
        raise RuntimeError("can't start new thread")

    async def main():
        client, server = await pair(place)
        await client.send(bytes(LARGE), timeout=0.01)
        assert client.pending
        monkeypatch.setattr(threading.Thread, "start", refused)
        client.close()
        monkeypatch.undo()
        assert client._end.transport.fileno() == -1
        with pytest.raises(Ended) as ended:
            await server.receive()
        assert not ended.value.clean
        server.close()

    run(main)


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_leaving_the_block_of_a_connection_lets_what_was_sent_arrive(run, place, large, cancelled):
    """async with ends a connection that is full without holding up the task that reads it."""

    async def main():
        client, server = await pair(place)
        sent, got = 0, []

        async def read():
            got.extend([len(message) async for message in server])

        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                async with client:
                    while client.try_send(bytes(LARGE if large else 1000)):
                        sent += 1
                    tasks.start_soon(read)
                    if cancelled:
                        scope.cancel()
        assert got == [LARGE if large else 1000] * sent
        assert client.closed
        server.close()

    run(main)


def test_closing_wakes_a_sender_and_nobody_else(place):
    """Who waits for room is told Closed; who waits by a new descriptor of its number goes on."""

    async def main():
        client, server = await pair(place)
        number = client._end.transport.fileno()
        sender = asyncio.ensure_future(client.send(bytes(LARGE)))
        await until(lambda: client._room._waits)
        # Without an await in between: the other's first step comes before the sender's next one.
        one, other = socket.socketpair()
        with one, other:
            one.setblocking(False)
            with suppress(BlockingIOError):
                while one.send(bytes(1 << 16)):
                    pass
            another = asyncio.ensure_future(anyio.wait_writable(number))
            client.close()
            os.dup2(one.fileno(), number)
            with pytest.raises(Closed):
                await sender
            assert not another.done()
            other.setblocking(False)
            with suppress(BlockingIOError):
                while other.recv(1 << 16):
                    pass
            await another
            os.close(number)
        server.close()

    async def watched():
        with anyio.fail_after(60):
            await main()

    anyio.run(watched)


# ---- connecting


def test_a_server_that_is_gone_at_once_is_told_of_in_our_words(run, monkeypatch):
    """A peer that resets a TCP connection as soon as it is there is AccessDenied, or Ended."""
    listening = socket.create_server(("127.0.0.1", 0))

    def reset(connection):
        peer, _ = listening.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()

    async def main():
        monkeypatch.setattr(places, "tune", reset)
        with pytest.raises(AccessDenied, match="closed the connection during the handshake"):
            await aio.connect(f"tcp://127.0.0.1:{listening.getsockname()[1]}")

    with listening:
        run(main)


def is_not_trusted(listening, context):
    """Begin with TLS as a server, and leave."""
    peer, _ = listening.accept()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(peer.recv(1 << 16))
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    peer.sendall(outgoing.read())
    peer.close()


async def connect_without_tasks(*arguments, **options):
    return liaison.connect(*arguments, **options)


@pytest.mark.parametrize("connect", [aio.connect, connect_without_tasks])
def test_an_alert_that_nobody_reads_hides_no_error(run, connect, certificate, tmp_path):
    """What is wrong with the other end's TLS is told although that end is gone already."""
    _, *own = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*own)
    client = ssl.create_default_context()  # which does not trust it
    client.check_hostname = False
    path = f"{tmp_path}/listens"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        thread = threading.Thread(target=is_not_trusted, args=(listening, server))
        thread.start()

        async def main():
            with pytest.raises(AccessDenied, match="CERTIFICATE_VERIFY_FAILED"):
                await connect(f"unix://{path}", tls=client)

        run(main)
        thread.join()


def test_a_timeout_is_checked_before_anything_is_done(run):
    """A timeout that is none is refused as everywhere, and nothing was connected or sent."""

    async def main():
        for wrong in (-1, float("nan")):
            with pytest.raises(ValueError, match="a timeout is 0 or more seconds"):
                await aio.connect("tcp://127.0.0.1:1", timeout=wrong)
        with pytest.raises(TypeError, match="a timeout is a number of seconds"):
            await aio.connect("tcp://127.0.0.1:1", timeout="1")

    run(main)


def test_connecting_to_a_number_needs_no_thread(run, place):
    """Where no name is to be resolved, connecting starts no thread, nor waits for one."""

    async def main():
        threads = threading.active_count()
        async with aio.listen(place) as listener, await aio.connect(listener.address):
            assert threading.active_count() == threads

    run(main)


def test_a_name_is_resolved_beside_the_event_loop(run):
    """A host may be given by its name; one that is not known is NotFound."""

    async def main():
        async with aio.listen("tcp://127.0.0.1:0") as listener:
            address = listener.address.replace("127.0.0.1", "localhost")
            async with await aio.connect(address) as client, await listener.accept() as server:
                await client.send("hello")
                assert await server.receive() == "hello"
        with pytest.raises(NotFound, match="is not known"):
            await aio.connect("tcp://there-is-no.invalid:1", timeout=30)

    run(main)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_queue_of_newcomers_that_is_full_is_a_timeout(run, kind, tmp_path):
    """Who listens and takes nobody is not waited for beyond the time."""

    async def main():
        listening = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
        listening.bind(f"{tmp_path}/listens" if kind == "unix" else ("127.0.0.1", 0))
        listening.listen(0)
        where = listening.getsockname()
        address = f"unix://{where}" if kind == "unix" else f"tcp://127.0.0.1:{where[1]}"
        waiting = []

        async def connect():
            while True:
                waiting.append(await aio.connect(address, timeout=0.2))

        with pytest.raises(CallTimeout):
            await connect()
        assert waiting
        for connection in waiting:
            connection.close()
        listening.close()

    run(main)
