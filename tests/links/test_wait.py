"""Waiting for several links: which are returned, when, and in what order."""

import gc
import os
import resource
import select
import socket

import pytest

import liaison
from liaison import AccessDenied, Closed, Destroyed
from liaison.links import wait as module
from liaison.testing import until
from tests.beside import Beside
from tests.descriptors import descriptors
from tests.links.actor import Actor


@pytest.fixture(autouse=True)
def _no_sets_of_other_tests():
    """Have each test begin without sets that were kept from earlier calls."""
    module._forked()
    yield
    module._forked()


def waiting():
    """Whether a thread waits for several links."""
    kernel = any(watch._set is not None for watch in list(module._used))
    return kernel or any(several.busy for several in list(module._memory))


def test_the_one_with_a_message_is_returned(mailbox):
    """Of many mailboxes, those are returned that have a message, and no others."""
    boxes = [mailbox(f"box-{n}") for n in range(20)]
    assert liaison.wait(boxes, timeout=0) == []
    boxes[7].send(1)
    assert liaison.wait(boxes) == [boxes[7]]
    boxes[3].send(1)
    assert set(map(id, liaison.wait(boxes))) == {id(boxes[3]), id(boxes[7])}
    boxes[7].receive()
    assert liaison.wait(boxes) == [boxes[3]]
    boxes[3].receive()
    assert liaison.wait(boxes, timeout=0) == []
    assert liaison.wait(boxes, timeout=0.01) == []


def test_kinds_are_mixed(mailbox):
    """Sockets, pipes and files are waited for beside mailboxes."""
    box = mailbox()
    here, there = socket.socketpair()
    reader, writer = os.pipe()
    with here, there, open(reader, "rb") as pipe, open(writer, "wb", 0) as end:
        every = [box, here, pipe]
        assert liaison.wait(every, timeout=0) == []
        there.send(b"x")
        assert liaison.wait(every) == [here]
        end.write(b"x")
        box.send(1)
        assert sorted(map(id, liaison.wait(every))) == sorted(map(id, every))
    with open(__file__) as file:
        assert liaison.wait([box, file], timeout=0).count(file) == 1


def test_a_link_given_twice_is_returned_once(mailbox):
    """The same link twice in the list is one link."""
    box = mailbox()
    box.send(1)
    assert liaison.wait([box, box]) == [box]


def test_every_ready_link_comes_first_in_turn(mailbox):
    """A loop that serves only the first of those returned serves all that are ready, in turn."""
    boxes = [mailbox(f"box-{n}") for n in range(10)]
    for box in boxes:
        box.send_many(range(100))
    served = [liaison.wait(boxes)[0] for _ in range(30)]
    for box in boxes:
        assert sum(one is box for one in served) == 3


@pytest.mark.parametrize("end", ["close", "destroy"])
def test_a_link_that_ended_is_returned(mailbox, end):
    """A closed or destroyed link is returned at once, each time: receiving raises the reason."""
    box, quiet = mailbox(), mailbox("quiet")
    for waited in (False, True):
        if waited:
            box = mailbox()
            assert liaison.wait([quiet, box], timeout=0) == []
        getattr(box, end)()
        assert liaison.wait([quiet, box]) == [box]
        assert liaison.wait([quiet, box]) == [box]
        with pytest.raises((Closed, Destroyed)):
            box.receive()
        if end == "close":
            liaison.Mailbox("box").destroy()


@pytest.mark.parametrize("end", ["box.close()", "box.destroy()", "box.send(1)"])
def test_a_waiting_thread_is_woken(mailbox, end):
    """A thread that waits for several links is woken by a message, a closing, a destruction."""
    quiet, box = mailbox("quiet"), mailbox()
    call = Beside(liaison.wait, [quiet, box])
    until(waiting)
    eval(end, {"box": box})
    assert call.result() == [box]


def test_a_socket_that_was_closed_is_returned(mailbox):
    """A socket that was closed between two calls is returned, too."""
    here, there = socket.socketpair()
    box = mailbox()
    with there:
        assert liaison.wait([box, here], timeout=0) == []
        here.close()
        assert liaison.wait([box, here]) == [here]


def test_what_is_closed_while_it_is_asked_is_returned(mailbox):
    """A link whose descriptor is closed before it is waited for is returned, without an error."""

    class Closing:
        def fileno(self):
            here, there = socket.socketpair()
            with here, there:
                return here.fileno()

    one = Closing()
    assert liaison.wait([mailbox(), one]) == [one]


def test_links_that_come_and_go(mailbox):
    """A link that was closed is not taken for the one that was opened after it."""
    quiet = mailbox("quiet")
    for _ in range(20):
        one = mailbox("one")
        assert liaison.wait([quiet, one], timeout=0) == []
        one.destroy()
        one.close()
        other = mailbox("other")
        assert liaison.wait([quiet, one, other]) == [one]
        assert liaison.wait([quiet, other], timeout=0) == []
        other.send(1)
        assert liaison.wait([quiet, other]) == [other]
        other.destroy()
        other.close()


def test_links_that_died_leave_nothing(mailbox):
    """A set of links that are gone is given up, with its descriptors."""
    quiet = socket.socket()
    liaison.wait([quiet, mailbox("other")], timeout=0)
    gc.collect()
    before = descriptors()
    box = mailbox()
    liaison.wait([quiet, box], timeout=0)
    assert descriptors() >= before + 6  # a set has 2, a bell 3, the space 1
    del box
    gc.collect()
    assert descriptors() == before
    quiet.close()


def test_mailboxes_alone_take_no_descriptors(mailbox):
    """Mailboxes of one space are waited for without a descriptor, however many they are."""
    boxes = [mailbox(f"box-{n}") for n in range(50)]
    before = descriptors()
    boxes[31].send(1)
    assert liaison.wait(boxes) == [boxes[31]]
    assert descriptors() == before


