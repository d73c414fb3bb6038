"""However a demonstration ends, no process and no link of it is left."""

import os
import signal

import pytest

from liaison.testing import until
from tests.demo.stage import PATIENCE, at_work, processes_of, run, running

ROLES = {"mailboxes": "liaison.demo.worker", "queues": "multiprocessing.spawn"}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_stopping_it_ends_all_processes_and_removes_all_links(space, role, number, code):
    """Ctrl-C and its like leave neither a process nor a link, and no traceback."""
    with running() as process:
        at_work(process, role, 2)
        os.killpg(process.pid, number)  # the whole group, as a terminal does
        _, complaints = process.communicate(timeout=PATIENCE)
        assert process.returncode == code
        assert complaints == ""
        until(lambda: not processes_of(process), "the end of its processes")


@pytest.mark.parametrize("role", ROLES.values(), ids=ROLES)
def test_nothing_is_left_of_one_that_is_killed(space, tree, role):
    """Its processes end with it, and the next demonstration removes its links."""
    with running() as process:
        at_work(process, role, 2)
        process.kill()
        process.wait(PATIENCE)
        until(lambda: not processes_of(process), "the end of its processes")
    assert bool(space.files("names")) == (role == ROLES["mailboxes"])
    assert run(tree).returncode == 0
    assert space.files("names") == []


def test_a_worker_that_another_program_kills_is_replaced(space):
    """A worker killed at any moment, by anyone, costs nothing but time."""
    with running() as process:
        os.kill(at_work(process, ROLES["mailboxes"], 2)[0], signal.SIGKILL)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        assert "the same as the result of a single process" in said


def test_the_death_of_the_reader_is_an_error(space):
    """Without its reader the demonstration ends with an error."""
    with running() as process:
        os.kill(at_work(process, "liaison.demo.reader")[0], signal.SIGKILL)
        _, complaints = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert "the reader" in complaints
        assert "signal 9" in complaints
