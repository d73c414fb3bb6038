"""Ports: who may receive, who may send, and what ends them."""

import os
import pickle
import select
import signal
from contextlib import ExitStack

import pytest

from liaison import AccessDenied, Busy, Destroyed, Empty, NotFound, Port
from liaison.testing import until
from tests.beside import Beside
from tests.links.actor import Actor

OPEN = "port = Port.open('port')"


def test_a_destroyed_port_is_destroyed_for_its_senders(space):
    """A sender that may not receive gets Destroyed rather than AccessDenied from such a port."""
    with Port("orders") as port, Port.open("orders") as sender:
        port.destroy()
        for ask in (sender.lease, sender.receive, sender.try_receive, sender.fileno):
            with pytest.raises(Destroyed):
                ask()


def test_a_second_receiver_is_busy(space):
    """A second receiver is Busy while the first is stopped, until the first closes its end."""
    with Actor("port = Port('port')") as receiver:
        receiver.stop()
        with pytest.raises(Busy):
            Port("port")
        receiver.resume()
        receiver.do("port.close()")
        Port("port").close()


@pytest.mark.parametrize("end", ["port.close()", "del port", "exit()", "kill", "destroy"])
def test_it_ends_with_its_receiver(space, end):
    """However a port's receiver ended, its name is free, and its senders get Destroyed."""
    with Actor("port = Port('port')") as receiver, Port.open("port") as sender:
        sender.send("lost")
        _end(receiver, end)
        until(lambda: not _sends(sender), "the sender gets Destroyed")
        with pytest.raises(NotFound):
            Port.open("port")
        with Port("port") as port, Port.open("port") as new:
            new.send("new")
            assert port.receive() == "new"
            with pytest.raises(Destroyed):
                sender.send("old")


def _end(receiver, how):
    """Have the process end its port, or end itself."""
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
def test_the_receivers_end_ends_each_wait_of_a_sender(space, end, wait):
    """Each wait of a sender ends with Destroyed when the receiver ends."""
    lines = [OPEN, "receipt = port.send('first', receipt=True)"]
    with Actor("port = Port('port', capacity=1)") as receiver, Actor(*lines) as sender:
        sender.start(wait)
        until(sender.asleep, "it sleeps")
        _end(receiver, end)
        with pytest.raises(Destroyed):
            sender.answer()


def test_the_receivers_end_ends_the_waits_of_all_senders(space):
    """All senders that wait, in several processes, get Destroyed, though one is killed as well."""
    with ExitStack() as living:
        receiver = living.enter_context(Actor("port = Port('port', capacity=1)"))
        one, two = (living.enter_context(Actor(OPEN)) for _ in range(2))
        with Port.open("port") as sender:
            sender.send("first")
            one.start("port.send('more')")
            until(lambda: sender.statistics().senders_waiting == 1, "the first waits")
            two.start("port.send('more')")
            waiting = [Beside(sender.send, "more") for _ in range(10)]
            until(lambda: sender.statistics().senders_waiting == 12, "all wait")
            one.kill()  # it was the first to wait: the one that watched for all
            receiver.kill()
            for wait in (*(one.result for one in waiting), two.answer):
                with pytest.raises(Destroyed):
                    wait()


def test_a_forked_child_is_not_the_receiver(space):
    """A child can send by an inherited port, not receive; its closing and its end do no harm."""
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
    """Unpickling a port opens it by its address, as a sender."""
    with Port("port") as port, pickle.loads(pickle.dumps(port)) as sender:
        sender.send("by address")
        assert port.receive() == "by address"
        with pytest.raises(AccessDenied):
            sender.receive()


# ---- lifetime="senders"


@pytest.mark.parametrize("end", ["port.close()", "del port", "kill"])
def test_it_ends_with_its_last_sender(space, end):
    """The receiver gets what the last sender left, a loop ends, and the port cannot be opened."""
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


def test_the_last_senders_end_wakes_the_receiver(space):
    """The last sender's end wakes a receiver that waits in a call or in a selector."""
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
    """A sender's end in the receiver's process keeps the port alive until it is closed."""
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
    """The receiver can settle what it has leased after the last sender has ended."""
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
