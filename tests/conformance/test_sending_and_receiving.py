"""send, receive, their many and their try."""

import itertools
import threading

import pytest

from liaison import Empty, Full
from liaison.testing import until
from tests.conformance.kinds import on


@on()
def test_what_is_sent_is_received(stage, beside):
    """A message that is sent at one end is received at the other, once."""
    sender, receiver = stage.ends()
    sending = beside(sender.send, "hello")
    assert receiver.receive(timeout=60) == "hello"
    assert sending.result() is None
    with pytest.raises(Empty):
        receiver.receive(timeout=0)


@on()
def test_it_goes_to_another_process(stage):
    """Links are between processes: what is sent here is received there."""
    sender, there = stage.other_receives()
    there.start("end.receive(timeout=60)")
    sender.send({"to": "there"}, timeout=60)
    assert there.answer() == {"to": "there"}


@on()
def test_it_comes_from_another_process(stage):
    """And what is sent there is received here."""
    receiver, there = stage.other_sends()
    there.start("end.send({'from': 'there'}, timeout=60)")
    assert receiver.receive(timeout=60) == {"from": "there"}
    assert there.answer() is None


@on()
def test_try_send_tells_whether_it_was_sent(stage):
    """try_send returns True when the message was accepted, or met its receiver."""
    if "buffered" in stage.has:
        sender, receiver = stage.ends()
        assert sender.try_send(b"now") is True
        assert receiver.receive(timeout=60) == b"now"
    else:
        sender, there = stage.other_receives()
        there.start("end.receive(timeout=60)")
        assert until(lambda: sender.try_send(b"now"), "the receiver is there") is True
        assert there.answer() == b"now"


@on("bounded")
def test_try_send_returns_false_where_there_is_no_room(stage):
    """try_send returns False, and sends nothing, when there is no room."""
    sender, receiver = stage.ends(capacity=1)
    assert sender.try_send(1) is True
    assert sender.try_send(2) is False
    assert receiver.receive_many(10, timeout=60) == [1]


@on("rendezvous")
def test_try_send_returns_false_where_nobody_comes(stage):
    """try_send to a rendezvous returns False, and sends nothing, when nobody waits there."""
    sender, receiver = stage.ends(capacity=0)
    assert sender.try_send(1) is False
    assert receiver.try_receive() is None


@on()
def test_try_receive_returns_its_default_where_there_is_nothing(stage, beside):
    """try_receive returns `default`, None unless given, when there is no message."""
    sender, receiver = stage.ends()
    assert receiver.try_receive() is None
    assert receiver.try_receive("nothing") == "nothing"
    sending = beside(sender.send, 7)
    assert until(receiver.try_receive, "the message comes") == 7
    sending.result()


@on("batches")
def test_send_many_sends_in_order_and_counts(stage, beside):
    """send_many takes any iterable, sends its messages in order and returns how many it sent."""
    sender, receiver = stage.ends()
    sending = beside(sender.send_many, iter(range(20)), timeout=60)
    assert [receiver.receive(timeout=60) for _ in range(20)] == list(range(20))
    assert sending.result() == 20


@on("batches")
def test_send_many_of_nothing_is_nothing(stage):
    """send_many of no messages returns 0."""
    sender, _ = stage.ends()
    assert sender.send_many([], timeout=0) == 0


@on("bounded", "buffered", "batches")
def test_send_many_returns_how_many_had_room(stage):
    """send_many returns the number of messages that were accepted in time."""
    sender, receiver = stage.ends(capacity=3)
    assert sender.send_many(range(5), timeout=0) == 3
    assert receiver.receive_many(10, timeout=0) == [0, 1, 2]


@on("bounded", "buffered", "batches", "local")
def test_send_many_takes_no_more_than_it_has_to(stage):
    """send_many takes of an iterable what it can send, and one more that found no room."""
    sender, _ = stage.ends(capacity=3)
    numbers = iter(range(10))
    assert sender.send_many(numbers, timeout=0) == 3
    assert next(numbers) == 4


@on("batches", "buffered", "local")
def test_an_iterable_that_raises_stops_send_many(stage):
    """What the iterable raises comes out of send_many; what it gave before was sent."""
    sender, receiver = stage.ends()

    def numbers():
        yield 1
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        sender.send_many(numbers())
    assert receiver.receive_many(5, timeout=60) == [1]


