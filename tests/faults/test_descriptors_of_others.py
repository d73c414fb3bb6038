"""A process closes all its descriptors, as daemons do, and has files of its own on their numbers.

Whatever it had kept before, those files are neither read, written, waited for, changed nor closed,
by it or by a child that it forks; and what can be used without a descriptor, or makes new ones, is.
"""

import asyncio
import ctypes
import gc
import os
import select
import socket
import threading
from contextlib import suppress

import pytest

import liaison
from liaison import (
    AccessDenied,
    Closed,
    Endpoint,
    LiaisonError,
    Mailbox,
    MessageQueue,
    NamedPipe,
    Port,
    aio,
)
from liaison._native.link import end_of
from tests.faults.children import in_child

TOKEN = "0123456789abcdef"
FIRST, LAST = 3, 150  # numbers: more than what is made below has


def same(number, other):
    with suppress(OSError):
        return os.path.sameopenfile(number, other)
    return False


class Own:
    """The user's own files, all of one kind, on all descriptors from FIRST to LAST."""

    def __init__(self):
        os.closerange(FIRST, 1024)
        high = [os.dup2(number, LAST + 10 + number) for number in self.make()]
        os.closerange(FIRST, LAST + 1)
        self.begin(high)
        while (number := self.one()) <= LAST:
            pass
        os.close(number)

    def begin(self, high):
        self.high = high

    def disturbed(self):
        return [number for number in range(FIRST, LAST + 1) if not self.is_as_it_was(number)]


class Pipes(Own):
    """The reading end of one pipe, with a message that only its owner may read."""

    def make(self):
        return os.pipe()

    def begin(self, high):
        self.here, self.there = high
        os.write(self.there, b"precious")

    def one(self):
        return os.dup(self.here)

    def is_as_it_was(self, number):
        return same(number, self.here)

    def disturbed(self):
        lost = [] if os.read(self.here, 100) == b"precious" else ["precious"]
        os.write(self.there, b"precious")
        return lost + super().disturbed()


class Sockets(Own):
    """One end of a connection, with a message that only its owner may receive."""

    def make(self):
        pair = socket.socketpair()
        return [one.detach() for one in pair]

    def begin(self, high):
        self.here, self.there = (socket.socket(fileno=number) for number in high)
        self.there.send(b"precious")
        self.there.setblocking(False)

    def one(self):
        return self.here.dup().detach()

    def is_as_it_was(self, number):
        return same(number, self.here.fileno())

    def disturbed(self):
        lost = []
        with suppress(BlockingIOError):
            lost.append(("written", self.there.recv(100)))
        if (received := self.here.recv(100)) != b"precious":
            lost.append(("read", received))
        self.there.send(b"precious")
        return lost + super().disturbed()


class Listeners(Own):
    """A listening socket with a connection that only its owner may accept."""

    def make(self):
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        return [listening.detach()]

    def begin(self, high):
        self.here = socket.socket(fileno=high[0])
        with socket.create_connection(self.here.getsockname()) as guest:
            self.guest = socket.socket(fileno=os.dup2(guest.fileno(), LAST + 30))

    def one(self):
        return self.here.dup().detach()

    def is_as_it_was(self, number):
        return same(number, self.here.fileno())

    def disturbed(self):
        self.here.setblocking(False)
        lost = []
        try:
            guest, _ = self.here.accept()
        except BlockingIOError:
            lost.append("accepted")
        else:
            guest.close()
        self.guest.close()
        self.guest = socket.create_connection(self.here.getsockname())
        return lost + super().disturbed()


class Eventfds(Own):
    """Eventfds whose count is five."""

    def make(self):
        return []

    def one(self):
        return os.eventfd(5, os.EFD_NONBLOCK)

    def is_as_it_was(self, number):
        with suppress(OSError), open(f"/proc/self/fdinfo/{number}") as info:
            return "eventfd-count:                5\n" in info.read()
        return False


class Epolls(Pipes):
    """Epoll instances that watch one pipe and nothing else."""

    def one(self):
        own = select.epoll()
        own.register(self.here, select.EPOLLIN)
        number = own.fileno()
        self.kept = [*getattr(self, "kept", []), own]  # or it would be closed
        return number

    def is_as_it_was(self, number):
        with suppress(OSError), open(f"/proc/self/fdinfo/{number}") as info:
            known = [line.split() for line in info if line.startswith("tfd:")]
            return [(int(line[1]), int(line[3], 16)) for line in known] == [
                (self.here, select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP)
            ]
        return False


