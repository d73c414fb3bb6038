"""Sending and receiving: order, room, time, many at once, and what a message can be."""

import datetime
import decimal
import enum
import os
import threading
import uuid
from collections import Counter
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest

from liaison import DecodeError, Destroyed, Empty, EncodeError, Full, Mailbox, TooLarge
from liaison.testing import Process, point, until
from tests.links.actor import Actor

KIB, MIB = 1 << 10, 1 << 20


def test_messages_arrive_in_the_order_in_which_one_sender_sent_them(mailbox):
    """Between one sender and one receiver a mailbox is first in, first out."""
    box = mailbox()
    for number in range(1000):
        box.send(number)
    assert [box.receive() for _ in range(1000)] == list(range(1000))


def test_messages_of_several_processes_keep_each_senders_order(mailbox):
    """Whatever several senders' messages interleave to, those of each are in order."""
    box = mailbox(capacity=10)
    count = 500
    lines = "[box.send((name, number)) for number in range(500)] and None"
    with Actor(box=box, name="a") as a, Actor(box=box, name="b") as b:
        a.start(lines)
        b.start(lines)
        received = [box.receive(timeout=60) for _ in range(2 * count)]
    for name in "ab":
        assert [number for who, number in received if who == name] == list(range(count))


def test_two_processes_play_ping_pong(mailbox):
    """Two mailboxes make a dialogue of two processes."""
    there, back = mailbox("there"), mailbox("back")
    with Actor("there = Mailbox('there')", "back = Mailbox('back')") as other:
        other.start("[back.send(there.receive()) for _ in range(2000)] and None")
        for number in range(2000):
            there.send(number)
            assert back.receive(timeout=60) == number
        other.answer()


# ---- room


def test_a_full_mailbox_refuses_at_once_without_a_timeout(mailbox):
    """With timeout=0 a send to a full mailbox raises Full, which is a queue.Full."""
    import queue

    box = mailbox(capacity=2)
    box.send(1)
    box.send(2)
    for use in (lambda: box.send(3, timeout=0), lambda: box.loan(1, timeout=0)):
        with pytest.raises(Full) as raised:
            use()
        assert isinstance(raised.value, queue.Full)
    assert box.receive_many(5) == [1, 2]


@pytest.mark.parametrize("capacity", [1, 5, 200])
def test_one_free_place_is_enough_for_a_sender_that_waits(mailbox, capacity):
    """Of senders that sleep at a full mailbox, each free place lets one go on."""
    box = mailbox(capacity=capacity)
    box.send_many(range(capacity))
    with Actor(fork=True, box=box) as first, Actor(fork=True, box=box) as second:
        for sender in (first, second):
            sender.start("box.send('more')")
        until(lambda: box.statistics().senders_waiting == 2, "both sleep")
        for left in (1, 0):
            box.receive()
            until(lambda left=left: box.statistics().senders_waiting == left, "one has sent")
            assert box.statistics().waiting == capacity
        first.answer()
        second.answer()


def test_a_full_mailbox_refuses_when_the_timeout_has_passed(mailbox):
    """A send that waited for `timeout` seconds raises Full, and has sent nothing."""
    box = mailbox(capacity=1)
    box.send(1)
    with pytest.raises(Full):
        box.send(2, timeout=0.01)
    with pytest.raises(Full):
        box.loan(2, timeout=0.01)
    assert box.receive_many(5) == [1]


def test_a_sender_waits_for_room(mailbox):
    """A send to a full mailbox returns once a receiver made room."""
    box = mailbox(capacity=1)
    box.send(1)
    with Actor("box = Mailbox('box')") as other:
        other.start("box.send(2)")
        until(lambda: box.statistics().senders_waiting, "the sender sleeps")
        assert len(box) == 1
        assert box.receive() == 1
        other.answer()
    assert box.receive() == 2


def test_capacity_counts_what_was_received_and_not_acknowledged(mailbox):
    """A leased message takes room until it is acknowledged."""
    box = mailbox(capacity=2)
    box.send(1)
    box.send(2)
    delivery = box.lease()
    assert len(box) == 1
    assert not box.try_send(3)
    delivery.acknowledge()
    assert box.try_send(3)
    assert not box.try_send(4)


