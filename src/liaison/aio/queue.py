"""Message queues for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison.aio.end import End
from liaison.links.end import passing_to
from liaison.links.queue import MessageQueue as Link_
from liaison.message import Message

if TYPE_CHECKING:
    from typing import Self, Unpack, overload

    from liaison.address import Address
    from liaison.links.queue import QueueOptions

__all__ = ["MessageQueue"]


class MessageQueue(End[Message]):
    """A message queue, for the tasks of an event loop.

    The arguments are those of `liaison.MessageQueue`; `put` and `get` are awaited, like those
    of ``asyncio.Queue``. Raises what `liaison.MessageQueue` raises.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     async with aio.MessageQueue("readings", max_messages=2) as queue:
    ...         await queue.put(20.5)
    ...         queue.put_nowait(21.0)
    ...         print(queue.full(), await queue.get(), queue.get_nowait(), queue.empty())
    ...         queue.destroy()
    >>> anyio.run(main)
    True 20.5 21.0 True
    """

    __slots__ = ()

    _link = Link_

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, address: str | Address, *, type: type[Message], **options: Unpack[QueueOptions]
        ) -> None: ...
        @overload
        def __init__(
            self, address: str | Address, *, type: object = None, **options: Unpack[QueueOptions]
        ) -> None: ...

    @passing_to(Link_.__init__)
    def __init__(self, address: str | Address, **options: Any) -> None:
        """Open the queue, or create it."""
        self._hold(Link_(address, **options))

    @classmethod
    def create(
        cls,
        address: str | Address,
        *,
        type: type[Message] | object = None,
        **options: Unpack[QueueOptions],
    ) -> Self:
        """Create a queue that does not exist; see `liaison.MessageQueue.create`."""
        return cls._around(Link_.create(address, type=type, **options))

    async def put(self, item: Message, *, timeout: float | None = None) -> None:
        """Put a message into the queue, waiting for a place. Raises as `send` does."""
        await self.send(item, timeout=timeout)

    def put_nowait(self, item: Message) -> None:
        """Put a message into the queue without waiting. Raises as `send` does."""
        self._held.put_nowait(item)

    async def get(self, *, timeout: float | None = None) -> Message:
        """Take the oldest message out of the queue, waiting for one. Raises as `receive` does."""
        return await self.receive(timeout=timeout)

    def get_nowait(self) -> Message:
        """Take the oldest message out of the queue without waiting. Raises as `receive` does."""
        return self._held.get_nowait()

    def qsize(self) -> int:
        """Count the waiting messages; other processes may change that at any moment."""
        return self._held.qsize()

    def empty(self) -> bool:
        """Return whether no message waits at this moment."""
        return self._held.empty()

    def full(self) -> bool:
        """Return whether `put_nowait` would find no place at this moment."""
        return self._held.full()
