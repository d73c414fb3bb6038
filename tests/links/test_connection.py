"""Connections: messages both ways, waiting, and how they end."""

import os
import selectors
import signal
import socket
import threading

import numpy as np
import pytest

import liaison
from liaison import (
    Closed,
    Connection,
    DecodeError,
    Disconnected,
    Empty,
    Ended,
    Full,
    TooLarge,
    connect,
    listen,
)
from liaison._native.link import end_of
from liaison.testing import Process, point, until

MIB = 1 << 20


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


def asleep(thread):
    """Whether a thread of this process sleeps in the kernel."""
    with open(f"/proc/self/task/{thread.native_id}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] == "S"


def beside(function, *arguments):
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


# ---- messages


@pytest.mark.parametrize(
    "message", [b"", b"bytes", None, 7, "tea", [1, {"a": [None]}], {"x": 1.5}, b"x" * 300_000]
)
def test_messages_arrive_both_ways(pair, message):
    """What mailboxes carry connections carry, in either direction, empty or large."""
    for one, other in (pair(), reversed(pair())):
        sender = beside(one.send, message)
        assert other.receive(timeout=60) == message
        sender.join()


def test_arrays_arrive(pair):
    """A NumPy array arrives as an array."""
    one, other = pair()
    array = np.arange(200_000.0).reshape(2, -1)
    sender = beside(one.send, array)
    assert (other.receive(timeout=60) == array).all()
    sender.join()


@pytest.mark.parametrize("order", "CF")
def test_a_large_array_stays_where_it_was_received(pair, order):
    """A large array is not copied again: it lies where the system put it, and can be written."""
    one, other = pair()
    array = np.asarray(np.arange(200_000.0).reshape(2, -1), order=order)
    sender = beside(one.send, array)
    received = other.receive(timeout=60)
    sender.join()
    assert (received == array).all()
    assert received.flags.fnc == array.flags.fnc
    received[1, 7] = -1.0
    base = received.base
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    assert isinstance(base, bytearray)


def test_messages_keep_their_order_and_their_bounds(pair):
    """A thousand messages of mixed sizes arrive as they were sent."""
    one, other = pair()
    messages = [bytes([n % 256]) * (n * 37 % 20_000) for n in range(1000)]
    sender = beside(one.send_many, messages)
    assert [other.receive(timeout=60) for _ in messages] == messages
    sender.join()


def test_types_are_validated_and_a_bad_message_is_not_the_end(address):
    """A message of another type is a DecodeError with its payload, and the next one arrives."""
    with listen(address, type=int) as listener:
        with connect(listener.address) as client, listener.accept(timeout=60) as server:
            client.send_many(["no", 7])
            with pytest.raises(DecodeError) as raised:
                server.receive(timeout=60)
            assert raised.value.payload == b"\xa2no"
            assert server.receive(timeout=60) == 7


class Bomb:
    def __reduce__(self):
        return os.abort, ()


def test_no_pickle_is_loaded_that_the_receiver_did_not_ask_for(tmp_path):
    """A pickle that comes over the wire is a DecodeError where codec="pickle" was not given."""
    with listen(f"unix://{tmp_path}/it") as listener:
        with connect(listener.address, codec="pickle") as client:
            client.send(Bomb())
            with listener.accept(timeout=60) as server, pytest.raises(DecodeError, match="pickle"):
                server.receive(timeout=60)


def test_pickle_over_tcp_needs_a_token():
    """Where any user could connect, codec="pickle" without a token is refused."""
    for use in (listen, connect):
        with pytest.raises(ValueError, match="pickle"):
            use("tcp://127.0.0.1:0", codec="pickle")


def test_too_large_is_refused_by_the_sender(address):
    """A message above what the other end takes is TooLarge for who sends, and nothing is sent."""
    with listen(address, max_message=1000) as listener:
        with connect(listener.address) as client, listener.accept(timeout=60) as server:
            server.send("so that the client knows")
            client.receive(timeout=60)
            with pytest.raises(TooLarge, match="1000"):
                client.send(b"x" * 1001)
            client.send(b"x" * 1000)
            assert server.receive(timeout=60) == b"x" * 1000
            assert client.link.max_message == 1000


def test_too_large_is_refused_by_the_receiver(address):
    """A message above the receiver's cap is TooLarge there, and the end of the connection."""
    with listen(address, max_message=1000) as listener:
        with connect(listener.address) as client, listener.accept(timeout=60) as server:
            client.send(b"x" * 1001)  # it has not heard of the cap yet
            with pytest.raises(TooLarge, match="1001"):
                server.receive(timeout=60)
            with pytest.raises(Ended):
                server.receive(timeout=60)


# ---- waiting


def test_nothing_in_time_is_empty(pair):
    """Receiving with a timeout raises Empty, and takes nothing away."""
    one, other = pair()
    for timeout in (0, 0.01):
        with pytest.raises(Empty):
            other.receive(timeout=timeout)
    assert other.try_receive("none") == "none"
    one.send(1)
    assert other.receive(timeout=60) == 1


def test_a_full_connection_is_full_and_stays_whole(pair):
    """Small messages are sent until Full; each that was taken arrives once, no other."""
    one, other = pair()
    count = 0
    while one.try_send(count):
        count += 1
    with pytest.raises(Full):
        one.send("never", timeout=0.01)
    assert [other.receive(timeout=60) for _ in range(count - bool(one.pending))] == list(
        range(count - bool(one.pending))
    )
    one.flush(timeout=60)
    one.send("last")
    rest = other.receive_many(10, timeout=60)
    while rest[-1] != "last":
        rest += other.receive_many(10, timeout=60)
    assert rest in (["last"], [count - 1, "last"])


def test_a_message_that_began_goes_on_later(pair):
    """A large message that a timeout cuts counts as sent, and its rest goes with the next call."""
    one, other = pair()
    large = bytearray(os.urandom(20 * MIB))
    copy = bytes(large)
    one.send(large, timeout=0.05)
    assert one.pending
    large[:] = bytes(len(large))  # the buffer is the caller's again
    with pytest.raises(Full):
        one.send("next", timeout=0)
    with pytest.raises(Empty):
        other.receive(timeout=0)
    answer = []
    waiting = beside(lambda: answer.append(one.receive(timeout=60)))
    assert other.receive(timeout=60) == copy  # receiving sends the rest, too
    other.send("thanks")
    waiting.join()
    assert answer == ["thanks"]
    one.send("next")
    assert other.receive(timeout=60) == "next"


def interrupted_sender(address):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    connection = connect(address)
    while True:
        try:
            point("sending")
            connection.send(b"a" * 5 * MIB)
        except KeyboardInterrupt:
            break
    point("interrupted", wait=True)
    connection.send("after")
    point("done", wait=True)


def test_an_interrupted_sender_leaves_the_stream_whole(address):
    """Ctrl-C in the middle of a large message: what follows is that message's rest, then more."""
    with listen(address) as listener, Process(interrupted_sender, listener.address) as sender:
        with listener.accept(timeout=60) as server:
            sender.reach("sending")
            until(sender.asleep, "it waits for room")
            sender.interrupt()
            sender.reach("interrupted")
            sender.go_on()
            assert server.receive(timeout=60) == b"a" * 5 * MIB
            assert server.receive(timeout=60) == "after"


class Interruption:
    """What Ctrl-C does, where it is wanted."""

    def __init__(self):
        self.armed = False
        self.count = 0
        signal.signal(signal.SIGINT, self)

    def __call__(self, number, frame):
        if self.armed:
            self.armed = False
            self.count += 1
            raise KeyboardInterrupt


def receive_to_the_end(connection, received):
    while not received or received[-1] != "end":
        received.append(connection.receive())


def interrupted_receiver(address):
    interruption = Interruption()
    received = []
    with connect(address) as connection:
        connection.send("here")
        while not received or received[-1] != "end":
            try:
                interruption.armed = True
                # A function: in Python 3.13 the end of a loop in here is not within the `try`.
                receive_to_the_end(connection, received)
                interruption.armed = False
            except KeyboardInterrupt:
                pass
    return interruption.count, received


def test_an_interrupted_receiver_stays_in_step(address):
    """However often Ctrl-C interrupts receiving, every message that is received is a whole one."""
    with listen(address) as listener, Process(interrupted_receiver, listener.address) as receiver:
        stays_in_step(listener, receiver)


def stays_in_step(listener, receiver):
    """Send to a receiver that is interrupted again and again, and see what it received."""
    with listener.accept(timeout=60) as server:
        server.receive(timeout=60)
        assert receiver.alive
        for number in range(300):
            server.send([number] * (number * 20))
            receiver.interrupt()
        # An interruption takes along the message that was just being handed over: not these.
        server.send_many(["end"] * 5)
        count, received = receiver.result()
    assert count > 0
    assert all(not message or message == [message[0]] * len(message) for message in received[:-1])
    numbers = [message[0] for message in received[:-1] if message]
    assert numbers == sorted(set(numbers))
    assert all(len(message) == 20 * message[0] for message in received[:-1] if message)
    assert len(received) + count >= 300


def test_a_selector_sees_messages_that_were_read_ahead(pair):
    """The descriptor is readable as long as there are messages, and at the end."""
    one, other = pair()
    with selectors.DefaultSelector() as selector:
        selector.register(other, selectors.EVENT_READ)
        assert not selector.select(0)
        one.send_many(range(3))
        for number in range(3):
            assert selector.select(60)
            assert other.receive(timeout=0) == number
        assert not selector.select(0)
        one.close()
        assert selector.select(60)
        with pytest.raises(Ended):
            other.receive(timeout=0)
        selector.unregister(other)


def test_receive_many_takes_what_is_there(pair):
    """receive_many waits for one and takes at most so many, leaving the end for the next call."""
    one, other = pair()
    one.send_many(range(5))
    until(end_of(other).ready, "they are there")
    assert other.receive_many(3) == [0, 1, 2]
    one.close()
    assert other.receive_many(100) == [3, 4]
    with pytest.raises(Ended):
        other.receive_many(100)


def test_threads_may_send_and_receive_at_once(pair):
    """One thread sends while another receives, and several senders take turns."""
    one, other = pair()
    senders = [
        beside(lambda name=name: [one.send([name, n]) for n in range(300)]) for name in "abc"
    ]
    echo = beside(lambda: [other.send(other.receive()) for _ in range(900)])
    received = [one.receive(timeout=60) for _ in range(900)]
    for thread in (*senders, echo):
        thread.join()
    for name in "abc":
        assert [n for who, n in received if who == name] == list(range(300))


# ---- the end


def test_closing_ends_the_other_end_after_what_was_sent(pair):
    """All that was sent before close() arrives; then EOFError, and the loop over it ends."""
    one, other = pair()
    one.send_many(range(100))
    one.close()
    one.close()
    assert list(other) == list(range(100))
    with pytest.raises(EOFError) as raised:
        other.receive(timeout=0)
    assert (raised.value.clean, raised.value.received) == (True, 100)


def test_sending_to_a_closed_end_tells_what_was_delivered(pair):
    """BrokenPipeError for who sends, with how many were sent and known to be received."""
    one, other = pair()
    one.send_many(range(10))
    for number in range(4):
        assert other.receive(timeout=60) == number
    other.close()
    with pytest.raises(BrokenPipeError) as raised:
        for _ in range(100_000):
            one.send(b"x")
    error = raised.value
    assert isinstance(error, Disconnected)
    assert error.confirmed == 4
    assert error.sent >= 10


def test_what_was_sent_and_confirmed_is_told_meanwhile(pair):
    """An answer confirms what was received before it; receipts there are none."""
    one, other = pair()
    one.send_many(range(5))
    assert [other.receive(timeout=60) for _ in range(3)] == [0, 1, 2]
    assert (one.sent, one.confirmed) == (5, 0)
    other.send("an answer")
    one.receive(timeout=60)
    assert (one.sent, one.confirmed) == (5, 3)
    with pytest.raises(TypeError, match="receipt"):
        one.send("x", receipt=True)
    one.close()
    assert one.sent == 5


def test_a_closed_end_is_closed(pair):
    """Every use of an end that was closed here is Closed."""
    one, _ = pair()
    one.close()
    assert one.closed
    for use in (one.receive, one.try_receive, lambda: one.send(1), one.fileno, lambda: one.link):
        with pytest.raises(Closed):
            use()


def test_closing_wakes_a_thread_that_receives(pair):
    """A thread that waits for a message on an end that another thread closes gets Closed."""
    one, _ = pair()
    raised = []

    def wait():
        try:
            one.receive()
        except Closed as error:
            raised.append(error)

    thread = beside(wait)
    until(lambda: asleep(thread), "it waits")
    one.close()
    thread.join(60)
    assert raised


def dies_with_connection(address, messages):
    connection = connect(address)
    connection.send_many(messages)
    point("sent", wait=True)


@pytest.mark.parametrize("count", [0, 3])
def test_a_killed_peer_is_the_end_at_once(address, count):
    """When the other process is killed, what it sent arrives, then EOFError, marked unclean."""
    with listen(address) as listener:
        with Process(dies_with_connection, listener.address, list(range(count))) as peer:
            server = listener.accept(timeout=60)
            peer.reach("sent")
            peer.kill()
            received = []
            with pytest.raises(EOFError) as raised:
                for message in server:
                    received.append(message)
            assert received == list(range(count))
            assert not raised.value.clean
            with pytest.raises(BrokenPipeError):
                for _ in range(100):
                    server.send(b"anybody?")
            server.close()


def dies_within_a_message(address):
    connection = connect(address)
    connection.send(1)
    connection.send(b"x" * 30 * MIB)


def test_a_peer_killed_within_a_message_tells_how_much_came(address):
    """A message that was cut off is not received, and the error says how much of it came."""
    with listen(address) as listener, Process(dies_within_a_message, listener.address) as peer:
        with listener.accept(timeout=60) as server:
            assert server.receive(timeout=60) == 1
            until(peer.asleep, "it waits for room")
            peer.kill()
            with pytest.raises(Ended, match=f"cut off after .* of {30 * MIB}"):
                server.receive(timeout=60)


def use_inherited(connection):
    connection.send("from the child")
    connection.close()


def test_a_forked_child_may_take_the_connection_over(address):
    """A server that forks a child for a client: the parent's close leaves the child's end alone."""
    with listen(address) as listener, connect(listener.address) as client:
        server = listener.accept(timeout=60)
        child = os.fork()
        if child == 0:
            try:
                use_inherited(server)
            finally:
                os._exit(0)
        server.close()
        assert client.receive(timeout=60) == "from the child"
        with pytest.raises(Ended) as raised:
            client.receive(timeout=60)
        assert raised.value.clean
        os.waitpid(child, 0)


# ---- what it is


def test_link_says_what_it_is(pair):
    """A connection's Link is a two-way pair link, connected, over streams."""
    one, other = pair()
    for end in (one, other):
        link = end.link
        assert (link.kind, link.carrier) == ("connection", "stream")
        assert (link.direction, link.established) == ("two-way", "connected")
        assert (link.max_processes, link.message_size) == (2, "variable")
        assert "onnection" in repr(end)


def test_peers_are_told(tmp_path):
    """On a Unix socket the system tells which process is there; over TCP, its address."""
    with listen(f"unix://{tmp_path}/it") as listener:
        with connect(listener.address) as client, listener.accept(timeout=60) as server:
            assert client.peer.pid == server.peer.pid == os.getpid()
            assert client.peer_address == listener.address
            assert server.peer_address is None
    with listen("tcp://127.0.0.1:0") as listener:
        with connect(listener.address) as client, listener.accept(timeout=60) as server:
            assert client.peer_address == listener.address
            port = end_of(client).transport.getsockname()[1]
            assert server.peer_address == f"tcp://127.0.0.1:{port}"
            assert server.peer is None


def test_connections_are_not_made_by_hand():
    """A Connection has two ends, so its constructor says who makes them."""
    with pytest.raises(TypeError, match="connect"):
        Connection()


def test_what_speaks_something_else_is_corrupt():
    """A peer that is no liaison is Corrupt, not a message."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        client = connect(f"tcp://127.0.0.1:{other.getsockname()[1]}")
        there, _ = other.accept()
        there.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100))
        with pytest.raises(liaison.Corrupt):
            client.receive(timeout=60)
        there.close()
        client.close()
