"""Bytes that nobody would send: to the frame reader beside a model of it, and to a live listener.

A sample each time; for as long as you like with LIAISON_FUZZ_SECONDS=600.
"""

import contextlib
import os
import random
import socket
import ssl
import struct
import threading
import time

import pytest

from liaison import Closed, Connection, connect, listen
from liaison._native.frames import BYE, Frames
from liaison._native.records import Records
from liaison.carriers.stream import newcomers
from liaison.carriers.stream.greeting import Greeting
from liaison.carriers.stream.tls import context_for
from liaison.codec import Coder
from liaison.errors import Corrupt, DecodeError, Empty, Ended, LiaisonError, TooLarge
from liaison.testing import until

pytestmark = pytest.mark.fuzz
SECONDS = float(os.environ.get("LIAISON_FUZZ_SECONDS", "0"))
LARGEST = 60_000
TOKEN = b"a token that only friends have, not strangers"


def seeds(least, seconds):
    """Numbers of cases: so many, and more as long as time was asked for."""
    began = time.monotonic()
    seed = 0
    while seed < least or (SECONDS and time.monotonic() < began + SECONDS * seconds):
        yield seed
        seed += 1


# ---- the frame reader, and what it should do


def model(data, largest):
    """What a receiver makes of a stream: its messages, and how it ends."""
    messages, coder = [], Coder()
    while True:
        if len(data) < 16:
            return messages, (Ended, False)
        word, _count = struct.unpack_from("<QQ", data)
        kind, size = word >> 56, word & (1 << 56) - 1
        if kind > 0x7F:
            return messages, (Ended, True) if (kind, size) == (BYE, 0) else (Corrupt, None)
        if size > largest:
            return messages, (TooLarge, None)
        payload, data = data[16 : 16 + size], data[16 + size :]
        if len(payload) < size:
            return messages, (Ended, False)
        try:
            messages.append(coder.decode(kind, payload, False) if kind else payload)
        except DecodeError as error:
            messages.append(("not decoded", bytes(error.payload)))


def frame(payload, kind, count):
    return struct.pack("<QQ", len(payload) | kind << 56, count) + payload


def a_stream(draw):
    """Frames, mostly whole ones, of which some have a header that was changed; or any bytes."""
    if draw.random() < 0.1:
        return draw.randbytes(draw.randrange(300))
    coder = Coder()
    frames = []
    for count in range(draw.randrange(12)):
        size = draw.choice([0, 1, 15, 16, 17, draw.randrange(300), draw.randrange(LARGEST + 3)])
        kind, payload = 0, draw.randbytes(size)
        if draw.random() < 0.3:
            kind, head, body = coder.encode([draw.randrange(1 << 30), "x" * (size % 1000)])
            payload = bytes(head) + bytes(body)
        one = bytearray(frame(payload, kind, count))
        if draw.random() < 0.06:
            one[draw.randrange(16)] ^= 1 << draw.randrange(8)
        if draw.random() < 0.03:
            one[draw.randrange(8)] = draw.randrange(256)
        frames.append(bytes(one))
    if draw.random() < 0.5:
        frames.append(frame(b"", BYE, 0))
    data = b"".join(frames)
    if draw.random() < 0.3:
        data = data[: draw.randrange(len(data) + 1)]
    return data


def cuts_of(draw, data):
    """The same bytes in pieces: a few, or one after each byte at the beginning."""
    if draw.random() < 0.3:
        places = sorted(draw.sample(range(len(data) + 1), min(len(data), 9)))
    elif draw.random() < 0.5:
        places = list(range(min(len(data), 50)))
    else:
        places = []
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


