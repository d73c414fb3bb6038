"""One process dies at one moment, and the others go on."""

import os
import signal
import time

import pytest

from liaison import Empty, Mailbox
from liaison.testing import Process, ProcessDied, Watchdog, point, until
from tests.links.actor import Actor

BOX = "box = Mailbox('box')"


def test_a_sender_killed_while_it_waits_sends_nothing(mailbox):
    """A process that dies waiting for room leaves no message, and no waiter."""
    box = mailbox(capacity=1)
    box.send("in the way")
    with Actor(BOX) as victim, Actor(BOX) as other:
        victim.start("box.send('never')")
        until(lambda: box.statistics().senders_waiting == 1, "the victim sleeps")
        other.start("box.send('after')")
        until(lambda: box.statistics().senders_waiting == 2, "another one sleeps")
        victim.kill()
        assert box.receive() == "in the way"
        other.answer()
    assert box.receive_many(5) == ["after"]
    until(lambda: box.statistics().senders_waiting == 0, "no waiter is left")


def test_some_of_many_holders_die(mailbox):
    """Only some members are examined at a time, and all in turn: each dead one's lease returns."""
    box = mailbox(capacity=200)
    box.send_many(range(100))
    holders = []

    def kill(some):
        for holder in some:
            os.kill(holder, signal.SIGKILL)
            os.waitpid(holder, 0)
            holders.remove(holder)

    try:
        for _ in range(100):
            holders.append(os.fork())
            if not holders[-1]:
                held = Mailbox.open("box").lease()
                signal.pause()
                held.release()  # never
        until(lambda: not len(box), "everybody holds one")
        kill(holders[-10:])  # their places are behind those of the living
        returned = [box.receive(timeout=60) for _ in range(10)]
        with pytest.raises(Empty):
            box.receive(timeout=0)
    finally:
        kill(holders[:])
    returned += [box.receive(timeout=60) for _ in range(90)]
    assert sorted(returned) == list(range(100))


# ---- liaison.testing


def test_a_process_that_ends_early_is_an_error(space):
    """reach() of a process that ends before the point raises ProcessDied, with the cause."""
    with Process(_raises) as process, pytest.raises(ProcessDied) as raised:
        process.reach("nowhere")
    assert isinstance(raised.value.__cause__, LookupError)
    with Process(_raises) as process, pytest.raises(LookupError, match="early") as raised:
        process.result()
    assert "_raises" in raised.value.__notes__[0]


def _raises():
    point("begun")
    raise LookupError("early")


def test_a_process_that_does_not_come_is_an_error():
    """reach() and until() give up after `patience` seconds."""
    with Process(time.sleep, 1000) as process:
        with pytest.raises(Watchdog):
            process.reach("nowhere", patience=0.01)
        with pytest.raises(Watchdog):
            process.wait(patience=0.01)
        with pytest.raises(Watchdog, match="a miracle"):
            until(lambda: False, "a miracle", patience=0.01)
        assert process.alive
    assert process.exit_code == -9


def test_a_killed_process_gives_no_result():
    """result() of a process that was killed raises ProcessDied."""
    with Process(time.sleep, 1000) as process:
        process.kill()
        with pytest.raises(ProcessDied):
            process.result()


def test_a_stopped_process_goes_on_when_it_is_resumed():
    """stop() returns once the process has stopped; resume() lets it run."""
    with Process(_echoes) as process:
        for number in range(5):
            process.stop()
            process.go_on(number)
            with pytest.raises(Watchdog):
                process.reach("echo", patience=0.01)
            process.resume()
            assert process.reach("echo") == number


def _echoes():
    while True:
        point("echo", point("ready", wait=True))


def test_a_function_that_cannot_be_imported_is_refused():
    """A lambda or a function within another has no name by which a process could find it."""
    with pytest.raises(ValueError, match="cannot be imported"):
        Process(lambda: None)


def test_a_point_is_for_processes():
    """point() outside of a Process raises RuntimeError."""
    with pytest.raises(RuntimeError):
        point("here")
