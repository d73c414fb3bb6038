"""Arrow streams are read buffer by buffer, after a check of their descriptions."""

import contextlib
import struct
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liaison.codec import Coder, Format
from liaison.codec.flatbuffers import I64, TWO_I64, U8, U32, Flatbuffer
from liaison.errors import DecodeError, EncodeError

pyarrow = pytest.importorskip("pyarrow")
from tests.codec.tables import columns, growing, stream  # noqa: E402

ANY = Coder()
COLUMNS = dict(columns())


def encoded(value):
    return bytes(ANY.encode(value)[2])


def decode(payload):
    return ANY.decode(Format.ARROW, payload)


def refuse(payload, match):
    with pytest.raises(DecodeError, match=match) as caught:
        decode(payload)
    assert caught.value.payload == payload


def replaced(payload, old, new, count=1):
    """Replace a piece of the payload, which occurs `count` times."""
    assert payload.count(old) == count
    return payload.replace(old, new)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_every_kind_arrive(name):
    """A column of any type arrives equal, and of its type: whole, empty, cut, and in a table."""
    column = COLUMNS[name]
    for value in (column, column.slice(0, 0), column.slice(1)):
        result = decode(encoded(value))
        assert result.type == value.type
        assert result.to_pylist() == value.to_pylist()
        result.validate(full=True)
    table = pyarrow.table({"n": pyarrow.nulls(len(column)), "c": column}).slice(1)
    table = table.replace_schema_metadata({"of": "all"})
    result = decode(encoded(table))
    assert result.schema.equals(table.schema, check_metadata=True)
    assert result.to_pylist() == table.to_pylist()


def test_tables_without_columns_or_rows_arrive():
    """A table of no columns keeps its rows, one of no rows its columns."""
    table = pyarrow.table({"a": [1, 2]})
    assert decode(encoded(table.select([]))).num_rows == 2
    assert decode(encoded(table.slice(0, 0))).schema == table.schema
    assert decode(encoded(table.schema.empty_table())).num_rows == 0
    assert decode(encoded(pyarrow.table({}))).num_columns == 0


numbers = st.none() | st.integers(-(2**31), 2**31)
nested = st.recursive(
    st.sampled_from([pyarrow.int64(), pyarrow.string(), pyarrow.bool_()]),
    lambda inner: (
        inner.map(pyarrow.list_)
        | st.lists(inner, max_size=3).map(
            lambda types: pyarrow.struct([(f"f{i}", type) for i, type in enumerate(types)])
        )
        | inner.map(lambda type: pyarrow.map_(pyarrow.string(), type))
    ),
    max_leaves=5,
)


def value_of(type):
    if pyarrow.types.is_map(type):
        pairs = st.tuples(st.text(max_size=3), value_of(type.item_type))
        inner = st.lists(pairs, max_size=3)
    elif pyarrow.types.is_list(type):
        inner = st.lists(value_of(type.value_type), max_size=3)
    elif pyarrow.types.is_struct(type):
        inner = st.fixed_dictionaries({field.name: value_of(field.type) for field in type.fields})
    elif pyarrow.types.is_string(type):
        inner = st.text(max_size=3)
    else:
        inner = (
            st.booleans() if pyarrow.types.is_boolean(type) else st.integers(-(2**63), 2**63 - 1)
        )
    return st.none() | inner


@given(
    nested.flatmap(lambda type: st.tuples(st.just(type), st.lists(value_of(type), max_size=9))),
    st.integers(0, 9),
    st.integers(0, 9),
)
@settings(max_examples=150)
def test_any_nested_column_arrives(made, start, length):
    """Lists, structs and maps within each other arrive, also in part."""
    column = pyarrow.array(made[1], made[0]).slice(start, length)
    result = decode(encoded(column))
    assert result.type == column.type
    assert result.to_pylist() == column.to_pylist()


def test_streams_of_others_arrive():
    """A stream that other programs wrote arrives, without an end mark or after bytes behind it."""
    table = pyarrow.table({"a": [1, None], "s": ["x", "y"]})
    payload = stream(table.schema, table.to_batches())
    assert decode(payload).equals(table)
    assert decode(payload[:-8]).equals(table)
    assert decode(payload + b"\xff").equals(table)
    for end in (0, 1, 4, 7, 12, 100, len(payload) - 9):
        with pytest.raises(DecodeError):
            decode(payload[:end])


