"""What the payload of a message is."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

    # A format, a head and a body: the payload is the two, one after the other.
    Encoded = tuple[int, bytes, Buffer]

__all__ = ["Format"]


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
RAW, MSGPACK, ARRAY, ARROW, PICKLE, CUSTOM = map(int, Format)
