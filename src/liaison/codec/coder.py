"""The encoder and decoder of one end of a link."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from liaison.codec.array import (
    as_array,
    as_view,
    read_layout,
    write_array,
    write_buffer,
    write_dlpack,
)
from liaison.codec.arrow import read_arrow, write_arrow
from liaison.codec.expected import classes_of, item_class_of, name_of, unaliased
from liaison.codec.format import ARRAY, ARROW, CUSTOM, MSGPACK, PICKLE, RAW, Format
from liaison.codec.msgpack import reader, write_msgpack, write_numpy_str
from liaison.codec.optional import module
from liaison.codec.plain import flat, write_bytes, write_view
from liaison.codec.protocol import check_codec
from liaison.errors import DecodeError, EncodeError
from liaison.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from liaison.codec.format import Encoded
    from liaison.codec.protocol import Codec, CodecName

_BYTES_LIKE = (bytes, bytearray, memoryview)
_MAX_LEARNT = 1000
_MAX_ERROR = 300  # characters


class Coder:
    r"""Encodes objects as messages, and decodes messages, for one end of a link.

    `type` is the type of received messages, which are validated. With None a tuple or a set arrives
    as a list, a dataclass or a `msgspec.Struct` as a dict, and a Decimal or a UUID as a str,
    because MessagePack has no types for them. Arrays, tables and what a codec decodes are checked
    to be instances of `type`, no deeper.

    `codec` is ``None``, ``"pickle"`` or a `Codec`, which encodes everything but bytes. With
    ``"pickle"``, pickles are loaded, which runs any code that their sender put in them: every
    process that can send must be trusted.

    A coder may be used by many threads at once. Raises `ValueError` or `TypeError` for another
    codec, and `TypeError` for a type that msgspec cannot decode.

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
        "_item_class",
        "_pickle",
        "_readers",
        "_type",
        "_writers",
    )

    def __init__(self, type: Any = None, codec: Codec | CodecName | None = None) -> None:
        """Set the type and the codec."""
        check_codec(codec)
        expected = unaliased(type)
        self._type = None if expected in (None, Any, object) else expected
        self._classes = classes_of(self._type)
        self._item_class = item_class_of(self._type)
        self._pickle = import_module("pickle") if codec == "pickle" else None
        self._codec = None if codec is None or isinstance(codec, str) else codec
        try:
            read_msgpack = reader(Any if self._type is None else expected)
        except TypeError as error:
            raise TypeError(f"type={type!r} cannot be expected of a message: {error}") from None
        # By the exact class of a message; _learn() adds classes as they are sent.
        self._writers: dict[Any, Callable[[Any], Encoded]] = {}
        self._readers: dict[int, Callable[[Any], Any]] = {
            RAW: self._read_raw,
            MSGPACK: read_msgpack,
            ARRAY: self._read_array,
            ARROW: self._read_arrow,
            PICKLE: self._read_pickle,
            CUSTOM: self._read_custom,
        }

    @property
    def bytes_only(self) -> bool:
        """Whether bytes are a valid message, and arrive unchanged."""
        return self._type is None or self._type is bytes

    def encode(self, message: Any) -> Encoded:
        r"""Encode an object as ``(format, head, body)``.

        The payload is head followed by body. The body may be the object's own memory, so the caller
        must copy it before it returns to the program.

        Raises `EncodeError`, whose text says what can be sent instead.

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
                f"cannot send this {name_of(type(message))}: {error}; {self._advice()}"
            ) from error

    def decode(self, format: int, payload: Buffer, owned: bool = False) -> Any:
        """Decode a message. The result shares no memory with the payload, unless that is `owned`.

        An `owned` payload is writable memory of the caller's, which an array may keep.

        Raises no other error than `DecodeError`, which carries a copy of the payload.

        >>> Coder().decode(Format.RAW, memoryview(b"as it is"))
        b'as it is'
        """
        try:
            read = self._readers.get(format)
            if read is None:
                raise ValueError("liaison has no such format; the sender may have a newer version")
            if owned and format == ARRAY:
                return self._read_array(payload, owned=True)
            return read(payload)
        except Exception as error:
            name = Format(format).name if format in self._readers else f"format {format!r}"
            text = str(error)
            shown = _legible(text)
            raise DecodeError(
                f"cannot read this {name} message: {shown}",
                payload=bytes(payload),
                format=format,
            ) from (error if shown == text else None)  # a traceback shows the cause's text too

    # ---- encoding

    def _learn(self, message: Any) -> Callable[[Any], Encoded]:
        """Find the writer for a class, and remember it for the next message of that class."""
        write = self._writer_of(message, type(message))
        if len(self._writers) > _MAX_LEARNT:
            self._writers.clear()  # the program creates classes all the time
        self._writers[type(message)] = write
        return write

    def _writer_of(self, message: Any, cls: Any) -> Callable[[Any], Encoded]:
        if isinstance(message, memoryview):
            return write_view
        if isinstance(message, bytes | bytearray):
            return write_bytes
        if self._pickle is not None:
            return self._write_pickle
        if self._codec is not None:
            return self._write_custom
        if cls.__module__ == "builtins":
            return write_msgpack
        if hasattr(cls, "__arrow_c_stream__") or hasattr(cls, "__arrow_c_array__"):
            return write_arrow
        if (numpy := sys.modules.get("numpy")) is not None:
            if isinstance(message, numpy.str_):
                return write_numpy_str
            if isinstance(message, numpy.ndarray | numpy.generic):
                return write_array
        if hasattr(cls, "__dlpack__"):
            return write_dlpack
        try:
            memoryview(message)
        except TypeError:
            return write_msgpack
        return write_buffer

    def _write_pickle(self, message: Any) -> Encoded:
        assert self._pickle is not None
        return PICKLE, b"", self._pickle.dumps(message, protocol=5)

    def _write_custom(self, message: Any) -> Encoded:
        assert self._codec is not None
        return CUSTOM, b"", flat(memoryview(self._codec.encode(message)))

    def _advice(self) -> str:
        if self._pickle is not None or self._codec is not None:
            return "the codec of this link refuses it"
        return (
            "send plain data, a dataclass or a msgspec.Struct, "
            'or use codec="pickle" at both ends if the receivers trust every sender'
        )

    # ---- decoding

    def _read_raw(self, payload: Buffer) -> Any:
        if self.bytes_only:
            return bytes(payload)
        if self._type is bytearray:
            return bytearray(payload)
        if not any(issubclass(cls, _BYTES_LIKE) for cls in self._classes):
            raise ValueError(f"expected {name_of(self._type)}, got bytes")
        return msgspec.convert(bytes(payload), self._type)

    def _read_array(self, payload: Buffer, owned: bool = False) -> Any:
        view = memoryview(payload).cast("B")
        layout, items = read_layout(view)
        scalar = layout.array.scalar
        numpy = None if self._type is memoryview else module("numpy")
        if numpy is None:
            value = as_view(layout, items)
            return self._converted(value) if scalar else self._expected(value)
        value = as_array(numpy, layout, items, owned)
        if scalar and not any(issubclass(cls, numpy.generic) for cls in self._classes):
            return value if self._type is None else self._converted(value.item())
        if not issubclass(value.dtype.type, self._item_class):
            raise ValueError(f"expected {name_of(self._type)}, got an array of {value.dtype}")
        return self._expected(value)

    def _converted(self, number: Any) -> Any:
        return msgspec.convert(number, Any if self._type is None else self._type)

    def _read_arrow(self, payload: Buffer) -> Any:
        return self._expected(read_arrow(bytes(payload)))

    def _read_pickle(self, payload: Buffer) -> Any:
        if self._pickle is None:
            raise ValueError(
                "it is a pickle, and loading one runs whatever code its sender put in it; receive "
                'with codec="pickle" if you trust every process that can send here'
            )
        return self._expected(self._pickle.loads(bytes(payload)))

    def _read_custom(self, payload: Buffer) -> Any:
        if self._codec is None:
            raise ValueError("its sender used a codec of its own; pass the same object as codec=")
        return self._expected(self._codec.decode(bytes(payload)))

    def _expected(self, value: Any) -> Any:
        if self._type is None:
            return value
        if not isinstance(value, self._classes):
            raise ValueError(f"expected {name_of(self._type)}, got {name_of(type(value))}")
        return value


def _legible(text: str) -> str:
    """Shorten and escape an error's text, which the sender may have chosen."""
    shown = printable(text[: _MAX_ERROR + 1])
    return shown if len(shown) <= _MAX_ERROR else f"{shown[:_MAX_ERROR]}…"
