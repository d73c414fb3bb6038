"""The scenarios of connections: who takes part, and that messages get through."""

import pytest

from benchmarks import Options, run

SHORT = Options(rounds=1, budget=0.01, peers=("multiprocessing.Pipe", "Unix socket"))


@pytest.mark.parametrize(("key", "metric"), [("ping-pong", "p50"), ("one-way", "rate")])
def test_connections_are_measured_beside_bare_sockets(key: str, metric: str) -> None:
    """Connections, bare sockets and multiprocessing's have a figure each, in the same run."""
    figures = run([f"connection/{key}"], SHORT).values(f"connection/{key}", metric)
    assert set(figures) == {"liaison", "multiprocessing.Pipe", "Unix socket"}
    assert all(figure > 0 for figure in figures.values())
