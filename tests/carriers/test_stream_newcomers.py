"""Which connections without a complete handshake may stay; without sockets or clocks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.carriers.stream.newcomers import (
    GUESSES,
    PATIENCE,
    PAUSE,
    PLACES,
    Newcomer,
    Newcomers,
    neighbourhood_of,
)

FRIEND, STRANGER = "192.0.2.1", "198.51.100.1"


def several(here, neighbourhood, count, now=0.0):
    made = [Newcomer(neighbourhood) for _ in range(count)]
    for one in made:
        here.admit(one, now=now)
    return made


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%lo", "fe80::2%eth0", True),
        ("127.0.0.1", "127.255.0.9", True),
        ("127.0.0.1", "::ffff:127.0.0.2", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("::1", "::2", False),
    ],
)
def test_what_one_stranger_has_for_nothing_is_one_neighbourhood(one, other, same):
    """An IPv4 address, however written; an IPv6 /64; all of 127.0.0.0/8."""
    assert (neighbourhood_of(one) == neighbourhood_of(other)) is same


def test_a_friend_keeps_its_place_beside_any_number_of_strangers_elsewhere():
    """Who comes from elsewhere loses no place to 100,000 from one address, silent or not."""
    here = Newcomers()
    (friend,) = several(here, FRIEND, 1)
    for number in range(100_000):
        (stranger,) = several(here, STRANGER, 1, now=number / 27_000)
        if number % 2:
            here.heard(stranger)
        assert len(here) <= PLACES
    assert friend in here
    assert here.dropped == 100_001 - PLACES


def test_a_friend_who_comes_when_all_places_are_taken_gets_one():
    """The one that is dropped for a friend is a stranger, also when these speak and it does not."""
    here = Newcomers()
    for stranger in several(here, STRANGER, PLACES):
        here.heard(stranger)
    friend = Newcomer(FRIEND)
    loser = here.admit(friend, now=1.0)
    assert loser.neighbourhood == STRANGER
    assert friend in here


def test_of_one_neighbourhood_the_wrong_go_first_then_the_silent_then_the_oldest():
    """Who guessed wrong, who has said nothing, who has spoken: each the oldest first."""
    here = Newcomers()
    ones = several(here, STRANGER, PLACES)
    for one in ones[:2] + ones[4:]:
        here.heard(one)
    here.guessed(ones[9], now=0.0)
    losers = [here.admit(Newcomer(FRIEND), now=1.0) for _ in range(5)]
    assert losers == [ones[9], ones[2], ones[3], ones[0], ones[1]]


def test_among_neighbourhoods_of_one_size_the_silent_and_the_oldest_go():
    """When every address holds one place, the oldest that has said nothing is dropped."""
    here = Newcomers()
    ones = [several(here, f"192.0.2.{n}", 1, now=n)[0] for n in range(PLACES)]
    for one in ones[:3]:
        here.heard(one)
    assert here.admit(Newcomer(STRANGER), now=99.0) is ones[3]


def test_who_is_slow_may_not_stay():
    """After 5 seconds one is overdue, and `due` says when that is."""
    here = Newcomers()
    assert here.due() is None
    (one,) = several(here, FRIEND, 1, now=10.0)
    several(here, STRANGER, 1, now=11.0)
    assert here.due() == 10.0 + PATIENCE
    assert here.overdue(now=10.0 + PATIENCE - 0.1) == []
    assert here.overdue(now=10.0 + PATIENCE) == [one]


def test_one_address_has_at_most_four_guesses_a_second():
    """Of one that guesses all the time 4 are looked at in each second, whatever it opens."""
    here = Newcomers()
    looked_at, now = 0, 0.0
    waiting = []
    while now < 100.0:
        for one in here.overdue(now=now):
            here.drop(one)
        for one in here.released(now=now):
            looked_at += 1
            here.guessed(one, now=now)
        (one,) = several(here, STRANGER, 1, now=now)
        here.heard(one)
        if here.may_prove(one, now=now):
            looked_at += 1
            here.guessed(one, now=now)
        waiting.append(len(here))
        now += 0.01
    assert looked_at <= GUESSES * (now / PAUSE + 1)
    assert looked_at >= GUESSES * (now / PAUSE - 2)  # and those are looked at
    assert max(waiting) <= PLACES


def test_a_wrong_guess_of_one_address_costs_no_other_anything():
    """Who comes from elsewhere is heard while a neighbourhood has used its guesses up."""
    here = Newcomers()
    for one in several(here, STRANGER, GUESSES):
        here.guessed(one, now=0.0)
    (late,) = several(here, STRANGER, 1)
    (friend,) = several(here, FRIEND, 1)
    assert not here.may_prove(late, now=0.5)
    assert here.may_prove(friend, now=0.5)
    assert here.due() == PAUSE
    assert here.released(now=PAUSE) == [late]


def test_who_guessed_wrong_waits_for_the_answer():
    """The answer to a wrong proof, which is the end, comes when it counts no more."""
    here = Newcomers()
    (one,) = several(here, STRANGER, 1)
    here.guessed(one, now=3.0)
    assert here.overdue(now=3.9) == []
    assert here.overdue(now=3.0 + PAUSE) == [one]


def test_it_is_told_from_where_most_were_that_were_dropped_once_a_second():
    """A report counts those since the last one, and names the neighbourhood of most."""
    here = Newcomers()
    several(here, "192.0.2.9", 2)
    several(here, STRANGER, PLACES + 10)
    assert here.report(now=1.0) == (12, STRANGER)
    assert here.report(now=5.0) is None
    several(here, STRANGER, 3)
    assert here.report(now=5.5) == (3, STRANGER)
    several(here, STRANGER, 3)
    assert here.report(now=6.4) is None
    assert here.report(now=6.5) == (3, STRANGER)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 90), st.floats(0, 2)), max_size=300))
def test_whatever_happens_the_counts_are_right(steps):
    """Places are never exceeded, nobody is lost or twice there, and guesses stay within bounds."""
    here, now, inside, guesses = Newcomers(), 0.0, [], []
    for what, which, later in steps:
        now += later / 10
        one = inside[which % len(inside)] if inside else None
        if what <= 1 or one is None:
            made = Newcomer(f"192.0.2.{which % 3}")
            loser = here.admit(made, now=now)
            if loser is not None:
                inside.remove(loser)
            inside.append(made)
        elif what == 2:
            here.heard(one)
        elif what == 3 and here.may_prove(one, now=now):
            here.guessed(one, now=now)
            guesses.append((now, one.neighbourhood))
        elif what == 4:
            here.leave(one)
            inside.remove(one)
        else:
            for other in here.released(now=now):
                assert here.may_prove(other, now=now)
        assert sorted(map(id, here)) == sorted(map(id, inside))
        assert len(here) == len(inside) <= PLACES
        for neighbourhood in ("192.0.2.0", "192.0.2.1", "192.0.2.2"):
            recent = [g for g in guesses if g[0] > now - PAUSE and g[1] == neighbourhood]
            assert len(recent) <= GUESSES
