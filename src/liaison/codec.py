"""How a Python object becomes a message, and back.

A message is a format, which is a small number that travels beside it, and a payload of bytes:

=======  ==================================================  ==================================
format   payload                                             arrives as
=======  ==================================================  ==================================
RAW      the bytes themselves                                `bytes`, or as ``type=`` says
MSGPACK  MessagePack                                         plain data, or validated as ``type=``
ARRAY    length of the description (4 bytes, little          `numpy.ndarray` (a scalar as a
         endian), the description as MessagePack, zeros up   scalar); a `memoryview` where
         to a multiple of 16, the items                      NumPy is missing
ARROW    an Arrow IPC stream                                 `pyarrow.Table` or ``ChunkedArray``
PICKLE   a pickle, protocol 5                                the object, where it was asked for
CUSTOM   what the user's codec made                          what the user's codec makes of it
=======  ==================================================  ==================================

Encoding never copies an array: the carrier copies it once, straight into shared memory. Decoding
trusts nothing. Whoever may send can write any bytes under any format, and can go on writing while
they are read; so what has structure is copied first and parsed from the copy, every size is
compared with the bytes that are really there before anything is reserved for it, what is nested
more than 64 deep or has more than 4,194,304 items is refused before anything is built of it, and
the format in a message never selects pickle: the receiver does.
"""

from __future__ import annotations

import math
import re
import sys
import types
from enum import IntEnum
from functools import lru_cache
from importlib import import_module
from struct import unpack_from
from typing import TYPE_CHECKING, Annotated, Any, Protocol, Union, get_args, get_origin

import msgspec

from liaison._native.msgpack import check
from liaison.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    Encoded = tuple[int, bytes, Buffer]

__all__ = ["Codec", "Coder", "Format"]


class Format(IntEnum):
    """What the payload of a message is; the number travels beside it.

    >>> Format(1)
    <Format.MSGPACK: 1>
    """

    RAW = 0
    MSGPACK = 1
    ARRAY = 2
    ARROW = 3
    PICKLE = 4
    CUSTOM = 5


# Plain numbers, because an enum's members cost a look-up each and become ints again in the carrier.
_RAW, _MSGPACK, _ARRAY, _ARROW, _PICKLE, _CUSTOM = map(int, Format)


class Codec(Protocol):
    """What ``codec=`` accepts beside ``"pickle"``: any object, or module, with these two functions.

    Whatever they raise becomes `EncodeError` or `DecodeError`. Bytes do not come here: they are
    messages as they are.

    >>> import json
    >>> class Json:
    ...     def encode(self, message):
    ...         return json.dumps(message).encode()
    ...     def decode(self, payload):
    ...         return json.loads(payload)
    >>> coder = Coder(codec=Json())
    >>> coder.decode(Format.CUSTOM, b'{"a": 1}')
    {'a': 1}
    """

    def encode(self, message: Any, /) -> Buffer:
        """Return the bytes (or another buffer) that stand for `message`."""
        ...

    def decode(self, payload: bytes, /) -> Any:
        """Return what `payload` stands for; it comes from whoever may send."""
        ...


