"""What an endpoint costs among many links: nothing of those that are not its own is looked at.

Where it cannot know all that is its own, it looks for that among all names, and finds it.
"""

import threading

import pytest

import liaison
from liaison import Destroyed, Endpoint, NotFound
from liaison._native.link import end_of
from liaison.carriers.shm import endpoint as shm_endpoint
from liaison.carriers.shm import pairs as shm_pairs
from liaison.carriers.shm.endpoint import EndpointEnd
from liaison.testing import until
from tests.links.test_endpoint import asleep


@pytest.fixture(autouse=True)
def looks(space, monkeypatch):
    """How often all names of the space were read."""
    seen = []
    every, entries = shm_pairs.all_names, shm_pairs.os.scandir

    def all_names(space):
        seen.append("names")
        return every(space)

    def scandir(*arguments):
        seen.append("entries")
        return entries(*arguments)

    monkeypatch.setattr(shm_pairs, "all_names", all_names)
    monkeypatch.setattr(shm_pairs.os, "scandir", scandir)
    yield seen
    assert space.files("names") == []


def test_a_life_without_a_look_at_all_names(looks):
    """Made, sent to and from, renamed, listed and destroyed."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    alice.send("bob", 1)
    assert bob.receive("alice", timeout=60) == 1
    bob.send("alice", 2)
    assert alice.receive(timeout=60) == 2
    alice.rename("alicia")
    assert alice.aliases == ["alice"]
    alice.retire("alice")
    assert alice.aliases == []
    bob.send("alicia", 3)
    assert alice.link.senders
    with alice.lease(timeout=60) as delivery:
        assert delivery.sender.name == "bob"
    alice.destroy()
    bob.destroy()
    assert looks == []


def test_whom_it_has_not_heard_of_is_found(looks):
    """What was sent to it is removed with it, though it never received anything."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    alice.send("bob", 1)
    bob.destroy()
    alice.destroy()
    assert looks == []


def test_more_than_there_is_room_to_say_are_found(looks):
    """Of many senders that came at once some could not introduce themselves."""
    bob, others = Endpoint("bob"), [Endpoint(f"other-{n}") for n in range(20)]
    for other in others:
        other.send("bob", 1)
    bob.destroy()
    assert looks
    for other in others:
        other.destroy()


def test_what_came_before_a_restart_is_found(looks):
    """Who takes a name again looks for what was sent to it, and for what it sent."""
    alice, bob, carol = Endpoint("alice"), Endpoint("bob"), Endpoint("carol")
    alice.send("bob", 1)
    bob.send("carol", 2)
    assert carol.receive(timeout=60) == 2
    bob.close()
    bob = Endpoint("bob")
    assert looks
    assert bob.receive(timeout=60) == 1
    bob.destroy()
    alice.destroy()
    carol.destroy()


def test_whom_a_thread_is_about_to_hear_of_is_found(looks, space):
    """An introduction that was taken, and of which nothing was made yet."""
    alice, bob = Endpoint("alice"), Endpoint("bob")

    def hears():
        with pytest.raises(liaison.LiaisonError):
            bob.receive()

    with end_of(bob)._lock:
        thread = threading.Thread(target=hears)
        thread.start()
        alice.send("bob", 1)
        until(lambda: not len(end_of(bob).own), "it was taken")
        bob.destroy()
        assert not [name for name in space.files("names") if name.startswith("~")]
    thread.join()
    alice.destroy()


@pytest.fixture(params=[KeyboardInterrupt, OSError])
def trouble(request, monkeypatch):
    """Have the first attempt to take in a new sender's link raise; what it raises."""

    def fails(*_):
        monkeypatch.undo()
        raise request.param

    def once():
        monkeypatch.setattr(shm_endpoint, "Caller", fails)
        return request.param

    with monkeypatch.context() as monkeypatch:
        yield once


def test_whom_it_failed_to_hear_of_is_heard_next_time(looks, trouble):
    """An introduction comes once; what it told of is taken in though the first attempt failed."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    alice.send("bob", "tea")
    with pytest.raises(trouble()):
        bob.receive(timeout=0)
    assert bob.receive(timeout=0) == "tea"
    alice.destroy()
    bob.destroy()


def test_another_thread_hears_of_whom_the_first_failed_to(looks, trouble):
    """It would wait for ever: the first may never look again."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    seen = []

    def receives():
        try:
            seen.append(bob.receive())
        except (KeyboardInterrupt, OSError) as error:
            seen.append(type(error))

    threads = [threading.Thread(target=receives, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: all(map(asleep, threads)), "both wait")
    error = trouble()
    alice.send("bob", "tea")
    for thread in threads:
        thread.join()
    assert set(seen) == {"tea", error}
    alice.destroy()
    bob.destroy()


def test_whom_it_failed_to_hear_of_leaves_nothing(looks, space, trouble):
    """Destroying an endpoint removes that link as well."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    alice.send("bob", "tea")
    with pytest.raises(trouble()):
        bob.receive(timeout=0)
    bob.destroy()
    assert not [name for name in space.files("names") if name.startswith("~")]
    alice.destroy()


def test_who_comes_too_late_leaves_nothing(looks, monkeypatch):
    """A sender that made its link, and finds the endpoint destroyed, removes it."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    begin = EndpointEnd._begin_way

    def late(self, *arguments):
        way = begin(self, *arguments)
        bob.destroy()
        return way

    with monkeypatch.context() as patch:
        patch.setattr(EndpointEnd, "_begin_way", late)
        with pytest.raises((Destroyed, NotFound)):
            alice.send("bob", 1)
    alice.destroy()


def test_more_names_than_are_written_down_are_found(looks):
    """Of more aliases than an endpoint keeps in mind, the directory tells."""
    alice = Endpoint("alice")
    for n in range(20):
        alice.rename(f"alice-{n}")
    assert len(alice.aliases) == 20
    assert looks == ["entries"]
    alice.destroy()