# ---- dictionaries


def shared(size, batches):
    """A stream of batches of a row, whose dictionary is one text of so many bytes."""
    column = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0], pyarrow.int8()), pyarrow.array(["é" * (size // 2)])
    )
    batch = pyarrow.record_batch([column], names=["a"])
    return stream(batch.schema, [batch] * batches)


def test_a_dictionary_is_looked_through_once():
    """Batches that use a large dictionary take no longer than those that use a small one."""

    def took(payload):
        start = time.perf_counter()
        assert decode(payload).num_rows == 2000
        return time.perf_counter() - start

    small, large = (min(took(shared(size, 2000)) for _ in range(3)) for size in (2, 1 << 20))
    assert large < 20 * small


def test_dictionaries_may_grow_and_change():
    """A dictionary that grows arrives as it was for each batch."""
    payload, batches = growing(5)
    assert decode(payload).to_pylist() == pyarrow.Table.from_batches(batches).to_pylist()


def test_dictionaries_do_not_grow_without_end():
    """What is copied when dictionaries grow is bounded: a large one cannot grow every row."""
    payload, _ = growing(60, 3)
    assert decode(payload).num_rows == 60
    first = pyarrow.array(["x" * 100_000])
    grown = [pyarrow.array(["x" * 100_000] + ["y"] * i) for i in range(100)]
    made = [
        pyarrow.record_batch(
            [pyarrow.DictionaryArray.from_arrays(pyarrow.array([0]), values)], ["a"]
        )
        for values in [first, *grown[1:]]
    ]
    refuse(stream(made[0].schema, made, emit_dictionary_deltas=True), "grow too often")


def test_a_dictionary_of_many_arrays_is_not_used_for_ever():
    """pyarrow looks at each array of a dictionary at each use: their product is bounded."""
    values = pyarrow.StructArray.from_arrays(
        [pyarrow.array([1])] * 500, [f"{i}" for i in range(500)]
    )
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0]), values)
    batch = pyarrow.record_batch([column], names=["a"])
    assert decode(stream(batch.schema, [batch] * 10)).num_rows == 10
    refuse(stream(batch.schema, [batch] * 3000), "too often")


@pytest.mark.parametrize("index", [-1, 2, 127])
def test_an_index_lies_in_its_dictionary(index):
    """An index that the dictionary does not have is refused, also deep within."""
    words = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([1, 0, 1, 0, 1, 0, 1, 0], pyarrow.int8()), pyarrow.array(["x", "y"])
    )
    for column in (words, pyarrow.StructArray.from_arrays([words], ["w"])):
        old = bytes([1, 0, 1, 0, 1, 0, 1, 0])
        payload = encoded(column)
        place = payload.rindex(old)
        bad = payload[:place] + struct.pack("b", index) + payload[place + 1 :]
        refuse(bad, "(?i)ind")


@pytest.mark.parametrize("number", [-1, 2**16, 2**32, 2**63 - 1])
def test_dictionaries_are_numbered_from_zero(number):
    """A dictionary of a number that no writer gives is refused: its hash is no secret."""
    table = pyarrow.table({"a": COLUMNS["dictionaries"], "b": COLUMNS["dictionaries"]})
    payload = encoded(table)
    schema = payload[: 8 + int.from_bytes(payload[4:8], "little")]
    place = schema.index(struct.pack("<q", 1), 8)
    while place % 8:
        place = schema.index(struct.pack("<q", 1), place + 1)
    bad = payload[:place] + struct.pack("<q", number) + payload[place + 8 :]
    refuse(bad, "of number")


def test_a_dictionary_of_dictionaries_changes_but_does_not_grow():
    """A dictionary of dictionaries may be replaced; one that claims to grow is refused."""
    words = pyarrow.array(["x", "y", "z"]).dictionary_encode()
    batches = [
        pyarrow.record_batch(
            [
                pyarrow.DictionaryArray.from_arrays(
                    pyarrow.array([count - 1]),
                    pyarrow.StructArray.from_arrays([words.slice(0, count)], ["w"]),
                )
            ],
            names=["a"],
        )
        for count in (1, 2, 3)
    ]
    payload = stream(batches[0].schema, batches, emit_dictionary_deltas=True)
    assert [row["a"]["w"] for row in decode(payload).to_pylist()] == ["x", "y", "z"]
    refused = []
    for number in (0, 1):
        writer = Writer()
        header = writer.table((number,), writer.table(None, writer.vector()), (1,))
        delta = writer.message(writer.table((4,), (2,), header))
        with pytest.raises(DecodeError) as caught:
            decode(payload[:-8] + delta)
        refused.append("has dictionaries grows" in str(caught.value))
    assert sorted(refused) == [False, True]  # the other is the one within


