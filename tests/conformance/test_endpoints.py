"""Endpoints: direct communication, between processes that name each other."""

import pytest

from liaison import (
    Busy,
    Closed,
    Destroyed,
    Empty,
    Full,
    InvalidAddress,
    Mismatch,
    NameTaken,
    NoReceiver,
    NotFound,
)
from liaison.testing import until
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
def test_its_own_name_cannot_be_retired(stage):
    """`retire` of what it is called now is a ValueError, of what it never was NotFound."""
    sender, receiver = stage.ends()
    with pytest.raises(ValueError, match="taker"):
        receiver.retire("taker")
    for name in ("sender", "nobody"):
        with pytest.raises(NotFound):
            receiver.retire(name)
    sender.send("still there")
    receiver.send("sender", "and so is the other")
    assert receiver.receive(timeout=60) == "still there"
    assert sender.receive(timeout=60) == "and so is the other"


@on_endpoints
def test_a_name_that_is_taken_cannot_be_had(stage):
    """`rename` to another link's name is NameTaken, and the endpoint is called as before."""
    sender, receiver = stage.ends()
    with stage.carrier.names["Mailbox"]("box") as box:
        for taken in ("sender", "box"):
            with pytest.raises(NameTaken):
                receiver.rename(taken)
        box.destroy()
    with pytest.raises(InvalidAddress):
        receiver.rename("no/name")
    assert (receiver.name, receiver.aliases) == ("taker", [])
    sender.send("hello")
    assert receiver.receive(timeout=60) == "hello"


@on_endpoints
def test_a_retired_name_is_free(stage):
    """Another may have a retired name; who knew the old one reaches that other with it."""
    sender, receiver = stage.ends()
    sender.send("to the first")
    receiver.rename("clerk")
    receiver.retire("taker")
    with stage.carrier.names["Endpoint"]("taker") as successor:
        sender.send("to the second")
        assert successor.receive(timeout=60) == "to the second"
        assert receiver.receive(timeout=60) == "to the first"
        assert receiver.try_receive(None) is None
        successor.destroy()
    receiver.rename("taker")


@on_endpoints
def test_names_are_kept_when_the_process_ends(stage):
    """A process that comes back under any of its names is the same endpoint, with all of them."""
    _, there = stage.other_receives()
    there.do("end.rename('clerk')")
    there.kill()
    with stage.carrier.names["Endpoint"]("taker") as again:
        assert (again.name, again.aliases) == ("clerk", ["taker"])
        again.destroy()


@on_endpoints
def test_one_process_at_a_time_has_a_name(stage):
    """A living process's name is Busy, for others and for itself, until it gives the name up."""
    _, there = stage.other_receives()
    make = stage.carrier.names["Endpoint"]
    with pytest.raises(Busy):
        make("taker")
    with pytest.raises(Busy):
        there.do("Endpoint('taker')")
    there.do("end.close()")
    make("taker").close()


@on_endpoints
def test_a_process_is_called_as_its_endpoint_that_took_a_name_last(stage):
    """When that endpoint is closed, the one before it gives the name; after the last, none does."""
    sender, receiver = stage.ends()
    names, make = stage.carrier.names, stage.carrier.names["Endpoint"]
    clerk, cook = make("clerk"), make("cook")

    with names["Mailbox"]("desk") as desk:

        def called():
            desk.send("who?")
            with desk.lease(timeout=60) as delivery:
                return delivery.sender.name

        assert called() == "cook"
        clerk.rename("chef")
        assert called() == "chef"
        cook.destroy()
        assert called() == "chef"
        clerk.destroy()
        assert called() in {sender.name, receiver.name}
        sender.close()
        receiver.close()
        assert called() is None
        desk.destroy()


@on_endpoints
def test_a_killed_processs_lease_comes_to_its_successor(stage):
    """What a killed process had leased comes first to who takes its name, flagged."""
    sender, there = stage.other_receives()
    sender.send("held")
    sender.send("queued")
    there.do("delivery = end.lease(timeout=60)")
    there.kill()
    with stage.carrier.names["Endpoint"]("taker") as again:
        with again.lease(timeout=60) as delivery:
            assert (delivery.message, delivery.attempt) == ("held", 2)
        assert again.receive(timeout=60) == "queued"


@on_endpoints
def test_a_reply_goes_to_the_sender_whatever_it_is_called_now(stage):
    """A delivery's `sender` has its endpoint's name, and a reply can be sent to it."""
    sender, receiver = stage.ends()
    sender.send("question")
    sender.rename("asker")
    with receiver.lease(timeout=60) as delivery:
        assert delivery.sender.name == "asker"
        receiver.send(delivery.sender, "answer")
    assert sender.receive(timeout=60) == "answer"
    sender.rename("sender")


@on_endpoints
def test_a_pairs_capacity_is_the_smaller_of_the_two(stage):
    """A pair's link holds as many messages as the one of the two says who says less."""
    make = stage.carrier.names["Endpoint"]
    with make("small", capacity=2) as small, make("large", capacity=5) as large:
        for one, other in ((small, "large"), (large, "small")):
            assert [one.try_send(other, n) for n in range(3)] == [True, True, False]
            with pytest.raises(Full):
                one.send(other, 3, timeout=0)
        small.destroy()
        large.destroy()


