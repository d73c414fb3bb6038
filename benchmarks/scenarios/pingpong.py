"""Ping-pong: the least cost of a request and its reply between two processes."""

from __future__ import annotations

import time
from array import array
from itertools import repeat
from typing import Any

from ..options import Options
from ..peers import Link, Peer
from ..samples import differences, percentile
from ..team import await_start
from ..worker import Job
from .contract import Metric, Scenario, Trial
from .counted import CountedTrial


def ping(link: Link, size: int) -> Job:
    end = link.open("ping")
    message = bytes(size)

    def step(order: Any) -> list[int]:
        start, count = order
        send, receive, clock = end.send, end.receive, time.perf_counter_ns
        stamps = array("q", bytes(8 * (count + 1)))
        await_start(start)
        stamps[0] = clock()
        # One reading of the clock for each round trip: the end of one is the start of the next.
        answer = message
        for turn in range(1, count + 1):
            send(message)
            answer = receive()
            stamps[turn] = clock()
        if answer != message:
            raise ValueError("what arrived is not what was sent")
        return sorted(differences(stamps))

    return Job(step, end.close)


def pong(link: Link, size: int) -> Job:
    end = link.open("pong")
    message = bytes(size)

    def step(order: Any) -> None:
        _, count = order
        send, receive = end.send, end.receive
        for _ in repeat(None, count):
            receive()
            send(message)

    return Job(step, end.close)


def clock_cost_ns() -> float:
    """The time that the clock and the loop add to each round trip; it is not subtracted."""
    clock, count = time.perf_counter_ns, 20_000
    stamps = array("q", bytes(8 * (count + 1)))
    for turn in range(count + 1):
        stamps[turn] = clock()
    return percentile(sorted(differences(stamps)), 0.5)


class PingPongTrial(CountedTrial):
    def measure(self, count: int) -> tuple[float, dict[str, float]]:
        ascending, _ = self.order(count)
        figures = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
        return sum(ascending) / 1e9, {
            name: percentile(ascending, part) / 1e3 for name, part in figures.items()
        }


class PingPong(Scenario):
    limits = ("spin", "futex", "pipe", "socket")

    def __init__(self, size: int) -> None:
        super().__init__(
            f"ping-pong/{size}",
            f"Ping-pong of {size} B",
            Metric("p50", "us"),
            Metric("p99", "us"),
            Metric("p99.9", "us"),
        )
        self.size = size

    def prepare(self, peer: Peer, options: Options) -> Trial:
        link = peer.two_way(self.size)
        bodies = [(ping, (link, self.size)), (pong, (link, self.size))]
        return PingPongTrial(link, bodies, options, at_first=100, most=300_000)
