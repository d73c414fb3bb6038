"""ARRAY: a description, and the items of an array as they lie in memory.

NumPy trusts descriptions: it adds an offset and a size in a C int, and reads outside the items
where that overflows. So every number of a description is checked here, in Python's integers,
before NumPy sees any of it:

- a field lies inside its record, and a record inside the record that holds it;
- an item has at most as many bytes as there are, or 65,536 where there are none, and as many of
  them as the shape says are there;
- where fields overlap, all values of an item together have at most 64 times its size;
- an array without items has at most 65,536 rows, because each is a list in `tolist()`, and at most
  2³¹ items but for its dimensions that are zero;
- an item of text is text.
"""

from __future__ import annotations

import math
import re
import sys
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from liaison._native.msgpack import check
from liaison.codec.format import ARRAY
from liaison.codec.optional import module
from liaison.codec.plain import flat

if TYPE_CHECKING:
    from liaison.codec.format import Encoded

_MAX_DEPTH = 16  # records within records
_MAX_DESCRIPTION = 1 << 16  # MessagePack's items in a description
_MAX_ITEMSIZE = 2**31 - 1  # NumPy 1 keeps it in a C int
_MAX_OVERLAP = 64  # of an item's size, in fields: a union of so many members
_MAX_EMPTY = 1 << 16  # rows, and bytes of an item, of an array without any
_ALIGNMENT = 16
_Size = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
_Shape = Annotated[tuple[_Size, ...], msgspec.Meta(max_length=64)]

# Byte order, kind and size, and the unit of a time: what has fixed-size items that hold no pointer.
_DTYPE = re.compile(
    r"[<>|](?:([biufcSUV])([0-9]{1,10})|[mM]8(?:\[(?:[1-9][0-9]{0,8})?[a-zA-Z]{1,7}\])?)"
)
_SIZES: dict[str, tuple[int, ...]] = {
    "b": (1,),
    "i": (1, 2, 4, 8),
    "u": (1, 2, 4, 8),
    "f": (2, 4, 8, 12, 16),
}
_SIZES["c"] = tuple(2 * size for size in _SIZES["f"][1:])
_LAST_CHARACTER = 0x10FFFF
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


class _Extent(NamedTuple):
    """What an item takes up, as its description says."""

    size: int
    reach: int  # bytes of all its values, those counted twice that two fields show
    dimensions: int  # of the deepest field
    texts: bool


class Layout:
    """Where the values of an array lie: its description, every number of it checked.

    Raises `ValueError` for one that is not true of so many bytes of items.
    """

    __slots__ = ("_dtype", "_extent", "array")

    def __init__(self, array: _Array) -> None:
        """Check the description of an item; the rest needs to know how many bytes there are."""
        self.array = array
        self._extent = extent = _extent_of(array.dtype)
        self._dtype: Any = None
        if array.scalar and array.shape:
            raise ValueError("it is a scalar with a shape")
        if not extent.size:
            raise ValueError("its items have no bytes")
        if extent.reach > _MAX_OVERLAP * extent.size:
            raise ValueError(
                f"fields of {extent.reach} bytes overlap in an item of {extent.size}, "
                f"more than {_MAX_OVERLAP} times"
            )

    def check_size(self, present: int) -> None:
        """Raise `ValueError` unless there are `present` bytes of items."""
        shape, size = self.array.shape, self._extent.size
        if math.prod(shape) * size != present:
            raise ValueError(
                f"its shape {_shown(shape)} of {size}-byte items disagrees with its {present} bytes"
            )
        if present:
            return
        rows = math.prod(shape[: shape.index(0)])
        others = math.prod(filter(None, shape))
        if max(rows, size) > _MAX_EMPTY or others >= 2**31:
            raise ValueError(
                f"an array without items has at most {_MAX_EMPTY} rows, of items of as many bytes, "
                f"not the shape {_shown(shape)} of {size}-byte items"
            )

    def dtype(self, numpy: Any) -> Any:
        """Make NumPy's description of it."""
        if self._dtype is None:
            most = 64 if int(numpy.__version__.partition(".")[0]) >= 2 else 32
            dimensions = len(self.array.shape) + self._extent.dimensions
            if dimensions > most:
                raise ValueError(f"it has {dimensions} dimensions; this NumPy takes {most}")
            self._dtype = _dtype(numpy, self.array.dtype)
        return self._dtype

    def check_texts(self, numpy: Any, values: Any) -> None:
        """Raise `ValueError` for items of text that are none: Python believes what NumPy says."""
        if self._extent.texts:
            _check_texts(numpy, values)


def _extent_of(described: str | _Record, depth: int = 0) -> _Extent:
    if isinstance(described, str):
        return _extent_of_plain(described)
    if depth == _MAX_DEPTH:
        raise ValueError(f"its dtype is nested more than {_MAX_DEPTH} deep")
    if described.itemsize > _MAX_ITEMSIZE:
        raise ValueError(f"its items of {described.itemsize} bytes are too large")
    reach = dimensions = 0
    texts = False
    names: set[str] = set()
    for field in described.fields:
        inner = _extent_of(field.dtype, depth + 1)
        end = field.offset + math.prod(field.shape) * inner.size
        if end > described.itemsize:
            raise ValueError(
                f"a field of it ends at {end}, outside its record of {described.itemsize} bytes"
            )
        for name in (field.name, field.title):
            if name in names:
                raise ValueError(f"it has two fields {name!r}")
            if name is not None:
                names.add(name)
        # What has no bytes is still a value, and a dimension of none a list.
        reach += max(inner.reach, 1) * math.prod(filter(None, field.shape))
        dimensions = max(dimensions, inner.dimensions + len(field.shape))
        texts = texts or inner.texts
    return _Extent(described.itemsize, reach, dimensions, texts)


