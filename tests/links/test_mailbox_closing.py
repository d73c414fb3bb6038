"""Closing an end during an operation of its own, and what a rendezvous leaves behind."""

import os
import signal

import pytest

from liaison import Closed, Full, LeaseLost, Mailbox, NoReceiver
from liaison.testing import until
from tests.beside import Beside


def test_an_iterable_may_close_the_end_that_sends_it(mailbox):
    """send_many whose iterable closes the end raises Closed for the next message."""
    box = mailbox()

    def messages():
        yield b"first"
        box.close()
        yield b"second"

    with Mailbox("box") as other:
        with pytest.raises(Closed):
            box.send_many(messages())
        assert other.receive(timeout=0) == b"first"


def test_a_codec_may_close_the_end_that_uses_it(mailbox):
    """Closing an end while it encodes raises Closed, and sends nothing."""

    class Closing:
        def encode(self, message):
            box.close()
            return b"encoded"

        def decode(self, payload):
            return payload

    other = mailbox()
    box = Mailbox("box", codec=Closing())
    with pytest.raises(Closed):
        box.send(1)
    assert len(other) == 0


def test_closing_while_a_loan_waits_for_its_receiver(mailbox):
    """A loan that is being sent when its end is closed is settled once, and views stay valid."""
    box = mailbox(capacity=0)
    with Mailbox("box") as other:
        feeding = Beside(other.send, b"z" * 20_000)
        delivery = box.lease()
        feeding.result()
        view = memoryview(delivery)
        sending = Beside(box.loan(10).send, timeout=60)
        until(lambda: len(other) == 1, "the loan is offered")
        box.close()
        with pytest.raises(Closed):
            sending.result()
        assert bytes(view[:4]) == b"zzzz"
        view.release()
        del delivery


def test_a_receipt_outlives_the_end_that_was_closed_as_it_came(mailbox):
    """Closing at the moment when a rendezvous is met leaves a receipt that can be asked."""
    box = mailbox(capacity=0)
    with Mailbox("box") as other:
        sending = Beside(box.send, b"x", timeout=60, receipt=True)
        other.receive(timeout=60)
        until(lambda: other.statistics().leased == 0, "it is acknowledged")
        receipt = sending.result()
        box.close()
        assert receipt.state == "acknowledged"
        del receipt


def test_a_delivery_whose_release_failed_shows_nothing_more(mailbox):
    """When the dead letters are full the message goes back, and its delivery is settled."""
    box = mailbox(capacity=2, max_deliveries=1)
    with Mailbox("box.dead", capacity=1) as dead:
        dead.send(b"in the way")
        box.send(b"message")
        delivery = box.lease()
        with pytest.raises(Full):
            delivery.release()
        with pytest.raises(LeaseLost):
            _ = delivery.view
        dead.destroy()
    box.try_receive()  # there is room now: it goes to the dead letters
    with Mailbox.open("box.dead") as dead:
        assert dead.receive(timeout=0) == b"message"
        dead.destroy()


@pytest.mark.parametrize("operation", ["send", "loan", "receive"])
def test_a_handler_that_closes_and_raises_ends_the_wait(mailbox, operation):
    """The exception of a signal's handler that closed the end comes out; nobody is on the link."""
    box = mailbox(capacity=1)

    class Stop(Exception):
        pass

    def handler(*_):
        box.close()
        raise Stop

    if operation != "receive":
        box.send(b"in the way")
    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with Mailbox.observe("box") as observer:
            asleep = "receivers_waiting" if operation == "receive" else "senders_waiting"

            def wake():
                until(lambda: getattr(observer.statistics(), asleep) == 1, "it sleeps")
                os.kill(os.getpid(), signal.SIGUSR1)

            waking = Beside(wake)
            with pytest.raises(Stop):
                getattr(box, operation)(*{"send": [b""], "loan": [0], "receive": []}[operation])
            waking.result()
    finally:
        signal.signal(signal.SIGUSR1, before)
    with Mailbox.observe("box") as observer:
        assert observer.link.senders == observer.link.receivers == ()


def test_offers_that_were_taken_back_do_not_wear_a_rendezvous_out(mailbox):
    """However many senders gave up while another waits, the next one gets NoReceiver, too."""
    box = mailbox(capacity=0)
    waiting = Beside(box.send, b"patient")
    until(lambda: len(box) == 1, "one waits")
    with Mailbox("box") as other:
        for _ in range(150):
            with pytest.raises(NoReceiver):
                other.send(b"impatient", timeout=0.0005)
        assert len(box) == 1
        assert other.receive(timeout=60) == b"patient"
    waiting.result()
    assert box.statistics().free == 64
