"""A mailbox in the life of a process: forks, signals, descriptors, daemons, selectors."""

import os
import select
import selectors
import signal

import pytest

import liaison
from liaison import Destroyed, Full, Mailbox
from liaison.testing import Process, point, until
from tests.links.actor import Actor


def descriptors():
    return len(os.listdir("/proc/self/fd"))


# ---- signals


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "box.receive()"),
        ({}, "box.receive(timeout=1000)"),
        ({}, "box.receive_many(5)"),
        ({}, "box.lease()"),
        ({}, "next(box)"),
        ({"capacity": 1}, "box.send_many([1, 2])"),
        ({"capacity": 1}, "[box.loan(5), box.loan(5)]"),
        ({"capacity": 0}, "box.send(1)"),
        ({"capacity": 0}, "box.receive()"),
        ({"access": "exclusive"}, "box.receive()"),
        ({}, "box.send('job', receipt=True).wait_received()"),
        ({}, "box.send('job', receipt=True).wait_acknowledged()"),
    ],
    ids=str,
)
def test_ctrl_c_interrupts_every_wait(mailbox, options, line):
    """SIGINT to a process that waits raises KeyboardInterrupt there, and it works on."""
    box = mailbox(**options)
    with Actor("box = Mailbox('box')") as other:
        other.start(line)
        until(lambda: _waits(box, line), "it waits")
        until(other.asleep, "it sleeps")
        other.interrupt()
        with pytest.raises(KeyboardInterrupt):
            other.answer()
        box.receive_many(5) if len(box) else None
        now = box.statistics()
        assert (now.receivers_waiting, now.senders_waiting, now.leased) == (0, 0, 0)
        assert now.free == now.free + now.loaned
        if options.get("capacity") != 0:
            other.do("box.send('on')")
            assert other.do("box.receive()") == "on"


def _waits(box, line):
    now = box.statistics()
    if "wait_" in line or (now.free == 63 and "send" in line):
        return now.waiting
    return now.receivers_waiting + now.senders_waiting


def test_ctrl_c_loses_no_message(mailbox):
    """Interrupting a receiver again and again, at any moment, loses and doubles nothing."""
    box = mailbox(capacity=64)
    back = mailbox("back", capacity=1 << 16)
    with Process(_leases_through_interrupts) as worker:
        worker.reach("ready")
        for number in range(3000):
            box.send(number)
            if number % 10 == 0:
                worker.interrupt()
        until(lambda: box.statistics().free == 64, "all is received")
        received = back.receive_many(4000) if len(back) else []
        worker.kill()
    # Noted before it is acknowledged: an interruption in between shows it twice, never not at all.
    assert sorted(set(received)) == list(range(3000))


def _leases_through_interrupts():
    box, back = Mailbox("box"), Mailbox("back")
    armed = False

    def handler(*_):
        nonlocal armed
        if armed:  # not where nothing would catch it
            armed = False
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    point("ready")
    while True:
        try:
            armed = True
            while True:
                with box.lease() as delivery:
                    back.send(delivery.message)
        except KeyboardInterrupt:
            continue


def test_other_signals_do_not_end_a_wait(mailbox):
    """A signal whose handler returns leaves the wait as it was, and the handler has run."""
    box = mailbox()
    with Actor("box = Mailbox('box')", "import signal; caught = []") as other:
        other.do("signal.signal(signal.SIGUSR1, lambda *_: caught.append(1)) and None")
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "it waits")
        for _ in range(20):
            os.kill(other.pid, signal.SIGUSR1)
        box.send("hello")
        assert other.answer() == "hello"
        assert other.do("len(caught)") >= 1


def test_a_signal_handler_may_use_mailboxes(mailbox):
    """A handler that sends, run while the main thread waits in the same end, works."""
    box = mailbox()
    with Actor("box = Mailbox('box')", "import signal") as other:
        other.do("signal.signal(signal.SIGUSR1, lambda *_: box.send('from the handler')) and None")
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "it waits")
        os.kill(other.pid, signal.SIGUSR1)
        assert other.answer() == "from the handler"


def test_a_handler_that_raises_ends_a_wait(mailbox):
    """Whatever exception a handler raises comes out of the wait."""
    box = mailbox()
    with Actor("box = Mailbox('box')", "import signal") as other:
        other.do("def handler(*_): raise LookupError('from the handler')")
        other.do("signal.signal(signal.SIGUSR1, handler) and None")
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "it waits")
        os.kill(other.pid, signal.SIGUSR1)
        with pytest.raises(LookupError, match="from the handler"):
            other.answer()


# ---- descriptors


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
    """Neither do 3,000 ends of the same mailbox."""
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
    """When a process has no descriptor left, mailboxes that it has open still send and receive."""
    box = mailbox()
    with Process(_runs_out_of_descriptors) as other:
        assert other.result().startswith("Too many open files (this process may have ")
    assert box.receive_many(10) == ["still", "alive"]


def _runs_out_of_descriptors():
    import resource

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
    """One selector tells of 100 mailboxes which of them have messages."""
    boxes = [mailbox(f"box{n}", capacity=5) for n in range(100)]
    with selectors.DefaultSelector() as selector:
        for number, box in enumerate(boxes):
            selector.register(box, selectors.EVENT_READ, number)
        for number in (7, 50, 99):
            boxes[number].send(number)
        got = []

        def serve():
            # A descriptor says that there may be a message: now and then its owner is to look.
            ready = [key.data for key, _ in selector.select(1)]
            got.extend((n, m) for n in ready if (m := boxes[n].try_receive()) is not None)
            return ready

        until(lambda: serve() and len(got) == 3, "three are ready")
        assert sorted(got) == [(7, 7), (50, 50), (99, 99)]
        until(lambda: not serve(), "all are quiet again")
        assert len(got) == 3


def test_a_message_of_the_dead_makes_the_descriptor_readable(mailbox):
    """So does a message that comes back because its holder was killed."""
    box = mailbox()
    box.send("job")
    with Actor("box = Mailbox('box')", "delivery = box.lease()") as other:
        assert box.try_receive() is None
        box.fileno()
        other.kill()
        assert readable(box, timeout=5) == [box]
    assert box.receive(timeout=60) == "job"


def test_destroying_makes_the_descriptor_readable(mailbox):
    """Who selects learns that the mailbox was destroyed: readable, and Destroyed when received."""
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
    """A loop's add_reader takes a mailbox."""
    import asyncio

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
    """A child that asks for the descriptor is not woken in its parent's place."""
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


def test_the_doorbell_of_the_dead_is_swept(mailbox, space):
    """The file behind a killed process's descriptor goes when the next one is cleaned up after."""
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
