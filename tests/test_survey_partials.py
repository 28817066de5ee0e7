"""Statistics of parts that merge: against numpy over all values at once, for any split, order and grouping."""

from collections import Counter
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from attention.survey import SurveyError
from attention.survey.partials import BINS, EXEMPLARS, GateColumns, Means, Moments, Partial, TopK, histogram

COLUMNS = 4
BLOCKS = (GateColumns("channels", "channel", "sigmoid", (COLUMNS,), "", ()),)
gates = st.integers(2, 40).flatmap(
    lambda n: arrays.arrays(np.float32, (n, COLUMNS), elements=st.floats(-0.5, 1.5, width=16))
)
seeds = st.integers(0, 2**32 - 1)


def part(values, numbers, labels):
    """The partial of these rows, whose pictures have these numbers."""
    rows = values.astype(np.float64)
    return Partial(
        pictures=len(values),
        gates=BLOCKS,
        classes={int(key): Moments.from_rows(rows[labels == key]) for key in np.unique(labels)},
        correctness={bool(key): Moments.from_rows(rows[labels == key]) for key in np.unique(labels) if key < 2},
        shuffled={int(key): Means.from_rows(rows[labels == key]) for key in np.unique(labels)},
        histogram=histogram(rows),
        top=TopK.from_rows(values, numbers),
        bottom=TopK.from_rows(-values, numbers),
        predictions=Counter((int(label), 0) for label in labels),
    )


def merged(values, labels, cuts, order):
    """The parts between the cuts, merged in this order, the later half into one of its own first."""
    pieces = [rows for rows in np.split(np.arange(len(values)), sorted(cuts)) if len(rows)]
    parts = [part(values[rows], rows, labels[rows]) for rows in pieces]
    parts = [parts[index] for index in order.permutation(len(parts))]
    halves = Partial(), Partial()
    for number, each in enumerate(parts):
        halves[number >= len(parts) // 2].add(each)
    halves[0].add(halves[1])
    return halves[0]


@given(gates, seeds, st.lists(st.integers(0, 40), max_size=6))
def test_any_split_order_and_grouping_gives_the_statistics_of_all_values(values, seed, cuts):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, len(values))
    found = merged(values, labels, cuts, random)
    assert found.pictures == len(values)
    for label in np.unique(labels):
        rows = values[labels == label].astype(np.float64)
        moments = found.classes[int(label)]
        assert moments.count == len(rows)
        np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(np.sqrt(moments.m2 / moments.count), rows.std(0), rtol=1e-7, atol=1e-12)
        np.testing.assert_array_equal([moments.low, moments.high], [rows.min(0), rows.max(0)])
        np.testing.assert_allclose(found.shuffled[int(label)].mean, rows.mean(0), rtol=1e-12, atol=1e-15)
        assert found.predictions[int(label), 0] == len(rows)
    assert set(found.classes) == set(labels.tolist()) and set(found.correctness) == set(labels[labels < 2].tolist())


@given(gates, seeds, st.lists(st.integers(0, 40), max_size=6))
def test_histograms_and_exemplars_are_exact_under_any_split_order_and_grouping(values, seed, cuts):
    random = np.random.default_rng(seed)
    found = merged(values, np.zeros(len(values), int), cuts, random)
    for column in range(COLUMNS):
        assert found.histogram[column].tolist() == slow_histogram(values[:, column])
        ranked = sorted(range(len(values)), key=lambda row: (-values[row, column], row))[:EXEMPLARS]
        assert sorted(found.top.pictures[:, column]) == sorted(ranked)
        assert sorted(found.top.values[:, column]) == sorted(values[ranked, column])
        ranked = sorted(range(len(values)), key=lambda row: (values[row, column], row))[:EXEMPLARS]
        assert sorted(found.bottom.pictures[:, column]) == sorted(ranked)


def slow_histogram(values):
    counts = [0] * (BINS + 2)
    for value in map(float, values):
        inside = [number for number in range(BINS) if number / BINS <= value < (number + 1) / BINS]
        counts[0 if value < 0 else BINS + 1 if value > 1 else BINS if value == 1 else inside[0] + 1] += 1
    return counts


@given(gates, st.integers(1, 39), st.integers(1, 39))
def test_the_same_parts_in_the_same_order_give_the_same_bits(values, one, two):
    first, second = (merged(values, np.zeros(len(values), int), [one, two], np.random.default_rng(0)) for _ in "ab")
    assert first.classes[0].mean.tobytes() == second.classes[0].mean.tobytes()
    assert first.classes[0].m2.tobytes() == second.classes[0].m2.tobytes()


def test_small_deviations_about_a_large_mean_survive_merging():
    values = 1 + np.random.default_rng(0).normal(0, 1e-6, (1000, 1))
    found = reduce(Moments.merged, (Moments.from_rows(values[start : start + 7]) for start in range(0, 1000, 7)))
    assert np.sqrt(found.m2 / found.count) == pytest.approx(values.std(0), rel=1e-9)


def test_bins_end_where_they_say_for_every_float_about_an_edge():
    edges = np.arange(BINS + 1) / BINS
    near = np.float32(edges)
    values = np.concatenate([np.nextafter(near, np.float32(-1)), near, np.nextafter(near, np.float32(2))])[:, None]
    assert histogram(values.astype(np.float64))[0].tolist() == slow_histogram(values[:, 0])


def test_parts_without_a_usable_picture_change_nothing_but_the_count():
    found = part(np.ones((2, COLUMNS), np.float32), np.arange(2), np.zeros(2, int))
    empty = Partial(3)
    empty.add(found)
    found.add(Partial(3))
    assert empty.pictures == found.pictures == 5
    assert empty.classes[0].count == found.classes[0].count == 2


def test_parts_of_other_gates_do_not_merge():
    one, other = (part(np.ones((2, COLUMNS), np.float32), np.arange(2), np.zeros(2, int)) for _ in "ab")
    other.gates = (BLOCKS[0]._replace(name="another"),)
    with pytest.raises(SurveyError, match="applies other gates to some pictures"):
        one.add(other)