def test_capacity_counts_a_loan(mailbox):
    """A message being written takes room until it is sent and received, or discarded."""
    box = mailbox(capacity=1)
    with box.loan(10):
        assert not box.try_send(1)
    assert box.try_send(1)


def test_an_empty_mailbox_refuses_at_once_without_a_timeout(mailbox):
    """With timeout=0 a receive from an empty mailbox raises Empty, which is a queue.Empty."""
    import queue

    box = mailbox()
    for use in (
        lambda: box.receive(timeout=0),
        lambda: box.receive_many(3, timeout=0),
        lambda: box.lease(timeout=0),
    ):
        with pytest.raises(Empty) as raised:
            use()
        assert isinstance(raised.value, queue.Empty)


def test_an_empty_mailbox_refuses_when_the_timeout_has_passed(mailbox):
    """A receive that waited for `timeout` seconds raises Empty."""
    box = mailbox()
    for use in (box.receive, box.lease, lambda timeout: box.receive_many(3, timeout=timeout)):
        with pytest.raises(Empty):
            use(timeout=0.01)


def test_a_receiver_waits_for_a_message(mailbox):
    """A receive from an empty mailbox returns once a message came."""
    box = mailbox()
    with Actor("box = Mailbox('box')") as other:
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "the receiver sleeps")
        box.send("at last")
        assert other.answer() == "at last"


def test_the_oldest_waiter_gets_the_message(mailbox):
    """Of several waiting receivers the one that has waited longest is chosen."""
    box = mailbox()
    lines = "box = Mailbox('box')"
    with Actor(lines) as first, Actor(lines) as second, Actor(lines) as third:
        for number, actor in enumerate((first, second, third), 1):
            actor.start("box.receive()")
            until(lambda n=number: box.statistics().receivers_waiting == n, "one more sleeps")
            until(actor.asleep, "it sleeps")
        for number, actor in enumerate((first, second, third)):
            box.send(number)
            assert actor.answer() == number


