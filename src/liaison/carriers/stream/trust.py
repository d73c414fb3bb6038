"""What makes a connection safe: what each end has to prove, and what needs no proof."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from liaison._native.frames import LARGEST
from liaison.carriers.stream.tls import context_for
from liaison.codec import Coder

if TYPE_CHECKING:
    import ssl

    from liaison.address import Address
    from liaison.carriers.contract import Terms

__all__ = ["Trust"]

_SHORTEST = 16  # bytes of a token


class Trust:
    """The terms of a connection, checked.

    - ``key``: the token's bytes; None where nobody has to prove anything.
    - ``context``: for TLS, or None. ``hostname``: whose certificate a client expects.
    - ``largest``: bytes of a message that is taken from the other end.
    - ``open_to_all``: whether addresses may be used that anybody reaches.
    """

    __slots__ = ("coder", "context", "hostname", "key", "largest", "open_to_all")

    def __init__(self, where: Address, terms: Terms, *, server: bool) -> None:
        """Check what was said. Raises `TypeError`, and `ValueError` for what is not safe."""
        self.key = _key(terms.token)
        self.context: ssl.SSLContext | None = None
        self.hostname: str | None = None
        if where.scheme == "tls" or terms.tls is not None:
            self.context = context_for(terms.tls, server=server)
            if not server and where.hosts:
                self.hostname = where.hosts[0][0]
            if not (server or self.context.verify_mode or self.key or terms.insecure):
                raise ValueError(
                    "this SSLContext checks no certificate, so anybody could answer: give a token= "
                    "too, or insecure=True"
                )
        if (
            terms.codec == "pickle"
            and where.scheme != "unix"
            and self.key is None
            and not terms.insecure
        ):
            raise ValueError(
                'codec="pickle" runs code of whoever is at the other end, and any user may be '
                "there: give a token=, use a Unix socket, or insecure=True"
            )
        self.largest = operator.index(terms.max_message)
        if not 1 <= self.largest <= LARGEST:
            raise ValueError(f"max_message={self.largest} is out of range: it is 1 to {LARGEST}")
        self.coder = Coder(terms.type, terms.codec)
        self.open_to_all = terms.insecure or (self.context is not None and self.key is not None)


def _key(token: object) -> bytes | None:
    if token is None:
        return None
    if not isinstance(token, str | bytes):
        raise TypeError(f"a token is a str or bytes, not {token.__class__.__name__}")
    key = token.encode() if isinstance(token, str) else token
    if len(key) < _SHORTEST:
        raise ValueError(
            f"the token has {len(key)} bytes, and one of less than {_SHORTEST} can be guessed: "
            "make one by secrets.token_hex(32), once, and give it to both ends"
        )
    return key
