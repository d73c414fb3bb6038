"""Leases: keeping a message until it is acknowledged; and loans: writing it where it will lie."""

import numpy
import pytest

from liaison import Destroyed, LeaseLost, NotFound
from liaison.testing import until
from tests.conformance.kinds import on


def lease(stage, message="job", **options):
    sender, receiver = stage.ends(**options)
    sender.send(message)
    return receiver, receiver.lease(timeout=0)


@on("lease", "buffered")
def test_a_delivery_tells_message_sender_and_attempt(stage):
    """A delivery has `.message`, `.sender`, a Peer, and `.attempt`, which is 1 at first."""
    receiver, there = stage.other_sends()
    there.do("end.send({'job': 1})")
    with receiver.lease(timeout=60) as delivery:
        assert delivery.message == {"job": 1}
        assert delivery.sender.pid == there.pid
        assert delivery.sender.command
        assert delivery.attempt == 1
    there.do("end.send('last words')")
    there.kill()
    with receiver.lease(timeout=60) as delivery:
        assert (delivery.message, delivery.sender.pid) == ("last words", there.pid)


@on("lease", "buffered")
def test_leaving_the_block_acknowledges(stage):
    """Leaving the block of a lease acknowledges the message: it is gone, and makes room."""
    receiver, delivery = lease(stage, capacity=1)
    with delivery:
        assert receiver.statistics().leased == 1
    assert receiver.statistics().free == 1
    assert receiver.try_receive() is None


@on("lease", "buffered")
def test_leaving_the_block_by_an_exception_gives_it_back(stage):
    """Leaving it by an exception gives it to the next receiver, with `attempt` raised."""
    receiver, delivery = lease(stage)
    with pytest.raises(ZeroDivisionError), delivery:
        raise ZeroDivisionError
    again = receiver.lease(timeout=0)
    assert (again.message, again.attempt) == ("job", 2)
    again.acknowledge()


@on("lease", "buffered")
def test_what_is_settled_in_the_block_stays_so(stage):
    """A message that was acknowledged in the block is gone, however the block ends."""
    sender, receiver = stage.ends()
    sender.send_many([1, 2])
    with receiver.lease(timeout=0) as delivery:
        delivery.acknowledge()
        assert receiver.statistics().leased == 0
    with pytest.raises(ZeroDivisionError), receiver.lease(timeout=0) as delivery:
        _acknowledge_and_fail(delivery)
    assert receiver.try_receive() is None


def _acknowledge_and_fail(delivery):
    delivery.acknowledge()
    raise ZeroDivisionError


@on("lease", "buffered", "receivers")
def test_giving_back_wakes_a_receiver(stage, beside):
    """A receiver that waits gets the message that is given back."""
    receiver, delivery = lease(stage)
    waiting = beside(receiver.lease, timeout=60)
    until(lambda: stage.receivers_waiting(receiver), "it waits")
    delivery.release()
    with waiting.result() as again:
        assert (again.message, again.attempt) == ("job", 2)


@on("lease", "buffered")
def test_every_return_raises_the_attempt(stage):
    """`attempt` counts the deliveries."""
    receiver, delivery = lease(stage)
    for attempt in range(2, 6):
        delivery.release()
        delivery = receiver.lease(timeout=0)
        assert delivery.attempt == attempt
    delivery.acknowledge()


@pytest.mark.parametrize("first", ["acknowledge", "release"])
@pytest.mark.parametrize("second", ["acknowledge", "release"])
@on("lease", "buffered")
def test_a_settled_message_is_no_longer_yours(stage, first, second):
    """Acknowledging or releasing a message that is no longer yours is LeaseLost."""
    receiver, delivery = lease(stage)
    getattr(delivery, first)()
    with pytest.raises(LeaseLost):
        getattr(delivery, second)()
    assert len(receiver) == (first == "release")


@on("lease", "buffered")
def test_a_late_acknowledgement_leaves_the_next_lease_alone(stage):
    """An acknowledgement by a former holder never settles the message for the present one."""
    receiver, late = lease(stage)
    late.release()
    now = receiver.lease(timeout=0)
    with pytest.raises(LeaseLost):
        late.acknowledge()
    assert receiver.statistics().leased == 1
    now.acknowledge()


