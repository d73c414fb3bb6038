"""Listening for connections, and connecting."""

from __future__ import annotations

from liaison.carriers.contract import Terms
from liaison.carriers.registry import carrier_named, carrier_of
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
        """The options of connections, besides the type of their messages; see `listen`."""

        token: str | bytes | None
        tls: Any
        max_message: int
        codec: Codec | CodecName | None
        insecure: bool


__all__ = ["Connection", "Listener", "connect", "listen"]

carrier_named("tcp")  # now: before its first connection a program may give up its privileges


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
    max_message: int = Terms.LARGEST,
    type: object = None,
    codec: Codec | CodecName | None = None,
    insecure: bool = False,
) -> Listener:
    """Listen at ``unix:///path``, ``tcp://host:port`` or ``tls://host:port``.

    - ``token``: a secret of 16 bytes or more, by which both ends authenticate each other. Make it
      by ``secrets.token_hex(32)``, so that it cannot be guessed. It also authenticates every
      message, so that a relay cannot change or forge one; only TLS also keeps messages secret.
    - ``tls``: ``(certificate, key)``, paths of PEM files, or an `ssl.SSLContext`.
    - ``max_message``: bytes of the largest message that this end accepts; by default 64 MiB.
    - ``type``, ``codec``: as for mailboxes.
    - ``insecure=True`` allows an address that the network can reach without TLS and a token, and
      pickles on an address to which any user of this machine can connect.

    A Unix socket's file has mode 0600, replaces a dead listener's file, and is removed when the
    listener is closed. Port 0 chooses a free port; see `Listener.address`.

    Raises `NameTaken` when another process listens there, `AccessDenied`, `NotFound` for an unknown
    host, and `InvalidAddress` or `ValueError` for an address or arguments that are not safe.

    >>> import liaison, secrets
    >>> with liaison.listen("tcp://127.0.0.1:0", token=secrets.token_hex(32)) as listener:
    ...     listener.address.startswith("tcp://127.0.0.1:")
    True
    """
    terms = Terms(
        token=token, tls=tls, max_message=max_message, type=type, codec=codec, insecure=insecure
    )
    where = parsed(address)
    return Listener(drive(carrier_of(where).listening(where, terms), None))


def connect(
    address: str | Address,
    *,
    token: str | bytes | None = None,
    tls: Any = None,
    timeout: float | None = None,
    max_message: int = Terms.LARGEST,
    type: object = None,
    codec: Codec | CodecName | None = None,
    insecure: bool = False,
) -> Connection:
    """Connect to the address of a listener.

    The arguments are those of `listen`, except ``tls``: the path of a PEM file with the
    certificates to trust, or an `ssl.SSLContext`; by default, for ``tls://``, the certificates that
    the system trusts. Without a token and TLS this returns before the other end has answered; if
    that requires a token, the first receive raises.

    Raises `NotFound` when no process listens there, `CallTimeout` after `timeout` seconds,
    `AccessDenied` when an end cannot prove its token or certificate, `Corrupt` when the listener
    does not use liaison, `VersionMismatch`, and `InvalidAddress` or `ValueError` for an address or
    arguments that are not safe.

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
