"""Mailboxes for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison.aio.end import End
from liaison.links.end import passing_to
from liaison.links.mailbox import Mailbox as Link_
from liaison.message import Message

if TYPE_CHECKING:
    from typing import Self, Unpack, overload

    from liaison.address import Address
    from liaison.links.mailbox import MailboxOptions

__all__ = ["Mailbox"]


class Mailbox(End[Message]):
    """A mailbox, for the tasks of an event loop; the arguments are those of `liaison.Mailbox`.

    Any number of tasks may wait on one end; they are served in the order in which they began to
    wait. An end belongs to the event loop whose tasks wait on it; a thread with another event loop
    opens an end of its own.

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

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, address: str | Address, *, type: type[Message], **options: Unpack[MailboxOptions]
        ) -> None: ...
        @overload
        def __init__(
            self, address: str | Address, *, type: object = None, **options: Unpack[MailboxOptions]
        ) -> None: ...

    @passing_to(Link_.__init__)
    def __init__(self, address: str | Address, **options: Any) -> None:
        """Open the mailbox, or create it."""
        self._hold(Link_(address, **options))

    @classmethod
    def create(
        cls,
        address: str | Address,
        *,
        type: type[Message] | object = None,
        **options: Unpack[MailboxOptions],
    ) -> Self:
        """Create a mailbox that does not exist; see `liaison.Mailbox.create`."""
        return cls._around(Link_.create(address, type=type, **options))
