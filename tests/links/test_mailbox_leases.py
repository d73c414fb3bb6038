"""Leases and loans: messages in the hands of a process, until it settles them or dies."""

import gc
import os

import numpy as np
import pytest

from liaison import (
    Closed,
    DecodeError,
    Destroyed,
    Empty,
    LeaseLost,
    Mailbox,
    TooLarge,
)
from liaison.testing import until
from tests.links.actor import Actor
from tests.links.attempts import attempts


def test_leaving_the_block_acknowledges(mailbox):
    """A lease's block that ends as usual takes the message for good, and makes room."""
    box = mailbox(capacity=1)
    box.send("job")
    with box.lease() as delivery:
        assert delivery.message == "job"
        assert delivery.attempt == 1
    assert box.statistics().free == 1
    assert box.try_receive() is None


def test_leaving_the_block_by_an_exception_gives_the_message_back(mailbox):
    """An exception in the block goes on, and the message goes to the next, attempt raised."""
    box = mailbox()
    box.send("job")
    with pytest.raises(RuntimeError, match="could not"), box.lease():
        raise RuntimeError("could not")
    assert attempts(box) == [("job", 2)]


def test_acknowledging_takes_the_message_for_good(mailbox):
    """acknowledge() settles the message; the end of the block has nothing to do any more."""
    box = mailbox()
    box.send("job")
    with box.lease() as delivery:
        delivery.acknowledge()
        assert box.statistics().leased == 0
    assert attempts(box) == []


def test_an_exception_after_acknowledging_brings_nothing_back(mailbox):
    """What was acknowledged stays so, however the block ends."""
    box = mailbox()
    box.send("job")
    with pytest.raises(RuntimeError), box.lease() as delivery:
        _acknowledge_and_raise(delivery)
    assert attempts(box) == []


def _acknowledge_and_raise(delivery):
    delivery.acknowledge()
    raise RuntimeError


def test_releasing_gives_the_message_back(mailbox):
    """release() gives the message to the next receiver, ahead of the rest, attempt raised."""
    box = mailbox()
    box.send_many(["first", "second"])
    box.lease().release()
    assert attempts(box) == [("first", 2), ("second", 1)]


def test_the_attempt_rises_with_each_delivery(mailbox):
    """A message that is given back again and again has the attempt 1, 2, 3, …"""
    box = mailbox()
    box.send("job")
    for attempt in range(1, 100):
        delivery = box.lease()
        assert delivery.attempt == attempt
        delivery.release()


def test_returned_messages_come_oldest_first(mailbox):
    """Messages that came back are ahead of the rest, in the order in which they were sent."""
    box = mailbox()
    box.send_many(range(6))
    deliveries = [box.lease() for _ in range(4)]
    for index in (2, 0, 3, 1):
        deliveries[index].release()
    assert attempts(box) == [(0, 2), (1, 2), (2, 2), (3, 2), (4, 1), (5, 1)]


def test_a_full_mailbox_takes_a_message_back(mailbox):
    """Giving back needs no room: a full mailbox delivers it first."""
    box = mailbox(capacity=2)
    box.send_many(["first", "second"])
    delivery = box.lease()
    assert not box.try_send("third")
    delivery.release()
    assert not box.try_send("third")
    assert attempts(box) == [("first", 2), ("second", 1)]


def test_giving_back_wakes_a_waiting_receiver(mailbox):
    """A receiver that waits gets the message that another gives back."""
    box = mailbox()
    box.send("job")
    delivery = box.lease()
    with Actor("box = Mailbox('box')") as other:
        other.start("box.lease().attempt")
        until(lambda: box.statistics().receivers_waiting, "the other one sleeps")
        delivery.release()
        assert other.answer() == 2
    attempts(box)


@pytest.mark.parametrize("first", ["acknowledge", "release"])
@pytest.mark.parametrize("second", ["acknowledge", "release"])
def test_a_settled_message_cannot_be_settled_again(mailbox, first, second):
    """Whatever is done to a delivery that was settled raises LeaseLost, and changes nothing."""
    box = mailbox()
    box.send("job")
    delivery = box.lease()
    getattr(delivery, first)()
    before = box.statistics()
    for use in (getattr(delivery, second), lambda: delivery.view, lambda: delivery.message):
        with pytest.raises(LeaseLost):
            use()
    assert box.statistics() == before
    attempts(box)


def test_a_message_that_was_read_can_still_be_read_once_it_is_settled(mailbox):
    """`.message` is a copy, and stays what it was."""
    box = mailbox()
    box.send([1, 2])
    with box.lease() as delivery:
        message = delivery.message
    assert delivery.message is message
    assert (message, delivery.attempt) == ([1, 2], 1)
    assert delivery.sender.pid == os.getpid()


