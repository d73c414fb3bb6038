"""A receiver dies holding leases: they return first, with the attempt raised."""

import os
import signal
import threading
import time

import pytest

from liaison import Mailbox
from liaison.testing import Process, point, until
from tests.faults.often import RUNS, times
from tests.links.actor import Actor

BOX = "box = Mailbox('box')"


@pytest.mark.parametrize("who", ["waits in receive", "comes later"])
def test_a_dead_receivers_messages_are_first_in_a_full_mailbox(mailbox, who):
    """Its leases return first, the oldest first, with the attempt raised; nothing else changes."""
    box = mailbox(capacity=4)
    box.send_many(range(4))
    with Actor(BOX, "held = [box.lease() for _ in range(4)]") as victim, Actor(BOX) as sender:
        sender.start("box.send('blocked')")
        until(lambda: box.statistics().senders_waiting, "the sender sleeps")
        if who == "comes later":
            victim.kill()
            found = [box.lease(timeout=60) for _ in range(4)]
        else:
            found = []
            thread = threading.Thread(
                target=lambda: found.extend(box.lease(timeout=60) for _ in range(4))
            )
            thread.start()
            until(lambda: box.statistics().receivers_waiting, "a receiver sleeps")
            victim.kill()
            thread.join(60)
        assert [(one.message, one.attempt) for one in found] == [(n, 2) for n in range(4)]
        assert box.statistics().senders_waiting == 1  # unaffected: there is no room yet
        found[0].acknowledge()
        sender.answer()
    for one in found[1:]:
        one.acknowledge()
    assert box.receive(timeout=0) == "blocked"


def test_a_message_that_was_queued_is_behind_those_of_the_dead(mailbox):
    """Messages sent meanwhile wait until the returned ones were received."""
    box = mailbox(capacity=4)
    box.send_many(["a", "b"])
    with Actor(BOX, "held = [box.lease() for _ in range(2)]") as victim:
        box.send_many(["c", "d"])
        victim.kill()
        until(lambda: box.try_send("no room") or box.statistics().returned == 2, "they come back")
    assert box.receive_many(4) == ["a", "b", "c", "d"]


def _leases_and_kills_itself():
    delivery = Mailbox("box").lease()
    point("leased", delivery.message)
    os.kill(os.getpid(), signal.SIGKILL)


def test_each_time_a_receiver_dies_its_message_is_the_next_one(mailbox):
    """In each of many runs a waiting receiver gets the killed one's message."""
    box = mailbox(capacity=2)
    box.send_many(["job", "behind"])
    took = []
    for run in range(RUNS):
        with Process(_leases_and_kills_itself, fork=True) as victim:
            assert victim.reach("leased") == "job"
            begin = time.monotonic_ns()
            waiting = box.lease(timeout=60)
            if waiting.message == "behind":  # it was there before the death was noticed
                with box.lease(timeout=60) as delivery:
                    assert (delivery.message, delivery.attempt) == ("job", 2)
            else:
                assert (waiting.message, waiting.attempt) == ("job", 2)
                waiting.acknowledge()
                waiting = box.lease(timeout=0)
            took.append(time.monotonic_ns() - begin)
            assert waiting.message == "behind"
            waiting.acknowledge()
        assert box.statistics().free == 2, run
        box.send_many(["job", "behind"])
    print(f"{RUNS} of {RUNS} came back, after {times(took)}")
