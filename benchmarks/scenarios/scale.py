"""The cost of many links: destroying one among them, and listing them."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

from ..options import Options
from ..peers import OURS, Peer, Unsupported
from ..samples import median
from ..team import Team
from ..worker import Job
from .contract import Metric, Scenario, Trial

_FEW, _HUNDRED, MANY = 10, 100, 20_000
_ENDS, MANY_ENDS = 100, 1_200
_SMALLEST: dict[str, Any] = {"capacity": 1, "max_message": 8, "access": "pair"}
_DESTROYED = 50
_ROOM = 1 << 30  # bytes that the many take


def _time(work: Any) -> float:
    """Microseconds of processor time, without waits and other processes."""
    began = time.process_time_ns()
    work()
    return (time.process_time_ns() - began) / 1e3


def _measures() -> Job:
    import liaison
    from liaison.cli.sight import look

    space = liaison.Space(f"bench-scale-{os.getpid()}")
    made = 0

    def box(**policy: Any) -> Any:
        nonlocal made
        made += 1
        return liaison.Mailbox.create(space.address(f"box{made}"), **policy)

    def destroying() -> float:
        times: list[float] = []
        for _ in range(_DESTROYED):
            one = box(**_SMALLEST)
            times.append(_time(lambda one=one: one.destroy()))
            one.close()
        return median(times)

    def listing(links: int) -> float:
        return _time(lambda: list(look(space))) / links

    def grow(to: int) -> None:
        for _ in range(to - len(space.names())):
            box(**_SMALLEST).close()

    def clear() -> None:
        for name in space.names():
            with liaison.Mailbox.observe(space.address(name)) as one:
                one.destroy()

    def step(order: Any) -> dict[str, float]:
        figures: dict[str, float] = {}
        grow(_FEW)
        figures["destroy, 10"] = destroying()
        grow(_HUNDRED)
        listing(_HUNDRED)  # imports modules at first use
        figures["list, 100"] = listing(_HUNDRED)
        grow(MANY)
        figures["destroy, 20,000"] = destroying()
        figures["list, 20,000"] = listing(MANY)
        clear()
        for _ in range(_HUNDRED):
            box().close()
        figures["list, 100 defaults"] = listing(_HUNDRED)
        clear()
        ends: list[Any] = []
        for count in (_ENDS, MANY_ENDS):
            while len(ends) < count:
                ends.append(liaison.Endpoint(space.address(f"end{len(ends)}")))
                if len(ends) > 1:
                    ends[-2].send(ends[-1].name, b"x")
            # Another endpoint sends to each but the first, over the link of the pair.
            figures[f"list, {count:,} endpoints"] = listing(2 * count - 1)
        for end in ends:
            end.destroy()
        return figures

    def close() -> None:
        shutil.rmtree(space.path, ignore_errors=True)

    return Job(step, close)


class _ScaleTrial(Trial):
    def __init__(self, options: Options) -> None:
        self._team = Team([(_measures, ())], pin=options.pin)

    def round(self) -> dict[str, float]:
        (figures,) = self._team.round(None, within=300)
        return figures

    def close(self) -> None:
        self._team.close()


class Scale(Scenario):
    most_rounds = 1

    def __init__(self) -> None:
        super().__init__(
            "scale",
            "Destroying one link among many, and listing them, a link",
            Metric("destroy, 10", "us"),
            Metric("destroy, 20,000", "us"),
            Metric("list, 100", "us"),
            Metric("list, 20,000", "us"),
            Metric("list, 100 defaults", "us"),
            Metric("list, 100 endpoints", "us"),
            Metric("list, 1,200 endpoints", "us"),
        )

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("measured for our own links only")
        from ..peers.liaison import space_directory

        there = os.statvfs(Path(space_directory()).parent)
        if there.f_bavail * there.f_frsize < _ROOM:
            raise Unsupported(f"{_ROOM >> 30} GiB of memory would be needed for {MANY:,} links")
        return _ScaleTrial(options)
