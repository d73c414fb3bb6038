"""A ping-pong over every kind of link, and one message through a rendezvous."""

from __future__ import annotations

import time
from array import array
from contextlib import ExitStack
from itertools import repeat
from typing import Any

from ..options import Options
from ..peers import KINDS, OURS, Link, Peer, Unsupported
from ..samples import differences
from ..team import await_start
from ..worker import Job
from .contract import Metric, Scenario, Trial
from .pingpong import PingPongTrial, ping, pong

HAND_OVER = "hand-over"


def _giver(link: Link, size: int) -> Job:
    end = link.open("sender")
    message = bytes(size)

    def step(order: Any) -> list[int]:
        start, count = order
        send, clock = end.send, time.perf_counter_ns
        stamps = array("q", bytes(8 * (count + 1)))
        await_start(start)
        stamps[0] = clock()
        # Each send returns once the receiver has the message, so it includes an answer.
        for turn in range(1, count + 1):
            send(message)
            stamps[turn] = clock()
        return sorted(differences(stamps))

    return Job(step, end.close)


def _taker(link: Link, size: int) -> Job:
    end = link.open("receiver")
    expected = bytes(size)

    def step(order: Any) -> None:
        _, count = order
        receive, message = end.receive, expected
        for _ in repeat(None, count):
            message = receive()
        if message != expected:
            raise ValueError("what arrived is not what was sent")

    return Job(step, end.close)


class _KindsTrial(Trial):
    """A trial for each kind, one after the other in each round, so that they can be compared."""

    def __init__(self, size: int, options: Options) -> None:
        self._trials: dict[str, Trial] = {}
        self._rounds = 0
        self._open = ExitStack()
        with ExitStack() as undo:
            for name, kind in KINDS.items():
                if not kind.is_there():
                    continue
                link = kind.link(size)
                bodies = [(ping, (link.side("ping"), size)), (pong, (link.side("pong"), size))]
                if name == HAND_OVER:
                    bodies = [(_giver, (link, size)), (_taker, (link, size))]
                trial = PingPongTrial(link, bodies, options, at_first=100, most=300_000)
                undo.callback(trial.close)
                self._trials[name] = trial
            self._open = undo.pop_all()

    def round(self) -> dict[str, float]:
        names = list(self._trials)
        turn = self._rounds % len(names)
        self._rounds += 1
        return {name: self._trials[name].round()["p50"] for name in names[turn:] + names[:turn]}

    def close(self) -> None:
        self._open.close()


class Kinds(Scenario):
    def __init__(self, size: int) -> None:
        super().__init__(
            "kinds",
            f"Kinds of links, {size} B",
            *(Metric(name, "us") for name in KINDS),
        )
        self.size = size

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("has no such kinds of links")
        return _KindsTrial(self.size, options)
