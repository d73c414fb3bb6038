"""Descriptions of arrays are checked number by number before NumPy sees them."""

import ctypes
import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liaison.codec import Coder, Format
from liaison.errors import DecodeError, EncodeError
from tests.codec.payloads import described

numpy = pytest.importorskip("numpy")
ANY = Coder()


def refuse(description, items=b"", match=None):
    payload = described(description, items)
    for coder in (ANY, Coder(type=memoryview)):
        for owned in (False, True):
            with pytest.raises(DecodeError, match=match) as caught:
                coder.decode(Format.ARRAY, bytearray(payload), owned)
            assert caught.value.payload == payload


def travel(value):
    form, head, body = ANY.encode(value)
    return ANY.decode(form, head + bytes(body))


OUTSIDE = (2**31 - 1, 2**31 - 8, 2**31, 2**32 - 8, 2**32, 2**61, 2**62 - 1)


@pytest.mark.parametrize("place", [9, 16, *OUTSIDE])
def test_a_field_lies_inside_its_record(place):
    """A field that ends outside its record is refused, also where a C int would overflow."""
    refuse([[[["a", "<i8", place]], 16], [1]], bytes(16), "outside its record")
    refuse([[[["a", "|V2147483647", place]], 16], [1]], bytes(16), "outside its record")
    within = [[["b", "|S8", place]], 16]
    refuse([[[["a", within, 0]], 16], [1]], bytes(16), "outside its record")


@pytest.mark.parametrize("size", OUTSIDE)
def test_a_record_lies_inside_the_one_that_holds_it(size):
    """A record or its repetition that is larger than the record around it is refused."""
    refuse([[[["x", [[["b", "|S65536", 0]], size], 8]], 16], [1]], bytes(16), "too large|outside")
    refuse([[[["x", "|i1", 8, [size]]], 16], [1]], bytes(16), "outside its record")
    refuse([[[["x", "|i1", 8, [size, size, size]]], 16], [1]], bytes(16), "outside its record")
    refuse([[[["x", "|i1", 8]], size], [1]], bytes(16), "too large|disagrees")


@pytest.mark.parametrize("dtype", ["<f12", "<f3", "<i16", "<c4", "|b2", "<m8[0s]", "|S2147483648"])
def test_sizes_that_a_kind_does_not_have_are_refused(dtype):
    """An item of a size that its kind does not have is refused."""
    refuse([dtype, [1]], bytes(16), "bad dtype|too large|disagrees")


@pytest.mark.parametrize(
    "shape", [[2**31, 0], [2**16 + 1, 0], [2**10, 2**10, 0], [0, 2**16, 2**15], [0, 2**61, 2**61]]
)
def test_arrays_of_nothing_have_few_rows(shape):
    """An array without items has no rows by the million, which would be lists, nor 2**31 items."""
    refuse(["|i1", shape], match="without items")
    value = numpy.empty(shape, "i1") if max(shape) < 2**32 else None
    if value is not None:
        with pytest.raises(EncodeError, match="without items"):
            ANY.encode(value)


def test_arrays_of_nothing_arrive():
    """A batch of no images, and a table of no columns, arrive with their shape."""
    for shape in ((0, 1080, 1920, 3), (65_536, 0), (3, 0, 2**20)):
        assert travel(numpy.empty(shape, "u1")).shape == shape
    refuse(["|V65537", [0]], match="without items")


def test_overlapping_fields_arrive_up_to_a_limit():
    """A union of 64 members arrives; fields that overlap more often are refused at both ends."""

    def union(count):
        fields = [(f"f{i}", ctypes.c_uint64) for i in range(count)]
        return type("Either", (ctypes.Union,), {"_fields_": fields})(7)

    assert travel(union(64))["f63"] == 7
    with pytest.raises(EncodeError, match="overlap"):
        ANY.encode(union(65))
    fields = [[f"f{i}", "|S4096", 0] for i in range(5000)]
    refuse([[fields, 4096], [1]], bytes(4096), "overlap")
    refuse([[[["x", "|V0", 0, [2**31]]], 16], [1]], bytes(16), "overlap")
    refuse([[[["x", "|i1", 0, [2**31, 0]]], 16], [1]], bytes(16), "overlap")


def test_names_are_given_once():
    """Two fields of one name, or a title that is another's name, are refused."""
    for fields in (
        [["a", "|i1", 0], ["a", "|i1", 1]],
        [["a", "|i1", 0, [], "b"], ["b", "|i1", 1]],
        [["a", "|i1", 0, [], "t"], ["b", "|i1", 1, [], "t"]],
        [["a", "|i1", 0, [], "a"]],
    ):
        refuse([[fields, 2], [1]], bytes(2), "two fields")


def test_dimensions_are_no_more_than_numpy_has():
    """The dimensions of an array and of its fields together are no more than NumPy takes."""
    record = [[["a", "|i1", 0, [1] * 40]], 1]
    with pytest.raises(DecodeError, match="dimensions"):
        ANY.decode(Format.ARRAY, described([record, [1] * 40], b"x"))


