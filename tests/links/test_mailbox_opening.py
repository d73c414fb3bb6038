"""Opening, creating, closing and destroying: Mailbox, Mailbox.create, Mailbox.open."""

import fcntl
import gc
import os
import pickle
import weakref

import pytest

import liaison
from liaison import (
    Busy,
    Destroyed,
    Empty,
    Endpoint,
    InvalidAddress,
    Mailbox,
    NamedPipe,
    NameTaken,
    NotFound,
    NotOwner,
)
from liaison.testing import Process
from tests.links.actor import Actor


def test_open_refuses_what_does_not_exist(space):
    """Mailbox.open raises NotFound, and creates nothing, not even a space."""
    with pytest.raises(NotFound):
        Mailbox.open("box")
    assert list(space.root.iterdir()) == []


def test_open_takes_the_mailbox_as_it_is(mailbox):
    """Mailbox.open asks nothing of the mailbox that it opens."""
    mailbox(capacity=7, max_message=100, access="exclusive", max_deliveries=2)
    with Mailbox.open("box") as box:
        assert (box.link.capacity, box.link.max_message, box.link.access) == (7, 100, "exclusive")


def test_a_dead_letter_name_that_would_be_too_long_is_refused(space):
    """A name for which NAME.dead is too long needs dead_letters=; without it nothing is created."""
    with pytest.raises(InvalidAddress):
        Mailbox("a" * 98, max_deliveries=1)
    assert space.files("names") == []


@pytest.mark.parametrize(
    "made",
    [
        {"capacity": 10},
        {"capacity": 0},
        {"max_message": 100},
        {"memory": 1 << 20},
        {"access": "exclusive"},
        {"max_deliveries": 2},
        {"max_deliveries": 2, "dead_letters": "elsewhere"},
        {"dead_letters": "elsewhere"},
    ],
    ids=str,
)
def test_asking_for_the_mailbox_that_there_is_opens_it(mailbox, made):
    """The same arguments open what they created, and so does leaving any of them out."""
    link = mailbox(**made).link
    for asked in (made, {}, *({name: value} for name, value in made.items())):
        with Mailbox("box", **asked) as box:
            assert box.link == link


def test_an_end_shows_its_address(mailbox):
    """repr() has the class, the address, and whether this end was closed."""
    box = mailbox()
    assert repr(box) == "<Mailbox shm://default/box>"
    box.close()
    assert repr(box) == "<Mailbox shm://default/box (closed)>"


def test_an_end_that_is_dropped_is_closed(mailbox):
    """Losing the last reference to an end closes it at once, without the garbage collector."""
    mailbox(access="pair")
    gc.disable()
    try:
        box = Mailbox("box")
        dropped = weakref.ref(box)
        del box
        assert dropped() is None
    finally:
        gc.enable()


# ---- destroying


def test_destroying_removes_the_mailbox(mailbox, space):
    """destroy() removes the files, and after it nothing can be leased, lent or destroyed."""
    box = mailbox()
    box.send("lost")
    box.destroy()
    assert space.files("names") == space.files("links") == []
    for use in (box.lease, lambda: box.loan(1), box.destroy):
        with pytest.raises(Destroyed):
            use()


def test_a_closed_creator_is_the_creator_still(mailbox):
    """Others cannot destroy a mailbox whose creator lives, though it has closed its end."""
    mailbox().close()
    with Actor("box = Mailbox('box')") as other, pytest.raises(NotOwner):
        other.do("box.destroy()")


def test_a_forked_child_is_not_the_creator(mailbox):
    """A child of the creator cannot destroy the mailbox."""
    box = mailbox()
    with Actor(fork=True, box=box) as child, pytest.raises(NotOwner):
        child.do("box.destroy()")


# ---- carrying an end elsewhere


def test_an_end_travels_through_multiprocessing(mailbox):
    """A Mailbox can be an argument of a spawned multiprocessing.Process."""
    import multiprocessing

    box = mailbox()
    child = multiprocessing.get_context("spawn").Process(target=_sends, args=(box,))
    child.start()
    assert box.receive(timeout=60) == "spawned"
    child.join(60)


def _sends(box):
    box.send("spawned")


def test_unpickling_an_end_of_a_destroyed_mailbox_raises(mailbox):
    """Unpickling an end of a mailbox that was destroyed meanwhile is NotFound."""
    box = mailbox()
    pickled = pickle.dumps(box)
    box.destroy()
    with pytest.raises(NotFound):
        pickle.loads(pickled)


class Orders(Mailbox):
    """A mailbox of one's own."""

    def receive(self, *, timeout=None):
        """Mark what is received."""
        return "order", super().receive(timeout=timeout)

    def next_order(self):
        return "next", self.receive()


class Fixed(Mailbox):
    """A mailbox whose constructor is not that of Mailbox."""

    def __init__(self):
        super().__init__("box", capacity=3)
        self.note = "made"