def test_a_delivery_that_is_dropped_goes_back(mailbox):
    """Losing the last reference to an unsettled delivery gives the message to the next."""
    box = mailbox()
    box.send("job")
    delivery = box.lease()
    del delivery
    assert attempts(box) == [("job", 2)]


def test_a_delivery_whose_view_was_looked_at_goes_back_when_dropped(mailbox):
    """Having looked at `.view` does not keep a dropped delivery."""
    box = mailbox()
    box.send("job")
    delivery = box.lease()
    bytes(delivery.view)
    gc.disable()
    try:
        del delivery
        assert box.statistics().leased == 0
    finally:
        gc.enable()


def test_a_loan_that_was_written_is_discarded_when_dropped(mailbox):
    """Having written into a loan does not keep it when it is dropped."""
    box = mailbox()
    loan = box.loan(5)
    loan[:] = b"hello"
    gc.disable()
    try:
        del loan
        assert box.statistics().loaned == 0
    finally:
        gc.enable()


def test_a_delivery_is_true_whatever_it_carries(mailbox):
    """A delivery of an empty message, and a loan of no bytes, are true values."""
    box = mailbox()
    box.send(b"")
    with box.lease() as delivery, box.loan(0) as loan:
        assert delivery
        assert loan


def test_a_delivery_in_a_cycle_goes_back_when_it_is_collected(mailbox):
    """So does one that the garbage collector finds."""
    box = mailbox()
    box.send("job")
    cycle = [box.lease()]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert attempts(box) == [("job", 2)]


def test_closing_an_end_gives_back_what_it_has_leased(mailbox):
    """close() returns this end's messages, and they can not be settled any more."""
    other = mailbox()
    with Mailbox("box") as box:
        other.send("job")
        delivery = box.lease()
    assert attempts(other) == [("job", 2)]
    with pytest.raises(LeaseLost):
        delivery.acknowledge()


def test_a_lease_lasts_as_long_as_its_process(mailbox):
    """A killed receiver's messages go to the next one, with the attempt raised."""
    box = mailbox()
    box.send_many(range(3))
    with Actor("box = Mailbox('box')", "held = [box.lease() for _ in range(3)]") as other:
        assert box.statistics().leased == 3
        other.kill()
        assert box.lease(timeout=60).attempt == 2
    assert attempts(box) == [(0, 3), (1, 2), (2, 2)]


def test_a_busy_mailbox_redelivers_a_dead_processs_message(mailbox):
    """A mailbox that is never empty and never full gives a killed receiver's message out, too."""
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


def test_a_delivery_tells_who_sent_it(mailbox):
    """`.sender` is the Peer that sent the message, whoever that was, dead or alive."""
    box = mailbox()
    box.send(1)
    with Actor("box = Mailbox('box')", "box.send(2)") as other:
        with box.lease() as mine, box.lease() as theirs:
            assert mine.sender.pid == os.getpid()
            assert theirs.sender.pid == other.pid
            assert "python" in theirs.sender.command
        other.do("box.send(3)")
        other.kill()
        assert box.lease().sender.pid == other.pid
    box.receive()


def test_an_undecodable_message_stays_leased(mailbox):
    """Reading `.message` raises DecodeError; the message is still there, and can go back."""
    box = mailbox(type=int)
    with Mailbox("box") as sender:
        sender.send("text")
        delivery = box.lease()
        with pytest.raises(DecodeError) as raised:
            delivery.message  # noqa: B018
        assert bytes(delivery.view) == raised.value.payload
        delivery.release()
        assert attempts(sender) == [("text", 2)]


def test_an_undecodable_message_in_a_block_goes_back(mailbox):
    """DecodeError inside the block is an exception like others: the message is not lost."""
    box = mailbox(type=int)
    with Mailbox("box") as sender:
        sender.send("text")
        with pytest.raises(DecodeError), box.lease() as delivery:
            delivery.message  # noqa: B018
        assert attempts(sender) == [("text", 2)]


def test_settling_after_the_mailbox_was_destroyed_raises_destroyed(mailbox):
    """A lease of a destroyed mailbox can be read, and settling it raises Destroyed."""
    box = mailbox()
    box.send("job")
    delivery = box.lease()
    box.destroy()
    assert delivery.message == "job"
    with pytest.raises(Destroyed):
        delivery.acknowledge()


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


