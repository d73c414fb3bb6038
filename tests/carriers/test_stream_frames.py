"""Frames, without any socket: however the bytes are cut, and whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.carriers.stream.frames import BYE, HEADER, Reader, bye, header
from liaison.errors import Corrupt, TooLarge

MESSAGES = st.lists(
    st.tuples(
        st.integers(0, 0x7F),
        st.one_of(st.binary(max_size=40), st.integers(0, 200_000).map(lambda n: b"\xab" * n)),
    ),
    max_size=6,
)


def stream(messages):
    return b"".join(
        header(kind, len(payload), number) + payload
        for number, (kind, payload) in enumerate(messages)
    )


def fed(reader, data, cuts):
    """The frames of bytes that come as a socket gives them, `cuts` bytes at a time."""
    frames = []
    while data:
        target = reader.target()
        count = min(len(target), len(data), next(cuts))
        target[:count] = data[:count]
        reader.counts.append(count)
        data = data[count:]
        while (frame := reader.next()) is not None:
            frames.append(frame)
    return frames


@given(MESSAGES, st.data())
def test_frames_arrive_however_their_bytes_are_cut(messages, data):
    """Any way to cut the stream gives the same messages, in order, as exact bytes."""
    sizes = st.one_of(st.integers(1, 40), st.integers(1, 200_000))
    cuts = iter(lambda: data.draw(sizes), None)
    reader = Reader(200_000)
    assert fed(reader, stream(messages) + bye(9), cuts) == [*messages, (BYE, b"")]
    assert reader.confirmed == 9
    assert reader.missing is None


@given(st.binary(max_size=300), st.integers(0, 1000))
def test_any_bytes_give_frames_or_a_typed_error(data, largest):
    """Random bytes are messages up to the largest size, Corrupt or TooLarge; nothing else."""
    reader = Reader(largest)
    try:
        frames = fed(reader, data, iter(lambda: 7, None))
    except (Corrupt, TooLarge):
        return
    assert all(len(payload) <= largest for _, payload in frames)


@given(MESSAGES.filter(bool), st.data())
def test_changed_bytes_give_frames_or_a_typed_error(messages, data):
    """A stream with a few bytes changed never does more than be refused."""
    damaged = bytearray(stream(messages))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    reader = Reader(200_000)
    try:
        for _, payload in fed(reader, bytes(damaged), iter(lambda: 5000, None)):
            assert len(payload) <= 200_000
    except (Corrupt, TooLarge):
        pass


@pytest.mark.parametrize("size", [101, 1 << 32, (1 << 56) - 1])
def test_a_size_above_the_largest_is_refused_by_the_header_alone(size):
    """A frame that announces too much is TooLarge before memory is taken for it."""
    reader = Reader(100)
    reader.put(header(0, size, 0))
    with pytest.raises(TooLarge, match=str(size)):
        reader.next()


def test_what_is_no_frame_is_corrupt():
    """Kinds of frames that do not exist, and a BYE with a payload, are Corrupt."""
    for kind, size in ((0x80, 0), (0xFE, 3), (BYE, 1)):
        reader = Reader(100)
        reader.put(header(kind, size, 0))
        with pytest.raises(Corrupt):
            reader.next()


def test_an_interrupted_receiver_loses_nothing():
    """What was appended to the counts is there, even if nothing ran after the append."""
    reader = Reader(1 << 20)
    whole = stream([(0, b"x" * 100_000), (1, b"y")])
    frames = []
    while whole:
        target = reader.target()
        count = min(len(target), len(whole), 30_000)
        target[:count] = whole[:count]
        reader.counts.append(count)
        whole = whole[count:]
        reader.target()  # what runs next, anew, after an interruption
        while (frame := reader.next()) is not None:
            frames.append(frame)
    assert frames == [(0, b"x" * 100_000), (1, b"y")]


def test_a_large_payload_is_received_where_it_stays():
    """The target of the rest of a large message is exactly that rest."""
    reader = Reader(1 << 20)
    reader.put(header(0, 100_000, 0) + b"abc")
    assert reader.next() is None
    assert reader.in_place
    assert len(reader.target()) == 100_000 - 3
    assert reader.missing == (3, 100_000)


def test_what_is_missing_is_told():
    """A cut stream tells how much of its last message is there."""
    reader = Reader(100)
    reader.put(header(0, 5, 0)[: HEADER - 1])
    assert reader.missing == (0, 0)
    reader.put(header(0, 5, 0)[HEADER - 1 :] + b"he")
    assert reader.missing == (2, 5)
