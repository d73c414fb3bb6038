"""A run's figures become gates, tables, a picture and a document."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from benchmarks import (
    Absence,
    Figure,
    Options,
    Results,
    Verdict,
    draw,
    from_json,
    judge,
    sections,
    to_json,
)
from benchmarks.machine import Machine
from benchmarks.table import markdown, plain

MACHINE = Machine("a processor", 2, 8.0, "6.1", True, "CPython 3.11.7", 0.1, "2026-01-01")


FAR, NEAR = 490.0, 105.0


def results(ours: float = 0.5, spin: float = NEAR) -> Results:
    """A run of the ping-pong: liaison, one peer, one absent, and the machine's limit."""
    found = Results(MACHINE, Options(), limits={"spin": {"p50": spin, "p99": 150, "p999": 900}})
    for contender, p50 in (("liaison", ours), ("hyperq", 9.0)):
        for metric, factor in (("p50", 1), ("p99", 3), ("p99.9", 8)):
            rounds = (p50 * factor, p50 * factor, p50 * factor * 1.1)
            found.figures.append(
                Figure("ping-pong/64", contender, metric, "us", rounds, (spin,) * 3)
            )
    found.absences.append(Absence("", "pyzmq", "not installed: pip install pyzmq"))
    return found


def verdict(found: Results, text: str) -> Verdict:
    """The verdict of the only gate whose text has `text`."""
    (one,) = (v for v in judge(found) if text in v.text)
    return one


@pytest.mark.parametrize(
    ("ours", "spin", "far", "near"),
    [
        (0.47, NEAR, None, True),  # 4.5 times 0.105 us
        (0.48, NEAR, None, False),
        (1.22, FAR, True, None),  # 2.5 times 0.49 us
        (1.23, FAR, False, None),
        (0.50, 300.0, None, None),
    ],
)
def test_a_gate_for_a_distance_is_for_that_alone(
    ours: float, spin: float, far: bool | None, near: bool | None
) -> None:
    """A gate for near or far cores judges rounds of that distance alone."""
    found = results(ours, spin)
    assert verdict(found, "ping-pong, cores far").met is far
    assert verdict(found, "ping-pong, cores near").met is near


def test_rounds_of_two_distances_are_judged_each_by_its_own() -> None:
    """Rounds of one figure with different distances are judged apart."""
    found = Results(MACHINE, Options())
    rounds, spins = (9.5e6, 4e6, 9.2e6, 4.2e6), (NEAR, FAR, NEAR, FAR)
    found.figures.append(Figure("batched/64", "liaison", "rate", "messages/s", rounds, spins))
    assert verdict(found, "batches, cores near").met is True
    assert verdict(found, "batches, cores far").met is False
    assert verdict(found, "batches, cores far").value == 4.1e6


def test_the_distance_stands_below_the_figures() -> None:
    """A line below the figures shows the distance, or its range."""
    line = plain(sections(results(spin=FAR))[0]).splitlines()[-2]
    assert line.split("  ")[1] == "cores apart, ns"
    assert "490, far" in line
    mixed = Results(MACHINE, Options())
    mixed.figures.append(
        Figure("leasing", "liaison", "lease", "us", (1.0, 2.0, 3.0), (NEAR, None, FAR))
    )
    assert "105 to 490" in plain(sections(mixed)[0])


@pytest.mark.parametrize(("ours", "met"), [(1.2, True), (1.4, False)])
def test_a_gate_against_peers_compares_with_the_best(ours: float, met: bool) -> None:
    """Seven times faster than 9 us is 1.28 us."""
    one = verdict(results(ours), "faster than every peer")
    assert one.met is met
    assert one.against == "hyperq"


def test_a_gate_that_was_not_measured_is_neither_met_nor_not() -> None:
    """A gate without figures has no verdict."""
    others = [v.met for v in judge(results()) if not v.text.startswith("64 B ping-pong")]
    assert set(others) == {None}


def test_a_run_survives_its_json() -> None:
    """Results are equal after a round trip through JSON."""
    found = results()
    assert from_json(to_json(found)) == found


def test_a_run_from_before_distances_were_measured_is_read() -> None:
    """Without spins there are no figures for a distance; too few spins are an error."""
    document = json.loads(to_json(results()))
    for figure in document["figures"]:
        del figure["spins"]
    (figure, *_) = from_json(json.dumps(document)).figures
    assert figure.spins == ()
    assert figure.at("near") is None
    with pytest.raises(ValueError, match="shorter"):
        replace(figure, spins=(NEAR,)).at("near")


def test_a_peer_that_is_not_installed_is_in_the_table() -> None:
    """The table lists absent peers with the reason."""
    text = plain(sections(results())[0])
    assert "pyzmq: not installed: pip install pyzmq" in text
    assert text.splitlines()[2].split()[:2] == ["liaison", "0.50"]


def test_a_scenario_in_which_nobody_could_take_part_says_why() -> None:
    """A scenario without figures is shown with the reason."""
    found = results()
    found.absences.append(Absence("leasing", "liaison", "no answer in time"))
    assert "liaison: no answer in time" in plain(sections(found)[1])


def test_rounds_that_disagree_are_noted() -> None:
    """A note gives the range of rounds that differ much."""
    found = results()
    found.figures.append(Figure("one-way/64", "hyperq", "rate", "messages/s", (2e6, 8e6, 11e6)))
    assert "hyperq, 64 B /s: its rounds ranged from 2.00 M to 11.0 M" in plain(sections(found)[1])


def test_a_document_s_tables_have_as_many_cells_in_every_row() -> None:
    """Every row of a Markdown table has as many cells as the others."""
    for section in sections(results()):
        rows = [line for line in markdown(section).splitlines() if line.startswith("|")]
        assert len({row.count("|") for row in rows}) == 1


def test_the_picture_shows_every_contender() -> None:
    """The picture is well-formed XML, and names every contender."""
    root = ElementTree.fromstring(draw(results()))
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"liaison", "hyperq", "Ping-pong of 64 B"} <= texts


def test_a_picture_of_nothing_is_still_a_picture() -> None:
    """A run without the drawn scenarios has a title and no panels."""
    ElementTree.fromstring(draw(Results(MACHINE, Options())))
