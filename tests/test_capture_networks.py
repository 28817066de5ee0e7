"""Networks of torchvision, with random weights: exactly their squeeze-and-excitation blocks, and no bit moved."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from attention.capture import trace

models = pytest.importorskip("torchvision.models")
operations = pytest.importorskip("torchvision.ops")

VIT = {"image_size": 64, "patch_size": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 32, "mlp_dim": 64}
MAXVIT = {
    "input_size": (64, 64),
    "stem_channels": 16,
    "partition_size": 2,
    "block_channels": [16, 32],
    "block_layers": [1, 1],
    "head_dim": 8,
    "stochastic_depth_prob": 0.1,
}
MAKERS = {
    "resnet18": lambda: models.resnet18(),
    "mobilenet_v3_small": lambda: models.mobilenet_v3_small(),
    "efficientnet_b0": lambda: models.efficientnet_b0(),
    "regnet_y_400mf": lambda: models.regnet_y_400mf(),
    "densenet121": lambda: models.densenet121(),
    "convnext_tiny": lambda: models.convnext_tiny(),
    "shufflenet_v2_x0_5": lambda: models.shufflenet_v2_x0_5(),
    "maxvit": lambda: models.MaxVit(**MAXVIT),
    "vit": lambda: models.VisionTransformer(**VIT),
}
BLOCKS = {"mobilenet_v3_small": 9, "efficientnet_b0": 16, "regnet_y_400mf": 16, "maxvit": 2}


def network(name):
    torch.manual_seed(0)
    module = MAKERS[name]().eval()
    if name == "vit":  # its head starts at zero
        nn.init.normal_(module.heads.head.weight)
    return module


def hooked(module, batch):
    """The gates by hooks on the class, and what they multiply."""
    gates, handles = {}, []
    for name, part in module.named_modules():
        if isinstance(part, operations.SqueezeExcitation):
            keep = lambda _m, _i, output, name=name: gates.__setitem__(name, output[:, :, 0, 0].numpy())  # noqa: E731
            handles.append(part.scale_activation.register_forward_hook(keep))
    module(batch)
    for handle in handles:
        handle.remove()
    return gates


@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # of older torchvision's MaxViT
@pytest.mark.parametrize("name", MAKERS)
@torch.no_grad()
def test_the_gates_are_the_squeeze_and_excitation_blocks(name):
    module, batch = network(name), torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    found, expected = trace(module, batch), hooked(module, batch)
    assert torch.equal(found.output, module(batch))
    assert len(expected) == BLOCKS.get(name, 0)
    assert [gate.name for gate in found.gates] == list(expected)
    for gate in found.gates:
        assert (gate.kind, gate.activation) == ("channel", "hardsigmoid" if "mobilenet" in name else "sigmoid")
        np.testing.assert_array_equal(gate.values, expected[gate.name])
    identity = trace(module, batch, edits={name: lambda values: values for name in expected})
    assert torch.equal(identity.output, found.output)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "convnext_tiny"])
@torch.no_grad()
def test_stochastic_depth_and_dropout_in_training_are_no_gates(name):
    module, batch = network(name).train(), torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    twin = network(name).train()
    torch.manual_seed(5)
    found = trace(module, batch)
    torch.manual_seed(5)
    assert torch.equal(found.output, twin(batch))
    assert len(found.gates) == BLOCKS.get(name, 0)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0"])
@torch.no_grad()
def test_their_blocks_are_explained_step_by_step(name):
    module, batch = network(name), torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    names = [name for name, part in module.named_modules() if isinstance(part, operations.SqueezeExcitation)]
    for block, steps in trace(module, batch, steps=names).steps.items():
        part = module.get_submodule(block)
        squeezed = torch.from_numpy(steps.before).mean((2, 3), keepdim=True)
        hidden = part.activation(part.fc1(squeezed))
        np.testing.assert_allclose(steps.squeezed["average"], squeezed[:, :, 0, 0], atol=1e-5)
        np.testing.assert_allclose(steps.hidden["average"], hidden[:, :, 0, 0], atol=1e-5)
        np.testing.assert_allclose(steps.branches["average"], part.fc2(hidden)[:, :, 0, 0], atol=1e-5)


class Attending(nn.Module):
    def __init__(self, batch_first):
        super().__init__()
        self.attention = nn.MultiheadAttention(32, 2, batch_first=batch_first)

    def forward(self, pictures):
        tokens = pictures.flatten(2).transpose(1, 2)
        return self.attention(tokens, tokens, tokens)


@torch.no_grad()
def test_what_a_hook_makes_of_the_arguments_of_attention_is_what_it_attends_to():
    torch.manual_seed(0)
    module, batch = Attending(True).eval(), torch.randn(2, 32, 8, 8)
    module.attention.register_forward_pre_hook(lambda module, given: (2 * given[0], *given[1:]))
    for one, other in zip(trace(module, batch).output, module(batch), strict=True):
        torch.testing.assert_close(one, other)


class AttendingByFunction(nn.Module):
    def __init__(self):
        super().__init__()
        self.part = nn.MultiheadAttention(32, 2)

    def forward(self, pictures):
        tokens, part = pictures.flatten(2).permute(2, 0, 1), self.part
        weights = part.in_proj_weight, part.in_proj_bias, None, None, False, 0.0, part.out_proj.weight
        return F.multi_head_attention_forward(tokens, tokens, tokens, 32, 2, *weights, part.out_proj.bias)[0]


@torch.no_grad()
def test_attention_by_torch_s_function_alone_is_what_it_gives():
    torch.manual_seed(0)
    module, batch = AttendingByFunction().eval(), torch.randn(2, 32, 8, 8)
    assert torch.equal(trace(module, batch).output, module(batch))


@pytest.mark.parametrize(("batch_first", "fused"), [(True, 1), (False, 0)])
@torch.no_grad()
def test_attention_keeps_its_fused_path_where_it_has_one(batch_first, fused, monkeypatch):
    """Torch shuts that path under a function mode, and the last bits of the other one differ."""
    torch.manual_seed(0)
    module, batch = Attending(batch_first).eval(), torch.randn(2, 32, 8, 8)
    expected, native, calls = module(batch), torch._native_multi_head_attention, []
    monkeypatch.setattr(torch, "_native_multi_head_attention", lambda *given: calls.append(given) or native(*given))
    for one, other in zip(trace(module, batch).output, expected, strict=True):
        assert torch.equal(one, other)
        assert one.stride() == other.stride()
    assert len(calls) == fused