@on("lease", "buffered")
def test_a_settled_message_cannot_be_looked_at(stage):
    """After a message was settled its memory is another's: LeaseLost; `message` if read before."""
    receiver, delivery = lease(stage, b"bytes")
    delivery.release()
    for use in (lambda: delivery.view, lambda: delivery.message):
        with pytest.raises(LeaseLost):
            use()
    with receiver.lease(timeout=0) as again:
        message = again.message
    assert again.message is message
    with pytest.raises(LeaseLost):
        _ = again.view


@on("lease", "buffered", "destroy")
def test_a_lease_of_a_destroyed_link_cannot_be_acknowledged(stage):
    """What is leased when the link is destroyed can be read, and acknowledging it is Destroyed."""
    receiver, delivery = lease(stage)
    receiver.destroy(force=True)
    assert delivery.message == "job"
    with pytest.raises(Destroyed):
        delivery.acknowledge()


@on("destroy", "lease", "buffered")
def test_a_lease_of_a_destroyed_link_can_be_given_up(stage):
    """Releasing it raises nothing: nobody lost anything by it that the link has not taken along."""
    receiver, delivery = lease(stage)
    receiver.destroy(force=True)
    delivery.release()
    with pytest.raises(LeaseLost):
        delivery.release()


@on("lease", "loan", "buffered", "local")
def test_deliveries_and_loans_are_true(stage):
    """A delivery of an empty message, and a loan of no bytes, are true values."""
    sender, receiver = stage.ends()
    sender.send(b"")
    with receiver.lease(timeout=0) as delivery, sender.loan(0) as loan:
        assert delivery
        assert loan


@on("lease", "buffered")
def test_the_view_is_the_bytes_in_place(stage):
    """`lease().view` is the received bytes in place, read-only."""
    _, delivery = lease(stage, b"some bytes")
    view = delivery.view
    assert bytes(view) == b"some bytes"
    assert view.readonly
    view.release()
    delivery.acknowledge()


@on("lease", "buffered")
def test_a_dropped_delivery_goes_back(stage):
    """A delivery that is dropped without being settled gives its message back."""
    receiver, delivery = lease(stage)
    del delivery
    assert receiver.statistics().leased == 0
    assert receiver.receive(timeout=0) == "job"


@on("lease", "buffered", "receivers")
def test_closing_gives_back_what_is_leased(stage):
    """What an end has leased when it is closed goes to the next receiver."""
    receiver, delivery = lease(stage)
    second = stage.again()
    receiver.close()
    with second.lease(timeout=0) as again:
        assert (again.message, again.attempt) == ("job", 2)
    with pytest.raises(LeaseLost):
        delivery.acknowledge()


@on("lease", "buffered")
def test_many_messages_can_be_leased(stage):
    """Any number of messages may be leased at once, and settled in any order."""
    sender, receiver = stage.ends()
    sender.send_many(range(8))
    deliveries = [receiver.lease(timeout=0) for _ in range(8)]
    for delivery in deliveries[::2]:
        delivery.release()
    for delivery in deliveries[1::2]:
        delivery.acknowledge()
    assert receiver.receive_many(10, timeout=0) == [0, 2, 4, 6]


@on("dead letters", "lease", "buffered")
def test_after_max_deliveries_it_goes_to_the_dead_letters(stage):
    """After `max_deliveries` without acknowledgement a message goes to NAME.dead."""
    sender, receiver = stage.ends(max_deliveries=2)
    sender.send_many(["poison", "good"])
    mailbox, place = stage.carrier.names["Mailbox"], f"{stage.address}.dead"
    for _ in range(2):
        with pytest.raises(NotFound):
            mailbox.open(place)
        receiver.lease(timeout=0).release()
    with receiver.lease(timeout=0) as delivery:
        assert (delivery.message, delivery.attempt) == ("good", 1)
    assert receiver.try_receive() is None
    with mailbox(place) as dead:
        assert dead.receive(timeout=0) == "poison"
        dead.destroy(force=True)


