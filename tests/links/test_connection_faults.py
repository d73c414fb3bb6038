"""Connections and listeners where something comes between: forks, signals, other threads."""

import errno
import os
import resource
import signal
import socket
import threading

import pytest

from liaison import Closed, DecodeError, Empty, Ended, NotFound, connect, listen
from liaison._native.link import end_of
from liaison.carriers.stream.listener import Listening
from liaison.testing import Process, point, until
from tests.links.test_connection_listener import TOKEN, looked, raw


@pytest.fixture(params=["unix", "tcp"])
def address(request, tmp_path):
    return f"unix://{tmp_path}/it" if request.param == "unix" else "tcp://127.0.0.1:0"


@pytest.fixture
def pair(address):
    """Two ends of a connection in this process."""
    ends = []

    def make(**options):
        with listen(address, **options) as listener:
            client = connect(listener.address, **options)
            ends.extend((client, listener.accept(timeout=60)))
        return ends[-2:]

    yield make
    for end in ends:
        end.close()


class Waiting:
    """A thread that waits in a call, and what that raised."""

    def __init__(self, call):
        self.raised = None
        self._call = call
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        state = f"/proc/self/task/{self._thread.native_id}/stat"

        def asleep():
            with open(state) as file:
                return file.read().rpartition(")")[2].split()[0] == "S"

        until(asleep, "it waits")

    def _run(self):
        try:
            self._call()
        except BaseException as error:
            self.raised = error

    def ended(self):
        self._thread.join(60)
        assert not self._thread.is_alive()
        return self.raised


def forked(function):
    """Run a function in a forked child; its exit code, 1 when it raised, -9 when it hung."""
    child = os.fork()
    if child == 0:
        try:
            function()
            os._exit(0)
        finally:
            os._exit(1)
    gone = os.pidfd_open(child)
    try:
        import select

        if not select.select([gone], [], [], 60)[0]:
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(gone)


# ---- threads and forks


def test_closing_wakes_a_receiver_although_the_process_forked_meanwhile(pair):
    """A fork does not make a connection a child's from which a thread of the parent receives."""
    one, other = pair()
    waiting = Waiting(one.receive)
    assert forked(lambda: None) == 0
    one.close()
    assert isinstance(waiting.ended(), Closed)
    with pytest.raises(Ended) as raised:
        other.receive(timeout=60)
    assert raised.value.clean


def test_a_listener_forked_while_a_thread_accepts_works_in_the_child(address):
    """A forked child can use and close a listener in which a thread of its parent waits."""
    with listen(address) as listener:
        waiting = Waiting(listener.accept)

        def child():
            with pytest.raises(Empty):
                listener.accept(timeout=0)
            listener.close()

        assert forked(child) == 0
        connect(listener.address).close()
        assert waiting.ended() is None


def test_closing_wakes_a_sender(pair):
    """A thread that waits for room on an end that another thread closes gets Closed."""
    one, _ = pair()
    waiting = Waiting(lambda: one.send(b"x" * (64 << 20)))
    one.close()
    assert isinstance(waiting.ended(), Closed)


# ---- signals


def closes_in_a_handler(address, what):
    with listen(address) as listener:
        client = connect(listener.address)
        server = listener.accept(timeout=60)
        end, wait = {
            "listener": (listener, listener.accept),
            "receiver": (client, client.receive),
            "sender": (client, lambda: client.send(b"x" * (64 << 20))),
        }[what]
        signal.signal(signal.SIGTERM, lambda *_: end.close())
        point("waits")
        try:
            wait()
        except Closed:
            return "closed"
        finally:
            server.close()
            client.close()


@pytest.mark.parametrize("what", ["listener", "receiver", "sender"])
def test_a_signal_handler_may_close_what_its_thread_waits_in(address, what):
    """A handler that closes the end in which it interrupts a wait ends that wait with Closed."""
    with Process(closes_in_a_handler, address, what) as process:
        process.reach("waits")
        until(process.asleep, "it waits")
        os.kill(process.pid, signal.SIGTERM)
        assert process.result() == "closed"


