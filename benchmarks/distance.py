"""The distance of the two cores, on which a figure depends more than on anything else.

A host may put two virtual cores on one die or on two, and move them from one minute to the next.
What one process tells another then takes a fifth of the time, or five times as long. So each figure
is given with the C spin ping-pong that was measured just before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .samples import median

__all__ = ["Distance", "described", "distance"]

Distance = Literal["near", "between", "far"]

_NEAR, _FAR = 150, 400  # nanoseconds there and back


def distance(spin: float) -> Distance:
    """The distance for so many nanoseconds of a spin ping-pong."""
    return "near" if spin < _NEAR else "far" if spin > _FAR else "between"


def described(spins: Iterable[float | None]) -> str:
    """The figures of several rounds, for a table: ``489, far``."""
    several = sorted(filter(None, spins))
    if not several:
        return "–"
    apart = dict.fromkeys(map(distance, several))
    if len(apart) == 1:
        return f"{median(several):.0f}, {next(iter(apart))}"
    return f"{several[0]:.0f} to {several[-1]:.0f}"
