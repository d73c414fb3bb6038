import datetime
import decimal
import math
from fractions import Fraction
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liaison.deadline import Deadline, nanoseconds

LONGEST = 2**63 - 1
calls = pytest.mark.parametrize("call", [nanoseconds, Deadline])


@pytest.mark.parametrize(
    ("timeout", "count"),
    [
        (None, -1),
        (math.inf, -1),
        (0, 0),
        (0.0, 0),
        (-0.0, 0),
        (1, 10**9),
        (0.25, 250_000_000),
        (Fraction(1, 4), 250_000_000),
        (5e-324, 1),
        (1e-12, 1),
        (1e300, LONGEST),
        (10**400, LONGEST),
        (LONGEST // 10**9, LONGEST // 10**9 * 10**9),
    ],
)
def test_seconds_become_nanoseconds(timeout, count):
    """None and infinity are -1, 0 is 0, and no other timeout is either, however short or long."""
    assert nanoseconds(timeout) == count
    assert type(nanoseconds(timeout)) is int


@given(st.floats(min_value=0, exclude_min=True) | st.integers(min_value=1))
def test_positive_timeout_stays_positive(timeout):
    """A positive timeout is between 1 and 2**63 - 1 nanoseconds, or for ever when infinite."""
    count = nanoseconds(timeout)
    assert count == -1 if timeout == math.inf else 1 <= count <= LONGEST


@given(st.floats(min_value=1e-3, max_value=1e6))
def test_conversion_is_exact_to_a_nanosecond_or_a_float(timeout):
    """The nanoseconds are those of the seconds, to within the precision of a float."""
    assert math.isclose(nanoseconds(timeout), timeout * 10**9, rel_tol=1e-9, abs_tol=1)


@calls
@pytest.mark.parametrize("timeout", [-1, -1e-300, -math.inf, math.nan, -(10**400)])
def test_negative_timeout_and_nan_are_refused(call, timeout):
    """A negative timeout or NaN is a ValueError."""
    with pytest.raises(ValueError, match="timeout"):
        call(timeout)


@calls
@pytest.mark.parametrize("timeout", ["1", b"1", True, False, 1j, [], decimal.Decimal(1), object()])
def test_what_is_no_number_is_refused(call, timeout):
    """What is not a real number, bool included, is a TypeError."""
    with pytest.raises(TypeError, match="timeout"):
        call(timeout)


def test_timedelta_is_refused_with_a_hint():
    """A timedelta is a TypeError that names total_seconds()."""
    with pytest.raises(TypeError, match="total_seconds"):
        nanoseconds(datetime.timedelta(seconds=1))


def test_numpy_numbers_are_numbers():
    """NumPy's integers and floats are accepted as Python's are."""
    numpy = pytest.importorskip("numpy")
    assert nanoseconds(numpy.int64(2)) == 2 * 10**9
    assert nanoseconds(numpy.float32(0.5)) == 5 * 10**8


def test_no_timeout_never_expires():
    """A deadline without a timeout has no remaining time to state and never expires."""
    deadline = Deadline(None)
    assert deadline.remaining() is None
    assert not deadline.expired
    assert "never" in repr(deadline)


def test_zero_timeout_has_expired():
    """A deadline of 0 seconds has expired when it is made, with nothing left."""
    deadline = Deadline(0)
    assert deadline.expired
    assert deadline.remaining() == 0.0


def test_remaining_time_runs_down_to_zero(monkeypatch):
    """The remaining time falls from the timeout to 0, never below, and then it has expired."""
    now = 1000.0
    monkeypatch.setattr("liaison.deadline.monotonic", lambda: now)
    deadline = Deadline(2)
    assert (deadline.remaining(), deadline.expired) == (2.0, False)
    now += 1.5
    assert (deadline.remaining(), deadline.expired) == (0.5, False)
    now += 0.5
    assert (deadline.remaining(), deadline.expired) == (0.0, True)
    now += 10
    assert (deadline.remaining(), deadline.expired) == (0.0, True)


def test_deadline_starts_when_it_is_made():
    """A deadline lies its timeout after the moment it was made, by the monotonic clock."""
    before = monotonic()
    left = Deadline(60).remaining()
    assert left is not None
    assert 60 - (monotonic() - before) <= left <= 60


def test_remaining_time_is_a_timeout():
    """What remains of a deadline can be handed on as a timeout, at the end of time too."""
    for timeout in (None, 0, 5, 10**400):
        assert nanoseconds(Deadline(timeout).remaining()) <= LONGEST


def test_deadline_shows_the_time_left():
    """The repr of a deadline says how many seconds are left."""
    assert repr(Deadline(0)) == "<Deadline: 0.000 s left>"
