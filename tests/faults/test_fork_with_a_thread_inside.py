"""A process forks while another of its threads is inside an operation.

The child has the end, and not the thread: it closes the end, and that is that.
"""

import contextlib
import os
import signal
import threading

import pytest

from liaison import Busy, Destroyed, Empty, Mailbox, Port
from liaison.testing import Process, until


def _waits(end, operation):
    """A thread of this process that is inside the operation."""
    thread = threading.Thread(target=_until_it_fails, args=(operation,), daemon=True)
    thread.start()
    until(lambda: end.statistics().senders_waiting + end.statistics().receivers_waiting, "inside")
    return thread


def _until_it_fails(operation):
    with contextlib.suppress(Destroyed, ValueError):
        operation()


def _child(body):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        finally:
            os._exit(code)
    return pid


def _parent_of_a_sender(port):
    """Be inside a send, with a child that sends too, closes its end, and stays; then end."""
    end = Port.open(port)
    end.send(1)
    _waits(end, lambda: end.send(2))
    here, say = os.pipe()

    def uses_and_closes():
        assert not end.try_send("no room")
        end.close()
        os.write(say, b"c")
        os.closerange(0, 1024)  # nobody is to wait for these
        signal.pause()

    pid = _child(uses_and_closes)
    assert os.read(here, 1) == b"c"
    return pid


def test_a_port_ends_though_a_child_lives(space):
    """A port with lifetime="senders" ends when they have closed, in a forked child too."""
    with Port("port", capacity=1, lifetime="senders") as port:
        with Process(_parent_of_a_sender, "port") as parent:
            child = parent.result()
        try:
            assert port.receive(timeout=60) == 1
            with pytest.raises(Destroyed):
                port.receive(timeout=60)  # the second was never accepted
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_pair_is_free_though_a_child_lives(mailbox):
    """The place of a child on a pair is free when it has closed its end."""
    box = mailbox(access="pair")
    thread = _waits(box, box.receive)
    there, back = os.pipe(), os.pipe()

    def uses_and_closes():
        with pytest.raises(Empty):
            box.receive(timeout=0)
        os.write(back[1], b"u")
        os.read(there[0], 1)
        box.close()
        os.write(back[1], b"c")
        signal.pause()

    child = _child(uses_and_closes)
    try:
        assert os.read(back[0], 1) == b"u"
        with Process(_opens) as second, pytest.raises(Busy):
            second.result()
        os.write(there[1], b"g")
        assert os.read(back[0], 1) == b"c"
        with Process(_opens) as second:
            second.result()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    box.send("end")
    thread.join(60)


def _opens():
    Mailbox("box").close()


class Forks:
    """What forks while it is encoded: the thread that forks is inside, and so is its child."""

    def __init__(self, end):
        self.end = end

    def __reduce__(self):
        pid = os.fork()
        if pid == 0:
            self.end.close()  # its own thread needs it still
        else:
            os.waitpid(pid, 0)
        return str, ()


def test_a_child_of_an_operation_closes_its_end(mailbox):
    """Who forks within an operation, and closes the end there, gets an error and no crash."""
    box = mailbox(codec="pickle")
    with Process(_forks_within, fork=True) as other:
        other.result()
    assert box.receive(timeout=0) == ""


def _forks_within():
    me = os.getpid()
    box = Mailbox("box", codec="pickle")
    try:
        box.send(Forks(box))
    except ValueError:
        os._exit(0 if os.getpid() != me else 1)
    assert os.getpid() == me
