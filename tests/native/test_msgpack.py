"""MessagePack that is refused before it is decoded: deep nesting, many items, false sizes."""

import struct

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liaison._native.msgpack import DEEPEST, check
from liaison.codec import Coder, Format
from liaison.errors import DecodeError, EncodeError

MOST = 1 << 22
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=40), inner),
    max_leaves=60,
)


def nested(depth, opening=b"\x91"):
    """Lists, or dicts, within each other to that depth."""
    return opening * depth + b"\xc0"


@given(PLAIN)
def test_what_can_be_sent_is_not_refused(value):
    """All that the encoder makes passes, whatever its types and sizes."""
    check(msgspec.msgpack.encode([value, b"\0" * 70]), MOST)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536])
def test_every_way_to_write_a_size_is_known(size):
    """Lists, dicts, texts and bytes of any size pass, and are refused with a byte less."""
    for value in ([None] * size, dict.fromkeys(range(size)), "x" * size, b"x" * size):
        whole = msgspec.msgpack.encode([value, b"x" * 70])
        check(whole, MOST)
        with pytest.raises(ValueError, match="cut short"):
            check(whole[:-1], MOST)


@pytest.mark.parametrize("code", range(0xC7, 0xCA))
def test_extensions_pass(code):
    """Extensions of any size pass."""
    width = 1 << (code - 0xC7)
    ext = bytes([code]) + (100).to_bytes(width, "big") + b"\x05" + bytes(100)
    check(b"\x91" + ext, MOST)
    for number, size in enumerate((1, 2, 4, 8, 16)):
        check(b"\x92" + bytes([0xD4 + number, 5]) + bytes(size) + b"\xc4\x50" + bytes(80), MOST)


@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xc0", b"\xdc\0\1", b"\xdf\0\0\0\1\xc0"])
def test_nesting_ends_at_64(opening):
    """64 lists or dicts within each other pass, 65 do not, nor a million."""
    check(nested(DEEPEST, opening), MOST)
    for depth in (DEEPEST + 1, 1_000_000):
        with pytest.raises(ValueError, match="nested"):
            check(nested(depth, opening), MOST)


@pytest.mark.parametrize("count", [0xFFFF_FFFF, 1 << 31, 100])
def test_announced_items_have_to_be_there(count):
    """A list or a dict that announces more than the bytes can hold is refused at once."""
    for opening in (b"\xdd", b"\xdf"):
        with pytest.raises(ValueError, match="cut short"):
            check(opening + struct.pack(">I", count) + bytes(99), MOST)


def test_items_are_counted_over_all_containers():
    """The items of all containers count together against the limit."""
    whole = msgspec.msgpack.encode([[[]] * 50, {"a": 1}, b"x" * 70])
    check(whole, 55)
    with pytest.raises(ValueError, match="more than 54 items"):
        check(whole, 54)


def test_what_no_receiver_takes_is_not_sent():
    """A message that is nested too deep, or has too many items, is an EncodeError."""
    coder = Coder()
    deep = None
    for _ in range(65):
        deep = [deep]
    for message, why in ((deep, "nested"), ([None] * (MOST + 1), "items")):
        with pytest.raises(EncodeError, match=why):
            coder.encode(message)
    coder.encode([None] * MOST)


@pytest.mark.parametrize("type", [None, list, dict[str, int]])
def test_a_refused_message_is_a_decode_error_with_its_payload(type):
    """The error has the payload of the refused message, whatever type was expected."""
    for payload in (nested(100), b"\xdd\xff\xff\xff\xff" + bytes(100)):
        with pytest.raises(DecodeError) as raised:
            Coder(type).decode(Format.MSGPACK, payload)
        assert raised.value.payload == payload


def test_the_description_of_an_array_is_checked_too():
    """An array whose description has too many items or levels is refused before it is built."""
    bomb = b"\xdc\xff\xff" + b"\x90" * 0xFFFF
    deep = nested(200)
    for text in (bomb + b"\xc0" * 100, deep):
        payload = len(text).to_bytes(4, "little") + text
        payload += bytes(-len(payload) % 16)
        with pytest.raises(DecodeError) as raised:
            Coder().decode(Format.ARRAY, payload)
        assert raised.value.payload == payload


@settings(max_examples=2000)
@given(st.binary(min_size=65, max_size=400))
@example(nested(70))
@example(b"\xdd\xff\xff\xff\xff" + bytes(70))
def test_any_bytes_are_judged_as_the_decoder_would(data):
    """Of any bytes that the decoder would decode, only what is nested too deep is refused."""
    try:
        check(data, MOST)
        refusal = ""
    except ValueError as error:
        refusal = str(error)
    try:
        msgspec.msgpack.decode(data)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return
    assert not refusal or "nested" in refusal


@settings(max_examples=1000)
@given(PLAIN, st.data())
def test_changed_bytes_are_decoded_or_refused(value, data):
    """A message with bytes changed is decoded or a DecodeError with its payload, nothing else."""
    payload = bytearray(msgspec.msgpack.encode([value, b"x" * 70]))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        Coder().decode(Format.MSGPACK, bytes(payload))
    except DecodeError as error:
        assert error.payload == payload  # noqa: PT017