USES = {
    "send": lambda box, timeout: box.send(1, timeout=timeout),
    "send_many": lambda box, timeout: box.send_many([1], timeout=timeout),
    "loan": lambda box, timeout: box.loan(1, timeout=timeout),
    "receive": lambda box, timeout: box.receive(timeout=timeout),
    "receive_many": lambda box, timeout: box.receive_many(1, timeout=timeout),
    "lease": lambda box, timeout: box.lease(timeout=timeout),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("timeout", [-1, -0.001, float("nan"), float("-inf")])
def test_a_timeout_is_not_negative(mailbox, use, timeout):
    """A negative timeout and NaN raise ValueError, and nothing is sent or received."""
    box = mailbox()
    box.send("untouched")
    with pytest.raises(ValueError, match="timeout"):
        USES[use](box, timeout)
    assert box.peek() == ["untouched"]
    assert box.statistics().free == 1023


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("timeout", ["1", True, datetime.timedelta(seconds=1), [1], 1j])
def test_a_timeout_is_a_number(mailbox, use, timeout):
    """A timeout that is no number, or a bool, raises TypeError, and nothing happens."""
    box = mailbox()
    box.send("untouched")
    with pytest.raises(TypeError, match="timeout"):
        USES[use](box, timeout)
    assert box.peek() == ["untouched"]
    assert box.statistics().free == 1023


@pytest.mark.parametrize(
    "timeout", [None, 0, 0.0, 1e-12, 1, 1e300, float("inf"), np.float32(1), decimal.Decimal(1)]
)
def test_every_number_of_seconds_is_a_timeout(mailbox, timeout):
    """None, and any number from 0 to infinity, is a timeout."""
    box = mailbox()
    if isinstance(timeout, decimal.Decimal):
        with pytest.raises(TypeError):
            box.send(1, timeout=timeout)
        return
    box.send(1, timeout=timeout)
    assert box.receive(timeout=timeout) == 1


def test_a_timeout_is_given_by_its_name(mailbox):
    """No operation of a mailbox takes its timeout by position."""
    box = mailbox()
    with pytest.raises(TypeError):
        box.send(1, 5)
    with pytest.raises(TypeError):
        box.receive(5)
    with pytest.raises(TypeError):
        box.lease(5)


# ---- without waiting


def test_try_send_tells_whether_it_sent(mailbox):
    """try_send returns True when there was room, else False, and never waits."""
    box = mailbox(capacity=1)
    assert box.try_send(1) is True
    assert box.try_send(2) is False
    assert box.receive_many(2) == [1]


def test_try_receive_gives_the_default_when_there_is_nothing(mailbox):
    """try_receive returns the message, or else the default, which is None."""
    box = mailbox()
    assert box.try_receive() is None
    assert box.try_receive("nothing") == "nothing"
    box.send(1)
    assert box.try_receive("nothing") == 1


# ---- many


def test_send_many_sends_all_in_order(mailbox):
    """send_many sends what it is given in order, and returns how many that were."""
    box = mailbox()
    assert box.send_many([1, "two", b"three"]) == 3
    assert box.receive_many(5) == [1, "two", b"three"]


def test_send_many_takes_any_iterable(mailbox):
    """send_many takes a generator, and only as many of it as it can send."""
    box = mailbox(capacity=3)
    numbers = iter(range(10))
    assert box.send_many(numbers, timeout=0) == 3
    assert next(numbers) == 4  # one was taken for which there was no room
    assert box.receive_many(5) == [0, 1, 2]


def test_send_many_of_nothing_is_nothing(mailbox):
    """send_many([]) returns 0."""
    assert mailbox().send_many([]) == 0


def test_send_many_returns_how_many_had_room(mailbox):
    """send_many returns a part of the number when the rest had no room in time."""
    box = mailbox(capacity=3)
    assert box.send_many(range(5), timeout=0.01) == 3
    assert box.receive_many(5) == [0, 1, 2]


def test_send_many_raises_full_when_not_one_had_room(mailbox):
    """send_many raises Full only when it sent nothing at all."""
    box = mailbox(capacity=1)
    box.send(1)
    with pytest.raises(Full):
        box.send_many([2, 3], timeout=0)


def test_send_many_waits_for_room(mailbox):
    """send_many of more than the capacity goes on as receivers make room."""
    box = mailbox(capacity=2)
    with Actor("box = Mailbox('box')") as other:
        other.start("box.send_many(range(100))")
        assert [box.receive(timeout=60) for _ in range(100)] == list(range(100))
        assert other.answer() == 100


def test_an_iterable_that_raises_stops_send_many(mailbox):
    """What the iterable raises comes out of send_many; what it gave before was sent."""
    box = mailbox()

    def numbers():
        yield 1
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        box.send_many(numbers())
    assert box.receive_many(5) == [1]


def test_receive_many_takes_what_is_there(mailbox):
    """receive_many takes the waiting messages in order, at most `max`, without waiting for more."""
    box = mailbox()
    box.send_many(range(5))
    assert box.receive_many(3) == [0, 1, 2]
    assert box.receive_many(3) == [3, 4]


def test_receive_many_waits_for_the_first(mailbox):
    """receive_many of an empty mailbox waits until there is one message."""
    box = mailbox()
    with Actor("box = Mailbox('box')") as other:
        other.start("box.receive_many(10)")
        until(lambda: box.statistics().receivers_waiting, "the receiver sleeps")
        box.send("one")
        assert other.answer() == ["one"]


def test_receive_many_may_ask_for_more_than_fits(mailbox):
    """`max` can be larger than the capacity, however large."""
    box = mailbox(capacity=3)
    box.send_many(range(3))
    assert box.receive_many(1 << 60) == [0, 1, 2]
    assert box.send_many(range(3)) == 3


def test_receive_many_takes_thousands(mailbox):
    """receive_many takes all the messages that wait, however many they are."""
    box = mailbox(capacity=10_000)
    box.send_many(range(10_000))
    assert box.receive_many(10_000) == list(range(10_000))


@pytest.mark.parametrize("number", [0, -1])
def test_receive_many_of_none_is_a_value_error(mailbox, number):
    """`max` is at least 1."""
    with pytest.raises(ValueError, match="max"):
        mailbox().receive_many(number)


# ---- iterating, counting


def test_iterating_receives_until_the_mailbox_is_destroyed(mailbox):
    """`for message in box` receives what comes, waits for more, and ends at destroy()."""
    box = mailbox()
    with Actor("box = Mailbox('box')") as other:
        other.start("[message for message in box]")
        for number in range(3):
            box.send(number)
        until(lambda: len(box) == 0 and box.statistics().receivers_waiting, "all was received")
        box.destroy()
        assert other.answer() == [0, 1, 2]


def test_iterating_over_a_destroyed_mailbox_ends_at_once(mailbox):
    """Iteration that begins after destroy() gives nothing."""
    box = mailbox()
    box.send(1)
    box.destroy()
    assert [message for message in box] == []  # noqa: C416 -- list() would ask for len()


def test_len_counts_what_waits(mailbox):
    """len(box) is the number of messages that could be received now."""
    box = mailbox()
    assert len(box) == 0
    box.send_many(range(5))
    assert len(box) == 5
    with box.lease():
        assert len(box) == 4
    assert len(box) == 4
    box.lease().release()
    assert len(box) == 4


def test_an_empty_mailbox_is_true(mailbox):
    """A mailbox is a true value whatever is in it: `if box` asks whether there is one."""
    assert mailbox()


# ---- what a message can be


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Order:
    item: str
    count: int


class Point(msgspec.Struct):
    x: int
    y: int


MESSAGES = [
    *(b"", b"bytes", bytearray(b"array"), memoryview(b"view")),
    *(None, True, False, 0, -1, 2**63 - 1, 1.5, "", "é€😀", [], [1, [2]], {}, {"a": {"b": None}}),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_plain_data_arrives_as_it_was_sent(mailbox, message):
    """Bytes arrive as the same bytes, plain data as equal plain data."""
    box = mailbox()
    box.send(message)
    arrived = box.receive()
    assert arrived == message
    if isinstance(message, bytes | bytearray | memoryview):
        assert type(arrived) is bytes


@pytest.mark.parametrize(
    "message",
    [
        Order("tea", 2),
        Point(1, 2),
        Colour.RED,
        (1, 2),
        {1, 2},
        datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC),
        uuid.UUID(int=7),
        decimal.Decimal("1.20"),
    ],
    ids=repr,
)
def test_with_a_type_a_message_arrives_as_that_type(mailbox, message):
    """`type=` brings a dataclass, Struct, enum, set or date back as what was sent."""
    box = mailbox(type=type(message))
    box.send(message)
    arrived = box.receive()
    assert arrived == message
    assert type(arrived) is type(message)


def test_without_a_type_a_dataclass_arrives_as_a_dict(mailbox):
    """What has a structure arrives as plain data where no type is said."""
    box = mailbox()
    box.send(Order("tea", 2))
    assert box.receive() == {"item": "tea", "count": 2}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4),
        np.array(1.5),
        np.zeros(0),
        np.array([1, 2], dtype=">i4"),
        np.arange(12)[::2],
        np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    ],
    ids=lambda array: f"{array.dtype}{array.shape}",
)
def test_an_array_arrives_as_an_array(mailbox, array):
    """A NumPy array arrives with its values, shape and dtype, as memory of the receiver's."""
    box = mailbox()
    box.send(array)
    arrived = box.receive()
    np.testing.assert_array_equal(arrived, array)
    assert arrived.dtype == array.dtype
    assert arrived.flags.writeable


