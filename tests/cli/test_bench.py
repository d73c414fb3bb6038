"""bench: the command over the benchmarks; they have tests of their own."""

import sys

import pytest

pytest.importorskip("liaison._benchmarks")


def test_scenarios_are_listed(cli):
    """By the keys that can be given."""
    assert any(line.startswith("ping-pong/64 ") for line in cli("bench", "--list").lines)
    assert "ping-pong/64" in cli("bench", "--list", "--json").json


@pytest.mark.parametrize("arguments", [("nonsense",), ("--peer", "nobody"), ("--rounds", "0")])
def test_what_does_not_exist_is_a_usage_error(cli, arguments):
    """Code 2, before anything is measured; what there is, is told."""
    told = cli("bench", *arguments, code=2).err
    assert "the peers are" in told or "there are" in told or "range" in told


def test_a_peer_that_is_asked_for_has_to_be_installed(cli, monkeypatch):
    """Code 1, and how to install it; nothing is measured."""
    monkeypatch.setitem(sys.modules, "zmq", None)
    told = cli("bench", "--peer", "pyzmq", code=1).err
    assert "not installed" in told
    assert "liaison-ipc[bench]" in told


def test_an_installation_without_benchmarks_says_so(cli, monkeypatch):
    """Code 1."""
    monkeypatch.setitem(sys.modules, "liaison._benchmarks", None)
    assert "no benchmarks" in cli("bench", code=1).err


def test_a_picture_that_cannot_be_written_is_told_first(cli, tmp_path):
    """Not after minutes of measuring."""
    cli("bench", "--svg", tmp_path / "missing" / "picture.svg", code=4)


def test_a_run_gives_a_table_a_picture_and_json(program, tmp_path):
    """A real one, as short as can be."""
    short = ("bench", "ping-pong", "--rounds", "1", "--budget", "0.01", "--peer", "Unix socket")
    picture = tmp_path / "picture.svg"
    shown = program(*short, "--svg", picture).end(0)
    assert "Ping-pong of 64 B" in shown.out
    assert "liaison" in shown.out
    assert "Unix socket" in shown.out
    assert "\x1b" not in shown.out + shown.err
    assert picture.read_text().startswith("<svg")
    figures = program(*short, "--json").end(0).json["figures"]
    assert {figure["contender"] for figure in figures} == {"liaison", "Unix socket"}
