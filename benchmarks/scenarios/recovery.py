"""How soon the other processes go on after one is killed at the worst moment."""

from __future__ import annotations

import os
import random
import select
import struct
import time
from abc import abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from .. import tracer
from ..options import Options
from ..peers import OURS, Link, Peer, Unsupported
from ..samples import percentile
from ..team import Team
from ..worker import Job, die_with
from .contract import Metric, Scenario, Trial
from .counted import CountedTrial
from .pingpong import ping, pong

_LATEST = 30  # seconds within which a message must be delivered again
_KILLS_A_SECOND = 50


class _Survivor:
    """A process that waits on request and reports the moment at which its wait ended."""

    def __init__(self, wait: Callable[[], int]) -> None:
        parent = os.getpid()
        theirs, self._orders = os.pipe()
        self._answers, answers = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                die_with(parent)
                while os.read(theirs, 1):
                    os.write(answers, struct.pack("q", wait()))
            finally:
                os._exit(1)

    def start(self) -> None:
        """Let it begin to wait."""
        os.write(self._orders, b".")

    def had_it(self) -> int:
        if not select.select([self._answers], [], [], _LATEST)[0]:
            raise TimeoutError(f"it did not learn of the death in {_LATEST} s")
        return struct.unpack("q", os.read(self._answers, 8))[0]

    def close(self) -> None:
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)


class _Heir(_Survivor):
    """A waiter for a message."""

    def __init__(self, box: Any) -> None:
        def take() -> int:
            delivery = box.lease()
            now = time.perf_counter_ns()
            delivery.acknowledge()
            return now

        super().__init__(take)

    def wait(self, box: Any) -> None:
        """Let it wait for a message; return when it sleeps."""
        self.start()
        while box.statistics().receivers_waiting == 0:
            time.sleep(0.0005)


def _milliseconds(latencies: list[int]) -> dict[str, float]:
    ascending = sorted(latencies)
    return {
        "p50": percentile(ascending, 0.5) / 1e6,
        "p99": percentile(ascending, 0.99) / 1e6,
        "max": ascending[-1] / 1e6,
    }


def _asleep_for_a_while(dice: random.Random) -> None:
    """Sleepers look more and more rarely: each kill meets another moment of that."""
    time.sleep(dice.choice([0.001, 0.01, 0.1]) * dice.random())


def _receivers_killed(link: Any) -> Job:
    """Kills a receiver that holds the only message of a full mailbox while another sleeps."""
    box = _opened(link)
    heir = _Heir(box)
    dice = random.Random(1)

    def kill_one() -> int:
        box.send(b"x" * 64)
        read, write = os.pipe()
        victim = os.fork()
        if victim == 0:
            try:
                held = box.lease()
                os.write(write, b".")
                time.sleep(_LATEST)
                held.acknowledge()
            finally:
                os._exit(1)
        os.read(read, 1)
        os.close(read)
        os.close(write)
        heir.wait(box)
        _asleep_for_a_while(dice)
        began = time.perf_counter_ns()
        os.kill(victim, 9)
        latency = heir.had_it() - began
        os.waitpid(victim, 0)
        return latency

    def step(order: Any) -> list[int]:
        return [kill_one() for _ in range(order[1])]

    return Job(step, heir.close)


def _senders_killed(link: Any) -> Job:
    """Kills a sender whose message is accepted, before it can wake the receiver that sleeps."""
    box = _opened(link)
    heir = _Heir(box)
    dice = random.Random(1)

    def sender() -> int:
        heir.wait(box)
        _asleep_for_a_while(dice)
        return tracer.stopped(lambda: box.send(b"x" * 64))

    victim, accepted = sender(), box.statistics().accepted
    address = tracer.step_until(victim, lambda: box.statistics().accepted > accepted)

    def kill(victim: int) -> int:
        began = time.perf_counter_ns()
        os.kill(victim, 9)
        latency = heir.had_it() - began
        os.waitpid(victim, 0)
        return max(latency, 0)  # it may have looked before the sender was dead

    kill(victim)

    def kill_one() -> int:
        victim, accepted = sender(), box.statistics().accepted
        tracer.run_to(victim, address)
        if box.statistics().accepted == accepted:
            raise RuntimeError("stopped before its message was accepted")
        return kill(victim)

    def step(order: Any) -> list[int]:
        return [kill_one() for _ in range(order[1])]

    return Job(step, heir.close)


