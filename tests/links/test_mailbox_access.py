"""Who may receive, and meeting: access="exclusive", access="pair", capacity=0."""

import os
import threading

import pytest

from liaison import Busy, Empty, Mailbox, NoReceiver
from liaison.testing import until
from tests.links.actor import Actor

# ---- exclusive


def test_the_process_that_has_the_turn_receives_on(mailbox):
    """Whoever has the turn may take more messages, through any of its ends and threads."""
    box = mailbox(access="exclusive")
    box.send_many(range(4))
    with box.lease(), box.lease(), Mailbox("box") as end:
        assert end.receive(timeout=0) == 2
        received = []
        thread = threading.Thread(target=lambda: received.append(box.receive(timeout=0)))
        thread.start()
        thread.join(60)
        assert received == [3]


def test_anyone_may_send_to_an_exclusive_mailbox(mailbox):
    """The turn is about receiving."""
    box = mailbox(access="exclusive")
    box.send("first")
    with box.lease(), Actor("box = Mailbox('box')") as other:
        other.do("box.send('second')")
    assert box.receive(timeout=0) == "second"


@pytest.mark.parametrize("end", ["delivery.acknowledge()", "delivery.release()", "box.close()"])
def test_the_turn_passes_when_its_holder_is_done(mailbox, end):
    """Who waits for the turn gets it when its holder settles its lease, or closes."""
    box = mailbox(access="exclusive")
    box.send_many([1, 2])
    with Actor("box = Mailbox('box')", "delivery = box.lease()") as other:
        received = []
        thread = threading.Thread(target=lambda: received.append(box.receive(timeout=60)))
        thread.start()
        until(lambda: box.statistics().receivers_waiting, "this process waits")
        other.do(end)
        thread.join(60)
    assert received == ([2] if "ack" in end else [1])
    box.try_receive()


def test_a_process_that_dies_waiting_for_the_turn_is_no_obstacle(mailbox):
    """Killing one that waits for the turn leaves the turn to the others."""
    box = mailbox(access="exclusive")
    box.send_many([1, 2])
    with Actor("box = Mailbox('box')") as other:
        delivery = box.lease()
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "the other one waits")
        other.kill()
    delivery.acknowledge()
    assert box.receive(timeout=0) == 2


def test_a_timeout_gives_the_turn_back(mailbox):
    """Who waited for a message in vain does not keep the turn."""
    box = mailbox(access="exclusive")
    with Actor("box = Mailbox('box')") as other:
        for line in ("box.receive(timeout=0.01)", "box.receive(timeout=0)"):
            with pytest.raises(Empty):
                other.do(line)
        box.send(1)
        assert box.receive(timeout=0) == 1


def test_a_forked_child_does_not_have_its_parents_turn(mailbox):
    """The turn is a process's: a child of the holder waits like any other."""
    box = mailbox(access="exclusive")
    box.send_many([1, 2])
    with box.lease() as delivery, Actor(fork=True, box=box) as child:
        with pytest.raises(Busy):
            child.do("box.receive(timeout=0)")
        child.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "the child waits")
        delivery.acknowledge()
        assert child.answer() == 2


def test_four_processes_take_turns(mailbox):
    """Every message of an exclusive mailbox is received once, whoever has the turn."""
    box = mailbox(access="exclusive", capacity=8)
    lines = "[message for message in iter(box.receive, None)]"
    actors = [Actor("box = Mailbox('box')") for _ in range(4)]
    for actor in actors:
        actor.start(lines)
    box.send_many(range(2000))
    box.send_many([None] * 4)
    received = []
    for actor in actors:
        with actor:
            received += actor.answer()
    assert sorted(received) == list(range(2000))


# ---- pair


def test_a_forked_child_is_a_process_of_its_own_on_a_pair(mailbox):
    """A child takes a place at its first use, and gets Busy when there is none."""
    box = mailbox(access="pair")
    with Actor(fork=True, box=box) as child:
        child.do("box.send(1)")
        with Actor(fork=True, box=box) as other, pytest.raises(Busy):
            other.do("box.send(2)")
    assert box.receive_many(5) == [1]


# ---- rendezvous


def test_a_stopped_receiver_is_not_met(mailbox):
    """A receiver that is stopped while it waits does not come; its message is withdrawn."""
    box = mailbox(capacity=0)
    with Actor("box = Mailbox('box')") as other:
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "a receiver waits")
        other.stop()
        with pytest.raises(NoReceiver):
            box.send("withdrawn", timeout=0)
        other.resume()
        box.send("delivered", timeout=60)
        assert other.answer() == "delivered"


def test_senders_and_receivers_of_a_rendezvous_meet_one_to_one(mailbox):
    """Every message is received once, and no sender is ahead of its receivers."""
    box = mailbox(capacity=0)
    with Actor("box = Mailbox('box')") as a, Actor("box = Mailbox('box')") as b:
        a.start("[box.send(('a', n)) for n in range(500)] and None")
        b.start("[box.send(('b', n)) for n in range(500)] and None")
        received = [tuple(box.receive(timeout=60)) for _ in range(1000)]
        a.answer(), b.answer()
    assert sorted(received) == sorted((who, n) for who in "ab" for n in range(500))
    for who in "ab":
        assert [n for sender, n in received if sender == who] == list(range(500))
    assert len(box) == 0


def test_a_message_of_a_rendezvous_that_comes_back_is_delivered_again(mailbox):
    """A receiver that dies with the message does not lose it, though its sender has gone on."""
    box = mailbox(capacity=0)
    with Actor("box = Mailbox('box')") as other:
        other.start("delivery = box.lease()")
        box.send("hello")
        other.answer()
        other.kill()
    with box.lease(timeout=60) as delivery:
        assert (delivery.message, delivery.attempt) == ("hello", 2)


def test_more_senders_than_places_meet(mailbox):
    """More threads than a rendezvous has places wait for their turn to offer."""
    box = mailbox(capacity=0)
    senders = [threading.Thread(target=box.send, args=(n,)) for n in range(100)]
    for thread in senders:
        thread.start()
    received = [box.receive(timeout=60) for _ in range(100)]
    for thread in senders:
        thread.join(60)
    assert sorted(received) == list(range(100))


def test_large_messages_meet_too(mailbox):
    """A rendezvous carries messages of any size."""
    box = mailbox(capacity=0)
    message = os.urandom(3 << 20)
    with Actor("box = Mailbox('box')") as other:
        other.start("box.send(box.receive())")
        box.send(message)
        assert box.receive(timeout=60) == message
        other.answer()
