"""The contract of `trace` on the project's own networks: what it finds, what it leaves alone, what it refuses."""

import gc
import threading
import weakref
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attention import networks
from attention.capture import trace
from attention.layers import CBAM, SE
from tests.blocks import Function
from tests.own import BLOCKS, NAMES, network, pictures


def same_gates(left, right):
    assert [gate.name for gate in left.gates] == [gate.name for gate in right.gates]
    for one, other in zip(left.gates, right.gates, strict=True):
        np.testing.assert_array_equal(one.values, other.values)


def hooked(module):
    """The gates by another way: hooks on the submodules that `layers` says make them."""
    gates = {}
    handles = [
        part.gate.register_forward_hook(lambda _m, _i, output, name=name: gates.__setitem__(name, output.numpy()))
        for name, part in module.named_modules()
        if hasattr(part, "gate")
    ]
    return gates, handles


@pytest.mark.parametrize("variant", networks.VARIANTS)
@torch.no_grad()
def test_the_output_is_bit_identical_and_each_gate_is_found_once_in_order(variant):
    module, batch = network(variant), pictures()
    found = trace(module, batch)
    assert torch.equal(found.output, module(batch))
    assert [gate.name for gate in found.gates] == NAMES[variant]
    assert {gate.activation for gate in found.gates} <= {"sigmoid"}
    assert found.steps == {}


@pytest.mark.parametrize("variant", networks.VARIANTS)
@torch.no_grad()
def test_the_values_are_those_that_hooks_on_the_gates_see(variant):
    module, batch = network(variant), pictures()
    found = trace(module, batch)
    expected, handles = hooked(module)
    module(batch)
    for handle in handles:
        handle.remove()
    assert list(expected) == NAMES[variant]
    for gate in found.gates:
        values = expected[gate.name]
        np.testing.assert_array_equal(gate.values, values[:, :, 0, 0] if gate.kind == "channel" else values[:, 0])
        assert gate.values.dtype == np.float32
        assert (gate.minimum, gate.maximum) == (values.min(), values.max())
        n, c, h, w = gate.feature_shape
        assert gate.values.shape == ((n, c) if gate.kind == "channel" else (n, h, w))
        assert gate.kind == ("spatial" if gate.name.endswith("spatial") else "channel")


@pytest.mark.parametrize("order", ["channel-spatial", "spatial-channel", "parallel"])
@torch.no_grad()
def test_every_order_of_cbam_shows_one_channel_and_one_spatial_gate(order):
    torch.manual_seed(0)
    module = CBAM(8, 2, 3, order=order).eval()
    kinds = [gate.kind for gate in trace(module, torch.randn(2, 8, 6, 5)).gates]
    assert sorted(kinds) == ["channel", "spatial"]
    assert kinds[0] == ("spatial" if order == "spatial-channel" else "channel")


@pytest.mark.parametrize(("size", "expected"), [(32, "cbam"), (32, "se"), (40, "cbam")])
@torch.no_grad()
def test_a_last_stage_of_one_place_still_has_its_gates(size, expected):
    batch = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    found = trace(network(expected), batch)
    assert [gate.name for gate in found.gates] == NAMES[expected]
    assert [gate.kind for gate in found.gates[:2]] == [gate.kind for gate in found.gates[-2:]]


@pytest.mark.parametrize("variant", ["se", "cbam"])
@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_grad_mode_holds(variant, context):
    module, batch = network(variant), pictures()
    with context():
        plain, found = module(batch), trace(module, batch)
    assert torch.equal(found.output, plain)
    assert found.output.requires_grad == plain.requires_grad
    assert found.output.is_inference() == plain.is_inference()
    assert [gate.name for gate in found.gates] == NAMES[variant]


