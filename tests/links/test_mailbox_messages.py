"""Sending and receiving: room, timeouts, batches, sizes, memory, and many at work at once."""

import hashlib
import os

import pytest

from liaison import Destroyed, Full, Mailbox, TooLarge
from liaison.testing import Process, point, until
from tests.beside import Beside
from tests.links.actor import Actor

KIB, MIB = 1 << 10, 1 << 20


def test_two_processes_play_ping_pong(mailbox):
    """Two processes answer each other through two mailboxes, a message at a time."""
    there, back = mailbox("there"), mailbox("back")
    with Actor("there = Mailbox('there')", "back = Mailbox('back')") as other:
        other.start("[back.send(there.receive()) for _ in range(2000)] and None")
        for number in range(2000):
            there.send(number)
            assert back.receive(timeout=60) == number
        other.answer()


# ---- room


@pytest.mark.parametrize("capacity", [1, 5, 200])
def test_one_free_place_is_enough_for_a_sender_that_waits(mailbox, capacity):
    """Each place that becomes free lets one of the senders go on that sleep at a full mailbox."""
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


def test_the_oldest_waiter_gets_the_message(mailbox):
    """A message wakes the receiver that has waited longest.

    Now and then a receiver that looks by itself takes a message that another was woken for. By
    chance alone three of them are in order in so many rounds once in thousands of times.
    """
    box = mailbox()
    lines = "box = Mailbox('box')"
    in_order = 0
    with Actor(lines) as first, Actor(lines) as second, Actor(lines) as third:
        for _ in range(8):
            for count, actor in enumerate((first, second, third), 1):
                actor.start("box.receive()")
                until(lambda n=count: box.statistics().receivers_waiting == n, "one more sleeps")
                until(actor.asleep, "it sleeps")
            for number in range(3):
                box.send(number)
                until(lambda: not len(box), "somebody has received it")
            in_order += [actor.answer() for actor in (first, second, third)] == [0, 1, 2]
    assert in_order >= 5


# ---- timeouts and batches


@pytest.mark.parametrize(("timeout", "error"), [(-1, ValueError), ("1", TypeError)])
def test_every_operation_checks_its_timeout(mailbox, timeout, error):
    """Leases, loans and receipts check a timeout as the other operations do; nothing happens."""
    box = mailbox()
    receipt = box.send("untouched", receipt=True)
    for use in (box.lease, lambda **given: box.loan(1, **given)):
        with pytest.raises(error, match="timeout"):
            use(timeout=timeout)
    for wait in (receipt.wait_received, receipt.wait_acknowledged):
        with pytest.raises(error, match="timeout"):
            wait(timeout=timeout)
    assert box.peek() == ["untouched"]
    assert box.statistics().free == 1023


def test_a_timeout_is_given_by_its_name(mailbox):
    """No operation of a mailbox takes its timeout by position."""
    box = mailbox()
    for use, arguments in ((box.send, (1, 5)), (box.receive, (5,)), (box.lease, (5,))):
        with pytest.raises(TypeError):
            use(*arguments)


def test_receive_many_takes_thousands(mailbox):
    """receive_many takes all the messages that wait, however many they are."""
    box = mailbox(capacity=10_000)
    box.send_many(range(10_000))
    assert box.receive_many(10_000) == list(range(10_000))


# ---- size


@pytest.mark.parametrize("size", [0, 1, 71, 72, 73, 1023, 1024, 1025, 4096, 100_000, MIB, 5 * MIB])
def test_messages_of_any_size_arrive(mailbox, size):
    """A mailbox without max_message= carries messages of any size, and grows for them."""
    box = mailbox()
    message = os.urandom(size)
    box.send(message)
    assert box.receive() == message


def test_a_large_message_arrives_in_another_process(mailbox):
    """64 MiB are carried between processes, and their memory is used again."""
    box = mailbox()
    with Actor("box = Mailbox('box')", "import hashlib") as other:
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
    for number in range(50):
        box.send(bytes(3 * MIB))
        now = box.statistics()
        assert 3 * MIB <= now.memory_used <= now.memory_reserved <= now.memory_limit
        if number == 3:
            grown = now.memory_reserved
        box.receive()
    assert now.memory_reserved == grown
    assert box.statistics().memory_used == 0


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


# ---- many at work


def test_a_waiting_thread_does_not_hold_up_the_others(mailbox):
    """A thread that waits in an end leaves the end, and the interpreter, to other threads."""
    box, other = mailbox(), mailbox("other")
    waiting = Beside(box.receive)
    until(lambda: box.statistics().receivers_waiting, "the thread sleeps")
    other.send(1)
    assert other.receive() == 1
    box.send("done")
    assert waiting.result() == "done"


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


def test_destroying_while_many_are_at_work_ends_all_of_them(mailbox):
    """Senders and receivers that are at work all get Destroyed, and none hangs or crashes."""
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
