"""The clock is set back or forward: no wait becomes longer or shorter, and no lease returns."""

import os
import subprocess
import time

import pytest

from liaison import Empty, Full, Mailbox, Space
from liaison.testing import Process, until
from tests.faults.clock import YEARS, Clock
from tests.faults.namespaces import NEW_PID, NEW_TIME, Resident, needs
from tests.links.actor import Actor

BOX = "box = Mailbox('box')"


@pytest.fixture
def clock(tmp_path, monkeypatch):
    """The wall clock of processes that are started from now on."""
    try:
        made = Clock(tmp_path)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"NOT CHECKED: a clock that can be set needs a compiler: {error}")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


class MachinesClock:
    """The clock of this machine, as far as it is set ahead."""

    def __init__(self):
        self._ahead = 0

    def set(self, seconds):
        time.clock_settime(time.CLOCK_REALTIME, time.time() + seconds - self._ahead)
        self._ahead = seconds


@pytest.fixture
def machines_clock():
    if os.environ.get("LIAISON_SET_CLOCK") != "1" or os.geteuid() != 0:
        pytest.skip("NOT CHECKED: it sets the machine's clock; LIAISON_SET_CLOCK=1 allows root to")
    clock = MachinesClock()
    yield clock
    clock.set(0)


@pytest.mark.parametrize(
    ("whose", "by"),
    [("clock", by) for by in (3600, -3600, YEARS, -YEARS)]
    + [("machines_clock", by) for by in (3600, -3600)],
)
def test_a_set_clock_changes_nothing(mailbox, request, whose, by):
    """Leases, waits and liveness are the same after the clock was set; times shown follow it."""
    clock = request.getfixturevalue(whose)
    box = mailbox()
    box.send("job")
    with Actor(BOX, "import time", "held = box.lease()") as holder, Actor(BOX) as waiter:
        waiter.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "the other one sleeps")
        before, begin = time.time(), time.monotonic()
        clock.set(by)
        assert abs(holder.do("time.time()") - before - by) < 600  # so it was set
        with pytest.raises(Empty):
            box.receive(timeout=0.05)
        assert time.monotonic() - begin >= 0.05
        assert len(Space().members()) == 3
        box.send("woken")
        assert waiter.answer() == "woken"
        holder.do("held.acknowledge()")
        assert box.statistics().free == 1024


def _waits(timeout):
    """Measure each kind of wait that ends by its timeout."""
    box = Mailbox("box", capacity=1)
    took = []

    def waits(error, what):
        begin = time.monotonic()
        with pytest.raises(error):
            what()
        took.append(time.monotonic() - begin)

    waits(Empty, lambda: box.receive(timeout=timeout))
    receipt = box.send("fills it", receipt=True)
    waits(Full, lambda: box.send("too much", timeout=timeout))
    waits(Empty, lambda: receipt.wait_received(timeout=timeout))
    box.receive()
    return took


def test_a_timeout_has_its_length_while_the_clock_jumps(mailbox, clock):
    """While the clock jumps by years, a wait ends, and not before its timeout."""
    mailbox(capacity=1)
    with clock.jumping(), Process(_waits, 0.3) as process:
        assert min(process.result()) >= 0.3


def test_no_message_is_lost_while_the_clock_jumps(mailbox, clock):
    """Two processes whose clock jumps exchange messages, of which none is lost or doubled."""
    there, back = mailbox("there", capacity=4), mailbox("back", capacity=4)
    boxes = "there, back = Mailbox('there'), Mailbox('back')"
    with clock.jumping(), Actor(boxes) as one, Actor(boxes) as other:
        one.start("[(there.send(n), back.receive())[1] for n in range(5000)]")
        other.do("[back.send(there.receive()) for n in range(5000)] and None")
        assert one.answer() == list(range(5000))
        there.send("held")
        other.do("held = there.lease()")
        other.kill()
        one.do("held = there.lease()")
        assert one.do("(held.message, held.attempt)") == ("held", 2)
        one.do("held.acknowledge()")
    assert there.statistics().free == back.statistics().free == 4


# ---- clocks that cannot be set, but differ: containers that were moved, CRIU


def _uptime():
    with open("/proc/uptime", encoding="ascii") as file:
        return int(float(file.read().split()[0]))


@pytest.mark.parametrize("ahead", [1_000_000, "behind"])
def test_processes_whose_monotonic_clocks_differ_work_together(mailbox, ahead):
    """Waiters, leases and deaths in another time namespace are handled like one's own."""
    needs(NEW_PID | NEW_TIME)
    there = mailbox("there")
    mailbox("back")
    boxes = "import time; there, back = Mailbox('there'), Mailbox('back')"
    monotonic = ahead if ahead != "behind" else -(_uptime() // 2)
    with (
        Resident(boxes, flags=NEW_PID | NEW_TIME, monotonic=monotonic) as other,
        Actor(boxes) as one,
    ):
        assert abs(other.do("time.monotonic()") - one.do("time.monotonic()") - monotonic) < 60
        one.start("[(there.send(n), back.receive())[1] for n in range(1000)]")
        other.do("[back.send(there.receive()) for n in range(1000)] and None")
        assert one.answer() == list(range(1000))
        other.start("there.receive(timeout=60)")
        until(lambda: there.statistics().receivers_waiting, "the other one sleeps")
        there.send("woken")
        assert other.answer() == "woken"
        there.send("held")
        other.do("held = there.lease()")
        with pytest.raises(Empty):
            there.receive(timeout=0.05)
        other.kill()
        with there.lease(timeout=60) as delivery:
            assert (delivery.message, delivery.attempt) == ("held", 2)
