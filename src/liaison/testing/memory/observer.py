"""Observers of endpoints."""

from __future__ import annotations

from typing import Any

from liaison import errors
from liaison.address import Address
from liaison.carriers import contract
from liaison.carriers.contract import Reading
from liaison.link import Link, Peer, Statistics
from liaison.testing.memory.desk import Desk, link_of
from liaison.testing.memory.end import End
from liaison.testing.memory.party import player, world_of

__all__ = ["ObservedEndpoint"]


class ObservedEndpoint(contract.ObservedEndpoint):
    """An endpoint, observed; see `liaison.carriers.contract.ObservedEndpoint`."""

    _closed = False

    def __init__(self, where: Address) -> None:
        world = world_of(where)
        self._party = player(world)
        self._changed = world.changed
        with self._changed:
            desk = world.links.get(str(where))
            if desk is None:
                raise errors.NotFound(f"nothing is called {where}; create it with Endpoint(...)")
            if not isinstance(desk, Desk):
                raise errors.Mismatch(f"{where} is a {desk.kind}")
            self._desk = desk

    def _seen(self) -> list[Watcher]:
        """An end of each sender's box."""
        reading = Reading.of(None, None)
        return [Watcher(self._party, letters, reading) for letters in self._desk.letters]

    @property
    def address(self) -> str:
        return str(self._desk.where)

    @property
    def aliases(self) -> list[str]:
        with self._changed:
            return self._desk.aliases

    def known_as(self) -> dict[str, list[Peer]]:
        """The living processes that have sent to it, by the one name that is known of."""
        with self._changed:
            senders = link_of(self._desk).senders
            return {self._desk.where.name: list(senders)} if senders else {}

    @property
    def link(self) -> Link:
        with self._changed:
            return link_of(self._desk)

    def peek(self, max: int = 10) -> list[Any]:
        with self._changed:
            return [message for end in self._seen() for message in end.peek(max)][:max]

    def statistics(self) -> Statistics:
        with self._changed:
            each = [end.statistics() for end in self._seen()]
            room = min((one.free for one in each), default=self._desk.capacity)
            return Statistics.together(each).but(free=room)

    def close(self) -> None:
        self._closed = True

    @property
    def closed(self) -> bool:
        return self._closed

    def destroy(self, *, force: bool = False) -> None:
        with self._changed:
            if self._desk.holder is not None and not force:
                raise errors.NotOwner(f"{self.address} is the name of a living process")
            self._desk.destroy()

    def __len__(self) -> int:
        with self._changed:
            return sum(map(len, self._seen()))


class Watcher(End):
    """An observer's end of a box."""

    _observing = True
    over = False
