"""The results of a run: figures, missing contenders and why, and the machine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from .distance import Distance, distance
from .machine import Machine
from .options import Options
from .peers import OURS
from .samples import median


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: the median of its rounds."""

    scenario: str
    contender: str
    metric: str
    unit: str
    rounds: tuple[float, ...]
    spins: tuple[float | None, ...] = ()
    """The nanoseconds of a spin ping-pong in C just before each round, if that was measured."""

    @property
    def value(self) -> float:
        return median(self.rounds)

    def at(self, apart: Distance | None) -> Figure | None:
        """The figure of the rounds with this distance of cores; None if there are none."""
        if apart is None:
            return self
        pairs = zip(self.rounds, self.spins, strict=bool(self.spins))
        kept = [(value, spin) for value, spin in pairs if spin and distance(spin) == apart]
        if not kept:
            return None
        rounds, spins = zip(*kept, strict=True)
        return replace(self, rounds=rounds, spins=spins)


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a contender has no figures: everywhere (`scenario` is "") or in one scenario."""

    scenario: str
    contender: str
    reason: str


@dataclass(slots=True)
class Results:
    machine: Machine
    options: Options
    versions: dict[str, str] = field(default_factory=dict[str, str])
    limits: dict[str, Any] = field(default_factory=dict[str, Any])
    figures: list[Figure] = field(default_factory=list[Figure])
    absences: list[Absence] = field(default_factory=list[Absence])
    clock_ns: float = 0.0
    """The time that the clock adds to each ping-pong sample; it is not subtracted."""

    def figure(self, scenario: str, metric: str, contender: str = OURS) -> Figure | None:
        for figure in self.figures:
            if (figure.scenario, figure.metric, figure.contender) == (scenario, metric, contender):
                return figure
        return None

    def value(self, scenario: str, metric: str, contender: str = OURS) -> float | None:
        figure = self.figure(scenario, metric, contender)
        return figure and figure.value

    def values(self, scenario: str, metric: str) -> dict[str, float]:
        """By contender."""
        return {
            figure.contender: figure.value
            for figure in self.figures
            if (figure.scenario, figure.metric) == (scenario, metric)
        }

    def best_peer(
        self, scenario: str, metric: str, *, less_is_better: bool, without: Iterable[str] = ()
    ) -> tuple[str, float] | None:
        others = {
            name: value
            for name, value in self.values(scenario, metric).items()
            if name != OURS and name not in without
        }
        if not others:
            return None
        name = (min if less_is_better else max)(others, key=others.__getitem__)
        return name, others[name]

    def limit(self, name: str) -> float | None:
        """A ping-pong limit's median in microseconds, by its name in limits.c."""
        found = self.limits.get(name)
        return found["p50"] / 1000 if found else None

    def copy_speeds(self) -> dict[str, float]:
        """GB/s of memcpy, by size."""
        return self.limits.get("copy") or {}
