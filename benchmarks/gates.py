"""What the project has promised itself, as data, and whether a run met it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .results import Results

_KIB, _MIB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class Constant:
    """A number that does not depend on the machine."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class Limit:
    """The machine's own, measured in C in the same rounds."""

    name: str


@dataclass(frozen=True, slots=True)
class Peer:
    """A contender's figure in the same rounds: the one named, or the best but for some."""

    name: str | None = None
    without: tuple[str, ...] = ()
    also: str | None = None
    """A second scenario in which the peers may do better than in the gate's own."""


@dataclass(frozen=True, slots=True)
class Ours:
    """Another figure of our own."""

    scenario: str
    metric: str


Reference = Constant | Limit | Peer | Ours


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
    otherwise: Bound | None = None
    """Met as well if this one is."""


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
    """So many times faster than a time is at most its fraction."""
    return 1 / times


def _most(times: float, reference: Reference) -> Bound:
    return Bound("at most", times, reference)


def _least(times: float, reference: Reference) -> Bound:
    return Bound("at least", times, reference)


GATES: tuple[Gate, ...] = (
    Gate(
        "64 B ping-pong: p50 at most 6 x the C spin ping-pong between two cores",
        "ping-pong/64",
        "p50",
        _most(6, Limit("spin")),
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
        "64 B one way, single: at least 1.3 x hyperq",
        "one-way/64",
        "rate",
        _least(1.3, Peer("hyperq")),
    ),
    Gate(
        "64 B one way, single: at least 3 x every other peer",
        "one-way/64",
        "rate",
        _least(3, Peer(without=("hyperq",))),
    ),
    Gate(
        "64 B in batches: at least 8 million messages/s, or 3 x the best peer",
        "batched/64",
        "rate",
        _least(1, Constant(8e6, "8 million/s")),
        otherwise=_least(3, Peer(also="one-way/64")),
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
    *(
        Gate(
            f"400 receivers wait, as {whose}: at least half the jobs a second of 2",
            f"crowd/{whose}",
            "400",
            _least(0.5, Ours(f"crowd/{whose}", "2")),
        )
        for whose in ("threads", "processes")
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
        "Creating a mailbox: at most 200 us",
        "life",
        "create",
        _most(1, Constant(200, "200 us")),
    ),
    Gate("Opening a mailbox: at most 50 us", "life", "open", _most(1, Constant(50, "50 us"))),
    Gate(
        "Destroying a link among 20,000: at most 1.5 x among 10",
        "scale",
        "destroy, 20,000",
        _most(1.5, Ours("scale", "destroy, 10")),
    ),
    Gate(
        "Listing 100 links: at most 40 us a link",
        "scale",
        "list, 100",
        _most(1, Constant(40, "40 us")),
    ),
    Gate(
        "Listing 20,000 links: at most 1.5 x as long a link as 100",
        "scale",
        "list, 20,000",
        _most(1.5, Ours("scale", "list, 100")),
    ),
    Gate(
        "Listing 1,200 endpoints: at most 1.5 x as long an endpoint as 100",
        "scale",
        "list, 1,200 endpoints",
        _most(1.5, Ours("scale", "list, 100 endpoints")),
    ),
    Gate(
        "An idle default mailbox: at most 256 KiB",
        "idle/memory",
        "memory",
        _most(1, Constant(256, "256 KiB")),
    ),
    Gate(
        "Import: at most 30 ms over a bare Python",
        "import",
        "import",
        _most(1, Constant(30, "30 ms")),
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
    value = results.value(gate.scenario, gate.metric)
    first = _check(gate, gate.bound, value, results)
    if first.met or gate.otherwise is None:
        return first
    second = _check(gate, gate.otherwise, value, results)
    return second if second.met else first


def _check(gate: Gate, bound: Bound, value: float | None, results: Results) -> Verdict:
    found = _look_up(gate, bound, results)
    if found is None:
        return Verdict(gate.text, None, value, "nothing to compare with", None)
    against, reference = found
    if value is None or not reference:
        return Verdict(gate.text, None, value, against, None)
    ratio = value / reference
    met = ratio <= bound.times if bound.kind == "at most" else ratio >= bound.times
    return Verdict(gate.text, met, value, against, ratio)


def _look_up(gate: Gate, bound: Bound, results: Results) -> tuple[str, float] | None:
    reference = bound.reference
    if isinstance(reference, Constant):
        return reference.text, reference.value
    if isinstance(reference, Limit):
        limit = results.limit(reference.name)
        return None if limit is None else (f"{reference.name} in C", limit)
    if isinstance(reference, Ours):
        ours = results.value(reference.scenario, reference.metric)
        return None if ours is None else (reference.scenario, ours)
    less = bound.kind == "at most"
    if reference.name is not None:
        one = results.value(gate.scenario, gate.metric, reference.name)
        return None if one is None else (reference.name, one)
    scenarios = [gate.scenario] + ([reference.also] if reference.also else [])
    best = [
        peer
        for scenario in scenarios
        if (
            peer := results.best_peer(
                scenario, gate.metric, less_is_better=less, without=reference.without
            )
        )
    ]
    return (min if less else max)(best, key=lambda peer: peer[1]) if best else None
