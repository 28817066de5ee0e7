"""Where a spatial gate is open, against a slow twin that goes from place to place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention.analysis import NINTHS, map_stats

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
    assert mean_of(spatial, map_stats(spatial).place) == pytest.approx(max(mean_of(spatial, word) for word in WORDS))


def test_a_map_of_one_place_has_its_centre():
    assert map_stats(np.array([[0.3]], np.float32)).place == "centre"
