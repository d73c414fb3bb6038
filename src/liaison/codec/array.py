"""ARRAY: a description, and the bytes of an array's items."""

from __future__ import annotations

import math
import re
import sys
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from liaison._native.msgpack import check
from liaison.codec.format import ARRAY
from liaison.codec.layout import Array, Field, Layout, Record
from liaison.codec.optional import module
from liaison.codec.plain import flat

if TYPE_CHECKING:
    from liaison.codec.format import Encoded

_MAX_DESCRIPTION = 1 << 16  # MessagePack's items in a description
_ALIGNMENT = 16
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


# ---- reading


def _layout(text: bytes) -> Layout:
    check(text, _MAX_DESCRIPTION)
    return Layout(_from_description(text))


_from_description = msgspec.msgpack.Decoder(Array).decode
_known_layout = lru_cache(maxsize=64)(_layout)
_MAX_KNOWN = 512  # bytes of a description that is kept


def read_layout(view: memoryview) -> tuple[Layout, memoryview]:
    """Read a description, check it against the items that follow, and return both."""
    end = 4 + int.from_bytes(view[:4], "little")
    offset = end + -end % _ALIGNMENT
    if offset > view.nbytes:
        raise ValueError("its description is cut short")
    text = bytes(view[4:end])
    layout = _known_layout(text) if len(text) <= _MAX_KNOWN else _layout(text)
    items = view[offset:]
    layout.check_size(items.nbytes)
    return layout, items


def as_array(numpy: Any, layout: Layout, items: memoryview, owned: bool) -> Any:
    """Make a NumPy array or scalar; it uses the memory of the items if they are `owned`."""
    dtype, array = layout.dtype(numpy), layout.array
    order = "F" if array.fortran else "C"
    if owned and not array.scalar:
        values = numpy.ndarray(array.shape, dtype, items, order=order)
    else:
        values = numpy.empty(array.shape, dtype, order=order)
        # As bytes: copying records would fill their padding with this process's memory.
        _bytes_of(numpy, values)[:] = items
    layout.check_texts(numpy, values)
    return values[()] if array.scalar else values


def as_view(layout: Layout, items: memoryview) -> Any:
    """Make a memoryview, or a number, without NumPy."""
    array = layout.array
    dtype = array.dtype if isinstance(array.dtype, str) else ""
    code: Any = _LETTERS.get(dtype[1:]) if dtype[:1] in ("|", _NATIVE_ORDER) else None
    nested = len(array.shape) > 1
    if code is None or (nested and (array.fortran or not items)):
        raise ValueError("NumPy is needed to read it: install it")
    copy: Any = memoryview(bytearray(items))
    view = copy.cast(code, array.shape) if items else copy.cast(code)
    return view[()] if array.scalar else view


# ---- writing


def write_array(message: Any) -> Encoded:
    """Write a NumPy array or scalar."""
    numpy = sys.modules["numpy"]
    if any(cls.__name__ == "MaskedArray" for cls in type(message).__mro__):
        raise ValueError("its mask would be lost: send .filled(), or .data and .mask")
    array = numpy.asarray(message)
    head = _head(array.dtype, array.shape, array.flags.fnc, isinstance(message, numpy.generic))
    if not array.flags.forc:
        array = array.copy(order="C")
    return ARRAY, head, _bytes_of(numpy, array).data


@lru_cache(maxsize=256)
def _head(dtype: Any, shape: tuple[int, ...], fortran: bool, scalar: bool) -> bytes:
    if dtype.hasobject:
        raise ValueError("its items are Python objects, which exist in this process only")
    if not dtype.itemsize:
        raise ValueError(f"no message can hold items of dtype {dtype}")
    array = Array(_describe(dtype), shape, fortran, scalar)
    layout = _checked(array, dtype.itemsize)
    # Catches what NumPy writes as bare bytes (bfloat16 and other foreign dtypes).
    if layout.dtype(import_module("numpy")) != dtype:
        raise ValueError(f"no message can hold items of dtype {dtype}")
    return _description(array)


def _checked(array: Array, itemsize: int) -> Layout:
    """Make the layout as a receiver does; one that every receiver refuses is the sender's error."""
    layout = Layout(array)
    layout.check_size(math.prod(array.shape) * itemsize)
    return layout


def _description(array: Array) -> bytes:
    text = msgspec.msgpack.encode(array)
    check(text, _MAX_DESCRIPTION)
    head = len(text).to_bytes(4, "little") + text
    return head + bytes(-len(head) % _ALIGNMENT)


def _describe(dtype: Any) -> str | Record:
    if dtype.names is None:
        return dtype.str
    fields: list[Field] = []
    for name in dtype.names:
        of, offset, *title = dtype.fields[name]
        fields.append(Field(name, _describe(of.base), offset, of.shape, *title))
    return Record(fields, dtype.itemsize)


def _bytes_of(numpy: Any, array: Any) -> Any:
    """Return the memory of a contiguous array as bytes.

    NumPy itself exports no buffer for times, and for records none of a plain format.
    """
    return (array.T if array.flags.fnc else array).reshape(-1).view(numpy.uint8)


def write_buffer(message: Any) -> Encoded:
    """Write an object that exports a buffer of numbers."""
    view = memoryview(message)
    letter = view.format.lstrip("@=<>!")
    if letter in _KINDS and (view.itemsize == 1 or letter not in "bB?c"):
        order = view.format[0] if view.format[0] in "<>!" else _NATIVE_ORDER
        order = "|" if view.itemsize == 1 else order.replace("!", ">")
        head = _plain_head(f"{order}{_KINDS[letter]}{view.itemsize}", view.shape or ())
        return ARRAY, head, flat(view)
    numpy = module("numpy")
    if numpy is None:
        raise ValueError(f"NumPy is needed to send items of format {view.format!r}: install it")
    if not hasattr(message, "_b_base_"):
        return write_array(numpy.asarray(view))
    # The formats that ctypes states are wrong for structures (before 3.12) and unions.
    if set(_FIELD_NAME.sub("", view.format)) & set("&PzZOX"):
        raise ValueError("it holds pointers, which mean nothing in another process")
    return write_array(numpy.ndarray((), numpy.dtype(type(message)), buffer=message))


@lru_cache(maxsize=256)
def _plain_head(dtype: str, shape: tuple[int, ...]) -> bytes:
    array = Array(dtype, shape)
    _checked(array, int(dtype[2:]))
    return _description(array)


def write_dlpack(message: Any) -> Encoded:
    """Write a tensor in host memory."""
    numpy = module("numpy")
    if numpy is None:
        raise ValueError("NumPy is needed to send it: install it")
    try:
        return write_array(numpy.from_dlpack(message))
    except Exception as error:
        raise ValueError(f"{error} (only plain tensors in host memory can be sent)") from error
