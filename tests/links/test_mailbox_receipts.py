"""Receipts: what has happened to a message, and who received it."""

import os

import pytest

from liaison import Mailbox
from liaison.testing import until
from tests.beside import Beside
from tests.links.actor import Actor


def test_a_message_that_is_given_back_is_received_by_the_next(mailbox):
    """The receipt of a message that came back names its last receiver."""
    box = mailbox()
    receipt = box.send("job", receipt=True)
    with Actor("box = Mailbox('box')", "held = box.lease()") as other:
        assert receipt.wait_received().pid == other.pid
        other.kill()
        with box.lease(timeout=60):
            assert receipt.state == "received"
    assert receipt.wait_acknowledged().pid == os.getpid()


def test_a_receipt_outlives_its_receiver_and_its_place(mailbox):
    """A receipt names the receiver after that has died, and after others took its place."""
    box = mailbox(capacity=4)
    receipt = box.send("job", receipt=True)
    with Actor("box = Mailbox('box')", "box.receive()") as other:
        other.kill()
    for number in range(100):
        box.send(number)
        box.receive()
    assert receipt.state == "acknowledged"
    assert receipt.wait_received(timeout=0).pid == other.pid


def test_a_sender_waits_until_its_message_is_received(mailbox):
    """wait_received sleeps until another process leases the message, wait_acknowledged longer."""
    box = mailbox()
    with Actor("box = Mailbox('box')", "receipt = box.send('job', receipt=True)") as other:
        other.start("receipt.wait_received().pid")
        until(other.asleep, "the sender sleeps")
        delivery = box.lease()
        assert other.answer() == os.getpid()
        other.start("receipt.wait_acknowledged().pid")
        until(other.asleep, "the sender sleeps")
        delivery.acknowledge()
        assert other.answer() == os.getpid()


def test_receipts_wait_independently(mailbox):
    """Each of many receipts has the state of its own message."""
    box = mailbox()
    receipts = [box.send(number, receipt=True) for number in range(100)]
    for _ in range(50):
        box.receive()
    assert [receipt.state for receipt in receipts] == ["acknowledged"] * 50 + ["queued"] * 50


def test_a_sender_waits_for_a_place_for_its_receipt(mailbox):
    """A sender in another process waits while all places for receipts are taken."""
    box = mailbox(capacity=4)
    receipts = [box.send(number, receipt=True) for number in range(4)]
    box.receive_many(4)
    box.send("without")
    with Actor("box = Mailbox('box')") as other:
        other.start("box.send('theirs', receipt=True).state")
        until(lambda: box.statistics().senders_waiting, "it waits")
        receipts.pop()
        assert other.answer() == "queued"
    assert box.receive_many(4) == ["without", "theirs"]
    assert box.statistics().free == 4


def test_a_dropped_receipt_makes_place_for_another(mailbox):
    """Receipts that are dropped take no place, however many there were."""
    box = mailbox(capacity=4)
    for number in range(2000):
        assert box.send(number, receipt=True).state == "queued"
        box.receive()


def test_a_dead_senders_receipts_make_place_for_others(mailbox):
    """The receipts of a killed process are free again."""
    box = mailbox(capacity=4)
    for _ in range(3):
        with Actor("box = Mailbox('box')") as other:
            other.do("held = [box.send(n, receipt=True) for n in range(4)]")
            other.kill()
        box.receive_many(4)
    assert box.send("mine", receipt=True).state == "queued"
    box.receive()


def test_a_receipt_outlives_its_end(mailbox):
    """A receipt knows its state after its end was closed."""
    other = mailbox()
    box = Mailbox("box")
    receipt = box.send("job", receipt=True)
    box.close()
    other.receive()
    assert receipt.state == "acknowledged"


def test_many_threads_wait_for_one_receipt(mailbox):
    """All threads that wait for a receipt are woken."""
    box = mailbox()
    receipt = box.send("job", receipt=True)
    waiting = [Beside(receipt.wait_received) for _ in range(5)]
    box.receive()
    assert [one.result().pid for one in waiting] == [os.getpid()] * 5


def test_a_sender_that_asks_for_a_receipt_sleeps_while_there_is_no_room(mailbox):
    """The place for a receipt that a waiting sender gives back does not wake that sender."""
    box = mailbox(capacity=1)
    box.send("fills it")
    with Actor("box = Mailbox('box')") as other:
        other.start("box.send('waits', receipt=True)")
        until(lambda: all(other.asleep() for _ in range(100)), "the sender sleeps")
        other.interrupt()
        with pytest.raises(KeyboardInterrupt):
            other.answer()
    assert box.peek() == ["fills it"]
