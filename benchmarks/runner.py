"""Runs scenarios: each round measures all contenders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .limits import Limits, NoLimits
from .machine import Machine
from .options import Options
from .peers import OURS, PEERS, Peer, Unsupported
from .results import Absence, Figure, Results
from .samples import median
from .scenarios import Scenario, Trial, select
from .scenarios.pingpong import clock_cost_ns
from .worker import WorkerFailed

Progress = Callable[[int, int, str], None]
"""Called as (steps done, steps in all, the current step)."""


def run(
    selection: Sequence[str] = (),
    options: Options | None = None,
    progress: Progress = lambda done, total, text: None,
) -> Results:
    """Measure the selected scenarios (by default all) and return the results.

    Contenders that are not installed or cannot take part are recorded as absences. Ctrl-C ends
    everything that was started, removes its names and is then raised on.
    """
    options = options or Options()
    chosen = select(selection)
    results = Results(Machine.here(), options, clock_ns=clock_cost_ns())
    peers = _installed(options, results)
    limits = _limits(results)
    steps = _Steps(sum(_rounds(s, options) + 1 for s in chosen), progress)
    try:
        for scenario in chosen:
            _run_scenario(scenario, peers, options, limits, results, steps)
    finally:
        for peer in peers:
            peer.tidy()
        if limits is not None:
            results.limits = _summed_up(limits.measured)
            limits.close()
    return results


class _Steps:
    def __init__(self, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = 0, total, progress

    def next(self, text: str) -> None:
        self._progress(self._done, self._total, text)
        self._done += 1


def _rounds(scenario: Scenario, options: Options) -> int:
    return min(options.rounds, scenario.most_rounds or options.rounds)


def _installed(options: Options, results: Results) -> list[Peer]:
    found: list[Peer] = []
    for peer in PEERS:
        if options.peers and peer.name not in options.peers and peer.name != OURS:
            continue
        try:
            results.versions[peer.name] = peer.version()
        except ImportError:
            results.absences.append(Absence("", peer.name, peer.missing()))
        else:
            found.append(peer)
    return found


def _limits(results: Results) -> Limits | None:
    try:
        limits = Limits()
    except NoLimits as error:
        results.absences.append(Absence("", "limits in C", str(error)))
        return None
    limits.measure(("call",))
    return limits


def _run_scenario(
    scenario: Scenario,
    peers: list[Peer],
    options: Options,
    limits: Limits | None,
    results: Results,
    steps: _Steps,
) -> None:
    steps.next(f"{scenario.title}: setting up")
    trials: dict[str, Trial] = {}
    found: dict[tuple[str, str], list[tuple[float, float | None]]] = {}

    def drop(name: str, error: Exception) -> None:
        results.absences.append(Absence(scenario.key, name, _reason(error)))
        if name in trials:
            trials.pop(name).close()

    try:
        for peer in peers:
            try:
                trials[peer.name] = scenario.prepare(peer, options)
            except Exception as error:
                drop(peer.name, error)
        for number in range(_rounds(scenario, options)):
            steps.next(f"{scenario.title}: round {number + 1}")
            if limits is not None and scenario.limits:
                limits.measure(scenario.limits)
            # A different one begins each round, so that none is always measured after the same.
            names = list(trials)
            turn = number % len(names) if names else 0
            for name in names[turn:] + names[:turn]:
                spin = None if limits is None else limits.spin()
                try:
                    figures = trials[name].round()
                except Exception as error:
                    drop(name, error)
                else:
                    for metric, value in figures.items():
                        found.setdefault((name, metric), []).append((value, spin))
    finally:
        for trial in trials.values():
            trial.close()
    units = {metric.name: metric.unit for metric in scenario.metrics}
    for (name, metric), rounds in found.items():
        values = tuple(value for value, _ in rounds)
        spins = tuple(spin for _, spin in rounds)
        results.figures.append(Figure(scenario.key, name, metric, units[metric], values, spins))


def _reason(error: Exception) -> str:
    if isinstance(error, Unsupported | WorkerFailed):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _summed_up(measured: dict[str, list[Any]]) -> dict[str, Any]:
    """The median of each limit's rounds."""
    limits: dict[str, Any] = {}
    for name, rounds in measured.items():
        if any(one is None for one in rounds):
            limits[name] = None
        elif isinstance(rounds[0], float | int):
            limits[name] = median(rounds)
        else:
            limits[name] = {key: median([one[key] for one in rounds]) for key in rounds[0]}
    return limits
