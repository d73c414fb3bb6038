"""Ports for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison.aio.end import End
from liaison.links.end import passing_to
from liaison.links.port import Port as Link_
from liaison.message import Message

if TYPE_CHECKING:
    from typing import Unpack, overload

    from liaison.address import Address
    from liaison.links.port import PortOptions

__all__ = ["Port"]


class Port(End[Message]):
    """A port, for the tasks of an event loop; the arguments are those of `liaison.Port`.

    The process is the receiver, with any number of tasks; senders use `Port.open`. Raises what
    `liaison.Port` raises.

    >>> import anyio
    >>> from liaison import aio
    >>> async def main():
    ...     async with aio.Port("parcels") as port, aio.Port.open("parcels") as sender:
    ...         await sender.send("tea")
    ...         print(await port.receive())
    >>> anyio.run(main)
    tea
    """

    __slots__ = ()

    _link = Link_

    if TYPE_CHECKING:

        @overload
        def __init__(
            self, address: str | Address, *, type: type[Message], **options: Unpack[PortOptions]
        ) -> None: ...
        @overload
        def __init__(
            self, address: str | Address, *, type: object = None, **options: Unpack[PortOptions]
        ) -> None: ...

    @passing_to(Link_.__init__)
    def __init__(self, address: str | Address, **options: Any) -> None:
        """Create the port and become its receiver."""
        self._hold(Link_(address, **options))