def test_a_subclass_is_a_mailbox_with_more(mailbox):
    """A subclass adds methods and attributes, and its own methods are the ones called."""
    mailbox()
    with Orders("box") as box:
        assert type(box) is Orders
        box.send("tea")
        assert box.next_order() == ("next", ("order", "tea"))
        box.note = "an attribute"


def test_a_subclass_can_have_a_constructor_of_its_own(mailbox):
    """A subclass that knows its address takes other arguments."""
    mailbox(capacity=3)
    with Fixed() as box:
        assert box.note == "made"


@pytest.mark.parametrize("how", ["create", "open", "observe"])
def test_a_subclass_opens_as_itself(mailbox, how):
    """create, open and observe of a subclass give an end of that class."""
    mailbox("box" if how != "create" else "other")
    with getattr(Orders, how)("box") as box:
        assert type(box) is Orders
        box.destroy(force=True)


def test_a_pickled_subclass_arrives_as_one(mailbox):
    """Pickling an end keeps its class, its type and its link."""
    mailbox()
    with Orders("box", type=int) as box, pickle.loads(pickle.dumps(box)) as copy:
        assert type(copy) is Orders
        assert copy.link.id == box.link.id
        copy.send("not a number")
        with pytest.raises(liaison.DecodeError):
            copy.receive()


# ---- the facts in `link`


def test_a_link_states_policy_and_size(mailbox):
    """`link` has what a mailbox was created with, and how much memory it takes."""
    link = mailbox(capacity=10, max_message=1000, max_deliveries=4, dead_letters="dead").link
    assert (link.max_deliveries, link.dead_letters) == (4, "shm://default/dead")
    assert link.memory is None
    assert link.bytes >= 10 * 1000
    link = mailbox("limited", memory=1 << 20).link
    assert (link.message_size, link.memory) == ("variable", 1 << 20)
    assert link.max_message <= 1 << 20


def test_a_process_is_on_a_link_once_it_has_used_it(mailbox):
    """A process is among the senders once it has sent, among the receivers once it has received."""
    box = mailbox()
    assert box.link.senders == box.link.receivers == ()
    with Actor("box = Mailbox('box')", "box.send('hello')") as other:
        assert [peer.pid for peer in box.link.senders] == [other.pid]
        assert box.link.receivers == ()
        box.receive()
        assert [peer.pid for peer in box.link.receivers] == [os.getpid()]
        (peer,) = box.link.senders
        assert peer.host == os.uname().nodename
        assert "python" in peer.command


def test_an_observer_takes_no_part(mailbox):
    """An observer can look and destroy, and is not one of the processes on the link."""
    box = mailbox(access="pair", capacity=5)
    box.send("tea")
    with Actor("box = Mailbox('box')", "box.receive()"), Mailbox.observe("box") as observer:
        assert len(observer) == 0
        assert observer.link.capacity == 5
    with Actor("observer = Mailbox.observe('box')") as other:
        box.send("coffee")
        assert other.do("observer.peek()") == ["coffee"]
        assert other.do("observer.statistics().waiting") == 1
        with Actor("box = Mailbox('box')") as third:  # the second place is free
            assert third.do("box.receive()") == "coffee"
        with pytest.raises(NotOwner):
            other.do("observer.destroy()")
        other.do("observer.destroy(force=True)")


def test_two_ends_of_a_process_are_one_process_on_the_link(mailbox):
    """A pair link that a process has open twice has room for a second process."""
    box = mailbox(access="pair")
    with Mailbox("box"), Actor("box = Mailbox('box')") as other:
        other.do("box.send(1)")
        assert box.receive() == 1
        with pytest.raises(Busy), Actor("box = Mailbox('box')"):
            pass


def test_an_ended_process_leaves_the_link(mailbox):
    """A process that ends as usual, without closing anything, is not on the link any more."""
    box = mailbox(access="pair")
    for _ in range(3):
        with Process(_opens_and_ends) as other:
            other.result()
    with pytest.raises(Empty):
        box.receive(timeout=0)


def _opens_and_ends():
    box = Mailbox("box")
    box.try_receive()


def test_a_name_that_a_stopped_destroyer_keeps_is_busy(space):
    """Opening such a name is NotFound, creating it Busy with the reason, until it is free."""
    with Mailbox("box") as box, open(space.path / "links" / box.link.id, "r+b") as file:
        # As a process leaves it that is stopped with the lock of the names.
        fcntl.flock(file, fcntl.LOCK_EX)
        os.pwrite(file.fileno(), b"\x01", 1024)
        with pytest.raises(NotFound):
            Mailbox.open("box")
        for make in (Mailbox, Mailbox.create, NamedPipe):
            with pytest.raises(Busy, match="stopped"):
                make("box")
        with Endpoint("here") as here:
            with pytest.raises(NameTaken):
                here.rename("box")
            fcntl.flock(file, fcntl.LOCK_UN)
            here.rename("box")
            here.destroy()
    assert space.files("names") == space.files("links") == []
    Mailbox.create("box").destroy()
