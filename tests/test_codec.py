"""The codec: messages become formats and payloads, and payloads are never trusted."""

import array
import ctypes
import datetime
import decimal
import enum
import json
import mmap
import os
import pickle
import sys
import tracemalloc
import uuid
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from liaison.codec import Coder, Format
from liaison.errors import DecodeError, EncodeError
from tests.codec.payloads import described

RAW, MSGPACK, ARRAY, ARROW, PICKLE, CUSTOM = Format
PLAIN = Coder()
AVAILABLE = {name for name in ("numpy", "pyarrow") if find_spec(name)}


class Job(msgspec.Struct):
    id: int
    tags: set[str] = set()


@dataclass
class Point:
    x: float
    y: float


class Colour(enum.Enum):
    RED = "red"


class Opaque:
    def __eq__(self, other):
        return isinstance(other, Opaque)

    __hash__ = None


class Json:
    def encode(self, message):
        return json.dumps(message).encode()

    def decode(self, payload):
        return json.loads(payload)


@pytest.fixture
def numpy():
    return pytest.importorskip("numpy")


@pytest.fixture
def pyarrow():
    return pytest.importorskip("pyarrow")


def message_of(value, coder=PLAIN):
    """The format and the payload, as a carrier would write them."""
    form, head, body = coder.encode(value)
    view = memoryview(body)
    assert type(head) is bytes
    assert (view.format, view.ndim, view.contiguous) == ("B", 1, True)
    assert len(body) == view.nbytes
    return form, head + view.tobytes()


def travel(value, sender=PLAIN, receiver=PLAIN):
    """Send through memory that is only valid during the call, and is overwritten after it."""
    form, payload = message_of(value, sender)
    shared = bytearray(payload)
    with memoryview(shared) as view:
        result = receiver.decode(form, view)
    shared[:] = b"\xff" * len(shared)
    shared.clear()  # a BufferError if the result still held a view of it
    return result


def refuse(form, payload, coder=PLAIN, match=None):
    with pytest.raises(DecodeError, match=match) as caught:
        coder.decode(form, payload)
    assert caught.value.payload == bytes(payload)
    assert caught.value.format == form
    return caught.value


def refuse_cheaply(form, payload, coder, most):
    """Check that the payload is refused, and takes less than so many bytes of memory."""
    tracemalloc.start()
    try:
        refuse(form, payload, coder)
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


# ---- bytes


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("coder", [PLAIN, Coder(codec="pickle"), Coder(codec=Json())])
def test_bytes_arrive_as_the_same_bytes(kind, coder):
    """Bytes, bytearray and memoryview are RAW and arrive as the same bytes, whatever the codec."""
    for content in (b"", b"\x00\xff orders"):
        assert message_of(kind(content), coder) == (RAW, content)
        result = travel(kind(content), coder)
        assert (type(result), result) == (bytes, content)


def test_bytes_are_handed_over_without_a_copy():
    """The body of a bytes-like message is the object's own memory."""
    content = bytearray(b"orders")
    assert PLAIN.encode(content)[2] is content
    assert PLAIN.encode(memoryview(content)[1:])[2].obj is content


@pytest.mark.parametrize(
    "view",
    [
        memoryview(b"abcdef")[::2],
        memoryview(b"abcdef")[::-1],
        memoryview(array.array("i", [1, 2, 3])),
        memoryview(array.array("i", [1, 2, 3]))[::2],
        memoryview(bytes(range(6))).cast("B", (2, 3)),
        memoryview((ctypes.c_int * 3 * 2)()),
        memoryview(array.array("i")),
    ],
)
def test_any_memoryview_arrives_as_its_items_in_order(view):
    """A memoryview that is strided, has items of any size or many dimensions arrives as bytes."""
    assert travel(view) == view.tobytes()


def test_subclasses_of_bytes_are_bytes():
    """An instance of a subclass of bytes is RAW."""
    assert message_of(type("Blob", (bytes,), {})(b"x")) == (RAW, b"x")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_arrive_as_the_type_asked_for(kind):
    """With type= bytes, bytearray or memoryview, bytes arrive as that type."""
    result = travel(b"abc", receiver=Coder(type=kind))
    assert type(result) is kind
    assert bytes(result) == b"abc"


