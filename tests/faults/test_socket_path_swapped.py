"""A Unix socket's path leads elsewhere by the time it is used: nothing there is changed.

A user who can rename a directory of the path swaps it for one with a precious file under the same
name, before the n-th call that uses a path, for every n.
"""

import os
import socket

import pytest

from liaison import LiaisonError, listen
from liaison.carriers.stream import binding

BY_NAME = {"link", "lstat", "open", "stat", "unlink"}


class Swapping:
    """The module `os`, with a swap before the n-th call that uses a path."""

    def __init__(self, swap, n):
        self._swap, self.left = swap, n

    def __getattr__(self, name):
        function = getattr(os, name)
        if name not in BY_NAME:
            return function

        def call(*arguments, **options):
            self.left -= 1
            if self.left == -1:
                self._swap()
            return function(*arguments, **options)

        return call


@pytest.fixture
def ground(tmp_path, monkeypatch):
    """Two directories, and a link to the first; `at(n)` makes it lead to the second."""
    here, elsewhere, way = (tmp_path / name for name in ("here", "elsewhere", "way"))
    here.mkdir()
    elsewhere.mkdir()
    (elsewhere / "it").write_text("precious")
    way.symlink_to(here)

    def swap():
        other = tmp_path / "other"
        other.symlink_to(elsewhere)
        other.rename(way)

    def at(n):
        way.unlink()
        way.symlink_to(here)
        swapping = Swapping(swap, n)
        monkeypatch.setattr(binding, "os", swapping)
        return swapping

    return here, elsewhere, f"unix://{way}/it", at


def untouched(elsewhere):
    return [(path.name, path.read_text()) for path in elsewhere.iterdir()] == [("it", "precious")]


def listens(address):
    """Listen, and close again; an error is no harm if it has a type."""
    try:
        listen(address).close()
    except LiaisonError:
        return


def dead(here):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(here / "it"))


@pytest.mark.parametrize("replaces", [False, True])
def test_listening_and_closing_touch_no_other_file(ground, replaces):
    """No other file is changed, also where a dead listener's socket is replaced."""
    here, elsewhere, address, at = ground
    n = 0
    while True:
        for left in here.iterdir():
            left.unlink()
        if replaces:
            dead(here)
        swapping = at(n)
        listens(address)
        assert untouched(elsewhere)
        if swapping.left >= 0:
            break
        n += 1
    assert n >= (8 if replaces else 6)  # it was swapped before so many calls
    assert list(here.iterdir()) == []