class Timers(Own):
    """Timers that expire in a long time."""

    def make(self):
        self.system = ctypes.CDLL(None)
        return []

    def one(self):
        number = self.system.timerfd_create(1, 0)
        when = (ctypes.c_long * 4)(0, 0, 1_000_000, 0)
        assert self.system.timerfd_settime(number, 0, when, None) == 0
        return number

    def is_as_it_was(self, number):
        left = (ctypes.c_long * 4)()
        return self.system.timerfd_gettime(number, left) == 0 and left[2] > 1000


# ---- what is kept


def connection(address, **options):
    accepted = []
    with liaison.listen(address, **options) as listener:
        thread = threading.Thread(target=lambda: accepted.append(listener.accept(timeout=60)))
        thread.start()
        client = liaison.connect(listener.address, **options)
        thread.join(60)
    (server,) = accepted
    server.send_many(["first", "second"])
    assert client.receive(timeout=60) == "first"
    return [client, server]


def listener(space):
    made = liaison.listen("tcp://127.0.0.1:0", token=TOKEN)
    newcomer = socket.create_connection(made.address.removeprefix("tcp://").split(":"))
    newcomer.send(b"l")
    with suppress(LiaisonError):
        made.accept(timeout=0.01)
    return [made]


def endpoint(space):
    me, other = Endpoint("me"), Endpoint("other")
    other.send("me", "first")
    other.send("me", "second")
    assert me.receive(timeout=60) == "first"
    return [me, other]


def port(space):
    receiver = Port("port")
    return [receiver, Port.open("port")]


ENDS = {
    "mailbox": lambda space: [Mailbox("box")],
    "queue": lambda space: [MessageQueue("queue")],
    "port": port,
    "pipe": lambda space: list(liaison.pipe()),
    "named pipe": lambda space: [NamedPipe("pipe")],
    "endpoint": endpoint,
    "connection": lambda space: connection("tcp://127.0.0.1:0"),
    "neighbours": lambda space: connection(f"unix://{space.root}/socket"),
    "listener": listener,
    "sealed": lambda space: connection("tcp://127.0.0.1:0", token=TOKEN),
}


OPERATIONS = [
    lambda end: end.fileno(),
    lambda end: end.try_receive(),
    lambda end: end.try_send("x"),
    lambda end: end.send("x", timeout=0),
    lambda end: end.send("x" * 100_000, timeout=0),
    lambda end: end.receive_many(3, timeout=0),
    lambda end: end.accept(timeout=0),
    lambda end: end.flush(timeout=0),
    lambda end: end.link,
    lambda end: end.peek(),
    lambda end: end.statistics(),
    lambda end: liaison.wait([end], timeout=0),
    lambda end: asyncio.run(aio.wait([end], timeout=0)),
]


def use(ends, others):
    for end in ends:
        for operation in OPERATIONS:
            with suppress(LiaisonError, OSError, AttributeError, TypeError):
                operation(end)
    with suppress(LiaisonError, OSError, AttributeError):
        liaison.wait([*ends, *others], timeout=0)


def wait_for(ends, others):
    """Make all descriptors and sets that waiting needs, for ends that can be received from."""
    readable = []
    for end in ends:
        with suppress(AccessDenied):
            end.fileno()
            readable.append(end)
    liaison.wait([*readable, *others], timeout=0)


def close(ends):
    for end in ends:
        destroy = getattr(end, "destroy", None)
        if destroy is not None and not end.closed:
            with suppress(LiaisonError):
                destroy(force=True)
        end.close()
    gc.collect()


@pytest.mark.parametrize("own", [Pipes, Sockets, Listeners, Eventfds, Epolls, Timers])
@pytest.mark.parametrize("kind", ENDS)
def test_the_users_files_are_left_alone(space, kind, own):
    """Using, waiting for and closing each kind of link disturbs none, here and in a child."""

    def body():
        ends, others = ENDS[kind](space), [Mailbox("beside"), Mailbox("shm://elsewhere/box")]
        wait_for(ends, others)
        liaison.wait(others, timeout=0)
        files = own()
        use(ends, others)
        assert files.disturbed() == []
        assert in_child(lambda: (use(ends, others), close(ends))) == 0
        assert files.disturbed() == []
        close([*ends, *others])
        assert files.disturbed() == []

    assert in_child(body) == 0
    clean(space)


