"""Opening, creating, closing and destroying: Mailbox, Mailbox.create, Mailbox.open."""

import fcntl
import gc
import os
import pickle
import threading
import weakref

import pytest

import liaison
from liaison import (
    Busy,
    Closed,
    Destroyed,
    Empty,
    Endpoint,
    InvalidAddress,
    Mailbox,
    Mismatch,
    NamedPipe,
    NameTaken,
    NotFound,
    NotOwner,
)
from liaison.testing import Process, until
from tests.links.actor import Actor


def test_open_refuses_what_does_not_exist(space):
    """Mailbox.open raises NotFound, a FileNotFoundError, and creates nothing, not even a space."""
    with pytest.raises(NotFound) as raised:
        Mailbox.open("box")
    assert isinstance(raised.value, FileNotFoundError)
    assert list(space.root.iterdir()) == []


def test_open_takes_the_mailbox_as_it_is(mailbox):
    """Mailbox.open asks nothing of the mailbox that it opens."""
    mailbox(capacity=7, max_message=100, access="exclusive", max_deliveries=2)
    with Mailbox.open("box") as box:
        assert (box.link.capacity, box.link.max_message, box.link.access) == (7, 100, "exclusive")


def test_a_dead_letter_name_that_would_be_too_long_is_refused(space):
    """Where NAME.dead is no name any more, dead_letters= has to be said: nothing is created."""
    with pytest.raises(InvalidAddress):
        Mailbox("a" * 98, max_deliveries=1)
    assert space.files("names") == []


def test_what_is_no_address_is_a_type_error(space):
    """An address that is not text raises TypeError."""
    with pytest.raises(TypeError):
        Mailbox(b"box")
    with pytest.raises(TypeError):
        Mailbox(None)


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        ({"capacity": 10}, {"capacity": 11}),
        ({"capacity": 10}, {"capacity": 0}),
        ({"capacity": 0}, {"capacity": 64}),
        ({}, {"capacity": 1023}),
        ({"max_message": 100}, {"max_message": 101}),
        ({}, {"max_message": 100}),
        ({"memory": 1 << 20}, {"memory": 1 << 21}),
        ({}, {"memory": 1 << 20}),
        ({"access": "exclusive"}, {"access": "any"}),
        ({}, {"access": "pair"}),
        ({"max_deliveries": 2}, {"max_deliveries": 3}),
        ({}, {"max_deliveries": 3}),
        ({"max_deliveries": 2}, {"dead_letters": "elsewhere"}),
        ({}, {"dead_letters": "elsewhere"}),
    ],
    ids=str,
)
def test_asking_for_another_mailbox_than_there_is_raises_mismatch(mailbox, made, asked):
    """Each field of geometry and policy that is said must agree with the existing mailbox."""
    with mailbox(**made) as box:
        before = box.link
        with pytest.raises(Mismatch) as raised:
            Mailbox("box", **asked)
        assert isinstance(raised.value, ValueError)
        assert box.link == before


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
    """The same arguments open what they created, and so does leaving them out."""
    mailbox(**made)
    Mailbox("box", **made).close()
    Mailbox("box").close()


def test_dead_letters_that_are_left_out_are_not_compared(mailbox):
    """max_deliveries= alone opens a mailbox whose dead letters have a name of their own."""
    mailbox(max_deliveries=2, dead_letters="graves")
    with Mailbox("box", max_deliveries=2) as box:
        assert box.link.dead_letters == "shm://default/graves"


@pytest.mark.parametrize(
    "sizes",
    [
        {"capacity": -1},
        {"capacity": 1 << 40},
        {"capacity": (1 << 18) + 1},
        {"capacity": 1 << 100},
        {"max_message": 0},
        {"max_message": -5},
        {"max_message": 1 << 32},
        {"max_message": 1 << 100},
        {"memory": 0},
        {"memory": -1},
        {"memory": 1 << 50},
        {"max_deliveries": 0},
        {"max_deliveries": -1},
        {"max_deliveries": 1 << 16},
        {"max_message": 100, "memory": 1 << 20},
        {"access": "some"},
        {"max_deliveries": 1, "dead_letters": "box"},
        {"codec": "marshal"},
    ],
    ids=str,
)
def test_what_cannot_be_is_a_value_error(space, sizes):
    """Sizes and policies that cannot be raise ValueError, and nothing is created."""
    with pytest.raises(ValueError):  # noqa: PT011
        Mailbox("box", **sizes)
    assert space.files("names") == []


@pytest.mark.parametrize("sizes", [{"capacity": 1.5}, {"capacity": "10"}, {"memory": 1e6}])
def test_sizes_are_whole_numbers(space, sizes):
    """A size that is not an integer raises TypeError."""
    with pytest.raises(TypeError):
        Mailbox("box", **sizes)
    assert space.files("names") == []


