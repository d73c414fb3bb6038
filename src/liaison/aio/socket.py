# pyright: reportPrivateUsage=false
"""Connections for tasks.

As with mailboxes: try, without waiting; when that was in vain, wait for the descriptor. What a
connection sends and receives is done by the same object that threads use.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from liaison import errors
from liaison.aio.end import patiently
from liaison.aio.line import (
    PENDING,
    checkpoint,
    closing,
    line_of,
    readable,
    running_loop,
    writable,
)
from liaison.carriers.stream import place
from liaison.carriers.stream.greeting import Greeting
from liaison.carriers.stream.tls import context_for
from liaison.codec import Coder
from liaison.deadline import Deadline, nanoseconds
from liaison.links import socket as links

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable, Iterable
    from typing import Self

    from liaison.address import Address
    from liaison.codec import Codec, CodecName
    from liaison.link import Link, Peer

__all__ = ["Connection", "Listener", "connect", "listen"]

_LARGEST = 1 << 26
_LINGER = 1.0  # seconds, as in Frames


def _tell(room: asyncio.Future[None]) -> None:
    if not room.done():
        room.set_result(None)


class _Half:
    """What the ends of a connection and a listener have in common."""

    __slots__ = ("__weakref__", "_end")

    _end: Any

    @property
    def address(self) -> str:
        """The address that is listened on, a URL; with the real port where 0 was asked for."""
        return self._end.address

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._end.closed

    def fileno(self) -> int:
        """Return a descriptor that is readable when there may be something to receive."""
        return self._end.fileno()

    def close(self) -> None:
        """Close it; idempotent. Tasks that wait on it get `Closed`."""
        closing(self)
        self._end.close()

    async def __aenter__(self) -> Self:
        """Give it; the block closes it."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    async def _until(self, attempt: Callable[[], Any], timeout: float | None) -> Any:
        def trying() -> Any:
            try:
                return attempt()
            except errors.Empty:
                return PENDING

        return await patiently(line_of(self, "fileno"), trying, attempt, timeout)


