"""The collector counts results, which may come twice."""

from liaison.demo.collector import Collector
from liaison.demo.figures import Figures, Unreadable
from liaison.demo.messages import Done, Sent, Taken

FIGURES = Figures(1, 1, b"digest", 1, False)


def collected(*news, expected=1):
    collector = Collector(expected)
    for one in news:
        collector.take(one)
    return collector


def test_a_flagged_second_result_is_dropped():
    """A worker killed between its result and its acknowledgement makes a second result."""
    found = collected(
        Taken(1, 0, 1), Done(1, 0, 1, FIGURES), Taken(2, 0, 2), Done(2, 0, 2, FIGURES)
    )
    assert (found.received, found.redelivered, found.dropped, found.doubled) == (2, 1, 1, 0)
    assert len(found.figures) == 1


def test_a_second_result_without_a_flag_is_a_fault():
    """A second result with attempt 1 is counted as doubled."""
    found = collected(Done(1, 0, 1, FIGURES), Done(2, 0, 1, FIGURES))
    assert (found.dropped, found.doubled) == (0, 1)


def test_what_never_comes_is_lost():
    """A file that was sent and has no result is lost."""
    found = collected(Sent(2), Done(1, 0, 1, FIGURES), expected=2)
    assert not found.complete
    assert found.lost == 1
    assert found.sent == 2


def test_a_file_that_cannot_be_read_is_not_lost():
    """The reader reports the file in the place of a result, though no worker got it."""
    found = collected(Done(1, 0, 1, Unreadable("Permission denied")), Sent(0))
    assert found.complete
    assert (found.sent, found.received, found.lost) == (0, 0, 0)


def test_it_knows_which_worker_holds_which_file():
    """A worker holds a file from taking it to the result."""
    collector = collected(Taken(1, 0, 1), Taken(2, 1, 1), expected=2)
    assert collector.holding == {1: 0, 2: 1}
    collector.take(Done(1, 0, 1, FIGURES))
    assert collector.holding == {2: 1}
    assert collector.shares == {1: 1}
