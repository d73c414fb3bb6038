"""How long and how carefully to measure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What a run may be told. The defaults are those that the published figures are made with."""

    rounds: int = 5
    """Every contender is measured once a round, in turn; a figure is the median of its rounds."""
    budget: float = 0.25
    """Seconds that one contender takes in one round; the number of messages follows from it."""
    peers: tuple[str, ...] = ()
    """Only these contenders (and liaison); empty: all."""
    pin: bool = False
    """Tie each process to one core. Off, as users run: the scheduler's choices are part of it."""
    idle: float = 3.0
    """Seconds during which idle receivers are watched."""
    deaths: int = 1000
    """Processes that are killed to see how soon the others go on."""

    @classmethod
    def quick(cls) -> Options:
        """A minute or so, for a look; too short to publish."""
        return cls(rounds=3, budget=0.08, idle=1.0, deaths=50)
