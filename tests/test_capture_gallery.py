"""Laws of `trace` over blocks written by hand: every gate, with the right kind, and nothing that is no gate."""

import numpy as np
import pytest
import torch
from torch import nn

from attention.capture import trace
from tests import gallery
from tests.blocks import CHANNELS
from tests.gallery import DIRECT, GATED, UNGATED

EVERY = list(gallery.blocks())


def run(block, batch, **options):
    """Dropout and drop path draw the same numbers in each run."""
    torch.manual_seed(3)
    return trace(block, batch, **options)


def plain(block, batch):
    torch.manual_seed(3)
    return block(batch.clone())


def broadcast(gate):
    """The values against (N, C, H, W)."""
    index = {
        "channel": np.s_[:, :, None, None],
        "spatial": np.s_[:, None],
        "sample": np.s_[:, None, None, None],
        "full": np.s_[:],
        "channel-width": np.s_[:, :, None],
        "channel-height": np.s_[:, :, :, None],
    }
    return gate.values[index[gate.kind]]


@pytest.mark.parametrize("train", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("name", EVERY)
@torch.no_grad()
def test_the_gates_are_those_that_the_block_applies(name, train):
    block, batch = gallery.made(name).train(train), gallery.features()
    found = run(block, batch)
    expected = GATED[name][1] if name in GATED else []
    assert [(gate.name, gate.kind, gate.activation) for gate in found.gates] == expected
    assert torch.equal(found.output, plain(block, batch))
    assert torch.equal(batch, gallery.features())


@pytest.mark.parametrize("name", DIRECT)
@torch.no_grad()
def test_output_over_input_is_the_gate(name):
    block, batch = gallery.made(name), gallery.features(dtype=torch.float64)
    found = run(block.double(), batch)
    np.testing.assert_allclose(
        (found.output / batch).numpy(), np.broadcast_to(broadcast(found.gates[0]), batch.shape), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", GATED)
@torch.no_grad()
def test_an_identity_edit_is_bit_identical_and_a_zero_edit_is_not(name):
    block, batch = gallery.made(name), gallery.features()
    expected = plain(block, batch)
    found = run(block, batch)
    functions = run(block, batch, edits={gate.name: lambda values: values for gate in found.gates})
    arrays = run(block, batch, edits={gate.name: gate.values for gate in found.gates})
    assert torch.equal(functions.output, expected)
    assert torch.equal(arrays.output, expected)
    assert functions.output.stride() == expected.stride()
    for gate in found.gates:
        assert not torch.equal(run(block, batch, edits={gate.name: torch.zeros_like}).output, expected)


@pytest.mark.parametrize("name", DIRECT)
@torch.no_grad()
def test_any_edit_multiplies_the_input(name):
    block, batch = gallery.made(name), gallery.features()
    gate = run(block, batch).gates[0]
    edit = np.random.default_rng(0).random(gate.values.shape, np.float32)
    found = run(block, batch, edits={gate.name: edit})
    expected = batch.numpy() * broadcast(type(gate)(gate.name, gate.kind, "", edit, gate.feature_shape, 0, 1))
    np.testing.assert_allclose(found.output.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("name", GATED)
def test_other_modes_and_layouts_give_the_same_gates(name):
    block, batch = gallery.made(name), gallery.features()
    with torch.no_grad():
        expected = run(block, batch)
    with torch.inference_mode():
        inferred = run(block, batch)
    graded = run(block, batch)
    for found in (inferred, graded):
        assert torch.equal(found.output, expected.output)
        for one, other in zip(found.gates, expected.gates, strict=True):
            np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("name", GATED)
@torch.no_grad()
def test_one_picture_alone_gives_its_row_of_the_batch(name):
    """In double precision: the kernels of another batch size round differently."""
    block, batch = gallery.made(name).double(), gallery.features(dtype=torch.float64)
    together = run(block, batch)
    for index in range(2):
        alone = run(block, batch[index : index + 1])
        assert [(gate.name, gate.kind) for gate in alone.gates] == [(gate.name, gate.kind) for gate in together.gates]
        for one, other in zip(alone.gates, together.gates, strict=True):
            np.testing.assert_allclose(one.values, other.values[index : index + 1], atol=1e-6)


@pytest.mark.parametrize("name", UNGATED)
@torch.no_grad()
def test_what_is_no_gate_stays_none_inside_a_network(name):
    """Between convolutions, where the features are neither the batch itself nor plain."""
    torch.manual_seed(0)
    convolution = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
    network = nn.Sequential(convolution, nn.BatchNorm2d(CHANNELS), nn.ReLU(), gallery.made(name)).eval()
    batch = gallery.features()
    found = run(network, batch)
    assert found.gates == ()
    assert torch.equal(found.output, plain(network, batch))


@pytest.mark.parametrize("name", GATED)
@torch.no_grad()
def test_a_gate_inside_a_network_bears_the_path_of_its_module(name):
    torch.manual_seed(0)
    network = nn.Sequential()
    network.add_module("stem", nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1))
    network.add_module("stage", nn.Sequential(nn.BatchNorm2d(CHANNELS), nn.Sequential(gallery.made(name))))
    found = run(network.eval(), gallery.features())
    alone = [gate for gate, _, _ in GATED[name][1]]
    paths = ["stage.1.0" if alone == ["#1"] else f"stage.1.0.{gate}".replace(".#", "#") for gate in alone]
    assert [gate.name for gate in found.gates] == paths


def test_a_product_of_a_module_without_a_call_belongs_to_the_one_that_is_called():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = gallery.made("expanded")

        def forward(self, features):
            return self.inner.forward(features)

    with torch.no_grad():
        assert [gate.name for gate in trace(Outer(), gallery.features()).gates] == ["#1"]


def test_a_module_whose_call_is_its_own_applies_its_gates_itself():
    class Called(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = gallery.made("expanded")

        def __call__(self, features):
            return self.inner.forward(features)

    with torch.no_grad():
        assert [gate.name for gate in trace(Called(), gallery.features()).gates] == ["#1"]
