"""Connections with a token and no TLS, and a relay that attacks them after the handshake."""

import contextlib
import os
import pickle
import socket
import struct

import pytest

from liaison import Corrupt, Disconnected, Empty, Ended, connect, listen
from liaison.carriers.stream.handshake import HELLO, PROOF
from tests.beside import Beside

TOKEN = "a secret of both ends, not of those in between"
TAG = 16


def exactly(sock, size):
    data = b""
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, "the other end is gone"
        data += piece
    return data


def dial(address):
    if address.startswith("unix"):
        made = socket.socket(socket.AF_UNIX)
        made.connect(address.removeprefix("unix://"))
        return made
    return socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])))


class Between:
    """A connection whose handshake was relayed, and all that comes after it is not.

    `victims` are the two ends; `wires` are the relay's sockets, one to each of them.
    """

    def __init__(self, address, **options):
        if address.startswith("unix"):
            evil = f"{address}.evil"
            self._server = socket.socket(socket.AF_UNIX)
            self._server.bind(evil.removeprefix("unix://"))
            self._server.listen()
        else:
            self._server = socket.create_server(("127.0.0.1", 0))
            evil = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        with listen(address, token=TOKEN, **options) as listener:
            relaying = Beside(self._relay, listener.address)
            connecting = Beside(connect, evil, token=TOKEN, **options)
            accepted = listener.accept(timeout=60)
            self.victims = connecting.result(), accepted
            relaying.result()

    def _relay(self, address):
        client, _ = self._server.accept()
        server = dial(address)
        self.wires = client, server
        for size in (HELLO, PROOF):
            server.sendall(exactly(client, size))
            client.sendall(exactly(server, size))

    def record(self, wire=0):
        """Read the next record that a victim has sent."""
        length = exactly(self.wires[wire], 4)
        return length + exactly(self.wires[wire], int.from_bytes(length, "little") + TAG)

    def close(self):
        for one in (*self.victims, *self.wires, self._server):
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@pytest.fixture(params=["to the server", "to the client"])
def way(request):
    """The victim that sends and the one that receives, by their places in `victims`."""
    return (0, 1) if request.param == "to the server" else (1, 0)


@pytest.fixture
def between(address):
    with Between(address) as made:
        yield made


def received(end):
    """Receive until there is an error; the messages, and the error."""
    messages = []
    try:
        while True:
            messages.append(end.receive(timeout=60))
    except (Corrupt, EOFError) as error:
        return messages, error


def test_what_is_passed_on_unchanged_arrives(between, way):
    """Records that the relay passes on unchanged carry messages of all sizes, and a clean end."""
    source, target = way
    sent = [b"", b"tea", {"a": [1, 2]}, b"x" * 70_000, b"y" * 300_000]

    def send():
        between.victims[source].send_many(sent)
        between.victims[source].close()

    def pass_on():
        while data := between.wires[source].recv(1 << 16):
            between.wires[target].sendall(data)
        between.wires[target].shutdown(socket.SHUT_WR)

    threads = [Beside(send), Beside(pass_on)]
    messages, error = received(between.victims[target])
    assert (messages, error.clean) == (sent, True)
    for thread in threads:
        thread.result()


class Bomb:
    def __reduce__(self):
        return os.abort, ()


def frame(payload, kind):
    return struct.pack("<QQ", len(payload) | kind << 56, 0) + payload


