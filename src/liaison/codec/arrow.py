"""ARROW."""
from __future__ import annotations
import sys
from struct import unpack_from
from typing import Any
from liaison.codec.format import ARROW
from liaison.codec.optional import module
from liaison.codec.plain import flat
from importlib import import_module
# ---- ARROW

_COLUMN = {b"liaison": b"column"}  # the schema's note that a lone column was sent, not a table
_OLDEST_PYARROW = 15  # up to 14.0.0, reading a schema could run a pickle in it (CVE-2023-47248)


def _pyarrow() -> Any:
    pyarrow = module("pyarrow")
    if pyarrow is None or int(pyarrow.__version__.split(".")[0]) < _OLDEST_PYARROW:
        raise ValueError(f"pyarrow {_OLDEST_PYARROW} or later is needed for it: install it")
    import_module("pyarrow.ipc")
    return pyarrow


def write_arrow(message: Any) -> Encoded:
    pyarrow = _pyarrow()
    reader = _batches(pyarrow, message)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    return ARROW, b"", flat(memoryview(sink.getvalue()))


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


def read_arrow(payload: bytes) -> Any:
    pyarrow = _pyarrow()
    for message in pyarrow.ipc.MessageReader.open_stream(payload):
        _check_arrow_message(memoryview(message.metadata).cast("B"))
    with pyarrow.ipc.open_stream(payload) as reader:
        table = reader.read_all()
    table.validate(full=True)  # offsets that point outside would crash whoever follows them
    lone = table.num_columns == 1 and table.schema.metadata == _COLUMN
    return table.column(0) if lone else table


def _check_arrow_message(metadata: memoryview) -> None:
    """Refuse what pyarrow would make more memory of than the message has, without any limit.

    That is compressed buffers, which state their own size, and the other byte order, where
    buffers that share bytes are each copied. pyarrow has no setting against either, so this
    reads Arrow's flatbuffers (Message.fbs, Schema.fbs) itself, as far as the two fields.
    """
    schema, dictionary, batch = 1, 2, 3
    message = _root(metadata)
    kind = _field(metadata, message, 1)
    kind = metadata[kind] if kind else 0
    header = _table(metadata, _field(metadata, message, 2))
    if kind == schema:
        order = _field(metadata, header, 0)
        big = bool(order) and metadata[order] == 1
        if big != (sys.byteorder == "big"):
            raise ValueError("its byte order is not this machine's")
    elif kind == dictionary:
        header = _table(metadata, _field(metadata, header, 1))
    if kind in (dictionary, batch) and _field(metadata, header, 3):
        raise ValueError("it is compressed")


def _root(metadata: memoryview) -> int:
    return unpack_from("<I", metadata)[0]


def _field(metadata: memoryview, table: int, slot: int) -> int:
    """Where a field of a flatbuffers table is; 0 when it has its default."""
    offsets = table - unpack_from("<i", metadata, table)[0]
    place = 4 + 2 * slot
    if place >= unpack_from("<H", metadata, offsets)[0]:
        return 0
    offset = unpack_from("<H", metadata, offsets + place)[0]
    return table + offset if offset else 0


def _table(metadata: memoryview, place: int) -> int:
    return place + unpack_from("<I", metadata, place)[0]
