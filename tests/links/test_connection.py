"""Connections: large messages, waiting, interruptions, and how they end."""

import os
import selectors
import signal
import socket

import numpy as np
import pytest

import liaison
from liaison import (
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
from tests.beside import Beside

MIB = 1 << 20


# ---- messages


@pytest.mark.parametrize("order", "CF")
def test_a_large_array_stays_where_it_was_received(pair, order):
    """A large array is not copied again: it lies where the system put it, and can be written."""
    one, other = pair()
    array = np.asarray(np.arange(200_000.0).reshape(2, -1), order=order)
    sender = Beside(one.send, array)
    received = other.receive(timeout=60)
    sender.result()
    assert (received == array).all()
    assert received.flags.fnc == array.flags.fnc
    received[1, 7] = -1.0
    base = received.base
    while isinstance(base, np.ndarray | memoryview):
        base = base.base if isinstance(base, np.ndarray) else base.obj
    assert isinstance(base, bytearray)


def test_messages_keep_their_order_and_their_bounds(pair):
    """A thousand messages of mixed sizes arrive as they were sent, in either direction."""
    messages = [bytes([n % 256]) * (n * 37 % 20_000) for n in range(1000)]
    for one, other in (pair(), reversed(pair())):
        sender = Beside(one.send_many, messages)
        assert [other.receive(timeout=60) for _ in messages] == messages
        sender.result()


class Bomb:
    def __reduce__(self):
        return os.abort, ()


def test_no_pickle_is_loaded_that_the_receiver_did_not_ask_for(tmp_path):
    """A pickle that arrives is a DecodeError unless the receiver was given codec="pickle"."""
    with listen(f"unix://{tmp_path}/it") as listener:
        with connect(listener.address, codec="pickle") as client:
            client.send(Bomb())
            with listener.accept(timeout=60) as server, pytest.raises(DecodeError, match="pickle"):
                server.receive(timeout=60)


def test_pickle_over_tcp_needs_a_token():
    """codec="pickle" is refused without a token at an address that any user can connect to."""
    for use in (listen, connect):
        with pytest.raises(ValueError, match="pickle"):
            use("tcp://127.0.0.1:0", codec="pickle")


def test_too_large_is_refused_by_the_sender(address):
    """A sender that has heard from the other end knows the largest message that it takes."""
    with listen(address, max_message=1000) as listener:
        with connect(listener.address) as client, listener.accept(timeout=60) as server:
            server.send("so that the client knows")
            client.receive(timeout=60)
            assert client.link.max_message == 1000
            with pytest.raises(TooLarge, match="1000"):
                client.send(b"x" * 1001)


def test_too_large_is_refused_by_the_receiver(address):
    """A message above the receiver's limit is TooLarge there, and ends the connection."""
    with listen(address, max_message=1000) as listener:
        with connect(listener.address) as client, listener.accept(timeout=60) as server:
            client.send(b"x" * 1001)  # it does not know the limit yet
            with pytest.raises(TooLarge, match="1001"):
                server.receive(timeout=60)
            with pytest.raises(Ended):
                server.receive(timeout=60)


# ---- waiting


def test_a_full_connection_is_full_and_stays_whole(pair):
    """Small messages are sent until Full; each that was accepted arrives once, no other."""
    one, other = pair()
    count = 0
    while one.try_send(count):
        count += 1
    with pytest.raises(Full):
        one.send("never", timeout=0.01)
    whole = count - bool(one.pending)
    assert [other.receive(timeout=60) for _ in range(whole)] == list(range(whole))
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
    waiting = Beside(one.receive, timeout=60)
    assert other.receive(timeout=60) == copy  # receiving sends the rest, too
    other.send("thanks")
    assert waiting.result() == "thanks"
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
    """After Ctrl-C in the middle of a large message its rest is sent, and then the next message."""
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
    """A handler of Ctrl-C that raises only while it is armed, and counts."""

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
    """Send to a receiver that is interrupted again and again, and check what it received."""
    with listener.accept(timeout=60) as server:
        server.receive(timeout=60)
        assert receiver.alive
        for number in range(300):
            server.send([number] * (number * 20))
            receiver.interrupt()
        # An interruption loses the message that was just being returned: not all of these.
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
    senders = [Beside(one.send_many, [[name, n] for n in range(300)]) for name in "abc"]
    echo = Beside(lambda: [other.send(other.receive()) for _ in range(900)])
    received = [one.receive(timeout=60) for _ in range(900)]
    for thread in (*senders, echo):
        thread.result()
    for name in "abc":
        assert [n for who, n in received if who == name] == list(range(300))


# ---- the end


def test_closing_ends_the_other_end_after_what_was_sent(pair):
    """All that was sent before close() arrives, and then the loop ends; Ended is clean."""
    one, other = pair()
    one.send_many(range(100))
    one.close()
    one.close()
    assert list(other) == list(range(100))
    with pytest.raises(EOFError) as raised:
        other.receive(timeout=0)
    assert (raised.value.clean, raised.value.received) == (True, 100)


def test_sending_to_a_closed_end_tells_what_was_delivered(pair):
    """Disconnected has how many messages were sent, and how many are known to be received."""
    one, other = pair()
    one.send_many(range(10))
    for number in range(4):
        assert other.receive(timeout=60) == number
    other.close()
    with pytest.raises(Disconnected) as raised:
        for _ in range(100_000):
            one.send(b"x")
    assert raised.value.confirmed == 4
    assert raised.value.sent >= 10


def test_an_answer_confirms_what_was_received_before_it(pair):
    """`sent` counts what was sent, `confirmed` what the other end had received by its answer."""
    one, other = pair()
    one.send_many(range(5))
    assert [other.receive(timeout=60) for _ in range(3)] == [0, 1, 2]
    assert (one.sent, one.confirmed) == (5, 0)
    other.send("an answer")
    one.receive(timeout=60)
    assert (one.sent, one.confirmed) == (5, 3)
    one.close()
    assert one.sent == 5


def dies_with_connection(address, messages):
    connection = connect(address)
    connection.send_many(messages)
    point("sent", wait=True)


@pytest.mark.parametrize("count", [0, 3])
def test_a_killed_peer_is_the_end_at_once(address, count):
    """What a killed process sent arrives, then Ended that is not clean; nothing can be sent."""
    with listen(address) as listener:
        with Process(dies_with_connection, listener.address, list(range(count))) as peer:
            server = listener.accept(timeout=60)
            peer.reach("sent")
            peer.kill()
            assert [server.receive(timeout=60) for _ in range(count)] == list(range(count))
            with pytest.raises(Ended) as raised:
                next(server)
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
    """A message that was cut off is not received, and the error states how much of it came."""
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
    """A forked child can use a connection that its parent closes, and end it."""
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


# ---- facts about it


def test_a_connection_is_between_two_processes(pair):
    """A connection's Link is for two processes and messages of any size."""
    for end in pair():
        assert (end.link.max_processes, end.link.message_size) == (2, "variable")
        assert "onnection" in repr(end)


def test_each_end_knows_its_peer(tmp_path):
    """Over a Unix socket each end knows the other's process, over TCP its address."""
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
    """The constructor of Connection refuses, and names connect()."""
    with pytest.raises(TypeError, match="connect"):
        Connection()


def test_what_speaks_something_else_is_corrupt():
    """The bytes of a peer that speaks another protocol are Corrupt, not a message."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        client = connect(f"tcp://127.0.0.1:{other.getsockname()[1]}")
        there, _ = other.accept()
        there.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(100))
        with pytest.raises(liaison.Corrupt):
            client.receive(timeout=60)
        there.close()
        client.close()
