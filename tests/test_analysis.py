"""Laws of the numbers that the pages say, against slow obvious code and the papers' own figures."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from attention import analysis, networks
from attention.models import zoo
from attention.records import Gate

gates = arrays(np.float32, st.integers(1, 300), elements=st.floats(0, 1, width=32))
maps = arrays(
    np.float32, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.floats(0, 1, width=32)
)

RESNET_50_STAGES = [256] * 3 + [512] * 4 + [1024] * 6 + [2048] * 3
RESNET_50_PARAMETERS, ITS_RUNNING_STATISTICS = 25_557_032, 53_120


def gate(name: str, kind: str) -> Gate:
    shape = {"channel": (1, 4), "spatial": (1, 2, 2), "full": (1, 4, 2, 2)}[kind]
    return Gate(name, kind, "sigmoid", np.full(shape, 0.5, np.float32), (1, 4, 2, 2), 0.5, 0.5)


def described(*found: Gate) -> list[tuple[str, str | None, str | None]]:
    return [
        (block.name, block.channel and block.channel.name, block.spatial and block.spatial.name)
        for block in analysis.blocks(found)
    ]


def test_se_gates_are_a_block_each_in_depth_order():
    found = [gate(name, "channel") for name in ("b.se", "a.se")]
    assert described(*found) == [("b.se", "b.se", None), ("a.se", "a.se", None)]


@pytest.mark.parametrize("kinds", [("channel", "spatial"), ("spatial", "channel")])
def test_the_two_gates_of_one_module_are_one_block_in_either_order(kinds):
    found = [gate(f"{block}.cbam.{kind}", kind) for block in ("a", "b") for kind in kinds]
    assert described(*found) == [(f"{b}.cbam", f"{b}.cbam.channel", f"{b}.cbam.spatial") for b in ("a", "b")]


def test_gates_of_different_modules_are_never_joined():
    assert len(analysis.blocks([gate("a.gate", "channel"), gate("b.gate", "spatial")])) == 2


def test_a_second_gate_of_a_kind_begins_a_block_of_its_own():
    found = [gate("a.one", "channel"), gate("a.two", "channel"), gate("a.map", "spatial")]
    assert described(*found) == [("a.one", "a.one", None), ("a", "a.two", "a.map")]


def test_a_gate_that_is_neither_channel_nor_spatial_has_a_block_of_its_own():
    full = gate("a", "full")
    assert described(full, gate("b", "channel")) == [("a", None, None), ("b", "b", None)]
    assert analysis.blocks([full])[0].others == (full,)


def test_short_names_lack_what_all_have_and_stay_apart():
    names = ["layer1.0.attention", "layer1.1.attention", "layer2.0.attention"]
    assert analysis.short_names(names) == ["layer1.0", "layer1.1", "layer2.0"]
    assert analysis.short_names(["layer4.1.gate"]) == ["gate"]
    assert analysis.short_names([]) == []


@given(arrays(np.float32, array_shapes(min_dims=1, max_dims=3), elements=st.floats(-50, 50, width=32)))
def test_probabilities_are_torchs_softmax(logits):
    assume(logits.shape[-1] > 1)  # a single logit goes through the logistic function
    expected = torch.softmax(torch.from_numpy(logits).double(), -1).numpy()
    np.testing.assert_allclose(analysis.probabilities(logits), expected, rtol=1e-6, atol=1e-12)


def test_probabilities_of_huge_logits_do_not_overflow():
    np.testing.assert_allclose(analysis.probabilities(np.array([1e4, 0, -1e4], np.float32)), [1, 0, 0])


@given(arrays(np.float64, st.integers(1, 20), elements=st.floats(0, 1)), st.integers(1, 25))
def test_top_is_the_head_of_a_stable_sort(probability, count):
    labels = [f"class {index}" for index in range(len(probability))]
    pairs = list(zip(labels, probability.tolist(), strict=True))
    assert analysis.top(probability, labels, count) == sorted(pairs, key=lambda pair: -pair[1])[:count]


@given(gates)
def test_passing_counts_channel_by_channel(values):
    found, listed = analysis.channel_stats(values), values.tolist()
    assert found.channels == len(listed)
    assert found.open == sum(value > np.float32(0.9) for value in values)
    assert found.held == sum(value < np.float32(0.1) for value in values)
    assert found.strongest == listed.index(max(listed))


@given(gates)
def test_by_strength_is_pythons_stable_sort(values):
    assert analysis.by_strength(values).tolist() == sorted(range(len(values)), key=lambda channel: -values[channel])


@given(gates)
def test_the_most_open_channel_is_the_strongest_everywhere(values):
    assert analysis.by_strength(values)[0] == analysis.channel_stats(values).strongest


@given(st.lists(st.integers(2, 64), min_size=1, max_size=6), st.integers(1, 2), st.booleans())
def test_excitation_parameters_are_those_of_the_layers(channels, reduction, biases):
    layers = [
        (torch.nn.Linear(c, c // reduction, biases), torch.nn.Linear(c // reduction, c, biases)) for c in channels
    ]
    counted = sum(weight.numel() for pair in layers for layer in pair for weight in layer.parameters())
    assert analysis.excitation_parameters(channels, reduction, biases=biases) == counted


@pytest.mark.parametrize("name", ["se", "cbam", "se-resnext"])
def test_excitation_parameters_are_those_of_the_networks_here(name):
    module = zoo.load(name).module
    counted = sum(w.numel() for key, w in module.named_parameters() if ".gate.mlp." in key)
    channels = [width for width in networks.WIDTHS for _ in range(networks.BLOCKS_PER_STAGE)]
    assert analysis.excitation_parameters(channels, networks.REDUCTION, biases=True) == counted


def test_the_papers_formula_and_its_se_resnet_50():
    formula = 2 / 16 * sum(c**2 for c in RESNET_50_STAGES)
    assert analysis.excitation_parameters(RESNET_50_STAGES, 16, biases=False) == formula == 2_514_944


@pytest.mark.parametrize("row", analysis.PUBLISHED_RATIOS)
def test_the_published_parameters_are_those_with_biases_and_running_statistics(row):
    extra = analysis.excitation_parameters(RESNET_50_STAGES, row.reduction, biases=True) if row.reduction else 0
    whole = RESNET_50_PARAMETERS + ITS_RUNNING_STATISTICS + extra
    assert round(whole / 1e6, 1) == row.parameters


def test_in_the_published_table_a_larger_ratio_costs_less_and_no_se_errs_most():
    rows = analysis.PUBLISHED_RATIOS
    assert [row.reduction for row in rows] == [4, 8, 16, 32, None]
    assert sorted(rows, key=lambda row: -row.parameters) == list(rows)
    assert max(rows, key=lambda row: row.top1) == rows[-1] == max(rows, key=lambda row: row.top5)


@given(maps)
def test_a_look_holds_the_extremes_and_the_mean_of_its_map(spatial):
    look = analysis.map_stats(spatial)
    assert (look.minimum, look.maximum) == (spatial.min(), spatial.max())
    assert look.mean == pytest.approx(float(spatial.mean()), abs=1e-6)


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_a_look_finds_the_ninth_that_is_open(row, column):
    spatial = np.zeros((9, 6), np.float32)
    spatial[3 * row : 3 * row + 3, 2 * column : 2 * column + 2] = 1
    assert analysis.map_stats(spatial).place == analysis.NINTHS[row][column]


@pytest.mark.parametrize(("highest", "constant"), [(0.5, True), (0.59, True), (0.61, False)])
def test_a_look_says_where_a_map_is_nearly_constant(highest, constant):
    assert analysis.map_stats(np.linspace(0.5, highest, 9, dtype=np.float32).reshape(3, 3)).nearly_constant is constant
