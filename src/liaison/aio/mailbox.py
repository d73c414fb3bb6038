"""Mailboxes for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison.aio.end import End
from liaison.links.mailbox import Mailbox as Link_

if TYPE_CHECKING:
    from liaison.address import Address
    from liaison.codec import Codec

__all__ = ["Mailbox"]


class Mailbox(End):
    """A mailbox, for the tasks of an event loop; the arguments are those of `liaison.Mailbox`.

    Any number of tasks may wait on one: they are served in the order in which they came. An end
    belongs to the event loop that waits on it: other threads open one of their own.

    Raises what `liaison.Mailbox` raises.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     async with aio.Mailbox("orders") as box, anyio.create_task_group() as tasks:
    ...         tasks.start_soon(box.send, {"item": "tea"})
    ...         async for order in box:
    ...             print(order)
    ...             box.destroy()
    >>> anyio.run(main)
    {'item': 'tea'}
    """

    __slots__ = ()

    _link = Link_

    def __init__(
        self,
        address: str | Address,
        *,
        capacity: int | None = None,
        max_message: int | None = None,
        memory: int | None = None,
        access: str | None = None,
        type: Any = None,
        codec: Codec | str | None = None,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
    ) -> None:
        """Open the mailbox, or create it."""
        self._hold(
            Link_(
                address,
                capacity=capacity,
                max_message=max_message,
                memory=memory,
                access=access,
                type=type,
                codec=codec,
                max_deliveries=max_deliveries,
                dead_letters=dead_letters,
            )
        )
