"""Endpoints: what a name leads to is a desk, at which at most one party sits.

Each sender has a box of its own at a desk, so what a pair has sent each other is in two boxes.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from liaison.address import Address
from liaison.link import Link, Peer
from liaison.testing.memory.belonging import Belonging
from liaison.testing.memory.box import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from liaison.testing.memory.endpoint import EndpointEnd, Letters, Reader
    from liaison.testing.memory.party import Party, World

__all__ = ["Desk", "link_at", "link_of"]


class Desk:
    """What an endpoint's names lead to; it stays when its process has ended."""

    kind = "endpoint"

    def __init__(self, world: World, where: Address, capacity: int | None, creator: Party) -> None:
        self.world = world
        self.where = where  # with the name that it has now
        self.id = uuid.uuid4().hex
        self.capacity = 256 if capacity is None else capacity
        self.creator = creator
        self.names = {str(where)}
        self.letters: list[Letters] = []  # from whom nothing was taken for the longest time first
        self.holder: EndpointEnd | None = None  # the endpoint of the party that sits there
        self.waiting: list[Reader] = []  # the oldest first
        self.destroyed = False
        world.places.add(self)

    @property
    def address(self) -> str:
        """Where it is now."""
        return str(self.where)

    @property
    def aliases(self) -> list[str]:
        """The names that it had, and has not retired."""
        names = {Address.parse(address).name for address in self.names}
        return sorted(names - {self.where.name})

    def letters_from(self, desk: Desk) -> Letters | None:
        """The box of one sender."""
        return next((letters for letters in self.letters if letters.sender is desk), None)

    def arrange(self) -> None:
        """Give what there is to those who wait."""
        for letters in list(self.letters):
            letters.arrange()
        if self.holder:
            self.holder.ring()
        self.world.changed.notify_all()

    def forget(self, gone: Callable[[Belonging], bool]) -> None:
        """Do without a process that has ended."""
        if self.holder and gone(self.holder):
            holder, self.holder = self.holder, None
            self.waiting.clear()
            if holder.passing:
                self.destroy()

    def destroy(self) -> None:
        """Be no endpoint any more."""
        self.destroyed = True
        for address in self.names:
            del self.world.links[address]
        for letters in self.letters:
            letters.destroy()


def link_of(desk: Desk) -> Link:
    """What an endpoint is, and who has it or sends to it."""
    senders = [
        letters.sender.holder.party.peer.but(name=letters.sender.where.name)
        for letters in desk.letters
        if letters.sender.holder
    ]
    return link_at(
        *(desk, [desk.holder.party.peer] if desk.holder else []),
        name=desk.where.name,
        id=desk.id,
        kind="endpoint",
        capacity=desk.capacity,
        access="any",
        senders=tuple(senders),
    )


def link_at(desk: Desk, here: list[Peer], **facts: Any) -> Link:
    """A link of an endpoint's, which those use who are `here`, where `facts` do not say more."""
    on_it: Any = tuple(dict.fromkeys(here))
    return Link(
        carrier="memory",
        direction="two-way",
        max_processes=2,
        established="automatic",
        message_size="variable",
        max_message=LARGEST,
        memory=None,
        max_deliveries=None,
        dead_letters=None,
        creator=desk.creator.peer,
        bytes=0,
        **{"senders": on_it, "receivers": on_it, **facts},
    )