class Coder:
    r"""Makes messages of objects, and objects of messages, as one end of a link was told to.

    `type` is what to expect: messages are validated, and arrive as that type. None takes what
    comes; then a tuple or a set arrives as a list, a dataclass or a `msgspec.Struct` as a dict, and
    a Decimal or a UUID as a str, because MessagePack has no other words for them. Arrays, tables
    and what a codec decodes are checked to be instances of `type`, no deeper.

    `codec` is ``None``, ``"pickle"`` or a `Codec`. With a codec, everything but bytes is encoded by
    it. With ``"pickle"`` messages that are pickles are loaded, which runs whatever code their
    sender put in them: it means trusting every process that can send here.

    A coder may be used by many threads at once. Raises `ValueError` or `TypeError` for another
    codec and `TypeError` for a type that cannot be expected.

    >>> coder = Coder(type=list[int])
    >>> format, head, body = coder.encode([1, 2])
    >>> coder.decode(format, head + bytes(body))
    [1, 2]
    >>> coder.decode(Format.MSGPACK, b"\xa1x")
    Traceback (most recent call last):
    ...
    liaison.errors.DecodeError: cannot read this MSGPACK message: Expected `array`, got `str`
    """

    __slots__ = (
        "_classes",
        "_codec",
        "_from_msgpack",
        "_item_class",
        "_pickle",
        "_readers",
        "_type",
        "_writers",
    )

    def __init__(self, type: Any = None, codec: Codec | str | None = None) -> None:
        """Fix what is expected, and what encodes it."""
        _check_codec(codec)
        expected = _unaliased(type)
        self._type = None if expected in (None, Any, object) else expected
        self._classes = _classes_of(self._type)
        self._item_class = _item_class_of(self._type)
        self._pickle = codec == "pickle"
        self._codec = None if codec is None or isinstance(codec, str) else codec
        try:
            self._from_msgpack = msgspec.msgpack.Decoder(Any if self._type is None else expected)
        except TypeError as error:
            raise TypeError(f"type={type!r} cannot be expected of a message: {error}") from None
        # By the exact class of a message; _learn() adds those that it meets.
        self._writers: dict[Any, Callable[[Any], Encoded]] = {}
        self._readers: dict[int, Callable[[Any], Any]] = {
            _RAW: self._read_raw,
            _MSGPACK: self._read_msgpack,
            _ARRAY: self._read_array,
            _ARROW: self._read_arrow,
            _PICKLE: self._read_pickle,
            _CUSTOM: self._read_custom,
        }

    @property
    def bytes_only(self) -> bool:
        """Whether messages that are RAW arrive as the bytes that they are."""
        return self._type is None or self._type is bytes

    def encode(self, message: Any) -> Encoded:
        r"""Make a message of an object: ``(format, head, body)``.

        The payload is head followed by body. The body may be the object's own memory, so it has to
        be copied before this call's caller gives control back to the program.

        Raises `EncodeError`, saying what could be sent instead.

        >>> Coder().encode({"a": 1})
        (1, b'', b'\x81\xa1a\x01')
        >>> Coder().encode(bytearray(b"as it is"))
        (0, b'', bytearray(b'as it is'))
        """
        try:
            write = self._writers.get(type(message)) or self._learn(message)
            return write(message)
        except (EncodeError, MemoryError):
            raise
        except Exception as error:
            raise EncodeError(
                f"cannot send this {_name(type(message))}: {error}; {self._advice()}"
            ) from error

    def decode(self, format: int, payload: Buffer, owned: bool = False) -> Any:
        """Make an object of a message. The result shares no memory with the payload.

        Unless it is `owned`: writable memory, the caller's alone, which an array may keep.

        Raises `DecodeError`, which carries a copy of the payload, and nothing else, whatever the
        payload holds.

        >>> Coder().decode(Format.RAW, memoryview(b"as it is"))
        b'as it is'
        """
        try:
            read = self._readers.get(format)
            if read is None:
                raise ValueError("liaison has no such format; the sender may have a newer version")
            if owned and format == _ARRAY:
                return self._read_array(payload, owned=True)
            return read(payload)
        except Exception as error:
            name = Format(format).name if format in self._readers else f"format {format!r}"
            raise DecodeError(
                f"cannot read this {name} message: {error}",
                payload=bytes(payload),
                format=format,
            ) from error

    # ---- encoding

    def _learn(self, message: Any) -> Callable[[Any], Encoded]:
        """Find the writer of a class, and note it for the next message of that class."""
        write = self._writer_of(message, type(message))
        if len(self._writers) > _MAX_LEARNT:
            self._writers.clear()  # a program that makes classes as it goes
        self._writers[type(message)] = write
        return write

    def _writer_of(self, message: Any, cls: Any) -> Callable[[Any], Encoded]:
        if isinstance(message, memoryview):
            return _write_view
        if isinstance(message, bytes | bytearray):
            return _write_bytes
        if self._pickle:
            return _write_pickle
        if self._codec is not None:
            return self._write_custom
        if cls.__module__ == "builtins":
            return _write_msgpack
        if hasattr(cls, "__arrow_c_stream__") or hasattr(cls, "__arrow_c_array__"):
            return _write_arrow
        if (numpy := sys.modules.get("numpy")) is not None:
            if isinstance(message, numpy.str_):
                return _write_numpy_str
            if isinstance(message, numpy.ndarray | numpy.generic):
                return _write_array
        if hasattr(cls, "__dlpack__"):
            return _write_dlpack
        try:
            memoryview(message)
        except TypeError:
            return _write_msgpack
        return _write_buffer

    def _write_custom(self, message: Any) -> Encoded:
        assert self._codec is not None
        return _CUSTOM, b"", _flat(memoryview(self._codec.encode(message)))

    def _advice(self) -> str:
        if self._pickle or self._codec is not None:
            return "the codec of this link refuses it"
        return (
            "send plain data, a dataclass or a msgspec.Struct, "
            'or use codec="pickle" at both ends if the receivers trust every sender'
        )

    # ---- decoding

    def _read_raw(self, payload: Buffer) -> Any:
        if self._type is None or self._type is bytes:
            return bytes(payload)
        if self._type is bytearray:
            return bytearray(payload)
        if not any(issubclass(cls, _BYTES_LIKE) for cls in self._classes):
            raise ValueError(f"expected {_name(self._type)}, got bytes")
        return msgspec.convert(bytes(payload), self._type)

    def _read_msgpack(self, payload: Buffer) -> Any:
        copy = bytes(payload)
        check(copy, _MAX_ITEMS)
        return self._from_msgpack.decode(copy)

    def _read_array(self, payload: Buffer, owned: bool = False) -> Any:
        view = memoryview(payload).cast("B")
        array, offset = _read_description(view)
        numpy = None if self._type is memoryview else _module("numpy")
        if numpy is None:
            value = _as_view(array, view[offset:])
            return self._converted(value) if array.scalar else self._expected(value)
        value = _as_array(numpy, array, view, offset, owned)
        if array.scalar and not any(issubclass(cls, numpy.generic) for cls in self._classes):
            return value if self._type is None else self._converted(value.item())
        if not issubclass(value.dtype.type, self._item_class):
            raise ValueError(f"expected {_name(self._type)}, got an array of {value.dtype}")
        return self._expected(value)

    def _converted(self, number: Any) -> Any:
        return msgspec.convert(number, Any if self._type is None else self._type)

    def _read_arrow(self, payload: Buffer) -> Any:
        return self._expected(_read_arrow(bytes(payload)))

    def _read_pickle(self, payload: Buffer) -> Any:
        if not self._pickle:
            raise ValueError(
                "it is a pickle, and loading one runs whatever code its sender put in it; receive "
                'with codec="pickle" if you trust every process that can send here'
            )
        return self._expected(import_module("pickle").loads(bytes(payload)))

    def _read_custom(self, payload: Buffer) -> Any:
        if self._codec is None:
            raise ValueError("its sender used a codec of its own; pass the same object as codec=")
        return self._expected(self._codec.decode(bytes(payload)))

    def _expected(self, value: Any) -> Any:
        if self._type is None:
            return value
        if not isinstance(value, self._classes):
            raise ValueError(f"expected {_name(self._type)}, got {_name(type(value))}")
        return value


