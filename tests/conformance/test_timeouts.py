"""Timeouts, everywhere in seconds; and Ctrl-C, which interrupts every wait."""

import math
import os
import signal
import threading
from time import monotonic

import pytest

from liaison import Empty, Full, NoReceiver
from liaison.testing import until
from tests.beside import asleep
from tests.conformance.kinds import on

FILLED = {"capacity": 1}


def full(stage):
    """Ends of a link that has no room, or where nobody comes."""
    sender, receiver = stage.ends(**(FILLED if "buffered" in stage.has else {}))
    if "buffered" in stage.has:
        sender.send("fills it")
    return sender, receiver


SENDING = {
    "send": lambda end, timeout: end.send(1, timeout=timeout),
    "send_many": lambda end, timeout: end.send_many([1, 2], timeout=timeout),
    "send with a receipt": lambda end, timeout: end.send(1, timeout=timeout, receipt=True),
}
RECEIVING = {
    "receive": lambda end, timeout: end.receive(timeout=timeout),
    "receive_many": lambda end, timeout: end.receive_many(2, timeout=timeout),
}
LEASING = {"lease": lambda end, timeout: end.lease(timeout=timeout)}


@on()
def test_zero_does_not_wait_to_receive(stage):
    """`timeout=0` does not wait: Empty, at once, when there is no message; nor so soon."""
    _, receiver = stage.ends()
    for use in (RECEIVING | LEASING if "lease" in stage.has else RECEIVING).values():
        for timeout in (0, 1e-6):
            with pytest.raises(Empty):
                use(receiver, timeout)


@pytest.mark.parametrize("how", RECEIVING)
@on()
def test_a_timeout_is_in_seconds(stage, how):
    """A wait ends with Empty when so many seconds have passed, and not before."""
    _, receiver = stage.ends()
    began = monotonic()
    with pytest.raises(Empty):
        RECEIVING[how](receiver, 0.03)
    assert monotonic() - began >= 0.03


@pytest.mark.parametrize("timeout", [0, 0.02])
@pytest.mark.parametrize("how", SENDING)
@on("receipt", "local")
def test_sending_ends_with_full(stage, how, timeout):
    """Full when there was no room in time, NoReceiver where nobody came to a rendezvous."""
    sender, _ = full(stage)
    began = monotonic()
    with pytest.raises(Full) as raised:
        SENDING[how](sender, timeout)
    assert monotonic() - began >= timeout
    assert isinstance(raised.value, NoReceiver) == ("buffered" not in stage.has)


@on("loan", "buffered", "bounded", "local")
def test_a_loan_waits_for_room(stage, beside):
    """A loan has a timeout too: Full when there was no room in time."""
    sender, receiver = full(stage)
    for timeout in (0, 0.01):
        with pytest.raises(Full):
            sender.loan(3, timeout=timeout)
    borrowing = beside(sender.loan, 3, timeout=60)
    until(lambda: stage.senders_waiting(sender), "it waits")
    receiver.receive()
    borrowing.result().discard()


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300])
@on()
def test_none_waits_for_ever(stage, beside, timeout):
    """`timeout=None` waits until there is a message, however long that takes."""
    sender, receiver = stage.ends()
    receiving = beside(receiver.receive, timeout=timeout)
    sender.send("at last", timeout=timeout)
    assert receiving.result() == "at last"


@on("bounded", "buffered")
def test_a_sender_waits_for_room(stage, beside):
    """A send that waits goes on when a message was acknowledged."""
    sender, receiver = full(stage)
    sending = beside(sender.send, "second")
    until(lambda: stage.senders_waiting(receiver), "it waits")
    assert receiver.receive() == "fills it"
    assert sending.result() is None
    assert receiver.receive(timeout=60) == "second"