def asks_in_a_handler(address):
    with listen(address) as listener:
        client = connect(listener.address)
        server = listener.accept(timeout=60)
        said = []

        def asks(*_):
            client.close()
            try:
                said.append(client.link)
            except Closed:
                said.append("closed")

        signal.signal(signal.SIGTERM, asks)
        point("waits")
        with pytest.raises(Closed):
            client.receive()
        client.close()
        server.close()
        return said


def test_a_connection_that_a_handler_has_closed_is_closed_at_once(address):
    """Also for that handler, while what it has interrupted still needs the descriptor."""
    with Process(asks_in_a_handler, address) as process:
        process.reach("waits")
        until(process.asleep, "it waits")
        os.kill(process.pid, signal.SIGTERM)
        assert process.result() == ["closed"]


@pytest.mark.parametrize("late", [False, True])
def test_closing_while_a_listener_makes_its_set_anew_ends_the_wait(address, late, monkeypatch):
    """It made that because what it had was closed behind its back; another thread closes it."""
    watch = Listening._watch
    closing = []

    def overtaken(listener):
        if late:
            watch(listener)
        closing.append(threading.Thread(target=listener.close))
        closing[0].start()
        until(lambda: listener.closed, "it is being closed")
        if not late:
            watch(listener)

    listener = listen(address)
    listener._end._pid = 0  # as in a forked child, which does not shut its parent's socket
    listener._end._poll.close()
    monkeypatch.setattr(Listening, "_watch", overtaken)
    with pytest.raises(Closed):
        listener.accept()
    closing[0].join()


class Once:
    """A codec whose first decoding is interrupted."""

    def __init__(self):
        self.failures = [KeyboardInterrupt]

    def encode(self, message):
        return str(message).encode()

    def decode(self, payload):
        if self.failures:
            raise self.failures.pop()
        return payload.decode()


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_message_whose_decoding_is_interrupted_is_received_again(pair, size):
    """Ctrl-C while a message is decoded takes nothing away, be it small or large."""
    one, other = pair(codec=Once())
    sender = threading.Thread(target=one.send_many, args=(["a" * size, "b"],))
    sender.start()
    with pytest.raises(KeyboardInterrupt):
        other.receive(timeout=60)
    assert other.receive(timeout=60) == "a" * size
    assert other.receive(timeout=60) == "b"
    sender.join()


def test_an_interrupted_receive_many_keeps_what_it_had(pair):
    """Ctrl-C between the messages of a receive_many leaves all of them for the next call."""
    codec = Once()
    codec.failures = []
    one, other = pair(codec=codec)
    one.send_many("abc")
    until(end_of(other).ready, "they are there")
    original = codec.decode
    seen = []

    def interrupted(payload):
        seen.append(payload)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return original(payload)

    codec.decode = interrupted
    with pytest.raises(KeyboardInterrupt):
        other.receive_many(10)
    assert [other.receive(timeout=60) for _ in range(3)] == ["a", "b", "c"]


def test_who_sends_and_closes_before_being_accepted_is_heard(address):
    """The messages of a client that has closed its end arrive when it is accepted."""
    with listen(address) as listener:
        with connect(listener.address) as client:
            client.send_many([1, 2, 3])
        with listener.accept(timeout=60) as server:
            assert list(server) == [1, 2, 3]


# ---- messages that cannot be read


def test_receive_many_hands_over_what_came_before_an_unreadable_message(address):
    """A message that cannot be decoded is for the next call to tell; those before it are given."""
    with listen(address, type=int) as listener:
        with connect(listener.address) as client, listener.accept(timeout=60) as server:
            client.send_many([1, 2, "three", 4])
            client.close()
            received = []
            while len(received) < 2:
                received += server.receive_many(10, timeout=60)
            assert received == [1, 2]
            with pytest.raises(DecodeError):
                server.receive_many(10, timeout=60)
            assert server.receive_many(10, timeout=60) == [4]