# ---- bytes and rows


def test_buffers_share_no_bytes():
    """Columns whose buffers are the same bytes, or in another order, are refused."""
    payload = encoded(pyarrow.table({"a": [5] * 8, "b": [6] * 8}))

    def places(*buffers):  # a validity of no bytes, and values, for each column
        return struct.pack("<8q", 0, 0, *buffers[0], buffers[0][0], 0, *buffers[1])

    honest = struct.pack("<8q", 0, 0, 0, 64, 64, 0, 64, 64)
    for first, second in (((0, 64), (0, 64)), ((0, 64), (56, 64)), ((64, 64), (0, 64))):
        refuse(replaced(payload, honest, places(first, second)), "share bytes")


@pytest.mark.parametrize(
    ("offset", "size"),
    [(0, 2**62), (2**62, 8), (-8, 8), (0, -1), (128, 8), (2**63 - 8, 64), (1, 64), (4, 60)],
)
def test_buffers_lie_in_the_body(offset, size):
    """A buffer that is not within its body, at a multiple of 8, is refused."""
    payload = encoded(pyarrow.table({"a": [5] * 8}))
    bad = replaced(payload, struct.pack("<qq", 0, 64), struct.pack("<qq", offset, size))
    refuse(bad, "outside its body")


EMPTY = pyarrow.py_buffer(b"")
# The buffers, nulls, offset and children of so many rows that have none.
NOTHING = {
    "fixed_size_binary[0]": lambda count: ([None, EMPTY],),
    "struct<>": lambda count: ([None],),
    "fixed_size_list<item: int8>[0]": lambda count: ([None], 0, 0, [pyarrow.nulls(0, "int8")]),
    "struct<a: null>": lambda count: ([None], 0, 0, [pyarrow.nulls(count)]),
}


@pytest.mark.parametrize(
    "type",
    [
        pyarrow.null(),
        pyarrow.binary(0),
        pyarrow.struct([]),
        pyarrow.list_(pyarrow.int8(), 0),
        pyarrow.struct([("a", pyarrow.null())]),
    ],
    ids=str,
)
def test_rows_that_take_no_bytes_are_few(type):
    """Rows without bytes arrive up to a limit; more are an error at both ends."""
    few, many = (
        pyarrow.nulls(count)
        if pyarrow.types.is_null(type)
        else pyarrow.Array.from_buffers(type, count, *NOTHING[str(type)](count))
        for count in (9000, 10_000_000)
    )
    assert decode(encoded(few)).to_pylist() == few.to_pylist()
    with pytest.raises(EncodeError, match="more rows than"):
        ANY.encode(many)
    refuse(
        stream(pyarrow.schema([("a", type)]), [pyarrow.record_batch([many], ["a"])]), "more rows"
    )


def test_runs_are_not_endless():
    """A run of 2**31 rows is refused."""
    ends = pyarrow.array([2**31 - 1], pyarrow.int32())
    with pytest.raises(EncodeError, match="more rows than"):
        ANY.encode(pyarrow.RunEndEncodedArray.from_arrays(ends, pyarrow.array(["x"])))


def test_rows_agree_with_the_batch():
    """Columns that are longer than their batch says, or have more nulls than rows, are refused."""
    payload = stream(
        pyarrow.schema([("a", "int8")]),
        [pyarrow.record_batch([pyarrow.array([7] * 8, "int8")], ["a"])],
    )
    node = struct.pack("<qq", 8, 0)
    for length, nulls in ((7, 0), (9, 0), (2**40, 0), (8, 9), (8, -1), (8, 2), (-1, 0)):
        bad = replaced(payload, node, struct.pack("<qq", length, nulls))
        with pytest.raises(DecodeError):
            decode(bad)


