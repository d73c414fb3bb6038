"""Observing links."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from liaison import Space
from liaison.address import Address
from liaison.carriers.contract import Listed
from liaison.carriers.registry import carrier_of
from liaison.errors import NotFound
from liaison.links.observer import EndpointObserver, observed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from liaison import Link, Peer, Statistics
    from liaison.errors import LiaisonError

__all__ = ["Sight", "current_space", "facts", "look", "look_at", "space_of"]


@dataclass(frozen=True, slots=True)
class Sight:
    """A link as it was at one moment."""

    address: str
    link: Link
    statistics: Statistics
    aliases: tuple[str, ...] = ()  # of an endpoint
    known_as: dict[str, list[Peer]] = field(default_factory=dict[str, "list[Peer]"])

    @property
    def processes(self) -> int:
        """How many processes are on it."""
        return len({peer.pid for peer in (*self.link.senders, *self.link.receivers)})


def current_space(name: str | None = None) -> Space | None:
    """The current space, or the one called `name`; None if it does not exist.

    Unlike `Space`, this does not create it.

    Raises `InvalidAddress` when it is not a space of this machine, and `AccessDenied`.
    """
    wanted = Address.parse_space(name) if name else Address.current_space()
    try:
        return Space.open(str(wanted))
    except NotFound:
        if wanted.owner is not None:
            raise
        return None


def space_of(address: str) -> Space:
    """The space in which the link at `address` is."""
    return Space(str(Address.parse(address).called("")))


def look_at(address: str) -> Sight:
    """The link at `address`. Raises as `Mailbox.observe` does."""
    with observed(address) as end:
        sight = Sight(end.address, end.link, end.statistics())
        if isinstance(end, EndpointObserver):
            sight = replace(sight, aliases=tuple(end.aliases), known_as=end.known_as())
        return sight


def look(space: Space) -> Iterator[Sight | tuple[str, LiaisonError]]:
    """Each link of the space; for one that cannot be opened, its name and the reason."""
    where = Address.parse_space(space.name)
    for one in carrier_of(where).space(where, create=False).listed(counts=True):
        if isinstance(one, Listed) and one.statistics is not None:
            yield Sight(one.address, one.link, one.statistics, tuple(one.aliases), one.known_as)
        elif isinstance(one, tuple):
            yield one


def facts(sight: Sight) -> dict[str, Any]:
    """The link's properties and counts, for JSON."""
    told = {
        "address": sight.address,
        **sight.link.as_dict(),
        "statistics": sight.statistics.as_dict(),
    }
    if sight.link.kind == "endpoint":
        known_as = {name: [p.as_dict() for p in peers] for name, peers in sight.known_as.items()}
        told |= {"aliases": sight.aliases, "known_as": known_as}
    return told
