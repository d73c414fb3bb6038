"""Named pipes: two sides, what each sends, and the end of one."""

import os
import pickle
import select

import pytest

import liaison
from liaison import (
    AccessDenied,
    Busy,
    Destroyed,
    Disconnected,
    Ended,
    Full,
    Mismatch,
    NamedPipe,
    NotOwner,
)
from liaison.links.end import AnyKind
from liaison.testing import until
from tests.beside import Beside
from tests.links.actor import Actor

OPEN = "talk = NamedPipe('talk')"
LOOP = "for message in talk: talk.send(message)"
ENDS = ["close", "exit", "kill"]


def end(actor, how):
    if how == "kill":
        actor.kill()
    elif how == "exit":
        actor.start("import os; os._exit(0)")
    else:
        actor.do("talk.close()")


def test_a_named_pipes_link(space):
    """`link` has both processes as senders and receivers, and the space lists it."""
    with NamedPipe("talk", capacity=7) as talk, Actor(OPEN) as other:
        link = talk.link
        assert (link.name, link.capacity, link.max_processes) == ("talk", 7, 2)
        assert {peer.pid for peer in link.senders} == {os.getpid(), other.pid}
        assert link.senders == link.receivers
        [seen] = liaison.Space().links()
        assert (seen.kind, seen.id) == ("named pipe", link.id)
        assert talk.address in repr(talk)


def test_a_third_process_is_busy(space):
    """A third process is Busy while both sides live, stopped or not, and harms neither."""
    with NamedPipe("talk") as talk, Actor(OPEN) as other, Actor() as third:
        other.stop()
        for _ in range(3):
            with pytest.raises(Busy):
                third.do(OPEN)
        other.resume()
        talk.send(1)
        assert other.do("talk.receive()") == 1


def test_a_sender_waits_for_room_before_the_other_side_comes(space):
    """A side that is alone can send up to the capacity; then a sender waits for the other one."""
    with NamedPipe("talk", capacity=2) as talk:
        assert talk.send_many(range(9), timeout=0.01) == 2
        with pytest.raises(Full):
            talk.send(2, timeout=0)
        assert liaison.wait([talk], timeout=0.01) == []
        sending = Beside(talk.send, "waited")
        until(lambda: talk.statistics(outgoing=True).senders_waiting == 1, "it waits")
        with Actor(OPEN) as other:
            assert other.do("[talk.receive() for _ in range(3)]") == [0, 1, "waited"]
            sending.result()


def test_a_receiver_waits_for_the_other_side_to_come(space):
    """A receiver that waits alone gets what the other side sends once it has come."""
    with Actor(OPEN) as first:
        first.start("talk.receive()")
        until(first.asleep, "it waits")
        with NamedPipe("talk") as talk:
            talk.send("come")
            assert first.answer() == "come"


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("creator", [True, False], ids=["creator", "second"])
def test_the_rest_and_then_the_end(space, how, creator):
    """However either side ended, the other receives the rest, then Ended, and cannot send."""
    with Actor() as other:
        if creator:
            other.do(OPEN)
        with NamedPipe("talk") as talk:
            if not creator:
                other.do(OPEN)
            talk.send("not received")
            other.do("talk.send_many(range(3))")
            end(other, how)
            assert list(talk) == [0, 1, 2]
            with pytest.raises(Ended) as caught:
                talk.receive()
            assert (caught.value.clean, caught.value.received) == (how == "close", 3)
            with pytest.raises(Disconnected) as caught:
                talk.send("more")
            assert (caught.value.sent, caught.value.confirmed) == (1, 0)
            with pytest.raises(Disconnected):
                talk.try_send("more")


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("creator", [True, False], ids=["creator", "second"])
@pytest.mark.parametrize("call", ["receive()", "send(1)", "loan(1)", "read()"])
def test_who_sleeps_learns_of_the_end(space, how, creator, call):
    """However the other side ended, each wait ends."""
    with Actor() as other:
        if creator:
            other.do("talk = NamedPipe('talk', capacity=1)")
        with NamedPipe("talk", capacity=1) as talk:
            if not creator:
                other.do(OPEN)
            talk.send(0)
            waiting = Beside(eval, f"talk.{call}", {"talk": talk})
            until(
                lambda: (
                    talk.statistics().receivers_waiting
                    + talk.statistics(outgoing=True).senders_waiting
                ),
                "it sleeps",
            )
            end(other, how)
            if call == "read()":
                assert waiting.result() == b""
            else:
                with pytest.raises(Ended if call == "receive()" else Disconnected):
                    waiting.result()