def test_pickle_is_for_receivers_that_ask_for_it(mailbox):
    """With codec="pickle" at both ends any object travels."""
    box = mailbox(codec="pickle")
    box.send(Ellipsis)
    assert box.receive() is Ellipsis


def test_a_pickle_is_not_loaded_unasked(mailbox):
    """A receiver that did not ask for pickle gets DecodeError, with the bytes of the message."""
    box = mailbox()
    with Mailbox("box", codec="pickle") as sender:
        sender.send({1, 2})
    with pytest.raises(DecodeError) as raised:
        box.receive()
    import pickle

    assert pickle.loads(raised.value.payload) == {1, 2}


class Json:
    def encode(self, message):
        import json

        return json.dumps(message).encode()

    def decode(self, payload):
        import json

        return json.loads(payload)


def test_a_codec_of_ones_own_encodes_and_decodes(mailbox):
    """codec= takes an object with encode() and decode()."""
    box = mailbox(codec=Json())
    box.send({"a": [1, None]})
    assert box.receive() == {"a": [1, None]}


def test_what_cannot_be_encoded_is_not_sent(mailbox):
    """EncodeError, a ValueError, for what is no message; the mailbox is as before."""
    box = mailbox()
    for bad in (object(), threading.Lock(), [lambda: 1]):
        with pytest.raises(EncodeError) as raised:
            box.send(bad)
        assert isinstance(raised.value, ValueError)
    assert box.statistics().free == 1024
    assert len(box) == 0


