"""Endpoints: direct communication, between processes that name each other."""

import pytest

from liaison import Closed, NoReceiver, NotFound
from tests.conformance.kinds import on

on_endpoints = on(kinds=["endpoint"])
on_pairs = on(kinds=["endpoint, from one"])


@on_endpoints
def test_a_renamed_endpoint_is_still_reached(stage):
    """`rename(new)`: senders who know the old name still reach it, unchanged; `aliases` has it."""
    sender, receiver = stage.ends()
    sender.send("before")
    receiver.rename("clerk")
    sender.send("after")
    sender.send("clerk", "by the new name")
    received = [receiver.receive(timeout=60) for _ in range(3)]
    assert received == ["before", "after", "by the new name"]
    assert (receiver.name, receiver.aliases) == ("clerk", ["taker"])


@on_endpoints
def test_a_retired_name_reaches_nobody(stage):
    """`retire(old)`: after it the old name is nobody's, and the new one goes on."""
    sender, receiver = stage.ends()
    sender.send("before")
    receiver.rename("clerk")
    receiver.retire("taker")
    with pytest.raises(NotFound):
        sender.send("after", timeout=0)
    assert receiver.aliases == []
    assert receiver.receive(timeout=60) == "before"
    sender.send("clerk", "by the new name")
    assert receiver.receive(timeout=60) == "by the new name"
    receiver.rename("taker")


@pytest.mark.parametrize("how", ["kill()", "do('end.close()')"])
@on_endpoints
def test_who_comes_back_finds_what_was_sent_meanwhile(stage, how):
    """A process that comes back under its name finds what was sent to it meanwhile."""
    sender, there = stage.other_receives()
    sender.send("before")
    eval(f"there.{how}", {"there": there})
    sender.send("meanwhile")
    with stage.carrier.names["Endpoint"]("taker") as again:
        assert [again.receive(timeout=60) for _ in range(2)] == ["before", "meanwhile"]


@on_endpoints
def test_a_link_is_set_up_at_first_use_and_one_for_each_pair(stage):
    """The link of each pair is set up at first use; there is one for the two directions."""
    sender, receiver = stage.ends()
    assert sender.links() == receiver.links() == []
    sender.send("there")
    receiver.receive(timeout=60)
    receiver.send("and back")
    sender.receive(timeout=60)
    for end in (sender, receiver):
        assert [link.direction for link in end.links()] == ["two-way"]


@on_pairs
def test_a_pair_meets_in_rendezvous(stage, beside):
    """`capacity=0` makes a pair meet in rendezvous, whichever of the two said so."""
    sender, receiver = stage.ends(capacity=0)
    with pytest.raises(NoReceiver):
        sender.send("too early", timeout=0)
    sending = beside(sender.send, "hello", timeout=60)
    assert receiver.receive(timeout=60) == "hello"
    sending.result()


@on_endpoints
def test_receive_takes_from_one_or_from_anyone(stage):
    """`receive(source)` takes what that one sent, `receive()` what anyone did."""
    receiver, there = stage.other_sends()
    another = stage.another_sends()
    there.do("end.send('from the one')")
    another.do("end.send('from the other')")
    assert receiver.receive("another", timeout=60) == "from the other"
    assert receiver.receive(timeout=60) == "from the one"


@on_endpoints
def test_the_textbooks_primitives(stage):
    """`liaison.send(target, message)` and `liaison.receive(source)` name endpoints."""
    sender, receiver = stage.ends()
    sender.send("by the endpoint")  # the newest of this process, here `sender`
    stage.carrier.names["send"]("taker", "by the function")
    received = [receiver.receive(timeout=60) for _ in range(2)]
    assert received == ["by the endpoint", "by the function"]
    receiver.send("sender", "back")
    assert stage.carrier.names["receive"]("taker", timeout=60) == "back"


@on_endpoints
def test_a_destroyed_endpoint_is_nobodys(stage):
    """`destroy` ends an endpoint with its names: nobody is called so, and its own end is closed."""
    sender, receiver = stage.ends()
    sender.send("lost with it")
    receiver.destroy()
    with pytest.raises(NotFound):
        sender.send(1, timeout=0)
    with pytest.raises(Closed):
        receiver.receive(timeout=0)
