"""The project's goals for speed, as data, and whether a run met them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .distance import Distance
from .results import Figure, Results
from .samples import median

_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that does not depend on the machine."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Spin:
    """The C spin ping-pong between two cores, measured just before the figure."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A contender's figure in the same rounds: the named one, or the best except some."""

    name: str | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ours:
    """Another figure of our own."""

    scenario: str
    metric: str


Reference = Constant | Spin | Peer | Ours


@dataclass(frozen=True, slots=True)
class Bound:
    """At most, or at least, so many times the reference."""

    kind: Literal["at most", "at least"]
    times: float
    reference: Reference


@dataclass(frozen=True, slots=True)
class Gate:
    text: str
    scenario: str
    metric: str
    bound: Bound
    apart: Distance | None = None
    """The gate holds only for rounds with this distance of cores."""


@dataclass(frozen=True, slots=True)
class Verdict:
    text: str
    met: bool | None
    """`None`: this run did not measure it, or has nothing to compare with."""
    value: float | None
    against: str
    ratio: float | None
    """Value over reference."""


def _faster(times: float) -> float:
    """N times faster than a time means at most 1/N of that time."""
    return 1 / times


def _most(times: float, reference: Reference) -> Bound:
    return Bound("at most", times, reference)


def _least(times: float, reference: Reference) -> Bound:
    return Bound("at least", times, reference)


def _far_and_near(far: float, near: float) -> tuple[tuple[Distance, float], ...]:
    return ("far", far), ("near", near)


GATES: tuple[Gate, ...] = (
    *(
        Gate(
            f"64 B ping-pong, cores {apart}: p50 at most {times} x the C spin ping-pong",
            "ping-pong/64",
            "p50",
            _most(times, Spin()),
            apart,
        )
        for apart, times in _far_and_near(2.5, 4.5)
    ),
    Gate(
        "64 B ping-pong: p50 at least 7 x faster than every peer",
        "ping-pong/64",
        "p50",
        _most(_faster(7), Peer()),
    ),
    *(
        Gate(
            f"64 B ping-pong, {kind}: at most 1.3 x the mailbox's",
            "kinds",
            kind,
            _most(1.3, Ours("kinds", "mailbox")),
        )
        for kind in ("queue", "port", "pipe", "direct")
    ),
    Gate(
        "64 B, rendezvous' hand-over: at most 1.5 x the mailbox's ping-pong",
        "kinds",
        "hand-over",
        _most(1.5, Ours("kinds", "mailbox")),
    ),
    Gate(
        "64 B one way, single: at least 1.5 x hyperq",
        "one-way/64",
        "rate",
        _least(1.5, Peer("hyperq")),
    ),
    Gate(
        "64 B one way, single: at least 3 x every other peer",
        "one-way/64",
        "rate",
        _least(3, Peer(without=("hyperq",))),
    ),
    *(
        Gate(
            f"64 B in batches, cores {apart}: at least {millions} million messages/s",
            "batched/64",
            "rate",
            _least(1, Constant(millions * 1e6, f"{millions} million/s")),
            apart,
        )
        for apart, millions in _far_and_near(5, 9)
    ),
    Gate(
        "1 MiB one way: at least 1.2 x the best peer",
        f"one-way/{_MIB}",
        "rate",
        _least(1.2, Peer()),
    ),
    Gate(
        "Loan and lease of 1 MiB: at most 2 x the time of 64 B",
        f"in-place/{_MIB}",
        "time",
        _most(2, Ours("in-place/64", "time")),
    ),
    Gate(
        "Lease and acknowledge: at most 1.5 x receive",
        "leasing",
        "lease",
        _most(1.5, Ours("leasing", "receive")),
    ),
    Gate(
        "8 senders to 8 receivers: at least 60 % of 1 to 1",
        "fan/8:8",
        "rate",
        _least(0.6, Ours("fan/1:1", "rate")),
    ),
    Gate(
        "8 senders to 8 receivers, cores far: at least 4 million messages/s",
        "fan/8:8",
        "rate",
        _least(1, Constant(4e6, "4 million/s")),
        "far",
    ),
    *(
        Gate(
            f"{receivers} receivers wait, as {whose}: at least half the jobs a second of 2",
            f"crowd/{whose}",
            receivers,
            _least(0.5, Ours(f"crowd/{whose}", "2")),
        )
        for whose in ("threads", "processes")
        for receivers in ("64", "256", "400")
    ),
    Gate(
        "400 workers hold a job for 20 ms: at most 3 x the processor time a job of 16",
        "crowd/workers",
        "400",
        _most(3, Ours("crowd/workers", "16")),
    ),
    Gate(
        "wait for 100 mailboxes: at most 3 x the time a message that waiting for one takes",
        "waiting",
        "hundred",
        _most(3, Ours("waiting", "one")),
    ),
    Gate(
        "A task on asyncio: woken in at most 1.5 x the time of a bare eventfd with add_reader",
        "waiting",
        "asyncio",
        _most(1.5, Ours("waiting", "eventfd")),
    ),
    Gate(
        "Connection, 64 B ping-pong: p50 at most 1.5 x a bare socket's",
        "connection/ping-pong",
        "p50",
        _most(1.5, Peer("Unix socket")),
    ),
    Gate(
        "Connection, 64 B ping-pong: p50 less than every peer's that carries messages",
        "connection/ping-pong",
        "p50",
        _most(1, Peer(without=("Unix socket",))),
    ),
    Gate(
        "Connection, 1 MiB one way: at least 80 % of a bare socket",
        "connection/one-way",
        "rate",
        _least(0.8, Peer("Unix socket")),
    ),
    Gate(
        "64 idle receivers: at most 0.2 % of one core",
        "idle/cpu",
        "cpu",
        _most(1, Constant(0.2, "0.2 %")),
    ),
    Gate(
        "Creating a mailbox: at most 120 us",
        "life",
        "create",
        _most(1, Constant(120, "120 us")),
    ),
    Gate("Opening a mailbox: at most 40 us", "life", "open", _most(1, Constant(40, "40 us"))),
    Gate(
        "Destroying a link among 20,000: at most 1.5 x among 10",
        "scale",
        "destroy, 20,000",
        _most(1.5, Ours("scale", "destroy, 10")),
    ),
    *(
        Gate(
            f"Listing {links}: at most 40 us for each",
            "scale",
            f"list, {links}",
            _most(1, Constant(40, "40 us")),
        )
        for links in ("100", "20,000", "100 defaults", "100 endpoints", "1,200 endpoints")
    ),
    Gate(
        "An idle default mailbox: at most 128 KiB",
        "idle/memory",
        "memory",
        _most(1, Constant(128, "128 KiB")),
    ),
    Gate(
        "Import: at most 25 ms over a bare Python",
        "import",
        "import",
        _most(1, Constant(25, "25 ms")),
    ),
    Gate(
        "A receiver killed holding a message: redelivered in 10 ms, 99 of 100",
        "recovery/receiver",
        "p99",
        _most(1, Constant(10, "10 ms")),
    ),
    Gate(
        "A port's receiver killed: a sender that waits is told in 10 ms, 99 of 100",
        "recovery/port",
        "p99",
        _most(1, Constant(10, "10 ms")),
    ),
    Gate(
        "A sender killed before its wake-up: received in 10 ms, 99 of 100",
        "recovery/sender",
        "p99",
        _most(1, Constant(10, "10 ms")),
    ),
    Gate(
        "A sender killed before its wake-up: received in 50 ms, always",
        "recovery/sender",
        "max",
        _most(1, Constant(50, "50 ms")),
    ),
    Gate(
        "Ping-pong beside 50 kills a second: p50 at most 1.2 x the undisturbed one",
        "beside-kills",
        "p50",
        _most(1.2, Ours("beside-kills", "quiet p50")),
    ),
)


