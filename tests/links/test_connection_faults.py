"""Connections and listeners amid forks, signals, other threads and a lack of descriptors."""

import errno
import os
import resource
import select
import signal
import socket
import threading

import pytest

from liaison import Closed, Empty, Ended, NotFound, connect, listen
from liaison._native.link import end_of
from liaison.carriers.stream.listener import Listening
from liaison.testing import Process, point, until
from tests.beside import Beside
from tests.links.test_connection_listener import TOKEN, looked
from tests.links.test_connection_relay import dial


def waiting(call, *arguments):
    """The call that goes on beside the test, once it waits."""
    made = Beside(call, *arguments)
    until(made.asleep, "it waits")
    return made


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
        if not select.select([gone], [], [], 60)[0]:
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    finally:
        os.close(gone)


# ---- threads and forks


def test_closing_wakes_a_receiver_although_the_process_forked_meanwhile(pair):
    """A connection in which a thread of the parent receives stays the parent's over a fork."""
    one, other = pair()
    receiving = waiting(one.receive)
    assert forked(lambda: None) == 0
    one.close()
    with pytest.raises(Closed):
        receiving.result()
    with pytest.raises(Ended) as raised:
        other.receive(timeout=60)
    assert raised.value.clean


def test_a_listener_forked_while_a_thread_accepts_works_in_the_child(address):
    """A forked child can use and close a listener in which a thread of its parent waits."""
    with listen(address) as listener:
        accepting = waiting(listener.accept)

        def child():
            with pytest.raises(Empty):
                listener.accept(timeout=0)
            listener.close()

        assert forked(child) == 0
        connect(listener.address).close()
        accepting.result().close()


def test_closing_wakes_a_sender(pair):
    """A thread that waits for room on an end that another thread closes gets Closed."""
    one, _ = pair()
    sending = waiting(one.send, b"x" * (64 << 20))
    one.close()
    with pytest.raises(Closed):
        sending.result()


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
        found = []

        def asks(*_):
            client.close()
            try:
                found.append(client.link)
            except Closed:
                found.append("closed")

        signal.signal(signal.SIGTERM, asks)
        point("waits")
        with pytest.raises(Closed):
            client.receive()
        client.close()
        server.close()
        return found


def test_a_connection_that_a_handler_has_closed_is_closed_for_that_handler(address):
    """It is closed at once, though the call that was interrupted still needs the descriptor."""
    with Process(asks_in_a_handler, address) as process:
        process.reach("waits")
        until(process.asleep, "it waits")
        os.kill(process.pid, signal.SIGTERM)
        assert process.result() == ["closed"]


@pytest.mark.parametrize("late", [False, True])
def test_closing_while_a_listener_makes_its_set_anew_ends_the_wait(address, late, monkeypatch):
    """A wait ends with Closed though the listener was replacing an epoll set that others closed."""
    watch = Listening._watch
    closing = []

    def overtaken(listener):
        if late:
            watch(listener)
        closing.append(Beside(listener.close))
        until(lambda: listener.closed, "it is being closed")
        if not late:
            watch(listener)

    listener = listen(address)
    listener._end._pid = 0  # as in a forked child, which does not shut its parent's socket
    listener._end._poll.close()
    monkeypatch.setattr(Listening, "_watch", overtaken)
    with pytest.raises(Closed):
        listener.accept()
    closing[0].result()


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
    """A message of any size whose decoding Ctrl-C interrupts is received by the next call."""
    one, other = pair(codec=Once())
    sender = Beside(one.send_many, ["a" * size, "b"])
    with pytest.raises(KeyboardInterrupt):
        other.receive(timeout=60)
    assert other.receive(timeout=60) == "a" * size
    assert other.receive(timeout=60) == "b"
    sender.result()


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


def test_messages_arrive_of_a_client_that_closed_before_it_was_accepted(address):
    """The messages of a client that has closed its end arrive when it is accepted."""
    with listen(address) as listener:
        with connect(listener.address) as client:
            client.send_many([1, 2, 3])
        with listener.accept(timeout=60) as server:
            assert list(server) == [1, 2, 3]


# ---- other hosts, and strangers


def test_of_a_hosts_addresses_the_one_that_answers_is_taken(monkeypatch):
    """Connecting to a host succeeds though only the second of its addresses listens."""
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
    """A name for this machine and another one leads, unless insecure, to this machine only."""
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
    """accept with a timeout returns however fast strangers connect."""
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

        threads = [Beside(storm) for _ in range(3)]
        try:
            for timeout in (0, 0.01, 0.1):
                with pytest.raises(Empty):
                    listener.accept(timeout=timeout)
        finally:
            over.set()
            for thread in threads:
                thread.result()


# ---- resources


@pytest.fixture
def few_descriptors():
    """Limit how many more files this process can open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    def limit(more):
        number = os.open("/dev/null", os.O_RDONLY)
        os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (number + more, hard))

    yield limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_accepting_without_descriptors_says_so(address, few_descriptors):
    """accept raises EMFILE where the process can open no more files, and does not try for ever."""
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
    """A newcomer whose socket is closed keeps nobody waiting."""
    with listen(address, token=TOKEN) as listener, dial(listener.address) as stranger:
        stranger.send(b"liaison")
        (newcomer,) = until(lambda: looked(listener), "it is there")
        newcomer.socket.close()
        newcomer.until = 0
        with pytest.raises(Empty):
            listener.accept(timeout=0.01)
        assert not listener._end._newcomers


def test_a_silent_peer_over_tcp_is_probed():
    """Both ends have keepalive set, so that a machine that is gone is noticed."""
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
    """Closing an end that has unread messages does not lose what that end sent before."""
    one, other = pair()
    other.send_many([b"unread" * 1000] * 10)
    one.send_many([b"x" * 10_000] * 8)
    closing = Beside(one.close)
    received = [other.receive(timeout=60) for _ in range(8)]
    closing.result()
    assert received == [b"x" * 10_000] * 8
    with pytest.raises(Ended) as raised:
        other.receive(timeout=60)
    assert raised.value.clean