@on("dead letters", "lease", "buffered", "receivers", "many")
def test_dying_counts_as_a_delivery(stage):
    """A message that kills its receivers goes to the dead letters after so many of them."""
    sender, first = stage.other_receives(max_deliveries=2)
    second = stage.other(f"end = {stage.kind.opener}({stage.address!r})")
    sender.send("poison")
    for attempt, there in enumerate((first, second), 1):
        there.do("delivery = end.lease(timeout=60)")
        assert there.do("delivery.attempt") == attempt
        there.kill()
    dead = stage.keep(stage.carrier.names["Mailbox"](f"{stage.address}.dead"))

    def moved():
        assert sender.try_receive() is None
        return len(dead)

    until(moved, "it is in the dead letters")
    assert dead.receive(timeout=0) == "poison"
    dead.destroy(force=True)


@on("dead letters", "lease", "buffered")
def test_dead_letters_names_another_mailbox(stage):
    """`dead_letters` names the mailbox where they go."""
    sender, receiver = stage.ends(max_deliveries=1, dead_letters="letters")
    sender.send("poison")
    receiver.lease(timeout=0).release()
    with stage.carrier.names["Mailbox"]("letters") as dead:
        assert dead.receive(timeout=0) == "poison"
        dead.destroy(force=True)
    assert receiver.link.dead_letters.endswith("letters")


# ---- loans


@on("loan", "buffered", "local")
def test_a_loan_is_written_and_sent(stage):
    """A loan has the buffer's protocol: what is written into it arrives."""
    sender, receiver = stage.ends()
    with sender.loan(5) as loan:
        assert len(loan) == 5
        loan[:] = b"hello"
        loan[0] = ord("j")
        assert bytes(loan) == b"jello"
        loan.send()
    assert receiver.receive(timeout=0) == b"jello"


@on("loan", "buffered", "local", carriers=["shm"])
def test_an_array_can_be_a_loan(stage):
    """Also by NumPy, in place."""
    sender, receiver = stage.ends()
    with sender.loan(8) as loan:
        numpy.frombuffer(loan, dtype="<u4")[:] = [1, 2]
        loan.send()
    assert receiver.receive(timeout=0) == b"\1\0\0\0\2\0\0\0"


@on("loan", "buffered", "local")
def test_leaving_the_block_without_sending_discards(stage):
    """Leaving the block of a loan without `send` discards it, with an exception or without."""
    sender, receiver = stage.ends(capacity=1)
    with sender.loan(5) as loan:
        loan[:] = b"never"
    with pytest.raises(ZeroDivisionError), sender.loan(5) as loan:
        raise ZeroDivisionError
    sender.loan(5).discard()
    assert receiver.try_receive() is None
    assert receiver.statistics().free == 1


@on("loan", "buffered", "local")
def test_a_loan_is_sent_once(stage):
    """A loan that was sent or discarded is no longer yours: LeaseLost."""
    sender, receiver = stage.ends()
    loan = sender.loan(1)
    loan[:] = b"x"
    loan.send()
    for use in (loan.send, lambda: loan.view, lambda: loan[0]):
        with pytest.raises(LeaseLost):
            use()
    loan.discard()
    assert receiver.receive_many(5, timeout=0) == [b"x"]


@on("loan", "buffered", "local")
def test_loans_are_accepted_in_the_order_in_which_they_are_sent(stage):
    """A loan's place in the order is that of its `send`."""
    sender, receiver = stage.ends()
    first, second = sender.loan(1), sender.loan(1)
    first[:], second[:] = b"1", b"2"
    second.send()
    sender.send(b"between")
    first.send()
    assert receiver.receive_many(5, timeout=0) == [b"2", b"between", b"1"]


@on("loan", "destroy", "local")
def test_a_loan_of_a_destroyed_link_cannot_be_sent(stage):
    """Sending a loan of a link that was destroyed since is Destroyed."""
    sender, receiver = stage.ends()
    loan = sender.loan(5)
    receiver.destroy(force=True)
    with pytest.raises(Destroyed):
        loan.send()


@on("loan", "local")
def test_a_loan_of_less_than_nothing_is_a_mistake(stage):
    """A loan has 0 bytes or more: anything else is a ValueError."""
    sender, _ = stage.ends()
    with pytest.raises(ValueError, match="0 or more"):
        sender.loan(-1)
