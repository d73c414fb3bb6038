"""Which connections without a complete handshake may stay, and which of them are heard.

No input or output happens here, and the time is given by the caller.

Places are few. When they are full, whoever comes next costs somebody a place: somebody of the
neighbourhood that holds the most of them, because that is where the strangers are. A neighbourhood
is what one stranger has for nothing: an IPv4 address, an IPv6 network of 64 bits, the addresses of
this machine that are its own alone, a user. Age alone would be no measure: a friend far away is
always older than the last 64 of many thousand strangers.

Guesses of a token are counted by neighbourhood, too, and apart from places, so that nobody gets rid
of the count by giving up a place.

Ctrl-C may come between any two steps: at worst somebody is here twice, or a guess is not counted,
and nothing is ever out of step for good. So sizes are asked for, not kept.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Newcomer", "Newcomers", "neighbourhood_of"]

PLACES = 64
PATIENCE = 5.0  # seconds to complete the handshake
GUESSES = 4  # wrong proofs of one neighbourhood within PAUSE
PAUSE = 1.0  # seconds that a wrong proof counts, and waits for its answer

_WRONG, _SILENT, _SPEAKING = range(3)  # who of a neighbourhood goes first


@lru_cache(1024)
def neighbourhood_of(host: str) -> str:
    """Return what a numeric address has in common with those that its owner can use as well.

    >>> neighbourhood_of("192.0.2.7"), neighbourhood_of("::ffff:192.0.2.7")
    ('192.0.2.7', '192.0.2.7')
    >>> neighbourhood_of("2001:db8::1:2:3:4"), neighbourhood_of("127.1.2.3")
    ('2001:db8::/64', '127.0.0.0/8')
    """
    number = ip_address(host.partition("%")[0])
    if isinstance(number, IPv6Address):
        if number.ipv4_mapped is None:
            if number.is_loopback:
                return str(number)
            return f"{IPv6Address(int(number) >> 64 << 64)}/64"
        number = number.ipv4_mapped
    return "127.0.0.0/8" if number.is_loopback else str(number)


class Newcomer:
    """A connection without a complete handshake: from where, and until when it may stay."""

    __slots__ = ("neighbourhood", "standing", "until")

    def __init__(self, neighbourhood: str) -> None:
        """Begin as one that has said nothing."""
        self.neighbourhood = neighbourhood
        self.standing = _SILENT
        self.until = 0.0


_N = TypeVar("_N", bound=Newcomer)


class _Crowd(Generic[_N]):
    """The newcomers of one neighbourhood, by standing, each the oldest first."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[OrderedDict[_N, None]] = [OrderedDict() for _ in range(3)]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def first_to_go(self) -> _N:
        return next(iter(next(part for part in self.parts if part)))


