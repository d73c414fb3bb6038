"""What messages may be, and what arrives."""

import array
import dataclasses
import datetime
import decimal
import enum
import json
import os
import uuid
from typing import Any

import msgspec
import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liaison import DecodeError, EncodeError, TooLarge
from tests.beside import Beside
from tests.conformance.kinds import on


@dataclasses.dataclass
class Order:
    item: str
    count: int


class Point(msgspec.Struct):
    x: float
    y: float


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize("message", [b"", b"bytes", b"\0" * 8192], ids=len)
@pytest.mark.parametrize("made", [bytes, bytearray, memoryview])
@on("local")
def test_bytes_arrive_as_the_same_bytes(stage, carry, made, message):
    """bytes, bytearray and memoryview arrive as the same bytes."""
    received = carry(*stage.ends(), made(message))
    assert type(received) is bytes
    assert received == message


NOW = datetime.datetime(2026, 11, 21, 12, 30, tzinfo=datetime.UTC)
NUMBER = uuid.UUID(int=4711)
PLAIN = {
    "None": (None, None),
    "bool": (True, True),
    "int": (-(2**63), -(2**63)),
    "large int": (2**64 - 1, 2**64 - 1),
    "float": (0.1, 0.1),
    "str": ("Grüße, 世界", "Grüße, 世界"),
    "datetime": (NOW, NOW),
    "UUID": (NUMBER, str(NUMBER)),
    "Decimal": (decimal.Decimal("1.20"), "1.20"),
    "enum": (Colour.RED, "red"),
    "list": ([1, [2.5, "x"]], [1, [2.5, "x"]]),
    "tuple": ((1, "two"), [1, "two"]),
    "dict": ({"a": {"b": None}}, {"a": {"b": None}}),
    "set": ({7}, [7]),
    "dataclass": (Order("tea", 2), {"item": "tea", "count": 2}),
    "Struct": (Point(1, 2), {"x": 1.0, "y": 2.0}),
}


@pytest.mark.parametrize("what", PLAIN)
@on()
def test_what_can_be_encoded_arrives_as_plain_data(stage, carry, what):
    """Everything else that msgspec can encode arrives as plain Python data."""
    sent, expected = PLAIN[what]
    received = carry(*stage.ends(), sent)
    assert received == expected
    assert type(received) is type(expected)


TYPED = [
    (Order, Order("tea", 2)),
    (Point, Point(1.0, 2.0)),
    (Colour, Colour.BLUE),
    (uuid.UUID, NUMBER),
    (decimal.Decimal, decimal.Decimal("1.20")),
    (datetime.datetime, NOW),
    (tuple[int, str], (1, "two")),
    (set[int], {1, 2}),
    (dict[str, list[Order]], {"orders": [Order("tea", 2)]}),
    (Order | int | None, 7),
    (Any, {"a": [1]}),
]


@pytest.mark.parametrize(("type", "message"), TYPED, ids=lambda value: str(value)[:30])
@on()
def test_with_a_type_it_arrives_as_that_type(stage, carry, type, message):
    """With `type=` a message arrives validated and as that type."""
    received = carry(*stage.ends(type=type), message)
    assert received == message
    assert received.__class__ is message.__class__


@pytest.mark.parametrize("message", ["no number", b"bytes", {"x": 1}, None])
@on()
def test_another_type_is_a_decode_error(stage, beside, carry, message):
    """A message that is not of the receiver's `type=` is a DecodeError with its `.payload`."""
    sender, receiver = stage.ends(type=int)
    sending = beside(sender.send, message, timeout=60)
    with pytest.raises(DecodeError) as raised:
        receiver.receive(timeout=60)
    sending.result()
    assert isinstance(raised.value, ValueError)
    as_bytes = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    assert raised.value.payload == as_bytes
    assert carry(sender, receiver, 5) == 5


@on("lease", "buffered")
def test_an_unreadable_message_stays_under_its_lease(stage):
    """Under a lease a message that cannot be decoded stays, to be read otherwise or released."""
    sender, receiver = stage.ends(type=int)
    sender.send("seven")
    delivery = receiver.lease(timeout=0)
    with pytest.raises(DecodeError):
        _ = delivery.message
    assert msgspec.msgpack.decode(delivery.view) == "seven"
    delivery.release()
    assert len(receiver) == 1


@on("lease", "buffered", "batches")
def test_an_unreadable_message_comes_in_its_turn(stage):
    """receive_many gives those before it; it raises when it is the next, and delivers no other."""
    sender, receiver = stage.ends(type=int)
    sender.send_many([1, 2, "seven", 3], timeout=60)
    assert receiver.receive_many(10, timeout=0) == [1, 2]
    assert len(receiver) == 2
    with pytest.raises(DecodeError):
        receiver.receive_many(10, timeout=0)
    with receiver.lease(timeout=0) as delivery:
        assert (delivery.message, delivery.attempt) == (3, 1)
    assert receiver.statistics().leased == 0


