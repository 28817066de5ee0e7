"""Laws of what may be concluded: p-values that hold what they promise, and Holm's correction, beside slow code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention.analysis import evidence
from attention.numbers import signed

numbers = st.integers(-100, 100).map(float)
shares = st.floats(0, 1)


def slow_p(observed, draws):
    every = sorted([*draws, observed])
    half = len(every) // 2
    middle = every[half] if len(every) % 2 else (every[half - 1] + every[half]) / 2
    as_far = sum(abs(one - middle) >= abs(observed - middle) for one in draws)
    return (1 + as_far) / (1 + len(draws))


@given(numbers, st.lists(numbers, min_size=1, max_size=30))
def test_a_p_value_counts_the_draws_that_are_as_extreme(observed, draws):
    assert evidence.p_value(observed, draws) == pytest.approx(slow_p(observed, draws))


@pytest.mark.parametrize("law", ["normal", "exponential", "standard_cauchy"])
def test_where_nothing_is_there_a_p_value_is_at_most_u_in_a_share_of_u(law):
    rows = getattr(np.random.default_rng(1), law)(size=(2000, 100))
    p = np.array([evidence.p_value(row[0], row[1:]) for row in rows])
    for u in (0.05, 0.2, 0.5):
        assert (p <= u).mean() <= u + 3 * np.sqrt(u * (1 - u) / len(rows))


def test_a_number_beyond_all_draws_has_the_smallest_p_and_one_among_equals_the_largest():
    assert evidence.p_value(10.0, np.linspace(-1, 1, 99)) == 0.01
    assert evidence.p_value(0.0, np.zeros(99)) == 1.0


@given(st.lists(shares, min_size=1, max_size=12))
def test_holm_rejects_one_after_another(p):
    """By its text: the k-th smallest is rejected while it is at most the level over the number of those left."""
    for level in (0.01, 0.05, 0.3):
        rejected, left = set(), len(p)
        for number in sorted(range(len(p)), key=p.__getitem__):
            if p[number] * left > level:
                break
            rejected.add(number)
            left -= 1
        assert {number for number, one in enumerate(evidence.holm(p)) if one <= level} == rejected


def test_a_figure_of_tests_has_draws_enough_for_one_of_them_to_be_evidence():
    for count in (1, 5, 8, 16, 53):
        draws = evidence.draws_for(count)
        assert draws >= 99 and count / (draws + 1) <= evidence.LEVEL
        assert draws == 99 or count / draws > evidence.LEVEL  # one fewer would not do


def test_a_p_value_at_the_level_is_evidence_and_one_above_it_is_none():
    draws = np.concatenate([np.linspace(-1, 1, 95), [3, 3, 3, 3]])
    for observed, holds in ((3.0, True), (0.99, False)):
        (test,) = evidence.tests([observed], [draws])
        assert test.holds == holds
        assert (test.p == evidence.LEVEL) == holds


def test_the_null_range_holds_the_middle():
    assert evidence.null_range(np.arange(1001)) == (25.0, 975.0)


def test_a_bootstrap_covers_the_median_in_about_95_of_100_samples():
    random, covered = np.random.default_rng(0), []
    for _ in range(200):
        found = evidence.over_pictures(random.exponential(size=25) - 1)
        covered.append(found.low <= np.log(2) - 1 <= found.high)
    assert 0.9 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("count", range(1, 9))
def test_an_interval_of_a_median_is_said_only_where_the_pictures_can_give_one(count):
    values = np.random.default_rng(count).normal(size=(4000, count))
    held = np.mean((values.min(1) < 0) & (values.max(1) > 0))  # the widest interval that they have
    one = evidence.over_pictures(values[0])
    assert ("95% interval " in one.interval and "too few" not in one.interval) == (held > 0.95)
    if count < evidence.FEWEST_PICTURES:
        assert (one.low, one.high) == (values[0].min(), values[0].max())
        assert f"{signed(one.low)} to {signed(one.high)}; too few pictures" in one.interval


def test_an_effect_of_nothing_has_no_sign():
    one, none = evidence.over_pictures([-1.0, 0.0, 2.0, 4.0]), evidence.over_pictures([-1.0, 0.0, 0.0])
    assert (one.median, one.count, one.alike) == (1, 4, 2)
    assert (none.median, none.alike) == (0, 0)