def nodes(payload):
    """Find the counts of rows and nulls of each array in the first batch."""
    place, kind = 0, None
    while kind != 3:
        start, size = place + 8, int.from_bytes(payload[place + 4 : place + 8], "little")
        data = payload[start : start + size]
        message = Flatbuffer(data).root()
        kind, header, place = message.number(1, U8), message.table(2), start + size
        place += message.number(3, I64)
    told = header.vector(1, TWO_I64)
    first = start + data.index(struct.pack(f"<{2 * len(told)}q", *sum(told, ())))
    return range(first, first + 16 * len(told), 16)


@pytest.mark.parametrize("name", [name for name in COLUMNS if "dictionar" not in name])
def test_false_counts_of_nulls_end_no_program(name):
    """Whatever counts of rows and nulls an array claims, pyarrow does not abort the program."""
    payload = encoded(COLUMNS[name])
    honest = COLUMNS[name].to_pylist()
    for place in nodes(payload):
        length = int.from_bytes(payload[place : place + 8], "little")
        for rows, nulls in ((length, 1), (length, length), (length + 1, 0), (0, 0), (length, 0)):
            bad = payload[:place] + struct.pack("<qq", rows, nulls) + payload[place + 16 :]
            with contextlib.suppress(DecodeError):
                assert len(decode(bad).to_pylist()) == len(honest)


@pytest.mark.parametrize("strict", ["key", "entries"])
def test_maps_have_no_nulls_for_keys(strict):
    """A map whose keys or entries have nulls is refused: pyarrow would abort the program."""
    entries = pyarrow.struct(
        [pyarrow.field("key", "utf8", nullable=False), pyarrow.field("value", "int8")]
    )
    rows = [[None]] if strict == "entries" else [[{"key": None, "value": 1}]]
    column = pyarrow.array(rows, pyarrow.list_(entries))
    field = pyarrow.field("entries", entries, nullable=False)
    column = pyarrow.Array.from_buffers(
        pyarrow.list_(field), 1, column.buffers()[:2], children=[column.values]
    )
    payload = stream(pyarrow.schema([("a", column.type)]), [pyarrow.record_batch([column], ["a"])])
    size = 8 + int.from_bytes(payload[4:8], "little")
    said = ""
    for place in (place for place in range(size) if payload[place] == 12):  # a list, or not
        try:
            decode(payload[:place] + bytes([17]) + payload[place + 1 :])  # a map
        except DecodeError as error:
            said += str(error)
    assert "nulls for keys" in said


@pytest.mark.parametrize("name", ["dense unions", "runs"])
def test_unions_and_runs_have_no_nulls_of_their_own(name):
    """A union or a run that counts nulls, of which it has no list, is refused."""
    payload = encoded(COLUMNS[name])
    place = nodes(payload)[0]
    bad = payload[: place + 8] + struct.pack("<q", 1) + payload[place + 16 :]
    refuse(bad, "nulls of its own")


# ---- metadata


def test_types_are_nested_64_deep_at_most():
    """Nested types have a limit at both ends."""
    column = pyarrow.array([1])
    for _ in range(61):
        column = pyarrow.StructArray.from_arrays([column], ["f"])
    assert decode(encoded(column)).type == column.type
    for _ in range(5):
        column = pyarrow.StructArray.from_arrays([column], ["f"])
    with pytest.raises((EncodeError, DecodeError), match=r"(?i)deep|depth|recursion"):
        decode(encoded(column))


def test_a_description_of_an_extension_is_not_nested_for_ever():
    """JSON of a million brackets is refused before a parser that recurses sees it."""
    notes = {
        "ARROW:extension:name": "arrow.fixed_shape_tensor",
        "ARROW:extension:metadata": '{"shape":' + "[" * 1_000_000,
    }
    schema = pyarrow.schema([pyarrow.field("a", pyarrow.list_(pyarrow.int8(), 4), metadata=notes)])
    refuse(stream(schema, []), "nested too deep")


def test_names_cannot_be_made_to_collide():
    """A schema or a struct of more than 16,384 fields, hashed by name, is refused."""
    names = [f"{i}" for i in range(16_385)]
    column = pyarrow.array([1], "int8")
    struct_of = pyarrow.StructArray.from_arrays
    assert decode(encoded(pyarrow.table([column] * 16_384, names=names[1:]))).num_columns == 16_384
    for value in (
        pyarrow.table([column] * 16_385, names=names),
        struct_of([column] * 16_385, names),
        struct_of([struct_of([column] * 16_385, names)], ["a"]),
    ):
        with pytest.raises(EncodeError, match="16,384 fields"):
            ANY.encode(value)
    refuse(structs(1, 16_385), "16,384 fields|again and again")