def test_a_message_that_cannot_be_decoded_is_taken_and_carried_by_the_error(mailbox):
    """receive() of a message of another type raises DecodeError with its payload, once."""
    box = mailbox(type=int)
    with Mailbox("box") as sender:
        sender.send_many(["text", 7])
    with pytest.raises(DecodeError) as raised:
        box.receive()
    assert msgspec.msgpack.decode(raised.value.payload) == "text"
    assert box.receive() == 7
    assert box.statistics().free == 1024


def test_receive_many_gives_those_before_one_that_cannot_be_decoded(mailbox):
    """The messages before an undecodable one come first; it raises when it is the next."""
    box = mailbox(type=int)
    with Mailbox("box") as sender:
        sender.send_many([1, 2, "text", 3])
    assert box.receive_many(10) == [1, 2]
    assert len(box) == 2
    with pytest.raises(DecodeError):
        box.receive_many(10)
    assert box.receive_many(10) == [3]
    assert box.statistics().free == 1024


def test_messages_behind_an_undecodable_one_were_not_delivered(mailbox):
    """What receive_many could not give because of one before it counts as never delivered."""
    box = mailbox(type=int)
    with Mailbox("box") as sender:
        sender.send_many([1, "text", 3])
    assert box.receive_many(10) == [1]
    with pytest.raises(DecodeError):
        box.receive()
    assert box.lease().attempt == 1


# ---- size


@pytest.mark.parametrize("size", [0, 1, 71, 72, 73, 1023, 1024, 1025, 4096, 100_000, MIB, 5 * MIB])
def test_messages_of_any_size_arrive(mailbox, size):
    """A mailbox without max_message= carries messages of any size, and grows for them."""
    box = mailbox()
    message = os.urandom(size)
    box.send(message)
    assert box.receive() == message


def test_a_large_message_arrives_in_another_process(mailbox):
    """64 MiB are carried between processes, and the room is used again."""
    box = mailbox()
    lines = ["box = Mailbox('box')", "import hashlib"]
    with Actor(*lines) as other:
        import hashlib

        for _ in range(2):
            message = os.urandom(MIB) * 64
            other.start("hashlib.sha256(box.receive()).hexdigest()")
            box.send(message, timeout=60)
            assert other.answer() == hashlib.sha256(message).hexdigest()
    assert box.statistics().memory_used == 0
    assert box.link.bytes < 200 * MIB


def test_memory_that_was_used_is_used_again(mailbox):
    """The memory of a mailbox does not grow with the number of large messages that passed."""
    box = mailbox()
    for _ in range(3):
        box.send(bytes(3 * MIB))
        box.receive()
    grown = box.statistics().memory_reserved
    for _ in range(50):
        box.send(bytes(3 * MIB))
        box.receive()
    assert box.statistics().memory_reserved == grown
    assert box.statistics().memory_used == 0