@pytest.mark.parametrize("expected", [bytes | None, int | bytes, Annotated[bytes, "blob"]])
def test_bytes_arrive_where_they_are_one_of_the_types(expected):
    """With a type= that includes bytes, bytes arrive."""
    assert travel(b"abc", receiver=Coder(type=expected)) == b"abc"


@pytest.mark.parametrize("expected", [int, str, Job, list[int], uuid.UUID, dict, bool | None])
def test_bytes_are_refused_where_another_type_is_expected(expected):
    """With a type= without bytes, a RAW message is a DecodeError that carries it."""
    refuse(RAW, b"0123456789abcdef", Coder(type=expected), "expected .* got bytes")


def test_constraints_hold_for_bytes():
    """A constraint on bytes in type= is checked for RAW messages."""
    coder = Coder(type=Annotated[bytes, msgspec.Meta(max_length=2)])
    assert coder.decode(RAW, b"ab") == b"ab"
    refuse(RAW, b"abc", coder, "length <= 2")


# ---- plain data

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(-9, 9), inner),
    max_leaves=20,
).filter(lambda value: not isinstance(value, bytes))


@given(plain)
def test_plain_data_arrives_equal(value):
    """What MessagePack can express arrives equal, of the same types."""
    assert travel(value) == value
    assert repr(travel(value)) == repr(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2), [1, 2]),
        ({7}, [7]),
        (frozenset({7}), [7]),
        (Job(1, {"a"}), {"id": 1, "tags": ["a"]}),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Colour.RED, "red"),
        (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (
            datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
            datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
        ),
    ],
)
def test_richer_types_arrive_plain_or_as_themselves(value, expected):
    """Without type= a richer type arrives as plain data, and with it as itself."""
    assert travel(value) == expected
    assert travel(value, receiver=Coder(type=type(value))) == value


@pytest.mark.parametrize("anything", [None, Any, object])
def test_no_type_takes_what_comes(anything):
    """The type None, Any or object takes whatever comes."""
    coder = Coder(type=anything)
    assert travel([1, "a"], receiver=coder) == [1, "a"]
    assert travel(b"raw", receiver=coder) == b"raw"


def test_messages_are_validated():
    """A message that is not of type= is a DecodeError that says where."""
    form, payload = message_of({"id": "one"})
    refuse(form, payload, Coder(type=Job), r"Expected `int`, got `str` - at `\$\.id`")


@pytest.mark.parametrize("expected", [5, "int", 1.5, {1}])
def test_what_cannot_be_a_type_is_refused_at_once(expected):
    """A type= that is no type is a TypeError when the coder is made."""
    with pytest.raises(TypeError, match="type="):
        Coder(type=expected)


def cyclic():
    value = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        object(),
        Opaque(),
        1j,
        2**64,
        -(2**63) - 1,
        "\ud800",
        range(3),
        len,
        int,
        (n for n in ()),
        [object()],
        {"a": object()},
        cyclic(),
        {1: object()},
    ],
)
def test_what_cannot_be_encoded_is_an_encode_error(value):
    """An object that cannot be a message is an EncodeError that says what to do instead."""
    with pytest.raises(EncodeError, match=r'codec="pickle"') as caught:
        PLAIN.encode(value)
    assert f"cannot send this {type(value).__qualname__}: " in str(caught.value)
    assert "Struct" in str(caught.value)


def test_released_memoryview_is_an_encode_error():
    """A memoryview that was released cannot be sent."""
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(EncodeError, match="released"):
        PLAIN.encode(view)


def test_a_program_that_makes_classes_does_not_fill_memory():
    """A coder remembers a bounded number of classes."""
    coder = Coder()
    for number in range(3000):
        coder.encode(type(f"Made{number}", (dict,), {})())
    assert len(coder._writers) <= 1001


# ---- pickle and other codecs


