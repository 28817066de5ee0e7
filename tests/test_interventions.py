"""Edits do what their words say; the slow twins here change the values one by one."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from attention import analysis, capture, interventions, networks
from attention.interventions import Edit, EditError
from attention.layers import SE
from attention.records import Gate
from tests.gallery import DIRECT, GATED, features, made
from tests.own import BLOCKS, NAMES, network, pictures


@cache
def traced(variant):
    with torch.no_grad():
        return capture.trace(network(variant), pictures())


def edited(variant, *edits, given=None):
    """What the edits put in place of the gates, and the gates, by name."""
    before = traced(variant)
    functions = interventions.applied(edits, before.gates, given)
    gates = {gate.name: gate for gate in before.gates}
    return {name: function(torch.from_numpy(gates[name].values)).numpy() for name, function in functions.items()}, gates


def without(name):
    """The SE network with one block's attention left out when it is built, and the same weights elsewhere."""
    whole, count = network("se"), iter(range(8))
    parts = [nn.Identity if block == name else SE for block in BLOCKS]

    def attention(channels):
        part = parts[next(count)]
        return part(channels, reduction=networks.REDUCTION) if part is SE else part()

    smaller = networks.ResNet(10, attention)
    smaller.load_state_dict({key: value for key, value in whole.state_dict().items() if key in smaller.state_dict()})
    return whole, smaller.eval()


@pytest.mark.parametrize("name", BLOCKS)
@torch.no_grad()
def test_a_gate_that_is_off_is_the_network_built_without_that_block(name):
    whole, smaller = without(name)
    assert sum(isinstance(part, SE) for part in smaller.modules()) == len(BLOCKS) - 1
    gates = capture.trace(whole, pictures()).gates
    off = capture.trace(whole, pictures(), edits=interventions.applied([Edit("off", block=name)], gates))
    assert torch.equal(off.output, smaller(pictures()))
    assert not torch.equal(off.output, whole(pictures()))


class Nested(nn.Module):
    """A gate of its own behind an SE block that it holds."""

    def __init__(self, outer: bool = True, inner: bool = True) -> None:
        super().__init__()
        self.se, self.first, self.last = SE(8, 4), nn.Linear(8, 2), nn.Linear(2, 8)
        self.outer, self.inner = outer, inner

    def forward(self, x):
        x = self.se(x) if self.inner else x
        gate = torch.sigmoid(self.last(self.first(x.mean((2, 3)))))[..., None, None]
        return x * gate if self.outer else x


@pytest.mark.parametrize("within", ["a network", "itself"])
@torch.no_grad()
def test_a_block_that_is_off_leaves_the_blocks_within_its_module_as_they_are(within):
    whole, *without = (Nested(*which).eval() for which in ((True, True), (False, True), (True, False)))
    for each in without:
        each.load_state_dict(whole.state_dict())
    module, batch = nn.Sequential(whole) if within == "a network" else whole, torch.rand(2, 8, 5, 5)
    gates = capture.trace(module, batch).gates
    inner, outer = analysis.blocks(gates)
    for block, smaller in ((outer, without[0]), (inner, without[1])):
        off = interventions.applied([Edit("off", block=block.name)], gates)
        assert torch.equal(capture.trace(module, batch, edits=off).output, smaller(batch))


@pytest.mark.parametrize("variant", ["se", "cbam"])
@torch.no_grad()
def test_all_gates_off_are_the_plain_network_with_the_same_weights(variant):
    whole, plain = network(variant), networks.build("plain", 10).eval()
    plain.load_state_dict({key: value for key, value in whole.state_dict().items() if key in plain.state_dict()})
    gates = capture.trace(whole, pictures()).gates
    off = capture.trace(whole, pictures(), edits=interventions.applied([Edit("off")], gates))
    assert torch.equal(off.output, plain(pictures()))