class Newcomers(Generic[_N]):
    """Those who are here, at most `PLACES`.

    >>> here = Newcomers()
    >>> friend = Newcomer("192.0.2.7")
    >>> here.admit(friend, now=0.0)
    >>> strangers = [Newcomer("198.51.100.1") for _ in range(1000)]
    >>> dropped = [here.admit(stranger, now=1.0) for stranger in strangers]
    >>> friend in here, len(here), dropped[-1] is strangers[-64]
    (True, 64, True)
    """

    __slots__ = ("_crowds", "_held", "_of", "_told", "_untold", "_wrong", "dropped")

    def __init__(self) -> None:
        """Begin with nobody."""
        self._crowds: dict[str, _Crowd[_N]] = {}
        self._held: OrderedDict[_N, None] = OrderedDict()  # they wait to be heard
        self._wrong: deque[tuple[float, str]] = deque()  # until when each wrong proof counts
        self._of: Counter[str] = Counter()  # how many count, by neighbourhood
        self.dropped = 0
        self._untold: Counter[str] = Counter()  # of those, and since `report`, by neighbourhood
        self._told = float("-inf")

    def __len__(self) -> int:
        """How many are here."""
        return sum(map(len, self._crowds.values()))

    def __contains__(self, one: object) -> bool:
        """Whether somebody is here."""
        return any(one is other for other in self)

    def __iter__(self) -> Iterator[_N]:
        """Give everybody, in no order that means anything."""
        for crowd in self._crowds.values():
            for part in crowd.parts:
                yield from part

    # ---- places

    def admit(self, one: _N, *, now: float) -> _N | None:
        """Give somebody a place; return who loses theirs for it and is to be dropped."""
        loser = self.crowd_out() if len(self) >= PLACES else None
        one.until = now + PATIENCE
        crowd = self._crowds.get(one.neighbourhood)
        if crowd is None:
            crowd = self._crowds[one.neighbourhood] = _Crowd()
        crowd.parts[one.standing][one] = None
        return loser

    def crowd_out(self) -> _N:
        """Take the place of somebody for whom there is no room any more."""
        most = max(map(len, self._crowds.values()))
        candidates = [crowd for crowd in self._crowds.values() if len(crowd) == most]
        loser = candidates[0].first_to_go()
        if len(candidates) > 1:
            loser = min(
                (crowd.first_to_go() for crowd in candidates),
                key=lambda one: (one.standing, one.until),
            )
        self.drop(loser)
        self._untold[loser.neighbourhood] += 1
        return loser

    def drop(self, one: _N) -> None:
        """Take the place of somebody who is not let in."""
        self.leave(one)
        self.dropped += 1

    def leave(self, one: _N) -> None:
        """Take the place of somebody who is let in."""
        self._held.pop(one, None)
        crowd = self._crowds.get(one.neighbourhood)
        if crowd is not None:
            for part in crowd.parts:
                part.pop(one, None)
            if not crowd:
                del self._crowds[one.neighbourhood]

    def heard(self, one: _N) -> None:
        """Note that somebody has said something."""
        if one.standing == _SILENT:
            self._stand(one, _SPEAKING)

    def _stand(self, one: _N, standing: int) -> None:
        parts = self._crowds[one.neighbourhood].parts
        before = one.standing
        if before != standing:
            parts[standing][one] = None
            one.standing = standing
            parts[before].pop(one, None)

    # ---- guesses

    def may_prove(self, one: _N, *, now: float) -> bool:
        """Whether somebody's proof may be looked at now; if not, `released` gives them later."""
        self._forgive(now)
        if self._of[one.neighbourhood] < GUESSES:
            return True
        self._held[one] = None
        return False

    def guessed(self, one: _N, *, now: float) -> None:
        """Note that somebody's proof was wrong: they wait for the answer, and go first."""
        self._stand(one, _WRONG)
        one.until = now + PAUSE
        self._wrong.append((one.until, one.neighbourhood))
        self._of[one.neighbourhood] += 1
        self._untold[one.neighbourhood] += 1

    def released(self, *, now: float) -> list[_N]:
        """Return those whose proof may be looked at now, the first to come first."""
        if not self._held:
            return []
        self._forgive(now)
        left: Counter[str] = Counter()
        found: list[_N] = []
        for one in self._held:
            left[one.neighbourhood] += 1
            if self._of[one.neighbourhood] + left[one.neighbourhood] <= GUESSES:
                found.append(one)
        for one in found:
            del self._held[one]
        return found

    def _forgive(self, now: float) -> None:
        while self._wrong and self._wrong[0][0] <= now:
            _, neighbourhood = self._wrong.popleft()
            self._of[neighbourhood] -= 1
            if self._of[neighbourhood] <= 0:
                del self._of[neighbourhood]

    # ---- time, and what is to be told

    def overdue(self, *, now: float) -> list[_N]:
        """Return those who may not stay any longer."""
        return [one for one in self if one.until <= now]

    def due(self) -> float | None:
        """When the next of `overdue` or `released` is to be looked for."""
        first = min((one.until for one in self), default=None)
        if self._held and self._wrong and first is not None:
            first = min(first, self._wrong[0][0])
        return first

    def report(self, *, now: float) -> tuple[int, str] | None:
        """Return how many were crowded out or guessed wrong, and from where most of them were.

        Only once in a second, and since the last time.
        """
        if not self._untold or now < self._told + 1.0:
            return None
        self._told = now
        ((neighbourhood, _),) = self._untold.most_common(1)
        count = self._untold.total()
        self._untold.clear()
        return count, neighbourhood
