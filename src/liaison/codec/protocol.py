"""What a codec of the user's own is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["Codec", "CodecName", "check_codec"]

CodecName: TypeAlias = Literal["pickle"]


@runtime_checkable
class Codec(Protocol):
    """What ``codec=`` accepts beside ``"pickle"``: any object, or module, with these two functions.

    Whatever they raise becomes `EncodeError` or `DecodeError`. Bytes do not come here: they are
    messages as they are.

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
        """Return the bytes (or another buffer) that stand for `message`."""
        ...

    def decode(self, payload: bytes, /) -> Any:
        """Return what `payload` stands for; it comes from whoever may send."""
        ...


def check_codec(codec: object) -> None:
    """Raise `ValueError` or `TypeError` for what is no codec."""
    allowed = 'codec= is None, "pickle" or an object with encode() and decode()'
    if isinstance(codec, str):
        if codec != "pickle":
            raise ValueError(f"{allowed}, not {codec!r}")
    elif codec is not None and not all(
        callable(getattr(codec, method, None)) for method in ("encode", "decode")
    ):
        raise TypeError(f"{allowed}, not {codec!r}")