@pytest.mark.parametrize("own", [Pipes, Sockets, Listeners, Eventfds, Epolls, Timers])
@pytest.mark.parametrize("kind", ENDS)
def test_a_daemons_child_closes_what_it_has_inherited(space, kind, own):
    """Closing inherited ends in the child of such a process disturbs none of its files."""

    def body():
        ends = ENDS[kind](space)
        wait_for(ends, [Mailbox("shm://elsewhere/box")])
        files = own()
        assert in_child(lambda: close(ends)) == 0
        assert files.disturbed() == []
        ends.clear()
        gc.collect()
        assert files.disturbed() == []

    assert in_child(body) == 0
    clean(space)


@pytest.mark.parametrize("waits", [False, True], ids=["descriptor", "wait"])
@pytest.mark.parametrize("kind", ENDS)
def test_a_child_leaves_files_alone_that_have_a_closed_ends_numbers(space, kind, waits):
    """Closing an end again, in a child, closes no file that has one of its descriptors' numbers."""
    ends = ENDS[kind](space)
    for end in ends:
        with suppress(AccessDenied):
            end.fileno()
    if waits:
        wait_for(ends, [])
    close(ends)
    others = [os.open("/dev/null", os.O_RDONLY) for _ in range(LAST)]

    def closes_again():
        close(ends)
        for other in others:
            os.fstat(other)

    assert in_child(closes_again) == 0
    for other in others:
        os.close(other)


def clean(space):
    """Remove what the children left, which closed nothing."""
    for name in ("default", "elsewhere"):
        liaison.Space(f"shm://{name}").clean()
    for part in ("links", "names", "bells"):
        for file in space.root.glob(f"*/*/{part}/*"):
            file.unlink()


# ---- what goes on


def daemonise():
    os.closerange(FIRST, 1024)
    return [os.open("/dev/null", os.O_RDONLY) for _ in range(LAST)]


def in_daemon(space, body):
    assert in_child(body) == 0
    clean(space)


def test_waiting_for_several_goes_on(space):
    """`wait` makes its descriptors again."""

    def body():
        box, other = Mailbox("box"), Mailbox("shm://elsewhere/box")
        assert liaison.wait([box, other], timeout=0) == []
        daemonise()
        box.send(1)
        assert liaison.wait([box, other], timeout=60) == [box]
        box.receive()
        other.send(1)
        assert liaison.wait([box, other], timeout=60) == [other]

    in_daemon(space, body)


def test_an_endpoints_descriptor_is_made_anew(space):
    """fileno() makes a new one, which becomes readable with a message."""

    def body():
        me, other = Endpoint("me"), Endpoint("other")
        other.send("me", 1)
        before = me.fileno()
        daemonise()
        assert me.fileno() not in (before, -1)
        assert me.receive(timeout=60) == 1
        while end_of(me).ready():
            me.try_receive()
        other.send("me", 2)
        assert select.select([me], [], [], 60)[0] == [me]
        assert me.receive(timeout=60) == 2

    in_daemon(space, body)


def test_closing_its_descriptor_closes_a_connection(space):
    """Every operation on it raises Closed."""

    def body():
        client, server = connection(f"unix://{space.root}/socket")
        daemonise()
        for operation in (
            lambda: client.send("x"),
            lambda: server.receive(timeout=0),
            lambda: client.receive(timeout=0),
            client.fileno,
            lambda: client.link,
        ):
            with pytest.raises(Closed):
                operation()
        assert client.closed
        assert server.closed

    in_daemon(space, body)


def test_another_connection_on_the_number_is_left_alone(space):
    """A closed connection does not use another one that now has its number."""

    def body():
        before = connection(f"unix://{space.root}/socket")
        wanted = {end_of(end).transport.fileno() for end in before}
        os.closerange(FIRST, 1024)
        after, numbers = [], set()
        while not numbers >= wanted:  # how high these are is up to what was open before
            after.append(connection(f"unix://{space.root}/socket"))
            numbers |= {end_of(end).transport.fileno() for end in after[-1]}
        for end in before:
            with pytest.raises(Closed):
                end.send("to nobody")
            end.close()
        for client, server in after:
            assert client.receive(timeout=60) == "second"
            client.send("third")
            assert server.receive(timeout=60) == "third"

    in_daemon(space, body)


def test_closing_its_descriptor_closes_a_listener(space):
    """Accepting raises Closed, and the socket's file is removed."""

    def body():
        listener = liaison.listen(f"unix://{space.root}/socket")
        daemonise()
        with pytest.raises(Closed):
            listener.accept(timeout=0)
        assert listener.closed
        assert not os.path.exists(f"{space.root}/socket")
        with pytest.raises(Closed):
            listener.fileno()

    in_daemon(space, body)