def test_the_view_is_the_message_in_place(mailbox):
    """`.view` is the payload's memory, read-only, without a copy."""
    box = mailbox()
    box.send(b"a message of bytes")
    with box.lease() as delivery:
        view = delivery.view
        assert bytes(view) == b"a message of bytes"
        assert view.readonly
        assert delivery.view is view
        assert len(delivery) == len(view)
        with pytest.raises(TypeError):
            view[0] = 1
    with pytest.raises(ValueError, match="released"):
        bytes(view)


@pytest.mark.parametrize("settle", ["acknowledge", "release"])
def test_a_message_is_not_settled_while_an_array_looks_at_it(mailbox, settle):
    """BufferError while a NumPy array still shows the memory; the lease stays."""
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
    """BufferError at the end of a block is seen, and the message goes back in the end."""
    box = mailbox()
    box.send(bytes(1000))
    with pytest.raises(BufferError), box.lease() as delivery:
        array = np.frombuffer(delivery.view, dtype="u1")
    assert box.statistics().leased == 1
    del array, delivery
    gc.collect()
    assert attempts(box) == [(bytes(1000), 2)]


def test_an_exception_with_an_array_is_not_hidden(mailbox):
    """Leaving by an exception while an array looks: that exception comes out, none else."""
    box = mailbox()
    box.send(bytes(1000))
    arrays = []
    with pytest.raises(RuntimeError, match="mine"), box.lease() as delivery:
        _look_and_raise(delivery, arrays)
    del arrays, delivery
    gc.collect()
    assert attempts(box) == [(bytes(1000), 2)]


def _look_and_raise(delivery, arrays):
    arrays.append(np.frombuffer(delivery.view, dtype="u1"))
    raise RuntimeError("mine")


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


# ---- forked children


# ---- loans


def test_a_loan_is_written_in_place_and_sent(mailbox):
    """What is written into a loan arrives as bytes when it is sent."""
    box = mailbox()
    with box.loan(5) as loan:
        assert len(loan) == 5
        loan[:] = b"hello"
        loan[0] = ord("j")
        assert loan[0] == ord("j")
        assert bytes(loan) == b"jello"
        loan.send()
    assert box.receive() == b"jello"


def test_leaving_the_block_without_sending_discards(mailbox):
    """A loan that was not sent is no message, and takes no room any more."""
    box = mailbox(capacity=1)
    with box.loan(5) as loan:
        loan[:] = b"hello"
    assert box.statistics().free == 1
    assert box.try_receive() is None


def test_an_exception_discards_the_loan(mailbox):
    """Leaving the block by an exception discards, too."""
    box = mailbox(capacity=1)
    with pytest.raises(RuntimeError), box.loan(5):
        raise RuntimeError
    assert box.statistics().free == 1


def test_a_loan_that_is_dropped_is_discarded(mailbox):
    """Losing the last reference to a loan discards it."""
    box = mailbox(capacity=1)
    box.loan(5)
    assert box.statistics().free == 1


def test_discarding_twice_is_discarding_once(mailbox):
    """discard() is idempotent, and after it the loan can not be sent or written."""
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


def test_a_loan_is_sent_once(mailbox):
    """A second send() of a loan raises LeaseLost, and sends nothing."""
    box = mailbox()
    loan = box.loan(1)
    loan[:] = b"x"
    loan.send()
    with pytest.raises(LeaseLost):
        loan.send()
    loan.discard()
    assert box.receive_many(5) == [b"x"]


def test_a_loan_is_not_sent_while_an_array_can_still_write_it(mailbox):
    """BufferError while a NumPy array looks at a loan; it can be sent afterwards."""
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
    """TooLarge for a loan above the largest message; ValueError for a negative one."""
    box = mailbox(memory=1 << 16)
    for size in ((1 << 16) + 1, 1 << 40, (1 << 63) - 1):
        with pytest.raises(TooLarge):
            box.loan(size)
    with pytest.raises(ValueError, match="bytes"):
        box.loan(-1)
    with pytest.raises(OverflowError):
        box.loan(1 << 64)
    assert box.statistics().free == 1024


def test_a_dead_processs_loan_makes_room_again(mailbox):
    """A process that is killed while it writes leaves no message, and its room to others."""
    box = mailbox(capacity=1)
    with Actor("box = Mailbox('box')", "loan = box.loan(100_000)") as other:
        assert not box.try_send("no room")
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


def test_a_loan_of_a_destroyed_mailbox_cannot_be_sent(mailbox):
    """send() of a loan raises Destroyed once the mailbox is."""
    box = mailbox()
    loan = box.loan(5)
    box.destroy()
    with pytest.raises(Destroyed):
        loan.send()
