"""TLS over a stream socket, by the standard library; after its handshake `Frames` takes it over.

The session reads and writes memory, not the socket (`ssl.MemoryBIO`): so a thread may send while
another receives, which OpenSSL itself forbids, and a handshake makes nobody wait.
"""

from __future__ import annotations

import os
import ssl
from typing import Any

from liaison._native.cipher import Cipher
from liaison.errors import AccessDenied

__all__ = ["Session", "context_for"]


def context_for(tls: object, *, server: bool) -> ssl.SSLContext:
    """Make of what a user gave as ``tls=`` what Python's `ssl` needs.

    That is an `ssl.SSLContext`, or for a server the paths ``(certificate, key)`` and for a client
    the path of the certificates to trust; None trusts those that the system does.

    Raises `ValueError` and `TypeError`, and what `ssl` raises for files that are none of this.
    """
    if isinstance(tls, ssl.SSLContext):
        return tls
    if server:
        if not isinstance(tls, tuple):
            raise TypeError('a listener needs tls=("certificate.pem", "key.pem") or an SSLContext')
        certificate, key = tls  # pyright: ignore[reportUnknownVariableType]
        for path in (certificate, key):  # pyright: ignore[reportUnknownVariableType]
            os.stat(path)  # pyright: ignore[reportUnknownArgumentType]  # ssl would not say which
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)  # pyright: ignore[reportUnknownArgumentType]
    else:
        if tls is not None and not isinstance(tls, str):
            raise TypeError('who connects needs tls="trusted.pem", an SSLContext, or nothing')
        context = ssl.create_default_context(cafile=tls)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class Session:
    """One end of a TLS session in memory; only TLS 1.3 is taken."""

    __slots__ = ("_incoming", "_object", "_outgoing", "established")

    def __init__(self, context: ssl.SSLContext, *, server: bool, hostname: str | None) -> None:
        """Begin; `hostname` is whose certificate a client expects."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server, server_hostname=hostname
        )
        self.established = False

    def shake(self) -> None:
        """Take the handshake as far as the bytes that came allow. Raises `AccessDenied`."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise AccessDenied(f"TLS with the other end failed: {error}") from error
        if self._object.version() != "TLSv1.3":
            raise AccessDenied(f"the other end offers {self._object.version()}, not TLS 1.3")
        self.established = True

    @property
    def binding(self) -> bytes:
        """What both ends of this session, and of no other, have in common.

        It is the client's Finished message, a keyed hash over all that was said, the server's
        certificate included.
        """
        return self._object.get_channel_binding("tls-unique") or b""

    def put(self, data: bytes) -> None:
        """Take bytes from the socket; none is the end."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def take(self) -> bytes:
        """Give bytes for the socket."""
        return self._outgoing.read()

    def cipher(self) -> Cipher:
        """The session, established, for `Frames`."""
        return Cipher(self._object, self._incoming, self._outgoing)

    def encrypt(self, data: bytes) -> None:
        """Take all of `data`, a few bytes."""
        self._object.write(data)

    def decrypt(self, target: memoryview) -> int | None:
        """Fill `target` with what has come; 0 at the end, None when there is nothing yet."""
        count: Any
        try:
            count = self._object.read(len(target), target)  # pyright: ignore[reportArgumentType]
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return 0
        except ssl.SSLError as error:
            raise ConnectionResetError(f"what came over TLS is damaged: {error}") from error
        return count
