"""Connections for tasks: full sockets, timeouts, the end, closing, and connecting."""

import asyncio
import errno
import os
import platform
import selectors
import socket
import ssl
import struct
import threading
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.lowlevel
import pytest

import liaison
from liaison import AccessDenied, CallTimeout, Closed, Disconnected, Ended, Full, NotFound, aio
from liaison.carriers.stream import place as places
from tests.aio.progress import until
from tests.beside import Beside
from tests.faults import seccomp

CALLS = {"x86_64": (44, 45), "aarch64": (206, 207)}  # sendto, recvfrom
LARGE = 5_000_000  # bytes: more than a socket takes at once


@asynccontextmanager
async def pair(address):
    """Both ends of a connection that takes little at once."""
    async with await aio.listen(address) as listener:
        client = await aio.connect(listener.address)
        server = await listener.accept()
    client._end.transport.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
    server._end.transport.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    try:
        yield client, server
    finally:
        client.close()
        server.close()


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
def test_the_rest_of_a_message_goes_out_while_waiting_for_its_answer(run, address, receive, asleep):
    """A wait of any kind sends the rest of a message, also one that began before the message."""

    async def main():
        async with pair(address) as (client, server):
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
                answering = Beside(answers, server._end)
            assert got == ["all of it"]
            assert client.pending == 0
            answering.result()

    run(main)


@pytest.mark.skipif(platform.machine() not in CALLS, reason="the system calls' numbers")
def test_a_passing_error_of_a_socket_loses_nothing(address):
    """What is pending stays when an error of this machine keeps it from being sent."""
    with liaison.listen(address) as listener:
        client = liaison.connect(listener.address)
        server = listener.accept(timeout=60)
    assert client.try_send(bytes(LARGE))

    def receive_without_buffers():  # a filter is the thread's alone
        for call in CALLS[platform.machine()]:
            seccomp.refuse(call, errno.ENOBUFS)
        client.try_receive()

    with pytest.raises(OSError, match="buffer space"):
        Beside(receive_without_buffers).result()
    assert client.pending
    answering = Beside(answers, server)
    assert client.receive(timeout=60) == "all of it"
    answering.result()
    client.close()
    server.close()


@pytest.mark.parametrize("arrives", [False, True])
def test_a_sender_gets_the_end_although_another_noticed_it(run, address, arrives):
    """The sender of a large message that is cut off gets Disconnected, whoever notices that first.

    The sender of one that has left as a whole does not.
    """

    async def main():
        async with pair(address) as (client, server):
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

    run(main)


def test_flush_without_waiting_sends_what_there_is_room_for(run, address):
    """flush(timeout=0) returns when nothing is left, and raises Full when something is."""

    async def main():
        async with pair(address) as (client, server):
            await client.flush(timeout=0)
            assert client.try_send(bytes(LARGE))
            with pytest.raises(Full):
                await client.flush(timeout=0)
            receiving = Beside(server._end.receive)
            await client.flush()
            assert client.pending == 0
            receiving.result()
            await client.flush(timeout=0)
            client.close()
            with pytest.raises(Closed):
                await client.flush()

    run(main)


def test_a_timeout_that_has_passed_still_sends_what_there_is_room_for(run, address):
    """A send tries however short its timeout is, and a message that has begun counts as sent."""

    async def main():
        async with pair(address) as (client, server):
            for message in (b"small", bytes(LARGE)):
                await client.send(message, timeout=1e-9)
            assert client.pending
            with pytest.raises(Full):
                await client.send(b"no room", timeout=1e-9)
            assert server.try_receive() == b"small"

    run(main)


def test_what_was_sent_and_confirmed_is_counted(run, address):
    """`sent` and `confirmed` count for tasks as they do for threads."""

    async def main():
        async with pair(address) as (client, server):
            assert await client.send_many([1, 2]) == 2
            assert (client.sent, client.confirmed) == (2, 0)
            assert [await server.receive(), await server.receive()] == [1, 2]
            await server.send("answer")
            assert await client.receive() == "answer"
            assert (client.sent, client.confirmed) == (2, 2)

    run(main)


