"""The statistics behind every figure."""

import pytest

from benchmarks.samples import differences, median, percentile, spread


def test_a_percentile_is_a_sample_that_was_measured() -> None:
    """Nearest rank: nothing is interpolated."""
    ascending = [1, 2, 3, 100]
    assert [percentile(ascending, part) for part in (0.0, 0.5, 0.99, 1.0)] == [1, 3, 100, 100]


def test_the_thousandth_of_a_thousand_samples_is_the_worst() -> None:
    """p99.9 of a thousand samples leaves no sample out."""
    assert percentile(range(1000), 0.999) == 999


def test_no_samples_have_no_percentile() -> None:
    """A scenario that measured nothing fails rather than showing a zero."""
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 0.5)


def test_stamps_become_the_times_between_them() -> None:
    """One reading of the clock ends a round trip and begins the next."""
    assert differences([10, 12, 17]) == [2, 5]


def test_the_spread_of_rounds_is_a_part_of_their_median() -> None:
    """1.0: the best and the worst round lie as far apart as the median is large."""
    rounds = [5.0, 10.0, 15.0]
    assert median(rounds) == 10
    assert spread(rounds) == 1.0
