"""`trace` where the code of a pass is unusual: loops over pictures, graphs, torch.func, functions out of sight."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from attention.capture import TraceError, Tracer, gates, trace
from attention.records import Rejected
from tests import gallery
from tests.alike import assert_alike
from tests.blocks import CHANNELS, Function, logits, pointwise

OUT_OF_SIGHT = "a tensor made out of sight: by scripted code or numpy, or before the pass"
LOOPS = ["picture by picture", "picture by picture, by index"]


def features(samples=3):
    return torch.randn(samples, CHANNELS, 6, 5, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", LOOPS)
@torch.no_grad()
def test_a_loop_over_the_pictures_applies_one_gate_whose_rows_are_those_of_each_picture(name):
    block, batch = gallery.made(name), features()
    found = trace(block, batch)
    alone = [trace(block, batch[i : i + 1]) for i in range(3)]
    assert [gate.name for gate in found.gates] == [gate.name for gate in alone[0].gates]
    for index, gate in enumerate(found.gates):
        rows = np.concatenate([one.gates[index].values for one in alone])
        np.testing.assert_array_equal(gate.values, rows)
        assert gate.feature_shape == tuple(batch.shape)
        assert (gate.minimum, gate.maximum) == (rows.min(), rows.max())


@pytest.mark.parametrize("name", LOOPS)
@torch.no_grad()
def test_an_edit_of_such_a_gate_reaches_each_picture(name):
    block, batch = gallery.made(name), features()
    tracer = Tracer(block)
    for _ in range(2):
        gate = tracer(batch).gates[0]
        kept = gate.values.copy()
        kept[1] = 0
        found = tracer(batch, edits={gate.name: kept})
        assert torch.equal(found.output[[0, 2]], block(batch)[[0, 2]])
        assert not found.output[1].any()
        doubled = tracer(batch, edits={gate.name: lambda values: values * 2})
        np.testing.assert_array_equal(doubled.gates[0].values, gate.values)
        assert torch.allclose(doubled.output, 2 * block(batch))
        with pytest.raises(TraceError, match=r"the gate has \(3, 8\)"):
            tracer(batch, edits={gate.name: kept[:1]})


@given(st.integers(2, 7), st.integers(1, 4))
@torch.no_grad()
def test_loops_over_the_pictures_of_parts_of_the_batch_apply_one_gate_in_the_order_of_the_batch(samples, size):
    def in_parts(m, x):
        parts = [x[i : i + size] for i in range(0, len(x), size)]
        pictures = [part[j : j + 1] for part in parts for j in range(len(part))]
        return torch.cat([one * torch.sigmoid(logits(m, one)) for one in pictures])

    torch.manual_seed(0)
    block, batch = Function(in_parts, **pointwise()), features(samples)
    (gate,) = trace(block, batch).gates
    assert gate.feature_shape == tuple(batch.shape)
    np.testing.assert_allclose(gate.values, torch.sigmoid(logits(block, batch))[:, :, 0, 0], atol=1e-6)


@torch.no_grad()
def test_a_gate_after_a_loop_has_the_next_number():
    loop = gallery.made("picture by picture")
    block = Function(lambda m, x: loop.block(m, x) * torch.sigmoid(m.score(x)), mix=loop.mix, score=nn.Conv2d(8, 1, 1))
    assert [(gate.name, gate.kind) for gate in trace(block, features()).gates] == [("#1", "channel"), ("#2", "spatial")]


class Sizes(nn.Module):
    """Pictures of other sizes, one after the other, as a detector has them."""

    def __init__(self):
        super().__init__()
        self.score = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, x):
        return [one[None, :, : 3 + i] * torch.sigmoid(self.score(one[None, :, : 3 + i])) for i, one in enumerate(x)]


@torch.no_grad()
def test_gates_of_other_forms_in_a_loop_stay_apart_and_are_not_edited():
    module, batch = Sizes(), features()
    assert [(gate.name, gate.values.shape) for gate in trace(module, batch).gates] == [
        ("#1", (1, 3, 5)),
        ("#2", (1, 4, 5)),
        ("#3", (1, 5, 5)),
    ]
    with pytest.raises(TraceError, match="another form for each picture"):
        trace(module, batch, edits={"#1": torch.zeros_like})


@torch.no_grad()
def test_a_gate_over_branches_has_a_number_for_each():
    for name in ("one number a branch", "one number a branch, by view"):
        block, batch = gallery.made(name), features()
        (gate,) = trace(block, batch).gates
        expected = block.choose(batch.mean((2, 3))).softmax(1)
        np.testing.assert_array_equal(gate.values, expected.numpy())
        first = trace(block, batch, edits={gate.name: np.tile(np.float32([1, 0]), (3, 1))})
        assert torch.allclose(first.output, block.mix(batch), atol=1e-6)


class Squeezed(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.up = pointwise().values()

    def forward(self, x):
        return x * torch.sigmoid(logits(self, x))


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.stage = nn.Sequential(Squeezed(), nn.Sequential(Squeezed(), nn.ReLU()))

    def forward(self, x):
        y = self.stage(F.relu(self.stem(x)))
        return y * torch.sigmoid(y.mean((2, 3), keepdim=True))


@pytest.mark.parametrize("around", [False, True], ids=["alone", "inside a module"])
@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own, of its graphs
@torch.no_grad()
def test_a_gate_of_a_graph_bears_the_path_of_the_module_that_its_node_was_traced_from(around):
    torch.manual_seed(0)
    plain, batch = Nested().eval(), features()
    expected = [gate.name for gate in trace(plain, batch).gates]
    assert expected == ["stage.0", "stage.1.0", "#1"]
    graphs = [torch.fx.symbolic_trace(plain), torch.export.export(plain, (batch,)).module()]
    for graph in graphs:
        found = trace(nn.ModuleDict({"net": graph}).net if not around else nn.Sequential(graph), batch)
        assert [gate.name for gate in found.gates] == (["0.stage.0", "0.stage.1.0", "0"] if around else expected)
        assert torch.equal(found.output, graph(batch))


def _into_a_part_of_a_part(m, x):
    buffer = torch.zeros_like(x)
    half = buffer[:, :6]
    half[:, :4, :3].copy_(x[:, :4, :3])
    return buffer * torch.sigmoid(m.score(buffer)) + half.mean()


def _into_all_beside_a_view(m, x):
    buffer = torch.zeros_like(x)
    lines = buffer.flatten(2)
    buffer.copy_(x)
    return buffer * torch.sigmoid(m.score(buffer)) + lines.mean()


@pytest.mark.parametrize("write", [_into_a_part_of_a_part, _into_all_beside_a_view])
def test_what_is_written_into_a_buffer_is_what_it_holds_in_every_mode_of_torch(write):
    torch.manual_seed(0)
    module, batch = Function(write, score=nn.Conv2d(CHANNELS, 1, 1)), features()
    tracer = Tracer(module)
    for mode in (torch.no_grad, torch.inference_mode, torch.inference_mode, torch.no_grad):
        with mode():
            found = tracer(batch)
            assert [gate.kind for gate in found.gates] == ["spatial"]
            assert_alike(found, trace(module, batch))


@torch.no_grad()
def test_parts_of_tensors_without_a_storage_are_followed():
    torch.manual_seed(0)
    halves = torch.vmap(lambda one: one[:4] + one[4:])
    for mixed in (lambda x: halves(x).repeat(1, 2, 1, 1), lambda x: x.to_sparse().select(0, 0).to_dense() + x):
        block = Function(lambda m, x, mixed=mixed: x * torch.sigmoid(logits(m, mixed(x))), **pointwise())
        found = trace(block, features())
        assert [(gate.kind, gate.activation) for gate in found.gates] == [("channel", "sigmoid")]
        assert torch.equal(found.output, block(features()))


@torch.no_grad()
def test_numbers_that_are_seen_as_those_of_another_type_are_followed():
    torch.manual_seed(0)
    halves = Function(lambda m, x: x * torch.sigmoid(logits(m, x.view(torch.int16).view(x.dtype))), **pointwise())
    assert [(gate.kind, gate.activation) for gate in trace(halves, features()).gates] == [("channel", "sigmoid")]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's own, of its graphs
@torch.no_grad()
def test_gates_beside_a_graph_and_of_a_hook_on_it_belong_to_the_modules_that_are_called():
    torch.manual_seed(0)
    graph = torch.fx.symbolic_trace(nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 1)))
    graph.register_forward_hook(lambda module, given, made: made * torch.sigmoid(made.mean((2, 3), keepdim=True)))
    network = nn.Sequential(graph, Squeezed())
    assert [gate.name for gate in trace(network, features()).gates] == ["0", "1"]


@torch.no_grad()
def test_under_torch_func_the_error_says_so():
    module, batch = Squeezed(), features()
    with pytest.raises(TraceError, match=r"torch\.func"):
        torch.vmap(lambda x: trace(module, x).output)(batch[None])
    inside = Function(lambda m, x: torch.vmap(lambda one: one * torch.sigmoid(one.mean((1, 2), keepdim=True)))(x))
    with pytest.raises(TraceError, match=r"torch\.func"):
        trace(inside, batch)
    assert torch.overrides._get_current_function_mode_stack() == []


class Gating(torch.autograd.Function):
    """Written in torch's functions, inside a function of its own with a backward."""

    @staticmethod
    def forward(ctx, x, weights):
        gate = torch.sigmoid(weights)
        ctx.save_for_backward(x, gate)
        return x * gate

    @staticmethod
    def backward(ctx, grad):
        x, gate = ctx.saved_tensors
        return grad * gate, (grad * x * gate * (1 - gate)).sum((2, 3), keepdim=True)


