"""From a new connection to one that messages may flow over: TLS, then the handshake.

What protects the messages then is the TLS session; or, where there is only a token, records.

No input or output happens here: bytes of the socket go in, and bytes for the socket come out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liaison._native.records import Records
from liaison.carriers.stream.handshake import Handshake
from liaison.carriers.stream.tls import Session
from liaison.errors import AccessDenied

if TYPE_CHECKING:
    import ssl
    from typing import Literal

    from liaison._native.cipher import Seal

__all__ = ["Greeting"]

_MOST = 4096  # bytes from an end that has not proven anything
_MOST_WITH_CERTIFICATES = 16384  # where the other end has to send certificates


class Greeting:
    """One end of it. After `done` the `seal`, if any, and the `rest` belong to the channel."""

    __slots__ = ("_binding", "_handshake", "_largest", "_left", "_role", "_token", "session")

    def __init__(
        self,
        role: Literal["client", "server"],
        *,
        token: bytes | None,
        largest: int,
        context: ssl.SSLContext | None = None,
        hostname: str | None = None,
    ) -> None:
        """Begin; with a `context` by TLS."""
        self._role: Literal["client", "server"] = role
        self._token = token
        self._largest = largest
        self.session: Session | None = None
        self._handshake: Handshake | None = None
        self._left = _MOST
        if context is None:
            self._handshake = Handshake(role, token, largest=largest)
        else:
            if role == "client" or context.verify_mode:
                self._left = _MOST_WITH_CERTIFICATES
            self.session = Session(context, server=role == "server", hostname=hostname)
            self.session.shake()

    @property
    def handshake(self) -> Handshake | None:
        """The handshake, once there is one."""
        return self._handshake

    @property
    def done(self) -> bool:
        """Whether messages may flow."""
        return self._handshake is not None and self._handshake.done

    @property
    def awaits_proof(self) -> bool:
        """Whether a proof of the token is what the other end is to send next."""
        return self._handshake is not None and self._handshake.greeted and not self.done

    @property
    def refuted(self) -> bool:
        """Whether the other end has sent a wrong one."""
        return self._handshake is not None and self._handshake.refuted

    @property
    def appetite(self) -> int:
        """How many bytes may be received at once."""
        return self._left

    @property
    def theirs(self) -> int:
        """Bytes of the largest message that the other end takes."""
        return self._largest if self._handshake is None else self._handshake.theirs

    @property
    def rest(self) -> bytes:
        """Bytes that came after it, where there is no session that keeps them."""
        return b"" if self._handshake is None else self._handshake.rest

    def seal(self) -> Seal | None:
        """Make, after it is done, what protects messages; None where nothing was asked for."""
        if self.session is not None:
            return self.session.cipher()
        assert self._handshake is not None
        keys = self._handshake.keys
        return None if keys is None else Records(*keys)

    def receive(self, data: bytes) -> None:
        """Take bytes of the socket; none is the end.

        Raises `AccessDenied`, `VersionMismatch`, `Corrupt`.
        """
        if not data:
            raise AccessDenied(
                "the other end closed the connection instead of proving that it has the token: "
                "has it the same token=?"
                if self.awaits_proof
                else "the other end closed the connection before the handshake was complete"
            )
        self._left -= len(data)
        if self.session is None:
            assert self._handshake is not None
            self._handshake.receive(data)
        else:
            self._receive_encrypted(self.session, data)
        if self._left <= 0 and not self.done:
            raise AccessDenied("the other end sent too much before it proved who it is")

    def _receive_encrypted(self, session: Session, data: bytes) -> None:
        session.put(data)
        if not session.established:
            session.shake()
            if not session.established:
                return
        if self._handshake is None:
            binding = session.binding
            self._handshake = Handshake(
                self._role, self._token, binding=binding, largest=self._largest
            )
        handshake = self._handshake
        self._pass_on(session, handshake)
        while handshake.wanted:
            piece = bytearray(handshake.wanted)
            count = session.decrypt(memoryview(piece))
            if count is None:
                break
            if not count:
                raise AccessDenied("the other end closed the connection during the handshake")
            try:
                handshake.receive(bytes(piece[:count]))
            finally:
                self._pass_on(session, handshake)

    def _pass_on(self, session: Session, handshake: Handshake) -> None:
        outgoing = handshake.take()
        if outgoing:
            session.encrypt(outgoing)

    def take(self) -> bytes:
        """Give bytes for the socket."""
        if self.session is not None:
            return self.session.take()
        assert self._handshake is not None
        return self._handshake.take()
