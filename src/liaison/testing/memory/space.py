"""A world, as the carrier tells of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liaison import errors
from liaison.carriers.contract import Cleaned, Listed, Policy, Reading, SpaceEnd
from liaison.testing.memory.box import Box
from liaison.testing.memory.desk import Desk
from liaison.testing.memory.end import LinkEnd
from liaison.testing.memory.observer import ObservedEndpoint
from liaison.testing.memory.party import world_of, worlds
from liaison.testing.memory.pipe import Pair

if TYPE_CHECKING:
    from liaison.address import Address
    from liaison.link import Peer

__all__ = ["WorldEnd"]


class WorldEnd(SpaceEnd):
    """A world of links; see `liaison.carriers.contract.SpaceEnd`."""

    @property
    def path(self) -> str:
        return ""

    def __init__(self, where: Address, *, create: bool) -> None:
        if not create and where.space not in worlds:
            raise errors.NotFound(f"there is no space {where}; use a link in it to make it")
        self._where = where
        self._world = world_of(where)

    @property
    def gone(self) -> bool:
        return worlds.get(self._where.space) is not self._world

    def names(self) -> list[str]:
        with self._world.changed:
            return sorted(address.rpartition("/")[2] for address in self._world.links)

    def listed(self, *, counts: bool) -> list[Listed | tuple[str, errors.LiaisonError]]:
        found: list[Listed | tuple[str, errors.LiaisonError]] = []
        with self._world.changed:
            for place in sorted(set(self._world.links.values()), key=lambda place: place.address):
                where = self._where.called(place.address.rpartition("/")[2])
                names: tuple[list[str], dict[str, list[Peer]]] = ([], {})
                if isinstance(place, Desk):
                    end = ObservedEndpoint(where)
                    names = end.aliases, end.known_as()
                elif isinstance(place, Pair):
                    end = place.observed(Reading.of(None, None))
                else:
                    end = LinkEnd(where, "observe", Policy(), Reading.of(None, None))
                counted = end.statistics() if counts else None
                found.append(Listed(end.address, end.link, counted, *names))
        return found

    def members(self) -> list[Peer]:
        return [party.peer for party in self._world.parties if party.alive]

    def clean(self, *, links: bool) -> Cleaned:
        """Remove links whose creator is dead and which nobody has, if `links`."""
        count = 0
        with self._world.changed:
            for place in list(self._world.links.values()) if links else ():
                if isinstance(place, Box) and not place.creator.alive and not place.ends:
                    place.destroy()
                    count += 1
        return Cleaned(count, 0, 0, 0)

    def unlink(self, name: str) -> None:
        """Nothing is ever damaged here."""
        raise errors.NotFound(f"{self._where.called(name)} is not damaged, if it is there")
