"""Ports for tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liaison.aio.end import End
from liaison.links.port import Port as Link_

if TYPE_CHECKING:
    from typing import Self

    from liaison.address import Address
    from liaison.codec import Codec

__all__ = ["Port"]


class Port(End):
    """A port, for the tasks of an event loop; the arguments are those of `liaison.Port`.

    The process is its receiver, with any number of tasks; senders use `Port.open`. Raises what
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

    def __init__(
        self,
        address: str | Address,
        *,
        capacity: int = 1024,
        lifetime: str = "receiver",
        max_message: int | None = None,
        memory: int | None = None,
        type: Any = None,
        codec: Codec | str | None = None,
        max_deliveries: int | None = None,
        dead_letters: str | None = None,
    ) -> None:
        """Create the port, and be its receiver."""
        self._hold(
            Link_(
                address,
                capacity=capacity,
                lifetime=lifetime,
                max_message=max_message,
                memory=memory,
                type=type,
                codec=codec,
                max_deliveries=max_deliveries,
                dead_letters=dead_letters,
            )
        )

    @classmethod
    def create(cls, address: str | Address, **options: Any) -> Self:
        """Create the port, as the constructor does."""
        return cls(address, **options)
