"""Messages and links in reference cycles are collected, and what they hold is given back."""

import gc
import importlib
import weakref
from pathlib import Path

import pytest

import liaison
import liaison._native

HAVE_GC = 1 << 14  # Py_TPFLAGS_HAVE_GC


class Job(dict):
    """A message that can have weak references."""


class Jobs:
    """A codec whose messages are Jobs."""

    @staticmethod
    def encode(message):
        return str(message).encode()

    @staticmethod
    def decode(payload):
        return Job(body=payload)


def gone(reference):
    gc.collect()
    return reference() is None


def test_a_message_that_has_the_error_of_its_own_handling_is_collected(mailbox):
    """A message is collected whose error refers to it by a traceback and its delivery."""
    box = mailbox("jobs", codec=Jobs())

    def handle():
        with box.lease() as delivery:
            try:
                raise ValueError("a bad job")
            except ValueError as error:
                delivery.message["error"] = error
            return weakref.ref(delivery.message)

    box.send("work")
    assert gone(handle())


@pytest.mark.parametrize("name", ["acknowledge", "view", "sender", "__enter__"])
def test_a_delivery_in_its_own_message_goes_back_to_the_mailbox(mailbox, name):
    """A delivery that its own message refers to gives the message to the next receiver."""
    box = mailbox("jobs", codec=Jobs())

    def forget():
        delivery = box.lease()
        delivery.message["delivery"] = delivery
        delivery.message[name] = getattr(delivery, name)
        return weakref.ref(delivery.message)

    box.send("work")
    assert gone(forget())
    with box.lease(timeout=0) as again:
        assert again.attempt == 2


def test_a_settled_delivery_in_its_own_message_is_collected(mailbox):
    """A delivery that was acknowledged in its own message's cycle gives nothing back."""
    box = mailbox("jobs", codec=Jobs())

    def handle():
        with box.lease() as delivery:
            delivery.message["delivery"] = delivery
        return weakref.ref(delivery.message)

    box.send("work")
    assert gone(handle())
    assert len(box) == box.statistics().leased == 0


def test_a_link_in_what_it_delivered_is_collected(space):
    """A link is collected to which its codec, its attributes and its delivery lead back."""

    class Box(liaison.Mailbox):
        """It has room for attributes."""

    def forget():
        jobs = Jobs()
        box = Box("jobs", codec=jobs)
        jobs.box = box
        box.send("work")
        box.delivery = box.lease()
        box.delivery.message["box"] = box
        return weakref.ref(box), weakref.ref(jobs)

    box, jobs = forget()
    assert gone(box)
    assert gone(jobs)
    with liaison.Mailbox("jobs") as other:
        with other.lease(timeout=0) as delivery:
            assert delivery.attempt == 2
        other.destroy()


def test_a_loan_and_a_receipt_in_a_cycle_are_collected(space):
    """The memory of the loan and the place of the receipt are free again."""

    class Box(liaison.Mailbox):
        """It has room for attributes."""

    def forget():
        box = Box("jobs", capacity=1)
        box.loaned = box.loan(10)
        box.shown = box.loaned.view
        return weakref.ref(box)

    def ask():
        box = Box("jobs")
        box.receipt = box.send(b"work", receipt=True)
        return weakref.ref(box)

    assert gone(forget())
    assert gone(ask())
    with liaison.Mailbox("jobs") as box:
        assert box.statistics().loaned == 0
        assert box.receive(timeout=0) == b"work"
        box.destroy()


def test_an_endpoint_and_a_connection_in_a_cycle_are_collected(space):
    """An endpoint, a listener and both ends of a connection are collected in one cycle."""

    class Codec(Jobs):
        """It has room for attributes."""

    def forget():
        codec = Codec()
        codec.endpoint = liaison.Endpoint("worker", codec=codec)
        codec.endpoint.send("worker", "work")
        codec.delivery = codec.endpoint.receive()
        codec.listener = liaison.listen("tcp://127.0.0.1:0", codec=codec)
        codec.client = liaison.connect(codec.listener.address, codec=codec)
        codec.server = codec.listener.accept()
        codec.client.send("work")
        codec.message = codec.server.receive()
        return weakref.ref(codec)

    assert gone(forget())
    with liaison.Endpoint("worker") as worker:
        worker.destroy()


# None of these refers to an object of a user's.
WITHOUT_CYCLES = {"CarrierEnd", "Descriptor", "Poll", "Seal", "SpaceHandle"}


def test_every_class_that_can_be_in_a_cycle_is_known_to_the_collector():
    """The classes that the collector does not know hold numbers, texts, and each other."""
    modules = [
        importlib.import_module(f"liaison._native.{path.name.split('.')[0]}")
        for path in Path(liaison._native.__file__).parent.glob("*.pyi")
    ]
    classes = {
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and thing.__module__ == module.__name__
    }
    assert len(classes) > len(WITHOUT_CYCLES)
    unknown = {cls.__name__ for cls in classes if not cls.__flags__ & HAVE_GC}
    assert unknown <= WITHOUT_CYCLES
