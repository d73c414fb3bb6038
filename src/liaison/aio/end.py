"""What the named links have in common, for tasks.

Every operation that can wait tries first. If the attempt fails, the task waits in a line for the
descriptor that shows when to try again (`liaison.aio.line`). An attempt is one call of the engine,
which cannot be cancelled in the middle; a task that waits has taken nothing that could be lost.

An operation lets other tasks run before its first attempt, and can be cancelled there, but never
after an attempt has succeeded. So a task that is cancelled has received and sent nothing, with two
exceptions, of which the second cannot be avoided: `send_many` may have sent a first part of its
messages, and at a rendezvous a receiver may have taken the message at that very moment.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import anyio

from liaison._native.carrier import closing
from liaison._native.link import Lent, end_of
from liaison.aio import line as lines
from liaison.aio.line import PENDING, Line, checkpoint, line_of
from liaison.carriers.contract import Delivery
from liaison.deadline import Deadline, nanoseconds
from liaison.errors import Busy, Destroyed, Empty, Ended, Full, NoReceiver
from liaison.message import Generic, Message, Message_co

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable
    from types import TracebackType
    from typing import Literal, Self, overload

    from liaison.address import Address
    from liaison.carriers import contract
    from liaison.carriers.contract import State
    from liaison.codec import Codec, CodecName
    from liaison.link import Link, Peer, Statistics
    from liaison.links.end import LinkEnd

__all__ = [
    "Coming",
    "Delivery",
    "End",
    "Held",
    "Loan",
    "Receipt",
    "Receiving",
    "Sending",
    "patiently",
    "receivers",
    "senders",
]

_Default = TypeVar("_Default")
_Thing = TypeVar("_Thing", bound="Delivery | Loan")

_PRESENT = 0.05  # seconds that a waiting receiver may take to receive, as in the engine
_SOON = 5000  # nanoseconds: a sender that rings is about to send, see wait.h in the engine
_MANY = 64  # messages that are sent before other tasks may run


class Held:
    """An end of a link of any kind, for the tasks of an event loop."""

    __slots__ = ()

    _held: Any  # the object that has the end, for callers that block
    _end: Any  # the carrier's end

    @classmethod
    def _around(cls, held: Any) -> Self:
        made = cls.__new__(cls)
        made._hold(held)
        return made

    def _hold(self, held: Any) -> None:
        self._held = held
        self._end = end_of(held)

    @property
    def address(self) -> str:
        """The link's address, a URL."""
        return self._end.address

    @property
    def link(self) -> Link:
        """The properties of the link, and the processes that are on it at this moment."""
        return self._end.link

    @property
    def closed(self) -> bool:
        """Whether this end was closed."""
        return self._end.closed

    def statistics(self) -> Statistics:
        """Return a snapshot of the counts."""
        return self._held.statistics()

    def __bool__(self) -> bool:
        return True  # an empty mailbox is a mailbox

    def close(self) -> None:
        """Give up this end; idempotent. Tasks that wait on it get `Closed`."""
        self._held.close()

    def destroy(self, *, force: bool = False) -> None:
        """Destroy the link for everybody; see `liaison.Mailbox.destroy`."""
        self._end.destroy(force=force)

    async def __aenter__(self) -> Self:
        """Return this end, which is closed at the end of the block."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close this end."""
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the object for callers that block; unpickling makes this one anew from it."""
        return type(self)._around, (self._held,)

    def __repr__(self) -> str:
        """Show the address."""
        state = " (closed)" if self.closed else ""
        return f"<aio.{type(self).__name__} {self.address}{state}>"


class Sending(Generic[Message]):
    """How tasks send messages."""

    __slots__ = ()

    _end: Any

    if TYPE_CHECKING:

        @overload
        async def send(
            self, message: Message, *, timeout: float | None = None, receipt: Literal[False] = False
        ) -> None: ...
        @overload
        async def send(
            self, message: Message, *, timeout: float | None = None, receipt: Literal[True]
        ) -> Receipt[Message]: ...
        @overload
        async def send(
            self, message: Message, *, timeout: float | None = None, receipt: bool
        ) -> Receipt[Message] | None: ...

    async def send(
        self, message: Message, *, timeout: float | None = None, receipt: bool = False
    ) -> Receipt[Message] | None:
        """Send one message; on a rendezvous link, wait until a receiver has it.

        The message is encoded before this waits, except that the bytes of a buffer must not change
        until this returns. With ``receipt=True`` returns a `Receipt`.

        Raises `Full` when there was no room within `timeout` seconds, `NoReceiver` when no receiver
        came to a rendezvous, `TooLarge`, `EncodeError`, `NoSpace`, `Destroyed`, `Closed`.
        """
        end = self._end
        parcel = end.pack(message)

        def post() -> Any:
            sent = end.post(parcel, receipt)
            return PENDING if sent is None else sent

        if end.rendezvous:
            met = await self._meet(post, lambda: end.post(parcel, receipt, True), timeout)
            return Receipt(self, met) if receipt else None
        sent = await patiently(senders(end), post, lambda: end.post(parcel, receipt, True), timeout)
        return Receipt(self, sent) if receipt else None

    def try_send(self, message: Message) -> bool:
        """Send one message if that needs no waiting; return whether it was sent.

        At a rendezvous this blocks the event loop for at most 50 ms, until a receiver that waits
        has taken the message.
        """
        return self._end.try_send(message)

    async def send_many(
        self, messages: Iterable[Message] | AsyncIterable[Message], *, timeout: float | None = None
    ) -> int:
        """Send messages in their order; return how many were accepted within `timeout` seconds.

        Raises `Full` when not even the first was accepted, otherwise as `send` does. If this is
        cancelled, a first part of the messages may have been sent.
        """
        deadline = Deadline(timeout)
        count = 0
        end = self._end
        line = senders(end)
        await checkpoint()

        async def send(message: Message) -> bool:
            nonlocal count
            done = None
            if not end.rendezvous and not line.queued:
                done = end.post(end.pack(message))
            try:
                if done is None:
                    await self.send(message, timeout=deadline.remaining())
                elif count % _MANY == _MANY - 1:
                    await checkpoint()
            except Full:
                if count:
                    return False
                raise
            count += 1
            return True

        if isinstance(messages, AsyncIterable):
            async for message in messages:
                if not await send(message):
                    break
        else:
            for message in messages:
                if not await send(message):
                    break
        return count

    def loan(self, size: int, *, timeout: float | None = None) -> Coming[Loan[Message]]:
        """Borrow memory of the link for a message of `size` bytes, to be sent without a copy.

        ``async with box.loan(size) as loan`` discards the loan at the end of the block, unless it
        was sent; ``loan = await box.loan(size)`` does not. Raises as `liaison.Mailbox.loan` does.

        >>> import anyio
        >>> from liaison import aio
        >>> async def main():
        ...     async with aio.Mailbox("loans") as box:
        ...         async with box.loan(5) as loan:
        ...             loan[:] = b"hello"
        ...             await loan.send()
        ...         print(await box.receive())
        ...         box.destroy()
        >>> anyio.run(main)
        b'hello'
        """
        return Coming(lambda: self._loan(size, timeout))

    async def _loan(self, size: int, timeout: float | None) -> Loan[Message]:
        end = self._end

        def borrow() -> Any:
            try:
                return last()
            except Full:
                return PENDING

        def last() -> Loan[Message]:
            return Loan(end.loan(size, timeout=0), end)

        return await patiently(senders(end), borrow, last, timeout)

    async def _meet(
        self, offer: Callable[[], Any], last: Callable[[], Any], timeout: float | None
    ) -> contract.Receipt:
        """Offer a message, and wait until a receiver takes it; withdraw it if none does."""
        end = self._end
        deadline = Deadline(timeout)
        if timeout == 0:
            await checkpoint()
            if not end.statistics().receivers_waiting:
                receipt = last()  # raises, if anything else is wrong
                end.withdraw(receipt, True)
                return receipt
            deadline = Deadline(_PRESENT)
        line = senders(end)
        receipt = await patiently(line, offer, last, deadline.remaining())

        def taken() -> Any:
            peer = end.reached(receipt, False)
            return PENDING if peer is None else peer

        try:
            with anyio.move_on_after(deadline.remaining()):
                await line.until(taken, queue=False)
                return receipt
        except BaseException:
            end.withdraw(receipt)
            raise
        end.withdraw(receipt, True)  # raises `NoReceiver`, unless a receiver has it by now
        return receipt


class Receiving(Generic[Message]):
    """How tasks receive messages."""

    __slots__ = ()

    _end: Any

    async def receive(self, *, timeout: float | None = None) -> Message:
        """Receive one message.

        Raises `Empty` when none came within `timeout` seconds, `Busy` when another process has the
        exclusive turn, `DecodeError` when the message cannot be decoded (it carries the payload),
        `Destroyed`, `Closed`.
        """
        end = self._end
        return await patiently(
            receivers(end),
            lambda: end.take(PENDING),
            lambda: end.receive(timeout=0),
            timeout,
            again=lambda: end.take(PENDING, _SOON),
        )

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
        return await self._receiving(lambda: self._end.receive_many(max, timeout=0), timeout)

    def lease(self, *, timeout: float | None = None) -> Coming[Delivery[Message]]:
        """Receive one message, and keep it until it is acknowledged.

        ``async with box.lease() as delivery`` acknowledges it at the end of the block. An exception
        that leaves the block, also a cancellation, releases the message to the next receiver.
        ``delivery = await box.lease()`` leaves both to the caller. Raises as `receive` does.

        >>> import anyio
        >>> from liaison import aio
        >>> async def main():
        ...     async with aio.Mailbox("leases") as box:
        ...         await box.send({"job": 1})
        ...         async with box.lease() as delivery:
        ...             print(delivery.message, delivery.attempt)
        ...         box.destroy()
        >>> anyio.run(main)
        {'job': 1} 1
        """
        return Coming(lambda: self._receiving(lambda: self._end.lease(timeout=0), timeout))

    async def _receiving(self, receive: Callable[[], Any], timeout: float | None) -> Any:
        def attempt() -> Any:
            try:
                return receive()
            except (Empty, Busy):
                return PENDING

        return await patiently(receivers(self._end), attempt, receive, timeout)

    def __aiter__(self) -> Self:
        """Receive messages until the link is destroyed or, if it is a pipe, has ended."""
        return self

    async def __anext__(self) -> Message:
        try:
            return await self.receive()
        except (Destroyed, Ended):
            raise StopAsyncIteration from None

    def peek(self, max: int = 10) -> list[Message | bytes]:
        """Return copies of at most `max` waiting messages, oldest first; receive none."""
        return self._end.peek(max)

    def fileno(self) -> int:
        """Return a descriptor that is readable when there may be a message."""
        return self._end.fileno()

    def __len__(self) -> int:
        """Count the waiting messages."""
        return len(self._end)


class End(Sending[Message], Receiving[Message], Held):
    """An end of a named link, for the tasks of an event loop.

    Any number of tasks may wait on one end; they are served in the order in which they began to
    wait. An end belongs to the event loop whose tasks wait on it; a thread with another event loop
    opens an end of its own.
    """

    __slots__ = ("__weakref__", "_end", "_held")

    _link: ClassVar[type[LinkEnd]]  # the class for callers that block

    @classmethod
    def open(
        cls,
        address: str | Address,
        *,
        type: type[Message] | object = None,
        codec: Codec | CodecName | None = None,
    ) -> Self:
        """Open a link that exists. Raises `NotFound`, otherwise as the constructor does."""
        return cls._around(cls._link.open(address, type=type, codec=codec))

    @classmethod
    def observe(
        cls,
        address: str | Address,
        *,
        type: type[Message] | object = None,
        codec: Codec | CodecName | None = None,
    ) -> Self:
        """Open a link that exists, as an observer. Raises as `open` does."""
        return cls._around(cls._link.observe(address, type=type, codec=codec))


class Loan(Lent, Generic[Message]):
    """Memory of the link, for a message that is sent without a copy.

    It is like `liaison.Loan`, except that ``send`` is awaited, and that ``async with`` discards it.
    """

    __slots__ = ("_end",)

    def __init__(self, loan: contract.Loan, end: Any) -> None:
        super().__init__(loan)
        self._end = end  # the end that lends the memory

    async def send(self, *, timeout: float | None = None) -> None:
        """Send the message that was written; `timeout` matters only on a rendezvous link.

        Raises `NoReceiver`, `Destroyed`, `Closed`, and `LeaseLost` when it was sent already.
        """
        await checkpoint()
        end = self._end
        if not end.rendezvous:
            self.loan.send(timeout=0)
            return

        def offer() -> Any:
            receipt = end.offer(self.loan)
            return PENDING if receipt is None else receipt

        def last() -> Any:
            receipt = end.offer(self.loan)
            if receipt is None:
                raise NoReceiver(
                    f"no receiver came to {end.address} in time; it is a rendezvous (capacity=0): "
                    "start a receiver or wait longer with timeout="
                )
            return receipt

        box = End._around(end)  # pyright: ignore[reportPrivateUsage]
        await box._meet(offer, last, timeout)  # pyright: ignore[reportPrivateUsage]


class Receipt(Generic[Message_co]):
    """Reports to a sender what became of its message; like `liaison.Receipt`, but awaited.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     async with aio.Mailbox("receipts") as box:
    ...         receipt = await box.send(b"hello", receipt=True)
    ...         print(receipt.state, await box.receive())
    ...         print((await receipt.wait_acknowledged()).pid > 0, receipt.state)
    ...         del receipt
    ...         box.destroy()
    >>> anyio.run(main)
    queued b'hello'
    True acknowledged
    """

    __slots__ = ("_box", "_receipt")

    def __init__(self, box: Sending[Any], receipt: contract.Receipt) -> None:
        self._box = box
        self._receipt = receipt

    @property
    def state(self) -> State:
        """``"queued"``, ``"received"``, ``"acknowledged"`` or ``"dead-lettered"``."""
        return self._receipt.state

    async def wait_received(self, timeout: float | None = None) -> Peer:
        """Wait until a receiver has the message; return that process.

        Raises `Empty` when `timeout` seconds have passed, `Destroyed`, `Closed`.
        """
        return await self._wait(False, timeout)

    async def wait_acknowledged(self, timeout: float | None = None) -> Peer:
        """Wait until the message is acknowledged or dead-lettered; return the process that did so.

        Raises as `wait_received` does.
        """
        return await self._wait(True, timeout)

    async def _wait(self, settled: bool, timeout: float | None) -> Peer:
        receipt, end = self._receipt, self._box._end  # pyright: ignore[reportPrivateUsage]

        def look() -> Any:
            peer = end.reached(receipt, settled)
            return PENDING if peer is None else peer

        return await patiently(
            senders(end),
            look,
            lambda: end.reached(receipt, settled, True),
            timeout,
            queue=False,
        )


class Coming(Generic[_Thing]):
    """An operation to be awaited, or entered with ``async with``; the block settles its result."""

    __slots__ = ("_begin", "_thing")

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, _Thing]]) -> None:
        self._begin = begin

    def __await__(self) -> Generator[Any, Any, _Thing]:
        return self._begin().__await__()

    async def __aenter__(self) -> _Thing:
        self._thing = await self._begin()
        return self._thing

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # This awaits nothing, since a cancelled task could not.
        self._thing.__exit__(kind, error, trace)


def receivers(end: Any) -> Line:
    """The line of the tasks that wait to receive."""
    return line_of(end, "fileno", silenced_by="looking")


def senders(end: Any) -> Line:
    """The line of the tasks that wait for room, or for news of a receipt."""
    return line_of(end, "room", silenced_by="arming")


async def patiently(
    line: Line,
    attempt: Callable[[], Any],
    last: Callable[[], Any],
    timeout: float | None,
    *,
    queue: bool = True,
    again: Callable[[], Any] | None = None,
) -> Any:
    """Try, then wait in line; after `timeout` seconds call `last`, which raises or succeeds."""
    now = nanoseconds(timeout) == 0
    await checkpoint()
    if now:
        return last()
    if not queue or not line.queued:
        result = attempt()
        if result is not PENDING:
            return result
    if timeout is None:
        return await line.until(attempt, queue=queue, again=again)
    with anyio.move_on_after(timeout):
        return await line.until(attempt, queue=queue, again=again)
    return last()


# Tasks that wait on an end are woken before it is closed.
closing.append(lines.closing)
