"""Grouped convolution: the page's arithmetic against torch's own counts and a count one by one."""

import csv
from dataclasses import replace
from itertools import pairwise
from math import isclose

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from attention import grouped
from attention.grouped import Convolution, GroupingError, papers
from tests.grouping import GOOD, group_of, module_of, picture_for, settings_of_a_convolution


def counted_by_torch(module, picture):
    with FlopCounterMode(display=False) as counter:
        output = module(picture)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return parameters, counter.get_total_flops() // 2, tuple(output.shape[-2:])


def counted_one_by_one(convolution):
    """Every weight of every kernel, and one multiply-accumulate for each weight at each place."""
    weights = sum(
        1
        for kernel in range(convolution.out_channels)
        for channel in range(convolution.in_channels)
        for _ in range(convolution.kernel[0] * convolution.kernel[1])
        if group_of(kernel, convolution.out_channels, convolution.groups)
        == group_of(channel, convolution.in_channels, convolution.groups)
    )
    return weights, sum(weights for _ in range(convolution.height) for _ in range(convolution.width))


@settings(max_examples=400)
@given(settings_of_a_convolution(most=48))
def test_the_cost_is_what_torch_counts(convolution):
    cost = grouped.cost_of(convolution)
    counted = counted_by_torch(module_of(convolution), picture_for(convolution))
    assert counted == (cost.parameters, cost.macs, (convolution.height, convolution.width))


@settings(max_examples=50)
@given(settings_of_a_convolution(most=5))
def test_the_cost_is_what_counting_one_by_one_gives(convolution):
    cost = grouped.cost_of(convolution)
    assert (cost.weights, cost.macs) == counted_one_by_one(convolution)


@given(settings_of_a_convolution())
def test_grouping_divides_the_weights_and_the_macs_but_not_the_bias(convolution):
    ordinary, cost = grouped.cost_of(replace(convolution, groups=1)), grouped.cost_of(convolution)
    assert cost.weights * convolution.groups == ordinary.weights
    assert cost.macs * convolution.groups == ordinary.macs
    assert ordinary.parameters - ordinary.weights == cost.parameters - cost.weights
    assert cost.parameters - cost.weights == convolution.out_channels * convolution.bias


@pytest.mark.parametrize(
    ("groups", "weights"), [(1, 589_824), (2, 294_912), (4, 147_456), (8, 73_728), (32, 18_432), (256, 2_304)]
)
def test_three_by_three_with_256_channels(groups, weights):
    assert grouped.cost_of(Convolution(256, 256, (3, 3), groups, 1, 1, False)).parameters == weights


def evaluated(formula):
    """Both sides of a step's filled-in formula, from its LaTeX, as numbers."""
    for tex, python in ((r"\cdot", "*"), ("{,}", "")):
        formula = formula.replace(tex, python)
    sides = [side for side in formula.split("=")[1:] if side.strip()]
    while any(r"\tfrac" in side for side in sides):
        sides = [side.replace(r"\tfrac{", "(", 1).replace("}{", ")/(", 1).replace("}", ")", 1) for side in sides]
    return [eval(side, {"__builtins__": {}}) for side in sides]


@given(settings_of_a_convolution(most=48))
def test_every_line_of_the_derivation_comes_to_its_value(convolution):
    cost = grouped.cost_of(convolution)
    for step in cost.steps:
        assert all(isclose(side, step.value) for side in evaluated(step.formula)), step
    h1, w1 = convolution.kernel
    ordinary, kernel, kernels, of_a_group, of_all, parameters, macs = (step.value for step in cost.steps)
    assert ordinary == h1 * w1 * convolution.in_channels * convolution.out_channels
    assert kernel == module_of(convolution).weight[0].numel()
    assert kernels * convolution.groups == convolution.out_channels
    assert of_a_group == kernel * kernels
    assert (of_all, parameters, macs) == (cost.weights, cost.parameters, cost.macs)


def test_a_filled_in_formula_that_is_wrong_is_noticed():
    assert evaluated(r"x = 3 \cdot \tfrac{1{,}024}{4} = 768") == [768, 768]
    assert evaluated(r"x = 3 \cdot \tfrac{1{,}024}{2}") != [768]


@given(st.integers(1, 300), st.integers(1, 300))
def test_valid_groups_are_those_that_torch_accepts(c1, c2):
    assert list(grouped.valid_groups(c1, c2)) == [g for g in range(1, 301) if c1 % g == 0 and c2 % g == 0]


@example(3, 4, 4)
@given(st.integers(1, 400), st.integers(1, 60), st.integers(1, 60))
def test_no_valid_number_of_groups_is_nearer_than_the_nearest(wish, c1, c2):
    valid = grouped.valid_groups(c1, c2)
    nearest = grouped.nearest_groups(wish, in_channels=c1, out_channels=c2)
    assert nearest in valid
    assert all((abs(nearest - wish), nearest) <= (abs(other - wish), other) for other in valid)
    assert wish not in valid or nearest == wish


@given(settings_of_a_convolution())
def test_the_curve_holds_the_cost_at_every_valid_number_of_groups(convolution):
    curve = grouped.curve(convolution)
    assert tuple(curve) == grouped.valid_groups(convolution.in_channels, convolution.out_channels)
    assert all(cost == grouped.cost_of(replace(convolution, groups=groups)) for groups, cost in curve.items())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"groups": 4}, "4 groups do not divide both C1 = 12 and C2 = 18; these do: 1, 2, 3, 6."),
        ({"groups": 0}, "g is 0; it must be a whole number of at least 1."),
        ({"in_channels": -12}, "C1 is -12; it must be a whole number of at least 1."),
        ({"out_channels": 18.0}, "C2 is 18.0; it must be a whole number of at least 1."),
        ({"kernel": (3, 0)}, "w1 is 0; it must be a whole number of at least 1."),
        ({"height": True}, "H is True; it must be a whole number of at least 1."),
        ({"width": "8"}, "W is '8'; it must be a whole number of at least 1."),
    ],
)
def test_numbers_that_no_convolution_has_are_named(change, sentence):
    with pytest.raises(GroupingError) as error:
        grouped.cost_of(replace(GOOD, **change))
    assert str(error.value) == sentence