@pytest.mark.parametrize("how", ENDS)
def test_a_descriptor_is_readable_at_the_end(space, how):
    """liaison.wait and fileno() show the end to a side that never received anything."""
    with NamedPipe("talk") as talk, Actor(OPEN) as other:
        talk.fileno()
        assert liaison.wait([talk], timeout=0.01) == []
        end(other, how)
        assert liaison.wait([talk], timeout=60) == [talk]
        assert select.select([talk.fileno()], [], [], 60)[0]


@pytest.mark.parametrize("how", ENDS)
def test_a_side_that_ends_alone_leaves_nothing(space, how):
    """A side that ends alone leaves a free name, and nothing for a later side."""
    with Actor("talk = NamedPipe('talk', capacity=3)", "talk.send('lost')") as other:
        end(other, how)
        until(lambda: how != "exit" or not other.alive, "it has ended")
        with NamedPipe("talk", capacity=5) as talk:
            assert talk.try_receive() is None
            assert talk.link.capacity == 5


def test_a_forked_child_is_not_its_parent(space):
    """A child cannot use what it inherited; it opens the name, and is the other side."""
    with NamedPipe("talk") as talk:
        with Actor(fork=True, talk=talk) as child:
            for call in ("send(1)", "receive(timeout=0)", "fileno()", "loan(1)", "lease()"):
                with pytest.raises(AccessDenied, match="open the named pipe"):
                    child.do(f"talk.{call}")
            child.do("talk.close()")
            child.do(OPEN)
            talk.send("to the child")
            assert child.do("talk.receive()") == "to the child"
        assert list(talk) == []


def test_a_parent_that_dies_has_ended_though_its_child_lives(space):
    """A forked child does not keep its parent's side open."""
    with Actor(OPEN, "import os, time") as other, NamedPipe("talk") as talk:
        child = other.do("(lambda pid: pid or time.sleep(3600))(os.fork())")
        other.kill()
        try:
            with pytest.raises(Ended):
                talk.receive(timeout=60)
        finally:
            os.kill(child, 9)


def test_it_travels_by_address(space):
    """An end that is pickled is opened by its address in another process, as the other side."""
    with NamedPipe("talk") as talk, Actor(talk=talk) as other:
        other.do("talk.send('by address')")
        assert talk.receive(timeout=60) == "by address"
        assert pickle.loads(pickle.dumps(talk)).address == talk.address


def test_it_is_destroyed_by_its_creator(space):
    """Without force only the creator can destroy it; both sides get Destroyed, the name is free."""
    with NamedPipe("talk") as talk, Actor(OPEN) as other:
        with pytest.raises(NotOwner):
            other.do("talk.destroy()")
        other.start("[message for message in talk]")
        talk.destroy()
        assert other.answer() == []
        for call in ("talk.send(1)", "talk.receive()"):
            with pytest.raises(Destroyed):
                other.do(call)
        assert space.files("names") == []


def test_an_observer_of_one_direction_destroys_both(space):
    """`liaison rm` observes the first direction only, and both end."""
    with NamedPipe("talk") as talk, Actor(OPEN) as other:
        other.start("[message for message in talk]")
        with AnyKind.observe("talk") as seen:
            seen.destroy(force=True)
        assert other.answer() == []
        with pytest.raises(Destroyed):
            talk.receive(timeout=60)


def test_another_capacity_is_a_mismatch(space):
    """A capacity other than that of the named pipe is a Mismatch for its second side."""
    different = pytest.raises(Mismatch, match="its capacity is 7, not 8")
    with NamedPipe("talk", capacity=7), Actor() as other, different:
        other.do("NamedPipe('talk', capacity=8)")


def test_what_a_killed_side_leaves_is_cleaned(space):
    """`liaison clean` removes a named pipe that nobody has open, whatever is in it."""
    with Actor(OPEN, "talk.send(1)") as other:
        other.kill()
    assert len(space.files("names")) == 1
    liaison.Space().clean()
    assert space.files("names") == space.files("links") == []


def test_of_many_that_open_at_once_two_are_the_sides(space):
    """Of three processes that open a name at once one is Busy; the others reach each other."""
    for _ in range(5):
        with Actor(fork=True) as one, Actor(fork=True) as two, Actor(fork=True) as three:
            for actor in (one, two, three):
                actor.start("talk = NamedPipe('talk'); talk.send('mine')")
            came = []
            for actor in (one, two, three):
                try:
                    actor.answer()
                    came.append(actor)
                except Busy:
                    continue
            assert len(came) == 2
            for actor in came:
                assert actor.do("talk.receive(timeout=60)") == "mine"
            for actor in came:
                actor.do("talk.close()")
        assert space.files("names") == []
