"""A scenario: what it measures, and how it sets up one contender."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..options import Options
from ..peers import Peer


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    unit: Literal["us", "messages/s", "jobs/s", "%", "KiB", "ms", "processes"]

    @property
    def less_is_better(self) -> bool:
        return self.unit not in ("messages/s", "jobs/s", "processes")


class Trial(ABC):
    """One contender, set up. Its rounds alternate with those of the others."""

    @abstractmethod
    def round(self) -> dict[str, float]:
        """Measure once; return a value for each of the scenario's metrics that it has."""

    def close(self) -> None:
        """Remove everything, whatever state the trial is in."""


class Scenario(ABC):
    limits: ClassVar[tuple[str, ...]] = ()
    """The machine's limits to measure in the same rounds."""
    most_rounds: ClassVar[int | None] = None

    def __init__(self, key: str, title: str, *metrics: Metric) -> None:
        self.key = key
        self.title = title
        self.metrics = metrics

    @abstractmethod
    def prepare(self, peer: Peer, options: Options) -> Trial:
        """Set up the contender. Raises `Unsupported` if it cannot do what is measured."""
