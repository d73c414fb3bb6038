"""Descriptors: mailboxes need none, but for the one that shows event loops when to receive."""

import asyncio
import resource
import select
import selectors

import pytest

import liaison
from liaison import Destroyed, Full, Mailbox
from liaison.testing import Process, until
from tests.descriptors import descriptors
from tests.links.actor import Actor


def test_mailboxes_use_no_descriptors(space):
    """3,000 mailboxes in one process, all used, cost no descriptor each."""
    first = Mailbox("first", capacity=1, max_message=8)
    first.send(1)
    first.receive()
    before = descriptors()
    boxes = [Mailbox(f"box{n}", capacity=1, max_message=8) for n in range(3000)]
    for number, box in enumerate(boxes):
        box.send(number)
    assert [box.receive(timeout=0) for box in boxes] == list(range(3000))
    assert descriptors() - before <= 2  # what is asked for all together
    for box in [*boxes, first]:
        box.destroy()
        box.close()
    assert descriptors() - before <= 2


def test_thousands_of_ends_of_one_mailbox_use_no_descriptors(mailbox):
    """3,000 ends of the same mailbox take no descriptor each."""
    box = mailbox()
    before = descriptors()
    ends = [Mailbox("box") for _ in range(3000)]
    ends[0].send(1)
    assert ends[-1].receive() == 1
    assert descriptors() - before <= 2
    for end in ends:
        end.close()
    box.send(2)
    assert box.receive() == 2


def test_without_descriptors_what_is_open_works(mailbox):
    """Mailboxes that a process has open still work when it has no descriptor left."""
    box = mailbox()
    with Process(_runs_out_of_descriptors) as other:
        assert other.result().startswith("Too many open files (this process may have ")
    assert box.receive_many(10) == ["still", "alive"]


def _runs_out_of_descriptors():
    box = Mailbox("box")
    box.send("still")
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors() - 1, 4096))
    try:
        box.send("alive")
        with box.lease() as delivery:
            assert delivery.message == "still"
            delivery.release()
        Mailbox("another")
    except OSError as error:
        return error.strerror
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))


# ---- descriptors for event loops


def readable(*boxes, timeout=0.0):
    found, _, _ = select.select(boxes, [], [], timeout)
    return found


def test_a_selector_serves_many_mailboxes(mailbox):
    """A selector finds those of 100 mailboxes that have messages."""
    boxes = [mailbox(f"box{n}", capacity=5) for n in range(100)]
    with selectors.DefaultSelector() as selector:
        for number, box in enumerate(boxes):
            selector.register(box, selectors.EVENT_READ, number)
        for number in (7, 50, 99):
            boxes[number].send(number)
        got = []

        def serve():
            # A descriptor shows that there may be a message: now and then its owner has to look.
            ready = [key.data for key, _ in selector.select(1)]
            got.extend((n, m) for n in ready if (m := boxes[n].try_receive()) is not None)
            return ready

        until(lambda: serve() and len(got) == 3, "three are ready")
        assert sorted(got) == [(7, 7), (50, 50), (99, 99)]
        until(lambda: not serve(), "all are quiet again")
        assert len(got) == 3


def test_a_killed_receivers_message_makes_the_descriptor_readable(mailbox):
    """A message that comes back because its holder was killed makes the descriptor readable."""
    box = mailbox()
    box.send("job")
    with Actor("box = Mailbox('box')", "delivery = box.lease()") as other:
        assert box.try_receive() is None
        box.fileno()
        other.kill()
        assert readable(box, timeout=5) == [box]
    assert box.receive(timeout=60) == "job"


def test_destroying_makes_the_descriptor_readable(mailbox):
    """A destroyed mailbox's descriptor is readable, and receiving is Destroyed."""
    box = mailbox()
    with Actor("box = Mailbox('box')", "import select") as other:
        other.do("bell = box.fileno()")
        other.start("select.select([bell], [], [], 60)[0] == [bell]")
        box.destroy()
        assert other.answer() is True
        with pytest.raises(Destroyed):
            other.do("box.receive(timeout=0)")
        other.do("box.close()")


def test_asyncio_can_wait_for_a_mailbox(mailbox):
    """add_reader of an event loop takes a mailbox."""
    box = mailbox()

    async def main():
        loop, received = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

        def reads():
            if (message := box.try_receive()) is not None:
                received.set_result(message)

        loop.add_reader(box, reads)
        box.send("hello")
        try:
            return await asyncio.wait_for(received, 60)
        finally:
            loop.remove_reader(box)

    assert asyncio.run(main()) == "hello"


def test_closing_closes_the_descriptor(mailbox, space):
    """close() gives the descriptor up, and its file."""
    box = mailbox()
    before = descriptors()
    box.fileno()
    assert len(space.files("bells")) == 1
    box.close()
    assert descriptors() <= before
    assert space.files("bells") == []


def test_a_forked_child_gets_a_descriptor_of_its_own(mailbox, space):
    """A child's descriptor is its own, and takes no wake-up from its parent's."""
    box = mailbox()
    box.fileno()
    with Actor("import select", fork=True, box=box) as child:
        child.do("box.fileno()")
        assert len(space.files("bells")) == 2
        box.send(1)
        assert readable(box, timeout=60) == [box]
        assert child.do("select.select([box], [], [], 60)[0] == [box]")
        child.do("box.close()")
        assert readable(box) == [box]
    assert box.receive() == 1


def test_a_dead_processs_doorbell_is_removed(mailbox, space):
    """Cleaning removes the file behind a killed process's descriptor."""
    mailbox()
    with Actor("box = Mailbox('box')", "box.fileno()") as other:
        assert len(space.files("bells")) == 1
        other.kill()
    assert liaison.Space().clean().doorbells == 1
    assert space.files("bells") == []


def test_a_full_mailbox_with_a_descriptor_refuses(mailbox):
    """A doorbell changes nothing about capacity."""
    box = mailbox(capacity=1)
    box.fileno()
    box.send(1)
    with pytest.raises(Full):
        box.send(2, timeout=0)
