"""The proof against channels followed by hand, and what measuring does and leaves alone."""

import threading
from dataclasses import replace
from math import isclose

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from attention import grouped
from attention.grouped import Convolution, GroupingError, experiments
from attention.grouped.experiments import excerpt, expected_response, response, stack
from tests.grouping import GOOD, group_of, settings_of_a_convolution


def reached_by_hand(convolution, layers, shuffle):
    """Follow every channel through every layer, one at a time."""
    g, c1, c2 = convolution.groups, convolution.in_channels, convolution.out_channels
    reached = np.zeros((c2, c1), dtype=bool)
    for channel in range(c1):
        lit, width = {channel}, c1
        for layer in range(layers):
            if layer and shuffle:
                lit = {(place % (c2 // g)) * g + place // (c2 // g) for place in lit}
            groups = {group_of(place, width, g) for place in lit}
            lit, width = {output for output in range(c2) if group_of(output, c2, g) in groups}, c2
        reached[sorted(lit), channel] = True
    return reached


PATHS = [(1, False), (2, False), (2, True), (3, True)]


@settings(max_examples=60)
@given(settings_of_a_convolution(), st.sampled_from(PATHS))
def test_the_expected_answers_are_those_followed_by_hand(convolution, path):
    layers, shuffle = path
    by_hand = reached_by_hand(convolution, layers, shuffle)
    assert np.array_equal(expected_response(convolution, layers=layers, shuffle=shuffle), by_hand)


@settings(max_examples=25)
@given(settings_of_a_convolution(most=5), st.sampled_from(PATHS), st.integers(0, 99))
def test_real_convolutions_answer_as_expected(convolution, path, seed):
    layers, shuffle = path
    measured = response(stack(convolution, layers=layers, shuffle=shuffle, seed=seed), convolution.in_channels)
    assert np.array_equal(measured, reached_by_hand(convolution, layers, shuffle))


def test_the_experiment_sees_a_weight_that_is_not_there():
    conv = nn.Conv2d(6, 4, 3, padding=1)
    with torch.no_grad():
        conv.weight[1, 2] = 0
    answers = response(conv, 6)
    assert not answers[1, 2]
    assert answers.sum() == answers.size - 1


def test_one_shuffle_reaches_every_group_where_a_group_has_as_many_channels_as_there_are_groups():
    for groups, per_group in [(3, 3), (3, 5), (4, 2), (8, 1)]:
        convolution = Convolution(groups, groups * per_group, (1, 1), groups, 1, 1, False)
        answers = expected_response(convolution, layers=2, shuffle=True)
        assert answers.reshape(groups, per_group, groups).any(1).sum(0).tolist() == [min(groups, per_group)] * groups


def test_a_stack_is_the_same_each_time_and_leaves_the_global_seed_alone():
    torch.manual_seed(7)
    first = stack(GOOD, layers=2, shuffle=True)
    torch.manual_seed(8)
    second = stack(GOOD, layers=2, shuffle=True)
    assert [type(module).__name__ for module in first] == ["Conv2d", "ChannelShuffle", "Conv2d"]
    assert all(torch.equal(one, other) for one, other in zip(first.parameters(), second.parameters(), strict=True))


@given(settings_of_a_convolution(most=40), st.integers(1, 64))
def test_an_excerpt_is_a_smaller_convolution_of_whole_groups(convolution, limit):
    part = excerpt(convolution, limit)
    grouped.cost_of(part)
    assert max(part.in_channels, part.out_channels) <= limit
    assert part.groups <= convolution.groups
    if max(convolution.in_channels, convolution.out_channels) <= limit:
        assert part == convolution


def test_times_are_of_every_valid_number_of_groups():
    convolution = Convolution(8, 16, (3, 1), 4, 6, 5, True)
    times = experiments.measure(convolution)
    assert tuple(times.seconds) == (1, 2, 4, 8)
    assert times.convolution == replace(convolution, groups=1)
    assert times.runs >= experiments.FEWEST_RUNS
    assert all(0 < seconds < experiments.BUDGET for seconds in times.seconds.values())
    for groups in times.seconds:
        flops = 2 * grouped.cost_of(replace(convolution, groups=groups)).macs
        assert isclose(times.speed(groups) * times.seconds[groups] * 1e9, flops)
        assert isclose(times.theory(groups) * groups, times.seconds[1])


def test_what_is_timed_is_the_convolution_that_was_asked_for():
    convolution = Convolution(8, 16, (3, 1), 4, 6, 5, True)
    picture, variants = experiments._tensors(convolution)
    for groups, (weight, bias) in variants.items():
        assert F.conv2d(picture, weight, bias, groups=groups).shape == (1, 16, 6, 5)
        assert weight.numel() + bias.numel() == grouped.cost_of(replace(convolution, groups=groups)).parameters


def test_measuring_uses_one_thread_and_changes_nobody_elses_number():
    def threads_of_a_new_thread():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return seen[0]

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert experiments.measure(GOOD).threads == 1
        assert (torch.get_num_threads(), threads_of_a_new_thread()) == (2, 2)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("convolution", "sentence"),
    [
        (Convolution(512, 512, (3, 3), 8, 112, 112, False), "29.6 G MACs, and this page times up to 1 G"),
        (Convolution(2048, 1, (1, 1), 1, 512, 512, False), "537 M numbers, and this page times up to 50 M"),
    ],
)
def test_what_would_take_too_long_or_too_much_memory_is_refused(convolution, sentence):
    with pytest.raises(GroupingError, match=sentence):
        experiments.measure(convolution)