def _ports_killed(link: Any) -> Job:
    """Kills the receiver of a full port while a sender sleeps that waits for room."""
    ours = _liaison()
    address = f"{link.address}.port"
    dice = random.Random(1)

    def send() -> int:
        with ours.Port.open(address) as port:
            try:
                port.send(b"x" * 64)
            except ours.Destroyed:
                return time.perf_counter_ns()
        raise RuntimeError("there was room in a full port")

    sender = _Survivor(send)

    def kill_one() -> int:
        read, write = os.pipe()
        victim = os.fork()
        if victim == 0:
            try:
                port = ours.Port(address, capacity=1)
                port.send(b"x" * 64)
                os.write(write, b".")
                time.sleep(_LATEST)
            finally:
                os._exit(1)
        os.read(read, 1)
        os.close(read)
        os.close(write)
        with ours.Port.observe(address) as port:
            sender.start()
            while port.statistics().senders_waiting == 0:
                time.sleep(0.0005)
            _asleep_for_a_while(dice)
            began = time.perf_counter_ns()
            os.kill(victim, 9)
            latency = sender.had_it() - began
        os.waitpid(victim, 0)
        return latency

    def step(order: Any) -> list[int]:
        return [kill_one() for _ in range(order[1])]

    return Job(step, sender.close)


def _liaison() -> Any:
    from ..peers.contract import load

    return load("liaison")


def _opened(link: Any) -> Any:
    return _liaison().Mailbox.open(link.address)


class _RecoveryTrial(Trial):
    def __init__(self, link: Link, body: Any, deaths: int) -> None:
        self._deaths = deaths
        with ExitStack() as undo:
            undo.callback(link.close)
            self._team = Team([(body, (link,))], pin=False)
            undo.callback(self._team.close)
            self._open = undo.pop_all()

    def round(self) -> dict[str, float]:
        (latencies,) = self._team.round(self._deaths, within=60 + self._deaths)
        return _milliseconds(latencies)

    def close(self) -> None:
        self._open.close()


class _Recovery(Scenario):
    most_rounds = 1

    def __init__(self, key: str, title: str) -> None:
        super().__init__(key, title, *(Metric(name, "ms") for name in ("p50", "p99", "max")))

    @abstractmethod
    def body(self) -> Any: ...

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("what it does when a process dies is not promised")
        body = self.body()
        return _RecoveryTrial(peer.one_way(64, 1), body, options.deaths)


class ReceiverKilled(_Recovery):
    def __init__(self) -> None:
        super().__init__("recovery/receiver", "A receiver killed holding a message")

    def body(self) -> Any:
        return _receivers_killed


class PortKilled(_Recovery):
    def __init__(self) -> None:
        super().__init__("recovery/port", "A port's receiver killed while a sender waits for room")

    def body(self) -> Any:
        return _ports_killed


class SenderKilled(_Recovery):
    def __init__(self) -> None:
        super().__init__("recovery/sender", "A sender killed between acceptance and wake-up")

    def body(self) -> Any:
        tracer.check_machine()
        return _senders_killed


# ---- while others are killed --------------------------------------------------------------------


def _killer(link: Any, seconds: float) -> Job:
    """Kills processes that are attached to the link and hold a place in it."""
    parent = os.getpid()

    def kill_one() -> None:
        read, write = os.pipe()
        victim = os.fork()
        if victim == 0:
            try:
                die_with(parent)
                loan = _opened(link.there).loan(64)
                os.write(write, b".")
                time.sleep(_LATEST)
                loan.discard()
            finally:
                os._exit(1)
        os.read(read, 1)
        os.close(read)
        os.close(write)
        os.kill(victim, 9)
        os.waitpid(victim, 0)

    def step(order: Any) -> int:
        _, (_, killing) = order
        killed, began = 0, time.monotonic()
        while killing and (passed := time.monotonic() - began) < seconds:
            if killed <= passed * _KILLS_A_SECOND:
                kill_one()
                killed += 1
            else:
                time.sleep(killed / _KILLS_A_SECOND - passed)
        return killed

    return Job(step)


def _told_the_count(body: Any, link: Link, size: int) -> Job:
    job = body(link, size)
    return Job(lambda order: job.step((order[0], order[1][0])), job.close)


class _BesideTrial(CountedTrial):
    """Rounds of a second at least: a few dozen kills."""

    def measure(self, count: int) -> tuple[float, dict[str, float]]:
        quiet, _, _ = self.order((count, False))
        beside, _, killed = self.order((count, True))
        return sum(quiet) / 1e9, {
            "quiet p50": percentile(quiet, 0.5) / 1e3,
            "p50": percentile(beside, 0.5) / 1e3,
            "p99": percentile(beside, 0.99) / 1e3,
            "killed": killed,
        }


class PingPongBesideKills(Scenario):
    def __init__(self, size: int) -> None:
        super().__init__(
            "beside-kills",
            f"Ping-pong while {_KILLS_A_SECOND} others a second are killed",
            Metric("quiet p50", "us"),
            Metric("p50", "us"),
            Metric("p99", "us"),
            Metric("killed", "processes"),
        )
        self.size = size

    def prepare(self, peer: Peer, options: Options) -> Trial:
        if peer.name != OURS:
            raise Unsupported("what it does when a process dies is not promised")
        options = replace(options, budget=max(1.0, 4 * options.budget))
        link = peer.two_way(self.size)
        bodies = [
            (_told_the_count, (ping, link, self.size)),
            (_told_the_count, (pong, link, self.size)),
            (_killer, (link, options.budget)),
        ]
        return _BesideTrial(link, bodies, options, at_first=100, most=3_000_000)
