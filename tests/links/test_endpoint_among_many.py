"""What an endpoint costs among many links: it looks at none that is not its own.

Where it cannot know all that is its own, it looks for that among all names, and finds it.
"""

import pytest

import liaison
from liaison import Destroyed, Endpoint, NotFound
from liaison._native.link import end_of
from liaison.carriers.shm import endpoint as shm_endpoint
from liaison.carriers.shm import pairs as shm_pairs
from liaison.carriers.shm.endpoint import EndpointEnd
from liaison.testing import until
from tests.beside import Beside


@pytest.fixture(autouse=True)
def looks(space, monkeypatch):
    """Record each time that all names of the space are read."""
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
    """An endpoint is made, used, renamed, listed and destroyed without reading all names."""
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


def test_a_sender_that_it_never_received_from_is_found(looks):
    """What was sent to an endpoint is removed with it, though it never received anything."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    alice.send("bob", 1)
    bob.destroy()
    alice.destroy()
    assert looks == []


def test_more_senders_than_can_be_announced_are_found(looks):
    """Of many senders that came at once, those that could not be announced are found by name."""
    bob, others = Endpoint("bob"), [Endpoint(f"other-{n}") for n in range(20)]
    for other in others:
        other.send("bob", 1)
    bob.destroy()
    assert looks
    for other in others:
        other.destroy()


def test_what_came_before_a_restart_is_found(looks):
    """An endpoint that is made again looks for what was sent to it, and for what it sent."""
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


def test_a_sender_whose_announcement_a_thread_has_just_taken_is_found(looks, space):
    """Destroying removes a link of which a thread has read, and which it has not opened yet."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    with end_of(bob)._lock:
        receiving = Beside(bob.receive)
        alice.send("bob", 1)
        until(lambda: not len(end_of(bob).own), "it was taken")
        bob.destroy()
        assert not [name for name in space.files("names") if name.startswith("~")]
    with pytest.raises(liaison.LiaisonError):
        receiving.result()
    alice.destroy()


@pytest.fixture(params=[KeyboardInterrupt, OSError])
def trouble(request, monkeypatch):
    """Have the first attempt to open a new sender's link raise; what it raises."""

    def fails(*_):
        monkeypatch.undo()
        raise request.param

    def once():
        monkeypatch.setattr(shm_endpoint, "Caller", fails)
        return request.param

    with monkeypatch.context() as monkeypatch:
        yield once


def test_a_link_that_could_not_be_opened_is_opened_next_time(looks, trouble):
    """An announcement comes once; its link is opened though the first attempt failed."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    alice.send("bob", "tea")
    with pytest.raises(trouble()):
        bob.receive(timeout=0)
    assert bob.receive(timeout=0) == "tea"
    alice.destroy()
    bob.destroy()


def test_another_thread_opens_a_link_that_the_first_could_not(looks, trouble):
    """The other one would wait for ever otherwise: the first may never look again."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    threads = [Beside(bob.receive) for _ in range(2)]
    until(lambda: all(thread.asleep() for thread in threads), "both wait")
    error = trouble()
    alice.send("bob", "tea")
    seen = set()
    for thread in threads:
        try:
            seen.add(thread.result())
        except (KeyboardInterrupt, OSError) as raised:
            seen.add(type(raised))
    assert seen == {"tea", error}
    alice.destroy()
    bob.destroy()


def test_a_link_that_could_not_be_opened_leaves_nothing(looks, space, trouble):
    """Destroying an endpoint also removes a link that it could not open."""
    alice, bob = Endpoint("alice"), Endpoint("bob")
    alice.send("bob", "tea")
    with pytest.raises(trouble()):
        bob.receive(timeout=0)
    bob.destroy()
    assert not [name for name in space.files("names") if name.startswith("~")]
    alice.destroy()


def test_a_sender_that_comes_too_late_leaves_nothing(looks, monkeypatch):
    """A sender that made its link, and finds the endpoint destroyed, removes the link."""
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
    """More aliases than an endpoint writes down are found in the directory, in one reading."""
    alice = Endpoint("alice")
    for n in range(20):
        alice.rename(f"alice-{n}")
    assert len(alice.aliases) == 20
    assert looks == ["entries"]
    alice.destroy()
