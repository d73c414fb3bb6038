"""Ports: who may receive, who may send, and what ends them."""

import os
import pickle
import select
import signal
import threading
from contextlib import ExitStack

import pytest

from liaison import (
    AccessDenied,
    Busy,
    Destroyed,
    Empty,
    NotFound,
    Port,
)
from liaison.testing import until
from tests.links.actor import Actor

OPEN = "port = Port.open('port')"


def test_a_sender_learns_of_the_end_whatever_it_asks(space):
    """Of a port that is destroyed nobody is told that another has the right to receive from it."""
    with Port("orders") as port, Port.open("orders") as sender:
        port.destroy()
        for ask in (sender.lease, sender.receive, sender.try_receive, sender.fileno):
            with pytest.raises(Destroyed):
                ask()


def test_a_second_receiver_is_busy(space):
    """While the first lives, in the same process or another, and stopped or not."""
    with Actor("port = Port('port')") as receiver:
        with pytest.raises(Busy):
            Port("port")
        with pytest.raises(Busy):
            receiver.do("Port('port')")
        receiver.stop()
        with pytest.raises(Busy):
            Port("port")
        receiver.resume()
        receiver.do("port.close()")
        Port("port").close()


@pytest.mark.parametrize("end", ["port.close()", "del port", "exit()", "kill", "destroy"])
def test_it_ends_with_its_receiver(space, end):
    """Closed, dropped, exited, killed or destroyed: the name is free, senders are told."""
    with Actor("port = Port('port')") as receiver, Port.open("port") as sender:
        sender.send("lost")
        _end(receiver, end)
        until(lambda: not _sends(sender), "the sender is told")
        with pytest.raises(NotFound):
            Port.open("port")
        with Port("port") as port, Port.open("port") as new:
            new.send("new")
            assert port.receive() == "new"
            with pytest.raises(Destroyed):
                sender.send("old")


def _end(receiver, how):
    if how == "kill":
        receiver.kill()
    elif how == "exit()":
        receiver.start("import sys; sys.exit(3)")
        assert receiver.wait() == 1  # by itself: what it raised has ended it
    elif how == "destroy":
        receiver.do("port.destroy()")
    else:
        receiver.do(how)


def _sends(sender):
    try:
        return sender.try_send("more") or True
    except Destroyed:
        return False


@pytest.mark.parametrize("end", ["port.close()", "kill", "destroy"])
@pytest.mark.parametrize(
    "wait",
    ["port.send('more')", "port.loan(3)", "port.send_many(['a', 'b'])", "receipt.wait_received()"],
)
def test_a_blocked_sender_learns_it(space, end, wait):
    """Each wait of a sender ends with Destroyed when the receiver does."""
    lines = [OPEN, "receipt = port.send('first', receipt=True)"]
    with Actor("port = Port('port', capacity=1)") as receiver, Actor(*lines) as sender:
        sender.start(wait)
        until(sender.asleep, "it sleeps")
        _end(receiver, end)
        with pytest.raises(Destroyed):
            sender.answer()


def test_all_blocked_senders_learn_it(space):
    """Many in one process and others in another, while one of those is killed as well."""
    with ExitStack() as living:
        receiver = living.enter_context(Actor("port = Port('port', capacity=1)"))
        one, two = (living.enter_context(Actor(OPEN)) for _ in range(2))
        with Port.open("port") as sender:
            sender.send("first")
            told = []

            def send():
                with pytest.raises(Destroyed):
                    sender.send("more")
                told.append(True)

            threads = [threading.Thread(target=send) for _ in range(10)]
            one.start("port.send('more')")
            until(lambda: sender.statistics().senders_waiting == 1, "the first waits")
            two.start("port.send('more')")
            for thread in threads:
                thread.start()
            until(lambda: sender.statistics().senders_waiting == 12, "all wait")
            one.kill()  # it was the first to wait: the one that watched for all
            receiver.kill()
            for thread in threads:
                thread.join(60)
            assert told == [True] * 10
            with pytest.raises(Destroyed):
                two.answer()


