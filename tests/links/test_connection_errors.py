"""Errors on the wire are raised once, by the next call of whatever kind that receives."""

import contextlib
import socket
import struct
import threading

import anyio
import pytest

import liaison
from liaison import Corrupt, DecodeError, Disconnected, Empty, Ended, TooLarge, aio, connect, listen
from liaison._native.link import end_of
from liaison.carriers.stream.handshake import HELLO
from liaison.testing import until
from tests.beside import Beside
from tests.links.test_connection_listener import TOKEN
from tests.links.test_connection_relay import TAG, Between, dial, exactly

LARGEST = 1000


def frame(payload=b"", kind=0, size=None):
    return struct.pack("<QQ", (len(payload) if size is None else size) | kind << 56, 0) + payload


class Bare:
    """A connection of which one end is a bare socket."""

    def __init__(self, tmp_path):
        self._listener = socket.socket(socket.AF_UNIX)
        path = f"{tmp_path}/it"
        self._listener.bind(path)
        self._listener.listen()
        self.victim = connect(f"unix://{path}", max_message=LARGEST)
        self.wire, _ = self._listener.accept()
        hello = exactly(self.wire, HELLO)
        self.wire.sendall(hello[:-1] + bytes([hello[-1] ^ 1]))

    def arrive(self, messages, wrong):
        self.wire.sendall(b"".join(frame(message) for message in messages) + wrong)

    def close(self):
        for one in (self.victim, self.wire, self._listener):
            one.close()


class Relayed:
    """A connection with a token, whose records somebody in between can damage."""

    def __init__(self, tmp_path):
        self._between = Between(f"unix://{tmp_path}/it", max_message=LARGEST)
        self.victim = self._between.victims[1]

    def arrive(self, messages, wrong):
        self._between.victims[0].send_many(messages)
        records = [self._between.record() for _ in messages]
        self._between.wires[1].sendall(b"".join(records) + wrong)

    def close(self):
        self._between.close()


class OverTls:
    """A connection over TLS, whose bytes a relay passes on."""

    def __init__(self, _, certificate):
        trusted, *own = certificate
        self._middle = socket.create_server(("127.0.0.1", 0))
        self._passed = threading.Event()
        address = f"tls://127.0.0.1:{self._middle.getsockname()[1]}"
        with listen("tls://127.0.0.1:0", tls=tuple(own), max_message=LARGEST) as listener:
            Beside(self._relay, listener.address)
            connecting = Beside(connect, address, tls=trusted)
            self.victim = listener.accept(timeout=60)
            self._client = connecting.result()

    def _relay(self, address):
        client, _ = self._middle.accept()
        self.wire = dial(address)
        Beside(self._pass, self.wire, client)
        self._pass(client, self.wire)
        self._passed.set()

    @staticmethod
    def _pass(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)

    def arrive(self, messages, wrong):
        self._client.send_many(messages)
        end_of(self._client).transport.shutdown(socket.SHUT_WR)
        self._passed.wait(60)  # all that it sent has been passed on
        self.wire.sendall(wrong)

    def close(self):
        for one in (self.victim, self._client, self.wire, self._middle):
            one.close()


WRONG = {
    "a message above the cap": (Bare, frame(size=LARGEST + 1), TooLarge),
    "a kind that is none": (Bare, frame(kind=0x80), Corrupt),
    "an end with a payload": (Bare, frame(b"x", kind=0xFF), Corrupt),
    "a forged record": (Relayed, struct.pack("<I", 5) + b"lies!" + bytes(TAG), Corrupt),
    "a record without bytes": (Relayed, bytes(4 + TAG), Corrupt),
    "a damaged TLS record": (OverTls, b"\x17\x03\x03\x00\x40" + bytes(64), Corrupt),
    "no TLS record": (OverTls, b"HTTP/1.1 200 OK\r\n\r\n", Corrupt),
}


@pytest.fixture(params=WRONG)
def wrong(request, tmp_path):
    """Have messages arrive at an end, and an error behind them; that end, and the error."""
    kind, data, error = WRONG[request.param]
    more = (request.getfixturevalue("certificate"),) if kind is OverTls else ()
    made = kind(tmp_path, *more)

    def arrive(messages=(b"one", b"two")):
        made.arrive(list(messages), data)
        return made.victim, error

    yield arrive
    made.close()


def by_receive(end, count):
    return [end.receive(timeout=60) for _ in range(max(count, 1))]


def by_try_receive(end, count):
    return [until(end.try_receive, "it is there") for _ in range(max(count, 1))]


