"""The layout of an array's values: its description, of which every number is checked.

NumPy trusts descriptions: it adds an offset and a size in a C int, and reads outside the items
where that overflows. So every number of a description is checked here, in Python's integers,
before NumPy sees any of it:

- a field lies inside its record, and a record inside the record that holds it;
- item size and shape account for exactly the bytes of the message; without items an item has at
  most 65,536 bytes;
- if fields overlap, all values of an item together have at most 64 times its size;
- an array without items has at most 65,536 rows, because each is a list in `tolist()`, and at most
  2³¹ items when its zeros are left out;
- an item of text holds valid characters.
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Any, NamedTuple

import msgspec

_MAX_DEPTH = 16  # records within records
_MAX_ITEMSIZE = 2**31 - 1  # NumPy 1 keeps it in a C int
_MAX_OVERLAP = 64  # of an item's size, in fields: a union of so many members
_MAX_EMPTY = 1 << 16  # rows, and bytes of an item, of an array without any
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


class Field(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A field of a record. With a shape, it is an array itself."""

    name: str
    dtype: str | Record
    offset: _Size
    shape: _Shape = ()
    title: str | None = None


class Record(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A structured dtype. Offsets are explicit, so padding and overlaps arrive as they were."""

    fields: list[Field]
    itemsize: _Size


class Array(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """An array as its message describes it."""

    dtype: str | Record
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

    def __init__(self, array: Array) -> None:
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


def _extent_of(described: str | Record, depth: int = 0) -> _Extent:
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


def _dtype(numpy: Any, described: str | Record) -> Any:
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