_BYTES_LIKE = (bytes, bytearray, memoryview)
_MAX_LEARNT = 1000
# Items of one message, in all its lists and dicts together. An empty list is a byte on the way and
# 72 in memory.
_MAX_ITEMS = 1 << 22


def _check_codec(codec: object) -> None:
    allowed = 'codec= is None, "pickle" or an object with encode() and decode()'
    if isinstance(codec, str):
        if codec != "pickle":
            raise ValueError(f"{allowed}, not {codec!r}")
    elif codec is not None and not all(
        callable(getattr(codec, method, None)) for method in ("encode", "decode")
    ):
        raise TypeError(f"{allowed}, not {codec!r}")


def _name(cls: Any) -> str:
    return str(cls) if get_args(cls) else getattr(cls, "__qualname__", str(cls))


def _unaliased(expected: Any) -> Any:
    """Look through ``type X = …``, which `numpy.typing.NDArray` is from NumPy 2.5 on."""
    alias = get_origin(expected) or expected
    while type(alias).__name__ == "TypeAliasType":
        arguments = get_args(expected)
        expected = alias.__value__[arguments] if arguments else alias.__value__
        alias = get_origin(expected) or expected
    return expected


def _classes_of(expected: Any) -> tuple[type, ...]:
    """List the classes of which an instance may be what `expected` describes."""
    expected = _unaliased(expected)
    origin = get_origin(expected)
    if origin is Annotated:
        return _classes_of(get_args(expected)[0])
    if origin is Union or origin is types.UnionType:
        return tuple(cls for member in get_args(expected) for cls in _classes_of(member))
    return tuple(cls for cls in (origin or expected,) if isinstance(cls, type))