def test_a_mailbox_that_is_dropped_is_closed(mailbox):
    """A mailbox to which nothing refers any more is closed, though it was waited for."""
    quiet = mailbox("quiet")
    box = liaison.Mailbox("short", access="pair")
    assert liaison.wait([quiet, box], timeout=0) == []
    with Actor("box = Mailbox('short')") as other:
        assert other.do("len(box.link.receivers + box.link.senders)") == 0
        del box
        gc.collect()
        with Actor("box = Mailbox('short')"):  # the place is free
            assert not module._memory
        other.do("box.destroy(force=True)")


def test_closing_one_gives_its_place_up_at_once(mailbox):
    """A mailbox that is closed leaves the link at that moment, though it was waited for."""
    quiet = mailbox("quiet")
    box = liaison.Mailbox("short", access="pair")
    assert liaison.wait([quiet, box], timeout=0) == []
    with Actor("box = Mailbox('short')") as other:
        box.close()
        with Actor("box = Mailbox('short')"):
            pass
        other.do("box.destroy(force=True)")


def test_more_threads_wait_than_have_a_place_in_memory(mailbox):
    """However many threads wait for the same links, a message wakes each of them."""
    boxes = [mailbox(f"box-{n}") for n in range(3)]
    calls = [Beside(liaison.wait, boxes) for _ in range(25)]
    boxes[1].send(1)
    assert [call.result() for call in calls] == [[boxes[1]]] * 25


def test_few_sets_are_kept(mailbox):
    """A thread that waits for another list each time keeps a few sets, not one for each."""
    boxes = [mailbox(f"box-{n}") for n in range(20)]
    liaison.wait(boxes, timeout=0)
    before = descriptors()
    for n in range(1, 20):
        liaison.wait(boxes[:n], timeout=0)
    assert descriptors() < before + 2 * 10


def test_a_forked_child_waits_by_itself(mailbox):
    """Parent and child both wait for the same links, and neither takes the other's wake-ups."""
    boxes = [mailbox(f"box-{n}") for n in range(3)]
    assert liaison.wait(boxes, timeout=0) == []
    with Actor(fork=True, boxes=boxes) as child:
        assert child.do("wait(boxes, timeout=0)") == []
        boxes[1].send(1)
        assert liaison.wait(boxes) == [boxes[1]]
        assert child.do("[boxes.index(box) for box in wait(boxes)]") == [1]
        assert child.do("boxes[1].receive()") == 1
        assert liaison.wait(boxes, timeout=0) == []
        child.do("[box.close() for box in boxes]")
        boxes[2].send(2)
        assert liaison.wait(boxes) == [boxes[2]]


def test_a_killed_receivers_message_is_found(mailbox):
    """A message whose holder is killed while others wait is found by them."""
    boxes = [mailbox(f"box-{n}") for n in range(5)]
    boxes[4].send("held")
    with Actor("box = Mailbox('box-4')", "held = box.lease()") as holder:
        call = Beside(liaison.wait, boxes)
        until(waiting)
        holder.kill()
        assert call.result() == [boxes[4]]
    with boxes[4].lease() as delivery:
        assert delivery.attempt == 2


def test_an_empty_exclusive_mailbox_is_quiet(mailbox):
    """The descriptor is quiet however many processes try to receive in turn."""
    box = mailbox(access="exclusive")
    box.fileno()
    with Actor("import select", "box = Mailbox('box')", "box.fileno()") as other:
        for _ in range(10):
            assert other.do("box.try_receive()") is None
            assert box.try_receive() is None
        assert select.select([box], [], [], 0)[0] == []
        assert other.do("box.try_receive()") is None
        assert select.select([box], [], [], 0)[0] == []
        other.do("box.close()")


def test_no_wake_up_is_lost(mailbox):
    """Many processes send to many mailboxes, one waits: every message is found."""
    boxes = [mailbox(f"box-{n}", capacity=4) for n in range(25)]
    lines = ("import random", "boxes = [Mailbox(f'box-{n}') for n in range(25)]")
    with Actor(*lines) as one, Actor(*lines) as two:
        for sender in (one, two):
            sender.start("[random.choice(boxes).send(n) for n in range(1500)] and None")
        for received in range(3000):
            found = liaison.wait(boxes, timeout=60)
            assert found, f"{3000 - received} of 3000 messages were not found"
            found[0].receive(timeout=0)
        one.answer()
        two.answer()
    assert liaison.wait(boxes, timeout=0) == []


def test_a_thousand_links(space):
    """A thousand mailboxes are waited for, and the one that has a message is found."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4000:
        pytest.skip(f"NOT CHECKED, {hard} descriptors are not enough: 3 a mailbox are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8000), hard))
    try:
        boxes = [liaison.Mailbox(f"box-{n}", capacity=1) for n in range(1000)]
        assert liaison.wait(boxes, timeout=0) == []
        for n in (999, 0, 500):
            boxes[n].send(n)
            [found] = liaison.wait(boxes)
            assert found.receive() == n
        for box in boxes:
            box.destroy()
            box.close()
    finally:
        del boxes
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_cannot_be_waited_for(mailbox):
    """An observer, nothing at all, what has no descriptor, and a strange timeout are refused."""
    mailbox()
    with liaison.Mailbox.observe("box") as observer, pytest.raises(AccessDenied):
        liaison.wait([observer])
    with pytest.raises(ValueError, match="nothing to wait for"):
        liaison.wait([])
    assert liaison.wait([], timeout=0.01) == []
    with pytest.raises(AttributeError):
        liaison.wait([7])
    with pytest.raises(ValueError, match="timeout"):
        liaison.wait([], timeout=-1)
