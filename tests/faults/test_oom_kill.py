"""The kernel kills a process for lack of memory: that is as kill -9, whatever the victim does."""

import os
import signal
import uuid
from pathlib import Path

import pytest

from liaison import Empty, Mailbox, NoSpace
from liaison.testing import Process, point, until
from tests.faults.often import RUNS
from tests.links.actor import Actor

CGROUPS = Path("/sys/fs/cgroup")
MEBIBYTE = 1 << 20


def _own_group():
    """Return the directory of this process's memory cgroup, and the name of its limit."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return CGROUPS / "memory" / path.lstrip("/"), "memory.limit_in_bytes"
    for mount in (CGROUPS, CGROUPS / "unified"):
        path = mount / Path("/proc/self/cgroup").read_text().rpartition("::/")[2].strip()
        if (path / "memory.max").exists() or "memory" in _read(path / "cgroup.controllers"):
            return path, "memory.max"
    return None


def _read(path):
    try:
        return path.read_text()
    except OSError:
        return ""


@pytest.fixture
def limited(tmp_path):
    """Make groups of processes that may have so many bytes of memory; removed after the test."""
    own = _own_group()
    if own is None:
        pytest.skip("NOT CHECKED: there is no cgroup here that limits memory")
    parent, limit = own
    made = []

    def group(size):
        directory = parent / f"liaison-test-{uuid.uuid4().hex}"
        try:
            directory.mkdir()
            made.append(directory)
            (directory / limit).write_text(str(size))
        except OSError as error:
            pytest.skip(f"NOT CHECKED: no cgroup that limits memory can be made here: {error}")
        for swap in ("memory.swap.max", "memory.memsw.limit_in_bytes"):
            if (directory / swap).exists():
                (directory / swap).write_text("0" if swap == "memory.swap.max" else str(size))
        return directory

    yield group
    for directory in made:
        until(lambda directory=directory: not _read(directory / "cgroup.procs"), "it is empty")
        directory.rmdir()


def _join(group):
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _devours(group, line):
    """Run the line, then use memory until the kernel kills the process."""
    Path("/proc/self/oom_score_adj").write_text("1000")
    box = Mailbox.open("box")
    names = {"box": box}
    exec(line, names)
    _join(group)
    point("begins")
    eaten = []
    while True:
        eaten.append(b"x" * MEBIBYTE)


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("held = [box.lease() for _ in range(4)]", {0: 2, 1: 2, 2: 2, 3: 2}),
        ("loan = box.loan(100_000); loan[:5] = b'never'", {0: 1, 1: 1, 2: 1, 3: 1}),
        (
            "held = box.lease(); box.fileno(); receipt = box.send('kept', receipt=True)",
            {0: 2, 1: 1, 2: 1, 3: 1, "kept": 1},
        ),
        (
            "held = [box.lease() for _ in range(2)]; held[0].acknowledge(); box.send('kept')",
            {1: 2, 2: 1, 3: 1, "kept": 1},
        ),
    ],
    ids=["leases", "loan", "receipt", "in between"],
)
def test_a_process_killed_for_memory_is_as_dead_as_any(mailbox, limited, line, left):
    """Its leases return with the attempt raised, and its loans are no messages."""
    box = mailbox(capacity=8)
    for _ in range(max(2, RUNS // 25)):
        box.send_many(range(4))
        with Process(_devours, limited(32 * MEBIBYTE), line, fork=True) as victim:
            victim.reach("begins")
            assert victim.wait() == -signal.SIGKILL
        found = [box.lease(timeout=60) for _ in left]
        assert {delivery.message: delivery.attempt for delivery in found} == left
        for delivery in found:
            delivery.acknowledge()
        with pytest.raises(Empty):
            box.receive(timeout=0.1)
        assert box.statistics().free == 8


def _fills(group):
    Path("/proc/self/oom_score_adj").write_text("1000")
    box = Mailbox.open("box")
    _join(group)
    point("begins")
    try:
        for number in range(64):
            box.send(bytes([number]) * MEBIBYTE)
    except NoSpace:
        return "no space"
    return "sent"


def test_memory_that_runs_out_within_the_mailbox_tears_nothing(mailbox, limited):
    """Killed, or refused by NoSpace, while the mailbox grows: every message is whole."""
    for _ in range(max(2, RUNS // 25)):
        box = mailbox(capacity=64)
        with Process(_fills, limited(24 * MEBIBYTE), fork=True) as victim:
            victim.reach("begins")
            if victim.wait() != -signal.SIGKILL:
                assert victim.result() == "no space"
        with Actor("box = Mailbox('box')", "box.send('after')") as other:
            received = box.receive_many(64)
            assert received.pop() == "after"
            assert received == [bytes([n]) * MEBIBYTE for n in range(len(received))]
            assert 0 < len(received) < 64
            other.do("box.send('works')")
            assert box.receive() == "works"
        assert (box.statistics().free, box.statistics().memory_used) == (64, 0)
        box.destroy()
        box.close()
