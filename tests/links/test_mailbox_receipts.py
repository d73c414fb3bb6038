"""Receipts: the sender learns what became of its message, and who received it."""

import os
import threading

import pytest

from liaison import Full, Mailbox
from liaison.testing import until
from tests.links.actor import Actor


def test_a_message_that_is_given_back_is_received_by_the_next(mailbox):
    """After a message came back, the receipt names who received it last."""
    box = mailbox()
    receipt = box.send("job", receipt=True)
    with Actor("box = Mailbox('box')", "held = box.lease()") as other:
        assert receipt.wait_received().pid == other.pid
        other.kill()
        with box.lease(timeout=60):
            assert receipt.state == "received"
    assert receipt.wait_acknowledged().pid == os.getpid()


def test_a_receipt_outlives_its_receiver_and_its_place(mailbox):
    """Who received is known after that process died, and after other messages took the place."""
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
    with Actor("box = Mailbox('box')") as other:
        other.do("receipt = box.send('job', receipt=True)")
        other.start("receipt.wait_received().pid")
        until(other.asleep, "the sender sleeps")
        delivery = box.lease()
        assert other.answer() == os.getpid()
        other.start("receipt.wait_acknowledged().pid")
        until(other.asleep, "the sender sleeps")
        delivery.acknowledge()
        assert other.answer() == os.getpid()
        assert other.do("receipt.state") == "acknowledged"


def test_a_receipts_timeout_is_checked(mailbox):
    """A negative timeout raises ValueError, one that is no number TypeError."""
    receipt = mailbox().send("job", receipt=True)
    for wait in (receipt.wait_received, receipt.wait_acknowledged):
        with pytest.raises(ValueError, match="timeout"):
            wait(timeout=-1)
        with pytest.raises(TypeError):
            wait(timeout="1")


def test_receipts_wait_independently(mailbox):
    """Each of many receipts tells of its own message only."""
    box = mailbox()
    receipts = [box.send(number, receipt=True) for number in range(100)]
    for _ in range(50):
        box.receive()
    assert [receipt.state for receipt in receipts] == ["acknowledged"] * 50 + ["queued"] * 50


def test_a_sender_waits_for_a_place_for_its_receipt(mailbox):
    """Full when all places for receipts are taken, until one of the receipts is dropped."""
    box = mailbox(capacity=4)
    receipts = [box.send(number, receipt=True, timeout=0) for number in range(4)]
    box.receive_many(4)
    for timeout in (0, 0.01):
        with pytest.raises(Full):
            box.send("one more", receipt=True, timeout=timeout)
    box.send("without", timeout=0)
    with Actor("box = Mailbox('box')") as other:
        other.start("box.send('theirs', receipt=True).state")
        until(lambda: box.statistics().senders_waiting, "it waits")
        receipts.pop()
        assert other.answer() == "queued"
    assert box.receive_many(4) == ["without", "theirs"]
    assert box.statistics().free == 4


def test_a_dropped_receipt_makes_place_for_another(mailbox):
    """Receipts that are dropped cost nothing, however many there were."""
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
    """close() does not end what a receipt knows."""
    other = mailbox()
    box = Mailbox("box")
    receipt = box.send("job", receipt=True)
    box.close()
    other.receive()
    assert receipt.state == "acknowledged"


def test_many_threads_wait_for_one_receipt(mailbox):
    """All who wait for a receipt are woken."""
    box = mailbox()
    receipt = box.send("job", receipt=True)
    pids = []
    waiting = [
        threading.Thread(target=lambda: pids.append(receipt.wait_received().pid)) for _ in range(5)
    ]
    for thread in waiting:
        thread.start()
    box.receive()
    for thread in waiting:
        thread.join(60)
    assert pids == [os.getpid()] * 5


def test_a_sender_with_a_receipt_sleeps_for_want_of_room(mailbox):
    """It does not call itself by the place for a receipt that it gives back, and hears Ctrl-C."""
    box = mailbox(capacity=1)
    box.send("fills it")
    with Actor("box = Mailbox('box')") as other:
        other.start("box.send('waits', receipt=True)")
        until(lambda: all(other.asleep() for _ in range(100)), "the sender sleeps")
        other.interrupt()
        with pytest.raises(KeyboardInterrupt):
            other.answer()
    assert box.peek() == ["fills it"]
