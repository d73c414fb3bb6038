# pyright: reportPrivateUsage=false
"""Connections for tasks.

As on a mailbox, a task tries without waiting and, if the attempt fails, waits for the descriptor.
The carrier's end that sends and receives is the one that threads use.
"""

from __future__ import annotations

import select
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from liaison import errors
from liaison._native.link import end_of
from liaison.aio.driving import drive
from liaison.aio.end import patiently
from liaison.aio.line import (
    PENDING,
    Room,
    checkpoint,
    closing,
    line_of,
)
from liaison.carriers.contract import Terms
from liaison.carriers.registry import carrier_of
from liaison.deadline import Deadline, nanoseconds
from liaison.links import socket as links
from liaison.links.connection import shown
from liaison.links.end import parsed, passing_to
from liaison.message import Generic, Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Self, Unpack, overload

    from liaison.address import Address
    from liaison.carriers.contract import ListenerEnd
    from liaison.link import Link, Peer
    from liaison.links.socket import SocketOptions
    from liaison.message import Expected

__all__ = ["Connection", "Listener", "connect", "listen"]

_Default = TypeVar("_Default")

_LINGER = 1.0  # most seconds that the end of a block waits to send pending bytes


class _Half:
    """What a connection's end and a listener have in common."""

    __slots__ = ("__weakref__", "_end")

    _end: Any  # a ConnectionEnd or a ListenerEnd

    @property
    def address(self) -> str:
        """The listener's address, a URL; if port 0 was asked for, with the port that was chosen."""
        return self._end.address

    @property
    def closed(self) -> bool:
        """Whether this was closed."""
        return self._end.closed

    def fileno(self) -> int:
        """Return a descriptor that is readable when there may be something to receive."""
        return self._end.fileno()

    def close(self) -> None:
        """Close this; idempotent. Tasks that wait on it get `Closed`."""
        closing(self)
        self._end.close()

    async def __aenter__(self) -> Self:
        """Return this object, which is closed at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close this."""
        self.close()

    async def _until(self, attempt: Callable[[], Any], timeout: float | None) -> Any:
        def trying() -> Any:
            try:
                return attempt()
            except errors.Empty:
                return PENDING

        return await patiently(line_of(self, "fileno"), trying, attempt, timeout)


class Connection(_Half, Generic[Message]):
    """One end of a connection, for tasks; `connect` and `Listener.accept` make them.

    One task may send while another receives; several tasks that send, or that receive, are served
    in turn. What happens when the other end is closed is the same as for `liaison.Connection`.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     async with await aio.listen("tcp://127.0.0.1:0") as listener:
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

    __slots__ = ("_room", "_sending")

    _sending: anyio.Lock  # the turn to send
    _room: Room  # for which the task that has the turn waits

    def __init__(self) -> None:
        """Refuse: `connect` and `Listener.accept` make connections."""
        raise TypeError("connections are made by aio.connect() and Listener.accept()")

    @classmethod
    def _around(cls, end: Any) -> Self:
        made = cls.__new__(cls)
        made._end = end_of(end)
        made._sending = anyio.Lock()
        made._room = Room(made._end.outlet)
        return made

    def close(self) -> None:
        """Close this end; idempotent. Tasks that wait on it get `Closed`.

        This does not wait. If pending bytes cannot be sent at once, because the other end reads
        slowly, a thread waits until they are sent, for a second at most.
        """
        self._room.closing()
        closing(self)
        if not self._end.part():
            try:
                Thread(target=self._end.linger, name=f"closing {self!r}").start()
            except RuntimeError:  # no thread can be started, or Python is exiting
                self._end.linger()

    async def __aexit__(self, *_: object) -> None:
        """Send pending bytes, waiting a second at most; then close this end."""
        try:
            if self._end.outlet() >= 0 and (self.pending or not self._has_room()):
                with anyio.move_on_after(_LINGER, shield=True), suppress(errors.LiaisonError):
                    async with self._sending:
                        await self._finish()
                        await self._room.wait()  # for BYE, the last frame
        finally:
            self.close()

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._end.outlet(), select.POLLOUT)
        return bool(poll.poll(0))

    # ---- sending

    async def send(self, message: Message, *, timeout: float | None = None) -> None:
        """Send one message; return when the system has it.

        A large message of which a part has been sent when this is cancelled, or `timeout` passes,
        counts as sent: the next operation on this end sends the rest, see `pending`. Otherwise
        nothing of the message was sent. Raises `Full` when nothing could be sent within `timeout`
        seconds, `TooLarge`, `EncodeError`, `Disconnected`, `Closed`.
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
                turn.acquire_nowait()  # it is free: otherwise `try_send` would have sent nothing
            else:
                await turn.acquire()
            try:
                while not begun:
                    await self._room.wait()
                    await self._finish()  # the rest of another message
                    begun = end.try_send(message)
                await self._finish()
                return
            finally:
                turn.release()
        if not begun:
            raise self._full()

    def _full(self) -> errors.Full:
        return errors.Full(
            f"nothing could be sent over {self!r} in time: what was sent before has not left yet; "
            "receive faster at the other end, or wait longer with timeout="
        )

    async def flush(self, *, timeout: float | None = None) -> None:
        """Send the `pending` bytes.

        Raises `Full` when that took longer than `timeout` seconds, `Disconnected`, `Closed`.
        """
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
        raise errors.Full(
            f"{self.pending} bytes could not be sent over {self!r} in time; "
            "receive faster at the other end, or wait longer with timeout="
        )

    async def _finish(self) -> None:
        """Send the rest of a message; the caller has the turn to send."""
        end = self._end
        if not end.pending:
            return
        whole = end.sent + 1
        while end.pending:
            await self._room.wait()
            if end.pending:
                with suppress(errors.Full):
                    end.flush(timeout=0)
        if end.sent < whole:  # a receive sends it too, and drops it once the other end is gone
            end.flush(timeout=0)  # raises that

    def try_send(self, message: Message) -> bool:
        """Send one message if that needs no waiting; return whether it was sent."""
        return not self._sending.locked() and self._end.try_send(message)

    async def send_many(self, messages: Iterable[Message], *, timeout: float | None = None) -> int:
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
        """How many whole messages were handed over to the system."""
        return self._end.sent

    @property
    def confirmed(self) -> int:
        """How many of them the other program is known to have received."""
        return self._end.confirmed

    # ---- receiving

    async def receive(self, *, timeout: float | None = None) -> Message:
        """Receive one message. Raises as `liaison.Connection.receive` does."""
        return await self._until(lambda: self._end.receive(timeout=0), timeout)

    if TYPE_CHECKING:

        @overload
        def try_receive(self, default: None = None) -> Message | None: ...
        @overload
        def try_receive(self, default: _Default) -> Message | _Default: ...

    def try_receive(self, default: Any = None) -> Any:
        """Receive one message if there is one, else return `default`."""
        return self._end.try_receive(default)

    async def receive_many(self, max: int, *, timeout: float | None = None) -> list[Message]:
        """Wait for one message, then take those that follow it: at most `max` in all.

        Raises as `receive` does.
        """
        return await self._until(lambda: self._end.receive_many(max, timeout=0), timeout)

    def __aiter__(self) -> Self:
        """Receive messages until the other end is closed; see `liaison.Connection`."""
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except errors.Ended as error:
            if error.clean:
                raise StopAsyncIteration from None
            raise

    # ---- what it is

    @property
    def peer_address(self) -> str | None:
        """The other end's address, a URL; None for the client of a Unix socket, which has none."""
        return self._end.peer_address

    @property
    def peer(self) -> Peer | None:
        """The process at the other end of a Unix socket; None for TCP and TLS."""
        return self._end.peer

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self._end.encrypted

    @property
    def link(self) -> Link:
        """The properties of the link, and the processes that are on it."""
        return self._end.link

    def __repr__(self) -> str:
        """Show the other end."""
        return shown(self._end, "aio.Connection")


