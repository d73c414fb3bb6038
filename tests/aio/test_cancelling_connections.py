"""Cancelling at every await, on connections and listeners, and in connecting.

Where an operation is cancelled without the event that it waits for, the event comes at the end of
the round, and the next operation gets all of it.
"""

import asyncio
import os
import select
import socket
import threading
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.lowlevel
import pytest

import liaison
from liaison import CallTimeout, Empty, Ended, aio
from liaison.address import Address
from liaison.aio.line import line_of
from liaison.carriers.contract import Terms
from liaison.carriers.stream import place as place_of_names
from liaison.carriers.stream.connection import Conversation
from liaison.carriers.stream.greeting import Greeting
from liaison.carriers.stream.trust import Trust
from tests.aio.progress import until
from tests.aio.striking import EVENTS, NOTHING, cancelled_at, iterated, struck_at_every_await
from tests.aio.test_cancelling import RECEIVING
from tests.descriptors import descriptors

WITHIN = EVENTS[:3]  # during the wait: an event that makes room must not come long before
TOKEN = "the token that these tests share"
LARGE = 1_000_000  # bytes: more than a socket takes at once
HOWS = {
    "asyncio": False,
    "asyncio, task.cancel()": True,
    "asyncio, deadline": "deadline",
    "trio": False,
    "trio, deadline": "deadline",
}


@pytest.fixture(params=HOWS)
def loop(request):
    """Run an async function on an event loop; its argument says how it is to cancel."""

    def run(function, *arguments):
        async def watched():
            with anyio.fail_after(60):
                await function(*arguments, HOWS[request.param])

        anyio.run(watched, backend=request.param.partition(",")[0])

    return run


class Place:
    """An address to listen at, and the options of both ends for it."""

    def __init__(self, address, client=None, server=None):
        self.address = address
        self.client = client or {}
        self.server = server or {}
        self.by_name = False

    @property
    def scheme(self):
        return self.address.partition(":")[0]

    def listen(self):
        return aio.listen(self.address, **self.server)

    async def connect(self, listener, **options):
        address = listener.address
        if self.by_name:
            address = address.replace("127.0.0.1", "localhost")
        return await aio.connect(address, **self.client, **options)

    async def connected(self, address, listener):
        """Both ends of a connection that is made through `address`."""
        accepted = []

        async def accept():
            accepted.append(await listener.accept())

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(accept)
            client = await aio.connect(address, **self.client)
        return client, accepted[0]

    @asynccontextmanager
    async def pair(self):
        """Both ends of a connection that takes little at once."""
        async with await self.listen() as listener:
            client, server = await self.connected(listener.address, listener)
        client._end.transport.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)
        server._end.transport.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        try:
            yield client, server
        finally:
            client.close()
            server.close()


@pytest.fixture
def places(tmp_path, request):
    """Make a place of a kind: unix, tcp or tls, perhaps "with a token" or "by name"."""

    def make(kind):
        scheme, _, more = kind.partition(" ")
        token = "token" in more
        address = f"unix://{tmp_path}/listens" if scheme == "unix" else f"{scheme}://127.0.0.1:0"
        client, server = ({"token": TOKEN}, {"token": TOKEN}) if token else ({}, {})
        if scheme == "tls":
            trusted, *own = request.getfixturevalue("certificate")
            client["tls"], server["tls"] = trusted, tuple(own)
        made = Place(address, client, server)
        made.by_name = "name" in more
        return made

    return make


@pytest.fixture
def place(places, request):
    return places(request.param)


def everywhere(*kinds):
    return pytest.mark.parametrize("place", kinds, indirect=True)


def nobody_waits(thing):
    line = line_of(thing, "fileno")
    return not line._queue and not line._watching


# ---- receiving ----------------------------------------------------------------------------


