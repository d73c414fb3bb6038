"""Order: first in, first out; what comes back comes first."""

from liaison.testing import until
from tests.conformance.kinds import on


@on()
def test_messages_of_one_sender_arrive_in_their_order(stage, beside):
    """Messages of one sender arrive in the order in which it sent them."""
    sender, receiver = stage.ends()
    sending = beside(sender.send_many, range(300), timeout=60)
    assert [receiver.receive(timeout=60) for _ in range(300)] == list(range(300))
    assert sending.result() == 300


@on("many")
def test_each_senders_order_holds_beside_others(stage):
    """Each sender's messages arrive in its order, also while another process sends."""
    few = {"capacity": 10} if stage.has >= {"bounded", "buffered"} else {}
    receiver, there = stage.other_sends(**few)
    another = stage.another_sends()
    there.start("end.send_many([['a', n] for n in range(100)], timeout=60)")
    another.start("end.send_many([['b', n] for n in range(100)], timeout=60)")
    received = [receiver.receive(timeout=60) for _ in range(200)]
    assert there.answer() == another.answer() == 100
    for who in "ab":
        assert [n for name, n in received if name == who] == list(range(100))


@on("lease", "buffered")
def test_returned_messages_come_first_in_their_order(stage):
    """Messages that come back are delivered ahead of the rest, in the order they were sent."""
    sender, receiver = stage.ends()
    sender.send_many(range(5))
    deliveries = [receiver.lease(timeout=0) for _ in range(3)]
    for delivery in reversed(deliveries):
        delivery.release()
    assert receiver.peek() == [0, 1, 2, 3, 4]
    assert receiver.receive_many(10, timeout=0) == [0, 1, 2, 3, 4]


@on("receivers", "buffered", carriers=["memory"])
def test_the_oldest_waiter_is_served_first(stage, beside):
    """Of receivers that wait the oldest gets the message: strictly so in the reference."""
    sender, receiver = stage.ends()
    waiting = []
    for count in range(1, 4):
        waiting.append(beside(receiver.receive, timeout=60))
        until(lambda n=count: stage.receivers_waiting(receiver) == n, "one more waits")
    for number in range(3):
        sender.send(number)
    assert [one.result() for one in waiting] == [0, 1, 2]


@on("receivers", "buffered")
def test_one_message_wakes_one_of_those_that_wait(stage, beside):
    """Each of several receivers that wait gets one message, and none is left asleep."""
    sender, receiver = stage.ends()
    waiting = [beside(receiver.receive, timeout=60) for _ in range(4)]
    sender.send_many(range(4))
    assert sorted(one.result() for one in waiting) == [0, 1, 2, 3]
