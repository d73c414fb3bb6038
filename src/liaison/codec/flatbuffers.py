"""Reading Arrow's metadata, which is a flatbuffer.

A flatbuffer is tables that point at each other. Every position is compared with the actual bytes.
Each time a part is read its bytes are counted, so a small buffer whose parts point at the same
parts again and again is refused: correct writers write each part once.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

U8, I16, U16, I32, U32, I64 = map(Struct, ("<B", "<h", "<H", "<i", "<I", "<q"))
TWO_I64 = Struct("<qq")
_REPEATED = 4  # times that each byte may be read, on average


class Flatbuffer:
    """The bytes of a flatbuffer, and how many of them may still be read."""

    __slots__ = ("_left", "data")

    def __init__(self, data: bytes) -> None:
        """Begin with a buffer that does not change."""
        self.data = data
        self._left = _REPEATED * len(data)

    def root(self) -> Table:
        """Return the outermost table."""
        return Table(self, self.number(U32, 0))

    def number(self, format: Struct, place: int) -> int:
        """Read a number, wherever it is said to be."""
        if not 0 <= place <= len(self.data) - format.size:
            raise ValueError("its metadata points outside itself")
        return format.unpack_from(self.data, place)[0]

    def look(self, place: int, size: int) -> int:
        """Count a part that is read, and return its position."""
        self.within(place, size)
        self._left -= size
        if self._left < 0:
            raise ValueError("its metadata points at the same parts again and again")
        return place

    def within(self, place: int, size: int) -> None:
        """Raise `ValueError` for a part that is not within the bytes."""
        if place < 0 or size < 0 or place + size > len(self.data):
            raise ValueError("its metadata points outside itself")


class Table:
    """A table of a flatbuffer; its fields are known by number, and missing ones have a default."""

    __slots__ = ("_buffer", "_fields", "_fields_size", "_place", "_size")

    def __init__(self, buffer: Flatbuffer, place: int) -> None:
        """Check that the table, and the positions of its fields, lie within the buffer."""
        self._buffer = buffer
        self._place = place
        self._fields = place - buffer.number(I32, place)
        self._fields_size = buffer.number(U16, self._fields)
        self._size = buffer.number(U16, self._fields + 2)
        buffer.within(self._fields, self._fields_size)
        buffer.look(place, max(self._size, 4))

    def _field(self, number: int, size: int) -> int | None:
        entry = 4 + 2 * number
        if entry + 2 > self._fields_size:
            return None
        offset = self._buffer.number(U16, self._fields + entry)
        if offset == 0:
            return None
        if offset + size > self._size:
            raise ValueError("its metadata points outside itself")
        return self._place + offset

    def number(self, number: int, format: Struct) -> int:
        """Read a number; 0 if it is missing."""
        place = self._field(number, format.size)
        return 0 if place is None else self._buffer.number(format, place)

    def _target(self, number: int) -> int | None:
        place = self._field(number, 4)
        return None if place is None else place + self._buffer.number(U32, place)

    def table(self, number: int) -> Table | None:
        """Return a table that this one points at."""
        place = self._target(number)
        return None if place is None else Table(self._buffer, place)

    def vector(self, number: int, format: Struct) -> list[Any]:
        """Read a vector of structs: a tuple of numbers for each."""
        place = self._target(number)
        if place is None:
            return []
        count, size = self._buffer.number(U32, place), format.size
        start = self._buffer.look(place + 4, count * size)
        return [format.unpack_from(self._buffer.data, start + size * i) for i in range(count)]

    def text(self, number: int) -> bytes:
        """Read a text."""
        place = self._target(number)
        if place is None:
            return b""
        start = self._buffer.look(place + 4, self._buffer.number(U32, place))
        return self._buffer.data[start : start + self._buffer.number(U32, place)]

    def tables(self, number: int) -> Iterator[Table]:
        """Go through a vector of tables."""
        place = self._target(number)
        if place is None:
            return
        count = self._buffer.number(U32, place)
        start = self._buffer.look(place + 4, 4 * count)
        for entry in range(start, start + 4 * count, 4):
            yield Table(self._buffer, entry + self._buffer.number(U32, entry))