class Connection(_Half):
    """One end of a connection, for tasks; `connect` and `Listener.accept` make them.

    One task may send while another receives, and many may do either; they are served in turn.
    What ends, and how that is told, is as for `liaison.Connection`.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     async with aio.listen("tcp://127.0.0.1:0") as listener:
    ...         async with await aio.connect(listener.address) as client:
    ...             server = await listener.accept()
    ...             await client.send({"item": "tea"})
    ...             print(await server.receive())
    ...             server.close()
    ...             async for message in client:
    ...                 print(message)
    >>> anyio.run(main)
    {'item': 'tea'}
    """

    __slots__ = ("_sending", "_waits")

    _sending: anyio.Lock  # the turn to send
    _waits: tuple[asyncio.AbstractEventLoop, int, asyncio.Future[None]] | None  # who has it does

    def __init__(self) -> None:
        """Refuse: a connection has two ends."""
        raise TypeError("connections are made by aio.connect() and Listener.accept()")

    @classmethod
    def _around(cls, end: links.Connection) -> Self:
        made = cls.__new__(cls)
        made._end = end
        made._sending = anyio.Lock()
        made._waits = None
        return made

    def close(self) -> None:
        """Close this end; idempotent. Tasks that wait on it get `Closed`."""
        if not self.closed:
            self._stop_waiting()
        if self._end._stands():
            with suppress(RuntimeError, anyio.NoEventLoopError):  # no loop: nobody waits
                anyio.notify_closing(self._end._socket)
        super().close()

    async def __aexit__(self, *_: object) -> None:
        """Close it; before, let what is to be sent leave, for a second at most.

        `close` itself would have the event loop wait, and with it who reads in another task.
        """
        try:
            if self._end._stands() and (self.pending or not self._has_room()):
                with anyio.move_on_after(_LINGER, shield=True), suppress(errors.LiaisonError):
                    async with self._sending:
                        await self._finish()
                        await self._room()  # to say goodbye
        finally:
            self.close()

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._end._socket, select.POLLOUT)
        return bool(poll.poll(0))

    # ---- sending

    async def send(self, message: Any, *, timeout: float | None = None) -> None:
        """Send one message: returns when the system has it.

        When it is cancelled, or `timeout` passes, while a large message is on its way, that counts
        as sent: its rest goes out with what is done next here, see `pending`; else nothing of it
        was. Raises `Full` when nothing could be sent within `timeout` seconds, `TooLarge`,
        `EncodeError`, `Disconnected`, `Closed`.
        """
        end, turn = self._end, self._sending
        now = nanoseconds(timeout) == 0
        await checkpoint()
        begun = self.try_send(message)
        if begun and (now or not end.pending):
            return
        if now:
            raise self._full()
        with anyio.move_on_after(timeout):
            if begun:
                turn.acquire_nowait()  # it is free, or nothing could have been sent
            else:
                await turn.acquire()
            try:
                while not begun:
                    await self._room()
                    await self._finish()  # of another message, that is
                    begun = end.try_send(message)
                await self._finish()
                return
            finally:
                turn.release()
        if not begun:
            raise self._full()

    def _full(self) -> errors.Full:
        return errors.Full(
            f"nothing could be sent over {self!r} in time: its other end reads slowly, or another "
            "task was sending; wait longer with timeout="
        )

    async def flush(self, *, timeout: float | None = None) -> None:
        """Send what is `pending`. Raises `Full` when that took longer, `Disconnected`, `Closed`."""
        now = nanoseconds(timeout) == 0
        await checkpoint()
        if not self._sending.locked():
            with suppress(errors.Full):
                self._end.flush(timeout=0)
                return
        if not now:
            with anyio.move_on_after(timeout):
                async with self._sending:
                    await self._finish()
                    return
        raise errors.Full(f"{self.pending} bytes are left to be sent over {self!r}")

    async def _finish(self) -> None:
        """What is left of a message, with the turn to send."""
        end = self._end
        if not end.pending:
            return
        whole = end.sent + 1
        while end.pending:
            await self._room()
            if end.pending:
                with suppress(errors.Full):
                    end.flush(timeout=0)
        if end.sent < whole:  # who receives sends on, too, and gives it up when nobody is there
            end.flush(timeout=0)  # says so

    async def _room(self) -> None:
        """Wait until the socket takes something, or is just being closed; with the turn to send."""
        if not self._end._stands():
            return
        connection = self._end._socket
        loop = running_loop()
        if loop is None:
            await writable(connection)
            return
        # anyio's own would know who waits by the descriptor's number. When that is closed here, it
        # may be another connection's before who waited here has left, and takes that one's along.
        descriptor, room = connection.fileno(), loop.create_future()
        loop.add_writer(descriptor, _tell, room)
        self._waits = loop, descriptor, room
        try:
            await room
        finally:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        """Have who waits for room look again; on the event loop that it waits in."""
        if self._waits is None:
            return
        loop, descriptor, room = self._waits
        with suppress(RuntimeError):
            if sys.modules["asyncio"].get_running_loop() is loop:
                self._waits = None
                loop.remove_writer(descriptor)
                _tell(room)

    def try_send(self, message: Any) -> bool:
        """Send one message if that needs no waiting; return whether it was sent."""
        return not self._sending.locked() and self._end.try_send(message)

    async def send_many(self, messages: Iterable[Any], *, timeout: float | None = None) -> int:
        """Send messages in their order; return how many were sent within `timeout` seconds.

        Raises `Full` when not even the first was, otherwise as `send` does. If it is cancelled, the
        first of the messages may have been sent.
        """
        deadline = Deadline(timeout)
        count = 0
        for message in messages:
            try:
                await self.send(message, timeout=deadline.remaining())
            except errors.Full:
                if count:
                    break
                raise
            count += 1
        return count

    @property
    def pending(self) -> int:
        """Bytes of a message that `send` took, and that wait for the other end to read."""
        return self._end.pending

    @property
    def sent(self) -> int:
        """How many messages were handed over to the system as a whole."""
        return self._end.sent

    @property
    def confirmed(self) -> int:
        """How many of them the other program is known to have received."""
        return self._end.confirmed

    # ---- receiving

    async def receive(self, *, timeout: float | None = None) -> Any:
        """Receive one message. Raises as `liaison.Connection.receive` does."""
        return await self._until(lambda: self._end.receive(timeout=0), timeout)

    def try_receive(self, default: Any = None) -> Any:
        """Receive one message if there is one, else return `default`."""
        return self._end.try_receive(default)

    async def receive_many(self, max: int, *, timeout: float | None = None) -> list[Any]:
        """Wait for one message, then take what is there besides: at most `max` in all."""
        return await self._until(lambda: self._end.receive_many(max, timeout=0), timeout)

    def __aiter__(self) -> Self:
        """Receive messages until the other end is closed; see `liaison.Connection`."""
        return self

    async def __anext__(self) -> Any:
        try:
            return await self.receive()
        except errors.Ended as error:
            if error.clean:
                raise StopAsyncIteration from None
            raise

    # ---- what it is

    @property
    def peer_address(self) -> str | None:
        """Where the other end is, a URL; None for the client of a Unix socket, which has none."""
        return self._end.peer_address

    @property
    def peer(self) -> Peer | None:
        """The process at the other end, where the system tells: on Unix sockets."""
        return self._end.peer

    @property
    def encrypted(self) -> bool:
        """Whether it is TLS."""
        return self._end.encrypted

    @property
    def link(self) -> Link:
        """What this link is, and who is on it."""
        return self._end.link

    def __repr__(self) -> str:
        """Show what it connects."""
        return f"<aio.{repr(self._end)[1:]}"


