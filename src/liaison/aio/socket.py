# pyright: reportPrivateUsage=false
"""Connections for tasks.

As with mailboxes: try, without waiting; when that was in vain, wait for the descriptor. What a
connection sends and receives is done by the same object that threads use.
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
    from liaison.codec import Codec, CodecName
    from liaison.link import Link, Peer
    from liaison.links.socket import SocketOptions
    from liaison.message import Expected

__all__ = ["Connection", "Listener", "connect", "listen"]

_Default = TypeVar("_Default")

_LINGER = 1.0  # seconds that leaving a block waits for what was sent to leave


class _Half:
    """What the ends of a connection and a listener have in common."""

    __slots__ = ("__weakref__", "_end")

    _end: Any  # a ConnectionEnd or a ListenerEnd

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


class Connection(_Half, Generic[Message]):
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

    __slots__ = ("_room", "_sending")

    _sending: anyio.Lock  # the turn to send
    _room: Room  # for which who has it waits

    def __init__(self) -> None:
        """Refuse: a connection has two ends."""
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

        It waits for nothing. Where what was sent cannot leave at once, since the other end reads
        slowly, a thread waits for that, for a second at most.
        """
        self._room.closing()
        closing(self)
        if not self._end.part():
            try:
                Thread(target=self._end.linger, name=f"closing {self!r}").start()
            except RuntimeError:  # there is none to be had, or Python is about to end
                self._end.linger()

    async def __aexit__(self, *_: object) -> None:
        """Close it; before, let what is to be sent leave, for a second at most."""
        try:
            if self._end.outlet() >= 0 and (self.pending or not self._has_room()):
                with anyio.move_on_after(_LINGER, shield=True), suppress(errors.LiaisonError):
                    async with self._sending:
                        await self._finish()
                        await self._room.wait()  # to say goodbye
        finally:
            self.close()

    def _has_room(self) -> bool:
        poll = select.poll()
        poll.register(self._end.outlet(), select.POLLOUT)
        return bool(poll.poll(0))

    # ---- sending

    async def send(self, message: Message, *, timeout: float | None = None) -> None:
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
                    await self._room.wait()
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
            await self._room.wait()
            if end.pending:
                with suppress(errors.Full):
                    end.flush(timeout=0)
        if end.sent < whole:  # who receives sends on, too, and gives it up when nobody is there
            end.flush(timeout=0)  # says so

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
        """How many messages were handed over to the system as a whole."""
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
        """Wait for one message, then take what is there besides: at most `max` in all."""
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
        return shown(self._end, "aio.Connection")


class Listener(_Half, Generic[Message]):
    """Where others connect to, for tasks; `listen` makes it. See `liaison.Listener`."""

    __slots__ = ()

    def __init__(self, end: ListenerEnd) -> None:
        self._end = end

    async def accept(self, timeout: float | None = None) -> Connection[Message]:
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

    async def __anext__(self) -> Connection[Message]:
        try:
            return await self.accept()
        except errors.Closed:
            raise StopAsyncIteration from None

    def __repr__(self) -> str:
        """Show where it listens."""
        return f"<aio.Listener {self.address}{' (closed)' if self.closed else ''}>"


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
def listen(address: str | Address, **options: Any) -> Listener:
    """Listen for connections; the arguments are those of `liaison.listen`, and what it raises.

    Where the address has a host's name and not a number, the system is asked for it, which holds
    the event loop up for that long.
    """
    return Listener(links.listen(address, **options)._end)


async def connect(
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
    """Connect to where somebody listens; the arguments are those of `liaison.connect`.

    Raises what that raises. Cancelling it leaves no connection.
    """
    terms = Terms(
        token=token, tls=tls, max_message=max_message, type=type, codec=codec, insecure=insecure
    )
    where = parsed(address)
    return Connection._around(await drive(carrier_of(where).connecting(where, terms), timeout))