@on_endpoints
def test_what_is_no_endpoint_is_not_found(stage):
    """Sending to a name that nobody has is NotFound, to another kind of link's a Mismatch."""
    sender, receiver = stage.ends()
    with stage.carrier.names["Mailbox"]("box") as box:
        for use in (lambda: sender.send("box", 1), lambda: receiver.receive("box", timeout=0)):
            with pytest.raises(Mismatch):
                use()
        assert len(box) == 0
        box.destroy()
    with pytest.raises(NotFound):
        sender.send("nobody", 1)
    with pytest.raises(InvalidAddress):
        sender.send("no/name", 1)


@on_endpoints
def test_everyone_has_a_turn(stage):
    """`receive()` from anyone: one who always has something waiting keeps no other waiting."""
    receiver, there = stage.other_sends()
    another = stage.another_sends()
    there.do("end.send_many(range(100), timeout=60)")
    assert receiver.receive(timeout=60) == 0
    another.do("end.send('the other')")
    assert "the other" in [receiver.receive(timeout=60) for _ in range(20)]


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
        (link,) = end.links()
        assert (link.kind, link.direction, link.established) == ("direct", "two-way", "automatic")
        assert link.max_processes == 2


@on_pairs
def test_a_pair_meets_in_rendezvous(stage, beside):
    """`capacity=0` makes a pair meet in rendezvous, whichever of the two said so."""
    make = stage.carrier.names["Endpoint"]
    with make("one", capacity=0) as one, make("other") as other:
        for sender, receiver in ((one, other), (other, one)):
            for timeout in (0, 0.01):
                with pytest.raises(NoReceiver):
                    sender.send(receiver.name, "too early", timeout=timeout)
            sending = beside(sender.send, receiver.name, "hello", timeout=60)
            assert receiver.receive(timeout=60) == "hello"
            sending.result()
        one.destroy()
        other.destroy()


@on_endpoints
def test_receive_takes_from_one_or_from_anyone(stage):
    """`receive(source)` takes what that one sent, `receive()` what anyone did."""
    receiver, there = stage.other_sends()
    another = stage.another_sends()
    there.do("end.send('from the one')")
    another.do("end.send('from the other')")
    assert receiver.receive("another", timeout=60) == "from the other"
    with pytest.raises(Empty):
        receiver.receive("another", timeout=0)
    assert receiver.receive(timeout=60) == "from the one"


@on_endpoints
def test_a_source_that_is_not_there_yet_is_waited_for(stage, beside):
    """`receive(source)` before there is one gets what that one sends first, and only that."""
    sender, receiver = stage.ends()
    receiving = beside(receiver.receive, "latecomer", timeout=60)
    sender.send("not this")
    with stage.carrier.names["Endpoint"]("latecomer") as latecomer:
        latecomer.send("taker", "this")
        assert receiving.result() == "this"
        latecomer.destroy()
    assert receiver.receive(timeout=60) == "not this"


@on_endpoints
def test_iterating_ends_when_it_is_destroyed(stage, beside):
    """`for message in endpoint:` gives what anyone sends until the endpoint is destroyed."""
    sender, receiver = stage.ends()
    looping = beside(lambda: list(receiver))
    for number in range(3):
        sender.send(number)
    until(lambda: receiver.statistics().taken == 3, "all were received")
    with stage.carrier.names["Endpoint"].observe("taker") as observer:
        observer.destroy(force=True)
    assert looping.result() == [0, 1, 2]


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


@on_endpoints
def test_nobody_waits_for_a_destroyed_endpoint(stage, beside):
    """A sender that waits for room is told that the endpoint is Destroyed."""
    sender, receiver = stage.ends(capacity=1)
    sender.send("fills it")
    waiting = beside(sender.send, 1)
    until(lambda: stage.senders_waiting(receiver), "it waits")
    receiver.destroy()
    with pytest.raises(Destroyed):
        waiting.result()


@on_endpoints
def test_nothing_of_a_destroyed_endpoint_comes_back(stage):
    """`destroy` takes all names and messages with it: who has the name next finds nothing."""
    sender, receiver = stage.ends()
    receiver.rename("clerk")
    sender.send("lost with it")
    receiver.destroy()
    for name in ("taker", "clerk"):
        with stage.carrier.names["Endpoint"](name) as fresh:
            assert (fresh.name, fresh.aliases, len(fresh)) == (name, [], 0)
            sender.send(name, "to the next")
            assert fresh.receive(timeout=60) == "to the next"
            fresh.destroy()


@on_endpoints
def test_what_a_destroyed_endpoint_has_sent_arrives(stage):
    """A message that was accepted is delivered, though its sender's endpoint is destroyed."""
    sender, receiver = stage.ends()
    sender.send("last words")
    sender.destroy()
    assert receiver.receive(timeout=60) == "last words"
    assert receiver.try_receive(None) is None