@pytest.mark.parametrize("channels", [(0, 8), (8, -4), (2.0, 4)])
def test_only_positive_integers_of_channels_can_be_divided_into_groups(channels):
    with pytest.raises(GroupingError):
        grouped.valid_groups(*channels)


@settings(max_examples=30)
@given(settings_of_a_convolution(most=4), st.integers(0, 2**31))
def test_a_grouped_convolution_is_as_many_ordinary_ones_side_by_side(convolution, seed):
    generator = torch.Generator().manual_seed(seed)
    conv = module_of(convolution, device="cpu").double()
    size = picture_for(convolution).shape
    picture = torch.randn(size, generator=generator, dtype=torch.float64)
    parts = zip(picture.chunk(convolution.groups, 1), conv.weight.chunk(convolution.groups, 0), strict=True)
    alone = torch.cat([F.conv2d(channels, kernels) for channels, kernels in parts], dim=1)
    bias = conv.bias[:, None, None] if convolution.bias else 0
    torch.testing.assert_close(conv(picture), alone + bias)


def test_each_resnext_block_has_the_weights_of_the_papers_polynomial():
    for block in papers.EQUAL_BUDGET:
        c, d = block.cardinality, block.width
        assert block.weights == c * (256 * d + 9 * d**2 + 256 * d)
        assert isclose(block.weights, 70_000, rel_tol=0.03)


def test_published_tables_agree_where_they_speak_of_the_same_network():
    """ShuffleNet 1x with the shuffle stands in both; and at an equal budget more groups were the better ones."""
    assert list(papers.SHUFFLENET_ERRORS) == [1, 2, 3, 4, 8] and list(papers.SHUFFLE_ERRORS) == [3, 8]
    for groups, (without, shuffled) in papers.SHUFFLE_ERRORS.items():
        assert without > shuffled == papers.SHUFFLENET_ERRORS[groups]
    assert papers.SHUFFLENET_ERRORS[1] == max(papers.SHUFFLENET_ERRORS.values())
    for fewer, more in pairwise(papers.EQUAL_BUDGET):
        assert fewer.cardinality < more.cardinality and fewer.width > more.width
        assert fewer.error_50 > more.error_50 and fewer.error_101 > more.error_101


def test_differences_between_errors_are_those_that_the_papers_state():
    """ResNeXt, section 5.1: 1.7 points below ResNet-50, and 0.8 below ResNet-101. ShuffleNet, the last column of its
    table of the shuffle: 1.9 points in 3 groups, and 5.2 in 8."""
    ordinary, *_, grouped_most = papers.EQUAL_BUDGET
    assert isclose(ordinary.error_50 - grouped_most.error_50, 1.7)
    assert isclose(ordinary.error_101 - grouped_most.error_101, 0.8)
    gained = {groups: round(without - shuffled, 1) for groups, (without, shuffled) in papers.SHUFFLE_ERRORS.items()}
    assert gained == {3: 1.9, 8: 5.2}


TIMM_ON_AN_RTX_4090 = """
model,infer_img_size,infer_samples_per_sec,infer_gmacs
resnet50,224,5088.39,4.11
resnext50_32x4d,224,4219.51,4.26
seresnet50,224,4275.51,4.11
seresnext50_32x4d,224,3641.64,4.26
"""
"""These columns of its file at commit 7479d45."""


def test_published_speeds_are_those_of_timms_file_at_about_equal_macs():
    rows = list(csv.DictReader(TIMM_ON_AN_RTX_4090.strip().splitlines()))
    rounded = {row["model"].removesuffix("_32x4d"): round(float(row["infer_samples_per_sec"])) for row in rows}
    assert rounded == papers.THROUGHPUT
    macs = [float(row["infer_gmacs"]) for row in rows]
    assert isclose(min(macs), max(macs), rel_tol=0.05)


def test_alexnets_layers_read_what_the_layer_before_makes():
    """A picture of 227 pixels; between the first two, and behind the second and the last, a pooling of 3 by strides of
    2 makes maps smaller."""
    layers = list(papers.ALEXNET_CONVOLUTIONS.values())
    pooled = lambda side: (side - 3) // 2 + 1  # noqa: E731
    first = (227 - 11) // 4 + 1
    sides = [first, pooled(first), *[pooled(pooled(first))] * 3]
    assert [(layer.height, layer.width) for layer in layers] == [(side, side) for side in sides]
    assert all(one.out_channels == following.in_channels for one, following in pairwise(layers))
    linear = papers._ALEXNET_LINEAR
    assert linear[0][0] == layers[-1].out_channels * pooled(sides[-1]) ** 2 and linear[-1][1] == 1000
    assert all(one[1] == following[0] for one, following in pairwise(linear))


def test_alexnet_has_its_two_groups_parameters():
    counts = {name: grouped.cost_of(layer).parameters for name, layer in papers.ALEXNET_CONVOLUTIONS.items()}
    assert (counts["conv2"], counts["conv4"], counts["conv5"]) == (307_456, 663_936, 442_624)
    assert papers.alexnet_parameters(grouped=True) == 60_965_224
    assert papers.alexnet_parameters(grouped=False) == 62_378_344