@pytest.mark.parametrize("name", [name for name in GATED if len(GATED[name][1]) == 1])
@torch.no_grad()
def test_the_neutral_value_is_one_but_of_softmax_branches_and_of_residual_gates(name):
    gates = capture.trace(made(name), features()).gates
    assert analysis.neutral_value(gates[0], gates) == {
        "selective kernels": 0.5,
        "selective kernels by view": 0.5,
        "one number a branch": 0.5,
        "one number a branch, by view": 0.5,
        "residual tanh": 0.0,
    }.get(name, 1.0)


@pytest.mark.parametrize("name", [*DIRECT, "residual tanh"])
@torch.no_grad()
def test_a_gate_that_is_off_leaves_the_features_alone(name):
    block = made(name)
    gates = capture.trace(block, features()).gates
    off = capture.trace(block, features(), edits=interventions.applied([Edit("off")], gates))
    assert torch.equal(off.output, features())
    assert not torch.equal(block(features()), features())


@torch.no_grad()
def test_a_softmax_over_branches_that_are_multiplied_one_by_one_is_neutral_at_one_over_their_number():
    values = torch.randn(3, 2, 8).softmax(0).numpy()
    gates = [
        Gate(f"sk#{number + 1}", "channel", "softmax", one, (2, 8, 4, 4), float(one.min()), float(one.max()))
        for number, one in enumerate(values)
    ]
    assert [analysis.neutral_value(gate, gates) for gate in gates] == pytest.approx([1 / 3] * 3)


def test_the_mean_stands_in_every_place():
    changed, gates = edited("cbam", Edit("mean"))
    assert list(changed) == NAMES["cbam"]
    for name, values in changed.items():
        for row, old in zip(values, gates[name].values, strict=True):
            np.testing.assert_allclose(row, np.full(row.shape, old.mean()), rtol=1e-5)


def test_a_shuffle_keeps_the_values_and_moves_them_the_same_way_for_the_same_seed():
    changed, gates = edited("cbam", Edit("shuffle", seed=3))
    again, _ = edited("cbam", Edit("shuffle", seed=3))
    other, _ = edited("cbam", Edit("shuffle", seed=4))
    for name, values in changed.items():
        np.testing.assert_array_equal(np.sort(values, axis=None), np.sort(gates[name].values, axis=None))
        np.testing.assert_array_equal(values, again[name])
        assert not np.array_equal(values, other[name])


@pytest.mark.parametrize(("action", "kept"), [("top", True), ("top-off", False)])
def test_the_most_open_channels_are_kept_or_shut_and_the_others_are_not(action, kept):
    name = f"{BLOCKS[2]}.channel"
    changed, gates = edited("cbam", Edit(action, "channel", block=BLOCKS[2], count=5))
    for row, old in zip(changed[name], gates[name].values, strict=True):
        strongest = sorted(range(len(old)), key=lambda channel: -old[channel])[:5]
        wanted = [value if (channel in strongest) == kept else 0 for channel, value in enumerate(old)]
        np.testing.assert_array_equal(row, np.array(wanted, np.float32))


def test_chosen_cells_are_set_and_the_others_are_left():
    name = f"{BLOCKS[4]}.spatial"
    changed, gates = edited("cbam", Edit("set", "spatial", block=BLOCKS[4], points=((5, 0.25), (0, 1.0))))
    wanted = gates[name].values.copy()
    wanted[:, 1, 1], wanted[:, 0, 0] = 0.25, 1.0
    assert wanted.shape[-1] == 4
    np.testing.assert_array_equal(changed[name], wanted)


def test_a_map_is_inverted_value_by_value():
    changed, gates = edited("cbam", Edit("invert", "spatial"))
    assert all(name.endswith("spatial") for name in changed)
    for name, values in changed.items():
        np.testing.assert_array_equal(values, np.float32(1) - gates[name].values)


def test_a_map_is_moved_and_comes_in_on_the_other_side():
    name = f"{BLOCKS[0]}.spatial"
    changed, gates = edited("cbam", Edit("move", "spatial", block=BLOCKS[0], shift=(2, -1)))
    height, width = gates[name].values.shape[1:]
    for row, column in np.ndindex(height, width):
        there = changed[name][:, (row - 1) % height, (column + 2) % width]
        np.testing.assert_array_equal(there, gates[name].values[:, row, column])