class Reader:
    """Frames that are fed with pieces, and all that they make of them."""

    def __init__(self, draw, seal=None):
        ours, self._bare = socket.socketpair()
        self._bare.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        self._frames = Frames()
        self._frames._open(
            *("a test", ours, Coder(), True), seal=seal, ours=LARGEST, theirs=LARGEST
        )
        self._draw = draw
        self.messages, self.end = [], None

    def read(self, pieces):
        """Feed the pieces, then the end, and receive after each whatever is there."""
        if self._draw.random() < 0.3:
            self._frames.fileno()
        for piece in pieces:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._bare.sendall(piece)
            self._drain()
        with contextlib.suppress(OSError):
            self._bare.shutdown(socket.SHUT_WR)
        self._drain()
        self._bare.close()
        self._frames.close()
        return self.messages, self.end

    def _drain(self):
        nothing = object()
        while self.end is None:
            try:
                how = self._draw.randrange(4)
                if how == 0:
                    self._frames.ready()
                elif how == 1:
                    self.messages += self._many()
                elif (message := self._frames.try_receive(nothing)) is nothing:
                    return
                else:
                    self.messages.append(message)
            except DecodeError as error:
                self.messages.append(("not decoded", bytes(error.payload)))
            except Ended as error:
                self.end = (Ended, error.clean)
            except LiaisonError as error:
                self.end = (type(error), None)

    def _many(self):
        try:
            return self._frames.receive_many(self._draw.randrange(1, 5), timeout=0)
        except Empty:
            return []


def test_the_frame_reader_does_what_its_model_does():
    """Whatever bytes come, in whatever pieces: the same messages, and the same end or error."""
    for seed in seeds(3000, 0.4):
        draw = random.Random(seed)
        data = a_stream(draw)
        expected = model(data, LARGEST)
        assert Reader(draw).read(cuts_of(draw, data)) == expected, seed


def test_short_streams_may_be_cut_at_every_place():
    """Two frames and the end, cut in two at each place, are what they are in one piece."""
    draw = random.Random(0)
    data = frame(b"one", 0, 0) + frame(b"\x93\x01\x02\x03", 1, 1) + frame(b"", BYE, 2)
    for place in range(len(data) + 1):
        assert Reader(draw).read([data[:place], data[place:]]) == model(data, LARGEST), place


def test_records_give_what_was_sealed_or_an_error():
    """Of records that were changed, cut or moved, what comes before is given, and nothing else."""
    for seed in seeds(1000, 0.2):
        draw = random.Random(seed)
        ours, theirs = draw.randbytes(32), draw.randbytes(32)
        sealing, data = Records(ours, theirs), a_stream(draw)
        records = [sealing._wrap(piece) for piece in cuts_of(draw, data) if piece]
        changed = draw.random() < 0.7 and bool(records)
        if changed:
            number, what = draw.randrange(len(records)), draw.randrange(4)
            if what == 0:
                one = bytearray(records[number])
                one[draw.randrange(len(one))] ^= 1 << draw.randrange(8)
                records[number] = bytes(one)
            elif what == 1:
                records.insert(number, records[draw.randrange(len(records))])
            elif what == 2:
                del records[number]
            else:
                records[number] = records[number][: draw.randrange(len(records[number]))]
        raw = b"".join(records)
        messages, end = Reader(draw, Records(theirs, ours)).read(cuts_of(draw, raw))
        expected, clean_end = model(data, LARGEST)
        if changed:
            assert messages == expected[: len(messages)], seed
            assert end in (clean_end, (Corrupt, None), (Ended, False)), seed
            if end == (Ended, True):  # all that counts came before what was changed
                assert messages == expected, seed
        else:
            assert (messages, end) == (expected, clean_end), seed


# ---- strangers before a listener


class Server:
    """A listener that takes whatever comes, and a record of what was raised that is not typed."""

    def __init__(self, address, options):
        self.listener = listen(address, max_message=LARGEST, **options)
        self.wrong = []
        self._connections = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        try:
            while True:
                connection = self.listener.accept()
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                self._connections.append(connection)
                thread.start()
        except Closed:
            pass
        except BaseException as error:
            self.wrong.append(error)

    def _serve(self, connection):
        with connection:
            while True:
                try:
                    connection.send(connection.receive())
                except DecodeError:
                    pass
                except (LiaisonError, EOFError):
                    return
                except BaseException as error:
                    self.wrong.append(error)
                    return

    def close(self):
        self.listener.close()
        for connection in list(self._connections):
            connection.close()
        for thread in self._threads:
            thread.join(60)