def _item_class_of(expected: Any) -> type:
    """``numpy.float64`` for ``numpy.typing.NDArray[numpy.float64]``, else anything."""
    for argument in get_args(expected)[1:]:
        for item in get_args(argument):
            if isinstance(item, type):
                return item
    return object


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


# ---- RAW, MSGPACK and PICKLE


def _flat(view: memoryview) -> Buffer:
    """Give the items of `view` in C order as plain bytes, copied only if they must be."""
    if not view.nbytes:
        return b""
    if view.c_contiguous:
        try:
            return view.cast("B")
        except TypeError:  # a format with a byte order, as those of ctypes: Python cannot cast them
            pass
    return view.tobytes()


def _write_bytes(message: bytes | bytearray) -> Encoded:
    return _RAW, b"", message


def _write_view(message: memoryview) -> Encoded:
    return _RAW, b"", _flat(message)


def _simplify(value: Any) -> Any:
    """Turn a NumPy scalar inside plain data into the Python number that it equals."""
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.str_):
            return str(value)
        if isinstance(value, numpy.bool_ | numpy.integer | numpy.float64 | numpy.float32):
            # Not longdouble, whose digits a float cannot hold, nor datetime64 and timedelta64.
            return value.item()
        if isinstance(value, numpy.ndarray):
            raise TypeError(
                "an array inside other data is not supported: send it alone, or tolist()"
            )
    raise TypeError(f"objects of type {_name(type(value))} are not supported")


_to_msgpack = msgspec.msgpack.Encoder(enc_hook=_simplify).encode


def _write_msgpack(message: Any) -> Encoded:
    payload = _to_msgpack(message)
    check(payload, _MAX_ITEMS)  # what no receiver takes is its sender's mistake
    return _MSGPACK, b"", payload


def _write_pickle(message: Any) -> Encoded:
    return _PICKLE, b"", import_module("pickle").dumps(message, protocol=5)


# ---- ARRAY

_MAX_DEPTH = 16  # records within records
_MAX_DESCRIPTION = 1 << 16  # items
_ALIGNMENT = 16
_Size = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
_Shape = Annotated[tuple[_Size, ...], msgspec.Meta(max_length=64)]

# Byte order, kind and size, and the unit of a time: what has fixed-size items that hold no pointer.
_DTYPE = re.compile(r"[<>|](?:[biufcSUV][0-9]{1,10}|[mM]8(?:\[[0-9]{0,9}[a-zA-Z]{1,2}\])?)")
_FIELD_NAME = re.compile(":[^:]*:")
_NATIVE_ORDER = "<" if sys.byteorder == "little" else ">"
# The kind of item that a buffer's format letter stands for; its size differs between the native
# and the standard letters, and the buffer states it.
_KINDS = dict.fromkeys("bhilqn", "i") | dict.fromkeys("BHILQN", "u") | dict.fromkeys("efdg", "f")
_KINDS.update({"?": "b", "c": "S"})
# The native letter for each kind and size: what `memoryview.cast` can make.
_LETTERS: dict[str, str] = dict(
    zip("b1 S1 i1 u1 i2 u2 i4 u4 i8 u8 f2 f4 f8".split(), "?cbBhHiIqQefd", strict=True)  # noqa: SIM905
)


