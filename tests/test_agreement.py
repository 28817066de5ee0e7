"""Agreement and faithfulness by their laws, and against loops."""

from functools import partial
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from attention.analysis import agreement, faithfulness
from attention.analysis.agreement import centre_blob, overlap, rank_correlation, resampled, top
from tests import references

MAPS = arrays.arrays(np.float32, (4, 5), elements=st.integers(0, 6).map(float))
SMOOTH = arrays.arrays(np.float32, (3, 4), elements=st.floats(-4, 4, width=32))


@given(MAPS, MAPS)
def test_the_rank_correlation_is_that_of_the_definition(one, other):
    found = rank_correlation(one, other)
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        assert found is None
    else:
        assert found == pytest.approx(references.rank_correlation(one, other))
        assert found == pytest.approx(rank_correlation(np.exp(one), other))


@given(MAPS)
def test_a_map_agrees_with_itself_and_disagrees_with_its_opposite(one):
    if np.ptp(one):
        found = agreement.agreement(one, one)
        assert found.correlation == pytest.approx(1)
        assert rank_correlation(one, -one) == pytest.approx(-1)


def test_a_map_agrees_with_its_shifts_as_far_as_a_loop_says():
    one, other = np.random.default_rng(0).random((2, 3, 4)).astype(np.float32)
    found = agreement.shift_correlations(one, other)
    assert len(found) == 11
    for number, (down, right) in enumerate([(d, r) for d in range(3) for r in range(4)][1:]):
        moved = np.array([[other[(row - down) % 3, (column - right) % 4] for column in range(4)] for row in range(3)])
        assert found[number] == pytest.approx(references.rank_correlation(one, moved))


@given(MAPS)
def test_the_top_has_the_size_that_was_asked_for_and_holds_the_highest(values):
    members = top(values)
    assert members.sum() == pytest.approx(4) and members.min() >= 0 and members.max() <= 1
    assert values[members > 0].min() >= values[members == 0].max(initial=-np.inf)
    assert members[values == values.max()].min() > 0


@pytest.mark.parametrize("size", range(1, 20))
def test_the_top_fifth_is_rounded_and_never_empty(size):
    assert top(np.arange(size, dtype=np.float32)).sum() == max(1, round(size / 5))


@given(MAPS, MAPS)
def test_ties_count_as_what_breaking_them_at_random_gives_on_average(one, other):
    generator = np.random.default_rng(0)

    def broken(values):
        first = np.lexsort((generator.random(values.size), -values.ravel()))[:4]
        return set(first.tolist())

    drawn = [len(broken(one) & broken(other)) / 4 for _ in range(400)]
    assert overlap(one, other) == pytest.approx(np.mean(drawn), abs=0.1)


def test_unrelated_maps_overlap_by_chance():
    generator = np.random.default_rng(0)
    found = [overlap(generator.random((10, 10)), generator.random((10, 10))) for _ in range(300)]
    assert np.mean(found) == pytest.approx(agreement.TOP, abs=0.01)


def test_pointing_asks_where_the_highest_place_lies():
    one, other = np.zeros((5, 5), np.float32), np.arange(25, dtype=np.float32).reshape(5, 5)
    one[4, 4] = 1
    assert agreement.agreement(one, other).pointing == 1
    one[0, 0] = 2
    assert agreement.agreement(one, other).pointing == 0
    one[4, 4] = 2
    assert agreement.agreement(one, other).pointing == 0.5


def test_a_constant_map_has_no_rank_correlation_and_the_overlap_of_chance():
    found = agreement.agreement(np.ones((5, 5), np.float32), np.arange(25, dtype=np.float32).reshape(5, 5))
    assert found.correlation is None and found.overlap == pytest.approx(0.2) and found.pointing == pytest.approx(0.2)


@given(SMOOTH, st.integers(1, 9), st.integers(1, 9))
def test_a_map_is_enlarged_between_the_centres_of_its_places(values, height, width):
    wanted = references.enlarged(values.astype(np.float64), height, width)
    np.testing.assert_allclose(resampled(values, (height, width)), wanted, atol=1e-9)


@given(SMOOTH)
def test_a_window_of_a_map_is_that_part_of_it(values):
    whole = resampled(values, (6, 8))
    np.testing.assert_allclose(resampled(values, (3, 4), (0.5, 0, 1, 0.5)), whole[:3, 4:], atol=1e-9)


