"""Ctrl-C between any two bytecodes: leases and loans are returned, nothing stays held.

A trace function raises KeyboardInterrupt, also where no signal handler ever runs: at the bytecodes
with which the interpreter ends an `except`. There the interpreter itself leaks an exception and all
that its traceback holds, in pure Python too. So the tests run in a child.
"""

import gc
import sys

import pytest

from liaison import Endpoint, Full, Mailbox, NotFound
from liaison._native.link import end_of
from liaison.testing import Process
from tests.faults.often import FULL

STRIDE = 1 if FULL else 11  # opening runs thousands of bytecodes


class Interruptions:
    """Raises KeyboardInterrupt before the n-th bytecode that a function's own frames run."""

    def __init__(self, number):
        self.left = number

    def __call__(self, frame, event, argument):
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self

    def run(self, function, *arguments):
        """Whether it was interrupted; False when it ran fewer bytecodes than that."""
        before = sys.gettrace()
        # Python 3.12 traces bytecodes only if a frame asked for it when tracing began.
        sys._getframe().f_trace_opcodes = True
        sys.settrace(self)
        try:
            function(*arguments)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False


def leases(box):
    with box.lease(timeout=0) as delivery:
        assert delivery.message == {"a": "job"}
        assert delivery.attempt


def leases_by_hand(box):
    delivery = box.lease(timeout=0)
    message = delivery.message
    view = delivery.view
    assert message
    assert len(view)
    view.release()
    delivery.acknowledge()


def leases_and_gives_back(box):
    delivery = box.lease(timeout=0)
    delivery.release()


def leases_and_raises(box):
    try:
        with box.lease(timeout=0):
            raise LookupError
    except LookupError:
        pass


def leases_in_a_loop(box):
    for _ in range(2):
        if len(box):
            with box.lease(timeout=0) as delivery:
                delivery.acknowledge()


def holds_several(box):
    held = [box.lease(timeout=0) for _ in range(2)]
    for delivery in held:
        delivery.acknowledge()


LEASES = [
    leases, leases_by_hand, leases_and_gives_back, leases_and_raises, leases_in_a_loop,
    holds_several,
]  # fmt: skip


def lends(box):
    with box.loan(3) as loan:
        loan[:] = b"abc"
        loan.send()


def lends_by_hand(box):
    loan = box.loan(3)
    view = loan.view
    view[:] = b"abc"
    loan.send()


def sends(box):
    box.send({"a": "job"}, timeout=0)


def sends_many(box):
    box.send_many(({"a": n} for n in range(2)), timeout=0)


def sends_with_a_receipt(box):
    receipt = box.send({"a": "job"}, receipt=True, timeout=0)
    assert receipt.state == "queued"


def receives(box):
    if len(box):
        box.receive(timeout=0)
    box.try_receive()


OTHERS = [lends, lends_by_hand, sends, sends_many, sends_with_a_receipt, receives]
CAPACITY = 4


@pytest.mark.parametrize("use", LEASES + OTHERS, ids=lambda use: use.__name__)
@pytest.mark.parametrize("access", ["any", "exclusive"])
def test_what_is_interrupted_keeps_nothing(mailbox, use, access):
    """An operation that is interrupted before any bytecode keeps no place, done or not done.

    A leased message is acknowledged, or waits again.
    """
    mailbox(capacity=CAPACITY, access=access)
    with Process(_interrupts, use.__name__, fork=True) as process:
        count = process.result()
    print(f"interrupted before each of {count} bytecodes")
    assert count > 5


def _interrupts(name):
    use = globals()[name]
    box = Mailbox.open("box")
    _prepare(box, use)
    use(box)  # imports what it needs
    count = 0
    interrupted = True
    while interrupted:
        count += 1
        _prepare(box, use)
        interrupted = Interruptions(count).run(use, box)
        now = box.statistics()
        if now.leased or now.loaned:  # a traceback or a cycle kept it
            gc.collect()
            now = box.statistics()
        assert (now.leased, now.loaned) == (0, 0), f"bytecode {count}"
        assert now.free + now.waiting == CAPACITY, f"bytecode {count}"
    # Neither has a place for a receipt been lost.
    _prepare(box, sends)
    receipts = [box.send(n, receipt=True, timeout=0) for n in range(CAPACITY)]
    with pytest.raises(Full):
        box.send("one more", receipt=True, timeout=0)
    del receipts
    return count - 1


def _prepare(box, use):
    """Leave two messages in the mailbox for an operation that receives, or none for others."""
    wanted = 2 if use in (*LEASES, receives) else 0
    while len(box) > wanted:
        box.receive(timeout=0)
    while len(box) < wanted:
        box.send({"a": "job"}, timeout=0)


def opens():
    with Mailbox("box") as box:
        box.send({"a": "job"}, timeout=0)


def creates():
    with Mailbox.create("fresh", capacity=1) as box:
        box.destroy()


@pytest.mark.parametrize("use", [opens, creates], ids=lambda use: use.__name__)
def test_opening_that_is_interrupted_leaves_nothing(mailbox, space, use):
    """An interrupted Mailbox() leaves nothing open, and the next one works."""
    box = mailbox()
    with Process(_interrupts_opening, use.__name__, fork=True) as process:
        count = process.result(patience=110)
        print(f"interrupted before every {STRIDE}. of {count} bytecodes")
        assert count > 50
    assert space.files("names") == ["box"]
    assert len(box.link.senders) == 0


def _interrupts_opening(name):
    use = globals()[name]
    box = Mailbox.open("box")
    use()
    count = 1 - STRIDE
    interrupted = True
    while interrupted:
        count += STRIDE
        box.receive_many(5) if len(box) else None
        interrupted = Interruptions(count).run(use)
        try:
            left = Mailbox.open("fresh")
        except NotFound:
            continue
        left.destroy()  # it was made, and its maker interrupted before it could destroy it
        left.close()
    return count


def test_a_new_sender_is_registered_though_that_was_interrupted(space):
    """After KeyboardInterrupt before any bytecode, the next receive returns the message."""
    with Process(_interrupts_registering, fork=True) as process:
        count = process.result(patience=110)
        print(f"interrupted before each of {count} bytecodes")
        assert count > 50
    assert space.files("names") == []


def _interrupts_registering():
    bob = Endpoint("bob")
    count = 0
    interrupted = True
    while interrupted:
        count += 1
        alice = Endpoint("alice")
        alice.send("bob", count)
        assert bob.fileno()
        interrupted = Interruptions(count).run(len, bob)
        assert bob.receive(timeout=0) == count, f"bytecode {count}"
        assert end_of(bob)._registered.keys() == set(end_of(bob).ways), f"bytecode {count}"
        alice.destroy()
        assert bob.try_receive() is None
    bob.destroy()
    return count - 1
