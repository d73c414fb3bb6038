"""The rate of one link with many senders and many receivers."""

from __future__ import annotations

import time
from itertools import repeat
from typing import Any

from ..options import Options
from ..peers import Link, Peer, Unsupported
from ..team import await_start
from ..worker import Job
from .contract import Metric, Scenario, Trial
from .counted import CountedTrial

SIZE = 64
_STOP = b"."


def _sender(link: Link, receivers: int) -> Job:
    end = link.open("sender")
    message = bytes(SIZE)

    def step(order: Any) -> int:
        start, count = order
        send = end.send
        await_start(start)
        began = time.perf_counter_ns()
        for _ in repeat(None, count):
            send(message)
        # Every sender ends with a stop for every receiver, behind its own messages, and a receiver
        # ends after one from each sender. When all have ended, everything has been received: no
        # process needs to know beforehand how many messages it gets.
        for _ in repeat(None, receivers):
            send(_STOP)
        return began

    return Job(step, end.close)


def _receiver(link: Link, senders: int) -> Job:
    end = link.open("receiver")

    def step(order: Any) -> int:
        receive, stops = end.receive, senders
        while stops:
            if len(receive()) == 1:
                stops -= 1
        return time.perf_counter_ns()

    return Job(step, end.close)


class _FanTrial(CountedTrial):
    senders: int

    def measure(self, count: int) -> tuple[float, dict[str, float]]:
        times = self.order(count)
        seconds = (max(times[self.senders :]) - min(times[: self.senders])) / 1e9
        return seconds, {"rate": count * self.senders / seconds}


class Fan(Scenario):
    def __init__(self, senders: int, receivers: int) -> None:
        super().__init__(
            f"fan/{senders}:{receivers}",
            f"{senders} to {receivers}, {SIZE} B",
            Metric("rate", "messages/s"),
        )
        self.senders, self.receivers = senders, receivers

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.shared_by_many and (self.senders, self.receivers) != (1, 1):
            raise Unsupported(peer.shared_by_many)
        link = peer.one_way(SIZE, 1024)
        bodies = [(_sender, (link, self.receivers))] * self.senders
        bodies += [(_receiver, (link, self.senders))] * self.receivers
        trial = _FanTrial(link, bodies, options, at_first=max(16, 256 // self.senders))
        trial.senders = self.senders
        return trial
