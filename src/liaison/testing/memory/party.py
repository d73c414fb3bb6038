"""Parties, which play processes, and the world of all that they have."""

from __future__ import annotations

import os
import platform
import sys
import threading
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from liaison.link import Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from liaison.address import Address
    from liaison.testing.memory.belonging import Belonging
    from liaison.testing.memory.endpoint import EndpointEnd

    class Place(Protocol):
        """What an address can lead to: a box, or what holds several."""

        @property
        def kind(self) -> str:
            """What it is, as `Link.kind` says it."""
            ...

        @property
        def address(self) -> str:
            """Where it is."""
            ...

        def forget(self, gone: Callable[[Belonging], bool]) -> None:
            """Do without what belongs to parties that have `gone`."""
            ...


__all__ = ["Killed", "Party", "World", "player", "playing", "world_of", "worlds"]


class Killed(BaseException):
    """The party was killed: what it did ends here, and nothing of it runs any more."""


class Party:
    """One that plays a process."""

    def __init__(self, world: World, pid: int) -> None:
        self.world = world
        self.pid = pid
        self.alive = True
        self.endpoints: list[EndpointEnd] = []  # in the order in which they took their names
        command = " ".join(sys.argv)[:127]
        self._facts = Peer(None, pid, platform.node(), time.time(), command)

    @property
    def peer(self) -> Peer:
        """What others are told of it."""
        return self._facts.but(name=self.endpoints[-1].name if self.endpoints else None)

    def kill(self) -> None:
        """Die at once: what it held goes back, what it waited for is given up."""
        with self.world.changed:
            self.alive = False
            for place in list(self.world.places):
                place.forget(lambda thing: thing.party is self)
            self.world.changed.notify_all()


class World:
    """All links there are under one name, and the one lock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.changed = threading.Condition(threading.RLock())
        self.links: dict[str, Place] = {}  # by address, those that can be opened
        self.places: weakref.WeakSet[Place] = weakref.WeakSet()  # also those that were destroyed
        self.process = os.getpid()
        self._pids = os.getpid()
        self.parties: list[Party] = []
        self.here = self.party()
        worlds[name] = self

    def close(self) -> None:
        """Be no world any more: its name leads to another from now on."""
        worlds.pop(self.name, None)

    def party(self) -> Party:
        """One more process; the first is the one that asks."""
        party = Party(self, self._pids)
        self._pids += 1_000_000  # no process has such a number
        self.parties.append(party)
        return party


worlds: dict[str, World] = {}


def world_of(where: Address) -> World:
    """The world that an address names, which is made when it is first named."""
    return worlds.get(where.space) or World(where.space)


_playing = threading.local()


@contextmanager
def playing(party: Party) -> Generator[Party]:
    """Have this thread play a party: what it opens meanwhile is the party's."""
    before = getattr(_playing, "party", None)
    _playing.party = party
    try:
        yield party
    finally:
        _playing.party = before


def player(world: World) -> Party:
    """Whom this thread plays in that world: the process itself, if nothing was said."""
    party: Party | None = getattr(_playing, "party", None)
    return party if party is not None and party.world is world else world.here