@on("dead letters", "buffered")
def test_an_unreadable_message_goes_to_the_dead_letters(stage):
    """Where there are dead letters, a message that cannot be decoded goes there."""
    sender, receiver = stage.ends(type=int, max_deliveries=3)
    sender.send("seven")
    with pytest.raises(DecodeError):
        receiver.receive(timeout=0)
    with stage.carrier.names["Mailbox"](f"{stage.address}.dead") as dead:
        assert dead.receive(timeout=0) == "seven"
        dead.destroy(force=True)


class Thing:
    """What only pickle can carry."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    __hash__ = None


@on()
def test_pickle_where_the_receiver_asks_for_it(stage, carry):
    """`codec="pickle"` carries any object, where the receiver asks for it."""
    assert carry(*stage.ends(codec="pickle"), Thing(7)) == Thing(7)


class Json:
    """A codec of one's own."""

    def encode(self, message):
        return json.dumps(message).encode()

    def decode(self, payload):
        return json.loads(payload)


@on("local")
def test_a_codec_of_ones_own_encodes_and_decodes(stage, carry):
    """`codec=` takes an object with `encode` and `decode`."""
    assert carry(*stage.ends(codec=Json()), {"a": [1, None]}) == {"a": [1, None]}


class Bomb:
    def __reduce__(self):
        return os.abort, ()


@on("open", "buffered")
def test_no_message_selects_pickle(stage):
    """A pickle is a DecodeError where the receiver did not ask: no header selects it."""
    receiver = stage.make()
    sender = stage.open(codec="pickle")
    sender.send(Bomb())
    with pytest.raises(DecodeError, match="pickle"):
        receiver.receive(timeout=60)


@on("local")
def test_what_cannot_be_encoded_is_an_encode_error(stage, carry):
    """What cannot be made into a message is an EncodeError, a ValueError; nothing is sent."""
    sender, receiver = stage.ends()
    for message in (Thing(1), lambda: None, 2**64):
        with pytest.raises(EncodeError) as raised:
            sender.send(message, timeout=0)
        assert isinstance(raised.value, ValueError)
    assert carry(sender, receiver, "next") == "next"


@pytest.mark.parametrize("dtype", ["u1", "<f8", ">i4", "?", "M8[s]", "U3"])
@on("local")
def test_numpy_arrays_arrive_as_arrays(stage, carry, dtype):
    """NumPy arrays arrive as arrays, of the same type and shape, and of their own."""
    sent = numpy.arange(12).reshape(3, 4).astype(dtype)
    received = carry(*stage.ends(), sent)
    assert (received.dtype, received.shape) == (sent.dtype, sent.shape)
    assert (received == sent).all()
    assert not numpy.shares_memory(received, sent)


@on()
def test_large_arrays_arrive(stage, carry):
    """Also those of a megabyte."""
    sent = numpy.arange(1 << 17, dtype="f8")
    options = {"max_message": 2 << 20} if stage.kind.name == "queue" else {}
    assert (carry(*stage.ends(**options), sent) == sent).all()


@on()
def test_other_buffers_arrive_as_arrays(stage, carry):
    """Other exporters of the buffer protocol travel as a header and their bytes."""
    received = carry(*stage.ends(), array.array("d", [1.0, 2.5]))
    assert isinstance(received, numpy.ndarray)
    assert received.tolist() == [1.0, 2.5]


@on()
def test_arrow_tables_arrive(stage, carry):
    """Arrow tables arrive as tables."""
    arrow = pytest.importorskip("pyarrow", reason="NOT CHECKED: pyarrow is not installed")
    sent = arrow.table({"n": [1, 2], "s": ["a", "b"]})
    assert carry(*stage.ends(), sent).equals(sent)


@on("max_message")
def test_a_message_of_max_message_bytes_fits_and_no_larger(stage, carry):
    """Above `max_message` bytes a message is TooLarge, a ValueError, and takes no room."""
    sender, receiver = stage.ends(max_message=100)
    if stage.kind.shown == "connection":  # what the other end takes is known when it has said so
        receiver.send("what is taken")
        sender.receive(timeout=60)
    for size in (101, 100_000):
        for use in (lambda message: sender.send(message, timeout=0), sender.try_send):
            with pytest.raises(TooLarge) as raised:
                use(b"x" * size)
            assert isinstance(raised.value, ValueError)
    if "loan" in stage.has and "local" in stage.has:
        with pytest.raises(TooLarge):
            sender.loan(101)
    assert carry(sender, receiver, b"x" * 100) == b"x" * 100


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=50).filter(bool).map(lambda value: [value]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=25, suppress_health_check=list(HealthCheck), database=None)
@given(messages=st.lists(values | st.binary(max_size=300), min_size=1, max_size=5))
@on()
def test_any_plain_data_arrives_as_it_was(stage, messages):
    """Any nesting of None, bool, int, float, str, bytes, list and dict arrives as it was sent."""
    sender, receiver = stage.same_ends()
    if "buffered" in stage.has:
        assert sender.send_many(messages) == len(messages)
        assert [receiver.receive(timeout=60) for _ in messages] == messages
        return
    sending = Beside(sender.send_many, messages)
    assert [receiver.receive(timeout=60) for _ in messages] == messages
    assert sending.result() == len(messages)