class Writer:
    """Writes a flatbuffer from its end to its beginning, as offsets point forwards."""

    def __init__(self):
        self.parts, self.size = [], 0

    def put(self, part):
        part += bytes(-len(part) % 8)
        self.parts.insert(0, part)
        self.size += len(part)
        return self.size  # a place, counted from the end

    def table(self, *fields):
        """A table of fields (None, a place, or a number of two bytes), with its list before it."""
        slots, inline = [], b""
        for field in fields:
            slots.append(0 if field is None else 8 + len(inline))
            inline += b"" if field is None else bytes(8)
        size = 8 + len(inline)
        end = self.size + size
        made = bytearray(size)
        for slot, field in zip(slots, fields, strict=True):
            if isinstance(field, tuple):
                made[slot : slot + 2] = struct.pack("<H", field[0])
            elif field is not None:
                made[slot : slot + 4] = struct.pack("<I", end - slot - field)
        listed = struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), size, *slots)
        listed += bytes(-len(listed) % 8)
        made[:4] = struct.pack("<i", len(listed))
        place = self.put(bytes(made))
        self.put(listed)
        return place

    def vector(self, *places):
        end = self.size + 8 * ((4 + 4 * len(places) + 7) // 8)
        made = struct.pack("<I", len(places))
        for i, place in enumerate(places):
            made += struct.pack("<I", end - 4 - 4 * i - place)
        return self.put(made)

    def message(self, root):
        self.put(bytes(8))
        data = bytearray(b"".join(self.parts))
        data[:4] = struct.pack("<I", self.size - root)
        return b"\xff\xff\xff\xff" + struct.pack("<i", len(data)) + bytes(data)


def structs(depth, width):
    """A schema of structs, each of which has the same struct `width` times."""
    writer = Writer()
    nothing = writer.table()
    field = writer.table(None, None, (13,), nothing, None, writer.vector())
    for _ in range(depth):
        field = writer.table(None, None, (13,), nothing, None, writer.vector(*[field] * width))
    schema = writer.table(None, writer.vector(field))
    return writer.message(writer.table((4,), (1,), schema))


def test_parts_that_many_point_at_do_not_multiply():
    """Nested structs that share their fields' description many times are refused."""
    assert decode(structs(3, 1)).schema.field(0).type.num_fields == 1
    assert decode(structs(2, 2)).schema.field(0).type.num_fields == 2
    for depth, width in ((50, 2), (12, 8), (1, 1000), (40, 100)):
        refuse(structs(depth, width), "again and again")


@pytest.mark.parametrize("number", [0, 1, 3, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1])
def test_flatbuffers_never_lead_outside(number):
    """Whatever number is in a flatbuffer, reading it stays within it or is a ValueError."""
    payload = structs(2, 2)
    data = payload[8:]
    for place in range(0, len(data), 4):
        bad = data[:place] + struct.pack("<I", number) + data[place + 4 :]
        try:
            header = Flatbuffer(bad).root().table(2)
            fields = list(header.tables(1)) if header else []
            for field in fields:
                field.text(0)
                field.vector(5, U32)
        except ValueError as error:
            assert "metadata" in str(error)  # noqa: PT017
        with contextlib.suppress(DecodeError):
            decode(payload[:8] + bad)


def test_tables_take_memory_in_proportion():
    """No stream takes more than 128 times its bytes."""
    narrow = pyarrow.table([pyarrow.array([1], pyarrow.int8())] * 1000, names=[""] * 1000)
    single = pyarrow.table({"a": pyarrow.nulls(1)})
    payloads = [
        encoded(narrow),
        stream(single.schema, single.to_batches() * 1000),
        growing(60, 3)[0],
        shared(1 << 20, 1000),
    ]
    for payload in payloads:
        before = pyarrow.total_allocated_bytes()
        tracemalloc.start()
        try:
            value = decode(payload)
            peak = tracemalloc.get_traced_memory()[1] + pyarrow.total_allocated_bytes() - before
        finally:
            tracemalloc.stop()
        assert peak < 128 * len(payload)
        del value