def test_closing_beside_a_slow_peer_does_not_block_the_loop(run, address):
    """A task of the same loop can read the other end after that, up to a clean end."""

    async def main():
        async with pair(address) as (client, server):
            await client.send(bytes(LARGE), timeout=0.01)
            assert client.pending
            client.close()
            assert client.closed
            assert await server.receive() == bytes(LARGE)
            with pytest.raises(Ended) as ended:
                await server.receive()
            assert ended.value.clean

    run(main)


def test_closing_beside_a_slow_peer_without_a_thread_closes_all_the_same(run, address, monkeypatch):
    """Where no thread can be started, as when Python ends, closing waits itself."""

    def refused(thread):
        raise RuntimeError("can't start new thread")

    async def main():
        async with pair(address) as (client, server):
            await client.send(bytes(LARGE), timeout=0.01)
            assert client.pending
            monkeypatch.setattr(threading.Thread, "start", refused)
            client.close()
            monkeypatch.undo()
            assert client._end.transport.fileno() == -1
            with pytest.raises(Ended) as ended:
                await server.receive()
            assert not ended.value.clean

    run(main)


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_leaving_the_block_of_a_connection_lets_what_was_sent_arrive(
    run, address, large, cancelled
):
    """async with ends a connection that is full without holding up the task that reads it."""

    async def main():
        async with pair(address) as (client, server):
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

    run(main)


def test_closing_wakes_a_sender_and_nobody_else(address):
    """A task that waits for room gets Closed; one that waits for a newer descriptor waits on."""

    async def main():
        async with pair(address) as (client, _):
            number = client._end.transport.fileno()
            sender = asyncio.ensure_future(client.send(bytes(LARGE)))
            await until(lambda: client._room._waits)
            # Without an await in between: the other's first step precedes the sender's next one.
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

    async def watched():
        with anyio.fail_after(60):
            await main()

    anyio.run(watched)


# ---- connecting


def test_a_server_that_resets_at_once_denies_access(run, monkeypatch):
    """A peer that resets a TCP connection as soon as it is made is AccessDenied."""
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
    """Begin TLS as a server, and leave."""
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
    """An error of the other end's certificate is raised although that end is gone already."""
    _, *own = certificate
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*own)
    client = ssl.create_default_context()  # which does not trust it
    client.check_hostname = False
    path = f"{tmp_path}/listens"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        leaving = Beside(is_not_trusted, listening, server)

        async def main():
            with pytest.raises(AccessDenied, match="CERTIFICATE_VERIFY_FAILED"):
                await connect(f"unix://{path}", tls=client)

        run(main)
        leaving.result()


@pytest.mark.parametrize("connect", [aio.connect, connect_without_tasks])
def test_an_unchecked_certificate_needs_a_token(run, connect):
    """A context that checks no certificate is refused without a token."""
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE

    async def main():
        with pytest.raises(ValueError, match="checks no certificate"):
            await connect("tls://127.0.0.1:1", tls=unchecked)

    run(main)


def test_a_timeout_is_checked_before_anything_is_done(run):
    """connect refuses what is no timeout before it looks for the address."""

    async def main():
        for wrong in (-1, float("nan")):
            with pytest.raises(ValueError, match="a timeout is 0 or more seconds"):
                await aio.connect("tcp://127.0.0.1:1", timeout=wrong)
        with pytest.raises(TypeError, match="a timeout is a number of seconds"):
            await aio.connect("tcp://127.0.0.1:1", timeout="1")

    run(main)


def test_connecting_to_a_number_needs_no_thread(run, address):
    """Connecting to an address without a name to resolve starts no thread."""

    async def main():
        threads = threading.active_count()
        async with await aio.listen(address) as listener, await aio.connect(listener.address):
            assert threading.active_count() == threads

    run(main)


def test_a_name_is_resolved_beside_the_event_loop(run):
    """A host may be given by its name; one that is not known is NotFound."""

    async def main():
        async with await aio.listen("tcp://localhost:0") as listener:
            address = listener.address.replace("127.0.0.1", "localhost")
            async with await aio.connect(address) as client, await listener.accept() as server:
                await client.send("hello")
                assert await server.receive() == "hello"
        for unknown in aio.connect, aio.listen:
            with pytest.raises(NotFound, match="is not known"):
                await unknown("tcp://there-is-no.invalid:1")

    run(main)


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_a_full_backlog_is_a_timeout(run, kind, tmp_path):
    """connect waits for a listener that accepts nobody no longer than its timeout."""

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