def test_a_forked_child_is_not_the_receiver(space):
    """It cannot receive with what it inherited, and neither closing it nor its end harms."""
    with Port("port") as port:
        port.send("message")
        with Actor(fork=True, port=port) as child:
            with pytest.raises(AccessDenied):
                child.do("port.receive(timeout=0)")
            child.do("port.send('from the child')")
            child.do("port.close()")
        assert [port.receive(), port.receive()] == ["message", "from the child"]


def test_a_child_does_not_keep_its_parents_port_alive(space):
    """A receiver that is killed has ended, though a child that it forked lives."""
    with Actor("port = Port('port')", "import os, time") as receiver:
        line = "child = os.fork()\nif not child: time.sleep(3600)"
        receiver.do(line)
        child = receiver.do("child")
        try:
            receiver.kill()
            with pytest.raises(NotFound):
                Port.open("port")
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_pickled_port_sends(space):
    """What travels is the address, opened there to send."""
    with Port("port") as port, pickle.loads(pickle.dumps(port)) as sender:
        sender.send("by address")
        assert port.receive() == "by address"
        with pytest.raises(AccessDenied):
            sender.receive()


@pytest.mark.parametrize(
    "wrong", [{"capacity": 0}, {"capacity": -1}, {"lifetime": "for ever"}], ids=str
)
def test_what_cannot_be_is_refused(space, wrong):
    """A ValueError, and nothing is made."""
    with pytest.raises(ValueError, match=r"out of range|unknown"):
        Port("port", **wrong)
    assert space.files("names") == []


# ---- lifetime="senders"


@pytest.mark.parametrize("end", ["port.close()", "del port", "kill"])
def test_it_ends_with_its_last_sender(space, end):
    """Then the receiver gets what is left, a loop over the port ends, and nobody can come."""
    with Port("port", lifetime="senders") as port:
        assert port.try_receive() is None  # nobody has come yet
        with Actor(OPEN) as one, Actor(OPEN) as two:
            one.do("port.send('a')")
            _end(one, "kill")
            two.do("port.send('b')")
            assert [port.receive(), port.receive()] == ["a", "b"]
            with pytest.raises(Empty):
                port.receive(timeout=0.05)
            two.do("port.send_many(['c', 'd'])")
            _end(two, end)
            assert list(port) == ["c", "d"]
            with pytest.raises(NotFound):
                Port.open("port")
            with pytest.raises(Destroyed):
                port.receive(timeout=0)
            with pytest.raises(Busy):  # its receiver lives
                Port("port")


def test_a_receiver_that_sleeps_learns_it(space):
    """The last sender's end wakes a receiver that waits, in a call or in a selector."""
    for end in ("close", "kill"):
        with Actor("port = Port('port', lifetime='senders')") as receiver, Actor(OPEN) as sender:
            receiver.start("port.receive()")
            until(receiver.asleep, "it sleeps")
            sender.do("port.close()") if end == "close" else sender.kill()
            with pytest.raises(Destroyed):
                receiver.answer()
    with Port("port", lifetime="senders") as port, Actor(OPEN) as sender:
        poll = select.poll()
        poll.register(port.fileno(), select.POLLIN)
        while port.try_receive() is not None:
            pass
        sender.kill()
        with pytest.raises(Destroyed):
            _receive_when_told(port, poll)


def _receive_when_told(port, poll):
    while poll.poll(60_000):
        port.try_receive()


def test_a_sender_in_the_receivers_process_counts(space):
    """As long as it is open the port lives; when it is closed it was the last."""
    with Port("port", lifetime="senders") as port:
        with Port.open("port") as sender:
            with Actor(OPEN) as other:
                other.do("port.send('a')")
            assert port.receive() == "a"
            with pytest.raises(Empty):
                port.receive(timeout=0.05)
            sender.send("b")
        assert list(port) == ["b"]


def test_what_the_receiver_leased_is_still_its_own(space):
    """It can release and acknowledge messages after the last sender has ended."""
    with Port("port", lifetime="senders") as port:
        with Actor(OPEN) as sender:
            sender.do("port.send('a')")
            delivery = port.lease()
        with pytest.raises(Destroyed):
            port.receive()
        delivery.release()
        with port.lease() as again:
            assert (again.message, again.attempt) == ("a", 2)
        with pytest.raises(Destroyed):
            port.receive()
