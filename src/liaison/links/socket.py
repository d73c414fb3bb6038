"""`listen` and `connect`."""

from __future__ import annotations

from liaison.carriers.connections import LARGEST, Terms
from liaison.carriers.registry import carrier_of
from liaison.links.connection import Connection
from liaison.links.driving import drive
from liaison.links.end import parsed
from liaison.links.listener import Listener

TYPE_CHECKING = False  # see facts.py
if TYPE_CHECKING:
    from typing import Any, TypedDict, Unpack, overload

    from liaison.address import Address
    from liaison.codec import Codec, CodecName
    from liaison.message import Expected

    class SocketOptions(TypedDict, total=False):
        """What can be said of connections beside the type of their messages; see `listen`."""

        token: str | bytes | None
        tls: Any
        max_message: int
        codec: Codec | CodecName | None
        insecure: bool


__all__ = ["Connection", "Listener", "connect", "listen"]


if TYPE_CHECKING:

    @overload
    def listen(
        address: str | Address, *, type: type[Expected], **options: Unpack[SocketOptions]
    ) -> Listener[Expected]: ...
    @overload
    def listen(
        address: str | Address, *, type: object = None, **options: Unpack[SocketOptions]
    ) -> Listener: ...
    @overload
    def connect(
        address: str | Address,
        *,
        type: type[Expected],
        timeout: float | None = None,
        **options: Unpack[SocketOptions],
    ) -> Connection[Expected]: ...
    @overload
    def connect(
        address: str | Address,
        *,
        type: object = None,
        timeout: float | None = None,
        **options: Unpack[SocketOptions],
    ) -> Connection: ...


def listen(
    address: str | Address,
    *,
    token: str | bytes | None = None,
    tls: Any = None,
    max_message: int = LARGEST,
    type: object = None,
    codec: Codec | CodecName | None = None,
    insecure: bool = False,
) -> Listener:
    """Listen at ``unix:///path``, ``tcp://host:port`` or ``tls://host:port``.

    - ``token``: a secret of 16 bytes or more that both ends have and prove to each other. Make it
      by ``secrets.token_hex(32)``; one that can be guessed will be. It also proves every message,
      so that nobody in between can change or make one up; only TLS keeps them from being read.
    - ``tls``: ``(certificate, key)``, paths of PEM files, or an `ssl.SSLContext`.
    - ``max_message``: bytes of the largest message that is taken from others; 64 MiB.
    - ``type``, ``codec``: as for mailboxes.
    - ``insecure=True`` allows what is refused otherwise: an address that is not this machine's
      alone without TLS and a token, and pickles from where any user of this machine could connect.

    A Unix socket's file is its user's alone (0600), takes the place of a dead listener's, and is
    removed when the listener is closed. Port 0 takes a free port, see `Listener.address`.

    Raises `NameTaken` when somebody listens there, `AccessDenied`, `NotFound`, and `InvalidAddress`
    or `ValueError` for what is not safe or not possible.

    >>> import liaison, secrets
    >>> with liaison.listen("tcp://127.0.0.1:0", token=secrets.token_hex(32)) as listener:
    ...     listener.address.startswith("tcp://127.0.0.1:")
    True
    """
    terms = Terms(
        token=token, tls=tls, max_message=max_message, type=type, codec=codec, insecure=insecure
    )
    where = parsed(address)
    return Listener(carrier_of(where).listen(where, terms))


def connect(
    address: str | Address,
    *,
    token: str | bytes | None = None,
    tls: Any = None,
    timeout: float | None = None,
    max_message: int = LARGEST,
    type: object = None,
    codec: Codec | CodecName | None = None,
    insecure: bool = False,
) -> Connection:
    """Connect to where somebody listens.

    The arguments are those of `listen`, but for ``tls``: the path of a PEM file with the
    certificates to trust, or an `ssl.SSLContext`; with ``tls://`` and without it, those that the
    system trusts. Without a token and TLS it returns before the other end has answered; whether
    that asks for a token is then seen by who receives.

    Raises `NotFound` when nobody listens there, `CallTimeout` after `timeout` seconds,
    `AccessDenied` when either end cannot prove who it is, `Corrupt` when it is not liaison that
    listens there, `VersionMismatch`, and `InvalidAddress` or `ValueError` for what is not safe.

    >>> import liaison
    >>> liaison.connect("unix:///nowhere/at/all")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    liaison.errors.NotFound: nobody listens at unix:///nowhere/at/all: ...
    """
    terms = Terms(
        token=token, tls=tls, max_message=max_message, type=type, codec=codec, insecure=insecure
    )
    where = parsed(address)
    return Connection.around(drive(carrier_of(where).connecting(where, terms), timeout))
