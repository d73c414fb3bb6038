"""A process forks while another of its threads is inside an operation.

The child has the end and not the thread. Closing the end there gives it up.
"""

import contextlib
import gc
import os
import signal
import threading

import pytest

import liaison
from liaison import (
    AccessDenied,
    Busy,
    Closed,
    Destroyed,
    Empty,
    Endpoint,
    LeaseLost,
    Mailbox,
    Port,
)
from liaison.testing import Process, until
from tests.faults.children import forked, in_child


def _waits(end, operation):
    """Start a thread, and return once it waits inside the operation."""
    thread = threading.Thread(target=_until_it_fails, args=(operation,), daemon=True)
    thread.start()
    until(lambda: end.statistics().senders_waiting + end.statistics().receivers_waiting, "inside")
    return thread


def _until_it_fails(operation):
    with contextlib.suppress(Destroyed, ValueError):
        operation()


def _parent_of_a_sender(port):
    """Wait in a send, fork a child that sends, closes its end and stays; then end."""
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

    pid = forked(uses_and_closes)
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
    _ChildOnAPair(box).gives_its_place_up()
    box.send("end")
    thread.join(60)


class _ChildOnAPair:
    """A child that uses the pair, and closes its end on request."""

    def __init__(self, box):
        self.there, self.back = os.pipe(), os.pipe()

        def uses_and_closes():
            box.try_receive()
            os.write(self.back[1], b"u")
            os.read(self.there[0], 1)
            box.close()
            os.write(self.back[1], b"c")
            signal.pause()

        self.pid = forked(uses_and_closes)

    def gives_its_place_up(self):
        """Check that the child's place is taken, and free once it has closed its end, and lives."""
        try:
            assert os.read(self.back[0], 1) == b"u"
            with Process(_opens) as second, pytest.raises(Busy):
                second.result()
            os.write(self.there[1], b"g")
            assert os.read(self.back[0], 1) == b"c"
            with Process(_opens) as second:
                second.result()
        finally:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


def _opens():
    Mailbox("box").close()


# ---- what another thread holds meanwhile


@contextlib.contextmanager
def _holding(hold):
    """Keep what `hold` returns in another thread alone."""
    here, over = threading.Event(), threading.Event()

    def run():
        held = hold()
        here.set()
        over.wait()
        del held

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert here.wait(60)
        yield
    finally:
        over.set()
        thread.join()


def _mapped(space):
    """Count the files of links that this process has mapped."""
    gc.collect()
    with open("/proc/self/maps") as maps:
        return sum(f"{space.root}/" in line and "/members" not in line for line in maps)


def _delivery(box):
    return box.lease(timeout=0)


def _window(box):
    delivery = box.lease(timeout=0)
    return delivery, memoryview(delivery.view)


def _loan(box):
    loan = box.loan(5)
    return loan, memoryview(loan.view)


def _receipt(box):
    return box.send("followed", receipt=True)


@pytest.mark.parametrize("hold", [_delivery, _window, _loan, _receipt])
def test_a_pair_is_free_of_a_child_whose_parents_thread_has_something(mailbox, hold):
    """The child's place is free once it has closed its end, though it never settles those."""
    box = mailbox(access="pair")
    box.send("job")
    with _holding(lambda: hold(box)):
        child = _ChildOnAPair(box)
    child.gives_its_place_up()


@pytest.mark.parametrize("hold", [_delivery, _receipt])
def test_a_child_unmaps_what_its_parents_thread_has(space, hold):
    """Closing the child's end unmaps the link, of which nothing is looked at there."""
    box = Mailbox("box")
    box.send("job")

    def closes():
        assert _mapped(space) > 0
        box.close()
        assert _mapped(space) == 0

    with _holding(lambda: hold(box)):
        assert in_child(closes) == 0
    box.destroy()


