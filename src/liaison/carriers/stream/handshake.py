"""How two ends find out who the other is. No input or output happens here.

::

    client                                          server
    hello: magic, flags, largest, nonce     -->
                                            <--     hello: magic, flags, largest, nonce
    with a token:
    proof of the client                     -->
                                            <--     proof of the server

A proof is HMAC-SHA256, keyed by the token, over the prover's role, both hellos and what identifies
the TLS session. The nonces make each proof good for one handshake (no replay), the role keeps it
from being sent back to its maker (no reflection), the flags are proven with the rest, and an end
that was given a token takes nothing less (no downgrade), and a proof from one TLS session says
nothing in another (nobody in between). The client proves first: a stranger that connects learns
nothing by which it could guess tokens offline.

Without TLS anybody in between could hand these proofs on, and then say what they like. So what
follows is sent in records (`liaison._native.records`), whose keys, one for each direction, are made
as the proofs are, of other words.

Nothing but these fixed-size words is read before the other end has proven that it knows the token.
"""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING

from liaison.errors import AccessDenied, Corrupt, VersionMismatch

if TYPE_CHECKING:
    from typing import Literal

__all__ = ["HELLO", "PROOF", "Handshake"]

_MAGIC = b"liaison"
_VERSION = 2  # 1 sent frames without records where there is a token and no TLS
_NONCE = 32
_WITH_TOKEN = 1
_hello = Struct(f"<7sBQQ{_NONCE}s")

HELLO = _hello.size
PROOF = 32


class Handshake:
    """One end's part of it; bytes go in by `receive` and come out of `take`.

    - ``token``: the secret that both ends share, or None where none is asked for.
    - ``binding``: what identifies the TLS session to both ends; None without TLS. An empty one, by
      which the proofs would be bound to nothing, is `AccessDenied`.
    - ``largest``: bytes of the largest message that this end takes; the other's is in ``theirs``.

    `receive` raises `AccessDenied`, `VersionMismatch` or `Corrupt`; then the connection is to be
    closed, after sending what `take` gives. What comes after the handshake is left in ``rest``.

    >>> token = secrets.token_bytes(32)
    >>> client, server = Handshake("client", token), Handshake("server", token)
    >>> while not (client.done and server.done):
    ...     server.receive(client.take())
    ...     client.receive(server.take())
    >>> client.rest + server.rest
    b''
    """

    __slots__ = (
        "_binding",
        "_buffer",
        "_hellos",
        "_ours",
        "_outgoing",
        "_role",
        "_token",
        "done",
        "greeted",
        "refuted",
        "theirs",
    )

    def __init__(
        self,
        role: Literal["client", "server"],
        token: bytes | None = None,
        *,
        binding: bytes | None = None,
        largest: int = 0,
    ) -> None:
        """Begin; a client's hello is to be taken at once."""
        if binding is not None and not binding:
            raise AccessDenied(
                "this Python's TLS does not tell what identifies the session (tls-unique), so that "
                "the other end's token could be handed on from another session"
            )
        self._role = role
        self._token = token
        self._binding = binding
        self._buffer = bytearray()
        flags = 0 if token is None else _WITH_TOKEN
        nonce = secrets.token_bytes(_NONCE)
        self._ours = _hello.pack(_MAGIC, _VERSION, flags, largest, nonce)
        self._hellos = b""
        self._outgoing = self._ours if role == "client" else b""
        self.greeted = False  # the other's hello came
        self.refuted = False  # the other's proof came, and was wrong
        self.done = False
        self.theirs = largest

    @property
    def rest(self) -> bytes:
        """The bytes that came after the handshake."""
        return bytes(self._buffer)

    def take(self) -> bytes:
        """Return what is to be sent now."""
        outgoing, self._outgoing = self._outgoing, b""
        return outgoing

    @property
    def wanted(self) -> int:
        """How many bytes are missing before there is anything to do; 0 when done."""
        if self.done:
            return 0
        return (PROOF if self.greeted else HELLO) - len(self._buffer)

    def receive(self, data: bytes) -> None:
        """Take bytes that came."""
        self._buffer += data
        while not self.done and self.wanted <= 0:
            if self.greeted:
                self._check_proof(self._cut(PROOF))
            else:
                self.receive_hello(self._cut(HELLO))

    def _cut(self, size: int) -> bytes:
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece

    def receive_hello(self, hello: bytes) -> None:
        """Take the other end's hello, all of it; again does no harm, after an interruption."""
        magic, version, flags, largest, nonce = _hello.unpack(hello)
        if magic != _MAGIC:
            raise Corrupt("what answers there does not speak liaison's protocol")
        if version != _VERSION:
            raise VersionMismatch(
                f"the other end speaks version {version} of the protocol, this one {_VERSION}"
            )
        if self._role == "server":
            self._outgoing += self._ours  # even to one that is refused: it says what is asked for
            self._hellos = hello + self._ours
        else:
            self._hellos = self._ours + hello
        if flags & ~_WITH_TOKEN:
            raise Corrupt(f"the other end's hello has unknown flags: {flags:#x}")
        if bool(flags & _WITH_TOKEN) != (self._token is not None):
            raise AccessDenied(
                "the other end has no token, and this end asks for one"
                if self._token is not None
                else "the other end asks for a token: give it with token="
            )
        if hmac.compare_digest(nonce, self._ours[-_NONCE:]):
            raise AccessDenied("the other end sent this end's own hello back")
        self.theirs = largest
        self.greeted = True
        if self._token is None:
            self.done = True
        elif self._role == "client":
            self._outgoing += self._proof("client")

    def _check_proof(self, proof: bytes) -> None:
        other = "client" if self._role == "server" else "server"
        if not hmac.compare_digest(proof, self._proof(other)):
            self.refuted = True
            raise AccessDenied("the other end has another token")
        if self._role == "server":
            self._outgoing += self._proof("server")
        self.done = True

    @property
    def keys(self) -> tuple[bytes, bytes] | None:
        """The keys of what this end sends and of what it receives; None where records are not used.

        That is without a token, and under TLS.
        """
        if self._token is None or self._binding is not None:
            return None
        client, server = self._keyed(b"records, client"), self._keyed(b"records, server")
        return (client, server) if self._role == "client" else (server, client)

    def _proof(self, role: str) -> bytes:
        return self._keyed(b"connection, " + role.encode())

    def _keyed(self, label: bytes) -> bytes:
        # No label begins another, and both hellos have one size: each text has one meaning.
        assert self._token is not None
        said = b"liaison " + label + self._hellos + (self._binding or b"")
        return hmac.digest(self._token, said, sha256)
