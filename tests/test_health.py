"""Saturated, dead and constant: against loops in exact arithmetic, at the boundaries, and the same in every room."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attention import analysis
from attention.analysis import health
from attention.records import GateHealth
from attention.survey import statistics
from attention.survey.partials import BINS, histogram

LOW, HIGH, CONSTANT = Fraction(1, 20), Fraction(19, 20), Fraction(1, 50)
near = [float(np.nextafter(np.float32(edge), np.float32(side))) for edge in (0.05, 0.95) for side in (-1, 2)]
near += [float(np.float32(edge)) for edge in (0.05, 0.95)]
gates = arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 1, width=32) | st.sampled_from([0.0, 1.0, *near]))


def is_low(value) -> bool:
    """The slow twin: the value's exact fraction against one twentieth."""
    return Fraction(float(value)) < LOW


def is_high(value) -> bool:
    return Fraction(float(value)) >= HIGH


@given(gates)
def test_shares_count_value_by_value_in_exact_arithmetic(values):
    low, high = sum(map(is_low, values)), sum(map(is_high, values))
    assert analysis.share_low(values) == low / len(values)
    assert analysis.share_high(values) == high / len(values)
    assert analysis.share_saturated(values) == (low + high) / len(values)


@pytest.mark.parametrize(("value", "low", "high"), [(0.05, False, False), (0.95, False, True), (0.5, False, False)])
def test_exactly_at_a_boundary_a_value_is_high_and_not_low(value, low, high):
    below, above = np.nextafter(value, 0), np.nextafter(value, 1)
    assert bool(health.is_low(value)) == low and bool(health.is_high(value)) == high
    assert bool(health.is_low(below)) == (value == 0.05) and not health.is_low(above)
    assert not health.is_high(below) and bool(health.is_high(above)) == (value == 0.95)


@pytest.mark.parametrize("edge", [0.05, 0.95])
def test_a_float32_is_judged_by_its_own_value_not_by_that_of_a_rounded_boundary(edge):
    nearest = np.float32(edge)
    assert bool(health.is_low(nearest)) == is_low(nearest) and bool(health.is_high(nearest)) == is_high(nearest)


@given(arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.floats(-1, 1, width=32)))
def test_a_channel_is_dead_or_open_where_every_picture_is_low_or_high(values):
    dead = [all(map(is_low, column)) and all(map(is_low, -column)) for column in values.T]
    assert health.is_dead(values.min(0), values.max(0)).tolist() == dead
    assert health.is_open(values.min(0)).tolist() == [all(map(is_high, column)) for column in values.T]


@pytest.mark.parametrize(("value", "dead", "opened"), [(0.05, False, False), (0.95, False, True)])
def test_a_channel_at_a_boundary_is_as_its_value(value, dead, opened):
    ends = np.array([value, np.nextafter(value, 0)])
    assert health.is_dead(ends, ends).tolist() == health.is_dead(-ends, -ends).tolist() == [dead, value == 0.05]
    assert health.is_open([value, np.nextafter(value, 0)]).tolist() == [opened, False]


@pytest.mark.parametrize(("deviation", "constant"), [(0.0, True), (0.019, True), (0.02, False), (0.3, False)])
def test_a_channel_and_a_gate_are_constant_below_a_deviation_of_a_fiftieth(deviation, constant):
    assert bool(health.is_constant(deviation)) == (Fraction(str(deviation)) < CONSTANT) == constant
    assert health.hardly_varies(GateHealth("a", "channel", 0.0, 0.0, deviation)) is constant
    assert bool(health.is_constant(np.nextafter(deviation, -1))) == (deviation <= 0.02)


@pytest.mark.parametrize(("low", "high", "saturated"), [(0.3, 0.3, True), (0.25, 0.25, False), (0.0, 0.6, True)])
def test_a_gate_saturates_where_both_ends_hold_more_than_half(low, high, saturated):
    assert health.saturates(GateHealth("a", "channel", low, high, 0.1)) is saturated


def test_what_is_not_a_number_is_neither_low_high_nor_constant():
    for judge in (health.is_low, health.is_high, health.is_open, health.is_constant):
        assert not judge(np.nan)
    assert not health.is_dead(np.nan, np.nan)


@given(gates)
def test_the_bins_of_a_survey_count_the_same_values(values):
    bins = histogram(values.astype(np.float64)[:, None])[0]
    assert bins[: statistics._LOW_END].sum() == sum(map(is_low, values))
    assert bins[statistics._HIGH_START :].sum() == sum(map(is_high, values))
    assert (health.LOW * BINS, health.HIGH * BINS) == (1, BINS - 1)
