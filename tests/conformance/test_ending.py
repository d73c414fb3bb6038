"""close, destroy, and what others notice of them."""

import pytest

from liaison import Closed, Destroyed, NotFound, NotOwner
from liaison.testing import until
from tests.conformance.kinds import on

USES = {
    "send": lambda end: end.send(1, timeout=0),
    "try_send": lambda end: end.try_send(1),
    "send_many": lambda end: end.send_many([1], timeout=0),
    "receive": lambda end: end.receive(timeout=0),
    "try_receive": lambda end: end.try_receive(),
    "receive_many": lambda end: end.receive_many(2, timeout=0),
    "iterate": lambda end: next(iter(end)),
    "fileno": lambda end: end.fileno(),
    "link": lambda end: end.link,
}
MORE = {
    "lease": lambda end: end.lease(timeout=0),
    "loan": lambda end: end.loan(1),
    "peek": lambda end: end.peek(),
    "statistics": lambda end: end.statistics(),
    "len": len,
    "destroy": lambda end: end.destroy(),
}


@on()
def test_a_closed_end_is_closed(stage):
    """Everything that is done with an end that was closed raises Closed, a ValueError."""
    _, receiver = stage.ends()
    assert receiver.closed is False
    receiver.close()
    assert receiver.closed is True
    uses = USES | {name: use for name, use in MORE.items() if name in stage.has}
    for use in uses.values():
        with pytest.raises(Closed) as raised:
            use(receiver)
        assert isinstance(raised.value, ValueError)


@on()
def test_close_is_idempotent(stage):
    """Closing an end once more does nothing."""
    sender, receiver = stage.ends()
    for _ in range(3):
        sender.close()
        receiver.close()


@on()
def test_with_closes(stage):
    """Leaving a `with` block closes the end, with an exception or without."""
    sender, receiver = stage.ends()
    with sender as same:
        assert same is sender
    assert sender.closed
    with pytest.raises(ZeroDivisionError), receiver:
        raise ZeroDivisionError
    assert receiver.closed


@on()
def test_closing_wakes_who_waits_in_the_end(stage, beside):
    """A wait in an end that another thread closes raises Closed."""
    _, receiver = stage.ends()
    waiting = beside(receiver.receive)
    until(lambda: stage.receives(receiver, waiting), "it waits")
    receiver.close()
    with pytest.raises(Closed):
        waiting.result()


@on("outlives", "open", "buffered")
def test_a_link_outlives_its_ends(stage):
    """A link that all have closed is there still, with its messages."""
    sender, receiver = stage.ends()
    sender.send("left behind")
    sender.close()
    receiver.close()
    assert stage.open().receive(timeout=0) == "left behind"


@on("destroy")
def test_a_destroyed_link_is_destroyed_for_all(stage):
    """After destroy every use of the link raises Destroyed, a BrokenPipeError, at every end."""
    sender, receiver = stage.ends()
    receiver.destroy(force=True)
    sending = {name: USES[name] for name in ("send", "try_send", "send_many")}
    looking = {name: use for name, use in MORE.items() if name in ("peek", "statistics", "len")}
    receiving = {name: USES[name] for name in ("receive", "try_receive", "receive_many")}
    for end, uses in ((sender, sending | looking), (receiver, receiving | looking)):
        for use in uses.values():
            with pytest.raises(Destroyed) as raised:
                use(end)
            assert isinstance(raised.value, BrokenPipeError)


@on("destroy", "open")
def test_a_destroyed_links_name_is_free(stage):
    """After destroy nothing has the name: opening it is NotFound, and it can be made anew."""
    sender, receiver = stage.ends()
    if "buffered" in stage.has:
        sender.send("lost")
    receiver.destroy()
    with pytest.raises(NotFound):
        stage.open()
    fresh = stage.again()
    assert fresh.link.name == stage.address
    assert fresh.try_receive() is None
    with pytest.raises(Destroyed):
        sender.send(1, timeout=0)


@pytest.mark.parametrize("wait", ["receive", "lease"])
@on("destroy", "lease")
def test_destroying_wakes_receivers(stage, beside, wait):
    """Destroying wakes everybody who waits for a message, with Destroyed."""
    sender, receiver = stage.ends()
    waiting = beside(getattr(receiver, wait))
    until(lambda: stage.receivers_waiting(receiver), "it waits")
    sender.destroy(force=True)
    with pytest.raises(Destroyed):
        waiting.result()


@on("destroy")
def test_destroying_wakes_senders(stage, beside):
    """And everybody who waits for room, or for a receiver."""
    sender, receiver = stage.ends(**({"capacity": 1} if "buffered" in stage.has else {}))
    if "buffered" in stage.has:
        sender.send("fills it")
        waiting = beside(sender.send, 1)
        until(lambda: stage.senders_waiting(receiver), "it waits")
    else:
        waiting = beside(sender.send, 1)
        until(lambda: len(receiver), "it waits")
    receiver.destroy(force=True)
    with pytest.raises(Destroyed):
        waiting.result()


@on("destroy", "open")
def test_destroying_is_the_creators_right(stage):
    """Others get NotOwner, a PermissionError, while the creator lives, and `force` overrides."""
    sender, there = stage.other_receives()
    with pytest.raises(NotOwner) as raised:
        sender.destroy()
    assert isinstance(raised.value, PermissionError)
    sender.send_many([], timeout=0)
    sender.destroy(force=True)
    with pytest.raises(Destroyed):
        there.do("end.receive(timeout=0)")


@on("destroy", "outlives")
def test_anyone_may_destroy_a_dead_creators_link(stage):
    """Once its creator is dead anyone may destroy the link."""
    sender, there = stage.other_receives()
    there.kill()
    until(lambda: _destroyed(sender), "the creator's death is noticed")
    with pytest.raises(Destroyed):
        sender.send(1, timeout=0)


def _destroyed(end):
    try:
        end.destroy()
    except NotOwner:
        return False
    return True


@on(without=["unbroken"])
def test_the_other_ends_end_is_end_of_file(stage):
    """The end of a pipe or connection is EOFError for who receives, and that comes last."""
    sender, receiver = stage.ends()
    sender.send("the last")
    sender.close()
    assert receiver.receive(timeout=60) == "the last"
    for use in (receiver.receive, receiver.try_receive, lambda: receiver.receive_many(2)):
        with pytest.raises(EOFError):
            use()


@on(without=["unbroken"])
def test_nobody_can_send_to_who_has_closed(stage):
    """The end of a pipe or connection is BrokenPipeError for who sends."""
    sender, receiver = stage.ends()
    receiver.close()

    def broken():
        try:
            sender.send(1, timeout=0)
        except BrokenPipeError:
            return True
        return False

    until(broken, "the end is noticed")


@on(kinds=["port"])
def test_a_port_may_end_with_its_last_sender(stage):
    """With `lifetime="senders"` a port also ends with its last sender; what is left is received."""
    sender, receiver = stage.ends(lifetime="senders")
    assert receiver.link.lifetime == "senders"
    another = stage.open()
    sender.send("left")
    sender.close()
    another.send("and this")
    another.close()
    assert list(receiver) == ["left", "and this"]
    with pytest.raises(Destroyed):
        receiver.receive(timeout=0)