class Between:
    """A relay to a listener, which passes on what a client sends when the test has it do so."""

    def __init__(self, place, listener, directory):
        self._to = listener.address
        self._sockets = []
        self._held = b""
        family = socket.AF_UNIX if place.scheme == "unix" else socket.AF_INET
        self._listening = socket.socket(family)
        self._sockets.append(self._listening)
        if family == socket.AF_UNIX:
            path = f"{directory}/between"
            self._listening.bind(path)
            self.address = f"unix://{path}"
        else:
            self._listening.bind(("127.0.0.1", 0))
            self.address = f"{place.scheme}://127.0.0.1:{self._listening.getsockname()[1]}"
        self._listening.listen()
        self._listening.setblocking(False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self._sockets:
            one.close()

    async def connect(self):
        """Accept the client, and pass on everything until that is cancelled."""
        while True:
            with suppress(BlockingIOError):
                self._client = self._listening.accept()[0]
                break
            await anyio.lowlevel.checkpoint()
        self._server = socket.socket(self._client.family)
        self._sockets += [self._client, self._server]
        _, _, where = self._to.partition("://")
        host, _, port = where.rpartition(":")
        self._server.connect((host, int(port)) if host else where)
        if host:
            self._server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            self.pass_on()
            with suppress(BlockingIOError):
                self._client.send(self._server.recv(1 << 16, socket.MSG_DONTWAIT))
            await anyio.lowlevel.checkpoint()

    def hold(self):
        """Take what the client has sent, all of it, so that there is room for more."""
        with suppress(BlockingIOError):
            while piece := self._client.recv(1 << 20, socket.MSG_DONTWAIT):
                self._held += piece

    def pass_on(self, part=1):
        """Pass a part of what was sent on, at least a byte."""
        self.hold()
        some = max(1, len(self._held) // part)
        piece, self._held = self._held[:some], self._held[some:]
        if piece:
            self._server.sendall(piece)


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("name", [name for name in RECEIVING if name != "lease"])
@pytest.mark.parametrize(
    ("place", "size"),
    [("unix", 1), ("tcp", 60_000), ("tls", 1), ("tls", 60_000)],
    indirect=["place"],
)
def test_a_cancelled_receive_leaves_the_message(loop, place, name, size, how, tmp_path):
    """At whatever await a receiver is cancelled, it has the message or the next one gets it.

    It is woken in vain by parts of the message.
    """

    async def main(native):
        async with await place.listen() as listener:
            with Between(place, listener, tmp_path) as between:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(between.connect)
                    client, server = await place.connected(between.address, listener)
                    tasks.cancel_scope.cancel()  # from here on the test says what it passes on
                await strike(native, between, client, server)
                client.close()
                server.close()

    async def strike(native, between, client, server):
        message, got = None, []

        def prepare():
            nonlocal message
            message = os.urandom(size)
            got.clear()
            assert client.try_send(message)
            between.hold()

        async def receive():
            result = await RECEIVING[name](server)
            got.append(result[0] if isinstance(result, list) else result)
            return result

        async def check(came, happened):
            assert nobody_waits(server)
            if not happened:
                assert not came
                assert server.try_receive() is None
                between.pass_on()
            if not came:
                got.append(await server.receive())
            assert got == [message]
            assert server.try_receive() is None

        struck = await struck_at_every_await(
            *(receive, how, prepare, between.pass_on, lambda: between.pass_on(8), check, native)
        )
        assert struck or native == "deadline"

    loop(main)


# ---- sending ------------------------------------------------------------------------------


SENDING = {
    "send": lambda end, messages: end.send(messages[0]),
    "send, in time": lambda end, messages: end.send(messages[0], timeout=30),
    "send_many": lambda end, messages: end.send_many(messages),
}
MESSAGES = {
    "one": [b"x"],
    "several": [b"one", b"two", b"three"],
    "large": [b"y" * LARGE],
    "large ones": [b"a", b"b" * LARGE, b"c", b"d" * LARGE],
}


async def everything(client, server):
    """Receive all that was sent, in its order, with what is pending."""
    got = []

    async def receive():
        while (message := await server.receive()) is not None:
            got.append(message)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive)
        await client.send(None)
    return got


def drain(server, got):
    """Receive what is there."""
    while (message := server.try_receive()) is not None:
        got.append(message)


def make_room(client, server, got):
    """Receive until the client's socket takes something, which is not much of a large message."""
    while not select.select([], [client._end.transport], [], 0)[1]:
        message = server.try_receive()
        if message is not None:
            got.append(message)


@pytest.mark.parametrize("how", WITHIN)
@pytest.mark.parametrize("full", [False, True], ids=["empty", "full"])
@pytest.mark.parametrize(
    ("name", "messages"),
    [
        ("send", "one"),
        ("send", "large"),
        ("send, in time", "large"),
        ("send_many", "several"),
        ("send_many", "large ones"),
    ],
)
@everywhere("unix", "tcp", "tls")
def test_a_cancelled_send_has_sent_whole_messages(loop, place, name, messages, full, how):
    """At whatever await a sender is cancelled, its first messages arrive, each of them whole.

    A message of which no part was sent does not arrive, nor does it count as sent.
    """

    async def main(native):
        async with place.pair() as (client, server):
            given = MESSAGES[messages]
            got, filled, before = [], 0, 0

            async def prepare():
                nonlocal filled, before
                got.clear()
                filled = 0
                while full and client.try_send(b"f" * 50_000):
                    filled += 1
                before = client._end.sent + bool(client.pending)

            async def check(came, happened):
                assert not client._sending.locked()
                assert nobody_waits(client)
                counted = client._end.sent + bool(client.pending) - before
                if name != "send_many":
                    assert came or client.pending or not counted
                rest = await everything(client, server)
                if happened and how != "cancelled, then event":
                    assert got or not full
                got.extend(rest)
                assert got[:filled] == [b"f" * 50_000] * filled
                arrived = got[filled:]
                assert arrived == given[: len(arrived)]
                assert len(arrived) == counted
                if came:
                    assert arrived == given

            struck = await struck_at_every_await(
                lambda: SENDING[name](client, given),
                *(how, prepare, lambda: drain(server, got), lambda: make_room(client, server, got)),
                *(check, native),
            )
            assert struck or native == "deadline"

    loop(main)


@pytest.mark.parametrize("how", WITHIN)
@everywhere("unix", "tcp", "tls")
def test_a_cancelled_flush_leaves_the_rest(loop, place, how):
    """At whatever await a flush is cancelled, the rest goes out with what is sent next."""

    async def main(native):
        async with place.pair() as (client, server):
            got = []

            def prepare():
                got.clear()
                assert client.try_send(b"z" * LARGE)
                assert client.pending

            async def check(came, happened):
                assert not client._sending.locked()
                assert not (came and client.pending)
                assert got + await everything(client, server) == [b"z" * LARGE]
                assert not client.pending

            struck = await struck_at_every_await(
                *(client.flush, how, prepare, lambda: drain(server, got)),
                *(lambda: make_room(client, server, got), check, native),
            )
            assert struck or native == "deadline"

    loop(main)


@pytest.mark.parametrize("how", WITHIN)
@everywhere("unix", "tcp", "tls")
def test_a_cancelled_sender_gives_its_turn_up(loop, place, how):
    """A cancelled sender has sent nothing, or all; the tasks before and behind it go on sending."""

    async def main(native):
        async with place.pair() as (client, server):
            first, last = b"1" * LARGE, b"3" * LARGE
            got, reading = [], False
            async with anyio.create_task_group() as tasks:

                async def prepare():
                    nonlocal reading
                    got.clear()
                    reading = False
                    tasks.start_soon(client.send, first)
                    await until(lambda: client.pending)

                async def receive():
                    got.append(await server.receive())

                def read():
                    """Have the first message received, so that the next sender has its turn."""
                    nonlocal reading
                    if not reading:
                        reading = True
                        tasks.start_soon(receive)

                async def second():
                    tasks.start_soon(client.send, last)
                    await client.send(b"2")

                async def check(came, happened):
                    read()
                    await until(lambda: got)
                    while len(got) < 2 + came:
                        await receive()
                    assert got[0] == first
                    assert sorted(got[1:]) == [b"2"] * came + [last]
                    await until(lambda: not client._sending.locked())
                    assert server.try_receive() is None

                struck = await struck_at_every_await(
                    second, how, prepare, read, read, check, native
                )
                assert struck or native == "deadline"

    loop(main)


# ---- accepting ----------------------------------------------------------------------------


class Comer:
    """A client that performs its handshake step by step, and waits for nothing."""

    def __init__(self, place, address):
        _, _, self._where = address.partition("://")
        self._host, _, self._port = self._where.rpartition(":")
        self._socket = socket.socket(socket.AF_INET if self._host else socket.AF_UNIX)
        context, token = None, place.client.get("token")
        if "tls" in place.client:
            from liaison.carriers.stream.tls import context_for

            context = context_for(place.client["tls"], server=False)
        self._greeting = Greeting(
            *("client",),
            token=token and token.encode(),
            largest=1 << 20,
            context=context,
            hostname=context and self._host,
        )
        self._came = False
        self._end = None

    def connect(self):
        self._came = True
        self._socket.connect((self._host, int(self._port)) if self._host else self._where)

    def step(self):
        if not self._came:
            self.connect()
        elif not self._greeting.done:
            with suppress(BlockingIOError):
                data = self._socket.recv(self._greeting.appetite, socket.MSG_DONTWAIT)
                self._greeting.receive(data)
        self._socket.sendall(self._greeting.take())

    async def comes(self):
        while not self._greeting.done:
            self.step()
            await anyio.lowlevel.checkpoint()

    def receives_first(self, message):
        """Whether this is the first message that it receives, however protected."""
        trust = Trust(Address.parse("unix:///nowhere"), Terms(), server=True)
        self._end = Conversation(
            *(self._socket, self._greeting, trust), address="", peer_address=None
        )
        return self._end.receive(timeout=60) == message

    def leave(self):
        (self._end or self._socket).close()


ACCEPTING = {
    "accept": lambda listener: listener.accept(),
    "async for": iterated,
}
CARRIERS = ["unix", "tcp", "tls", "unix with a token", "tls with a token"]


@pytest.mark.parametrize(
    ("place", "how"),
    [
        *((carrier, how) for carrier in CARRIERS for how in WITHIN),
        *((carrier, EVENTS[3]) for carrier in ("unix", "tcp")),
    ],
    indirect=["place"],
)
@pytest.mark.parametrize("nudged", ["by strangers", "by the client"])
@pytest.mark.parametrize("name", ACCEPTING)
def test_a_cancelled_accept_loses_nobody(loop, place, name, nudged, how):
    """At whatever await accept is cancelled, it has returned the client, or the next accept does.

    Strangers that come and go wake it in vain, or a client whose handshake is not complete.
    """

    async def main(native):
        async with await place.listen() as listener:
            before = descriptors()
            comer, got = None, []

            def prepare():
                nonlocal comer
                got.clear()
                comer = Comer(place, listener.address)

            def step():
                comer.step()

            def stranger():
                leaves = Comer(place, listener.address)
                leaves.connect()
                leaves.leave()

            async def accept():
                connection = await ACCEPTING[name](listener)
                got.append(connection)
                return connection

            async def check(came, happened):
                assert nobody_waits(listener)
                if not native:
                    assert came == bool(got)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(comer.comes)
                    if not got:
                        got.append(await listener.accept())
                connection = got.pop()
                assert connection.try_send(b"you")
                assert comer.receives_first(b"you")
                connection.close()
                comer.leave()
                with pytest.raises(Empty):
                    listener._end.accept(timeout=0)
                assert descriptors() == before

            struck = await struck_at_every_await(
                *(accept, how, prepare, step),
                *(stranger if nudged == "by strangers" else step, check, native),
            )
            assert struck or how == "event long before" or native == "deadline"

    loop(main)


# ---- connecting ---------------------------------------------------------------------------


STEPS = 16  # more awaits than connecting has


class Served:
    """A listener that takes one step at a time, and the connections that it accepted."""

    def __init__(self, listener):
        self._listener = listener
        self.accepted = []

    def step(self):
        with suppress(Empty):
            self.accepted.append(self._listener._end.accept(timeout=0))

    def steps(self):
        for _ in range(STEPS):
            self.step()

    def let_go(self):
        while self.accepted:
            self.accepted.pop().close()


async def serves(place, listener):
    """Whether a client can connect now; connections of earlier clients that left are closed."""

    async def serve():
        while True:
            async with await listener.accept() as server:
                with suppress(Ended):
                    await server.send(await server.receive())
                    return

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        async with await aio.connect(listener.address, **place.client) as client:
            await client.send("hello")
            return await client.receive() == "hello"


@pytest.mark.parametrize("how", WITHIN)
@everywhere(*CARRIERS, "tcp by name", "tls by name")
def test_a_cancelled_connect_leaves_no_connection(loop, place, how):
    """At whatever await connect is cancelled, it leaves no descriptor, and the server goes on."""

    async def main(native):
        async with await place.listen() as listener:
            assert await serves(place, listener)
            served = Served(listener)
            before = descriptors()
            made = []

            async def connect():
                made.append(await place.connect(listener, timeout=30))
                return made[0]

            async def check(came, happened):
                if native != "deadline":
                    assert came == bool(made)
                if made:
                    served.steps()
                    assert made[0].try_send("here")
                    assert await arrived(served.accepted) == "here"
                    made.pop().close()
                served.let_go()
                assert await serves(place, listener)
                await until(lambda: descriptors() == before)  # a name's resolver has some, too
                assert not listener._end._newcomers

            struck = await struck_at_every_await(
                *(connect, how, lambda: None, served.step, served.step, check, native, STEPS)
            )
            assert struck or native == "deadline"

    async def arrived(accepted):
        while (message := accepted[-1].try_receive()) is None:
            await anyio.lowlevel.checkpoint()
        return message

    loop(main)


@pytest.mark.parametrize("ends", ["cancelled", "listen cancelled", "timeout"])
def test_a_wait_may_end_while_a_name_is_resolved(loop, places, monkeypatch, ends):
    """Neither cancelling nor a timeout waits for the resolver, and nothing is left of either."""
    waits = aio.listen if ends == "listen cancelled" else aio.connect
    resolved, done, release = place_of_names._resolved, threading.Event(), threading.Event()
    begun = threading.Event()

    def slow(*arguments, **options):
        begun.set()
        release.wait(60)
        try:
            return resolved(*arguments, **options)
        finally:
            done.set()

    async def main(native):
        place = places("tcp")
        async with await place.listen() as listener:
            address = listener.address.replace("127.0.0.1", "localhost")
            before = descriptors()
            monkeypatch.setattr(place_of_names, "_resolved", slow)
            if ends == "timeout":
                while not begun.is_set():  # the time may have passed before
                    with pytest.raises(CallTimeout):
                        await aio.connect(address, timeout=0.01)
            elif native is True:
                task = asyncio.ensure_future(waits(address))
                await until(begun.is_set)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(waits, address)
                    await until(begun.is_set)
                    tasks.cancel_scope.cancel()
            assert not done.is_set()
            release.set()
            await until(done.is_set)
            await until(lambda: descriptors() == before)
            monkeypatch.undo()
            assert await serves(place, listener)

    loop(main)


# ---- waiting for many ---------------------------------------------------------------------


READY = ["mailbox", "queue", "port", "connection", "listener", "pipe"]


@pytest.mark.parametrize("how", EVENTS)
@pytest.mark.parametrize("ready", READY)
def test_a_cancelled_wait_takes_nothing(loop, space, places, ready, how):
    """At whatever await `wait` is cancelled, what is there stays, and no descriptor is left."""

    async def main(native):
        place = places("unix")
        async with place.pair() as (client, server):
            reader, writer = aio.pipe()
            with liaison.Mailbox("box") as box, liaison.MessageQueue("queue") as queue:
                links = {
                    "mailbox": aio.Mailbox.open("box"),
                    "queue": aio.MessageQueue.open("queue"),
                    "port": aio.Port("port"),
                    "connection": server,
                    "listener": await place.listen(),
                    "pipe": reader,
                }
                comers = []
                with liaison.Port.open("port") as port:

                    def come():
                        comers.append(Comer(place, links["listener"].address))
                        comers[-1].step()

                    events = {
                        "mailbox": lambda: box.send(b"x"),
                        "queue": lambda: queue.send(b"x"),
                        "port": lambda: port.send(b"x"),
                        "connection": lambda: client.try_send(b"x"),
                        "listener": come,
                        "pipe": lambda: writer.try_send(b"x"),
                    }
                    every = list(links.values())
                    for _ in range(2):  # a sender keeps the descriptor by which it wakes a waiter
                        assert await aio.wait(every, timeout=0) == []
                        for name in ("mailbox", "queue", "port", "pipe"):
                            events[name]()
                            assert links[name].try_receive() == b"x"
                    before = descriptors()

                    def nudge():
                        box.send(b"not for it")
                        assert box.receive() == b"not for it"

                    async def check(came, happened):
                        there = [links[ready]] if happened else []
                        assert await aio.wait(every, timeout=0) == there
                        assert await aio.wait(every, timeout=0) == there
                        if happened and ready == "listener":
                            (await links[ready].accept()).close()
                            comers.pop().leave()
                        elif happened:
                            assert links[ready].try_receive() == b"x"
                        assert await aio.wait(every, timeout=0) == []
                        assert descriptors() == before

                    struck = await struck_at_every_await(
                        *(lambda: aio.wait(every, timeout=30), how, lambda: None, events[ready]),
                        *(nudge, check, native),
                    )
                    assert struck or how == "event long before" or native == "deadline"
                for link in (*links.values(), writer):
                    link.close()
                box.destroy()
                queue.destroy()

    loop(main)


# ---- an operation's own time --------------------------------------------------------------


TIMED = {
    "receive": lambda server, listener: server.receive(timeout=0.05),
    "receive_many": lambda server, listener: server.receive_many(3, timeout=0.05),
    "accept": lambda server, listener: listener.accept(timeout=0.05),
    "wait": lambda server, listener: aio.wait([server, listener], timeout=0.05),
}


@pytest.mark.parametrize("how", ["event, then time", "time, then event", "time alone"])
@pytest.mark.parametrize("name", TIMED)
def test_what_comes_as_the_time_passes_is_got_or_left(loop, places, name, how):
    """An event that is noticed as the time passes is for this operation or for the next one.

    An operation that is cancelled at that moment, too, is cancelled and raises no Empty.
    """

    async def main(native):
        place = places("unix")
        async with place.pair() as (client, server), await place.listen() as listener:
            comer = Comer(place, listener.address)
            took = []

            def event():
                if name == "accept":
                    comer.step()
                else:
                    assert client.try_send(b"x")

            def strike(cancel):
                began = anyio.current_time()
                if how == "event, then time":
                    event()
                while anyio.current_time() < began + 0.1:
                    pass  # no other task runs until the time has passed
                if native is True:
                    cancel()
                if how == "time, then event":
                    event()

            async def operation():
                with suppress(Empty):
                    took.append(await TIMED[name](server, listener))
                took.append(None)

            result, cancelled = await cancelled_at(
                *(2, operation(), lambda: None, strike, native),
            )
            assert cancelled == (result is NOTHING) == (native is True)
            got = took[0] if took else None
            if how == "time alone":
                assert not got
                event()
            if name == "accept":
                connection = got or await listener.accept()
                await comer.comes()
                assert connection.try_send(b"you")
                assert comer.receives_first(b"you")
                connection.close()
            else:
                left = None if got and name != "wait" else await server.receive()
                assert left == b"x" or got in (b"x", [b"x"])
                assert server.try_receive() is None
            comer.leave()

    loop(main)
