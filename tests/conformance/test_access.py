"""Who may receive: any, one at a time, the creator alone; and who may be there at all."""

import pytest

from liaison import AccessDenied, Busy, Empty
from liaison.testing import until
from tests.conformance.kinds import on

on_ports = on(kinds=["port"])


@on("access", "buffered")
def test_any_process_may_receive(stage):
    """`access="any"`: whoever comes receives."""
    sender, there = stage.other_receives(access="any")
    sender.send_many([1, 2])
    assert there.do("end.receive(timeout=60)") == 1
    assert sender.receive(timeout=60) == 2


@on("access", "buffered")
def test_exclusive_while_one_has_a_lease(stage):
    """`access="exclusive"`: while one process has a lease, others get Busy with `timeout=0`."""
    sender, there = stage.other_receives(access="exclusive")
    sender.send_many([1, 2])
    there.do("delivery = end.lease(timeout=60)")
    for use in (
        lambda: sender.receive(timeout=0),
        lambda: sender.lease(timeout=0),
        lambda: sender.receive_many(2, timeout=0),
        lambda: sender.receive(timeout=0.01),
    ):
        with pytest.raises(Busy) as raised:
            use()
        assert isinstance(raised.value, BlockingIOError)
    assert sender.try_receive("nothing") == "nothing"
    assert there.do("end.receive(timeout=0)") == 2
    there.do("delivery.acknowledge()")
    sender.send(3)
    assert sender.receive(timeout=60) == 3


@pytest.mark.parametrize(
    ("how", "received"), [("do('delivery.acknowledge()')", (2, 1)), ("kill()", (1, 2))]
)
@on("access", "buffered")
def test_others_wait_their_turn(stage, beside, how, received):
    """Others wait for their turn, and have it when the holder has settled its lease, or dies."""
    sender, there = stage.other_receives(access="exclusive")
    sender.send_many([1, 2])
    there.do("delivery = end.lease(timeout=60)")
    waiting = beside(sender.lease, timeout=60)
    until(lambda: stage.receivers_waiting(sender), "this process waits")
    eval(f"there.{how}", {"there": there})
    with waiting.result() as delivery:
        assert (delivery.message, delivery.attempt) == received


@on("access", "buffered")
def test_who_waits_has_the_turn(stage):
    """A process that waits at an empty exclusive link is the one that receives."""
    sender, there = stage.other_receives(access="exclusive")
    there.start("end.receive(timeout=60)")
    until(lambda: stage.receivers_waiting(sender), "the other one waits")
    with pytest.raises(Busy):
        sender.receive(timeout=0)
    sender.send("for the other")
    assert there.answer() == "for the other"
    with pytest.raises(Empty):
        sender.receive(timeout=0)


@on("access", "buffered")
def test_a_pair_has_two_processes(stage):
    """`access="pair"`: a third process gets Busy, until one of the two closes or dies."""
    sender, there = stage.other_receives(access="pair")
    assert sender.link.max_processes == 2
    third = stage.other()
    opening = f"end = {stage.kind.opener}({stage.address!r})"
    with pytest.raises(Busy):
        third.do(opening)
    there.do("end.close()")
    third.do(opening)
    third.do("end.send('hello')")
    assert sender.receive(timeout=60) == "hello"
    third.kill()
    fourth = stage.other(opening)
    fourth.do("end.send('again')")
    assert sender.receive(timeout=60) == "again"


@on_ports
def test_a_port_has_one_receiver(stage):
    """A second receiver of a port is Busy while the first lives, wherever it is."""
    stage.ends()
    with pytest.raises(Busy):
        stage.again()
    there = stage.other()
    with pytest.raises(Busy):
        there.do(f"{stage.kind.maker}({stage.address!r})")


@on_ports
def test_a_ports_sender_cannot_receive(stage):
    """Senders use Port.open, with which they cannot receive: AccessDenied."""
    sender, _ = stage.ends()
    for use in (
        lambda: sender.receive(timeout=0),
        sender.try_receive,
        lambda: sender.receive_many(1, timeout=0),
        lambda: sender.lease(timeout=0),
        lambda: next(iter(sender)),
        sender.fileno,
    ):
        with pytest.raises(AccessDenied, match="receiver"):
            use()


@on("open", "peek", "statistics")
def test_an_observer_takes_no_part(stage):
    """An end that observes sees, takes no place on the link, and can neither send nor receive."""
    stage.ends()
    with stage.carrier.names[stage.kind.maker].observe(stage.address) as observer:
        assert observer.peek() == []
        assert len(observer) == 0
        assert observer.statistics().waiting == 0
        for use in (
            lambda: observer.send(1, timeout=0),
            lambda: observer.try_send(1),
            lambda: observer.send_many([1], timeout=0),
            lambda: observer.receive(timeout=0),
            observer.try_receive,
            lambda: observer.receive_many(1, timeout=0),
            lambda: observer.lease(timeout=0),
            lambda: observer.loan(1),
            observer.fileno,
        ):
            with pytest.raises(AccessDenied):
                use()
