"""MSGPACK: plain data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from liaison._native.msgpack import Reader, check
from liaison.codec.expected import name_of
from liaison.codec.format import MSGPACK
from liaison.codec.keys import Keys
from liaison.facts import Facts

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Buffer

    from liaison.codec.format import Encoded

# Items of one message, in all its lists and dicts together. An empty list is one byte in the
# payload and 72 bytes in memory.
MAX_ITEMS = 1 << 22


def simplify(value: Any) -> Any:
    """Turn a NumPy scalar into the Python number that it equals, and facts into a dict."""
    if isinstance(value, Facts):
        return value.as_dict()
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
    raise TypeError(f"objects of type {name_of(type(value))} are not supported")


_encode = msgspec.msgpack.Encoder(enc_hook=simplify).encode


def write_msgpack(message: Any) -> Encoded:
    """Write plain data."""
    payload = _encode(message)
    check(payload, MAX_ITEMS)  # a message that every receiver refuses is the sender's error
    return MSGPACK, b"", payload


def write_numpy_str(message: Any) -> Encoded:
    """Write text that NumPy made."""
    return write_msgpack(str(message))


def reader(expected: Any) -> Callable[[Buffer], Any]:
    """Return a function that decodes plain data as a type, within the limits for its size.

    Raises `TypeError` for a type that msgspec cannot decode.
    """
    keys: list[Keys] = []  # made for the first message that needs the check

    def look(payload: bytes, found: int) -> None:
        if not keys:
            keys.append(Keys(expected))
        keys[0].check(payload, found)

    return Reader(msgspec.msgpack.Decoder(expected).decode, look, MAX_ITEMS).read
