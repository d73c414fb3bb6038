"""How one connects: from an address to a connection over which messages may flow."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from liaison.carriers.steps import Pause, Readable, Writable
from liaison.carriers.stream import place
from liaison.carriers.stream.connection import Conversation
from liaison.carriers.stream.greeting import Greeting
from liaison.errors import AccessDenied, CallTimeout, LiaisonError, NotFound

if TYPE_CHECKING:
    from liaison.address import Address
    from liaison.carriers.steps import Steps
    from liaison.carriers.stream.trust import Trust

__all__ = ["dial"]

_CROWDED = 0.001  # seconds until a Unix socket's listener, whose queue is full, is tried again


def dial(where: Address, trust: Trust) -> Steps[Conversation]:
    """Connect. Given up at any wait, it leaves nothing behind.

    Raises `NotFound` where nobody listens, `CallTimeout`, `AccessDenied`, `InvalidAddress`,
    `Corrupt`, `VersionMismatch`.
    """
    connection = None
    try:
        places = yield from place.places(where, open_to_all=trust.open_to_all)
        while True:
            family, target = places.pop(0)
            connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            connection.setblocking(False)
            try:
                yield from _reach(connection, target, str(where))
                break
            except NotFound:
                if not places:
                    raise
                connection.close()
        answered = str(where)
        if where.scheme != "unix":
            place.tune(connection)
            answered = place.peer_url(where.scheme, target)
        elif trust.key is None:
            place.check_neighbour(connection)
        greeting = Greeting(
            "client",
            token=trust.key,
            largest=trust.largest,
            context=trust.context,
            hostname=trust.hostname,
        )
        # Where nobody has to prove anything, messages may follow at once: the first receive checks
        # the other end's hello.
        unfinished = trust.key is None and trust.context is None
        yield from _shake_hands(connection, greeting, str(where), wait=not unfinished)
        connection.setblocking(True)
        return Conversation(
            connection,
            greeting,
            trust,
            address=str(where),
            peer_address=answered,
            unfinished=unfinished,
        )
    except BaseException:
        if connection is not None:
            connection.close()
        raise


def _reach(connection: socket.socket, target: Any, where: str) -> Steps[None]:
    try:
        while True:
            try:
                connection.connect(target)
                return
            except BlockingIOError:
                if connection.family == socket.AF_UNIX:
                    yield Pause(_CROWDED)
                    continue
            yield Writable(connection.fileno())
            failed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                raise OSError(failed, os.strerror(failed))
            return
    except TimeoutError:
        raise CallTimeout(f"{where} took no connection in time") from None
    except OSError as error:
        raise place.explained(error, where) from error


def _shake_hands(
    connection: socket.socket, greeting: Greeting, where: str, *, wait: bool
) -> Steps[None]:
    try:
        while True:
            outgoing = greeting.take()
            while outgoing:
                try:
                    outgoing = outgoing[connection.send(outgoing, socket.MSG_NOSIGNAL) :]
                except BlockingIOError:
                    yield Writable(connection.fileno())
            if not wait or greeting.done:
                return
            try:
                data = connection.recv(greeting.appetite)
            except BlockingIOError:
                yield Readable(connection.fileno())
                continue
            try:
                greeting.receive(data)
            except LiaisonError:
                if outgoing := greeting.take():  # an alert says why, so that it can be read there
                    with suppress(OSError):  # or nobody is there to read it
                        connection.send(outgoing, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
                raise
    except LiaisonError as error:
        raise error.__class__(f"{where}: {error}") from error
    except TimeoutError:
        raise CallTimeout(f"{where} did not complete the handshake in time") from None
    except ConnectionError as error:
        raise AccessDenied(
            f"{where} closed the connection during the handshake: has it the same token= and tls=?"
        ) from error
