"""Receipts: the sender learns what became of its message, and who received it."""

import os

import pytest

from liaison import Destroyed, Empty, Full
from liaison.testing import until
from tests.conformance.kinds import on


@on("receipt", "buffered", "local")
def test_without_asking_there_is_none(stage):
    """send returns None where no receipt was asked for."""
    sender, _ = stage.ends()
    assert sender.send(1) is None


@on("receipt", "lease", "buffered", "local")
def test_the_states_of_a_receipt(stage):
    """`.state` is "queued", "received" while the message is leased, then "acknowledged"."""
    sender, receiver = stage.ends()
    receipt = sender.send("job", receipt=True)
    assert receipt.state == "queued"
    for timeout in (0, 0.01):
        with pytest.raises(Empty):
            receipt.wait_received(timeout=timeout)
    delivery = receiver.lease(timeout=0)
    assert receipt.state == "received"
    delivery.acknowledge()
    assert receipt.state == "acknowledged"


@on("receipt", "lease", "buffered", "local")
def test_a_returned_message_is_queued_again(stage):
    """The receipt of a message that was given back says "queued", until the next one has it."""
    sender, receiver = stage.ends()
    receipt = sender.send("job", receipt=True)
    receiver.lease(timeout=0).release()
    assert receipt.state == "queued"
    receiver.receive(timeout=0)
    assert receipt.state == "acknowledged"


@on("receipt", "dead letters", "lease", "buffered", "local")
def test_the_receipt_of_a_dead_letter(stage):
    """The receipt of a message that went to the dead letters says "dead-lettered"."""
    sender, receiver = stage.ends(max_deliveries=1)
    receipt = sender.send("poison", receipt=True)
    receiver.lease(timeout=0).release()
    assert receipt.state == "dead-lettered"
    assert receipt.wait_acknowledged(timeout=0).pid == os.getpid()
    with stage.carrier.names["Mailbox"](f"{stage.address}.dead") as dead:
        dead.destroy(force=True)


@on("receipt", "lease")
def test_the_sender_learns_who_received(stage):
    """wait_received and wait_acknowledged return the Peer that did, on every kind of link."""
    sender, there = stage.other_receives()
    there.start("delivery = end.lease(timeout=60)")
    receipt = sender.send("job", timeout=60, receipt=True)
    assert receipt.wait_received(timeout=60).pid == there.pid
    there.answer()
    with pytest.raises(Empty):
        receipt.wait_acknowledged(timeout=0.01)
    there.do("delivery.acknowledge()")
    assert receipt.wait_acknowledged(timeout=60).pid == there.pid


@on("receipt", "lease", "local")
def test_waiting_for_a_receipt_ends_in_time(stage, beside):
    """Empty when nobody received the message, or acknowledged it, in time."""
    sender, receiver = stage.ends()
    leasing = beside(receiver.lease, timeout=60)
    receipt = sender.send(1, timeout=60, receipt=True)
    delivery = leasing.result()
    assert receipt.wait_received(timeout=0).pid == os.getpid()
    for timeout in (0, 0.01):
        with pytest.raises(Empty):
            receipt.wait_acknowledged(timeout=timeout)
    delivery.acknowledge()
    assert receipt.wait_acknowledged().pid == os.getpid()


@on("receipt", "lease", "buffered", "local")
def test_a_wait_for_a_receipt_is_woken(stage, beside):
    """Who waits for a receipt is woken when the message is received, and when acknowledged."""
    sender, receiver = stage.ends()
    receipt = sender.send(1, receipt=True)
    received = beside(receipt.wait_received, timeout=60)
    acknowledged = beside(receipt.wait_acknowledged, timeout=60)
    delivery = receiver.lease(timeout=0)
    assert received.result().pid == os.getpid()
    delivery.acknowledge()
    assert acknowledged.result().pid == os.getpid()


@on("receipt", "buffered", "bounded", "local")
def test_there_are_as_many_places_for_receipts_as_for_messages(stage):
    """A sender that asks for one more receipt than that gets Full, until one is dropped."""
    sender, receiver = stage.ends(capacity=2)
    receipts = []
    for number in range(2):
        receipts.append(sender.send(number, receipt=True))
        receiver.receive(timeout=0)
    with pytest.raises(Full):
        sender.send(2, timeout=0, receipt=True)
    sender.send(2, timeout=0)
    del receipts[0]
    assert sender.send(3, timeout=0, receipt=True).state == "queued"


@on("receipt", "buffered", "destroy", "local")
def test_waiting_for_a_receipt_of_a_destroyed_link(stage, beside):
    """Destroyed, when the link is destroyed before the message was received."""
    sender, receiver = stage.ends()
    receipt = sender.send(1, receipt=True)
    waiting = beside(receipt.wait_received, timeout=60)
    receiver.destroy(force=True)
    with pytest.raises(Destroyed):
        waiting.result()


@on("receipt", "rendezvous")
def test_receipts_of_a_rendezvous(stage):
    """A receipt of a rendezvous says "received" when send returns, and by whom."""
    sender, there = stage.other_receives(capacity=0)
    there.start("delivery = end.lease(timeout=60)")
    receipt = sender.send("job", timeout=60, receipt=True)
    there.answer()
    assert receipt.state == "received"
    assert receipt.wait_received(timeout=0).pid == there.pid
    there.do("delivery.acknowledge()")
    until(lambda: receipt.state == "acknowledged", "the acknowledgement shows")