def test_pickle_carries_any_object_where_both_ends_ask_for_it():
    """With codec="pickle" at both ends, any object arrives."""
    coder = Coder(codec="pickle")
    assert message_of(Opaque(), coder)[0] == PICKLE
    for value in (Opaque(), 1j, {1, 2}, (1, 2), None, 2**100):
        assert travel(value, coder, coder) == value


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("coder", [PLAIN, Coder(type=Opaque), Coder(codec=Json())])
def test_pickle_is_never_loaded_unless_the_receiver_asked(coder, tmp_path, monkeypatch):
    """A PICKLE message is a DecodeError, not loaded, unless this receiver has codec="pickle"."""
    monkeypatch.chdir(tmp_path)
    payload = pickle.dumps(Bomb())
    error = refuse(PICKLE, payload, coder, 'codec="pickle"')
    assert "trust" in str(error)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("form", [RAW, MSGPACK, ARRAY, ARROW, CUSTOM, 6])
def test_pickle_is_not_loaded_from_another_format(form, tmp_path, monkeypatch):
    """Even with codec="pickle", only a message of format PICKLE is loaded."""
    monkeypatch.chdir(tmp_path)
    payload = pickle.dumps(Bomb())
    coder = Coder(codec="pickle")
    if form == RAW:
        assert coder.decode(form, payload) == payload
    else:
        refuse(form, payload, coder)
    assert not (tmp_path / "exploded").exists()


def test_receiver_with_pickle_reads_other_messages_too():
    """A receiver with codec="pickle" reads messages whose sender had no codec."""
    assert travel([1], PLAIN, Coder(codec="pickle")) == [1]


def test_pickled_object_is_checked_to_be_of_the_type():
    """With a type= and codec="pickle", an object of another class is a DecodeError."""
    coder = Coder(type=Opaque, codec="pickle")
    assert travel(Opaque(), coder, coder) == Opaque()
    refuse(*message_of({1}, coder), coder, "expected Opaque, got set")


def test_what_cannot_be_pickled_is_an_encode_error():
    """An object that pickle refuses is an EncodeError."""
    with pytest.raises(EncodeError, match="the codec of this link"):
        Coder(codec="pickle").encode(lambda: 0)


def test_own_codec_encodes_all_but_bytes():
    """A codec object encodes and decodes everything that is not bytes."""
    coder = Coder(codec=Json())
    assert message_of({"a": 1}, coder) == (CUSTOM, b'{"a": 1}')
    assert travel({"a": 1}, coder, coder) == {"a": 1}


def test_a_module_can_be_a_codec():
    """A module with encode and decode functions is a codec."""
    coder = Coder(codec=msgspec.json)
    assert travel({"a": [1]}, coder, coder) == {"a": [1]}


def test_what_a_codec_raises_becomes_our_error():
    """An exception of a codec is EncodeError or DecodeError, with the exception as its cause."""
    coder = Coder(codec=Json())
    with pytest.raises(EncodeError) as caught:
        coder.encode(object())
    assert isinstance(caught.value.__cause__, TypeError)
    assert isinstance(refuse(CUSTOM, b"{", coder).__cause__, json.JSONDecodeError)


def test_codec_must_return_bytes():
    """A codec that returns no buffer is an EncodeError."""

    class Wrong:
        encode = decode = str

    with pytest.raises(EncodeError):
        Coder(codec=Wrong()).encode(1)


def test_custom_message_needs_the_codec():
    """A CUSTOM message is a DecodeError for a receiver without a codec."""
    refuse(CUSTOM, b"{}", PLAIN, "codec=")
    refuse(CUSTOM, b"{}", Coder(codec="pickle"), "codec=")


@pytest.mark.parametrize(
    ("codec", "kind"),
    [
        ("json", ValueError),
        ("", ValueError),
        ("Pickle", ValueError),
        (5, TypeError),
        (pickle, TypeError),
    ],
)
def test_other_codecs_are_refused(codec, kind):
    """A codec other than None, "pickle" or an object with encode and decode is refused."""
    with pytest.raises(kind, match='codec= is None, "pickle" or an object'):
        Coder(codec=codec)


# ---- arrays, without NumPy


