"""A trial with as many messages in a round as fill the budget of time."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import ExitStack
from typing import Any

from ..options import Options
from ..peers import Link
from ..team import Team
from ..worker import Body
from .contract import Trial

_MOST = 2_000_000


class CountedTrial(Trial):
    """Owns the link and the processes at its ends; warming up finds the number of messages."""

    def __init__(
        self,
        link: Link,
        bodies: list[tuple[Body, tuple[Any, ...]]],
        options: Options,
        *,
        at_first: int,
        most: int = _MOST,
    ) -> None:
        self._budget = options.budget
        self._count = at_first
        self._most = most
        self._warm = False
        self._open = ExitStack()
        with ExitStack() as undo:  # processes first, then the names that they use
            undo.callback(link.close)
            self.team = Team(bodies, pin=options.pin)
            undo.callback(self.team.close)
            self._open = undo.pop_all()

    def round(self) -> dict[str, float]:
        while not self._warm:
            self._warm_up()
        return self.measure(self._count)[1]

    def _warm_up(self) -> None:
        """Increase the count until a round is long enough to compute how many fill the budget."""
        seconds, _ = self.measure(self._count)
        share = seconds / self._budget
        if share < 0.2:
            self._count = min(self._most, self._count * 4)
            self._warm = self._count == self._most
        else:
            self._count = max(2, min(self._most, int(self._count / share)))
            self._warm = True

    def order(self, count: int) -> list[Any]:
        return self.team.round(count, within=20 + 40 * self._budget)

    @abstractmethod
    def measure(self, count: int) -> tuple[float, dict[str, float]]:
        """One round of `count` messages: the seconds it took, and its figures."""

    def close(self) -> None:
        self._open.close()