class _Field(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    name: str
    dtype: str | _Record
    offset: _Size
    shape: _Shape = ()
    title: str | None = None


class _Record(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A structured dtype. Offsets are explicit, so padding and overlaps arrive as they were."""

    fields: list[_Field]
    itemsize: _Size


class _Array(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    dtype: str | _Record
    shape: _Shape
    fortran: bool = False
    scalar: bool = False


_from_description = msgspec.msgpack.Decoder(_Array)


def _description(array: _Array) -> bytes:
    text = msgspec.msgpack.encode(array)
    head = len(text).to_bytes(4, "little") + text
    return head + bytes(-len(head) % _ALIGNMENT)


def _read_description(view: memoryview) -> tuple[_Array, int]:
    end = 4 + int.from_bytes(view[:4], "little")
    offset = end + -end % _ALIGNMENT
    if offset > view.nbytes:
        raise ValueError("its description is cut short")
    text = bytes(view[4:end])
    check(text, _MAX_DESCRIPTION)
    return _from_description.decode(text), offset


@lru_cache(maxsize=256)
def _head(dtype: Any, shape: tuple[int, ...], fortran: bool, scalar: bool) -> bytes:
    if dtype.hasobject:
        raise ValueError("its items are Python objects, which exist in this process only")
    described = _describe(dtype)
    # Catches what NumPy writes as bare bytes (bfloat16 and other foreign dtypes).
    if not dtype.itemsize or _dtype(import_module("numpy"), described) != dtype:
        raise ValueError(f"no message can hold items of dtype {dtype}")
    return _description(_Array(described, shape, fortran, scalar))


def _describe(dtype: Any) -> str | _Record:
    if dtype.names is None:
        return dtype.str
    fields: list[_Field] = []
    for name in dtype.names:
        of, offset, *title = dtype.fields[name]
        fields.append(_Field(name, _describe(of.base), offset, of.shape, *title))
    return _Record(fields, dtype.itemsize)


def _dtype(numpy: Any, described: str | _Record, depth: int = 0) -> Any:
    if isinstance(described, str):
        if not _DTYPE.fullmatch(described):
            raise ValueError(f"bad dtype {described[:40]!r}")
        return numpy.dtype(described)
    if depth == _MAX_DEPTH:
        raise ValueError(f"its dtype is nested more than {_MAX_DEPTH} deep")
    formats = [(_dtype(numpy, one.dtype, depth + 1), one.shape) for one in described.fields]
    return numpy.dtype(
        {
            "names": [one.name for one in described.fields],
            "formats": formats,
            "offsets": [one.offset for one in described.fields],
            "titles": [one.title for one in described.fields],
            "itemsize": described.itemsize,
        }
    )


def _write_array(message: Any) -> Encoded:
    numpy = sys.modules["numpy"]
    if any(cls.__name__ == "MaskedArray" for cls in type(message).__mro__):
        raise ValueError("its mask would be lost: send .filled(), or .data and .mask")
    array = numpy.asarray(message)
    head = _head(array.dtype, array.shape, array.flags.fnc, isinstance(message, numpy.generic))
    if not array.flags.forc:
        array = array.copy(order="C")
    return _ARRAY, head, _items(numpy, array).data


def _items(numpy: Any, array: Any) -> Any:
    """Give the memory of a contiguous array as bytes.

    NumPy itself exports no buffer for times, and for records none of a plain format.
    """
    return (array.T if array.flags.fnc else array).reshape(-1).view(numpy.uint8)


def _write_numpy_str(message: Any) -> Encoded:
    return _write_msgpack(str(message))


def _write_buffer(message: Any) -> Encoded:
    view = memoryview(message)
    letter = view.format.lstrip("@=<>!")
    if letter in _KINDS and (view.itemsize == 1 or letter not in "bB?c"):
        order = view.format[0] if view.format[0] in "<>!" else _NATIVE_ORDER
        order = "|" if view.itemsize == 1 else order.replace("!", ">")
        array = _Array(f"{order}{_KINDS[letter]}{view.itemsize}", view.shape or ())
        return _ARRAY, _description(array), _flat(view)
    numpy = _module("numpy")
    if numpy is None:
        raise ValueError(f"NumPy is needed to send items of format {view.format!r}: install it")
    if not hasattr(message, "_b_base_"):
        return _write_array(numpy.asarray(view))
    # The formats that ctypes states are wrong for structures (before 3.12) and unions.
    if set(_FIELD_NAME.sub("", view.format)) & set("&PzZOX"):
        raise ValueError("it holds pointers, which mean nothing in another process")
    return _write_array(numpy.ndarray((), numpy.dtype(type(message)), buffer=message))


def _write_dlpack(message: Any) -> Encoded:
    numpy = _module("numpy")
    if numpy is None:
        raise ValueError("NumPy is needed to send it: install it")
    try:
        return _write_array(numpy.from_dlpack(message))
    except Exception as error:
        raise ValueError(f"{error} (only plain tensors in host memory can be sent)") from error


def _as_array(numpy: Any, array: _Array, view: memoryview, offset: int, owned: bool) -> Any:
    dtype = _dtype(numpy, array.dtype)
    _check_size(array, dtype.itemsize, view.nbytes - offset)
    order = "F" if array.fortran else "C"
    if owned and not array.scalar:
        return numpy.ndarray(array.shape, dtype, view, offset, order=order)
    copy = numpy.empty(array.shape, dtype, order=order)
    # As bytes: copying records leaves their padding as it was in this process's memory.
    _items(numpy, copy)[:] = view[offset:]
    return copy[()] if array.scalar else copy


def _as_view(array: _Array, items: memoryview) -> Any:
    """Make of an array what Python can without NumPy."""
    dtype = array.dtype if isinstance(array.dtype, str) else ""
    code: Any = _LETTERS.get(dtype[1:]) if dtype[:1] in ("|", _NATIVE_ORDER) else None
    nested = len(array.shape) > 1
    if code is None or (nested and (array.fortran or not items)):
        raise ValueError("NumPy is needed to read it: install it")
    _check_size(array, int(dtype[2:]), items.nbytes)
    copy: Any = memoryview(bytearray(items))
    view = copy.cast(code, array.shape) if items else copy.cast(code)
    return view[()] if array.scalar else view


def _check_size(array: _Array, itemsize: int, present: int) -> None:
    if array.scalar and array.shape:
        raise ValueError("it is a scalar with a shape")
    if not itemsize or math.prod(array.shape) * itemsize != present:
        raise ValueError(
            f"its shape {array.shape} of {itemsize}-byte items disagrees with its {present} bytes"
        )


# ---- ARROW

_COLUMN = {b"liaison": b"column"}  # the schema's note that a lone column was sent, not a table
_OLDEST_PYARROW = 15  # up to 14.0.0, reading a schema could run a pickle in it (CVE-2023-47248)


def _pyarrow() -> Any:
    pyarrow = _module("pyarrow")
    if pyarrow is None or int(pyarrow.__version__.split(".")[0]) < _OLDEST_PYARROW:
        raise ValueError(f"pyarrow {_OLDEST_PYARROW} or later is needed for it: install it")
    import_module("pyarrow.ipc")
    return pyarrow


def _write_arrow(message: Any) -> Encoded:
    pyarrow = _pyarrow()
    reader = _batches(pyarrow, message)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    return _ARROW, b"", _flat(memoryview(sink.getvalue()))


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


def _read_arrow(payload: bytes) -> Any:
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