@pytest.mark.parametrize("letter", "bBhHiIlLqQfd")
def test_arrays_of_the_standard_library_arrive_without_numpy(letter, monkeypatch):
    """Where NumPy is missing, an array.array arrives as a memoryview of the same items."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    value = array.array(letter, [1, 2, 3])
    result = travel(value)
    assert type(result) is memoryview
    assert (result.tolist(), result.itemsize) == ([1, 2, 3], value.itemsize)
    assert not result.readonly
    assert travel(array.array(letter)).tolist() == []


def test_ctypes_arrays_keep_their_shape_without_numpy(monkeypatch):
    """Where NumPy is missing, an array of several dimensions arrives with its shape."""
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert travel((ctypes.c_int * 2 * 3)()).tolist() == [[0, 0]] * 3
    assert travel(ctypes.c_double(1.5)).tolist() == 1.5


def test_what_needs_numpy_says_so(monkeypatch, numpy):
    """Where NumPy is missing, what only NumPy can send or read is an error that says so."""
    messages = [
        message_of(value)
        for value in (
            numpy.arange(6).reshape(2, 3).T,
            numpy.arange(3, dtype=">i4"),
            numpy.zeros(2, "i4,f8"),
            numpy.array(["2024"], "M8[s]"),
            numpy.zeros((0, 3)),
        )
    ]
    monkeypatch.setitem(sys.modules, "numpy", None)
    for form, payload in messages:
        refuse(form, payload, match="NumPy is needed")
    with pytest.raises(EncodeError, match="NumPy is needed"):
        PLAIN.encode((ctypes.c_wchar * 2)())
    assert travel(b"", PLAIN) == b""


def test_scalar_arrives_without_numpy(monkeypatch, numpy):
    """Where NumPy is missing, a NumPy scalar arrives as a Python number."""
    form, payload = message_of(numpy.float32(0.5))
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert PLAIN.decode(form, payload) == 0.5
    assert Coder(type=float).decode(form, payload) == 0.5
    refuse(form, payload, Coder(type=int), "Expected `int`")


def test_memoryview_can_be_asked_for():
    """With type=memoryview an array arrives as a memoryview, with NumPy or without."""
    result = travel(array.array("i", [1, 2]), receiver=Coder(type=memoryview))
    assert type(result) is memoryview
    assert result.tolist() == [1, 2]


# ---- arrays, with NumPy


def same(one, other):
    return (
        type(one) is type(other)
        and one.dtype == other.dtype
        and one.shape == other.shape
        and one.tobytes() == other.tobytes()
    )


def numpy_values():
    numpy = pytest.importorskip("numpy")
    base = numpy.arange(24, dtype="<i4")
    padded = numpy.dtype(
        {"names": ["a", "b"], "formats": ["<i2", "<f8"], "offsets": [2, 8], "itemsize": 24}
    )
    overlapping = numpy.dtype({"names": ["a", "b"], "formats": ["<i4", "<i2"], "offsets": [0, 2]})
    nested = numpy.dtype([("p", [("x", "<f4"), ("y", ">f8")], (2, 2)), ("t", "M8[25us]")])
    return {
        "one dimension": base,
        "C order": base.reshape(2, 3, 4),
        "Fortran order": base.reshape(2, 3, 4).T,
        "neither order": base.reshape(2, 3, 4).transpose(1, 0, 2),
        "strided": base[::2],
        "reversed": base[::-1],
        "broadcast": numpy.broadcast_to(base[:3], (4, 3)),
        "read-only": numpy.frombuffer(bytes(8), "<i4"),
        "misaligned": numpy.frombuffer(bytes(range(9)), "<i4", offset=1),
        "no dimension": numpy.array(5.0),
        "empty": numpy.empty((0,)),
        "empty in one of three": numpy.empty((2, 0, 3), "<i2"),
        "big-endian": base.astype(">i4"),
        "bool": numpy.array([True, False]),
        "half": numpy.array([1.5], "f2"),
        "long double": numpy.array([1.5], "g"),
        "complex": numpy.array([1j]),
        "text": numpy.array(["a", "é" * 5]),
        "byte strings": numpy.array([b"a", b"bc"]),
        "bare bytes": numpy.zeros(2, "V5"),
        "times": numpy.array(["2024-01-01", "NaT"], "M8[ns]"),
        "durations": numpy.array([1, 2], "m8[3h]"),
        "records": numpy.zeros(2, "i4,f8"),
        "titled records": numpy.zeros(2, [(("title", "a"), "i4"), ("b", "i4")]),
        "aligned records": numpy.zeros(2, numpy.dtype("i1,f8", align=True)),
        "padded records": numpy.frombuffer(bytes(range(48)), padded),
        "overlapping records": numpy.frombuffer(bytes(range(8)), overlapping),
        "nested records": numpy.zeros(2, nested),
        "one record, no dimension": numpy.zeros((), "i4,f8"),
    }


@pytest.mark.parametrize("name", numpy_values() if "numpy" in AVAILABLE else [])
def test_arrays_arrive_the_same(name):
    """An array arrives with its dtype, its shape and its bytes, whatever its layout."""
    value = numpy_values()[name]
    result = travel(value)
    assert same(result, value)
    assert result.flags.writeable
    assert result.flags.owndata
    assert result.flags.aligned
    if name == "Fortran order":
        assert result.flags.f_contiguous


def test_items_start_at_a_multiple_of_16():
    """In the payload of an array the items start at a multiple of 16 bytes."""
    for value in numpy_values().values():
        assert len(PLAIN.encode(value)[1]) % 16 == 0
    assert len(PLAIN.encode(array.array("d", [1.0]))[1]) % 16 == 0


def test_contiguous_arrays_are_handed_over_without_a_copy(numpy):
    """The body of a message from a contiguous array is the array's own memory."""
    for value in (numpy.zeros(4), numpy.zeros((2, 3)).T, numpy.zeros(2, "M8[s]")):
        body = numpy.frombuffer(PLAIN.encode(value)[2], "u1")
        assert numpy.shares_memory(body, value)


