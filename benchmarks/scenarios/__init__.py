"""The scenarios, in the order in which they are measured."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from .connection import ConnectionFlow, ConnectionPingPong
from .contract import Metric, Scenario, Trial
from .crowd import Crowd
from .fan import Fan
from .flow import Flow
from .idle import Idle, Memory
from .importing import Importing
from .kinds import Kinds
from .leasing import Leasing
from .life import Life
from .pingpong import PingPong
from .recovery import PingPongBesideKills, PortKilled, ReceiverKilled, SenderKilled
from .scale import Scale
from .waiting import Waiting

__all__ = ["SCENARIOS", "Metric", "Scenario", "Trial", "select"]

_KIB, _MIB = 1 << 10, 1 << 20

SCENARIOS: tuple[Scenario, ...] = (
    PingPong(64),
    Kinds(64),
    *(Flow(size, "single") for size in (8, 64, _KIB, 64 * _KIB, _MIB, 64 * _MIB)),
    *(Flow(size, "batched") for size in (8, 64, _KIB)),
    *(Flow(size, "in place") for size in (64, _MIB)),
    Leasing(),
    *(Fan(senders, receivers) for senders, receivers in ((1, 1), (8, 1), (1, 8), (8, 8))),
    Crowd("threads"),
    Crowd("processes"),
    Crowd("workers"),
    ConnectionPingPong(64),
    ConnectionFlow(_MIB),
    Waiting(),
    Life(),
    Scale(),
    Idle(),
    Memory(),
    Importing(),
    ReceiverKilled(),
    PortKilled(),
    SenderKilled(),
    PingPongBesideKills(64),
)


def select(selection: Sequence[str]) -> list[Scenario]:
    """The scenarios whose key is named, begins with a name and a slash, or fits a pattern.

    Raises ValueError for a name that selects nothing, since a typing error would look like a
    short run.
    """
    if not selection:
        return list(SCENARIOS)
    for name in selection:
        if not any(_fits(scenario, name) for scenario in SCENARIOS):
            known = ", ".join(scenario.key for scenario in SCENARIOS)
            raise ValueError(f"no scenario {name!r}; there are {known}")
    return [s for s in SCENARIOS if any(_fits(s, name) for name in selection)]


def _fits(scenario: Scenario, name: str) -> bool:
    return scenario.key.startswith(f"{name}/") or fnmatch(scenario.key, name)