def by_receive_many(end, count):
    messages = []
    while len(messages) < max(count, 1):
        messages += end.receive_many(100, timeout=60)
    return messages


def by_iteration(end, count):
    messages = []
    for message in end:
        messages.append(message)
        if len(messages) == count:
            return messages
    raise AssertionError("the loop came to an end")


def by_wait(end, count):
    messages = []
    while len(messages) < max(count, 1):
        assert liaison.wait([end], timeout=60) == [end]
        messages.append(end.receive(timeout=0))
    return messages


def in_a_task(end, act):
    async def main():
        with anyio.fail_after(60):
            return await act(aio.Connection._around(end))

    return anyio.run(main)


def by_async_for(end, count):
    async def act(connection):
        messages = []
        async for message in connection:
            messages.append(message)
            if len(messages) == count:
                return messages
        raise AssertionError("the loop came to an end")

    return in_a_task(end, act)


def by_async_receive_many(end, count):
    async def act(connection):
        messages = []
        while len(messages) < max(count, 1):
            messages += await connection.receive_many(100)
        return messages

    return in_a_task(end, act)


CALLS = [
    by_receive,
    by_try_receive,
    by_receive_many,
    by_iteration,
    by_wait,
    by_async_for,
    by_async_receive_many,
]


@pytest.mark.parametrize("receive", CALLS)
def test_an_error_is_raised_after_the_messages_before_it(wrong, receive):
    """Two messages are received, then the error is raised, and from then on an unclean end."""
    end, error = wrong()
    assert receive(end, 2) == [b"one", b"two"]
    with pytest.raises(error):
        receive(end, 0)
    for again in CALLS:
        with pytest.raises(Ended) as raised:
            again(end, 0)
        assert not raised.value.clean
    with pytest.raises(Disconnected):
        end.send(b"anybody?")


@pytest.mark.parametrize("receive", CALLS)
def test_an_error_is_raised_by_no_call_but_a_receive(wrong, receive):
    """Asking whether there is something, waiting, and a failed send leave the error for it."""
    end, error = wrong(())
    until(end_of(end).ready, "it is there")
    end.fileno()
    assert liaison.wait([end], timeout=60) == [end]
    with contextlib.suppress(Disconnected):
        for _ in range(100):
            end.send(b"anybody?", timeout=0.1)
    with pytest.raises(error):
        receive(end, 0)


def test_a_batch_before_an_error_is_received_whole(wrong):
    """receive_many returns what came before the error, and raises at the next call."""
    end, error = wrong([b"%d" % number for number in range(50)])
    received = []
    while len(received) < 50:
        received += end.receive_many(7, timeout=60)
    assert received == [b"%d" % number for number in range(50)]
    with pytest.raises(error):
        end.receive_many(7, timeout=60)


@pytest.mark.parametrize("receive", CALLS)
def test_what_cannot_be_decoded_ends_nothing(tmp_path, receive):
    """A message of another type is a DecodeError with its payload; those around it arrive."""
    with listen(f"unix://{tmp_path}/it", type=int, token=TOKEN) as listener:
        connecting = Beside(connect, listener.address, token=TOKEN)
        with listener.accept(timeout=60) as server:
            with connecting.result() as client:
                client.send_many([1, "no", 2])
                client.close()
            assert receive(server, 1) == [1]
            with pytest.raises(DecodeError) as raised:
                receive(server, 0)
            assert raised.value.payload == b"\xa2no"
            assert receive(server, 1) == [2]
            with pytest.raises(Ended) as ended:
                server.receive(timeout=60)
            assert ended.value.clean


def test_a_selector_sees_messages_that_were_read_ahead_of_a_receive(tmp_path, certificate):
    """Over TLS, and with a token, the descriptor is readable as long as there are messages."""
    trusted, *own = certificate
    over_tls = ("tls://127.0.0.1:0", {"tls": tuple(own)}, {"tls": trusted})
    for address, ours, theirs in (over_tls, (f"unix://{tmp_path}/it", *[{"token": TOKEN}] * 2)):
        with listen(address, **ours) as listener:
            connecting = Beside(connect, listener.address, **theirs)
            with listener.accept(timeout=60) as server:
                with connecting.result() as client:
                    server.fileno()
                    client.send_many([b"x" * 15_000] * 4)  # a TLS record each, read at once
                    for _ in range(4):
                        received = None
                        while received is None:  # a record may be there of which a part is missing
                            assert liaison.wait([server], timeout=60) == [server]
                            received = server.try_receive()
                    with pytest.raises(Empty):
                        server.receive(timeout=0)
                    assert liaison.wait([server], timeout=0) == []