BOMB = frame(pickle.dumps(Bomb()), 4)
FORGED = {
    "a bare frame": BOMB,
    "a frame in a record without its tag": struct.pack("<I", len(BOMB)) + BOMB + bytes(TAG),
    "an empty record": bytes(4 + TAG),
    "a record above the largest": b"\xff" * 40,
    "a bare end": frame(b"", 0xFF) + bytes(TAG),
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_frames_are_corrupt(address, way, what):
    """Frames of a relay without the token are no messages, and none of its pickles is loaded."""
    with Between(address, codec="pickle") as between:
        between.wires[way[1]].sendall(FORGED[what])
        between.wires[way[1]].shutdown(socket.SHUT_WR)
        messages, error = received(between.victims[way[1]])
        assert not messages
        assert isinstance(error, Corrupt) or not error.clean


ATTACKS = {
    "repeated": lambda one, two, _: one + one + two,
    "in another order": lambda one, two, _: two + one,
    "left out": lambda one, two, _: two,
    "sent back": lambda one, two, back: back + one + two,
    "sent back in turn": lambda one, two, back: one + back + two,
    "cut and joined": lambda one, two, _: one[:-1] + two,
    "tags exchanged": lambda one, two, _: one[:-TAG] + two[-TAG:] + two[:-TAG] + one[-TAG:],
    "joined to one": lambda one, two, _: (
        struct.pack("<I", len(one) + len(two) - 8 - 2 * TAG) + one[4:-TAG] + two[4:]
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_records_count_once_in_their_order_and_direction(between, way, attack):
    """A record that is repeated, moved, left out, sent back or recombined is Corrupt."""
    source, target = way
    between.victims[source].send("one")
    between.victims[source].send("two")
    one, two = between.record(source), between.record(source)
    between.victims[target].send("old")
    back = between.record(target)
    between.wires[target].sendall(ATTACKS[attack](one, two, back))
    messages, error = received(between.victims[target])
    assert messages in ([], ["one"])  # never what it was not sent, or not in its turn
    assert isinstance(error, Corrupt)


def test_records_of_another_connection_are_corrupt(address, way):
    """Each connection has keys of its own, though the token is the same."""
    source, target = way
    with Between(address) as between:
        with Between(f"{address}.2" if "unix" in address else address) as other:
            other.victims[source].send("pay")
            between.wires[target].sendall(other.record(source))
            messages, error = received(between.victims[target])
            assert not messages
            assert isinstance(error, Corrupt)


@pytest.mark.parametrize("place", range(4 + 16 + 4 + TAG))
def test_a_byte_changed_on_the_way_is_never_a_message(tmp_path, place):
    """A record with any byte changed, of its length, header, payload or tag, is no message."""
    with Between(f"unix://{tmp_path}/it") as between:
        between.victims[0].send(b"four")
        record = bytearray(between.record())
        record[place] ^= 1
        between.wires[1].sendall(record)
        between.wires[1].shutdown(socket.SHUT_WR)
        messages, error = received(between.victims[1])
        assert not messages
        assert isinstance(error, Corrupt) or (place < 4 and not error.clean)


ALL = (4 + 16 + 3 + TAG) + 16 + 80_000 + 2 * (4 + TAG)  # bytes of two messages in three records


@pytest.mark.parametrize("cut", [*range(0, 100, 7), 65_600, ALL - 1, ALL, ALL + 20])
def test_a_cut_is_never_the_clean_end(tmp_path, cut):
    """Wherever the relay ends the bytes, the end is not clean, and a cut message is no message."""
    with Between(f"unix://{tmp_path}/it") as between:
        between.victims[0].send_many([b"one", b"x" * 80_000])
        between.victims[0].close()
        raw = b"".join(between.record() for _ in range(4))
        between.wires[1].sendall(raw[:cut])
        between.wires[1].shutdown(socket.SHUT_WR)
        messages, error = received(between.victims[1])
        assert len(messages) == (cut >= 4 + 16 + 3 + TAG) + (cut >= ALL)
        assert isinstance(error, Ended)
        assert not error.clean


def test_the_end_cannot_be_moved_forward(between, way):
    """A closing that is passed on without the message before it is no clean end."""
    source, target = way
    between.victims[source].send("left out")
    between.victims[source].close()
    between.record(source)
    between.wires[target].sendall(between.record(source))
    messages, error = received(between.victims[target])
    assert not messages
    assert isinstance(error, Corrupt)


def test_after_a_forged_record_the_connection_is_over_for_good(between, way):
    """A genuine record after a forged one is not received, and nothing can be sent any more."""
    source, target = way
    between.victims[source].send("true")
    between.wires[target].sendall(struct.pack("<I", 3) + b"lie" + bytes(TAG))
    victim = between.victims[target]
    with pytest.raises(Corrupt):
        victim.receive(timeout=60)
    with contextlib.suppress(ConnectionError):
        between.wires[target].sendall(between.record(source))
    for _ in range(3):
        with pytest.raises(Ended) as raised:
            victim.receive(timeout=60)
        assert not raised.value.clean
    with pytest.raises(Disconnected):
        victim.send("anybody?")


def test_a_large_message_is_received_once_all_of_it_is_authentic(between, way):
    """No byte of a message is received whose last record is forged, though the others are not."""
    source, target = way
    sender = Beside(between.victims[source].send, b"x" * 200_000)
    records = [bytearray(between.record(source)) for _ in range(4)]
    sender.result()
    records[-1][-1] ^= 1
    for record in records[:-1]:
        between.wires[target].sendall(record)
    with pytest.raises(Empty):
        between.victims[target].receive(timeout=0.05)
    between.wires[target].sendall(records[-1])
    messages, error = received(between.victims[target])
    assert not messages
    assert isinstance(error, Corrupt)