@pytest.mark.parametrize("character", [0x110000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_text_is_text(character):
    """Items that say they are text and hold a character that does not exist are refused."""
    for order in "<>":
        items = character.to_bytes(4, {"<": "little", ">": "big"}[order])
        spread = [[["n", "|i1", 0], ["t", f"{order}U1", 1, [2]]], 9]
        for description, value in (
            ([f"{order}U1", [2]], bytes(4) + items),
            ([f"{order}U2", [], False, True], bytes(4) + items),
            ([spread, [3]], bytes(18) + bytes(5) + items),
        ):
            with pytest.raises(DecodeError, match="no text"):
                ANY.decode(Format.ARRAY, described(description, value))
    words = numpy.array(["\U0010ffff", "\ud800", ""])
    assert travel(words).tolist() == words.tolist()
    assert travel(words.reshape(1, 3).T).tolist() == words.reshape(1, 3).T.tolist()


def test_errors_are_short_and_printable():
    """What a sender wrote appears in an error cut short, and without control characters."""
    hostile = "\x1b]0;owned\x07\n\u202e" + "x" * 1_000_000
    payloads = [
        (Format.ARRAY, described([hostile, [1]]), ANY),
        (Format.ARRAY, described([[[[hostile, "|i1", 0]] * 2, 1], [1]], b"x"), ANY),
        (Format.ARRAY, described(["|i1", [2**61] * 64], b"x"), ANY),
        (Format.MSGPACK, msgspec.msgpack.encode({hostile: 1}), Coder(type=dict[int, int])),
        (Format.MSGPACK, msgspec.msgpack.encode(hostile), Coder(type=Strict)),
        (Format.MSGPACK, msgspec.msgpack.encode({hostile: 1}), Coder(type=Strict)),
        (Format.RAW, hostile.encode(), Coder(type=int)),
        (Format.CUSTOM, hostile.encode(), Coder(codec=Loud())),
        (99, hostile.encode(), ANY),
    ]
    for form, payload, coder in payloads:
        with pytest.raises(DecodeError) as caught:
            coder.decode(form, payload)
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    a: int = 0


class Loud:
    def encode(self, message):
        return b""

    def decode(self, payload):
        raise ValueError(payload.decode())


def test_known_descriptions_keep_little():
    """Descriptions are remembered, to be fast, but not many, and no large ones."""
    fields = [[f"{i}", "|i1", i] for i in range(5000)]
    ANY.decode(Format.ARRAY, described(["|i1", [1]], b"x"))
    tracemalloc.start()
    try:
        for i in range(20):
            ANY.decode(Format.ARRAY, described([[fields, 5000], [1, i + 1]], bytes(5000) * (i + 1)))
        for i in range(2000):
            ANY.decode(Format.ARRAY, described([f"|V{i + 1}", [1]], bytes(i + 1)))
        assert tracemalloc.get_traced_memory()[0] < 1 << 20
    finally:
        tracemalloc.stop()


LEAVES = "|i1 <i2 >i4 <f8 <f2 |b1 |S3 <U2 >U1 |V4 |S0 <U0 <M8[7us] >m8[ns] <c8 <f16".split()  # noqa: SIM905


@st.composite
def dtypes(draw, depth=2):
    """Records of any kind: padded, unaligned, overlapping, with titles, nested and repeated."""
    fields, end = [], 0
    for i in range(draw(st.integers(1, 4))):
        plain = st.sampled_from(LEAVES).map(numpy.dtype)
        inner = draw(plain | dtypes(depth - 1) if depth else plain)
        shape = draw(st.sampled_from([(), (), (2,), (1, 3), (0,)]))
        dtype = numpy.dtype((inner, shape)) if inner.itemsize and shape else inner
        offset = draw(st.sampled_from([0, end, end, end + 3]))
        title = draw(st.sampled_from([None, None, f"title {i}"]))
        fields.append((draw(st.sampled_from([f"f{i}", f"é{i}"])), dtype, offset, title))
        end = max(end, offset + dtype.itemsize)
    names, formats, offsets, titles = map(list, zip(*fields, strict=True))
    return numpy.dtype(
        {
            "names": names,
            "formats": formats,
            "offsets": offsets,
            "titles": titles,
            "itemsize": end + draw(st.integers(1, 8)),
        }
    )


@given(dtypes(), st.sampled_from([(), (3,), (2, 0), (2, 3)]), st.booleans())
@settings(max_examples=200)
def test_any_record_that_is_sent_is_read(dtype, shape, scalar):
    """Whatever records NumPy makes arrive with their layout, titles and bytes."""
    value = numpy.zeros(shape, dtype, order="F" if scalar else "C")
    try:
        result = travel(value[()] if shape == () and scalar else value)
    except EncodeError as error:
        assert "overlap" in str(error)  # noqa: PT017
        return
    assert result.dtype == dtype
    assert result.dtype.fields == dtype.fields
    assert result.shape == shape
    if isinstance(result, numpy.ndarray):  # tobytes() copies no padding
        assert memory(result) == memory(value)


def memory(array):
    return (array.T if array.flags.fnc else array).reshape(-1).view("u1").tobytes()
