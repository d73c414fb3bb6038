"""TLS over a stream socket, by the standard library.

The session reads and writes memory, not the socket (`ssl.MemoryBIO`): so a thread may send while
another receives, which OpenSSL itself forbids, and a handshake makes nobody wait.
"""

from __future__ import annotations

import contextlib
import ssl
from socket import MSG_WAITALL
from threading import Lock
from typing import TYPE_CHECKING, Any

from liaison.errors import AccessDenied

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from typing_extensions import Buffer

__all__ = ["Session", "Stream", "context_for"]

_PIECE = 1 << 18  # bytes encrypted at once
_RECORD = 1 << 16  # bytes received at once


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

    __slots__ = ("_incoming", "_lock", "_object", "_outgoing", "_torn", "established")

    def __init__(self, context: ssl.SSLContext, *, server: bool, hostname: str | None) -> None:
        """Begin; `hostname` is whose certificate a client expects."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server, server_hostname=hostname
        )
        self._lock = Lock()
        self._torn = False  # an interruption came while bytes went through, nobody knows how many
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

    @property
    def incoming(self) -> ssl.MemoryBIO:
        """Where bytes from the socket go."""
        return self._incoming

    @property
    def outgoing(self) -> ssl.MemoryBIO:
        """Where bytes for the socket come from."""
        return self._outgoing

    def encrypt(self, data: Buffer) -> int:
        """Take all of `data`."""
        with self._lock:
            self._tear()
            count = self._object.write(data)  # pyright: ignore[reportArgumentType]
            self._torn = False
            return count

    def decrypt(self, target: memoryview) -> int | None:
        """Fill `target` with what has come; 0 at the end, None when there is nothing yet."""
        with self._lock:
            self._tear()
            count: Any
            try:
                count = self._object.read(len(target), target)  # pyright: ignore[reportArgumentType]
            except ssl.SSLWantReadError:
                count = None
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                count = 0
            except ssl.SSLError as error:
                raise ConnectionResetError(f"what came over TLS is damaged: {error}") from error
            self._torn = False
            return count

    def _tear(self) -> None:
        if self._torn:
            raise ConnectionResetError("an interruption broke the TLS session off")
        self._torn = True


class Stream:
    """A socket with a TLS session over it; the methods that a `Channel` uses, as a socket's."""

    __slots__ = ("_pieces", "_session", "_socket")

    def __init__(self, socket: socket.socket, session: Session) -> None:
        """Use an established session."""
        self._socket = socket
        self._session = session
        # What is encrypted and not sent. A list, because what C appends to it no interruption
        # can lose; a lost byte would be the end of the session.
        self._pieces: list[bytes] = []

    @property
    def unsent(self) -> bool:
        """Whether bytes that `send` took have not left yet."""
        return bool(self._pieces or self._session.outgoing.pending)

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Take some bytes, encrypt and send them; `unsent` tells whether they all went."""
        if self.unsent:
            self.flush(flags)
        count = self._session.encrypt(memoryview(data)[:_PIECE])
        with contextlib.suppress(BlockingIOError):
            self.flush(flags)
        return count

    def sendmsg(self, buffers: Sequence[Buffer], ancillary: object = (), flags: int = 0) -> int:
        """Send of several buffers, beginning with the first."""
        return self.send(buffers[0], flags)

    def flush(self, flags: int = 0) -> None:
        """Send what is encrypted."""
        pieces, outgoing = self._pieces, self._session.outgoing
        while pieces or outgoing.pending:
            if not pieces:
                pieces.extend(map(outgoing.read, (_PIECE,)))
            counts: list[int] = []
            try:
                counts.extend(map(self._socket.send, (pieces[0],), (flags,)))
            finally:
                if counts:
                    pieces[:1] = [pieces[0][counts[0] :]] if counts[0] < len(pieces[0]) else []

    def recv_into(self, target: memoryview, size: int = 0, flags: int = 0) -> int:
        """Receive some bytes."""
        while True:
            count = self._session.decrypt(target)
            if count is not None:
                return count
            incoming = self._session.incoming
            # Not all of a record's worth, or of anything else's: more may never come.
            received = map(self._socket.recv, (_RECORD,), (flags & ~MSG_WAITALL,))
            # From the socket to the session without a Python instruction between the two.
            if list(map(incoming.write, received)) == [0]:
                incoming.write_eof()
