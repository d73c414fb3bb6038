"""Capacity: messages accepted and not yet acknowledged; and none: a rendezvous."""

import pytest

from liaison import Empty, Full, NoReceiver
from liaison.testing import until
from tests.conformance.kinds import on


@on("bounded", "buffered")
def test_so_many_are_accepted_and_no_more(stage):
    """`capacity` messages are accepted; one more is Full."""
    sender, receiver = stage.ends(capacity=3)
    sender.send_many(range(3), timeout=0)
    with pytest.raises(Full):
        sender.send(3, timeout=0)
    assert receiver.receive(timeout=0) == 0
    sender.send(3, timeout=0)
    assert receiver.receive_many(10, timeout=0) == [1, 2, 3]


@on("bounded", "buffered", "lease")
def test_a_leased_message_counts(stage):
    """A message that is leased counts until it is acknowledged."""
    sender, receiver = stage.ends(capacity=1)
    sender.send(1)
    delivery = receiver.lease(timeout=0)
    with pytest.raises(Full):
        sender.send(2, timeout=0)
    delivery.acknowledge()
    sender.send(2, timeout=0)


@on("bounded", "buffered", "lease")
def test_a_released_message_counts(stage):
    """A message that is given back keeps its place, and a full link cannot block it."""
    sender, receiver = stage.ends(capacity=2)
    sender.send_many([1, 2])
    receiver.lease(timeout=0).release()
    with pytest.raises(Full):
        sender.send(3, timeout=0)
    assert receiver.receive_many(5, timeout=0) == [1, 2]


@on("bounded", "buffered", "loan", "local")
def test_a_loan_counts(stage):
    """Memory that is borrowed to write a message takes the message's place."""
    sender, receiver = stage.ends(capacity=1)
    with sender.loan(1), pytest.raises(Full):
        sender.send(2, timeout=0)
    sender.send(2, timeout=0)
    assert receiver.receive(timeout=0) == 2


@on("bounded", "buffered")
def test_the_capacity_is_1024_or_the_queues_10(stage):
    """A link has room for 1024 messages unless told, a message queue for 10, a pair for 256."""
    sender, receiver = stage.ends()
    expected = {"queue": 10, "endpoint": 256}.get(stage.kind.shown, 1024)
    assert receiver.link.capacity == expected
    for number in range(expected):
        sender.send(number, timeout=0)
    assert sender.try_send("one more") is False


@on("rendezvous", without=["buffered"])
def test_a_rendezvous_send_returns_once_a_receiver_has_the_message(stage):
    """At a rendezvous `send` returns when a receiver has the message, and not before."""
    receiver, there = stage.other_sends()
    there.start("end.send('hello')")
    until(lambda: len(receiver), "the message is offered")
    delivery = receiver.lease(timeout=60)
    there.answer()
    assert delivery.message == "hello"
    delivery.acknowledge()


@on("rendezvous", without=["buffered"])
def test_a_message_that_met_nobody_was_not_sent(stage):
    """After NoReceiver nobody has the message, and nobody will."""
    sender, receiver = stage.ends()
    for timeout in (0, 0.01):
        with pytest.raises(NoReceiver):
            sender.send(1, timeout=timeout)
    with pytest.raises(NoReceiver):
        sender.send_many([1, 2], timeout=0)
    with sender.loan(3) as loan, pytest.raises(NoReceiver):
        loan.send(timeout=0)
    with pytest.raises(Empty):
        receiver.receive(timeout=0)
    assert len(receiver) == 0


@on("rendezvous", "loan", without=["buffered"])
def test_a_loan_meets_its_receiver(stage, beside):
    """Sending a loan to a rendezvous returns once a receiver has it, too."""
    sender, receiver = stage.ends()
    with sender.loan(5) as loan:
        loan[:] = b"hello"
        sending = beside(loan.send, timeout=60)
        assert receiver.receive(timeout=60) == b"hello"
        sending.result()
    assert receiver.statistics().loaned == 0


@on("rendezvous", without=["buffered"])
def test_a_sender_that_does_not_wait_meets_a_receiver_that_does(stage):
    """With a receiver's thread waiting at a rendezvous, a send with `timeout=0` succeeds."""
    sender, there = stage.other_receives()
    there.start("end.receive(timeout=60)")
    until(lambda: stage.receivers_waiting(sender), "the receiver waits")
    sender.send("now", timeout=0)
    assert there.answer() == "now"


@on("rendezvous", without=["buffered"])
def test_send_many_meets_one_receiver_after_the_other(stage, beside):
    """send_many at a rendezvous returns how many messages somebody came for."""
    sender, receiver = stage.ends()
    receiving = beside(lambda: [receiver.receive(timeout=60) for _ in range(3)])
    assert sender.send_many(range(3), timeout=60) == 3
    assert receiving.result() == [0, 1, 2]


@on("rendezvous", without=["buffered"])
def test_a_message_that_comes_back_to_a_rendezvous_is_delivered_again(stage):
    """What a receiver of a rendezvous gives back is delivered again, though its sender went on."""
    sender, there = stage.other_receives()
    there.start("delivery = end.lease(timeout=60)")
    sender.send("hello", timeout=60)
    there.answer()
    there.do("delivery.release()")
    there.do("again = end.lease(timeout=60)")
    assert there.do("(again.message, again.attempt)") == ("hello", 2)
    there.do("again.acknowledge()")