@on("bounded", "buffered", "batches")
def test_send_many_is_full_where_not_even_one_had_room(stage):
    """send_many raises Full when not even the first message was accepted in time."""
    sender, _ = stage.ends(capacity=1)
    sender.send(0)
    for timeout in (0, 0.001):
        with pytest.raises(Full):
            sender.send_many([1, 2], timeout=timeout)


@on("buffered", "batches")
def test_receive_many_takes_what_is_there(stage):
    """receive_many takes what is there, at most `max`, oldest first."""
    sender, receiver = stage.ends()
    sender.send_many(range(5))
    assert receiver.receive_many(3, timeout=0) == [0, 1, 2]
    assert receiver.receive_many(1 << 60, timeout=0) == [3, 4]


@on("batches")
def test_receive_many_waits_for_one(stage, beside):
    """receive_many waits for the first message and for no more."""
    sender, receiver = stage.ends()
    receiving = beside(receiver.receive_many, 10, timeout=60)
    sender.send("the first", timeout=60)
    assert receiving.result() == ["the first"]
    with pytest.raises(Empty):
        receiver.receive_many(10, timeout=0)


@on("batches")
def test_receive_many_of_less_than_one_is_a_mistake(stage):
    """receive_many's `max` is 1 or more: anything else is a ValueError."""
    _, receiver = stage.ends()
    for most in (0, -1):
        with pytest.raises(ValueError, match="1 or more"):
            receiver.receive_many(most)


@on("destroy")
def test_iterating_ends_with_the_link(stage, beside):
    """`for message in box:` receives until the link is destroyed, and then ends."""
    sender, receiver = stage.ends()
    looping = beside(lambda: list(receiver))
    for number in range(3):
        sender.send(number, timeout=60)
    until(lambda: receiver.statistics().taken == 3, "all were received")
    receiver.destroy(force=True)
    assert looping.result() == [0, 1, 2]
    assert [message for message in receiver] == []  # noqa: C416 -- list() would ask for len()


@on(without=["unbroken"])
def test_iterating_ends_with_the_other_end(stage, beside):
    """`for message in connection:` receives until the other end is closed, and then ends."""
    sender, receiver = stage.ends()
    sender.send_many(range(3))
    sender.close()
    assert beside(lambda: list(receiver)).result() == [0, 1, 2]


@on()
def test_an_end_is_safe_to_use_from_many_threads(stage):
    """Many threads of both sides, on one end each: every message is received once, in order."""
    sender, receiver = stage.ends()
    received = [[] for _ in range(3)]

    def receive(into):
        while (message := receiver.receive(timeout=60)) is not None:
            into.append(message)

    receivers = [threading.Thread(target=receive, args=(into,), daemon=True) for into in received]
    senders = [
        threading.Thread(target=sender.send_many, args=([n * 100 + i for i in range(100)],))
        for n in range(3)
    ]
    for thread in (*receivers, *senders):
        thread.start()
    for thread in senders:
        thread.join(60)
    sender.send_many([None] * 3, timeout=60)
    for thread in receivers:
        thread.join(60)
    assert sorted(itertools.chain(*received)) == list(range(300))
    for into in received:  # what one thread got of one sender is in order
        assert sorted(into, key=lambda message: message // 100) == sorted(into)


@on("both ways")
def test_messages_go_both_ways(stage):
    """What one end of a two-way link sends the other receives, and never itself; so both ways."""
    one, other = stage.ends()
    one.send("there")
    other.send("and back")
    assert one.receive(timeout=60) == "and back"
    assert other.receive(timeout=60) == "there"
    assert one.try_receive() is other.try_receive() is None


@on("receivers", "buffered")
def test_a_message_goes_to_one_receiver(stage):
    """Of several ends that receive, one gets a message."""
    sender, receiver = stage.ends()
    second = stage.again()
    sender.send_many(range(6))
    taken = [end.receive(timeout=0) for end in (receiver, second) * 3]
    assert taken == list(range(6))
    assert receiver.try_receive() is None
    assert second.try_receive() is None
