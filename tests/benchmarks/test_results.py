"""What is made of a run's figures: gates, tables, the picture, the document."""

from xml.etree import ElementTree

import pytest

from benchmarks import Absence, Figure, Options, Results
from benchmarks.machine import Machine
from benchmarks.table import markdown, plain

MACHINE = Machine("a processor", 2, 8.0, "6.1", True, "CPython 3.11.7", 0.1, "2026-01-01")


def results(ours: float = 0.5) -> Results:
    """A run of the ping-pong: liaison, one peer, one absent, and the machine's limit."""
    found = Results(MACHINE, Options(), limits={"spin": {"p50": 100, "p99": 150, "p999": 900}})
    for contender, p50 in (("liaison", ours), ("hyperq", 9.0)):
        for metric, factor in (("p50", 1), ("p99", 3), ("p99.9", 8)):
            rounds = (p50 * factor, p50 * factor, p50 * factor * 1.1)
            found.figures.append(Figure("ping-pong/64", contender, metric, "us", rounds))
    found.absences.append(Absence("", "pyzmq", "not installed: pip install pyzmq"))
    return found


@pytest.mark.parametrize(("ours", "met"), [(0.59, True), (0.61, False)])
def test_a_gate_against_the_machine_compares_with_the_limit_of_the_same_run(
    ours: float, met: bool
) -> None:
    """Six times the spin ping-pong of 0.1 us is 0.6 us."""
    verdict = results(ours).verdicts()[0]
    assert verdict.met is met
    assert f"{verdict.ratio:.3g}" == f"{ours / 0.1:.3g}"


@pytest.mark.parametrize(("ours", "met"), [(1.2, True), (1.4, False)])
def test_a_gate_against_peers_compares_with_the_best(ours: float, met: bool) -> None:
    """Seven times faster than 9 us is 1.28 us."""
    verdict = results(ours).verdicts()[1]
    assert verdict.met is met
    assert verdict.against == "hyperq"


def test_a_gate_that_was_not_measured_is_neither_met_nor_not() -> None:
    """A run of one scenario says nothing about the others."""
    assert {verdict.met for verdict in results().verdicts()[2:]} == {None}


def test_a_gate_is_met_by_its_second_bound_too() -> None:
    """Batches: a rate, or a factor to the best peer, whose single messages count as well."""
    found = results()
    for scenario, contender, value in (
        ("batched/64", "liaison", 6e6),
        ("batched/64", "faster-fifo", 1e6),
        ("one-way/64", "hyperq", 1.9e6),
    ):
        found.figures.append(Figure(scenario, contender, "rate", "messages/s", (value,)))
    verdict = next(v for v in found.verdicts() if "batches" in v.text)
    assert verdict.met
    assert verdict.against == "hyperq"


def test_a_run_survives_its_json() -> None:
    """Reports can be made again from what was written."""
    found = results()
    assert Results.from_json(found.to_json()) == found


def test_who_is_not_installed_is_in_the_table() -> None:
    """Nobody is left out silently."""
    text = plain(results().table()[0])
    assert "pyzmq: not installed: pip install pyzmq" in text
    assert text.splitlines()[2].split()[:2] == ["liaison", "0.50"]


def test_a_scenario_in_which_nobody_could_take_part_says_why() -> None:
    """It was run, so it is shown."""
    found = results()
    found.absences.append(Absence("leasing", "liaison", "no answer in time"))
    assert "liaison: no answer in time" in plain(found.table()[1])


def test_rounds_that_disagree_are_noted() -> None:
    """A median of two speeds would hide both."""
    found = results()
    found.figures.append(Figure("one-way/64", "hyperq", "rate", "messages/s", (2e6, 8e6, 11e6)))
    assert "hyperq, 64 B /s: its rounds ranged from 2.00 M to 11.0 M" in plain(found.table()[1])


def test_a_document_s_tables_have_as_many_cells_in_every_row() -> None:
    """Otherwise a reader's page shows bars instead of a table."""
    for section in results().table():
        rows = [line for line in markdown(section).splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1


def test_the_picture_shows_every_contender() -> None:
    """It is well-formed, and names them."""
    root = ElementTree.fromstring(results().svg())
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"liaison", "hyperq", "Ping-pong of 64 B"} <= texts


def test_a_picture_of_nothing_is_still_a_picture() -> None:
    """A run without the drawn scenarios has a title and no panels."""
    ElementTree.fromstring(Results(MACHINE, Options()).svg())