@pytest.mark.parametrize(
    "make",
    [
        lambda numpy: numpy.float64(1.5),
        lambda numpy: numpy.int8(-3),
        lambda numpy: numpy.bool_(True),
        lambda numpy: numpy.complex64(1j),
        lambda numpy: numpy.datetime64("2024-01-01", "ns"),
        lambda numpy: numpy.zeros(1, "i4,f8")[0],
    ],
)
def test_scalars_arrive_as_scalars(make, numpy):
    """A NumPy scalar arrives as a scalar of the same type, not as an array."""
    value = make(numpy)
    assert same(travel(value), value)


def test_long_doubles_keep_their_digits(numpy):
    """A numpy.longdouble arrives with all its digits."""
    assert travel(numpy.longdouble("1.1")) == numpy.longdouble("1.1") != 1.1


def test_numpy_text_and_bytes_are_text_and_bytes(numpy):
    """A numpy.str_ arrives as a str and a numpy.bytes_ as bytes."""
    assert type(travel(numpy.str_("é"))) is str
    assert travel(numpy.str_("")) == ""
    assert travel(numpy.bytes_(b"x")) == b"x"


def test_scalars_become_the_type_asked_for(numpy):
    """A NumPy scalar where type= is a Python number is validated and converted."""
    assert travel(numpy.int64(3), receiver=Coder(type=int)) == 3
    assert type(travel(numpy.float32(0.5), receiver=Coder(type=float | None))) is float
    assert type(travel(numpy.float64(0.5), receiver=Coder(type=float))) is float
    assert type(travel(numpy.float64(0.5), receiver=Coder(type=numpy.float64))) is numpy.float64
    refuse(*message_of(numpy.float64(0.5)), Coder(type=int), "Expected `int`")
    refuse(*message_of(numpy.float64(0.5)), Coder(type=numpy.int8), "expected int8, got float64")
    refuse(*message_of(numpy.float64(0.5)), Coder(type=numpy.ndarray), "got `float`")
    positive = Coder(type=Annotated[float, msgspec.Meta(gt=0)])
    refuse(*message_of(numpy.float64(-0.5)), positive, "> 0")


def test_numbers_of_numpy_inside_plain_data_are_numbers(numpy):
    """NumPy numbers inside plain data arrive as Python's."""
    value = {"loss": numpy.float64(0.5), "n": [numpy.int8(3)], "ok": numpy.bool_(True)}
    assert repr(travel(value)) == repr({"loss": 0.5, "n": [3], "ok": True})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda numpy: numpy.array([object()]), "Python objects"),
        (lambda numpy: numpy.zeros(2, [("a", "O")]), "Python objects"),
        (lambda numpy: numpy.ma.array([1], mask=[True]), "mask would be lost"),
        (lambda numpy: numpy.zeros(2, "V0"), "no message can hold"),
        (lambda numpy: [numpy.zeros(2)], "send it alone"),
        (lambda numpy: [numpy.datetime64("2024-01-01")], "not supported"),
        (lambda numpy: [numpy.longdouble(1)], "not supported"),
        (lambda numpy: (ctypes.py_object * 2)(1, 2), "pointers"),
        (lambda numpy: (ctypes.c_void_p * 2)(), "pointers"),
        (lambda numpy: ctypes.pointer(ctypes.c_int(1)), "pointers"),
    ],
)
def test_arrays_that_would_lose_something_are_refused(make, reason, numpy):
    """An array whose items or mask cannot travel is an EncodeError that says why."""
    value = make(numpy)
    with pytest.raises(EncodeError, match=reason):
        PLAIN.encode(value)