@pytest.mark.parametrize("timeout", [None, math.inf, 1e300])
@on()
def test_wait_waits_for_ever(stage, beside, timeout):
    """`wait` without a timeout, or a longer one than clocks count, returns with a message."""
    sender, receiver = stage.ends()
    waiting = beside(stage.wait, [receiver], timeout=timeout)
    sending = beside(sender.send, "at last", timeout=60)
    assert waiting.result() == [receiver]
    assert receiver.receive(timeout=60) == "at last"
    sending.result()


@pytest.mark.parametrize(
    ("timeout", "error"), [(-1, ValueError), (math.nan, ValueError), ("1", TypeError)], ids=str
)
@on()
def test_a_timeout_that_is_none_is_refused(stage, timeout, error):
    """A negative timeout or NaN is a ValueError, what is no number a TypeError; nothing happens."""
    sender, receiver = stage.ends()
    for use in (
        lambda: sender.send(1, timeout=timeout),
        lambda: sender.send_many([1], timeout=timeout),
        lambda: receiver.receive(timeout=timeout),
        lambda: receiver.receive_many(1, timeout=timeout),
    ):
        with pytest.raises(error):
            use()
    assert receiver.try_receive("nothing") == "nothing"


@on()
def test_wait_has_a_timeout(stage):
    """`wait` returns an empty list when nothing could be received from in time."""
    _, receiver = stage.ends()
    for timeout in (0, 0.01):
        assert stage.wait([receiver], timeout=timeout) == []


def interrupted(call):
    """Press Ctrl-C while the main thread waits in `call`."""

    def press():
        until(lambda: asleep(threading.main_thread().native_id), "the main thread waits")
        if not done:
            os.kill(os.getpid(), signal.SIGINT)

    def begin():
        try:
            thread.start()
            call()
        finally:
            done.append(True)

    done = []
    thread = threading.Thread(target=press, daemon=True)
    with pytest.raises(KeyboardInterrupt):
        begin()
    thread.join(60)


@pytest.mark.parametrize("timeout", [None, 60])
@pytest.mark.parametrize("how", RECEIVING)
@on(in_tasks=False)
def test_ctrl_c_interrupts_receiving(stage, carry, how, timeout):
    """Ctrl-C interrupts a wait for a message, and the link goes on."""
    sender, receiver = stage.ends()
    interrupted(lambda: RECEIVING[how](receiver, timeout))
    assert carry(sender, receiver, "next") == "next"


@pytest.mark.parametrize("how", SENDING)
@on("receipt", "local", in_tasks=False)
def test_ctrl_c_interrupts_sending(stage, how):
    """Ctrl-C interrupts a wait for room or for a receiver; nothing was sent."""
    sender, receiver = full(stage)
    interrupted(lambda: SENDING[how](sender, None))
    expected = ["fills it"] if "buffered" in stage.has else []
    assert receiver.peek() == expected


@on(in_tasks=False)
def test_ctrl_c_interrupts_wait_and_iteration(stage, carry):
    """Ctrl-C interrupts `wait`, and `for message in …`."""
    sender, receiver = stage.ends()
    interrupted(lambda: stage.wait([receiver]))
    interrupted(lambda: list(receiver))
    assert carry(sender, receiver, "next") == "next"


@on("lease", "receipt", "buffered", "local", in_tasks=False)
def test_ctrl_c_interrupts_waiting_for_a_receipt(stage):
    """Ctrl-C interrupts wait_received, wait_acknowledged, and a lease's wait."""
    sender, receiver = stage.ends()
    interrupted(receiver.lease)
    receipt = sender.send(1, receipt=True)
    interrupted(receipt.wait_received)
    interrupted(receipt.wait_acknowledged)
    assert receipt.state == "queued"
    assert receiver.receive(timeout=0) == 1


@on(carriers=["shm", "stream"], in_tasks=False)
def test_ctrl_c_interrupts_another_process(stage):
    """Ctrl-C that is pressed in another process interrupts its wait, there."""
    _, there = stage.other_receives()
    there.start("end.receive()")
    until(lambda: all(there.asleep() for _ in range(20)), "the other process waits")
    there.interrupt()
    with pytest.raises(KeyboardInterrupt):
        there.answer()