def test_a_message_above_max_message_is_too_large(mailbox):
    """max_message= is the largest message in bytes: that much fits, one more is TooLarge."""
    box = mailbox(capacity=2, max_message=100)
    box.send(bytes(100))
    with pytest.raises(TooLarge) as raised:
        box.send(bytes(101))
    assert isinstance(raised.value, ValueError)
    with pytest.raises(TooLarge):
        box.try_send(bytes(101))
    with pytest.raises(TooLarge):
        box.loan(101)
    assert box.receive() == bytes(100)
    assert box.statistics().free == 2


@pytest.mark.parametrize("size", [1, 7, 8, 9, 63, 64, 65, 1000, 1 << 20])
def test_every_place_has_room_for_max_message(mailbox, size):
    """With max_message= a mailbox takes its capacity of the largest messages."""
    box = mailbox(capacity=5, max_message=size)
    messages = [os.urandom(size) for _ in range(5)]
    assert box.send_many(messages, timeout=0) == 5
    assert box.receive_many(9) == messages


def test_memory_limits_what_waits_together(mailbox):
    """With memory= large messages are Full when their memory is used up, and fit again later."""
    box = mailbox(memory=64 * KIB)
    sent = box.send_many([bytes(10_000)] * 100, timeout=0)
    assert 0 < sent < 10
    with pytest.raises(Full):
        box.send(bytes(10_000), timeout=0)
    box.send(b"small ones need none of it")
    assert len(box.receive_many(100)) == sent + 1
    assert box.send_many([bytes(10_000)] * 100, timeout=0) == sent


def test_a_message_above_the_memory_is_too_large(mailbox):
    """With memory= a message that can never fit raises TooLarge, and does not wait."""
    box = mailbox(memory=64 * KIB)
    largest = box.link.max_message
    assert 0 < largest <= 64 * KIB
    box.send(bytes(largest))
    with pytest.raises(TooLarge):
        box.send(bytes(largest + 1))
    with pytest.raises(TooLarge):
        box.send(bytes(MIB))
    assert len(box.receive()) == largest


def test_a_sender_waits_for_memory(mailbox):
    """A large message waits until the memory that it needs is free."""
    box = mailbox(memory=64 * KIB)
    count = box.send_many([bytes(10_000)] * 100, timeout=0)
    with Actor("box = Mailbox('box')") as other:
        other.start("box.send(bytes(10_000))")
        until(lambda: box.statistics().senders_waiting, "the sender sleeps")
        for _ in range(count):
            box.receive()
        other.answer()
    assert len(box.receive()) == 10_000


# ---- threads


def test_many_threads_share_an_end(mailbox):
    """Threads that send and receive through one end get every message exactly once."""
    box = mailbox(capacity=16)
    count, threads = 2000, 4
    received = [[] for _ in range(threads)]

    def sends(who):
        for number in range(count):
            box.send((who, number))

    def receives(into):
        while (message := box.receive()) is not None:
            into.append(tuple(message))

    senders = [threading.Thread(target=sends, args=(n,)) for n in range(threads)]
    receivers = [threading.Thread(target=receives, args=(into,)) for into in received]
    for thread in senders + receivers:
        thread.start()
    for thread in senders:
        thread.join(100)
    box.send_many([None] * threads)
    for thread in receivers:
        thread.join(100)
    everything = Counter(message for into in received for message in into)
    assert everything == Counter((who, n) for who in range(threads) for n in range(count))
    for into in received:  # what one thread got of one sender is in order
        for who in range(threads):
            numbers = [n for sender, n in into if sender == who]
            assert numbers == sorted(numbers)


def test_a_waiting_thread_does_not_hold_up_the_others(mailbox):
    """A thread that waits in an end leaves the end, and the interpreter, to other threads."""
    box, other = mailbox(), mailbox("other")
    received = []
    thread = threading.Thread(target=lambda: received.append(box.receive()))
    thread.start()
    until(lambda: box.statistics().receivers_waiting, "the thread sleeps")
    other.send(1)
    assert other.receive() == 1
    box.send("done")
    thread.join(60)
    assert received == ["done"]


# ---- looking


