"""Handles in other processes: forked, spawned, threaded; and processes that die."""

import gc
import pickle

import pytest

from liaison import Destroyed, LeaseLost, NotFound
from liaison.testing import until
from tests.conformance.kinds import KINDS, on
from tests.links.actor import Actor


@on("pickle", "buffered", "many")
def test_an_end_is_pickled_by_its_address(stage):
    """An end is picklable: what arrives is an end of the same link, with the same `type=`."""
    sender, receiver = stage.ends(type=int)
    with pickle.loads(pickle.dumps(sender)) as same:
        assert same is not sender
        assert same.address == sender.address
        assert isinstance(same, type(sender).__mro__[1]) or type(same).__name__ == stage.kind.maker
        same.send(7)
    assert receiver.receive(timeout=0) == 7


@on("pickle", "buffered", "many", carriers=["shm"], in_tasks=False)
def test_an_end_travels_to_a_spawned_process(stage):
    """An end that is given to a process that is no relation works there."""
    sender, receiver = stage.ends()
    with Actor(end=sender) as spawned:
        spawned.do("end.send({'from': 'there'})")
        assert receiver.receive(timeout=60) == {"from": "there"}


@on("pickle", "buffered", "local", carriers=["shm"], in_tasks=False)
def test_an_end_works_in_a_forked_child(stage):
    """An end works in a forked child, as that process's own."""
    sender, receiver = stage.ends()
    with Actor(fork=True, end=sender) as child:
        child.do("end.send('from the child')")
        with receiver.lease(timeout=60) as delivery:
            assert delivery.message == "from the child"
            assert delivery.sender.pid == child.pid


@on("lease", "buffered", carriers=["shm"], in_tasks=False)
def test_a_parents_lease_is_not_its_childs(stage):
    """What the parent has leased a forked child can neither acknowledge nor release."""
    sender, receiver = stage.ends()
    sender.send("job")
    delivery = receiver.lease(timeout=0)
    with Actor(fork=True, delivery=delivery) as child:
        for settle in ("acknowledge", "release"):
            with pytest.raises(LeaseLost):
                child.do(f"delivery.{settle}()")
    assert receiver.statistics().leased == 1
    delivery.acknowledge()


@on("buffered", "lease", "outlives", "receivers")
def test_a_killed_receivers_message_comes_back(stage):
    """A receiver that is killed with a lease gives its message to the next one, flagged."""
    sender, there = stage.other_receives()
    sender.send_many(["first", "second"])
    there.do("delivery = end.lease(timeout=60)")
    there.kill()
    with sender.lease(timeout=60) as delivery:
        assert (delivery.message, delivery.attempt) == ("first", 2)
    assert sender.receive(timeout=60) == "second"


@on("buffered", "loan", "bounded", "outlives")
def test_a_killed_senders_loan_makes_room(stage):
    """A sender that is killed while it writes leaves no message, and no place in use."""
    receiver, there = stage.other_sends(capacity=1)
    there.do("loan = end.loan(3, timeout=60)")
    there.kill()
    receiver.send("room", timeout=60)
    assert receiver.receive(timeout=60) == "room"


@on("buffered")
def test_what_a_killed_sender_sent_arrives(stage):
    """A message that was accepted is delivered, though its sender is killed."""
    receiver, there = stage.other_sends()
    there.do("end.send_many(range(3), timeout=60)")
    there.kill()
    assert [receiver.receive(timeout=60) for _ in range(3)] == [0, 1, 2]


@on("receivers", "buffered", "many")
def test_a_killed_waiter_takes_nothing(stage):
    """A receiver that is killed while it waits takes no message with it."""
    sender, there = stage.other_receives()
    there.start("end.receive()")
    until(lambda: stage.receivers_waiting(sender), "the other one waits")
    there.kill()
    sender.send("for the living")
    assert sender.receive(timeout=60) == "for the living"


@on("rendezvous", without=["buffered"])
def test_a_killed_senders_offer_is_nobodys(stage, beside):
    """What a sender that is killed offered at a rendezvous delays nobody."""
    receiver, there = stage.other_sends()
    there.start("end.send('from the dead')")
    until(lambda: len(receiver), "the message is offered")
    there.kill()
    living = beside(receiver.send, "from the living", timeout=60)
    received = receiver.receive(timeout=60)
    if received == "from the dead":
        received = receiver.receive(timeout=60)
    assert received == "from the living"
    living.result()


@on(without=["unbroken"])
def test_a_killed_peer_ends_a_connection(stage):
    """A connection whose other process is killed ends: EOFError after what it sent."""
    receiver, there = stage.other_sends()
    there.do("end.send('last words', timeout=60)")
    there.kill()
    assert receiver.receive(timeout=60) == "last words"
    with pytest.raises(EOFError):
        receiver.receive(timeout=60)


@pytest.mark.parametrize("how", ["kill()", "do('end.close()')"])
@on(kinds=["port"])
def test_a_port_ends_with_its_receiver(stage, beside, how):
    """A port is destroyed when its receiver closes or is killed; senders that wait learn it."""
    sender, there = stage.other_receives(capacity=1)
    sender.send("fills it")
    waiting = beside(sender.send, 1)
    until(lambda: stage.senders_waiting(sender), "it waits")
    eval(f"there.{how}", {"there": there})
    with pytest.raises(Destroyed):
        waiting.result()
    until(lambda: _missing(stage), "the name is free")


def _missing(stage):
    try:
        stage.open()
    except NotFound:
        return True
    return False


@on(kinds=["port"])
def test_a_ports_dead_letters(stage):
    """What a killed receiver left of a port goes to its `dead_letters`, where given."""
    sender, there = stage.other_receives(dead_letters="letters")
    sender.send_many(["held", "queued"])
    there.do("delivery = end.lease(timeout=60)")
    there.kill()
    until(lambda: _missing(stage), "the name is free")
    with stage.carrier.names["Mailbox"]("letters") as letters:
        assert letters.receive_many(5, timeout=60) == ["held", "queued"]
        letters.destroy(force=True)


@on("outlives", "open", "buffered")
def test_a_link_outlives_its_creator(stage):
    """A link is there after its creator was killed."""
    sender, there = stage.other_receives()
    there.kill()
    sender.send("still here")
    assert sender.receive(timeout=60) == "still here"


def _broken(sender):
    try:
        sender.send(1, timeout=0)
    except BrokenPipeError:
        return True
    return False


# The reference knows its ends by strong references: it is not what the collector is tested with.
# A forked child's frames hold what it inherited: a pipe's end cannot be dropped there.
@on("buffered", carriers=["shm", "stream"], kinds=KINDS.keys() - {"pipe"})
def test_dropping_an_end_closes_it(stage):
    """An end that nobody holds any more is closed."""
    sender, there = stage.other_receives()
    there.do("del end")
    gc.collect()
    if "unbroken" not in stage.has:
        until(lambda: _broken(sender), "its end is noticed")
    elif "outlives" in stage.has:
        sender.send(1, timeout=0)
    else:
        until(lambda: _missing(stage), "the port has ended")
