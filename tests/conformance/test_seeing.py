"""peek, statistics, len, link: looking without taking."""

import os

import pytest

from liaison import Link, Peer, Statistics
from liaison.testing import until
from tests.conformance.kinds import on


@on("peek", "buffered")
def test_peek_takes_nothing(stage):
    """`peek` gives copies of at most `max` waiting messages, oldest first, and takes nothing."""
    sender, receiver = stage.ends(capacity=20)
    sender.send_many(range(12))
    assert receiver.peek() == list(range(10))
    assert receiver.peek(2) == [0, 1]
    assert receiver.peek(max=100) == list(range(12))
    assert receiver.peek(0) == []
    assert receiver.receive_many(20, timeout=0) == list(range(12))


@on("peek", "buffered")
def test_peek_shows_what_cannot_be_decoded_as_bytes(stage):
    """What cannot be decoded appears in `peek` as its bytes."""
    sender, receiver = stage.ends(type=int)
    sender.send("seven")
    assert receiver.peek() == [b"\xa5seven"]


@on("peek")
def test_peek_of_less_than_nothing_is_a_mistake(stage):
    """`peek`'s `max` is 0 or more: anything else is a ValueError."""
    _, receiver = stage.ends()
    with pytest.raises(ValueError, match="0 or more"):
        receiver.peek(-1)


@on("len", "lease", "buffered")
def test_len_counts_what_waits(stage):
    """`len(box)` is the number of messages that wait: not those that are leased."""
    sender, receiver = stage.ends()
    assert len(receiver) == 0
    assert receiver  # an empty link is a link
    sender.send_many([1, 2, 3])
    assert len(receiver) == 3
    assert "both ways" in stage.has or len(sender) == 3
    delivery = receiver.lease(timeout=0)
    assert len(receiver) == 2
    delivery.release()
    assert len(receiver) == 3


@on("statistics", "lease", "loan", "buffered", "bounded", "local")
def test_statistics_count(stage):
    """`statistics()` is a frozen snapshot of what was sent, taken, waits, and is held."""
    sender, receiver = stage.ends(capacity=9)
    sender.send_many(range(5))
    receiver.receive(timeout=0)
    delivery = receiver.lease(timeout=0)
    receiver.lease(timeout=0).release()
    loan = sender.loan(1)
    now = receiver.statistics()
    assert isinstance(now, Statistics)
    assert (now.accepted, now.taken) == (5, 3)
    assert (now.waiting, now.returned) == (3, 1)
    assert (now.leased, now.loaned, now.free) == (1, 1, 4)
    assert (now.receivers_waiting, now.senders_waiting) == (0, 0)
    with pytest.raises(AttributeError):
        now.accepted = 0
    delivery.acknowledge()
    loan.discard()


@on()
def test_link_is_frozen_facts(stage):
    """`link` is a frozen Link with every fact that the contract names."""
    _, receiver = stage.ends()
    link = receiver.link
    assert isinstance(link, Link)
    with pytest.raises(AttributeError):
        link.name = "another"
    assert link.kind == stage.kind.shown
    assert link.carrier == stage.carrier.name
    assert link.direction == ("two-way" if "both ways" in stage.has else "one-way")
    assert link.established == stage.kind.established
    assert isinstance(link.id, str)
    assert link.max_processes >= 2
    assert link.max_message > 0


@on("open")
def test_a_link_knows_its_name_and_address(stage):
    """`link.name` is the name that it was opened by; its id is its own."""
    sender, receiver = stage.ends()
    assert receiver.link.name == stage.address
    assert receiver.address.endswith(f"/{stage.address}")
    assert sender.link.id == receiver.link.id
    _, another = stage.ends()
    assert another.link.id != receiver.link.id


@on("max_message", "bounded")
def test_a_link_knows_its_geometry(stage):
    """`capacity`, `message_size` and `max_message` are what the link was created with."""
    _, receiver = stage.ends(max_message=100)
    assert receiver.link.message_size == "fixed"
    assert receiver.link.max_message == 100
    _, receiver = stage.ends(**({"capacity": 7} if "buffered" in stage.has else {}))
    assert receiver.link.capacity == (7 if "buffered" in stage.has else 0)
    if stage.kind.shown != "queue":
        assert receiver.link.message_size == "variable"


@on("open", "destroy", "buffered")
def test_a_link_knows_who_is_on_it(stage):
    """`senders` and `receivers` are the Peers that send and receive on it now."""
    receiver, there = stage.other_sends()
    there.do("end.send('hello')")
    assert receiver.receive(timeout=60) == "hello"
    link = receiver.link
    assert [peer.pid for peer in link.senders] == [there.pid]
    assert [peer.pid for peer in link.receivers] == [os.getpid()]
    peer = link.senders[0]
    assert isinstance(peer, Peer)
    assert peer.name is None
    assert peer.host == link.creator.host != ""
    assert peer.started > 0
    assert peer.command
    there.kill()
    until(lambda: receiver.link.senders == (), "its end is noticed")


@on(kinds=["port"])
def test_a_port_shows_its_receiver_and_senders_from_the_beginning(stage):
    """A port's receiver is its creator, and its senders are who opened it, used or not."""
    receiver, there = stage.other_sends()
    assert [peer.pid for peer in receiver.link.receivers] == [os.getpid()]
    assert [peer.pid for peer in receiver.link.senders] == [there.pid]


@on("open", "destroy")
def test_a_link_knows_its_creator(stage):
    """`creator` is the process that made it."""
    sender, there = stage.other_receives()
    assert sender.link.creator.pid == there.pid
