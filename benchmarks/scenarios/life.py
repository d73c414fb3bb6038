"""The cost of creating, opening and closing a link."""

from __future__ import annotations

import time
from typing import Any

from ..options import Options
from ..peers import Link, Peer, Unsupported
from ..samples import median
from ..team import Team
from ..worker import Job
from .contract import Metric, Scenario, Trial

_LINKS = 20


def _opener() -> Job:
    """Opens links that others made, each for the first time, as a user's process does."""

    def step(order: Any) -> tuple[list[int], list[int]]:
        _, links = order
        clock = time.perf_counter_ns
        opening: list[int] = []
        closing: list[int] = []
        for link in links:
            began = clock()
            end = link.open("receiver")
            opened = clock()
            end.close()
            del end  # for contenders that close by being forgotten
            closed = clock()
            opening.append(opened - began)
            closing.append(closed - opened)
        return opening, closing

    return Job(step)


class _LifeTrial(Trial):
    def __init__(self, peer: Peer, options: Options) -> None:
        self._peer = peer
        self._team = Team([(_opener, ())], pin=options.pin)

    def round(self) -> dict[str, float]:
        creating: list[int] = []
        links: list[Link] = []
        try:
            for _ in range(_LINKS):
                began = time.perf_counter_ns()
                link = self._peer.one_way(64, 1024)
                creating.append(time.perf_counter_ns() - began)
                links.append(link)
            (answer,) = self._team.round(links, within=20)
        finally:
            for link in links:
                link.close()
        opening, closing = answer
        return {
            "create": median(creating) / 1e3,
            "open": median(opening) / 1e3,
            "close": median(closing) / 1e3,
        }

    def close(self) -> None:
        self._team.close()


class Life(Scenario):
    def __init__(self) -> None:
        super().__init__(
            "life",
            "Creating, opening and closing a link",
            Metric("create", "us"),
            Metric("open", "us"),
            Metric("close", "us"),
        )

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if not peer.opened_by_name:
            raise Unsupported("has no names: links are inherited, or made by both ends together")
        return _LifeTrial(peer, options)
