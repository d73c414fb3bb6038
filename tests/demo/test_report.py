"""The report's check against the result of a single process."""

import pytest

from liaison.demo.collector import Collector
from liaison.demo.figures import Figures, Unreadable
from liaison.demo.messages import Done
from liaison.demo.report import check
from liaison.demo.survey import Source, Survey

FIGURES = Figures(10, 5, b"digest", 3, False)
SURVEY = Survey("somewhere", b"/r", [Source(id, b"/r/f%d.py" % id, 10) for id in range(30)], [])


def checked(*results, alone):
    collector = Collector(len(alone))
    for result in results:
        collector.take(result)
    return check(SURVEY, collector, alone)


def test_the_same_figures_hold():
    """Equal figures hold."""
    assert checked(Done(1, 0, 1, FIGURES), alone={0: FIGURES}).holds


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Figures(10, 5, b"digest", 4, False), "4 tokens"),
        (Figures(10, 5, b"Digest", 3, False), "SHA-256"),
        (Unreadable("Permission denied"), "Permission denied"),
    ],
)
def test_a_difference_names_its_file(found, said):
    """A different figure is a difference, which names the file and the figure."""
    result = checked(Done(1, 0, 1, found), alone={0: FIGURES})
    assert not result.holds
    assert "f0.py" in result.differences[0]
    assert said in result.differences[0]


def test_a_lost_file_and_a_double_one_are_differences():
    """The check fails unless each file has one result."""
    assert not checked(alone={0: FIGURES}).holds
    twice = [Done(1, 0, 1, FIGURES), Done(2, 0, 1, FIGURES)]
    assert not checked(*twice, alone={0: FIGURES}).holds


def test_many_differences_are_few_lines():
    """Ten differences are listed, and the others counted."""
    result = checked(alone=dict.fromkeys(range(30), FIGURES))
    assert len(result.differences) == 11
    assert result.differences[-1] == "and 20 more"