def test_what_a_child_still_looks_at_stays(mailbox):
    """A child can read its parent's message after closing its end, and not settle it."""
    box = mailbox()
    box.send(b"precious")
    delivery = box.lease()
    window, receipt = delivery.view, box.send("followed", receipt=True)
    looks = memoryview(window)

    def closes_and_looks():
        own = box.lease()
        assert own.message == "followed"
        box.close()
        assert bytes(looks) == b"precious"
        with pytest.raises(LeaseLost):
            own.acknowledge()
        for forbidden in (delivery.acknowledge, delivery.release, lambda: delivery.view):
            with pytest.raises(LeaseLost):
                forbidden()
        with pytest.raises(Closed):
            receipt.state  # noqa: B018 - it is looked at
        with pytest.raises(Closed):
            delivery.sender  # noqa: B018
        looks.release()

    assert in_child(closes_and_looks) == 0
    looks.release()
    delivery.acknowledge()
    assert box.receive() == "followed"
    assert receipt.state == "acknowledged"


def test_a_child_gives_up_an_endpoint_that_its_parents_thread_waits_at(space):
    """Nothing of the endpoint stays mapped in the child once the child has closed it."""
    me, other = Endpoint("me"), Endpoint("other")
    other.send("me", 1)
    assert me.receive(timeout=60) == 1
    thread = threading.Thread(target=_until_it_fails, args=(me.receive,), daemon=True)
    thread.start()
    until(_asleep(thread), "inside")

    def closes():
        for end in (me, other):
            end.close()
        gc.collect()
        assert _mapped(space) == 0

    assert in_child(closes) == 0
    other.send("me", 2)
    thread.join(60)
    me.destroy()
    other.destroy()


# ---- a signal's handler that forks


def _asleep(thread):
    """Make a condition: the thread slept at each of the last 20 looks."""
    looks = iter(range(20))

    def looked():
        nonlocal looks
        with open(f"/proc/self/task/{thread.native_id}/wchan") as wchan:
            if "futex" not in wchan.read():
                looks = iter(range(20))
        return next(looks, None) is None

    return looked


def _forked_by_a_handler(wait):
    """Wait in the main thread, where a handler forks, and check the child's exit code."""
    outcome = []

    def handler(*_):
        pid = os.fork()
        outcome.append(pid and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    def signals():
        until(_asleep(threading.main_thread()), "inside")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    signal.signal(signal.SIGUSR1, handler)
    me = os.getpid()
    thread = threading.Thread(target=signals)
    thread.start()
    code = 1
    try:
        wait(outcome)
        code = 0
    finally:
        if os.getpid() != me:
            os._exit(code)
    thread.join()
    assert outcome == [0]


def _waits_for_two():
    box, other = Mailbox("box"), Mailbox("other")
    me = os.getpid()

    def wait(outcome):
        if os.getpid() == me:
            assert liaison.wait([box, other], timeout=1) == []
        if os.getpid() != me:
            other.send("from the child")
            assert liaison.wait([box, other], timeout=60) == [other]
            assert other.receive() == "from the child"

    _forked_by_a_handler(wait)
    assert liaison.wait([box, other], timeout=0) == []


def test_a_handler_forks_while_several_are_waited_for(mailbox):
    """The child's `wait` goes on with a set of its own."""
    mailbox()
    mailbox("other")
    with Process(_waits_for_two) as process:
        process.result()


def _waits_at_an_endpoint():
    end = Endpoint("me")
    me = os.getpid()

    def wait(outcome):
        if os.getpid() == me:
            with contextlib.suppress(Empty, AccessDenied):
                end.receive(timeout=1)
        assert outcome
        if os.getpid() != me:
            end.close()

    _forked_by_a_handler(wait)
    end.destroy()


def test_a_handler_forks_while_an_endpoint_waits(space):
    """The child gets an error, since the endpoint is its parent's."""
    with Process(_waits_at_an_endpoint) as process:
        process.result()


class Forks:
    """A message that forks while it is encoded: parent and child are inside the operation."""

    def __init__(self, end):
        self.end = end

    def __reduce__(self):
        pid = os.fork()
        if pid == 0:
            self.end.close()  # which its own thread still uses
        else:
            os.waitpid(pid, 0)
        return str, ()


def test_a_child_of_an_operation_closes_its_end(mailbox):
    """Closing the end in a child that was forked within an operation is an error, no crash."""
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
