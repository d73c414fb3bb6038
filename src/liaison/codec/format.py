"""The formats of a message's payload."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

    # A format, a head and a body; the payload is head followed by body.
    Encoded = tuple[int, bytes, Buffer]

__all__ = ["Format"]


class Format(IntEnum):
    """The format of a message's payload; the number is sent with it.

    >>> Format(1)
    <Format.MSGPACK: 1>
    """

    RAW = 0
    MSGPACK = 1
    ARRAY = 2
    ARROW = 3
    PICKLE = 4
    CUSTOM = 5


# Plain numbers, because a member of an enum costs a look-up, and the carrier needs an int.
RAW, MSGPACK, ARRAY, ARROW, PICKLE, CUSTOM = map(int, Format)
