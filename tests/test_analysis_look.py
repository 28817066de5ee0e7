"""Where a spatial gate is open, against a slow twin that goes from place to place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention import analysis
from attention.analysis import NINTHS, gates, look
from attention.charts import gates as charts

WORDS = [word for row in NINTHS for word in row]


def third(index, size):
    """In which third the middle of a place lies."""
    return 0 if 3 * (index + 0.5) < size else 1 if 3 * (index + 0.5) < 2 * size else 2


def mean_of(spatial, word):
    """The mean of the part of a map that a word names; nothing where a small map has no place there."""
    height, width = spatial.shape
    inside = [
        spatial[row, column]
        for row, column in np.ndindex(height, width)
        if NINTHS[third(row, height)][third(column, width)] == word
    ]
    return sum(inside) / len(inside) if inside else -np.inf


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 1000))
def test_no_part_has_a_higher_mean_than_the_one_named(height, width, seed):
    spatial = np.random.default_rng(seed).random((height, width))
    assert mean_of(spatial, look(spatial).place) == pytest.approx(max(mean_of(spatial, word) for word in WORDS))


def test_a_map_of_one_place_has_its_centre():
    assert look(np.array([[0.3]], np.float32)).place == "centre"


def test_a_gate_is_set_against_its_mean_over_other_pictures():
    random = np.random.default_rng(0)
    others, values = random.random((6, 5, 5)).astype(np.float32), random.random((5, 5)).astype(np.float32)
    found = analysis.against_usual(values, list(others))
    for row, column in np.ndindex(5, 5):
        mean = sum(float(other[row, column]) for other in others) / 6
        assert found.usual[row, column] == pytest.approx(mean)
        assert found.difference[row, column] == pytest.approx(values[row, column] - mean)
    assert found.alike == sum(analysis.look(other).place == analysis.look(values).place for other in others)
    assert found.above == pytest.approx(max(gates.ninths(found.difference).values()))
    assert found.place_above == analysis.look(found.difference).place


def test_a_habit_of_position_is_called_one():
    habit = np.zeros((6, 6), np.float32)
    habit[4:, 4:] = 0.9
    here = habit.copy()
    here[:2, :2] = 0.2
    chart = charts.against_usual(here, [habit] * 3, habit, "layer3.0")
    assert chart.headline.startswith(
        "layer3.0 is most open at the lower right, as for 3 of 3 other pictures and for a grey card. It is most above "
        "its usual gate at the upper left, by 0.200 in the mean of that ninth"
    )
    assert list(chart.table) == ["row", "column", "this picture", "usual", "this less usual", "grey card"]
    blank = charts.against_usual(here, [habit[::-1]], np.full((6, 6), 0.5, np.float32), "layer3.0")
    assert "as for 0 of 1 other pictures but not for a grey card" in blank.headline
