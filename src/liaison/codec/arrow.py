"""ARROW: tables and columns, as an Arrow IPC stream.

pyarrow writes the stream, and reads only the schema of a received one. Its reader trusts the
description of buffers, lengths and dictionaries: many columns can copy the same bytes, a dictionary
is traversed in every batch that uses it, and a column of 2⁴⁰ rows can have no bytes. Here the
arrays are made of the buffers one by one (Message.fbs and Schema.fbs define where they are):

- buffers follow each other in the body without sharing a byte, at multiples of 8, uncompressed;
- rows that take no bytes (nulls, runs, structs without fields) are at most 8 for each byte of the
  stream and 65,536 more, in all columns together;
- every array is validated in full before it is used, a dictionary once, when it arrives;
- what is copied when a dictionary grows is at most 16 times the stream;
- a schema or a struct has at most 16,384 fields, and dictionaries are numbered below 65,536:
  pyarrow hashes names and numbers without a secret, so a sender can make all of them collide.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from liaison.codec.flatbuffers import I16, I32, I64, TWO_I64, U8, Flatbuffer
from liaison.codec.format import ARROW
from liaison.codec.optional import module
from liaison.codec.plain import flat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liaison.codec.flatbuffers import Table
    from liaison.codec.format import Encoded

_COLUMN = {b"liaison": b"column"}  # the schema's note that a lone column was sent, not a table
_OLDEST = 15  # up to 14.0.0, reading a schema could run a pickle in it (CVE-2023-47248)
_MAX_DEPTH = 64  # types within types
_MAX_ROWS = 8  # without bytes, for each byte of the stream
_FREE_ROWS = 1 << 16  # and so many more
_MAX_FIELDS = 1 << 14  # of a schema or a struct
_MAX_DICTIONARIES = 1 << 16  # their numbers are below
_MAX_GROWN = 16  # times the stream is copied for dictionaries that grow
_MAX_BRACKETS = 1000  # in what describes an extension type: older parsers of JSON recurse
_CONTINUATION = b"\xff\xff\xff\xff"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3  # kinds of messages
_V5 = 4  # of the metadata, since Arrow 1.0
_TIMESTAMP, _UNION = 10, 14  # types whose description has more than numbers


def _pyarrow() -> Any:
    pyarrow = module("pyarrow")
    if pyarrow is None or int(pyarrow.__version__.split(".")[0]) < _OLDEST:
        raise ValueError(f"pyarrow {_OLDEST} or later is needed for it: install it")
    import_module("pyarrow.ipc")
    return pyarrow


# ---- writing


def write_arrow(message: Any) -> Encoded:
    """Write what exports an Arrow stream or array."""
    pyarrow = _pyarrow()
    reader = _batches(pyarrow, message)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    payload = flat(memoryview(sink.getvalue()))
    schema = reader.schema
    if len(schema) > _MAX_FIELDS or any(_unusual(pyarrow, field.type) for field in schema):
        read_arrow(bytes(payload))  # a message that every receiver refuses is the sender's error
    return ARROW, b"", payload


def _batches(pyarrow: Any, message: Any) -> Any:
    if hasattr(message, "__arrow_c_stream__"):
        try:
            return pyarrow.RecordBatchReader.from_stream(message)
        except pyarrow.ArrowInvalid:  # a stream of something else than the rows of a table
            column = pyarrow.chunked_array(message)
    else:
        column = pyarrow.chunked_array([pyarrow.array(message)])
    schema = pyarrow.schema([("", column.type)], metadata=_COLUMN)
    return pyarrow.Table.from_arrays([column], schema=schema).to_reader()


def _unusual(pyarrow: Any, type: Any) -> bool:
    """Whether a column of this type may be one that receivers refuse."""
    if isinstance(type, pyarrow.BaseExtensionType):
        return _unusual(pyarrow, type.storage_type)
    if pyarrow.types.is_dictionary(type):
        return bool(type.value_type.num_fields) or _unusual(pyarrow, type.value_type)
    return (
        type.num_fields > _MAX_FIELDS
        or _weightless(pyarrow.types, type)
        or any(_unusual(pyarrow, type.field(i).type) for i in range(type.num_fields))
    )


# ---- what a schema says


class _Field(NamedTuple):
    """A field of the schema with what pyarrow does not tell: the dictionary that it uses."""

    dictionary: int | None
    children: list[_Field]


class _Column:
    """A type, and how its arrays are made of nodes and buffers."""

    __slots__ = (
        "bare", "children", "dictionary", "index", "kept", "missing", "nodes", "storage",
        "strict", "type", "values", "variadic", "weightless",
    )  # fmt: skip

    def __init__(self, pyarrow: Any, type: Any, field: _Field) -> None:
        """Find the columns within; `bare` is the type without dictionaries and extensions."""
        self.type = self.bare = type
        self.dictionary: int | None = None
        self.storage: _Column | None = None
        self.children: list[_Column] = []
        self.nodes = 1
        self.strict = False  # pyarrow ends the program for a null in it
        self.weightless = _weightless(pyarrow.types, type)
        self.variadic = getattr(type, "has_variadic_buffers", False)
        # Of the buffers that pyarrow has places for, a stream may miss the first.
        self.kept = type.num_buffers
        kinds = pyarrow.types
        self.missing = kinds.is_null(type) or kinds.is_union(type) or kinds.is_run_end_encoded(type)
        if isinstance(type, pyarrow.BaseExtensionType):
            self.storage = _Column(pyarrow, type.storage_type, field)
            self.bare = self.storage.bare
            self.nodes = self.storage.nodes
        elif pyarrow.types.is_dictionary(type):
            if field.dictionary is None:
                raise ValueError("its schema disagrees with itself")
            self.dictionary = field.dictionary
            self.bare = type.index_type
            self.index = _Column(pyarrow, type.index_type, _Field(None, []))
            self.values = _Column(pyarrow, type.value_type, _Field(None, field.children))
            self.nodes += self.values.nodes
        else:
            fields = [type.field(i) for i in range(type.num_fields)]
            if field.dictionary is not None or len(fields) != len(field.children):
                raise ValueError("its schema disagrees with itself")
            for inner, described in zip(fields, field.children, strict=True):
                self.children.append(_Column(pyarrow, inner.type, described))
            self.nodes += sum(child.nodes for child in self.children)
            if kinds.is_map(type):
                (entries,) = self.children
                if not kinds.is_struct(entries.type) or len(entries.children) != 2:
                    raise ValueError("its schema disagrees with itself")
                entries.strict = entries.children[0].strict = True
            if any(child.bare != child.type for child in self.children):
                bare = [
                    inner.with_type(child.bare)
                    for inner, child in zip(fields, self.children, strict=True)
                ]
                self.bare = _with_fields(pyarrow, type, bare)

    def dictionaries(self) -> Iterator[_Column]:
        """Go through the columns here that use a dictionary."""
        if self.dictionary is not None:
            yield self
            yield from self.values.dictionaries()
        for inner in [self.storage] if self.storage else self.children:
            yield from inner.dictionaries()


def _with_fields(pyarrow: Any, type: Any, fields: list[Any]) -> Any:
    """Make the same nested type of other fields."""
    kinds = pyarrow.types
    if kinds.is_struct(type):
        return pyarrow.struct(fields)
    if kinds.is_map(type):
        entries = fields[0].type
        return pyarrow.map_(entries.field(0), entries.field(1), keys_sorted=type.keys_sorted)
    if kinds.is_union(type):
        return pyarrow.union(fields, type.mode, type.type_codes)
    if kinds.is_fixed_size_list(type):
        return pyarrow.list_(fields[0], type.list_size)
    if kinds.is_list(type):
        return pyarrow.list_(fields[0])
    if kinds.is_large_list(type):
        return pyarrow.large_list(fields[0])
    if kinds.is_run_end_encoded(type):
        return pyarrow.run_end_encoded(fields[0].type, fields[1].type)
    if kinds.is_list_view(type):
        return pyarrow.list_view(fields[0])
    return pyarrow.large_list_view(fields[0])


def _weightless(types: Any, type: Any) -> bool:
    """Whether rows of a type take no bytes, its inner types included."""
    return (
        types.is_null(type)
        or (types.is_fixed_size_binary(type) and not type.byte_width)
        or (types.is_fixed_size_list(type) and not type.list_size)
        or (types.is_struct(type) and not type.num_fields)
        or types.is_run_end_encoded(type)
    )


def _fields_of(schema: Table, number: int, depth: int = 0) -> list[_Field]:
    """Read fields, and check everything that pyarrow uses when it makes a schema of them."""
    if depth == _MAX_DEPTH:
        raise ValueError(f"its types are nested more than {_MAX_DEPTH} deep")
    fields: list[_Field] = []
    for field in schema.tables(number):
        field.text(0)
        kind, type, dictionary = field.number(2, U8), field.table(3), field.table(4)
        if kind == _TIMESTAMP and type:
            type.text(1)
        elif kind == _UNION and type:
            type.vector(1, I32)
        if dictionary:
            dictionary.table(1)
        _look_at_notes(field, 6)
        number_of = dictionary.number(0, I64) if dictionary else None
        if number_of is not None and not 0 <= number_of < _MAX_DICTIONARIES:
            raise ValueError(f"it has a dictionary of number {number_of}")
        if len(fields) == _MAX_FIELDS:
            raise ValueError(f"a schema or a struct of it has more than {_MAX_FIELDS:,} fields")
        fields.append(_Field(number_of, _fields_of(field, 5, depth + 1)))
    return fields


def _look_at_notes(of: Table, number: int) -> None:
    for pair in of.tables(number):
        key, value = pair.text(0), pair.text(1)
        brackets = value.count(b"[") + value.count(b"{")
        if key == b"ARROW:extension:metadata" and brackets > _MAX_BRACKETS:
            raise ValueError("the description of its extension type is nested too deep")


# ---- reading


def read_arrow(payload: bytes) -> Any:
    """Read a table, or the column that was sent alone."""
    table = _Stream(_pyarrow(), payload).read()
    lone = table.num_columns == 1 and table.schema.metadata == _COLUMN
    return table.column(0) if lone else table


class _Stream:
    """A stream, as far as it was read: its columns, its dictionaries and the remaining limits."""

    def __init__(self, pyarrow: Any, payload: bytes) -> None:
        self._pyarrow = pyarrow
        self._payload = payload
        self._memory = pyarrow.py_buffer(payload)
        self._columns: list[_Column] = []
        self._values: dict[int, _Column] = {}  # what a dictionary's values are
        self._dictionaries: dict[int, Any] = {}
        self.rows_left = _MAX_ROWS * len(payload) + _FREE_ROWS
        self.uses_left = len(payload) + _FREE_ROWS
        self._growth_left = _MAX_GROWN * len(payload)

    def read(self) -> Any:
        schema = None
        batches: list[Any] = []
        for kind, header, place, body in self._messages():
            if kind == _SCHEMA and schema is None:
                schema = self._read_schema(header, place)
            elif schema is None or kind not in (_DICTIONARY, _BATCH):
                raise ValueError(f"it has a message of kind {kind} where none is expected")
            elif kind == _BATCH:
                batches.append(self._read_batch(header, body, schema))
            else:
                self._read_dictionary(header, body)
        if schema is None:
            raise ValueError("it has no schema")
        return self._pyarrow.Table.from_batches(batches, schema)

    def _messages(self) -> Iterator[tuple[int, Table, slice, Any]]:
        """Go through the messages: kind, header, where the message is, and its body."""
        payload, place = self._payload, 0
        while place < len(payload):
            if payload[place : place + 4] != _CONTINUATION or len(payload) < place + 8:
                raise ValueError("it is no Arrow stream, or is cut short")
            size = int.from_bytes(payload[place + 4 : place + 8], "little", signed=True)
            if size == 0:
                return
            start = place + 8 + size
            if size < 0 or size % 8 or start > len(payload):
                raise ValueError("it is cut short")
            message = Flatbuffer(payload[place + 8 : start]).root()
            kind, header, length = message.number(1, U8), message.table(2), message.number(3, I64)
            if message.number(0, I16) != _V5:
                raise ValueError("it is of another version of Arrow's format than V5")
            if header is None or length < 0 or length % 8 or start + length > len(payload):
                raise ValueError("it is cut short")
            yield kind, header, slice(place, start), self._memory.slice(start, length)
            place = start + length

    def _read_schema(self, header: Table, place: slice) -> Any:
        if header.number(0, I16) != (sys.byteorder == "big"):
            raise ValueError("its byte order is not this machine's")
        fields = _fields_of(header, 1)
        _look_at_notes(header, 2)
        header.vector(3, I64)
        schema = self._pyarrow.ipc.read_schema(
            self._memory.slice(place.start, place.stop - place.start)
        )
        if len(schema) != len(fields):
            raise ValueError("its schema disagrees with itself")
        for field, described in zip(schema, fields, strict=True):
            self._columns.append(_Column(self._pyarrow, field.type, described))
        for column in self._columns:
            for user in column.dictionaries():
                assert user.dictionary is not None
                if self._values.setdefault(user.dictionary, user.values).type != user.values.type:
                    raise ValueError("its schema disagrees with itself")
        return schema

    def _read_batch(self, header: Table, body: Any, schema: Any) -> Any:
        length = header.number(0, I64)
        batch = _Batch(self, self._pyarrow, header, body)
        arrays = [batch.array(column) for column in self._columns]
        batch.check_end()
        if any(len(array) != length for array in arrays):
            raise ValueError("its columns are of different lengths")
        if arrays:
            return self._pyarrow.RecordBatch.from_arrays(arrays, schema=schema)
        self.count_rows(length)
        rows = self._pyarrow.Array.from_buffers(self._pyarrow.struct([]), length, [None])
        batch = self._pyarrow.RecordBatch.from_struct_array(rows)
        return batch.replace_schema_metadata(schema.metadata)

    def _read_dictionary(self, header: Table, body: Any) -> None:
        number, data = header.number(0, I64), header.table(1)
        column = self._values.get(number)
        if column is None or data is None:
            raise ValueError(f"it has a dictionary {number} that its schema does not name")
        grows = header.number(2, U8)
        if grows and next(column.dictionaries(), None):
            # pyarrow would make one dictionary of theirs, by a hash that is no secret.
            raise ValueError("a dictionary that has dictionaries grows")
        batch = _Batch(self, self._pyarrow, data, body)
        values = batch.array(column)
        batch.check_end()
        if grows:
            values = self._grown(self.dictionary(number), values)
        self._dictionaries[number] = values

    def _grown(self, values: Any, more: Any) -> Any:
        self._growth_left -= values.get_total_buffer_size() + more.get_total_buffer_size()
        if self._growth_left < 0:
            raise ValueError("its dictionaries grow too often")
        return self._pyarrow.concat_arrays([values, more])

    def dictionary(self, number: int) -> Any:
        """Return the current values of a dictionary."""
        values = self._dictionaries.get(number)
        if values is None:
            raise ValueError(f"its dictionary {number} did not come")
        return values

    def count_rows(self, count: int) -> None:
        """Count rows that take no bytes."""
        self.rows_left -= count
        if count < 0 or self.rows_left < 0:
            raise ValueError("it has more rows than its bytes deserve: they take none themselves")

    def count_use(self, nodes: int) -> None:
        """Count the use of a dictionary, for which pyarrow visits each array of its values."""
        self.uses_left -= nodes
        if self.uses_left < 0:
            raise ValueError("it uses dictionaries of many arrays too often")


class _Batch:
    """A record batch, whose nodes and buffers are taken one after the other."""

    def __init__(self, stream: _Stream, pyarrow: Any, header: Table, body: Any) -> None:
        if header.table(3):
            raise ValueError("it is compressed")
        self._stream = stream
        self._pyarrow = pyarrow
        self._body = body
        self._end = 0
        self._nodes = iter(header.vector(1, TWO_I64))
        self._buffers = iter(header.vector(2, TWO_I64))
        self._variadic = iter(header.vector(4, I64))

    def array(self, column: _Column) -> Any:
        """Take a column, validated in full."""
        bare, whole = self._take(column)
        bare.validate(full=True)  # offsets that point outside would crash whoever follows them
        return whole

    def check_end(self) -> None:
        """Raise `ValueError` for nodes and buffers that no column has used."""
        for left in (self._nodes, self._buffers, self._variadic):
            if next(left, None) is not None:
                raise ValueError("it has more buffers than its schema has columns for")

    def _take(self, column: _Column) -> tuple[Any, Any]:
        """Take an array without its dictionaries and extensions, and the same with them."""
        bare, whole = self._take_any(column)
        if column.strict and bare.null_count:
            raise ValueError("a map of it has nulls for keys or entries")
        return bare, whole

    def _take_any(self, column: _Column) -> tuple[Any, Any]:
        if column.storage:
            bare, whole = self._take(column.storage)
            return bare, column.type.wrap_array(whole)
        if column.dictionary is not None:
            self._stream.count_use(column.values.nodes)
            indices, _ = self._take(column.index)
            values = self._stream.dictionary(column.dictionary)
            make, ordered = self._pyarrow.DictionaryArray.from_arrays, column.type.ordered
            return indices, make(indices, values, ordered=ordered, safe=True)
        length, nulls = self._next(self._nodes)
        if not 0 <= nulls <= length:
            raise ValueError(f"it has {nulls} nulls in {length} rows")
        if nulls and column.missing and not self._pyarrow.types.is_null(column.type):
            raise ValueError("a column of unions or runs has nulls of its own")
        if column.weightless:
            self._stream.count_rows(length)
        buffers = self._take_buffers(column, nulls)
        children = [self._take(child) for child in column.children]
        make = self._pyarrow.Array.from_buffers
        bare = make(column.bare, length, buffers, nulls, children=[one for one, _ in children])
        if column.bare is column.type:
            return bare, bare
        return bare, make(
            column.type, length, buffers, nulls, children=[one for _, one in children]
        )

    def _take_buffers(self, column: _Column, nulls: int) -> list[Any]:
        others = column.kept - 1
        if column.missing:
            return [None, *(self._buffer() for _ in range(others))]
        if column.variadic:
            (more,) = self._next(self._variadic)
            if more < 0:
                raise ValueError("its metadata counts less than no buffers")
            others += more
        validity = self._buffer()
        return [validity if nulls else None, *(self._buffer() for _ in range(others))]

    def _buffer(self) -> Any:
        offset, size = self._next(self._buffers)
        if offset < 0 or size < 0 or offset % 8 or offset + size > self._body.size:
            raise ValueError("a buffer of it lies outside its body")
        if size:
            if offset < self._end:
                raise ValueError("two buffers of it share bytes, or are not in order")
            self._end = offset + size
        return self._body.slice(offset, size)

    @staticmethod
    def _next(left: Iterator[tuple[int, ...]]) -> tuple[int, ...]:
        following = next(left, None)
        if following is None:
            raise ValueError("it has fewer buffers than its columns need")
        return following
