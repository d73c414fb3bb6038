"""A lease that is settled after it was returned is LeaseLost, and no other lease is settled."""

import ctypes
import mmap

import pytest

from liaison import LeaseLost, Mailbox
from liaison.testing import Process, point
from tests.faults.often import RUNS

_MAP_FIXED = 0x10


def _is_taken_for_dead():
    """Lose the lock by which others know that this process lives."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    with open("/proc/self/maps", encoding="ascii") as maps:
        lines = [line.split()[0] for line in maps if line.rstrip().endswith("/members")]
    places = [[int(end, 16) for end in line.split("-")] for line in lines]
    assert places
    # Other memory takes their place, since the process goes on using them.
    how = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | _MAP_FIXED
    for start, end in places:
        size, access = ctypes.c_size_t(end - start), mmap.PROT_READ | mmap.PROT_WRITE
        place = ctypes.c_void_p(start)
        if libc.mmap(place, size, access, how, -1, ctypes.c_long(0)) != start:
            raise OSError(ctypes.get_errno(), "mmap")


def _is_late(settle):
    delivery = Mailbox.open("box").lease()
    point("leased", delivery.message, wait=True)
    _is_taken_for_dead()
    point("dead", wait=True)
    try:
        if settle == "release":
            delivery.release()
        else:
            delivery.acknowledge()
    except LeaseLost:
        return "lost"
    return "settled"


@pytest.mark.parametrize("settle", ["acknowledge", "release"])
@pytest.mark.parametrize("meanwhile", ["leased", "returned", "acknowledged", "its place reused"])
def test_a_late_settlement_is_lease_lost(mailbox, settle, meanwhile):
    """Whatever became of a returned message, its first holder cannot settle it any more."""
    for _ in range(max(2, RUNS // 25)):
        box = mailbox(capacity=1)
        box.send("job")
        with Process(_is_late, settle, fork=True) as late:
            assert late.reach("leased") == "job"
            late.go_on()
            late.reach("dead")
            delivery = box.lease(timeout=60)
            assert (delivery.message, delivery.attempt) == ("job", 2)
            expected = ("job", 3)
            if meanwhile == "returned":
                delivery.release()
            elif meanwhile != "leased":
                delivery.acknowledge()
            if meanwhile == "its place reused":  # the same cell, the same attempt
                box.send("another")
                box.lease().release()
                delivery = box.lease()
                expected = ("another", 3)
            late.go_on()
            assert late.result() == "lost"
        now = box.statistics()
        if meanwhile in ("leased", "its place reused"):
            assert (now.leased, now.waiting) == (1, 0)
            delivery.release()
        if meanwhile == "acknowledged":
            assert (now.free, now.waiting) == (1, 0)
        else:
            with box.lease(timeout=0) as again:
                assert (again.message, again.attempt) == expected
        box.destroy()
        box.close()


def test_a_loan_that_was_taken_back_is_not_sent(mailbox):
    """A process that was taken for dead cannot send its loan, whose place may be in use again."""
    box = mailbox(capacity=1)
    with Process(_lends_late, fork=True) as late:
        late.reach("lent")
        late.go_on()
        late.reach("dead")
        box.send("another", timeout=60)
        late.go_on()
        assert late.result() == "lost"
    assert box.receive(timeout=0) == "another"
    assert box.statistics().free == 1


def _lends_late():
    loan = Mailbox.open("box").loan(4)
    point("lent", wait=True)
    _is_taken_for_dead()
    point("dead", wait=True)
    try:
        loan.send()
    except LeaseLost:
        return "lost"
    return "sent"


def test_a_process_that_was_taken_for_dead_does_no_harm_later(mailbox):
    """A process that was taken for dead goes on sending and receiving, each message once."""
    box = mailbox()
    with Process(_goes_on, fork=True) as late:
        late.reach("joined")
        late.go_on()
        late.reach("dead")
        for _ in range(3):
            box.send_many(range(5))
            assert box.receive_many(10) == list(range(5))
        late.go_on()
        late.result()
    assert box.receive_many(10, timeout=0) == list(range(5))
    assert box.statistics().free == 1024


def _goes_on():
    box = Mailbox.open("box")
    box.send("first")
    assert box.receive() == "first"
    point("joined", wait=True)
    _is_taken_for_dead()
    point("dead", wait=True)
    for number in range(5):
        box.send(number)
