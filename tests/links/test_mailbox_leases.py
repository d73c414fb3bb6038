"""Leases and loans: messages that a process holds until it settles them or dies."""

import gc

import numpy as np
import pytest

from liaison import Closed, Empty, LeaseLost, Mailbox, TooLarge
from liaison.testing import until
from tests.links.actor import Actor
from tests.links.attempts import attempts


def test_what_is_dropped_is_given_up_at_once(mailbox):
    """A delivery or a loan that is dropped takes no collector, though its memory was used."""
    box = mailbox()
    box.send("job")
    delivery, loan = box.lease(), box.loan(5)
    bytes(delivery.view)
    loan[:] = b"hello"
    gc.disable()
    try:
        del delivery, loan
        assert (box.statistics().leased, box.statistics().loaned) == (0, 0)
    finally:
        gc.enable()


def test_a_delivery_in_a_cycle_goes_back_when_it_is_collected(mailbox):
    """A delivery that refers to itself goes back when the garbage collector finds it."""
    box = mailbox()
    box.send("job")
    cycle = [box.lease()]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert attempts(box) == [("job", 2)]


def test_a_busy_mailbox_redelivers_a_dead_processs_message(mailbox):
    """A killed receiver's message comes back though the mailbox is never empty nor full."""
    box = mailbox()
    box.send_many(range(10))
    with Actor("box = Mailbox('box')", "held = box.lease()") as other:
        other.kill()

    def attempt_of_the_next():
        box.send("more")
        with box.lease() as delivery:
            return delivery.attempt == 2

    until(attempt_of_the_next, "the message comes back", patience=3)


def test_a_stopped_process_keeps_its_lease(mailbox):
    """A lease has no clock: a process that is stopped still has its message when it goes on."""
    box = mailbox()
    box.send("job")
    with Actor("box = Mailbox('box')", "delivery = box.lease()") as other:
        other.stop()
        with pytest.raises(Empty):
            box.receive(timeout=0.3)
        assert box.statistics().leased == 1
        other.resume()
        other.do("delivery.acknowledge()")
    assert attempts(box) == []


def test_thousands_of_leases_can_be_held_at_once(mailbox):
    """A process may hold every message of a mailbox, and settle them in any order."""
    box = mailbox(capacity=3000)
    box.send_many(range(3000))
    deliveries = [box.lease() for _ in range(3000)]
    assert not box.try_send("no room")
    for delivery in deliveries[::2]:
        delivery.acknowledge()
    for delivery in deliveries[1::2]:
        delivery.release()
    assert attempts(box) == [(number, 2) for number in range(1, 3000, 2)]


# ---- the message in place


def test_the_view_ends_with_the_lease(mailbox):
    """`.view` is the same read-only view each time, and cannot be read after the lease."""
    box = mailbox()
    box.send(b"a message of bytes")
    with box.lease() as delivery:
        view = delivery.view
        assert delivery.view is view
        assert len(delivery) == len(view)
        with pytest.raises(TypeError):
            view[0] = 1
    with pytest.raises(ValueError, match="released"):
        bytes(view)


@pytest.mark.parametrize("settle", ["acknowledge", "release"])
def test_a_message_is_not_settled_while_an_array_looks_at_it(mailbox, settle):
    """Settling raises BufferError while a NumPy array shows the memory; the lease stays."""
    box = mailbox()
    box.send(np.arange(1000, dtype="u1").tobytes())
    delivery = box.lease()
    array = np.frombuffer(delivery.view, dtype="u1")
    with pytest.raises(BufferError):
        getattr(delivery, settle)()
    assert box.statistics().leased == 1
    assert array[255] == 255
    del array
    getattr(delivery, settle)()
    assert box.statistics().leased == 0
    box.try_receive()


def test_an_array_of_the_delivery_itself_holds_the_lease(mailbox):
    """An array made of the delivery keeps the memory as one made of its view does."""
    box = mailbox()
    box.send(b"abc")
    delivery = box.lease()
    array = np.frombuffer(delivery, dtype="u1")
    assert list(array) == [97, 98, 99]
    with pytest.raises(BufferError):
        delivery.acknowledge()
    del array
    delivery.acknowledge()


