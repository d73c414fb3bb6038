"""Message queues: a FIFO of fixed geometry, under the names of Python's own queues."""

import queue
from contextlib import ExitStack

import pytest

from liaison import Empty, Full, MessageQueue, TooLarge


@pytest.fixture
def make(space):
    """Make queues that are destroyed after the test."""
    with ExitStack() as stack:

        def make(**options):
            made = stack.enter_context(MessageQueue("queue", **options))
            stack.callback(made.destroy)
            return made

        yield make


def test_it_has_ten_places_of_8_kib_unless_told_otherwise(make):
    """The default geometry is fixed, lies in the ring alone, and shows in `link`."""
    box = make()
    link = box.link
    assert (link.kind, link.capacity, link.message_size) == ("queue", 10, "fixed")
    assert link.max_message == 8192
    box.put(b"x" * 8192)
    assert box.get() == b"x" * 8192
    assert box.statistics().memory_limit == 0


def test_it_is_full_and_empty_as_pythons_queues_are(make):
    """full, empty and qsize count; put and get raise what queue.Queue raises."""
    box = make(max_messages=2)
    assert (box.empty(), box.full(), box.qsize()) == (True, False, 0)
    for get in (box.get_nowait, lambda: box.get(False), lambda: box.get(timeout=0.001)):
        with pytest.raises(queue.Empty):
            get()
    box.put(1)
    assert (box.empty(), box.full(), box.qsize()) == (False, False, 1)
    box.put_nowait(2)
    assert (box.empty(), box.full(), box.qsize()) == (False, True, 2)
    for put in (
        lambda: box.put_nowait(3),
        lambda: box.put(3, False),
        lambda: box.put(3, True, 0.001),
    ):
        with pytest.raises(queue.Full):
            put()
    assert [box.get(), box.get_nowait()] == [1, 2]


@pytest.mark.parametrize("call", ["put(1, timeout=-1)", "get(timeout=-1)"])
def test_a_negative_timeout_is_refused(make, call):
    """A negative timeout is a ValueError, as with queue.Queue, and nothing is put or got."""
    box = make()
    with pytest.raises(ValueError, match="negative"):
        eval(f"box.{call}", {"box": box})
    assert box.qsize() == 0


def test_block_false_outweighs_a_timeout(make):
    """put(item, False, timeout) does not wait, however long the timeout is."""
    box = make(max_messages=1)
    box.put(1)
    with pytest.raises(Full):
        box.put(2, False, 1000)
    box.get()
    with pytest.raises(Empty):
        box.get(False, 1000)


@pytest.mark.parametrize("length", [65, 8192, 1 << 20])
def test_a_larger_message_is_too_large(make, length):
    """A message above message_size is TooLarge, names the argument that helps, takes no place."""
    box = make(max_messages=1, message_size=64)
    with pytest.raises(TooLarge, match="message_size="):
        box.put(b"x" * length)
    box.put(b"x" * 64)
    assert box.get() == b"x" * 64
