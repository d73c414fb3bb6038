"""One process dies at one moment: what the others find."""

import os
import signal
import time

import pytest

from liaison import Busy, Empty, Mailbox
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


def test_a_receiver_killed_while_it_waits_takes_nothing(mailbox):
    """A message does not go to a receiver that is dead; the next one gets it."""
    box = mailbox()
    with Actor(BOX) as victim, Actor(BOX) as other:
        victim.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting == 1, "the victim sleeps")
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting == 2, "another one sleeps")
        victim.kill()
        box.send("for the living")
        assert other.answer() == "for the living"
        assert len(box) == 0


def test_a_sender_killed_in_a_rendezvous_leaves_at_most_its_message(mailbox):
    """The offer of a dead sender is delivered or not; the next meeting is as any other."""
    box = mailbox(capacity=0)
    with Actor(BOX) as victim, Actor(BOX) as other:
        victim.start("box.send('perhaps')")
        until(lambda: len(box), "it offers")
        victim.kill()
        other.start("box.send('surely')")
        until(lambda: len(box), "the other one offers")
        received = [box.receive(timeout=60)]
        if received == ["perhaps"]:
            received.append(box.receive(timeout=60))
        assert received[-1] == "surely"
        other.answer()


def test_some_of_a_crowd_die_with_their_messages(mailbox):
    """Of so many only some are looked after at a time, and all in turn: each message comes back."""
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
        kill(holders[-10:])  # whose places come behind those of the living
        returned = [box.receive(timeout=60) for _ in range(10)]
        with pytest.raises(Empty):
            box.receive(timeout=0)
    finally:
        kill(holders[:])
    returned += [box.receive(timeout=60) for _ in range(90)]
    assert sorted(returned) == list(range(100))


@pytest.mark.parametrize("held", [1, 3])
def test_the_holder_of_the_exclusive_turn_dies(mailbox, held):
    """The next in turn receives what the dead holder had, first; others are Busy meanwhile."""
    box = mailbox(access="exclusive")
    box.send_many(range(4))
    with Actor(BOX, f"held = [box.lease() for _ in range({held})]") as victim, Actor(BOX) as other:
        with pytest.raises(Busy):
            box.receive(timeout=0)
        other.start("box.receive_many(10)")
        until(lambda: box.statistics().receivers_waiting, "the other one waits for its turn")
        victim.kill()
        assert other.answer() == list(range(4))
    with pytest.raises(Empty):
        box.receive(timeout=0)


def test_the_creator_dies_and_the_mailbox_lives(space):
    """A mailbox outlives its creator: others go on, open it, and may destroy it."""
    with Actor(BOX, "box.send('kept')") as creator, Mailbox.open("box") as box:
        creator.kill()
        box.send("more")
        with Mailbox("box") as another:
            assert another.receive_many(5) == ["kept", "more"]
        box.destroy()


# ---- the helpers themselves


def test_a_process_that_ends_early_is_told(space):
    """reach() of a process that ends without coming there raises ProcessDied, with the cause."""
    with Process(_raises) as process, pytest.raises(ProcessDied) as raised:
        process.reach("nowhere")
    assert isinstance(raised.value.__cause__, LookupError)
    with Process(_raises) as process, pytest.raises(LookupError, match="early") as raised:
        process.result()
    assert "_raises" in raised.value.__notes__[0]


def _raises():
    point("begun")
    raise LookupError("early")


def test_a_process_that_stays_away_is_told():
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
