"""What a survey says about a gate, against loops over the values."""

from dataclasses import replace

import numpy as np
import pytest

from attention import analysis, survey
from attention.survey import statistics
from attention.survey.partials import GateColumns, assemble
from benchmarks.survey_page import summarised


def surveyed(values, labels):
    """The record of one channel gate with these values, (N, C), of pictures of these classes."""
    classes = int(labels.max()) + 1
    columns = GateColumns("gate", "channel", "sigmoid", values.shape[1:], "", ())
    partial = summarised(values.astype(np.float64), labels, (columns,))
    names = tuple(map(str, range(classes)))
    return assemble(partial, names, provenance={}, outputs=(-1,) * classes, labels=(), paths={}).gates[0]


@pytest.fixture
def values():
    """200 pictures of four classes: a channel that tells them apart, one that does not, one that is constant."""
    random = np.random.default_rng(1)
    labels = np.arange(200) % 4
    told = 0.2 + 0.15 * labels + random.normal(0, 0.02, 200)
    return np.stack([told, random.uniform(0, 1, 200), np.full(200, 0.5)], 1).astype(np.float32), labels


def test_one_right_and_one_wrong_picture_say_nothing_and_one_more_does(values):
    gate = surveyed(*values)
    one = replace(gate.correct, count=1, std=np.zeros(3))
    told = [
        statistics.wrong_against_correct(
            replace(gate, correct=replace(one, count=count), wrong=one), np.array([[count, 1]] + [[0, 0]] * 3)
        )
        for count in (1, 2)
    ]
    assert np.isnan(told[0].chance) and np.isnan(told[0].size).all() and np.isfinite(told[1].chance)


def test_class_selectivity_is_the_contrast_of_the_highest_class_and_the_others(values):
    gate = surveyed(*values)
    for channel in range(3):
        means = [values[0][values[1] == label, channel].astype(float).mean() for label in range(4)]
        highest, others = max(means), (sum(means) - max(means)) / 3
        expected = (highest - others) / (highest + others)
        assert statistics.class_selectivity(gate).index[channel] == pytest.approx(expected)


@pytest.mark.parametrize("classes", [1, 2, 3])
def test_a_share_between_classes_needs_two_of_them(values, classes):
    numbers, labels = values[0][:, :2], values[1] % classes
    expected = [
        sum(column[labels == label].size * (column[labels == label].mean() - column.mean()) ** 2 for label in {*labels})
        / sum((column - column.mean()) ** 2)
        for column in numbers.astype(float).T
    ]
    found = statistics.share_between(surveyed(numbers, labels)).index
    np.testing.assert_allclose(found, expected if classes > 1 else [np.nan] * 2, rtol=1e-6)


@pytest.mark.parametrize(("classes", "pictures", "gates"), [(2, 10, 1), (4, 20, 16), (10, 40, 8), (10, 400, 16)])
@pytest.mark.parametrize("channels", ["one number", "of their own"])
def test_no_more_than_one_in_twenty_surveys_without_a_difference_is_above_the_bound(classes, pictures, gates, channels):
    random, labels, above = np.random.default_rng(0), np.arange(pictures) % classes, 0
    for _ in range(300):
        drawn = random.normal(size=(pictures, gates, 1 if channels == "one number" else 5))
        centres = np.stack([drawn[labels == label].mean(0) for label in labels])
        above += (centres.var(0) / drawn.var(0)).mean(-1).max() > statistics._share_bound(classes, pictures, gates)
    assert above / 300 <= 0.05


def test_where_classes_have_fewer_than_two_pictures_nothing_is_above_the_bound(values):
    numbers, labels = values
    assert statistics.share_bound(surveyed(numbers[:8], labels[:8]), 2) < 1
    assert statistics.share_bound(surveyed(numbers[:7], labels[:7]), 2) == 1
    assert statistics.share_bound(surveyed(numbers, labels * 0), 2) == 1


def test_the_share_between_classes_is_that_of_the_variance(values):
    gate = surveyed(*values)
    found = statistics.share_between(gate)
    for channel in range(2):
        held = values[0][:, channel].astype(float)
        centres = np.array([held[values[1] == label].mean() for label in range(4)])[values[1]]
        assert found.index[channel] == pytest.approx(centres.var() / held.var())
    assert found.index[0] > 0.9 > 0.1 > found.index[1] and np.isnan(found.index[2])


def test_the_share_less_chance_is_kelleys_and_nothing_in_the_mean_where_there_is_no_difference(values):
    for numbers, labels in (values, (values[0][:5], np.arange(5) % 4)):
        held = numbers[:, 0].astype(float)
        within = sum(((held[labels == k] - held[labels == k].mean()) ** 2).sum() for k in range(4)) / (len(held) - 4)
        slow = 1 - within / (((held - held.mean()) ** 2).sum() / (len(held) - 1))
        assert statistics.share_between_unbiased(surveyed(numbers, labels)).index[0] == pytest.approx(slow)
    random = np.random.default_rng(3)
    few = surveyed(random.uniform(0, 1, (20, 4000)).astype(np.float32), np.arange(20) % 10)
    assert np.mean(statistics.share_between(few).index) == pytest.approx(9 / 19, rel=0.05)
    assert np.mean(statistics.share_between_unbiased(few).index) == pytest.approx(0, abs=0.02)
    assert statistics.fewest_of_a_class(few) == 2
    single = surveyed(random.uniform(0, 1, (4, 3)).astype(np.float32), np.arange(4))
    for share in (statistics.share_between, statistics.share_between_unbiased):
        assert np.isnan(share(single).index).all() and np.isnan(share(single).shuffled).all()


