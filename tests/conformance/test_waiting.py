"""fileno and wait: being told when there may be a message."""

import select
import selectors

import pytest

from liaison import Destroyed
from liaison.testing import until
from tests.conformance.kinds import on


@on("quiet")
def test_fileno_is_readable_when_there_is_a_message(stage, beside):
    """`fileno()` is readable when there may be a message, and quiet after there was none."""
    sender, receiver = stage.ends()
    descriptor = receiver.fileno()  # asked for once, as those do who keep it

    def quiet():
        assert receiver.try_receive() is None  # to which a reminder may have come
        return not select.select([descriptor], [], [], 0)[0]

    until(quiet, "it is quiet")
    sending = beside(sender.send, 1, timeout=60)
    for _ in range(2):  # as long as it was not received
        assert select.select([descriptor], [], [], 60)[0] == [descriptor]
    assert receiver.receive(timeout=60) == 1
    sending.result()
    until(quiet, "it is quiet again")


@on("quiet", "buffered")
def test_fileno_of_what_has_messages_is_readable(stage):
    """`fileno()` that is asked for when messages wait already is readable."""
    sender, receiver = stage.ends()
    sender.send(1)
    assert select.select([receiver.fileno()], [], [], 60)[0]
    assert receiver.receive(timeout=60) == 1


@on()
def test_selectors_take_links(stage, beside):
    """Every link works with `selectors`."""
    sender, receiver = stage.ends()
    with selectors.DefaultSelector() as selector:
        selector.register(receiver, selectors.EVENT_READ)
        sending = beside(sender.send_many, range(5), timeout=60)
        received = []
        while len(received) < 5:
            assert selector.select(60)
            while (message := receiver.try_receive()) is not None:
                received.append(message)
        assert received == list(range(5))
        assert sending.result() == 5


@on()
def test_wait_returns_those_that_can_be_received_from(stage, beside):
    """`wait` returns the links that can be received from, and waits until there is one."""
    sender, receiver = stage.ends()
    waiting = beside(stage.wait, [receiver], timeout=60)
    sending = beside(sender.send, 1, timeout=60)
    assert waiting.result() == [receiver]
    assert receiver.receive(timeout=60) == 1
    sending.result()
    assert stage.wait([receiver], timeout=0) == []


@on("open", "buffered")
def test_wait_over_several(stage):
    """Of several links those with a message are returned, in the order they were given."""
    pairs = [stage.ends() for _ in range(4)]
    ends = [receiver for _, receiver in pairs]
    pairs[3][0].send(3)
    pairs[1][0].send(1)
    assert stage.wait(ends, timeout=60) == [ends[1], ends[3]]
    assert [end.receive(timeout=0) for end in (ends[1], ends[3])] == [1, 3]
    assert stage.wait(ends, timeout=0) == []


@on()
def test_another_process_wakes_who_waits(stage, beside):
    """`wait` and `fileno` notice what another process sends."""
    receiver, there = stage.other_sends()
    waiting = beside(stage.wait, [receiver], timeout=60)
    there.start("end.send('hello', timeout=60)")
    assert waiting.result() == [receiver]
    assert receiver.receive(timeout=60) == "hello"
    there.answer()


@on("access", "buffered")
def test_another_processs_turn_is_waited_out(stage, beside):
    """A link whose turn is another's is not ready, but as soon as the turn is free."""
    sender, there = stage.other_receives(access="exclusive")
    sender.send_many([1, 2])
    there.do("delivery = end.lease(timeout=60)")
    assert stage.wait([sender], timeout=0) == []
    waiting = beside(stage.wait, [sender], timeout=60)
    there.do("delivery.acknowledge()")
    assert waiting.result() == [sender]
    assert sender.receive(timeout=0) == 2


@on("destroy")
def test_a_destroyed_link_is_ready(stage, beside):
    """Destroying a link wakes who waits for it: a receive would not wait either."""
    sender, receiver = stage.ends()
    waiting = beside(stage.wait, [receiver], timeout=60)
    sender.destroy(force=True)
    assert waiting.result() == [receiver]
    with pytest.raises(Destroyed):
        receiver.receive(timeout=0)


@on(without=["unbroken"])
def test_an_ended_connection_is_ready(stage, beside):
    """The end of a connection wakes who waits for it."""
    sender, receiver = stage.ends()
    waiting = beside(stage.wait, [receiver], timeout=60)
    sender.close()
    assert waiting.result() == [receiver]
    with pytest.raises(EOFError):
        receiver.receive(timeout=0)


@on("receivers", "buffered", "lease")
def test_a_returned_message_rings(stage):
    """A message that a receiver gives back makes the link ready again."""
    sender, receiver = stage.ends()
    sender.send("job")
    delivery = receiver.lease(timeout=0)
    receiver.fileno()
    receiver.try_receive()
    assert stage.wait([receiver], timeout=0) == []
    delivery.release()
    until(lambda: stage.wait([receiver], timeout=0) == [receiver], "the message is back")
    assert receiver.receive(timeout=0) == "job"
