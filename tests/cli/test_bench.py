"""The command `bench`; the benchmarks have tests of their own."""

import sys

import pytest

pytest.importorskip("liaison._benchmarks")


def test_scenarios_are_listed(cli):
    """The list shows the keys that the command takes."""
    assert any(line.startswith("ping-pong/64 ") for line in cli("bench", "--list").lines)
    assert "ping-pong/64" in cli("bench", "--list", "--json").json


@pytest.mark.parametrize("arguments", [("nonsense",), ("--peer", "nobody"), ("--rounds", "0")])
def test_what_does_not_exist_is_a_usage_error(cli, arguments):
    """The code is 2, before any measurement, and the error names the possible values."""
    shown = cli("bench", *arguments, code=2).err
    assert "the peers are" in shown or "there are" in shown or "range" in shown


def test_a_peer_that_is_asked_for_has_to_be_installed(cli, monkeypatch):
    """The code is 1, the error says how to install the peer, and nothing is measured."""
    monkeypatch.setitem(sys.modules, "zmq", None)
    shown = cli("bench", "--peer", "pyzmq", code=1).err
    assert "not installed" in shown
    assert "liaison-ipc[bench]" in shown


def test_an_installation_without_benchmarks_says_so(cli, monkeypatch):
    """The code is 1."""
    monkeypatch.setitem(sys.modules, "liaison._benchmarks", None)
    assert "no benchmarks" in cli("bench", code=1).err


def test_a_picture_that_cannot_be_written_is_an_early_error(cli, tmp_path):
    """The error comes before minutes of measuring."""
    cli("bench", "--svg", tmp_path / "missing" / "picture.svg", code=4)


def test_a_run_gives_a_table_a_picture_and_json(program, tmp_path):
    """A short run prints a table or JSON, and writes the picture."""
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
