"""Message queues for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison.aio.end import End
from liaison.links.queue import MessageQueue as Link_

if TYPE_CHECKING:
    from liaison.address import Address
    from liaison.codec import Codec

__all__ = ["MessageQueue"]


class MessageQueue(End):
    """A message queue, for the tasks of an event loop.

    The arguments are those of `liaison.MessageQueue`; `put` and `get` are awaited, as those of
    ``asyncio.Queue``. Raises what `liaison.MessageQueue` raises.

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

    def __init__(
        self,
        address: str | Address,
        *,
        max_messages: int | None = None,
        message_size: int | None = None,
        type: Any = None,
        codec: Codec | str | None = None,
    ) -> None:
        """Open the queue, or create it."""
        self._hold(
            Link_(
                address,
                max_messages=max_messages,
                message_size=message_size,
                type=type,
                codec=codec,
            )
        )

    async def put(self, item: Any, *, timeout: float | None = None) -> None:
        """Put a message into the queue, waiting for a place. Raises as `send` does."""
        await self.send(item, timeout=timeout)

    def put_nowait(self, item: Any) -> None:
        """Put a message into the queue if that needs no waiting. Raises as `send` does."""
        self._held.put_nowait(item)

    async def get(self, *, timeout: float | None = None) -> Any:
        """Take the oldest message out of the queue, waiting for one. Raises as `receive` does."""
        return await self.receive(timeout=timeout)

    def get_nowait(self) -> Any:
        """Take the oldest message out of the queue if there is one. Raises as `receive` does."""
        return self._held.get_nowait()

    def qsize(self) -> int:
        """Count the messages that wait; others may change that at any moment."""
        return self._held.qsize()

    def empty(self) -> bool:
        """Whether no message waits at this moment."""
        return self._held.empty()

    def full(self) -> bool:
        """Whether `put_nowait` would have had no place at this moment."""
        return self._held.full()
