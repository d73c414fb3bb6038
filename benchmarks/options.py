"""How long and how carefully to measure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run. Published figures are measured with the defaults."""

    rounds: int = 5
    """Each round measures every contender once; a figure is the median of its rounds."""
    budget: float = 0.25
    """Seconds for one contender in one round; the number of messages follows from it."""
    peers: tuple[str, ...] = ()
    """Measure only these contenders and liaison; empty: all."""
    pin: bool = False
    """Pin each process to one core. Off by default: users leave it to the scheduler, too."""
    idle: float = 3.0
    """Seconds during which idle receivers are watched."""
    deaths: int = 1000
    """How many processes are killed to measure how soon the others go on."""

    @classmethod
    def quick(cls) -> Options:
        """About a minute; too short to publish."""
        return cls(rounds=3, budget=0.08, idle=1.0, deaths=50)
