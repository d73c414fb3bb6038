"""Facts are compared, shown and pickled by their values, and immutable."""

import copy
import pickle

import pytest

from liaison import Mailbox, Peer
from liaison.facts import Facts


class Pair(Facts):
    one: int
    other: object = None


def test_made_by_position_or_by_name():
    """A fact has a value for each annotation, given by position or name, or its default."""
    assert Pair(1, 2) == Pair(1, other=2) == Pair(other=2, one=1)
    assert (Pair(1).one, Pair(1).other) == (1, None)
    assert Pair(1) == Pair(1, None) != Pair(2)
    assert Pair(1) != (1, None)


@pytest.mark.parametrize(
    "make",
    [
        Pair,
        lambda: Pair(1, 2, 3),
        lambda: Pair(1, one=1),
        lambda: Pair(1, third=3),
        lambda: Pair(other=2),
        lambda: Pair(1).but(third=3),
    ],
)
def test_unknown_fields_are_refused(make):
    """Unknown, missing and repeated fields are a TypeError that lists the fields."""
    with pytest.raises(TypeError, match="Pair consists of: one, other"):
        make()


def test_it_is_immutable():
    """No field can be set or deleted, and the error says what to do."""
    pair = Pair(1)
    with pytest.raises(AttributeError, match="make another one to change its one"):
        pair.one = 2
    with pytest.raises(AttributeError, match="keeps its one"):
        del pair.one
    assert pair.but(one=2) == Pair(2)
    assert pair == Pair(1)
    assert len({pair, Pair(1), Pair(2)}) == 2


def test_it_can_be_copied_and_pickled():
    """A copy is equal, and `match` compares its values."""
    peer = Peer("anna", 4711, "here", 0.5, "python worker.py")
    assert pickle.loads(pickle.dumps(peer)) == copy.copy(peer) == copy.deepcopy(peer) == peer
    match peer:
        case Peer(name, pid):
            assert (name, pid) == ("anna", 4711)


def test_it_is_shown_to_people_and_programs():
    """repr() and as_dict() show a fact, with the facts within it."""
    pair = Pair(1, (Pair(2),))
    assert repr(pair) == "Pair(one=1, other=(Pair(one=2, other=None),))"
    assert pair.as_dict() == {"one": 1, "other": [{"one": 2, "other": None}]}


def test_it_can_be_sent(space):
    """Statistics, for example, arrive as plain data."""
    with Mailbox("box") as box:
        now = box.statistics()
        box.send({"box": now})
        assert box.receive() == {"box": now.as_dict()}
        box.destroy()
