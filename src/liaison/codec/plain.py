"""RAW: bytes as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liaison.codec.format import RAW

if TYPE_CHECKING:
    from typing_extensions import Buffer

    from liaison.codec.format import Encoded


def flat(view: memoryview) -> Buffer:
    """Return the items of `view` in C order as bytes, copied only if necessary."""
    if not view.nbytes:
        return b""
    if view.c_contiguous:
        try:
            return view.cast("B")
        except TypeError:  # a format with a byte order, as in ctypes, which Python cannot cast
            pass
    return view.tobytes()


def write_bytes(message: bytes | bytearray) -> Encoded:
    """Return the object's own memory."""
    return RAW, b"", message


def write_view(message: memoryview) -> Encoded:
    """Return the memory of the view."""
    return RAW, b"", flat(message)