@pytest.mark.parametrize("grad", [False, True])
def test_a_gate_inside_a_custom_function_with_a_backward_is_found(grad):
    block, batch = Function(lambda m, x: m.mix(Gating.apply(x, logits(m, x))), **pointwise(), mix=nn.ReLU()), features()
    with torch.set_grad_enabled(grad):
        found = trace(block, batch)
    assert [(gate.kind, gate.activation) for gate in found.gates] == [("channel", "sigmoid")]
    assert found.rejected == ()


class Holding(nn.Module):
    """Tensors that are neither parameters nor buffers, made before the pass."""

    def __init__(self):
        super().__init__()
        self.table, self.tables, self.named = torch.ones(CHANNELS, 1, 1), [torch.ones(1)], {"one": torch.ones(1)}

    def forward(self, x):
        return x * self.table + self.tables[0] * self.named["one"]


@torch.no_grad()
def test_what_a_module_holds_was_not_made_out_of_sight():
    assert trace(Holding(), features()).rejected == ()


@torch.no_grad()
def test_what_is_made_out_of_sight_is_said_in_each_pass():
    block = gallery.made("by a scripted block")
    tracer = Tracer(block)
    for seed in range(3):
        found = tracer(features() * seed)
        assert found.rejected == (Rejected("mix", "none", OUT_OF_SIGHT, 1),)
        assert_alike(found, trace(block, features() * seed))


LEAVING = ("numpy", "cpu", "item", "tolist", "__array__", "__bool__", "__float__")


class Leaving(torch.overrides.TorchFunctionMode):
    """Stands in for an accelerator: a list of the calls by which values would leave it, and wait for it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        to_host = func.__name__ == "to" and "cpu" in (*args, *(kwargs or {}).values())
        self.seen += [func.__name__] if func.__name__ in LEAVING or to_host else []
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["published CBAM", "selective kernels", "picture by picture, by index", "compared"])
@torch.no_grad()
def test_no_value_leaves_its_device_before_the_pass_is_over(name, monkeypatch):
    block, batch, moved = gallery.made(name), gallery.features(), []
    to_host = gates.to_host
    with Leaving() as leaving:
        monkeypatch.setattr(
            gates, "to_host", lambda given: moved.append((len(given), len(leaving.seen))) or to_host(given)
        )
        tracer = Tracer(block)
        found = [
            tracer(batch),
            tracer(batch),
            tracer(batch, edits={tracer(batch).gates[0].name: lambda values: values}),
        ]
    assert len(moved) == 4
    assert [before for _, before in moved] == [sum(count for count, _ in moved[:i]) for i in range(4)]
    assert_alike(found[0], found[1])