def test_an_end_shows_its_address(mailbox):
    """repr() tells the class, the address, and whether this end was closed."""
    box = mailbox()
    assert repr(box) == "<Mailbox shm://default/box>"
    box.close()
    assert repr(box) == "<Mailbox shm://default/box (closed)>"


# ---- closing


@pytest.mark.parametrize(
    ("options", "wait"),
    [
        ({}, lambda box: box.receive()),
        ({}, lambda box: box.receive_many(3)),
        ({}, lambda box: box.lease()),
        ({}, list),
        ({"access": "exclusive"}, lambda box: box.receive()),
        ({"capacity": 0}, lambda box: box.receive()),
        ({"capacity": 0}, lambda box: box.send(1)),
    ],
)
def test_closing_wakes_this_ends_waiting_threads(mailbox, options, wait):
    """A thread that waits in an end that another thread closes gets Closed."""
    box = mailbox(**options)
    _wait_and_close(box, wait)


def test_closing_wakes_this_ends_waiting_senders(mailbox):
    """A thread that waits for room in an end that another thread closes gets Closed."""
    box = mailbox(capacity=1)
    box.send("in the way")
    _wait_and_close(box, lambda box: box.send(1))
    with Mailbox("box") as again:
        assert again.receive_many(10) == ["in the way"]
        _wait_and_close(again, _loan_after)


def _loan_after(box):
    box.send("in the way")
    return box.loan(10)


def _wait_and_close(box, wait):
    raised = []

    def waits():
        try:
            wait(box)
        except BaseException as error:
            raised.append(type(error))

    with Mailbox.observe("box") as observer:
        thread = threading.Thread(target=waits)
        thread.start()
        until(lambda: _sleepers(observer), "the thread sleeps")
        box.close()
        thread.join(60)
    assert raised == [Closed]


def _sleepers(box):
    # Who waits for a rendezvous to be met sleeps on its receipt: then its message is there.
    now = box.statistics()
    return now.receivers_waiting + now.senders_waiting + (now.waiting if now.free == 63 else 0)


def test_closing_one_end_does_not_wake_the_other(mailbox):
    """A thread that waits in one end stays there when the process closes another end."""
    box = mailbox()
    received = []
    thread = threading.Thread(target=lambda: received.append(box.receive()))
    thread.start()
    until(lambda: box.statistics().receivers_waiting, "the thread sleeps")
    Mailbox("box").close()
    box.send("hello")
    thread.join(60)
    assert received == ["hello"]


def test_an_end_that_is_dropped_is_closed(mailbox):
    """Losing the last reference to an end closes it at once: no collector has to come by."""
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
    """After destroy() the name is free, the memory is gone, and every operation is Destroyed."""
    box = mailbox()
    box.send("lost")
    box.destroy()
    assert space.files("names") == space.files("links") == []
    for use in (
        lambda: box.send(1),
        lambda: box.try_send(1),
        box.receive,
        box.try_receive,
        box.lease,
        lambda: box.loan(1),
        box.destroy,
        box.peek,
        box.statistics,
        lambda: len(box),
    ):
        with pytest.raises(Destroyed) as raised:
            use()
        assert isinstance(raised.value, BrokenPipeError)


def test_a_closed_creator_is_the_creator_still(mailbox):
    """That the creator closed its end does not let others destroy the mailbox."""
    mailbox().close()
    with Actor("box = Mailbox('box')") as other, pytest.raises(NotOwner):
        other.do("box.destroy()")


def test_a_forked_child_is_not_the_creator(mailbox):
    """A child of the creator is another process."""
    box = mailbox()
    with Actor(fork=True, box=box) as child, pytest.raises(NotOwner):
        child.do("box.destroy()")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({}, "box.receive()"),
        ({}, "box.receive_many(5)"),
        ({}, "box.lease()"),
        ({"capacity": 1}, "[box.send(n) for n in range(2)]"),
        ({"capacity": 1}, "box.send_many(range(3))"),
        ({"capacity": 1}, "[box.loan(1) for n in range(2)]"),
        ({"capacity": 0}, "box.receive()"),
        ({"capacity": 0}, "box.send(1)"),
        ({"access": "exclusive"}, "box.receive()"),
        ({"access": "pair"}, "box.receive()"),
        ({}, "box.send(1, receipt=True).wait_received()"),
        ({}, "box.send(1, receipt=True).wait_acknowledged()"),
    ],
    ids=str,
)
def test_destroying_wakes_the_waiting_in_other_processes(mailbox, options, line):
    """Who waits in another process, to send, to receive or for a receipt, gets Destroyed."""
    box = mailbox(**options)
    with Actor("box = Mailbox('box')") as other:
        other.start(line)
        until(lambda: _busy_with(box, line), "the other one waits")
        until(other.asleep, "the other one sleeps")
        box.destroy()
        with pytest.raises(Destroyed):
            other.answer()


