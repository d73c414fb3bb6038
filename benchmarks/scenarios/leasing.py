"""A lease and its acknowledgement, compared with a plain receive."""

from __future__ import annotations

import time
from itertools import repeat
from typing import Any

from ..options import Options
from ..peers import OURS, Link, Peer, Unsupported
from ..worker import Job
from .contract import Metric, Scenario, Trial
from .counted import CountedTrial

# One process fills and empties the mailbox in turn, so there is no waiting and only the
# operations themselves are timed. Its capacity is 1024 by default.
_FILL = 512


def _taker(link: Link) -> Job:
    sender, end = link.open("sender"), link.open("receiver")
    message = bytes(64)

    def step(order: Any) -> tuple[int, int]:
        _, count = order
        clock, send, receive = time.perf_counter_ns, sender.send, end.receive
        take = end.take
        assert take is not None
        received = leased = 0
        for _ in repeat(None, max(1, count // _FILL)):
            for _ in repeat(None, _FILL):
                send(message)
            began = clock()
            for _ in repeat(None, _FILL):
                receive()
            received += clock() - began
            for _ in repeat(None, _FILL):
                send(message)
            began = clock()
            for _ in repeat(None, _FILL):
                take().acknowledge()
            leased += clock() - began
        return received, leased

    def close() -> None:
        sender.close()
        end.close()

    return Job(step, close)


class _LeasingTrial(CountedTrial):
    def measure(self, count: int) -> tuple[float, dict[str, float]]:
        ((received, leased),) = self.order(count)
        taken = max(1, count // _FILL) * _FILL
        return (received + leased) / 1e9, {
            "receive": received / taken / 1e3,
            "lease": leased / taken / 1e3,
        }


class Leasing(Scenario):
    def __init__(self) -> None:
        super().__init__(
            "leasing",
            "Lease and acknowledge against receive, 64 B",
            Metric("receive", "us"),
            Metric("lease", "us"),
        )

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("has no leases that are acknowledged")
        link = peer.one_way(64, 1024)
        return _LeasingTrial(link, [(_taker, (link,))], options, at_first=_FILL)
