"""Pids identify nobody: they are reused, and are the same in two namespaces."""

import os
import signal
import time

import pytest

from liaison import Busy, Empty, Mailbox, Space
from liaison.testing import Process, point, until
from tests.faults.namespaces import NEW_MOUNT, NEW_PID, Resident, follow, needs, next_pid, unshare
from tests.faults.often import RUNS, times

BOX = "box = Mailbox('box')"
SAME = 4711


@pytest.fixture(autouse=True)
def _namespaces():
    needs(NEW_PID | NEW_MOUNT)


def test_a_process_with_the_number_of_a_dead_one_is_another(mailbox):
    """Each of many processes with one pid gets the lease of its killed predecessor."""
    box = mailbox()
    box.send_many(["theirs", "mine"])
    with Process(_generations, RUNS, fork=True) as nursery:
        nursery.reach("first")
        mine = box.lease(timeout=60)
        assert (mine.message, mine.attempt) == ("mine", 1)
        nursery.go_on()
        attempts, took = nursery.reach("done", patience=110)
        nursery.wait()
    print(f"{RUNS} kills, from the kill until the next one has it: {times(took)}")
    assert attempts == list(range(1, RUNS + 1))
    mine.acknowledge()
    with box.lease(timeout=60) as delivery:
        assert (delivery.message, delivery.attempt) == ("theirs", RUNS + 1)


def _generations(count):
    unshare(NEW_PID)
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)
    follow()
    attempts, took = [], []
    killed = 0
    for number in range(count):
        heard, say = os.pipe()
        next_pid(SAME)
        child = os.fork()
        if child == 0:
            assert os.getpid() == SAME
            delivery = Mailbox.open("box").lease(timeout=60)
            os.write(say, f"{delivery.attempt} {time.monotonic_ns()}".encode())
            signal.pause()
        attempt, now = os.read(heard, 100).split()
        attempts.append(int(attempt))
        if killed:
            took.append(int(now) - killed)
        if number == 0:
            point("first", wait=True)
        killed = time.monotonic_ns()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(heard)
        os.close(say)
    point("done", (attempts, took))
    os._exit(0)


@pytest.mark.parametrize("flags", [NEW_PID, NEW_PID | NEW_MOUNT], ids=["pids", "pids and /proc"])
@pytest.mark.parametrize("pid", [1, SAME])
def test_equal_numbers_in_two_namespaces_are_two_processes(mailbox, flags, pid):
    """Of two processes with one pid that hold leases, only the killed one's message returns."""
    box = mailbox()
    box.send_many(["first", "second"])
    with (
        Resident(BOX, "import os", flags=flags, pid=pid) as one,
        Resident(BOX, "import os", flags=flags, pid=pid) as other,
    ):
        assert one.do("os.getpid()") == other.do("os.getpid()") == pid
        assert one.do("[held := box.lease(), held.message][1]") == "first"
        assert other.do("[held := box.lease(), held.message][1]") == "second"
        assert [peer.pid for peer in box.link.receivers] == [pid, pid]
        one.kill()
        with box.lease(timeout=60) as delivery:
            assert (delivery.message, delivery.attempt) == ("first", 2)
        with pytest.raises(Empty):
            box.receive(timeout=0.05)
        assert len(Space().members()) == 2
        other.do("held.acknowledge()")
    assert box.statistics().free == 1024


@pytest.mark.parametrize("access", ["any", "exclusive", "pair"])
def test_namespaces_that_come_and_go_are_never_confused(mailbox, access):
    """Of two processes with one pid, one is killed repeatedly, and the other loses no lease."""
    box = mailbox(access=access)
    back = mailbox("back")
    runs = max(5, RUNS // 10)
    with Resident("back = Mailbox('back')", flags=NEW_PID, pid=SAME) as witness:
        back.send("kept")
        witness.do("held = back.lease()")
        for run in range(runs):
            box.send(run)
            with Resident(BOX, "held = box.lease()", flags=NEW_PID, pid=SAME) as victim:
                if access == "exclusive":
                    with pytest.raises(Busy):
                        box.receive(timeout=0)
                victim.kill()
            with box.lease(timeout=60) as delivery:
                assert (delivery.message, delivery.attempt) == (run, 2)
            assert back.statistics().leased == 1
        witness.do("held.acknowledge()")
    until(lambda: len(Space().members()) == 1, "the namespaces are gone")


@pytest.mark.parametrize("capacity", [4, 0], ids=["queue", "rendezvous"])
def test_processes_of_two_namespaces_wake_each_other(mailbox, capacity):
    """Senders and receivers in different namespaces sleep and are woken as in one."""
    mailbox("there", capacity=capacity)
    mailbox("back", capacity=capacity)
    boxes = "there, back = Mailbox('there'), Mailbox('back')"
    with (
        Resident(boxes, flags=NEW_PID | NEW_MOUNT) as one,
        Resident(boxes, flags=NEW_PID | NEW_MOUNT) as other,
    ):
        one.start("[(there.send(n), back.receive())[1] for n in range(100)]")
        other.do("[back.send(there.receive()) for n in range(100)] and None")
        assert one.answer() == list(range(100))


def test_one_namespaces_cleaner_leaves_the_others_alone(mailbox, space):
    """Space.clean(links=True) inside a namespace keeps the links of processes outside."""
    with Resident(
        "box = Mailbox('theirs')", "box.fileno()", "import os", flags=NEW_PID | NEW_MOUNT
    ) as one:
        box = mailbox("mine")
        box.fileno()
        assert one.do("liaison.Space().clean(links=True).links") == 0
        assert space.files("names") == ["mine", "theirs"]
        assert len(space.files("bells")) == 2
        assert Space().clean(links=True).links == 0
        one.kill()
        assert Space().clean(links=True).links == 1
    assert space.files("names") == ["mine"]
