"""A short run with contenders of the standard library: real processes, real figures."""

import pytest

from benchmarks import Options, run
from benchmarks.scenarios import SCENARIOS, select
from benchmarks.team import Team
from benchmarks.worker import Job, WorkerFailed

SHORT = Options(rounds=2, budget=0.01, peers=("multiprocessing.Pipe",))


def test_a_run_measures_who_is_installed_and_names_who_is_not() -> None:
    """Every contender asked for has a figure or a reason."""
    steps: list[tuple[int, int]] = []
    results = run(["ping-pong"], SHORT, lambda done, total, text: steps.append((done, total)))
    figures = results.values("ping-pong/64", "p50")
    assert figures["multiprocessing.Pipe"] > 0
    assert "liaison" in figures or any(a.contender == "liaison" for a in results.absences)
    assert steps == [(0, 3), (1, 3), (2, 3)]


def test_a_scenario_that_does_not_exist_is_refused() -> None:
    """An unknown scenario is a ValueError."""
    with pytest.raises(ValueError, match="no scenario 'pingpong'"):
        select(["pingpong"])


def test_scenarios_are_selected_by_family_key_or_pattern() -> None:
    """Scenarios are selected as `python -m benchmarks` does."""
    assert select(()) == list(SCENARIOS)
    assert [s.key for s in select(["fan"])] == ["fan/1:1", "fan/8:1", "fan/1:8", "fan/8:8"]
    assert [s.key for s in select(["one-way/64"])] == ["one-way/64"]
    assert [s.key for s in select(["*/64"])] == [
        "ping-pong/64",
        "one-way/64",
        "batched/64",
        "in-place/64",
    ]


def failing() -> Job:
    """A body that cannot set up."""
    raise RuntimeError("no")


def test_a_worker_that_fails_says_so_and_leaves_nobody_behind() -> None:
    """WorkerFailed has the reason and the place in the code."""
    with pytest.raises(WorkerFailed, match=r"RuntimeError: no \(test_runner.py:\d+\)"):
        Team([(failing, ())], pin=False)