class Stranger:
    """A client that goes up to some stage as it should, and then says something else."""

    def __init__(self, draw, address, token, trusted):
        self._draw = draw
        host, _, port = address.partition("://")[2].rpartition(":")
        if host:
            self.socket = socket.create_connection((host, int(port)))
        else:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address.removeprefix("unix://"))
        self.socket.settimeout(5)
        context = context_for(trusted, server=False) if trusted else None
        token = token if draw.random() < 0.5 else (None, TOKEN[::-1])[draw.randrange(2)]
        self._greeting = Greeting(
            *("client",),
            token=token,
            largest=LARGEST,
            context=context,
            hostname="localhost" if context else None,
        )

    def speak(self):
        """Introduce itself, up to some point; then talk nonsense, and go in some way."""
        with contextlib.suppress(OSError, LiaisonError, EOFError, ssl.SSLError):
            for _ in range(self._draw.randrange(6)):
                if outgoing := self._greeting.take():
                    self.socket.sendall(self._spoilt(outgoing, 0.2))
                if self._greeting.done:
                    break
                self._greeting.receive(self.socket.recv(self._greeting.appetite))
            data = self._spoilt(a_stream(self._draw), 0.5)
            if self._greeting.done and self._draw.random() < 0.8:
                self._speak_as_a_friend(data)
            else:
                self.socket.sendall(data)
        how = self._draw.randrange(4)
        if how == 0:
            linger = struct.pack("ii", 1, 0)
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        if how != 1:
            self.socket.close()
        return self.socket  # open, and silent, where it stalls

    def _speak_as_a_friend(self, data):
        seal = self._greeting.seal()
        if isinstance(seal, Records):
            self.socket.sendall(self._spoilt(seal._wrap(data or b"x"), 0.5))
        elif self._greeting.session is not None:
            self._greeting.session.encrypt(data or b"x")
            self.socket.sendall(self._spoilt(self._greeting.session.take(), 0.3))
        else:
            self.socket.sendall(data)

    def _spoilt(self, data, chance):
        if self._draw.random() >= chance or not data:
            return data
        changed = bytearray(data)
        for _ in range(self._draw.randrange(1, 4)):
            changed[self._draw.randrange(len(changed))] = self._draw.randrange(256)
        if self._draw.random() < 0.3:
            return bytes(changed[: self._draw.randrange(len(changed) + 1)])
        if self._draw.random() < 0.2:
            return self._draw.randbytes(self._draw.randrange(6000))
        return bytes(changed)


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kind", ["unix", "tcp", "unix token", "tcp token", "tls", "tls token"])
def test_strangers_who_say_anything_keep_no_friend_out(kind, tmp_path, certificate, monkeypatch):
    """Beside them a friend is served, nothing untyped is raised, and no descriptor is left."""
    monkeypatch.setattr(newcomers, "PAUSE", 0.01)
    monkeypatch.setattr(newcomers, "PATIENCE", 0.5)
    trusted, *own = certificate
    token = TOKEN if "token" in kind else None
    ours, theirs = ({"token": token},) * 2
    if "tls" in kind:
        ours, theirs = {**ours, "tls": tuple(own)}, {**theirs, "tls": trusted}
    address = f"unix://{tmp_path}/it" if "unix" in kind else f"{kind.split()[0]}://127.0.0.1:0"
    before = descriptors()
    server, stalling = Server(address, ours), []
    for seed in seeds(40, 0.4 / 6):
        draw = random.Random(f"{kind} {seed}")
        stranger = Stranger(
            *(draw, server.listener.address, token, trusted if "tls" in kind else None)
        )
        stalling.append(stranger.speak())
        while len(stalling) > 20:
            stalling.pop(0).close()
        if seed % 8 == 7:
            with connect(server.listener.address, timeout=60, **theirs) as friend:
                assert isinstance(friend, Connection)
                friend.send(["served", seed])
                assert friend.receive(timeout=60) == ["served", seed]
    for one in stalling:
        one.close()
    server.close()
    assert server.wrong == []
    until(lambda: descriptors() <= before, "no descriptor is left")