def test_of_a_hosts_addresses_the_one_that_answers_is_taken(monkeypatch):
    """A host of which only the second address listens can be connected to."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    with listen("tcp://127.0.0.1:0") as listener:
        port = int(listener.address.rpartition(":")[2])
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", p)) for p in (dead, port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        with connect("tcp://localhost:1") as client:
            assert client.peer_address == listener.address


def test_an_address_of_the_network_is_not_tried_in_the_place_of_a_loopback_one(monkeypatch):
    """Of a host that is this machine and another, only this machine is connected to unasked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = taken.getsockname()[1]
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, dead))
        for host in ("192.0.2.1", "127.0.0.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(NotFound):
        connect("tcp://both:1", timeout=60)


def test_strangers_that_keep_coming_do_not_keep_accept_beyond_its_time(tmp_path):
    """However fast strangers connect, accept with a timeout comes back."""
    with listen(f"unix://{tmp_path}/it", token=TOKEN) as listener:
        over = threading.Event()

        def storm():
            while not over.is_set():
                with socket.socket(socket.AF_UNIX) as stranger:
                    try:
                        stranger.setblocking(False)
                        stranger.connect(f"{tmp_path}/it")
                    except OSError:
                        pass

        threads = [threading.Thread(target=storm, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for timeout in (0, 0.01, 0.1):
                with pytest.raises(Empty):
                    listener.accept(timeout=timeout)
        finally:
            over.set()
            for thread in threads:
                thread.join()


# ---- resources


@pytest.fixture
def few_descriptors():
    """Let this process open so many more files, and no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit(more):
        number = os.open("/dev/null", os.O_RDONLY)
        os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (number + more, hard))

    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_accepting_without_descriptors_says_so(address, few_descriptors):
    """Where the process may open no more files accept raises that, instead of turning for ever."""
    with listen(address) as listener:
        with socket.socket(socket.AF_UNIX if "unix" in address else socket.AF_INET) as client:
            where = listener.address.removeprefix("unix://")
            if "tcp" in address:
                where = ("127.0.0.1", int(listener.address.rpartition(":")[2]))
            client.connect(where)
            few_descriptors(0)
            with pytest.raises(OSError, match="open files") as raised:
                listener.accept(timeout=30)
            assert raised.value.errno == errno.EMFILE


def test_a_newcomer_that_was_lost_is_forgotten(address):
    """A newcomer whose socket is gone, however that happened, keeps nobody waiting."""
    with listen(address, token=TOKEN) as listener, raw(listener.address) as stranger:
        stranger.send(b"liaison")
        (newcomer,) = until(lambda: looked(listener), "it is there")
        newcomer.socket.close()
        newcomer.until = 0
        with pytest.raises(Empty):
            listener.accept(timeout=0.01)
        assert not listener._end._newcomers


def test_a_peer_that_vanishes_without_a_word_is_asked_after():
    """Over TCP the system looks after a silent peer, so that a machine that is gone is noticed."""
    with listen("tcp://127.0.0.1:0") as listener, connect(listener.address) as client:
        with listener.accept(timeout=60) as server:
            for end in (client, server):
                for name, most in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 30)):
                    value = end_of(end).transport.getsockopt(
                        socket.IPPROTO_TCP, getattr(socket, name)
                    )
                    assert value <= most
                assert end_of(end).transport.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_what_was_sent_before_closing_arrives_although_the_other_end_was_sending(pair):
    """Closing with messages unread does not take along what this end sent before."""
    one, other = pair()
    other.send_many([b"unread" * 1000] * 10)
    one.send_many([b"x" * 10_000] * 8)
    closing = threading.Thread(target=one.close)
    closing.start()
    received = [other.receive(timeout=60) for _ in range(8)]
    closing.join()
    assert received == [b"x" * 10_000] * 8
    with pytest.raises(Ended) as raised:
        other.receive(timeout=60)
    assert raised.value.clean
