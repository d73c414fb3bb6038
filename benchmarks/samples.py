"""Percentiles and medians, of integers in nanoseconds mostly. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

__all__ = ["differences", "median", "percentile", "spread"]


def percentile(ascending: Sequence[float], part: float) -> float:
    """The value below which `part` (0 to 1) of the samples lie, by nearest rank.

    Interpolation would invent a latency between two that happened, worst in the thin tail.
    """
    if not ascending:
        raise ValueError("no samples")
    rank = int(part * len(ascending))
    return ascending[min(rank, len(ascending) - 1)]


def differences(stamps: Sequence[int]) -> list[int]:
    """The time between each stamp and the next."""
    return [after - before for before, after in pairwise(stamps)]


def spread(rounds: Sequence[float]) -> float:
    """The spread of the rounds, as a part of their median: 0.1 is ten per cent."""
    middle = median(rounds)
    return (max(rounds) - min(rounds)) / middle if middle else 0.0