def _extent_of_plain(described: str) -> _Extent:
    if not (match := _DTYPE.fullmatch(described)):
        raise ValueError(f"bad dtype {described[:40]!r}")
    kind, digits = match.groups()
    size = int(digits or 8)
    if size not in _SIZES.get(kind, (size,)):
        raise ValueError(f"bad dtype {described[:40]!r}")
    if kind == "U":
        size *= 4
    if size > _MAX_ITEMSIZE:
        raise ValueError(f"its items of {size} bytes are too large")
    return _Extent(size, size, 0, kind == "U")


def _check_texts(numpy: Any, values: Any) -> None:
    dtype = values.dtype
    for name in dtype.names or ():
        _check_texts(numpy, values[name])
    if dtype.kind == "U" and dtype.itemsize:
        characters = numpy.dtype((f"{dtype.str[0]}u4", (dtype.itemsize // 4,)))
        if (values.view(characters) > _LAST_CHARACTER).any():
            raise ValueError("its items are no text: a character of them does not exist")


def _shown(shape: tuple[int, ...]) -> str:
    return str(shape) if len(shape) <= 8 else f"{shape[:8]}, {len(shape)} dimensions,"


# ---- reading


def _layout(text: bytes) -> Layout:
    check(text, _MAX_DESCRIPTION)
    return Layout(_from_description(text))


_from_description = msgspec.msgpack.Decoder(_Array).decode
_known_layout = lru_cache(maxsize=64)(_layout)
_MAX_KNOWN = 512  # bytes of a description that is kept


def read_layout(view: memoryview) -> tuple[Layout, memoryview]:
    """Read a description, and check it against the items that follow, which are given too."""
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
    """Make a NumPy array, or scalar; of the items' own memory, where they are `owned`."""
    dtype, array = layout.dtype(numpy), layout.array
    order = "F" if array.fortran else "C"
    if owned and not array.scalar:
        values = numpy.ndarray(array.shape, dtype, items, order=order)
    else:
        values = numpy.empty(array.shape, dtype, order=order)
        # As bytes: copying records leaves their padding as it was in this process's memory.
        _bytes_of(numpy, values)[:] = items
    layout.check_texts(numpy, values)
    return values[()] if array.scalar else values


def as_view(layout: Layout, items: memoryview) -> Any:
    """Make what Python can without NumPy: a memoryview, or a number."""
    array = layout.array
    dtype = array.dtype if isinstance(array.dtype, str) else ""
    code: Any = _LETTERS.get(dtype[1:]) if dtype[:1] in ("|", _NATIVE_ORDER) else None
    nested = len(array.shape) > 1
    if code is None or (nested and (array.fortran or not items)):
        raise ValueError("NumPy is needed to read it: install it")
    copy: Any = memoryview(bytearray(items))
    view = copy.cast(code, array.shape) if items else copy.cast(code)
    return view[()] if array.scalar else view


def _dtype(numpy: Any, described: str | _Record) -> Any:
    """Make a dtype of a description that was checked."""
    if isinstance(described, str):
        return numpy.dtype(described)
    formats = [_dtype(numpy, one.dtype) for one in described.fields]
    for i, one in enumerate(described.fields):
        if one.shape:  # NumPy takes (S0, ()) for an error, and S0 for text of no bytes
            formats[i] = (formats[i], one.shape)
    return numpy.dtype(
        {
            "names": [one.name for one in described.fields],
            "formats": formats,
            "offsets": [one.offset for one in described.fields],
            "titles": [one.title for one in described.fields],
            "itemsize": described.itemsize,
        }
    )


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
    array = _Array(_describe(dtype), shape, fortran, scalar)
    layout = _checked(array, dtype.itemsize)
    # Catches what NumPy writes as bare bytes (bfloat16 and other foreign dtypes).
    if layout.dtype(import_module("numpy")) != dtype:
        raise ValueError(f"no message can hold items of dtype {dtype}")
    return _description(array)


def _checked(array: _Array, itemsize: int) -> Layout:
    """Make the layout as a receiver does: what none takes is its sender's mistake."""
    layout = Layout(array)
    layout.check_size(math.prod(array.shape) * itemsize)
    return layout


def _description(array: _Array) -> bytes:
    text = msgspec.msgpack.encode(array)
    check(text, _MAX_DESCRIPTION)
    head = len(text).to_bytes(4, "little") + text
    return head + bytes(-len(head) % _ALIGNMENT)


def _describe(dtype: Any) -> str | _Record:
    if dtype.names is None:
        return dtype.str
    fields: list[_Field] = []
    for name in dtype.names:
        of, offset, *title = dtype.fields[name]
        fields.append(_Field(name, _describe(of.base), offset, of.shape, *title))
    return _Record(fields, dtype.itemsize)


def _bytes_of(numpy: Any, array: Any) -> Any:
    """Give the memory of a contiguous array as bytes.

    NumPy itself exports no buffer for times, and for records none of a plain format.
    """
    return (array.T if array.flags.fnc else array).reshape(-1).view(numpy.uint8)


def write_buffer(message: Any) -> Encoded:
    """Write what exports a buffer of numbers."""
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
    array = _Array(dtype, shape)
    _checked(array, int(dtype[2:]))
    return _description(array)


def write_dlpack(message: Any) -> Encoded:
    """Write a tensor that lies in host memory."""
    numpy = module("numpy")
    if numpy is None:
        raise ValueError("NumPy is needed to send it: install it")
    try:
        return write_array(numpy.from_dlpack(message))
    except Exception as error:
        raise ValueError(f"{error} (only plain tensors in host memory can be sent)") from error
