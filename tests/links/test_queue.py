"""Message queues: a FIFO of fixed geometry, under the names of Python's own queues."""

import queue

import pytest

import liaison
from liaison import Empty, Full, MessageQueue, Mismatch, TooLarge


@pytest.fixture
def make(space):
    """Make queues that are destroyed after the test."""
    names = []

    def one(name="queue", **options):
        names.append(name)
        return MessageQueue(name, **options)

    yield one
    for name in names:
        try:
            with MessageQueue.observe(name) as left:
                left.destroy(force=True)
        except liaison.LiaisonError:
            continue


def test_it_has_ten_places_of_8_kib_unless_told_otherwise(make):
    """The geometry is the constructor's defaults, fixed, in one ring, and shows in the link."""
    box = make()
    link = box.link
    assert (link.kind, link.capacity, link.message_size) == ("queue", 10, "fixed")
    assert link.max_message == 8192
    box.put(b"x" * 8192)
    assert box.get() == b"x" * 8192
    assert box.statistics().memory_limit == 0


def test_it_is_full_and_empty_as_pythons_queues_are(make):
    """full, empty and qsize count; put and get raise what queue.Queue raises, in every form."""
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
def test_a_negative_timeout_is_a_mistake(make, call):
    """As with queue.Queue it is a ValueError, and nothing was put or got."""
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
    """Above message_size it is TooLarge, says which argument helps, and takes no place."""
    box = make(max_messages=1, message_size=64)
    with pytest.raises(TooLarge, match="message_size="):
        box.put(b"x" * length)
    box.put(b"x" * 64)
    assert box.get() == b"x" * 64


def test_another_geometry_is_a_mismatch(make):
    """What is said must agree; what is left out, a default among them, is not compared."""
    make(max_messages=3, message_size=100)
    for wrong in ({"max_messages": 10}, {"message_size": 8192}, {"max_messages": 4}):
        with pytest.raises(Mismatch):
            MessageQueue("queue", **wrong)
    for right in ({}, {"max_messages": 3}, {"message_size": 100, "max_messages": 3}):
        with MessageQueue("queue", **right) as same:
            assert same.link.capacity == 3


@pytest.mark.parametrize(
    "wrong",
    [{"max_messages": 0}, {"message_size": 0}, {"max_messages": -1}, {"max_messages": 1 << 19}],
    ids=str,
)
def test_sizes_that_cannot_be_are_refused(space, wrong):
    """A queue has at least one place of at least one byte: ValueError, and nothing is made."""
    with pytest.raises(ValueError, match="out of range"):
        MessageQueue("queue", **wrong)
    assert space.files("names") == []