def test_one_picture_says_nothing_of_what_changes():
    gate = surveyed(np.tile(np.array([0.01, 0.5, 0.99], np.float32), (4, 1)), np.arange(4) % 2)
    alone = replace(gate, overall=replace(gate.overall, count=np.int64(1)))
    several, found = map(statistics.gate_health, (gate, alone))
    assert (several.deviation, several.constant) == (0, 1)
    assert np.isnan([found.deviation, found.constant]).all() and (found.low, found.high) == (1 / 3, 1 / 3)
    assert not analysis.hardly_varies(found)


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_the_bound_of_the_largest_difference_holds_however_the_channels_depend(alike):
    random, beyond, chance = np.random.default_rng(4), [], np.sqrt(2 / np.pi * (1 / 40 + 1 / 60))
    empty = np.zeros(1)
    bound = statistics.GroupDifference(empty, empty, empty, float(chance)).bound(8)
    for _ in range(400):
        rows = np.sqrt(alike) * random.normal(size=(100, 8, 1)) + np.sqrt(1 - alike) * random.normal(size=(100, 8, 16))
        one, other = rows[:40], rows[40:]
        pooled = np.sqrt((40 * one.var(0) + 60 * other.var(0)) / 98)
        beyond.append(np.abs((one.mean(0) - other.mean(0)) / pooled).mean(-1).max() > bound)
    assert np.mean(beyond) <= 0.05


@pytest.mark.parametrize("correct", [10, 18])
def test_the_bound_holds_from_as_few_pictures_as_are_said_to_be_enough(correct):
    random, wrong = np.random.default_rng(5), statistics.ENOUGH - correct
    chance, empty = np.sqrt(2 / np.pi * (1 / correct + 1 / wrong)), np.zeros(1)
    bound = statistics.GroupDifference(empty, empty, empty, float(chance)).bound(50)
    rows = random.normal(size=(1000, statistics.ENOUGH, 50))
    one, other = rows[:, :correct], rows[:, correct:]
    pooled = np.sqrt((correct * one.var(1) + wrong * other.var(1)) / (statistics.ENOUGH - 2))
    assert ((np.abs(one.mean(1) - other.mean(1)) / pooled).max(-1) > bound).mean() <= 0.05


def test_shuffled_classes_tell_nothing_apart(values):
    gate = surveyed(*values)
    for index in (statistics.class_selectivity, statistics.share_between):
        found = index(gate)
        assert found.shuffled[0] < found.index[0] / 5
    random = np.random.default_rng(2)
    many = surveyed(random.uniform(0, 1, (200, 500)).astype(np.float32), values[1])
    by_chance = (4 - 1) / (200 - 1)
    assert np.mean(statistics.share_between(many).shuffled) == pytest.approx(by_chance, rel=0.1)
    assert np.mean(statistics.share_between(many).index) == pytest.approx(by_chance, rel=0.1)


@pytest.mark.parametrize("pictures", [7, 20, 200])
def test_a_class_without_pictures_changes_no_statistic(values, pictures):
    numbers, labels = values[0][:pictures, :2], values[1][:pictures] % 3
    there, gaps = surveyed(numbers, labels), surveyed(numbers, np.array([1, 2, 4])[labels])
    for index in statistics.INDICES.values():
        without, found = index.of_gate(there), index.of_gate(gaps)
        np.testing.assert_allclose(found.index, without.index)
        np.testing.assert_allclose(found.shuffled, without.shuffled)
    assert statistics.share_bound(gaps, 2) == statistics.share_bound(there, 2)
    assert statistics.fewest_of_a_class(gaps) == statistics.fewest_of_a_class(there) > 0
    np.testing.assert_allclose(statistics.mean_over_classes(gaps), statistics.mean_over_classes(there))


def test_one_class_tells_nothing(values):
    gate = surveyed(values[0], np.zeros(200, int))
    assert (
        np.isnan(statistics.class_selectivity(gate).index).all()
        and np.isnan(statistics.share_between(gate).index).all()
    )


def test_health_counts_values_and_channels(values):
    random = np.random.default_rng(3)
    shut, wide = random.uniform(0, 0.04, 200), random.uniform(0.96, 1, 200)
    gate = surveyed(np.stack([values[0][:, 1], values[0][:, 2], shut, wide], 1).astype(np.float32), values[1])
    found = statistics.gate_health(gate)
    held = np.stack([values[0][:, 1], values[0][:, 2], shut, wide], 1).astype(np.float32).astype(float)
    assert found.low == (held < 0.05).mean() and found.high == (held >= 0.95).mean()
    assert (found.dead, found.open) == (0.25, 0.25)
    assert found.constant == (held.std(0) < 0.02).mean() == 0.75
    assert found.deviation == pytest.approx(held.std(0).mean())


def test_entropy_is_that_of_the_shares():
    counts = np.array([[10, 0, 0, 0], [5, 5, 0, 0], [1, 1, 1, 1], [3, 1, 0, 0]])
    expected = [0, 1, 2, -(0.75 * np.log2(0.75) + 0.25 * np.log2(0.25))]
    np.testing.assert_allclose(statistics.entropy(counts), expected)
    assert not np.signbit(statistics.entropy(counts)).any()


def test_the_survey_offers_the_statistics():
    assert survey.statistics is statistics
