"""Messages that nobody can handle: max_deliveries and dead letters."""

import numpy as np
import pytest

from liaison import DecodeError, Empty, Full, Mailbox, TooLarge
from tests.links.actor import Actor


@pytest.mark.parametrize("place", ["shm://default/failed", "shm://elsewhere/failed"])
def test_dead_letters_may_lie_in_any_space(mailbox, place):
    """dead_letters= takes the address of a mailbox in the same space or in another one."""
    box = mailbox(max_deliveries=1, dead_letters=place)
    box.send("job")
    box.lease().release()
    with Mailbox.open(place) as failed:
        assert failed.receive(timeout=0) == "job"
        failed.destroy()


def test_an_undecodable_message_among_many_goes_to_the_dead_letters(mailbox):
    """receive_many sends an undecodable message there, as receive does, once it is the first."""
    box = mailbox(type=int, dead_letters="failed")
    failed = mailbox("failed")
    with Mailbox("box") as sender:
        sender.send_many([1, "text", 7])
    assert box.receive_many(5) == [1]
    with pytest.raises(DecodeError):
        box.receive_many(5)
    assert box.receive_many(5) == [7]
    assert failed.receive_many(5) == ["text"]


def test_full_dead_letters_keep_the_message_where_it_is(mailbox):
    """Without room in the dead letters a message stays, and Full names them, until there is."""
    box = mailbox(max_deliveries=1)
    dead = mailbox("box.dead", capacity=1)
    dead.send("in the way")
    box.send("poison")
    with pytest.raises(Full, match=r"box\.dead"):
        box.lease().release()
    with pytest.raises(Full, match=r"box\.dead"):
        box.receive(timeout=0)
    assert len(box) == 1
    assert dead.receive() == "in the way"
    with pytest.raises(Empty):
        box.receive(timeout=0)
    assert dead.receive(timeout=0) == "poison"
    assert box.statistics().free == 1024


def test_full_dead_letters_keep_none_of_many(mailbox):
    """A receive_many that finds the dead letters full gives back all that it had taken."""
    box = mailbox(max_deliveries=2)
    mailbox("box.dead", capacity=1).send("in the way")
    box.send_many(["good", "poison"])
    box.lease().release()
    for _ in range(2):
        with Actor("box = Mailbox('box')") as other:
            other.do("good, poison = box.lease(timeout=60), box.lease(timeout=60)")
            other.do("good.acknowledge()")
            other.do("box.send('good')")
            other.kill()
        box.peek()
    assert box.statistics().leased + box.statistics().waiting == 2
    with Mailbox("box") as end:
        for _ in range(3):
            try:
                end.receive_many(5, timeout=0)
            except (Full, Empty):
                continue
        assert box.statistics().leased == 0


def test_a_dead_letter_keeps_its_contents(mailbox):
    """Bytes, arrays and large messages arrive at the dead letters as they were sent."""
    box = mailbox(max_deliveries=1)
    dead = mailbox("box.dead")
    for message in (b"", bytes(2_000_000), [1, None], np.arange(5)):
        box.send(message)
        box.lease().release()
        np.testing.assert_equal(dead.receive(timeout=0), message)


def test_dead_letters_do_not_fit_where_they_are_too_large(mailbox):
    """A dead letter that can never fit raises TooLarge, and stays where it is."""
    box = mailbox(max_deliveries=1)
    mailbox("box.dead", max_message=10)
    box.send(bytes(1000))
    with pytest.raises(TooLarge):
        box.lease().release()
    assert len(box) == 1
    assert box.statistics().leased == 0