def test_gradients_equal_those_of_a_plain_pass():
    module, batch = network("cbam").double(), pictures(dtype=torch.float64).requires_grad_()
    wanted = [batch, *module.parameters()]
    plain = torch.autograd.grad(module(batch).square().sum(), wanted)
    traced = torch.autograd.grad(trace(module, batch).output.square().sum(), wanted)
    assert all(torch.equal(one, other) for one, other in zip(plain, traced, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("variant", ["se", "cbam"])
@torch.no_grad()
def test_every_precision_gives_the_same_gates_in_float32(variant, dtype):
    module, batch = network(variant).to(dtype), pictures(dtype=dtype)
    found = trace(module, batch)
    assert torch.equal(found.output, module(batch))
    assert found.output.dtype == dtype
    assert [gate.name for gate in found.gates] == NAMES[variant]
    single = trace(network(variant), pictures())
    for gate, reference in zip(found.gates, single.gates, strict=True):
        assert gate.values.dtype == np.float32
        np.testing.assert_allclose(gate.values, reference.values, atol=1e-6 if dtype == torch.float64 else 0.1)


@pytest.mark.parametrize("variant", ["se", "cbam", "se-resnext"])
@torch.no_grad()
def test_channels_last_and_autocast_are_followed(variant):
    module = network(variant).to(memory_format=torch.channels_last)
    batch = pictures().to(memory_format=torch.channels_last)
    for context in (nullcontext(), torch.autocast("cpu", torch.bfloat16)):
        with context:
            found, plain = trace(module, batch), module(batch)
            identity = trace(module, batch, edits={name: lambda values: values for name in NAMES[variant]})
        assert torch.equal(found.output, plain)
        assert torch.equal(identity.output, plain)
        assert [gate.name for gate in found.gates] == NAMES[variant]


@pytest.mark.parametrize("variant", ["se", "cbam"])
@torch.no_grad()
def test_training_mode_advances_statistics_as_a_plain_pass_does(variant):
    plain, traced, batch = network(variant).train(), network(variant).train(), pictures()
    assert torch.equal(trace(traced, batch).output, plain(batch))
    for one, other in zip(plain.buffers(), traced.buffers(), strict=True):
        assert torch.equal(one, other)
    assert [gate.name for gate in trace(traced, batch).gates] == NAMES[variant]


def test_eight_threads_trace_one_network_as_one_thread_does_in_turn():
    module = network("cbam")
    batches = [pictures(seed) for seed in range(8)]
    with torch.no_grad():
        serial = [trace(module, batch) for batch in batches]
    barrier, parallel = threading.Barrier(8), {}

    def work(index):
        barrier.wait()
        with torch.no_grad():
            parallel[index] = [trace(module, batches[index], steps=[BLOCKS[0] + ".spatial"]) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, expected in enumerate(serial):
        for found in parallel[index]:
            assert torch.equal(found.output, expected.output)
            same_gates(found, expected)
            np.testing.assert_array_equal(found.steps[BLOCKS[0] + ".spatial"].pooled["average"].shape, (2, 16, 16))


@torch.no_grad()
def test_nothing_is_put_on_the_module_the_parameters_or_the_batch():
    module, batch = network("cbam"), pictures()
    before = [dict(part.__dict__) for part in module.modules()]
    kept = batch.clone()
    found = trace(module, batch, edits={BLOCKS[0] + ".channel": lambda values: values}, steps=[BLOCKS[1] + ".spatial"])
    for part, attributes in zip(module.modules(), before, strict=True):
        assert part.__dict__.keys() == attributes.keys()
        assert not part._forward_hooks
        assert not part._forward_pre_hooks
    for tensor in [batch, found.output, *module.parameters(), *module.buffers()]:
        assert tensor.__dict__ == {}
    assert torch.equal(batch, kept)


@torch.no_grad()
def test_nothing_of_a_pass_lives_longer_than_its_trace():
    module, batch = network("se"), pictures()
    steps = [BLOCKS[0]]
    found = trace(module, batch, edits={BLOCKS[1]: np.ones((2, 32), np.float32)}, steps=steps)
    alive = [weakref.ref(item) for item in (module, batch, found.output, *module.parameters(), *module.modules())]
    gates = found.gates
    del module, batch, found
    gc.collect()
    assert [reference() for reference in alive] == [None] * len(alive)
    assert len(gates) == len(BLOCKS)


@torch.no_grad()
def test_intermediate_tensors_die_as_early_as_in_a_plain_pass():
    """At each layer the same number of earlier outputs lives with and without the trace."""
    module, batch = network("cbam"), pictures()

    def census(run):
        outputs, counts = [], []

        def look(_module, _inputs, output):
            counts.append(sum(reference() is not None for reference in outputs))
            outputs.append(weakref.ref(output))

        handles = [part.register_forward_hook(look) for part in module.modules() if isinstance(part, nn.Conv2d)]
        run()
        for handle in handles:
            handle.remove()
        return counts

    assert census(lambda: trace(module, batch)) == census(lambda: module(batch))


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.se = SE(3, 1)

    def forward(self, features):
        self.se(features)
        raise RuntimeError("on purpose")


def test_a_product_that_torch_refuses_is_no_gate_of_a_module_that_goes_on_without():
    def tried(module, features):
        try:
            return features * torch.sigmoid(F.avg_pool2d(features, 2))
        except RuntimeError:
            return features

    assert trace(Function(tried), torch.ones(2, 3, 6, 6)).gates == ()


def test_an_exception_in_the_module_passes_through_and_leaves_no_mode_behind():
    with torch.no_grad(), pytest.raises(RuntimeError, match="on purpose"):
        trace(Failing(), pictures())
    assert torch.overrides._get_current_function_mode_stack() == []
