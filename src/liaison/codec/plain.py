"""RAW: bytes as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liaison.codec.format import RAW

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from liaison.codec.format import Encoded


def flat(view: memoryview) -> Buffer:
    """Give the items of `view` in C order as plain bytes, copied only if they must be."""
    if not view.nbytes:
        return b""
    if view.c_contiguous:
        try:
            return view.cast("B")
        except TypeError:  # a format with a byte order, as those of ctypes: Python cannot cast them
            pass
    return view.tobytes()


def write_bytes(message: bytes | bytearray) -> Encoded:
    """Hand over the object's own memory."""
    return RAW, b"", message


def write_view(message: memoryview) -> Encoded:
    """Hand over the memory that the view shows."""
    return RAW, b"", flat(message)
