"""Access to a mailbox, exclusive or a pair's, and rendezvous: access=, capacity=0."""

import os

import pytest

from liaison import Busy, Empty, Mailbox, NoReceiver
from liaison.testing import until
from tests.beside import Beside
from tests.links.actor import Actor

# ---- exclusive


def test_the_process_that_has_the_turn_receives_on(mailbox):
    """The process that has the turn may take more messages, through any of its ends and threads."""
    box = mailbox(access="exclusive")
    box.send_many(range(4))
    with box.lease(), box.lease(), Mailbox("box") as end:
        assert end.receive(timeout=0) == 2
        assert Beside(box.receive, timeout=0).result() == 3


def test_anyone_may_send_to_an_exclusive_mailbox(mailbox):
    """A process may send while another one has the turn, which is about receiving."""
    box = mailbox(access="exclusive")
    box.send("first")
    with box.lease(), Actor("box = Mailbox('box')") as other:
        other.do("box.send('second')")
    assert box.receive(timeout=0) == "second"


@pytest.mark.parametrize("end", ["delivery.release()", "box.close()"])
def test_the_turn_passes_when_its_holder_gives_up(mailbox, end):
    """A process that waits for the turn gets it when its holder releases its lease, or closes."""
    box = mailbox(access="exclusive")
    box.send("job")
    with Actor("box = Mailbox('box')", "delivery = box.lease()") as other:
        waiting = Beside(box.receive, timeout=60)
        until(lambda: box.statistics().receivers_waiting, "this process waits")
        other.do(end)
        assert waiting.result() == "job"


def test_a_process_that_dies_waiting_for_the_turn_is_no_obstacle(mailbox):
    """Killing a process that waits for the turn leaves the turn to the others."""
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
    """A process whose wait for a message ended without one does not keep the turn."""
    box = mailbox(access="exclusive")
    with Actor("box = Mailbox('box')") as other:
        for line in ("box.receive(timeout=0.01)", "box.receive(timeout=0)"):
            with pytest.raises(Empty):
                other.do(line)
        box.send(1)
        assert box.receive(timeout=0) == 1


def test_a_forked_child_does_not_have_its_parents_turn(mailbox):
    """The turn belongs to a process: a child of its holder waits like any other."""
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
    actors = [Actor("box = Mailbox('box')") for _ in range(4)]
    for actor in actors:
        actor.start("list(iter(box.receive, None))")
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
    """The message for a receiver that is stopped while it waits is withdrawn."""
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
    """Every message is received once, and each sender's messages arrive in their order."""
    box = mailbox(capacity=0)
    with Actor("box = Mailbox('box')") as a, Actor("box = Mailbox('box')") as b:
        a.start("[box.send(('a', n)) for n in range(500)] and None")
        b.start("[box.send(('b', n)) for n in range(500)] and None")
        received = [box.receive(timeout=60) for _ in range(1000)]
        a.answer(), b.answer()
    for who in "ab":
        assert [n for sender, n in received if sender == who] == list(range(500))
    assert len(box) == 0


def test_a_message_of_a_rendezvous_that_comes_back_is_delivered_again(mailbox):
    """The message of a receiver that dies is not lost, though its sender has gone on."""
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
    senders = [Beside(box.send, n) for n in range(100)]
    received = [box.receive(timeout=60) for _ in range(100)]
    for sender in senders:
        sender.result()
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
