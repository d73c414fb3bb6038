"""Frames over a socket: however the bytes are cut, and whatever they are."""

import contextlib
import random
import resource
import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison._native.frames import BYE, HEADER, Frames
from liaison.codec import Coder
from liaison.errors import Corrupt, DecodeError, Empty, Ended, TooLarge
from liaison.testing import Process

MIB = 1 << 20

MESSAGES = st.lists(
    st.one_of(st.binary(max_size=40), st.integers(0, 200_000).map(lambda n: b"\xab" * n)),
    max_size=6,
)
LARGEST = 200_000


def header(kind, size, received=0):
    return struct.pack("<QQ", size | kind << 56, received)


def stream(messages):
    return b"".join(
        header(0, len(payload), number) + payload for number, payload in enumerate(messages)
    )


class Wire:
    """An end of frames, and the bare socket that is its other end."""

    def __init__(self, largest=LARGEST):
        ours, self.bare = socket.socketpair()
        self.frames = Frames()
        coder = Coder()
        self.frames._open("a test", ours, coder, True, ours=largest, theirs=largest)

    def say(self, data, cuts=None, end=False):
        """Write bytes from a thread, `cuts` of them at a time."""

        def run():
            left = memoryview(data)
            with contextlib.suppress(OSError):  # what is refused is not read to its end
                while left:
                    count = next(cuts) if cuts else len(left)
                    self.bare.sendall(left[:count])
                    left = left[count:]
                if end:
                    self.bare.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bare.close()
        self.frames.close()


@given(MESSAGES, st.data())
def test_frames_arrive_however_their_bytes_are_cut(messages, data):
    """Any way to cut the stream gives the same messages, in order, and then the clean end."""
    sizes = data.draw(st.lists(st.one_of(st.integers(1, 40), st.integers(1, LARGEST)), max_size=99))
    cuts = iter(lambda: sizes.pop() if sizes else LARGEST, None)
    timeout = data.draw(st.sampled_from([None, 60]))
    with Wire() as wire:
        thread = wire.say(stream(messages) + header(BYE, 0, 9), cuts)
        assert [wire.frames.receive(timeout=timeout) for _ in messages] == messages
        with pytest.raises(Ended) as raised:
            wire.frames.receive(timeout=timeout)
        thread.join()
        assert (raised.value.clean, raised.value.received) == (True, len(messages))
        assert wire.frames.confirmed == 0  # of what was never sent nothing can be


@pytest.mark.parametrize("size", [101, 1 << 32, (1 << 56) - 1])
def test_a_size_above_the_largest_is_refused_by_the_header_alone(size):
    """A frame that announces too much is TooLarge before memory is taken for it."""
    with Wire(100) as wire:
        wire.say(header(0, size))
        with pytest.raises(TooLarge, match=str(size)):
            wire.frames.receive(timeout=60)


def announces(kind, largest, rooms):
    """Receive headers of many large messages, of which nothing follows, with little memory."""
    wires = [Wire(largest) for _ in range(rooms)]
    before = _mapped()
    resource.setrlimit(resource.RLIMIT_AS, (before + 300 * MIB,) * 2)
    for wire in wires:
        wire.bare.sendall(header(kind, largest) + b"x")
        with pytest.raises(Empty):
            wire.frames.receive(timeout=0)
    return (_mapped() - before) // MIB


def _mapped():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


@pytest.mark.parametrize("kind", [0, 2])
def test_a_header_alone_reserves_little(kind):
    """A hundred headers that announce 64 MiB each take a hundred times 1 MiB of addresses."""
    with Process(announces, kind, 64 * MIB, 100) as process:
        assert process.result() < 200


@pytest.mark.parametrize("kind", [0, 2])
@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 5 * MIB + 7])
def test_a_large_message_grows_as_it_comes(kind, size):
    """Whatever its size, and however it is cut, it is whole in the end, as an array too."""
    payload = random.Random(size).randbytes(size)
    with Wire(8 * MIB) as wire:
        cuts = iter([5, 16, MIB - 3, 1, 2, 2 * MIB] + [MIB // 3] * 99)
        thread = wire.say(header(kind, size) + payload + stream([b"next"]), cuts)
        if kind:
            with pytest.raises(DecodeError) as raised:
                wire.frames.receive(timeout=60)
            assert raised.value.payload == payload
        else:
            assert wire.frames.receive(timeout=60) == payload
        assert wire.frames.receive(timeout=60) == b"next"
        thread.join()


def runs_out_of_memory(size):
    with Wire(size) as wire:
        thread = wire.say(header(0, size) + bytes(size) + stream([b"next"]))
        resource.setrlimit(resource.RLIMIT_AS, (_mapped() + 40 * MIB, resource.RLIM_INFINITY))
        with pytest.raises(MemoryError):
            wire.frames.receive(timeout=60)
        for _ in range(3):
            with pytest.raises(Ended, match="no memory") as raised:
                wire.frames.receive(timeout=60)
            assert not raised.value.clean
        wire.bare.close()
        thread.join()


def test_a_message_for_which_there_is_no_memory_is_the_end_and_says_so():
    """MemoryError in the middle of a message leaves no half of it to be taken for a message."""
    with Process(runs_out_of_memory, 128 * MIB) as process:
        process.result()


@pytest.mark.parametrize(("kind", "size"), [(0x80, 0), (0xFE, 3), (BYE, 1)])
def test_what_is_no_frame_is_corrupt(kind, size):
    """Kinds of frames that do not exist, and a BYE with a payload, are Corrupt."""
    with Wire() as wire:
        wire.say(header(kind, size))
        with pytest.raises(Corrupt):
            wire.frames.receive(timeout=60)


def test_nothing_is_taken_after_the_last_frame():
    """Messages behind a BYE are none: the end stays the end."""
    with Wire() as wire:
        wire.say(header(BYE, 0) + stream([b"more"]))
        for _ in range(3):
            with pytest.raises(Ended):
                wire.frames.receive(timeout=60)


@pytest.mark.parametrize(
    ("cut", "said"), [(HEADER - 1, "0 bytes$"), (HEADER + 2, "2 bytes of 5"), (20_000, "of 90000")]
)
def test_what_is_missing_is_told(cut, said):
    """A cut stream tells how much of its last message is there."""
    data = stream([b"hello" if cut < 100 else b"x" * 90_000])
    with Wire() as wire:
        wire.say(data[:cut], end=True)
        with pytest.raises(Ended, match=f"cut off after .*{said}"):
            wire.frames.receive(timeout=60)


def test_who_knows_nothing_of_a_message_sends_it_as_it_is_drawn():
    """A message goes out as 16 bytes of header and its payload, with what was received so far."""
    with Wire() as wire:
        wire.say(stream([b"one", b"two"]))
        assert wire.frames.receive_many(2, timeout=60)
        wire.frames.send(b"abc")
        assert wire.bare.recv(100)[:8] == header(0, 3)[:8]
        wire.frames.send({"a": 1})
        assert wire.bare.recv(100)[16:] == b"\x81\xa1a\x01"