def test_other_buffers_arrive_as_arrays(numpy):
    """An array.array, a ctypes array or structure and an mmap arrive as NumPy arrays."""

    class Pair(ctypes.Structure):
        _fields_ = (("P", ctypes.c_int), ("b", ctypes.c_double))

    class Either(ctypes.Union):
        _fields_ = (("a", ctypes.c_int), ("b", ctypes.c_double))

    pairs = travel((Pair * 2)((1, 2.0)))
    assert pairs.tolist() == [(1, 2.0), (0, 0.0)]
    assert pairs.dtype == numpy.dtype(Pair)
    assert travel(Either(b=1.0))["b"] == 1.0
    for value in (
        array.array("d", [1, 2]),
        array.array("q"),
        (ctypes.c_short * 3 * 2)(),
        (ctypes.c_int.__ctype_be__ * 2)(1, 2),
        mmap.mmap(-1, 4096),
    ):
        assert same(travel(value), numpy.array(memoryview(value)))


def test_dlpack_exporters_arrive_as_arrays(numpy):
    """An object that exports DLPack arrives as an array."""

    class Tensor:
        array = numpy.arange(6.0).reshape(2, 3)

        def __dlpack__(self, **options):
            return self.array.__dlpack__(**options)

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    class OnAnotherDevice(Tensor):
        def __dlpack__(self, **options):
            raise BufferError("unsupported device")

    assert same(travel(Tensor()), Tensor.array)
    with pytest.raises(EncodeError, match=r"unsupported device .* host memory"):
        PLAIN.encode(OnAnotherDevice())


def test_the_type_of_arrays_can_be_asked_for(numpy):
    """With type= an array, of any dtype or of one, other messages are a DecodeError."""
    typing = pytest.importorskip("numpy.typing")
    floats = numpy.zeros(2)
    for expected in (numpy.ndarray, typing.NDArray, typing.NDArray[numpy.float64]):
        coder = Coder(type=expected)
        assert same(travel(floats, receiver=coder), floats)
        refuse(*message_of([1]), coder, "ndarray")
        refuse(*message_of(b"x"), coder, "ndarray")
    refuse(*message_of(numpy.zeros(2, "i4")), Coder(type=typing.NDArray[numpy.float64]), "int32")
    refuse(*message_of(floats), Coder(type=list[float]), "got ndarray")


if "numpy" in AVAILABLE:
    from hypothesis.extra import numpy as arrays_of

    @given(
        arrays_of.arrays(
            arrays_of.scalar_dtypes() | arrays_of.array_dtypes(arrays_of.scalar_dtypes()),
            arrays_of.array_shapes(min_dims=0, min_side=0, max_side=3),
        ).filter(lambda value: value.dtype.itemsize)
    )
    @settings(suppress_health_check=[HealthCheck.too_slow])
    def test_any_array_arrives_the_same(value):
        """Any array that NumPy can make of plain items arrives the same, also transposed."""
        for one in (value, value.T, value[..., ::-1] if value.ndim else value):
            assert same(travel(one), one)


# ---- tables


def test_tables_arrive_as_tables(pyarrow):
    """An Arrow table or record batch arrives as an equal table."""
    table = pyarrow.table(
        {
            "n": [1, None],
            "s": ["a", "bc"],
            "l": [[1], []],
            "d": pyarrow.array(["x", "x"]).dictionary_encode(),
        }
    )
    assert message_of(table)[0] == ARROW
    assert travel(table).equals(table)
    assert travel(table.to_batches()[0]).equals(table)
    assert travel(table.to_reader()).equals(table)
    assert travel(table.slice(1)).equals(table.slice(1))
    assert travel(table, receiver=Coder(type=pyarrow.Table)).equals(table)
    refuse(*message_of(table), Coder(type=dict), "got Table")


