"""The protocol of a user's codec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Codec", "CodecName", "check_codec"]

CodecName: TypeAlias = Literal["pickle"]


@runtime_checkable
class Codec(Protocol):
    """What ``codec=`` accepts besides ``"pickle"``: any object or module with these two functions.

    Any exception of theirs becomes `EncodeError` or `DecodeError`. Bytes are sent as they are,
    without the codec.

    >>> import json
    >>> from liaison.codec import Coder, Format
    >>> class Json:
    ...     def encode(self, message):
    ...         return json.dumps(message).encode()
    ...     def decode(self, payload):
    ...         return json.loads(payload)
    >>> coder = Coder(codec=Json())
    >>> coder.decode(Format.CUSTOM, b'{"a": 1}')
    {'a': 1}
    """

    def encode(self, message: Any, /) -> Buffer:
        """Return `message` as bytes or another buffer."""
        ...

    def decode(self, payload: bytes, /) -> Any:
        """Return the message of `payload`, which any sender may have written."""
        ...


def check_codec(codec: object) -> None:
    """Raise `ValueError` or `TypeError` if this is not a codec."""
    allowed = 'codec= is None, "pickle" or an object with encode() and decode()'
    if isinstance(codec, str):
        if codec != "pickle":
            raise ValueError(f"{allowed}, not {codec!r}")
    elif codec is not None and not all(
        callable(getattr(codec, method, None)) for method in ("encode", "decode")
    ):
        raise TypeError(f"{allowed}, not {codec!r}")
