"""Every wait in a mailbox, and what ends it: closing, destroying, Ctrl-C, a signal's handler."""

import os
import signal
from contextlib import contextmanager

import pytest

from liaison import Closed, Destroyed, Mailbox
from liaison.testing import Process, point, until
from tests.beside import Beside
from tests.links.actor import Actor

OPEN = "box = Mailbox('box')"
RECEIPT = "box.send('job', receipt=True)"
WAITS = [
    ({}, "box.receive()"),
    ({}, "box.receive(timeout=1000)"),
    ({}, "box.receive_many(5)"),
    ({}, "box.lease()"),
    ({}, "next(box)"),
    ({"capacity": 1}, "[box.send(n) for n in range(2)]"),
    ({"capacity": 1}, "box.send_many([1, 2])"),
    ({"capacity": 1}, "[box.loan(5), box.loan(5)]"),
    ({"capacity": 0}, "box.receive()"),
    ({"capacity": 0}, "box.send(1)"),
    ({"access": "exclusive"}, "box.receive()"),
    ({"access": "pair"}, "box.receive()"),
]
WAITS_FOR_RECEIPTS = [({}, f"{RECEIPT}.wait_{event}()") for event in ("received", "acknowledged")]


def waits(box, line):
    """Whether somebody waits in the call that the line makes."""
    now = box.statistics()
    if "wait_" in line or (box.link.capacity == 0 and "send" in line):  # it sleeps on a receipt
        return now.waiting
    return now.receivers_waiting + now.senders_waiting


@pytest.fixture
def waiting(mailbox):
    """Have another process wait in the call that a line makes; the mailbox, and that process."""

    @contextmanager
    def begin(options, line):
        box = mailbox(**options)
        with Actor(OPEN) as other:
            other.start(line)
            until(lambda: waits(box, line), "it waits")
            until(other.asleep, "it sleeps")
            yield box, other

    return begin


@pytest.mark.parametrize(("options", "line"), WAITS, ids=str)
def test_closing_ends_every_wait_in_the_end(mailbox, options, line):
    """A thread that waits in an end that another thread closes gets Closed, and sends nothing."""
    box = mailbox(**options)
    with Mailbox.observe("box") as observer:
        call = Beside(eval, line, {"box": box})
        until(lambda: waits(observer, line), "it waits")
        box.close()
        with pytest.raises(Closed):
            call.result()
        assert len(observer) == (options == {"capacity": 1} and "send" in line)


def test_closing_one_end_does_not_wake_the_other(mailbox):
    """A thread that waits in one end goes on waiting when its process closes another end."""
    box = mailbox()
    call = Beside(box.receive)
    until(lambda: waits(box, ""), "it waits")
    Mailbox("box").close()
    box.send("hello")
    assert call.result() == "hello"


@pytest.mark.parametrize(("options", "line"), WAITS + WAITS_FOR_RECEIPTS, ids=str)
def test_destroying_ends_every_wait_in_other_processes(waiting, options, line):
    """A process that waits to send, to receive or for a receipt gets Destroyed; a loop ends."""
    with waiting(options, line) as (box, other):
        box.destroy()
        with pytest.raises(StopIteration if "next" in line else Destroyed):
            other.answer()


def test_destroying_ends_the_wait_for_a_turn(mailbox):
    """A process that waits for the exclusive turn gets Destroyed, too."""
    box = mailbox(access="exclusive")
    box.send(1)
    delivery = box.lease()
    with Actor(OPEN) as other:
        other.start("box.receive()")
        until(lambda: waits(box, ""), "the other one waits")
        box.destroy()
        with pytest.raises(Destroyed):
            other.answer()
    with pytest.raises(Destroyed):
        delivery.acknowledge()


# ---- signals


@pytest.mark.parametrize(("options", "line"), WAITS + WAITS_FOR_RECEIPTS, ids=str)
def test_ctrl_c_interrupts_every_wait(waiting, options, line):
    """SIGINT to a process that waits raises KeyboardInterrupt there, and it works on."""
    with waiting(options, line) as (box, other):
        other.interrupt()
        with pytest.raises(KeyboardInterrupt):
            other.answer()
        if len(box):
            box.receive_many(5)
        now = box.statistics()
        assert (now.receivers_waiting, now.senders_waiting) == (0, 0)
        assert (now.leased, now.loaned) == (0, 0)
        if options.get("capacity") != 0:
            other.do("box.send('on')")
            assert other.do("box.receive()") == "on"


def test_ctrl_c_loses_no_message(mailbox):
    """Interrupting a receiver again and again, at any moment, loses and doubles nothing."""
    box = mailbox(capacity=64)
    back = mailbox("back", capacity=1 << 16)
    with Process(_leases_through_interrupts) as worker:
        worker.reach("ready")
        for number in range(3000):
            box.send(number)
            if number % 10 == 0:
                worker.interrupt()
        until(lambda: box.statistics().free == 64, "all is received")
        received = back.receive_many(4000) if len(back) else []
        worker.kill()
    # Noted before it is acknowledged: an interruption in between shows it twice, never not at all.
    assert sorted(set(received)) == list(range(3000))


def _leases_through_interrupts():
    box, back = Mailbox("box"), Mailbox("back")
    armed = False

    def handler(*_):
        nonlocal armed
        if armed:  # not where nothing would catch it
            armed = False
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    point("ready")
    while True:
        try:
            armed = True
            while True:
                with box.lease() as delivery:
                    back.send(delivery.message)
        except KeyboardInterrupt:
            continue


@contextmanager
def signalled(box, handler, times=1):
    """A process that a signal has reached while it waited for a message, with that handler."""
    with Actor(OPEN, "import signal; caught = []") as other:
        other.do(f"signal.signal(signal.SIGUSR1, lambda *_: {handler}) and None")
        other.start("box.receive()")
        until(lambda: waits(box, ""), "it waits")
        for _ in range(times):
            os.kill(other.pid, signal.SIGUSR1)
        yield other


def test_a_handler_that_returns_does_not_end_a_wait(mailbox):
    """A signal whose handler returns leaves the wait as it was, and the handler has run."""
    box = mailbox()
    with signalled(box, "caught.append(1)", times=20) as other:
        box.send("hello")
        assert other.answer() == "hello"
        assert other.do("len(caught)") >= 1


def test_a_handler_may_use_mailboxes(mailbox):
    """A handler may send by the same end in which the main thread waits."""
    with signalled(mailbox(), "box.send('from the handler')") as other:
        assert other.answer() == "from the handler"


def test_a_handler_that_raises_ends_a_wait(mailbox):
    """The exception that a handler raises comes out of the wait, whatever it is."""
    with (
        signalled(mailbox(), "{}['from the handler']") as other,
        pytest.raises(LookupError, match="from the handler"),
    ):
        other.answer()