def test_tables_need_pyarrow(monkeypatch, pyarrow):
    """Where pyarrow is missing, sending or receiving a table is an error that says so."""
    table = pyarrow.table({"n": [1]})
    form, payload = message_of(table)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    refuse(form, payload, match="pyarrow 15 or later is needed")
    with pytest.raises(EncodeError, match="pyarrow 15 or later is needed"):
        Coder().encode(table)


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("dictionary", [False, True])
def test_compressed_tables_are_refused(compression, dictionary, pyarrow):
    """A compressed Arrow stream, whose buffers state their own size, is a DecodeError."""
    column = pyarrow.array(["a" * 100_000])
    table = pyarrow.table({"s": column.dictionary_encode() if dictionary else column})
    sink = pyarrow.BufferOutputStream()
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with pyarrow.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    refuse(ARROW, sink.getvalue().to_pybytes(), match="compressed")


# ---- false descriptions


false = pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x01",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x80" + b"\x00" * 28,
        b"\x05\x00\x00\x00",
        bytes(16),
        described(None),
        described([]),
        described(["<i4"]),
        described(["<i4", 4], bytes(16)),
        described(["<i4", [-1]], bytes(4)),
        described(["<i4", [2]], bytes(4)),
        described(["<i4", [1]], bytes(8)),
        described(["<i4", [2**61]], bytes(4)),
        described(["<i4", [2**62]]),
        described(["<i4", [2**63]]),
        described(["<i4", [2**32, 2**32]]),
        described(["<i4", [2**31, 2**31, 4]]),
        described(["<i4", [1.5]], bytes(4)),
        described(["<i4", [True]], bytes(4)),
        described(["<i4", [0] * 100]),
        described(["<i4", [2**61] * 64]),
        described(["<i4", [0, 2**61, 2**61]]),
        described(["<i4", [1], 5], bytes(4)),
        described(["<i4", [1], False, True], bytes(4)),
        described(["<i4", [1], False, False, 1], bytes(4)),
        described(["|O", [1]], bytes(8)),
        described(["O", [1]], bytes(8)),
        described(["<O8", [1]], bytes(8)),
        described(["|V0", [1]]),
        described(["|S0", [2**60]]),
        described(["<U0", [2**60]]),
        described(["<U99999999999", [1]]),
        described(["i4,i4", [1]], bytes(8)),
        described(["(2)i4", [1]], bytes(8)),
        described(["float64", [1]], bytes(8)),
        described(["=i4", [1]], bytes(4)),
        described(["<i3", [1]], bytes(3)),
        described(["<i4\n", [1]], bytes(4)),
        described(["<i٤", [1]], bytes(4)),
        described(["", [1]]),
        described(["<", [1]]),
        described(["<M8[0x]", [1]], bytes(8)),
        described(["<M8[9999999999s]", [1]], bytes(8)),
        described(["__import__('os').mkdir('exploded')", [1]], bytes(8)),
        described([[[], 0], [1]]),
        described([[[], 0], [2**60]]),
        described([[[["a", "|O", 0]], 8], [1]], bytes(8)),
        described([[[["a", "<i4", 6]], 8], [1]], bytes(8)),
        described([[[["a", "<i4", 0]], 2], [1]], bytes(2)),
        described([[[["a", "<i4", 2**61]], 8], [1]], bytes(8)),
        described([[[["a", "<i4", -4]], 8], [1]], bytes(8)),
        described([[[["a", "<i4", 0], ["a", "<i4", 4]], 8], [1]], bytes(8)),
        described([[[["a", "<i4", 0, [2**61]]], 8], [1]], bytes(8)),
        described([[[["a", "<i4", 0, [2**30, 2**30]]], 8], [1]], bytes(8)),
        described([[[["a", "<i4", 0]], 2**61], [1]], bytes(8)),
        described([[[["a", [[], 0], 0]] * 2, 8], [1]], bytes(8)),
        described([[[[1, "<i4", 0]], 8], [1]], bytes(8)),
    ],
)


@false
@pytest.mark.parametrize("expected", [None, memoryview])
def test_false_description_is_a_decode_error(payload, expected):
    """A description of the wrong shape, size or dtype is a DecodeError that reserves nothing."""
    refuse_cheaply(ARRAY, payload, Coder(type=expected), 1 << 20)