def test_what_two_windows_share_is_told_in_shares_of_each():
    one, other = (0.0, 0.0, 100.0, 100.0), (50.0, -10.0, 150.0, 90.0)
    shared = agreement.intersection(one, other)
    assert shared == (50, 0, 100, 90)
    assert agreement.relative_box(shared, one) == (0.5, 0, 1, 0.9)
    assert agreement.relative_box(shared, other) == (0, 0.1, 0.5, 1)
    assert agreement.relative_box((1.0, 3.0, 3.0, 7.0), (0.0, 1.0, 4.0, 9.0)) == (0.25, 0.25, 0.75, 0.75)
    assert agreement.intersection(one, (100.0, 0.0, 200.0, 100.0)) is None


def test_the_blob_is_highest_in_the_middle_and_symmetric():
    blob = centre_blob((7, 9))
    assert np.unravel_index(blob.argmax(), blob.shape) == (3, 4) and blob.max() == 1
    for other in (blob[::-1], blob[:, ::-1]):
        np.testing.assert_allclose(blob, other, rtol=1e-6)
    assert blob[0, 0] < blob[0, 4] and blob[0, 0] < blob[3, 0]
    row, places = centre_blob((1, 100))[0], (np.arange(100) + 0.5) / 100
    deviation = np.sqrt(np.average((places - 0.5) ** 2, weights=np.exp(-((places - 0.5) ** 2) / (2 * 0.25**2))))
    assert np.sqrt(np.average((places - 0.5) ** 2, weights=row)) == pytest.approx(deviation, rel=1e-5)


def test_own_gates_are_set_against_those_of_pictures_drawn_at_random():
    agreements = np.random.default_rng(1).random((4, 4))
    found = agreement.own_against_others(agreements, 600)
    every = {np.mean([agreements[i, j] for i, j in enumerate(order)]).round(9) for order in permutations(range(4))}
    assert {value.round(9) for value in found} == every


def test_structural_similarity_is_wangs_formula_and_one_for_the_same_map():
    one, other = np.random.default_rng(0).random((2, 4, 5))
    assert agreement.similarity(one, 3 * one + 1) == pytest.approx(1)
    first, second = (
        [(x - values.min()) / (values.max() - values.min()) for x in values.ravel()] for values in (one, other)
    )
    mean = [sum(each) / 20 for each in (first, second)]
    variance = [sum((x - m) ** 2 for x in each) / 20 for each, m in zip((first, second), mean, strict=True)]
    covariance = sum((x - mean[0]) * (y - mean[1]) for x, y in zip(first, second, strict=True)) / 20
    slow = (2 * mean[0] * mean[1] + 1e-4) * (2 * covariance + 9e-4)
    slow /= (mean[0] ** 2 + mean[1] ** 2 + 1e-4) * (variance[0] + variance[1] + 9e-4)
    assert agreement.similarity(one, other) == pytest.approx(slow)
    assert abs(agreement.similarity(np.ones((4, 5)), other)) < 0.1


def predict(pictures):
    """A probability that depends on every pixel, and on the pairs of neighbours."""
    weights = np.cos(np.arange(pictures[0].size)).reshape(pictures[0].shape)
    both = (pictures[..., 1:] * pictures[..., :-1]).sum((1, 2, 3))
    return 1 / (1 + np.exp(-(pictures * weights).sum((1, 2, 3)) - 0.1 * both))


@pytest.mark.parametrize("blur", [False, True])
@pytest.mark.parametrize("steps", [5, 7])
def test_both_curves_are_those_of_a_loop_over_the_pixels(steps, blur):
    generator = np.random.default_rng(3)
    picture, values = generator.standard_normal((3, 6, 5)).astype(np.float32), generator.random((2, 3), np.float32)
    enlarged = references.enlarged(values.astype(np.float64), 6, 5)
    order = sorted(np.ndindex(6, 5), key=lambda place: -enlarged[place])
    counts = [round(30 * step / steps) for step in range(steps + 1)]
    missing = faithfulness.blurred(picture) if blur else np.zeros_like(picture)
    found = faithfulness.faithfulness(picture, values, predict, steps=steps, missing=missing if blur else None)
    for curve, insert in ((found.deletion, False), (found.insertion, True)):
        shown = partial(lambda missing, apart: predict((missing + apart)[None])[0], missing)
        slow = references.removal(picture - missing, order, shown, counts, insert=insert)
        np.testing.assert_allclose(curve.probabilities, slow, rtol=1e-5)
        widths = np.diff(curve.shares)
        assert curve.area == pytest.approx(
            sum(w * (a + b) / 2 for w, a, b in zip(widths, slow, slow[1:], strict=False))
        )