def _busy_with(box, line):
    now = box.statistics()
    if "wait_" in line or (box.link.capacity == 0 and "send" in line):
        return now.waiting
    return now.receivers_waiting + now.senders_waiting


def test_waiting_for_a_turn_ends_when_the_mailbox_is_destroyed(mailbox):
    """Who waits for the exclusive turn gets Destroyed, too."""
    box = mailbox(access="exclusive")
    box.send(1)
    delivery = box.lease()
    with Actor("box = Mailbox('box')") as other:
        other.start("box.receive()")
        until(lambda: box.statistics().receivers_waiting, "the other one waits")
        box.destroy()
        with pytest.raises(Destroyed):
            other.answer()
    with pytest.raises(Destroyed):
        delivery.acknowledge()


# ---- carrying an end elsewhere


def test_an_end_is_pickled_by_its_address(mailbox):
    """Unpickling an end opens the same mailbox anew, with the same type and codec."""
    box = mailbox(type=int)
    with pickle.loads(pickle.dumps(box)) as copy:
        assert copy.link.id == box.link.id
        copy.send("not a number")
        with pytest.raises(liaison.DecodeError):
            copy.receive()


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
    """An end that travels slower than its mailbox lives is NotFound where it arrives."""
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
    """A subclass of Mailbox keeps its name, and has methods and attributes of its own."""
    mailbox()
    with Orders("box") as box:
        assert isinstance(box, Orders)
        assert type(box).__name__ == "Orders"
        box.send(1)
        assert box.next_order()[0] == "next"
        box.note = "an attribute"


def test_a_subclass_can_have_a_constructor_of_its_own(mailbox):
    """A subclass that knows its address takes other arguments."""
    mailbox(capacity=3)
    with Fixed() as box:
        assert box.note == "made"


def test_a_subclass_can_override_an_operation(mailbox):
    """A method that a subclass defines is the one that is called, and finds the inherited one."""
    mailbox()
    with Orders("box") as box:
        box.send("tea")
        assert box.receive() == ("order", "tea")


@pytest.mark.parametrize("how", ["create", "open", "observe"])
def test_a_subclass_opens_as_itself(mailbox, how):
    """create, open and observe of a subclass give an end of that class."""
    mailbox("box" if how != "create" else "other")
    with getattr(Orders, how)("box") as box:
        assert isinstance(box, Orders)
        box.destroy(force=True)


def test_a_pickled_subclass_arrives_as_one(mailbox):
    """Pickling an end of a subclass keeps the class."""
    mailbox()
    with Orders("box") as box, pickle.loads(pickle.dumps(box)) as copy:
        assert isinstance(copy, Orders)


# ---- what a link tells of itself


def test_a_link_tells_what_it_is(mailbox):
    """`link` is a frozen snapshot of name, kind, policy and size."""
    box = mailbox(capacity=10, max_message=1000, max_deliveries=4, dead_letters="graves")
    link = box.link
    assert (link.name, link.kind, link.carrier) == ("box", "mailbox", "shm")
    assert (link.direction, link.established) == ("one-way", "named")
    assert (link.message_size, link.max_message, link.memory) == ("fixed", 1000, None)
    assert (link.max_deliveries, link.dead_letters) == (4, "shm://default/graves")
    assert link.max_processes >= 2
    assert link.bytes >= 10 * 1000
    assert link.creator.pid == os.getpid()
    with pytest.raises(AttributeError):
        link.capacity = 11


def test_a_link_of_any_size_tells_so(mailbox):
    """Without max_message= messages are of variable size, and the largest is known."""
    link = mailbox(memory=1 << 20).link
    assert (link.message_size, link.memory) == ("variable", 1 << 20)
    assert link.max_message <= 1 << 20


def test_a_link_tells_who_is_on_it(mailbox):
    """Who has sent is among the senders, who has received among the receivers, while they live."""
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
        assert peer.started > 0
        assert peer.name is None
        other.kill()
        assert box.link.senders == ()


def test_an_observer_takes_no_part(mailbox):
    """Mailbox.observe looks and destroys, and is not one of the processes on the link."""
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
    """Opening says NotFound at once; creating says Busy, and why, until the name is free."""
    with Mailbox("box") as box, open(space.path / "links" / box.link.id, "r+b") as file:
        # As somebody leaves it who is stopped with the lock of the names.
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