class Listener(_Half, Generic[Message]):
    """An address to which other programs connect, for tasks; see `liaison.Listener`."""

    __slots__ = ()

    def __init__(self, end: ListenerEnd) -> None:
        self._end = end

    async def accept(self, timeout: float | None = None) -> Connection[Message]:
        """Wait for a client to connect and to complete the handshake.

        Raises `Empty` when none did within `timeout` seconds, `Closed`, and `OSError` when this
        process may open no more files.
        """
        return Connection._around(await self._until(lambda: self._end.accept(timeout=0), timeout))

    @property
    def dropped(self) -> int:
        """How many connections were dropped during their handshake."""
        return self._end.dropped

    def __aiter__(self) -> Self:
        """Accept connections until the listener is closed."""
        return self

    async def __anext__(self) -> Connection[Message]:
        try:
            return await self.accept()
        except errors.Closed:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        """Show the address."""
        return f"<aio.Listener {self.address}{' (closed)' if self.closed else ''}>"


if TYPE_CHECKING:

    @overload
    async def listen(
        address: str | Address, *, type: type[Expected], **options: Unpack[SocketOptions]
    ) -> Listener[Expected]: ...
    @overload
    async def listen(
        address: str | Address, *, type: object = None, **options: Unpack[SocketOptions]
    ) -> Listener: ...
    @overload
    async def connect(
        address: str | Address,
        *,
        type: type[Expected],
        timeout: float | None = None,
        **options: Unpack[SocketOptions],
    ) -> Connection[Expected]: ...
    @overload
    async def connect(
        address: str | Address,
        *,
        type: object = None,
        timeout: float | None = None,
        **options: Unpack[SocketOptions],
    ) -> Connection: ...


@passing_to(links.listen)
async def listen(address: str | Address, **options: Any) -> Listener:
    """Listen for connections; the arguments and errors are those of `liaison.listen`."""
    terms, where = Terms.of("listen", options), parsed(address)
    return Listener(await drive(carrier_of(where).listening(where, terms), None))


@passing_to(links.connect)
async def connect(
    address: str | Address, *, timeout: float | None = None, **options: Any
) -> Connection:
    """Connect to the address of a listener.

    The arguments and errors are those of `liaison.connect`. If this is cancelled, no connection is
    left.
    """
    terms, where = Terms.of("connect", options), parsed(address)
    return Connection._around(await drive(carrier_of(where).connecting(where, terms), timeout))