@pytest.mark.parametrize("depth", [17, 100, 400, 5000, 100_000])
def test_nested_dtypes_have_a_limit(depth):
    """A dtype nested deeper than 16 records is a DecodeError."""
    # [[["a", inner, 0]], 4] around "<i4", written out because encoding recurses too.
    text = b"\x92" + b"\x92\x91\x93\xa1a" * depth + b"\xa3<i4" + b"\x00\x04" * depth + b"\x91\x01"
    head = len(text).to_bytes(4, "little") + text
    payload = head + bytes(-len(head) % 16) + bytes(4)
    refuse(ARRAY, payload)


def test_good_description_is_read(numpy):
    """The descriptions that these tests write are read if they are true."""
    value = PLAIN.decode(ARRAY, described(["<i4", [2]], bytes(8)))
    assert value.tolist() == [0, 0]
    record = [[["a", "<i4", 0], ["b", "|u1", 4, [2]]], 6]
    value = PLAIN.decode(ARRAY, described([record, [1]], bytes(6)))
    assert value.dtype == numpy.dtype([("a", "<i4"), ("b", "u1", (2,))])


# ---- other false payloads


@pytest.mark.parametrize("form", [-1, 6, 255, 2**63, "RAW", None])
def test_unknown_format_is_a_decode_error(form):
    """A format that liaison does not have is a DecodeError that carries the payload."""
    refuse(form, b"abc", match="no such format")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x01\x02",
        b"\xa2\xff\xfe",
        b"\x91" * 100_000,
        b"\x91" * 1_000_000 + b"\xc0",
        b"\x81\xa0" * 100_000,
        b"\xdd\0\0\0\1" * 100_000 + b"\xc0",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\xdd\x00\xff\xff\xff" * 900,
        b"\x81\x81\x01\x01\x01",
    ],
)
@pytest.mark.parametrize("expected", [None, list[Any], dict, Job])
def test_malformed_messagepack_is_a_decode_error(payload, expected):
    """MessagePack that is cut short, nested or claims too much is a DecodeError."""
    refuse_cheaply(MSGPACK, payload, Coder(type=expected), 8 << 20)


def test_what_a_struct_raises_is_a_decode_error():
    """Whatever a struct's own checks raise becomes a DecodeError."""

    class Picky(msgspec.Struct):
        x: int

        def __post_init__(self):
            raise RuntimeError("no")

    refuse(*message_of({"x": 1}), Coder(type=Picky))


@pytest.mark.parametrize(
    ("value", "expected"),
    [([b"abc"], list[memoryview]), ([b"abc"], msgspec.Raw), (msgspec.msgpack.Ext(5, b"abc"), None)],
)
def test_result_never_shares_the_payload(value, expected):
    """Types that refer to the bytes they were read from refer to a copy of the payload."""
    result = travel(value, receiver=Coder(type=expected))
    if expected is not msgspec.Raw:
        result = result.data if expected is None else result[0]
    assert b"abc" in bytes(result)


receivers = st.sampled_from(
    [
        PLAIN,
        Coder(type=int),
        Coder(type=Job),
        Coder(type=list[Job]),
        Coder(type=dict[str, Any]),
        Coder(type=bytes),
        Coder(type=memoryview),
        Coder(codec=Json()),
    ]
)


@given(st.integers(-1, 7), st.binary(max_size=200), receivers)
@example(ARRAY, described(["<U1", [1]], b"\xff" * 4), PLAIN)
def test_random_bytes_decode_or_are_a_decode_error(form, payload, coder):
    """Any bytes under any format give a value or a DecodeError with the payload, nothing else."""
    try:
        coder.decode(form, memoryview(payload))
    except DecodeError as error:
        caught = error
    else:
        return
    assert (caught.format, caught.payload) == (form, payload)


# ---- import


def test_format_numbers_are_fixed():
    """The numbers of the formats are part of the protocol and never change."""
    assert {form.name: int(form) for form in Format} == {
        "RAW": 0,
        "MSGPACK": 1,
        "ARRAY": 2,
        "ARROW": 3,
        "PICKLE": 4,
        "CUSTOM": 5,
    }
