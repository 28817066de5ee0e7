"""What the pages say of a survey, against the slow way."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention import survey
from attention.survey import statistics
from tests.surveys import all_values, folder, network


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory):
    pictures = survey.list_pictures(folder(tmp_path_factory.mktemp("p") / "pictures", {"a": 30, "b": 20, "c": 25}))
    return survey.run(network(), pictures), *all_values(network(), pictures), pictures.labels


@given(st.integers(1, 3000), st.integers(1, 300))
def test_sampled_channels_are_spread_evenly_over_all(channels, count):
    found = statistics.evenly_spaced(channels, count)
    assert len(found) == min(channels, count) == len(set(found.tolist()))
    assert found[0] == 0 and found[-1] < channels
    steps = np.diff(np.append(found, channels))
    assert steps.max() - steps.min() <= 1


def test_the_last_gate_of_each_run_of_equal_widths_stands_for_a_stage(surveyed):
    gate = surveyed[0].gates[0]
    widths = [4, 4, 8, 8, 8, 4, 16]
    assert statistics.last_of_stages([replace(gate, shape=(width,)) for width in widths]) == [1, 4, 5, 6]
    assert statistics.last_of_stages([]) == []


def test_the_mean_over_classes_counts_each_class_alike(surveyed):
    result, values, _, labels = surveyed
    gate = result.gates[0]
    rows = values[gate.name]
    wanted = np.mean([rows[labels == number].mean(0) for number in range(3)], 0)
    np.testing.assert_allclose(statistics.mean_over_classes(gate), wanted, rtol=1e-6)


def test_a_class_without_pictures_does_not_count(surveyed):
    gate = surveyed[0].gates[0]
    means = gate.classes.mean.copy()
    means[1] = np.nan
    thinned = replace(gate, classes=replace(gate.classes, count=np.array([30, 0, 25]), mean=means))
    np.testing.assert_allclose(statistics.mean_over_classes(thinned), means[[0, 2]].mean(0))


def test_right_against_wrong_is_cohens_d_of_the_single_values(surveyed):
    result, values, predicted, labels = surveyed
    correct = predicted == labels
    assert 0 < correct.sum() < len(correct)
    for gate in result.gates:
        one, two = values[gate.name][correct], values[gate.name][~correct]
        pooled = np.sqrt(
            (((one - one.mean(0)) ** 2).sum(0) + ((two - two.mean(0)) ** 2).sum(0)) / (len(one) + len(two) - 2)
        )
        effect = statistics.wrong_against_correct(gate, result.right_and_wrong)
        np.testing.assert_allclose(effect.difference, two.mean(0) - one.mean(0), atol=1e-6)
        np.testing.assert_allclose(effect.size, (two.mean(0) - one.mean(0)) / pooled, rtol=1e-4, atol=1e-5)
        every = values[gate.name]
        typical = np.stack([every[labels == label].mean(0) for label in labels])
        mix = typical[~correct].mean(0) - typical[correct].mean(0)
        np.testing.assert_allclose(effect.by_classes, mix / pooled, rtol=1e-4, atol=1e-5)


def test_the_right_and_wrong_of_each_class_are_counted(surveyed):
    result, _, predicted, labels = surveyed
    counts = result.right_and_wrong
    for label in range(3):
        assert counts[label, 0] == ((labels == label) & (predicted == label)).sum()
        assert counts[label].sum() == (labels == label).sum()
    unknown = replace(result, outputs=(0, -1, 2)).right_and_wrong
    assert unknown[1].sum() == 0 and (unknown[[0, 2]] == counts[[0, 2]]).all()


def test_chance_is_what_two_parts_of_one_population_differ_by(surveyed):
    random = np.random.default_rng(0)
    gate = surveyed[0].gates[0]
    found = []
    for _ in range(400):
        groups = random.normal(size=(40, 3)), random.normal(size=(60, 3))
        correct, wrong = (
            replace(gate.correct, count=np.int64(len(rows)), mean=rows.mean(0), std=rows.std(0)) for rows in groups
        )
        one = replace(gate, correct=correct, wrong=wrong)
        effect = statistics.wrong_against_correct(one, np.array([[40, 60]] * 3))
        found.append(np.abs(effect.size).mean())
    assert np.mean(found) == pytest.approx(effect.chance, rel=0.06)


def test_without_wrong_predictions_there_is_no_effect(surveyed):
    gate = surveyed[0].gates[0]
    nothing = replace(gate.wrong, count=np.int64(0), mean=gate.wrong.mean * np.nan)
    effect = statistics.wrong_against_correct(replace(gate, wrong=nothing), np.array([[5, 0]] * 3))
    assert np.isnan(effect.size).all() and np.isnan(effect.by_classes).all() and np.isnan(effect.chance)


@pytest.mark.parametrize("shape", [(5, 5), (4, 6), (1, 3), (1, 1)])
def test_closeness_falls_from_the_centre_to_the_corners(shape):
    found = statistics.closeness(shape)
    distances = {
        (row, column): np.hypot(row - (shape[0] - 1) / 2, column - (shape[1] - 1) / 2)
        for row in range(shape[0])
        for column in range(shape[1])
    }
    far = max(distances.values()) or 1
    for place, distance in distances.items():
        assert found[place] == pytest.approx(1 - distance / far)


def test_the_centre_bias_is_the_correlation_with_closeness():
    maps = np.random.default_rng(0).random((3, 5, 7))
    close = statistics.closeness((5, 7))
    wanted = [np.corrcoef(each.ravel(), close.ravel())[0, 1] for each in maps]
    np.testing.assert_allclose(statistics.centre_bias(maps), wanted)
    assert statistics.centre_bias(close) == pytest.approx(1) and statistics.centre_bias(-close) == pytest.approx(-1)
    assert np.isnan(statistics.centre_bias(np.full((5, 7), 0.3)))


def test_classes_go_by_the_networks_word_where_it_knows_them(surveyed):
    result = replace(surveyed[0], classes=("n1", "n2", "n3", "n4"), outputs=(1, -1, 0, 0), labels=("tench", "church"))
    assert statistics.class_names(result) == ("church", "n2", "n3", "n4")