class Listener(_Half):
    """Where others connect to, for tasks; `listen` makes it. See `liaison.Listener`."""

    __slots__ = ()

    def __init__(self, listener: links.Listener) -> None:
        self._end = listener

    async def accept(self, timeout: float | None = None) -> Connection:
        """Wait for somebody to connect and to introduce themselves as asked.

        Raises `Empty` when nobody did within `timeout` seconds, `Closed`.
        """
        return Connection._around(await self._until(lambda: self._end.accept(timeout=0), timeout))

    @property
    def dropped(self) -> int:
        """How many connections were dropped that had not introduced themselves."""
        return self._end.dropped

    def __aiter__(self) -> Self:
        """Accept connections until the listener is closed."""
        return self

    async def __anext__(self) -> Connection:
        try:
            return await self.accept()
        except errors.Closed:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        """Show where it listens."""
        return f"<aio.{repr(self._end)[1:]}"


def listen(address: str | Address, **options: Any) -> Listener:
    """Listen for connections; the arguments are those of `liaison.listen`, and what it raises."""
    return Listener(links.listen(address, **options))


async def connect(
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
    """Connect to where somebody listens; the arguments are those of `liaison.connect`.

    Raises what that raises. Cancelling it leaves no connection.
    """
    where, key = links._parse(address), links._key(token)
    context = _context(where, tls, safe=key is not None or insecure)
    hostname = where.hosts[0][0] if context is not None and where.hosts else None
    links._check_pickle(where, codec, key, insecure)
    largest, coder = links._size(max_message), Coder(type, codec)
    open_to_all = insecure or (context is not None and key is not None)
    nanoseconds(timeout)  # says what is wrong with it
    await checkpoint()
    connection = None
    try:
        with anyio.fail_after(timeout):
            places = await _resolved(where, open_to_all)
            while True:
                family, target = places.pop(0)
                connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
                connection.setblocking(False)
                try:
                    await _dial(connection, target, str(where))
                    break
                except errors.NotFound:
                    if not places:
                        raise
                    connection.close()
            if where.scheme != "unix":
                place.tune(connection)
                answered = place.peer_url(where.scheme, target)  # who may be gone again
            else:
                answered = str(where)
                if key is None:
                    place.check_neighbour(connection)
            greeting = Greeting(
                "client", token=key, largest=largest, context=context, hostname=hostname
            )
            unfinished = key is None and context is None
            await _introduce(connection, greeting, str(where), wait=not unfinished)
        connection.setblocking(True)
        end = links.Connection._of(
            connection,
            greeting,
            coder,
            address=str(where),
            peer_address=answered,
            ours=largest,
            unfinished=unfinished,
        )
        return Connection._around(end)
    except TimeoutError as error:
        if connection is not None:
            connection.close()
        if isinstance(error, errors.LiaisonError):
            raise
        raise errors.CallTimeout(f"{where} did not answer in time") from None
    except BaseException:
        if connection is not None:
            connection.close()
        raise


def _context(where: Address, tls: object, *, safe: bool) -> ssl.SSLContext | None:
    if where.scheme != "tls" and tls is None:
        return None
    context = context_for(tls, server=False)
    if not context.verify_mode and not safe:
        raise ValueError(
            "this SSLContext checks no certificate, so anybody could answer: give a token= too, "
            "or insecure=True"
        )
    return context


async def _resolved(where: Address, open_to_all: bool) -> list[tuple[int, Any]]:
    if where.scheme == "unix":
        return [(socket.AF_UNIX, where.path)]
    host, port = where.hosts[0]
    with suppress(ValueError):
        ip_address(host.partition("%")[0])  # which nobody has to be asked for
        return place._resolved(host, port, open_to_all=open_to_all)
    # The system's resolver knows no other way; it waits for a name, never for a peer.
    return await anyio.to_thread.run_sync(
        lambda: place._resolved(host, port, open_to_all=open_to_all), abandon_on_cancel=True
    )


async def _dial(connection: socket.socket, target: Any, where: str) -> None:
    try:
        while True:
            try:
                connection.connect(target)
                return
            except BlockingIOError:
                if connection.family == socket.AF_UNIX:  # the listener's queue is full
                    await anyio.sleep(0.001)
                    continue
            await writable(connection)
            failed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if failed:
                raise OSError(failed, os.strerror(failed))
            return
    except OSError as error:
        raise place._explained(error, where) from error


async def _introduce(
    connection: socket.socket, greeting: Greeting, where: str, *, wait: bool
) -> None:
    try:
        while True:
            outgoing = greeting.take()
            while outgoing:
                try:
                    outgoing = outgoing[connection.send(outgoing, socket.MSG_NOSIGNAL) :]
                except BlockingIOError:
                    await writable(connection)
            if not wait or greeting.done:
                return
            try:
                data = connection.recv(greeting.appetite)
            except BlockingIOError:
                await readable(connection.fileno())
                continue
            try:
                greeting.receive(data)
            except errors.LiaisonError:
                if outgoing := greeting.take():  # an alert says why, so that it can be read there
                    with suppress(OSError):  # or nobody is there to read it
                        connection.send(outgoing, socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
                raise
    except errors.LiaisonError as error:
        raise error.__class__(f"{where}: {error}") from error
    except ConnectionError as error:
        raise errors.AccessDenied(
            f"{where} closed the connection during the introduction: has it the same token= and "
            "tls=?"
        ) from error