def test_peek_shows_what_waits_and_takes_nothing(mailbox):
    """peek() gives copies of the oldest messages, ten unless said otherwise, in order."""
    box = mailbox()
    assert box.peek() == []
    box.send_many(range(20))
    assert box.peek() == list(range(10))
    assert box.peek(3) == [0, 1, 2]
    assert box.peek(100) == list(range(20))
    assert box.peek(0) == []
    assert len(box) == 20
    assert box.lease().attempt == 1


def test_peek_shows_returned_messages_first(mailbox):
    """peek() shows messages in the order in which they would be received."""
    box = mailbox()
    box.send_many(range(4))
    first, second = box.lease(), box.lease()
    second.release()
    first.release()
    assert box.peek() == [0, 1, 2, 3]
    assert box.receive_many(9) == [0, 1, 2, 3]


def test_peek_shows_what_cannot_be_decoded_as_bytes(mailbox):
    """peek() gives the payload of a message that is not of this end's type."""
    box = mailbox(type=int)
    with Mailbox("box") as sender:
        sender.send_many([1, "text"])
    assert box.peek() == [1, msgspec.msgpack.encode("text")]


def test_peek_of_fewer_than_none_is_a_value_error(mailbox):
    """`max` of peek is at least 0."""
    with pytest.raises(ValueError, match="max"):
        mailbox().peek(-1)


def test_peek_while_others_send_and_receive_shows_whole_messages(mailbox):
    """A copy that peek gives is one that was sent, however busy the mailbox is."""
    box = mailbox(capacity=8)
    sends = "[box.send(bytes([n % 256]) * 3000) for n in range(3000)] and None"
    receives = "[box.receive() for n in range(3000)] and None"
    with Actor("box = Mailbox('box')") as sender, Actor("box = Mailbox('box')") as receiver:
        sender.start(sends)
        receiver.start(receives)
        while box.statistics().taken < 3000:
            for message in box.peek():
                assert message == message[:1] * 3000
        sender.answer()
        receiver.answer()


def test_statistics_count_everything(mailbox):
    """statistics() is a frozen snapshot of what was sent, waits, is leased and is free."""
    box = mailbox(capacity=10)
    box.send_many(range(5))
    box.receive()
    delivery = box.lease()
    box.lease().release()
    loan = box.loan(5000)
    now = box.statistics()
    assert (now.accepted, now.taken) == (5, 3)
    assert (now.waiting, now.returned, now.leased, now.loaned, now.free) == (3, 1, 1, 1, 5)
    assert (now.receivers_waiting, now.senders_waiting) == (0, 0)
    assert 5000 <= now.memory_used <= now.memory_reserved <= now.memory_limit
    with pytest.raises(AttributeError):
        now.waiting = 0
    delivery.acknowledge()
    loan.discard()
    assert box.statistics().free == 7


def test_statistics_count_the_waiting(mailbox):
    """statistics() tells how many threads sleep until there is a message, or room."""
    box = mailbox(capacity=1)
    with Actor("box = Mailbox('box')") as a, Actor("box = Mailbox('box')") as b:
        a.start("box.receive()")
        b.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting == 2, "two receivers sleep")
        box.send(1)
        box.send(2)
        a.answer(), b.answer()
        assert box.statistics().receivers_waiting == 0
        a.start("box.send_many([1, 2])")
        until(lambda: box.statistics().senders_waiting == 1, "a sender sleeps")
        box.receive_many(2)
        a.answer()
    box.receive()


def test_destroying_while_many_are_at_work_ends_all_of_them(mailbox):
    """Senders and receivers in full swing all end with Destroyed, and none hangs or crashes."""
    box = mailbox(capacity=4)
    workers = [Process(function) for function in (_sends, _sends, _receives, _receives)]
    for worker in workers:
        worker.reach("at work")
    until(lambda: box.statistics().taken > 1000, "all are at work")
    box.destroy()
    for worker in workers:
        with worker:
            assert worker.result() == "Destroyed"


def _sends():
    return _works(lambda box: box.send(bytes(2000)))


def _receives():
    return _works(lambda box: box.receive())


def _works(use):
    with Mailbox("box") as box:
        point("at work")
        try:
            while True:
                use(box)
        except Destroyed:
            return "Destroyed"
