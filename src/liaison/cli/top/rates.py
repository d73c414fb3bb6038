"""The rates of a space's links, from their counts at successive moments."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

from liaison.address import Address
from liaison.cli.sight import Sight, current_space, look, look_at
from liaison.errors import LiaisonError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Moment", "Row", "Watch"]

_REMEMBERED = 60  # intervals


@dataclass(frozen=True, slots=True)
class Row:
    """A link at one moment. Rates are messages a second since the moment before.

    `history` has the rates of acceptance, oldest first.
    """

    id: str
    name: str
    kind: str
    capacity: int
    rate_in: float
    rate_out: float
    waiting: int
    leased: int
    free: int
    receivers_asleep: int
    senders_asleep: int
    processes: int
    bytes: int
    history: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Messages accepted and acknowledged a second, for sorting."""
        return self.rate_in + self.rate_out

    @property
    def depth(self) -> float:
        """The used part of the capacity; a rendezvous has none."""
        return 1 - self.free / self.capacity if self.capacity else 0.0


@dataclass(frozen=True, slots=True)
class Moment:
    """All links at one moment."""

    space: str
    processes: int
    rows: tuple[Row, ...]

    @property
    def rate_in(self) -> float:
        """Messages accepted a second, on all links."""
        return sum(row.rate_in for row in self.rows)

    @property
    def rate_out(self) -> float:
        """Messages acknowledged a second, on all links."""
        return sum(row.rate_out for row in self.rows)


class _Watched:
    """The counts of a link at its last sample."""

    def __init__(self) -> None:
        self._when = 0.0
        self._accepted = self._acknowledged = 0
        self._history: deque[float] = deque(maxlen=_REMEMBERED)

    def sample(self, sight: Sight) -> Row:
        link, now, when = sight.link, sight.statistics, monotonic()
        # The counts are read one after the other while messages flow, so a difference can be
        # slightly negative.
        acknowledged = max(self._acknowledged, now.accepted - now.waiting - now.leased)
        rate_in = rate_out = 0.0
        if self._when and (passed := when - self._when) > 0:
            rate_in = (now.accepted - self._accepted) / passed
            rate_out = (acknowledged - self._acknowledged) / passed
            self._history.append(rate_in)
        self._when, self._accepted, self._acknowledged = when, now.accepted, acknowledged
        return Row(
            id=link.id,
            name=link.name,
            kind=link.kind,
            capacity=link.capacity or 0,
            rate_in=rate_in,
            rate_out=rate_out,
            waiting=now.waiting,
            leased=now.leased,
            free=now.free,
            receivers_asleep=now.receivers_waiting,
            senders_asleep=now.senders_waiting,
            processes=sight.processes,
            bytes=link.bytes,
            history=tuple(self._history),
        )


class Watch:
    """The links of the current space, or those named, that exist at each moment."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Raises `InvalidAddress` for a bad name."""
        self._addresses = [str(Address.parse(name)) for name in names]
        self._watched: dict[str, _Watched] = {}

    def sample(self) -> Moment:
        """Observe the links. Those that do not exist, or cannot be opened, are left out."""
        space = current_space()
        sights = self._named() if self._addresses else list(look(space)) if space else []
        links = {sight.link.id: sight for sight in sights if isinstance(sight, Sight)}
        for id in self._watched.keys() - links:
            del self._watched[id]
        rows = [
            self._watched.setdefault(id, _Watched()).sample(sight) for id, sight in links.items()
        ]
        name = space.name if space is not None else str(Address.current_space())
        return Moment(name, len(space.members()) if space is not None else 0, tuple(rows))

    def _named(self) -> list[Sight]:
        found: list[Sight] = []
        for address in self._addresses:
            with suppress(LiaisonError):
                found.append(look_at(address))
        return found