def test_leaving_the_block_with_an_array_raises_and_keeps_the_lease(mailbox):
    """The end of the block raises BufferError; the message goes back when the array is gone."""
    box = mailbox()
    box.send(bytes(1000))
    with pytest.raises(BufferError), box.lease() as delivery:
        array = np.frombuffer(delivery.view, dtype="u1")
    assert box.statistics().leased == 1
    del array, delivery
    gc.collect()
    assert attempts(box) == [(bytes(1000), 2)]


def test_an_exception_with_an_array_is_not_hidden(mailbox):
    """An exception that leaves the block while an array shows the memory comes out of it."""
    box = mailbox()
    box.send(bytes(1000))
    delivery = box.lease()
    array = np.frombuffer(delivery.view, dtype="u1")
    with pytest.raises(RuntimeError, match="mine"), delivery:
        raise RuntimeError("mine")
    del array, delivery
    gc.collect()
    assert attempts(box) == [(bytes(1000), 2)]


def test_closing_leaves_the_memory_to_an_array_that_looks_at_it(mailbox):
    """An array outlives close(): its memory stays until the array is gone."""
    other = mailbox()
    box = Mailbox("box")
    other.send(bytes(range(256)) * 100)
    delivery = box.lease()
    array = np.frombuffer(delivery.view, dtype="u1")
    box.close()
    box = None
    assert array[255] == 255
    with pytest.raises(BufferError):
        delivery.acknowledge()
    del array, delivery
    gc.collect()
    assert [attempt for _, attempt in attempts(other)] == [2]


# ---- loans


def test_discarding_twice_is_discarding_once(mailbox):
    """discard() is idempotent, and after it the loan can be neither sent nor written."""
    box = mailbox()
    loan = box.loan(5)
    loan.discard()
    loan.discard()
    for use in (loan.send, lambda: loan.view, lambda: loan[0]):
        with pytest.raises(LeaseLost):
            use()
    with pytest.raises(BufferError):
        memoryview(loan)
    assert box.statistics().free == 1024


def test_a_loan_is_not_sent_while_an_array_can_still_write_it(mailbox):
    """Sending raises BufferError while a NumPy array shows the loan, which can be sent later."""
    box = mailbox()
    loan = box.loan(8)
    array = np.frombuffer(loan, dtype="<i8")
    array[0] = 7
    with pytest.raises(BufferError):
        loan.send()
    with pytest.raises(BufferError):
        loan.discard()
    assert len(box) == 0
    del array
    loan.send()
    assert int.from_bytes(box.receive(), "little") == 7


def test_a_released_view_cannot_write_a_message_that_was_sent(mailbox):
    """The view of a loan ends with it."""
    box = mailbox()
    loan = box.loan(3)
    view = loan.view
    view[:] = b"abc"
    loan.send()
    with pytest.raises(ValueError, match="released"):
        view[0] = 0
    assert box.receive() == b"abc"


@pytest.mark.parametrize("size", [0, 1, 72, 73, 5000, 5 << 20])
def test_loans_of_any_size(mailbox, size):
    """A loan has exactly as many bytes as were asked for."""
    box = mailbox()
    with box.loan(size) as loan:
        assert len(loan) == memoryview(loan).nbytes == size
        loan[:] = b"\x07" * size
        loan.send()
    assert box.receive() == b"\x07" * size


def test_a_loan_that_can_never_fit_is_too_large(mailbox):
    """A loan above the largest message is TooLarge; above 64 bits it is an OverflowError."""
    box = mailbox(memory=1 << 16)
    for size in ((1 << 16) + 1, 1 << 40, (1 << 63) - 1):
        with pytest.raises(TooLarge):
            box.loan(size)
    with pytest.raises(OverflowError):
        box.loan(1 << 64)
    assert box.statistics().free == 1024


def test_a_dead_processs_loan_makes_room_again(mailbox):
    """The memory of a loan is free again once the process that had it was killed."""
    box = mailbox(capacity=1)
    with Actor("box = Mailbox('box')", "loan = box.loan(100_000)") as other:
        assert box.statistics().memory_used >= 100_000
        other.kill()
        box.send("room", timeout=60)
    assert box.receive() == "room"
    assert box.statistics().memory_used == 0


def test_a_loan_of_a_closed_end_is_gone(mailbox):
    """close() discards this end's loans."""
    other = mailbox(capacity=1)
    box = Mailbox("box")
    loan = box.loan(5)
    box.close()
    assert other.statistics().free == 1
    with pytest.raises((LeaseLost, Closed)):
        loan.send()
