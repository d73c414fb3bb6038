"""`listen` and `connect`: what they are given, and what of it is not safe."""

from __future__ import annotations

import operator
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from liaison.address import Address
from liaison.carriers.stream import LARGEST, place
from liaison.carriers.stream.greeting import Greeting
from liaison.carriers.stream.tls import context_for
from liaison.codec import Coder
from liaison.deadline import Deadline
from liaison.errors import AccessDenied, CallTimeout, InvalidAddress, LiaisonError
from liaison.links.connection import Connection
from liaison.links.listener import Listener

if TYPE_CHECKING:
    from liaison.codec import Codec, CodecName

__all__ = ["Connection", "Listener", "connect", "listen"]

_LARGEST = 1 << 26
_SHORTEST = 16  # bytes of a token
_SCHEMES = ("unix", "tcp", "tls")


def listen(
    address: str | Address,
    *,
    token: str | bytes | None = None,
    tls: Any = None,
    max_message: int = _LARGEST,
    type: Any = None,
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
    where = _parse(address)
    key = _key(token)
    context = None
    if where.scheme == "tls" or tls is not None:
        context = context_for(tls, server=True)
    _check_pickle(where, codec, key, insecure)
    return Listener(
        where,
        token=key,
        context=context,
        coder=Coder(type, codec),
        largest=_size(max_message),
        open_to_all=insecure or (context is not None and key is not None),
    )


def connect(
    address: str | Address,
    *,
    token: str | bytes | None = None,
    tls: Any = None,
    timeout: float | None = None,
    max_message: int = _LARGEST,
    type: Any = None,
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
    where = _parse(address)
    key = _key(token)
    context, hostname = None, None
    if where.scheme == "tls" or tls is not None:
        context = context_for(tls, server=False)
        hostname = where.hosts[0][0] if where.hosts else None
        if not context.verify_mode and key is None and not insecure:
            raise ValueError(
                "this SSLContext checks no certificate, so anybody could answer: give a token= "
                "too, or insecure=True"
            )
    _check_pickle(where, codec, key, insecure)
    largest, coder, deadline = _size(max_message), Coder(type, codec), Deadline(timeout)
    open_to_all = insecure or (context is not None and key is not None)
    connection, answered = place.dial(where, deadline, open_to_all=open_to_all)
    try:
        if where.scheme == "unix" and key is None:
            place.check_neighbour(connection)
        greeting = Greeting(
            "client", token=key, largest=largest, context=context, hostname=hostname
        )
        unfinished = key is None and context is None
        _introduce(connection, greeting, deadline, str(where), wait=not unfinished)
        return Connection._of(  # pyright: ignore[reportPrivateUsage]
            connection,
            greeting,
            coder,
            address=str(where),
            peer_address=answered,
            ours=largest,
            unfinished=unfinished,
        )
    except BaseException:
        connection.close()
        raise


def _introduce(
    connection: socket.socket, greeting: Greeting, deadline: Deadline, where: str, *, wait: bool
) -> None:
    try:
        while True:
            connection.settimeout(_for_python(deadline))
            if outgoing := greeting.take():
                connection.sendall(outgoing, socket.MSG_NOSIGNAL)
            if not wait or greeting.done:
                break
            data = connection.recv(greeting.appetite)
            try:
                greeting.receive(data)
            except LiaisonError:
                if outgoing := greeting.take():  # an alert says why, so that it can be read there
                    with suppress(OSError):  # or nobody is there to read it
                        connection.send(outgoing, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
                raise
        connection.settimeout(None)
    except TimeoutError:
        raise CallTimeout(f"{where} did not introduce itself in time") from None
    except LiaisonError as error:
        raise error.__class__(f"{where}: {error}") from error
    except ConnectionError as error:
        raise AccessDenied(
            f"{where} closed the connection during the introduction: has it the same token= and "
            "tls=?"
        ) from error


def _for_python(deadline: Deadline) -> float | None:
    left = deadline.remaining()
    return None if left is None else max(left, 0.001)  # 0 would be "do not block" for ever


def _parse(address: str | Address) -> Address:
    where = address if isinstance(address, Address) else Address.parse(address)
    if where.scheme not in _SCHEMES:
        raise InvalidAddress(
            f"{where} is no socket: use unix:///path, tcp://host:port or tls://host:port"
        )
    return where


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


def _size(value: int) -> int:
    number = operator.index(value)
    if not 1 <= number <= LARGEST:
        raise ValueError(f"max_message={number} is out of range: it is 1 to {LARGEST}")
    return number


def _check_pickle(where: Address, codec: object, key: bytes | None, insecure: bool) -> None:
    if codec == "pickle" and where.scheme != "unix" and key is None and not insecure:
        raise ValueError(
            'codec="pickle" runs code of whoever is at the other end, and any user may be there: '
            "give a token=, use a Unix socket, or insecure=True"
        )
