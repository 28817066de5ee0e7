"""The inner steps of SE and CBAM against the papers' equations, written out here once more."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attention import networks
from attention.capture import TraceError, Tracer, trace
from attention.layers import CBAM, SE, SpatialAttention
from attention.records import ChannelSteps, SpatialSteps
from tests import gallery
from tests.alike import assert_same_steps, seeded
from tests.blocks import Function, logits, pointwise
from tests.gallery import GATED

WITH_STEPS = {
    "expanded": ["average"],
    "in place": ["average"],
    "augmented assignment": ["average"],
    "hardsigmoid": ["average"],
    "channels last by hand": ["average"],
    "tokens": ["average"],
    "sigmoid by hand": ["average"],
    "hardsigmoid by clamp": ["average"],
    "einsum, gate first": ["average"],
    "product in the parent": ["average"],
    "residual tanh": ["average"],
}
WITHOUT = [
    "efficient channel attention",
    "spatial over tokens",
    "spatial group-wise enhance",
    "bottleneck attention",
    "selective kernels",
    "gather-excite",
    "coordinate attention",
    "triplet attention",
    "without an activation",
    "reverse attention",
    "clamped",
]
ACTIVATIONS = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "hardsigmoid": lambda z: np.clip(z / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
}


def close(left, right):
    np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5)


def excitation(steps, gate, down, up):
    """s = activation(sum over the poolings p of W2 relu(W1 p(u) + b1) + b2)."""
    w1, b1, w2, b2 = (t.detach().flatten(1).numpy() if t.dim() > 1 else t.detach().numpy() for t in (*down, *up))
    pool = {"average": lambda u: u.mean((2, 3)), "max": lambda u: u.max((2, 3))}
    for pooling, squeezed in steps.squeezed.items():
        close(squeezed, pool[pooling](steps.before))
        close(steps.hidden[pooling], np.maximum(squeezed @ w1.T + b1, 0))
        close(steps.branches[pooling], steps.hidden[pooling] @ w2.T + b2)
    close(gate.values, ACTIVATIONS[gate.activation](sum(steps.branches.values())))
    close(steps.after, steps.before * gate.values[:, :, None, None])
    assert list(steps.squeezed) == list(steps.hidden) == list(steps.branches)


def attended(steps, gate, convolve):
    pool = {"average": lambda u: u.mean(1), "max": lambda u: u.max(1)}
    for pooling, pooled in steps.pooled.items():
        close(pooled, pool[pooling](steps.before))
    maps = torch.from_numpy(np.stack(list(steps.pooled.values()), 1))
    close(gate.values, torch.sigmoid(convolve(maps))[:, 0].detach().numpy())
    close(steps.after, steps.before * gate.values[:, None])


@pytest.mark.parametrize("variant", ["se", "cbam", "se-resnext"])
@torch.no_grad()
def test_every_block_of_the_own_networks_is_explained(variant):
    torch.manual_seed(0)
    module = networks.build(variant, 10).eval()
    batch = torch.randn(2, 3, 64, 64)
    names = [gate.name for gate in trace(module, batch).gates]
    found = trace(module, batch, steps=names)
    assert torch.equal(found.output, module(batch))
    for gate in found.gates:
        part, steps = module.get_submodule(gate.name).gate, found.steps[gate.name]
        if gate.kind == "channel":
            assert isinstance(steps, ChannelSteps)
            assert list(steps.squeezed) == (["average", "max"] if variant == "cbam" else ["average"])
            excitation(steps, gate, *((layer.weight, layer.bias) for layer in part.mlp[::2]))
        else:
            assert isinstance(steps, SpatialSteps)
            assert list(steps.pooled) == ["average", "max"]
            np.testing.assert_array_equal(steps.kernel, part.conv.weight[0].numpy())
            attended(steps, gate, nn.Sequential(part.conv, part.norm))


@pytest.mark.parametrize("squeeze", ["average", "max", "both"])
@torch.no_grad()
def test_every_squeeze_of_the_layers_is_explained(squeeze):
    torch.manual_seed(0)
    block = CBAM(8, 2, 3, squeeze=squeeze).eval()
    found = trace(block, gallery.features(), steps=["channel", "spatial"])
    poolings = ["average", "max"] if squeeze == "both" else [squeeze]
    channel, spatial = found.gates
    assert list(found.steps["channel"].squeezed) == list(found.steps["spatial"].pooled) == poolings
    mlp = block.channel.gate.mlp
    excitation(found.steps["channel"], channel, *((layer.weight, layer.bias) for layer in mlp[::2]))
    attended(found.steps["spatial"], spatial, nn.Sequential(block.spatial.gate.conv, block.spatial.gate.norm))


@pytest.mark.parametrize("name", WITH_STEPS)
@torch.no_grad()
def test_blocks_of_ses_form_are_explained_however_they_are_written(name):
    block = gallery.made(name)
    owner = GATED[name][1][0][0]
    found = trace(block, gallery.features(), steps=[owner])
    maker = block.ca if name == "product in the parent" else block
    steps = found.steps[owner]
    assert list(steps.squeezed) == WITH_STEPS[name]
    if name != "augmented assignment":
        np.testing.assert_array_equal(steps.before, gallery.features().numpy())
    excitation(steps, found.gates[0], *((layer.weight, layer.bias) for layer in (maker.down, maker.up)))


@torch.no_grad()
def test_published_cbam_is_explained_in_its_own_order():
    block = gallery.made("published CBAM")
    found = trace(block, gallery.features(), steps=["ChannelGate", "SpatialGate"])
    channel, spatial = found.gates
    excitation(found.steps["ChannelGate"], channel, *((m.weight, m.bias) for m in block.ChannelGate.mlp[1::2]))
    assert list(found.steps["ChannelGate"].squeezed) == ["average", "max"]
    assert list(found.steps["SpatialGate"].pooled) == ["max", "average"]
    np.testing.assert_array_equal(found.steps["SpatialGate"].kernel, block.SpatialGate.spatial[0].weight[0].numpy())
    attended(found.steps["SpatialGate"], spatial, block.SpatialGate.spatial)


@pytest.mark.parametrize("name", WITHOUT)
@torch.no_grad()
def test_another_form_has_no_steps(name):
    block = gallery.made(name)
    names = [gate.name for gate in trace(block, gallery.features()).gates]
    assert trace(block, gallery.features(), steps=names).steps == dict.fromkeys(names)


def _sum_of_maps(m, x):
    return x * torch.sigmoid(m.one(x.mean(1, keepdim=True)) + m.other(x.amax(1, keepdim=True)))


def _map_with_a_feature(m, x):
    return x * torch.sigmoid(m.two(torch.cat([x.mean(1, keepdim=True), x[:, :1]], 1)))


def _both_poolings_in_one_layer(m, x):
    return x * torch.sigmoid(m.up(F.relu(m.wide(torch.cat([x.mean((2, 3), True), x.amax((2, 3), True)], 1)))))


def _one_map_twice(m, x):
    return x * torch.sigmoid(m.two(x.mean(1, keepdim=True).expand(-1, 2, -1, -1)))


OTHER_FORMS = {
    "one map twice": _one_map_twice,
    "no activation between the layers": lambda m, x: x * torch.sigmoid(m.up(m.down(x.mean((2, 3), keepdim=True)))),
    "a sum of maps": _sum_of_maps,
    "a map with a feature": _map_with_a_feature,
    "both poolings in one layer": _both_poolings_in_one_layer,
}


@pytest.mark.parametrize("form", OTHER_FORMS)
@torch.no_grad()
def test_what_only_resembles_ses_or_cbams_form_has_no_steps(form):
    torch.manual_seed(0)
    one, other, two = (nn.Conv2d(maps, 1, 3, padding=1) for maps in (1, 1, 2))
    block = Function(OTHER_FORMS[form], **pointwise(), wide=nn.Conv2d(16, 4, 1), one=one, other=other, two=two)
    assert trace(block, gallery.features(), steps=["#1"]).steps == {"#1": None}


@torch.no_grad()
def test_a_number_of_the_whole_batch_is_no_squeeze():
    torch.manual_seed(0)
    block = Function(lambda m, x: x * torch.sigmoid(logits(m, x / x.abs().max())), **pointwise())
    found = trace(block, gallery.features(), steps=["#1"])
    squeezed = (gallery.features() / gallery.features().abs().max()).mean((2, 3))
    close(found.steps["#1"].squeezed["average"], squeezed)


def test_one_minus_the_excitation_is_another_form():
    block = Function(lambda m, x: x * (1 - torch.sigmoid(logits(m, x))), **pointwise())
    with torch.no_grad():
        found = trace(block, gallery.features(), steps=["#1"])
    assert [gate.kind for gate in found.gates] == ["channel"]
    assert found.steps == {"#1": None}


def test_steps_of_a_module_that_runs_twice_are_kept_apart():
    block = gallery.made("module used twice")
    with torch.no_grad():
        found = trace(block, gallery.features(), steps=["se#1", "se#2"])
    np.testing.assert_array_equal(found.steps["se#1"].before, gallery.features().numpy())
    np.testing.assert_array_equal(found.steps["se#2"].before, np.maximum(found.steps["se#1"].after, 0))


@pytest.mark.parametrize("name", GATED)
@torch.no_grad()
def test_a_pass_that_ends_at_the_last_gate_has_the_steps_of_a_whole_one(name):
    block, batch = gallery.made(name), gallery.features()
    names = [gate.name for gate in seeded(trace, block, batch).gates]
    expected = seeded(trace, block, batch, steps=names).steps
    for asked in (names, *([each] for each in names)):
        found = seeded(Tracer(block).steps, batch, asked)
        assert list(found) == asked
        for each in asked:
            assert_same_steps(found[each], expected[each])


@torch.no_grad()
def test_a_pass_for_steps_ends_at_the_last_gate_that_was_asked_for():
    torch.manual_seed(0)
    ran = []
    block = nn.Sequential(*(SE(8, 2) for _ in range(3))).eval()
    for number, part in enumerate(block):
        part.register_forward_pre_hook(lambda *_, number=number: ran.append(number))
    for asked, last in ((["0"], 0), (["1", "0"], 1), (["2"], 2)):
        assert all(Tracer(block).steps(gallery.features(), asked).values())
        assert ran == list(range(last + 1))
        ran.clear()
    assert torch.overrides._get_current_function_mode_stack() == []
    with pytest.raises(TraceError, match="steps were asked for '3', which names no gate"):
        Tracer(block).steps(gallery.features(), ["0", "3"])


@torch.no_grad()
def test_of_the_gates_inside_what_was_asked_for_the_first_four_are_named():
    block = nn.Sequential(nn.Sequential(*(SE(8, 2) for _ in range(6)))).eval()
    with pytest.raises(TraceError) as caught:
        Tracer(block).steps(gallery.features(), ["0"])
    assert str(caught.value).endswith("the nearest of its 6 gates are '0.0', '0.1', '0.2', '0.3'")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@torch.no_grad()
def test_other_precisions_are_explained_too(dtype):
    torch.manual_seed(0)
    block = CBAM(8, 2, 7).eval().to(dtype)
    found = trace(block, gallery.features(dtype=dtype), steps=["channel", "spatial"])
    assert isinstance(found.steps["channel"], ChannelSteps)
    assert isinstance(found.steps["spatial"], SpatialSteps)
    assert found.steps["channel"].before.dtype == np.float32


@torch.no_grad()
def test_only_what_was_asked_for_is_kept_and_an_edit_shows_in_the_product_alone():
    torch.manual_seed(0)
    block, batch = nn.Sequential(SE(8, 2), SE(8, 2)).eval(), gallery.features()
    closed = trace(block, batch, edits={"0": torch.zeros_like}, steps=["0"])
    assert list(closed.steps) == ["0"]
    assert not closed.steps["0"].after.any()
    np.testing.assert_array_equal(closed.gates[0].values, trace(block, batch).gates[0].values)


@pytest.mark.parametrize(
    ("norm", "own"),
    [
        (nn.BatchNorm2d(1, eps=1e-3), None),
        (nn.BatchNorm2d(1, eps=1e-3, track_running_stats=False), 1e-3),
        (nn.InstanceNorm2d(1, eps=1e-2, affine=True), 1e-2),
        (nn.InstanceNorm2d(1, eps=1e-2, track_running_stats=True), None),
    ],
)
def test_a_map_that_is_normalised_by_its_own_numbers_is_told_from_one_by_learned_ones(norm, own):
    block = SpatialAttention(3).eval()
    block.gate.norm = norm.eval()
    found = trace(block, gallery.features()[:1])
    (steps,) = trace(block, gallery.features()[:1], steps=[found.gates[0].name]).steps.values()
    assert steps.normalised and steps.own_eps == own
    plain = (steps.summed - steps.summed.mean()) / np.sqrt(steps.summed.var() + (own or 0.0))
    same = np.allclose(steps.logits, plain, atol=1e-4)
    assert same == (own is not None)
