"""Edits of gates, and every request that `trace` refuses, in one sentence."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from attention.capture import TraceError, trace
from attention.records import GatescopeError
from tests import gallery
from tests.blocks import CHANNELS, Function, square
from tests.own import BLOCKS, NAMES, network, pictures


def test_an_error_of_an_edit_leaves_no_mode_behind():
    with torch.no_grad(), pytest.raises(TraceError):
        trace(network("se"), pictures(), edits={BLOCKS[0]: np.ones(3)})
    assert torch.overrides._get_current_function_mode_stack() == []


def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit is deprecated, and still met
        return torch.jit.script(nn.Sequential(nn.ReLU()))


def parallel():
    """As it is where there are accelerators."""
    module = nn.DataParallel(nn.ReLU())
    module.device_ids = [0, 1]
    return module


class Compiled(nn.Module):
    """What torch.compile returns holds the module under this name."""

    def __init__(self):
        super().__init__()
        self._orig_mod = nn.ReLU()


@pytest.mark.parametrize(
    ("module", "batch", "said"),
    [
        (torch.relu, pictures(), "builtin_function_or_method .* torch.nn.Module"),
        (nn.ReLU(), np.zeros((1, 3, 4, 4), np.float32), "type ndarray.*float tensor"),
        (nn.ReLU(), torch.zeros(4, 4), r"shape \(4, 4\).*\(N, C, H, W\)"),
        (nn.Conv2d(3, 4, 1), torch.zeros(3, 4, 4), r"shape \(3, 4, 4\).*takes 4 axes.*N of the samples"),
        (nn.ReLU(), torch.zeros(1, 3, 4, 4, dtype=torch.uint8), "uint8.*float tensor"),
        (nn.ReLU(), torch.zeros(0, 3, 4, 4), r"shape \(0, 3, 4, 4\).*not empty"),
        (scripted(), pictures(), "the module is scripted.*eager"),
        (nn.Sequential(scripted()), pictures(), "the submodule '0' is scripted.*eager"),
        (
            nn.Conv2d(3, 1, 1, device="meta"),
            pictures(),
            "the module is on the device meta, where weights have no values",
        ),
        (
            nn.Sequential(parallel()),
            pictures(),
            "'0' is DataParallel.*other threads: trace its `.module`",
        ),
        (Compiled(), pictures(), "the module is compiled.*eager"),
    ],
)
def test_what_cannot_be_traced_is_refused_in_one_sentence(module, batch, said):
    with pytest.raises(TraceError, match=said) as caught:
        trace(module, batch)
    assert isinstance(caught.value, GatescopeError)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ({"layer1": np.ones(1)}, "'layer1'.* no gate .*'layer1.0.attention', 'layer1.1.attention'$"),
        ({"layer1.0.attention#1": np.ones((2, 32))}, "'layer1.0.attention#1'.* no gate .*'layer1.0.attention'"),
        ({"layer1.0.attention": np.ones((2, 31))}, r"shape \(2, 31\).* gate has \(2, 32\)"),
        ({"layer1.0.attention": lambda values: values[0]}, r"shape \(32,\).* gate has \(2, 32\)"),
        ({"layer1.0.attention": lambda values: None}, "gives NoneType.* array or a tensor"),
        ({"layer1.0.attention": 1.0}, "gives float.* array or a tensor"),
    ],
)
@torch.no_grad()
def test_a_bad_edit_is_an_error_that_says_what_is_allowed(edits, said):
    with pytest.raises(TraceError, match=said):
        trace(network("se"), pictures(), edits=edits)


@torch.no_grad()
def test_an_edit_of_a_network_without_gates_is_an_error():
    with pytest.raises(TraceError, match=r"'layer1.0.attention'.* no gate .* has none"):
        trace(network("plain"), pictures(), edits={"layer1.0.attention": np.ones((2, 32))})


@torch.no_grad()
def test_steps_of_an_unknown_gate_are_an_error():
    with pytest.raises(TraceError, match=r"steps were asked for 'layer1.0'.* no gate .*'layer1.0.attention'"):
        trace(network("se"), pictures(), steps=["layer1.0"])


class Opened(nn.Module):
    """A gate of ones."""

    def __init__(self, gate):
        super().__init__()
        self.gate = gate

    def forward(self, features):
        return torch.ones_like(self.gate(features))


@pytest.mark.parametrize("variant", ["se", "cbam", "se-resnext"])
@torch.no_grad()
def test_edits_do_what_the_gate_would_have_done(variant):
    module, batch = network(variant), pictures()
    plain = trace(module, batch)
    arrays = {gate.name: gate.values for gate in plain.gates}
    assert torch.equal(trace(module, batch, edits=arrays).output, plain.output)
    ones = trace(module, batch, edits={name: np.ones_like(values) for name, values in arrays.items()})
    for part in list(module.modules()):
        if hasattr(part, "gate"):
            part.gate = Opened(part.gate)
    assert torch.equal(ones.output, module(batch))


@pytest.mark.parametrize("name", NAMES["cbam"])
@torch.no_grad()
def test_a_closed_gate_changes_the_output_and_the_gates_after_it_alone(name):
    module, batch = network("cbam"), pictures()
    plain, closed = trace(module, batch), trace(module, batch, edits={name: torch.zeros_like})
    position = NAMES["cbam"].index(name)
    for index, (one, other) in enumerate(zip(plain.gates, closed.gates, strict=True)):
        assert np.array_equal(one.values, other.values) == (index <= position)
    assert not torch.equal(plain.output, closed.output)


@torch.no_grad()
def test_an_edited_gate_that_stands_first_keeps_the_layout_of_the_product():
    torch.manual_seed(0)
    block = Function(lambda m, x: torch.sigmoid(m.conv(x)) * x, conv=square()).to(memory_format=torch.channels_last)
    batch = torch.randn(2, CHANNELS, 6, 5).to(memory_format=torch.channels_last)
    found = trace(block, batch, edits={"#1": lambda values: values})
    assert [gate.kind for gate in found.gates] == ["full"]
    assert torch.equal(found.output, block(batch))
    assert found.output.stride() == block(batch).stride()


@torch.no_grad()
def test_an_edit_gets_the_values_in_the_gates_own_precision():
    module, batch = network("se").double(), pictures(dtype=torch.float64)
    seen = []
    found = trace(module, batch, edits={BLOCKS[0]: lambda values: seen.append(values) or values})
    assert seen[0].dtype == torch.float64
    assert torch.equal(found.output, module(batch))
    np.testing.assert_array_equal(seen[0].numpy().astype(np.float32), found.gates[0].values)


@torch.no_grad()
def test_an_edited_mask_multiplies_in_the_precision_of_the_features():
    block = Function(lambda m, x: x * (m.score(x).sigmoid() > 0.5), score=nn.Conv2d(CHANNELS, 1, 1)).bfloat16()
    batch = gallery.features(dtype=torch.bfloat16)
    output = trace(block, batch, edits={"#1": lambda mask: mask * 0 + 0.5}).output
    assert output.dtype == torch.bfloat16 and torch.equal(output, batch / 2)
