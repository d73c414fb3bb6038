"""A port's receiver ends: waiting senders get Destroyed, and its messages are kept."""

import os
import signal
import time

import pytest

import liaison
from liaison import Destroyed, Empty, Mailbox, NotFound, Port
from liaison.testing import Process, point, until
from tests.faults.often import RUNS, times
from tests.links.actor import Actor

OPEN = "port = Port.open('port')"


def _receives(how):
    port = Port("port", capacity=2, dead_letters="dead")
    port.send("first")
    held = port.lease()
    port.send("second")
    point("there", wait=True)
    if how == "close":
        port.close()
        point("closed", wait=True)
    elif how == "exit":
        raise SystemExit(3)
    elif how == "exception":
        raise RuntimeError(held.message)
    elif how == "os._exit":
        os._exit(4)
    elif how == "exec":
        os.execv("/bin/sleep", ["sleep", "3600"])
    else:
        os.kill(os.getpid(), getattr(signal, how))


@pytest.mark.parametrize(
    "how", ["SIGKILL", "SIGTERM", "SIGSEGV", "exit", "exception", "os._exit", "exec", "close"]
)
def test_any_end_destroys_the_port_and_keeps_its_messages(mailbox, space, how):
    """However the receiver ends, senders get Destroyed, and its messages go to the dead letters.

    What it held comes first, then what it had not received, once each; then the name is free.
    """
    dead = mailbox("dead")
    with Process(_receives, how) as receiver, Actor() as first, Actor() as second:
        receiver.reach("there")
        for sender in (first, second):
            sender.do(OPEN)
        first.start("port.send('more')")
        second.start("port.loan(3)")
        with Port.observe("port") as port:
            until(lambda: port.statistics().senders_waiting == 2, "both sleep")
        receiver.go_on()
        for sender in (first, second):
            with pytest.raises(Destroyed):
                sender.answer()
        with pytest.raises(NotFound):
            Port.open("port")
        assert space.files("names") == ["dead"]
        assert dead.receive_many(5, timeout=0) == ["first", "second"]
        with pytest.raises(Empty):
            dead.receive(timeout=0)


def test_each_time_a_receiver_is_killed_a_waiting_sender_gets_destroyed(space):
    """A waiting sender gets Destroyed in every one of many runs."""
    took = []
    for run in range(RUNS):
        with (
            Actor("port = Port('port', capacity=1)", "port.send('x')", fork=True) as receiver,
            Actor(OPEN, fork=True) as sender,
        ):
            sender.start("port.send('more')")
            until(sender.asleep, "it sleeps")
            begin = time.monotonic_ns()
            receiver.kill()
            with pytest.raises(Destroyed):
                sender.answer()
            took.append(time.monotonic_ns() - begin)
        assert space.files("names") == [], run
    print(f"{RUNS} of {RUNS} senders were woken, after {times(took)}")


def test_a_wait_for_many_links_ends_with_the_last_sender(space):
    """`wait` returns a port with `lifetime="senders"` when its last sender was killed."""
    with Port("port", lifetime="senders") as port, Mailbox("other") as other:
        with Actor(OPEN) as sender:
            sender.do("port.send('last')")
            assert liaison.wait([other, port], timeout=60) == [port]
            assert port.receive() == "last"
            sender.kill()
        assert liaison.wait([other, port], timeout=60) == [port]
        with pytest.raises(Destroyed):
            port.receive(timeout=0)
        other.destroy()