def test_the_gates_of_other_pictures_take_the_place():
    values = np.linspace(0, 1, 32, dtype=np.float32)
    changed, _ = edited(
        "se", Edit("replace", block=BLOCKS[0], pictures=("Cat",)), given={("Cat",): {BLOCKS[0]: values}}
    )
    np.testing.assert_array_equal(changed[BLOCKS[0]], np.stack([values, values]))


def test_edits_of_one_gate_run_one_after_another():
    first, second = Edit("mean", block=BLOCKS[0]), Edit("set", "channel", block=BLOCKS[0], points=((3, 0.0),))
    changed, gates = edited("se", first, second)
    wanted = np.repeat(gates[BLOCKS[0]].values.mean(1, keepdims=True), 32, 1)
    wanted[:, 3] = 0
    np.testing.assert_allclose(changed[BLOCKS[0]], wanted, rtol=1e-5)


def test_a_stage_is_the_gates_on_features_of_one_size():
    changed, gates = edited("se", Edit("off", size=(8, 8)))
    assert list(changed) == BLOCKS[2:4]
    assert all(gates[name].feature_shape[2:] == (8, 8) for name in changed)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (Edit("sing"), "no action 'sing'; there are off, mean"),
        (Edit("off", "kernel"), "no kind of gates 'kernel'"),
        (Edit("off", block="layer9"), "in 'layer9', and the network has no such gate; there are layer"),
        (Edit("off", "spatial"), "a spatial gate, and the network has no such gate"),
        (Edit("off", size=(3, 3)), "over 3 × 3 features, and the network has no such gate"),
        (Edit("off", block=BLOCKS[0], size=(8, 8)), "only one of the two"),
        (Edit("off", count=3), "'off' has no 'count'; it takes nothing more"),
        (Edit("top", "channel"), "'top' needs 'count'"),
        (Edit("top", "channel", count=33), "32 places, and 33 of them were asked for; 1 to 32 are allowed"),
        (Edit("top", "channel", count=0), "1 to 32 are allowed"),
        (Edit("invert", "channel"), "'invert' is for gates of the kind spatial"),
        (Edit("top", count=3), "'top' is for gates of the kind channel"),
        (Edit("set", "channel", points=((32, 0.5),)), "32 .*asked for; 0 to 31 are allowed"),
        (Edit("replace", pictures=("Cat",)), "of Cat was asked for, and its values are not at hand"),
    ],
)
def test_an_edit_that_cannot_be_says_what_is_allowed_in_one_sentence(edit, said):
    before = traced("se")
    with pytest.raises(EditError, match=said) as caught:
        interventions.applied([edit], before.gates)
    assert "\n" not in str(caught.value)


def test_who_asks_for_a_gate_that_is_not_there_hears_of_the_three_most_like_it():
    gates = traced("se").gates
    for gate in gates:
        with pytest.raises(EditError, match="there are ") as caught:
            interventions.applied([Edit("off", block=gate.name[:-1])], gates)
        named = str(caught.value).partition("there are ")[2]
        assert f"{gate.name} (channel)" in named and named.count("(channel)") == 3
    with pytest.raises(EditError, match="there are ") as caught:
        interventions.applied([Edit("off", "spatial")], gates)
    first = ", ".join(f"{gate.name} (channel)" for gate in gates[:3])
    assert str(caught.value).endswith(f"there are {first}.")


def test_an_edit_of_a_network_without_gates_is_refused():
    before = traced("plain")
    with pytest.raises(EditError, match="it has none at all"):
        interventions.applied([Edit("off")], before.gates)


def test_values_of_another_shape_are_refused():
    before = traced("se")
    edit = Edit("replace", block=BLOCKS[0], pictures=("Cat",))
    with pytest.raises(EditError, match=r"shape \(31,\), and the gate has \(32,\)"):
        interventions.applied([edit], before.gates, {("Cat",): {BLOCKS[0]: np.ones(31, np.float32)}})