def test_the_curve_of_deletion_alone_is_that_of_both():
    generator = np.random.default_rng(3)
    picture, values = generator.standard_normal((3, 6, 5)).astype(np.float32), generator.random((2, 3), np.float32)
    alone = faithfulness.deletion(picture, values, predict, steps=7)
    both = faithfulness.faithfulness(picture, values, predict, steps=7)
    np.testing.assert_array_equal(alone.probabilities, both.deletion.probabilities)


def test_the_curves_begin_and_end_with_the_whole_picture_and_with_nothing():
    picture = np.random.default_rng(0).standard_normal((3, 6, 5)).astype(np.float32)
    found = faithfulness.faithfulness(picture, np.ones((2, 2), np.float32), predict)
    whole, nothing = predict(picture[None])[0], 0.5
    assert found.deletion.probabilities[[0, -1]] == pytest.approx([whole, nothing])
    assert found.insertion.probabilities[[0, -1]] == pytest.approx([nothing, whole])


def test_the_map_that_knows_the_pixels_that_count_beats_random_ones():
    picture = np.ones((1, 8, 8), np.float32)
    weights = np.random.default_rng(1).random((8, 8))

    def share(pictures):
        return (pictures[:, 0] * weights).sum((1, 2)) / weights.sum()

    best = faithfulness.faithfulness(picture, weights.astype(np.float32), share)
    for values in faithfulness.random_maps(weights.astype(np.float32), 10):
        other = faithfulness.faithfulness(picture, values, share)
        assert best.deletion.area < other.deletion.area and best.insertion.area > other.insertion.area


def test_random_maps_are_those_of_their_seed():
    values = np.random.default_rng(5).random((3, 4), np.float32)
    one, same, other = (faithfulness.random_maps(values, 3, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other) and not np.array_equal(one[0], one[1])


def test_random_maps_are_no_more_alike_than_chance_has_it():
    values = np.exp(-((np.indices((20, 20)) - 6) ** 2).sum(0) / 20).astype(np.float32)
    alike = np.corrcoef([one.ravel() for one in (values, *faithfulness.random_maps(values, 50))])
    pairs = alike[np.triu_indices(51, 1)]
    assert abs(pairs.mean()) < 0.1 and abs(alike[0, 1:].mean()) < 0.15 and np.abs(pairs).max() < 0.99


@pytest.mark.parametrize("side", [5, 6, 20])
def test_random_maps_have_the_values_and_nearly_the_smoothness_of_the_one_that_they_stand_beside(side):
    place = np.indices((side, side))
    values = np.exp(-((place - side / 3) ** 2).sum(0) / side).astype(np.float32)

    def roughness(one):
        return np.mean([np.mean((one - np.roll(one, 1, axis)) ** 2) for axis in (0, 1)])

    noise = np.random.default_rng(0).permutation(values.ravel()).reshape(values.shape)
    found = faithfulness.random_maps(values, 50)
    assert all(np.array_equal(np.sort(one, None), np.sort(values, None)) for one in found)
    assert np.mean([roughness(one) for one in found]) < (roughness(values) + roughness(noise)) / 2


def test_a_blurred_picture_is_the_mean_under_a_gaussian_of_its_place():
    picture = np.random.default_rng(2).random((2, 7, 9), np.float32)
    deviation = faithfulness.BLUR * 7
    slow = np.empty_like(picture)
    for channel, row, column in np.ndindex(picture.shape):
        weights = {
            (r, c): np.exp(-((r - row) ** 2 + (c - column) ** 2) / (2 * deviation**2)) for r, c in np.ndindex(7, 9)
        }
        total = sum(weights.values())
        slow[channel, row, column] = sum(w * picture[channel, r, c] for (r, c), w in weights.items()) / total
    np.testing.assert_allclose(faithfulness.blurred(picture), slow, rtol=1e-5)


def test_pixels_of_equal_value_come_in_an_order_that_says_nothing_of_their_place():
    """Row by row, a map that is the same everywhere would remove the picture from the top down."""
    order = faithfulness.pixel_order(np.zeros((4, 4), np.float32), (40, 40))
    assert sorted(order) == list(range(1600))
    rows = order // 40
    upper = (rows[:800] < 20).mean()
    assert 0.4 < upper < 0.6
    assert abs(np.corrcoef(order, np.arange(1600))[0, 1]) < 0.1
    np.testing.assert_array_equal(order, faithfulness.pixel_order(np.zeros((4, 4), np.float32), (40, 40)))