def judge(results: Results) -> list[Verdict]:
    return [_judge(gate, results) for gate in GATES]


def _judge(gate: Gate, results: Results) -> Verdict:
    figure = results.figure(gate.scenario, gate.metric)
    figure = figure and figure.at(gate.apart)
    if figure is None:
        return Verdict(gate.text, None, None, "nothing to compare", None)
    value, bound = figure.value, gate.bound
    found = _look_up(gate, figure, results)
    if found is None:
        return Verdict(gate.text, None, value, "nothing to compare with", None)
    against, reference = found
    if not reference:
        return Verdict(gate.text, None, value, against, None)
    ratio = value / reference
    met = ratio <= bound.times if bound.kind == "at most" else ratio >= bound.times
    return Verdict(gate.text, met, value, against, ratio)


def _look_up(gate: Gate, figure: Figure, results: Results) -> tuple[str, float] | None:
    reference = gate.bound.reference
    if isinstance(reference, Constant):
        return reference.text, reference.value
    if isinstance(reference, Spin):
        spins = [spin for spin in figure.spins if spin]
        return ("spin in C", median(spins) / 1e3) if spins else None
    if isinstance(reference, Ours):
        ours = results.value(reference.scenario, reference.metric)
        return None if ours is None else (reference.scenario, ours)
    if reference.name is not None:
        one = results.value(gate.scenario, gate.metric, reference.name)
        return None if one is None else (reference.name, one)
    return results.best_peer(
        gate.scenario,
        gate.metric,
        less_is_better=gate.bound.kind == "at most",
        without=reference.without,
    )
