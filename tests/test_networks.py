"""The four variants: what they share, where attention stands, how large they are; and EfficientNet-B0 beside timm's."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from attention import capture, networks
from attention.layers import CBAM, SE
from attention.networks import BasicBlock, GroupedBlock

VARIANTS = tuple(networks.VARIANTS)
TF_B0 = "tf_efficientnet_b0"
CLASSES = 10


class Zero(nn.Module):
    def forward(self, features):
        return torch.zeros_like(features)


def built(variant):
    torch.manual_seed(0)
    return networks.build(variant, CLASSES).eval()


def blocks(network):
    return [module for module in network.modules() if isinstance(module, BasicBlock)]


def shapes(network, without):
    return {name: value.shape for name, value in network.state_dict().items() if f".{without}." not in name}


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def open_gates(network):
    """Every gate at 1, by biases that leave the sigmoid no choice."""
    for module in network.modules():
        if isinstance(module, SE):
            nn.init.constant_(module.gate.mlp[2].bias, 1e4)
        if isinstance(module, CBAM):
            nn.init.constant_(module.spatial.gate.norm.bias, 1e4)


@pytest.mark.parametrize("variant", ["se", "cbam"])
def test_without_its_attention_a_variant_is_the_plain_network(variant):
    network, plain = built(variant), built("plain")
    assert shapes(network, "attention") == shapes(plain, "attention")
    for block in blocks(network):
        block.attention = nn.Identity()
    assert repr(network) == repr(plain)


def test_se_resnext_differs_from_se_in_the_branch_of_the_block_alone():
    network, twin = built("se-resnext"), built("se")
    assert shapes(network, "branch") == shapes(twin, "branch")
    assert {type(block) for block in blocks(network)} == {GroupedBlock}
    assert {type(block.attention) for block in blocks(network)} == {SE}


@pytest.mark.parametrize("variant", ["se", "cbam"])
def test_with_every_gate_open_a_variant_gives_what_the_plain_network_gives(variant):
    network, plain = built(variant), built("plain")
    network.load_state_dict(plain.state_dict(), strict=False)
    pictures = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert not torch.allclose(network(pictures), plain(pictures), atol=1e-3)
        open_gates(network)
        torch.testing.assert_close(network(pictures), plain(pictures))


@pytest.mark.parametrize("variant", VARIANTS)
def test_attention_stands_on_the_residual_branch_before_the_addition(variant):
    for block in blocks(built(variant)):
        features = torch.randn(1, block.branch[0].in_channels, 8, 8)
        block.attention = Zero()
        with torch.inference_mode():
            assert torch.equal(block(features), torch.relu(block.shortcut(features)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_block_is_relu_of_the_weighed_branch_plus_the_shortcut(variant):
    for block in blocks(built(variant)):
        features = torch.randn(1, block.branch[0].in_channels, 8, 8)
        with torch.inference_mode():
            branch = block.branch(features)
            assert torch.equal(block(features), torch.relu(block.attention(branch) + block.shortcut(features)))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("side", [64, 96])
def test_stages_halve_the_picture_and_widen_the_channels(variant, side):
    network, seen = built(variant), []
    for stage in range(1, 5):
        network.get_submodule(f"layer{stage}").register_forward_hook(lambda *args: seen.append(tuple(args[2].shape)))
    with torch.inference_mode():
        assert network(torch.randn(2, 3, side, side)).shape == (2, CLASSES)
    wanted = [(2, width, side // 4 >> stage, side // 4 >> stage) for stage, width in enumerate(networks.WIDTHS)]
    assert seen == wanted


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_network_has_eight_blocks(variant):
    assert len(blocks(built(variant))) == 8


@pytest.mark.parametrize("variant", ["plain", "se", "cbam"])
def test_a_network_has_about_2_8_million_parameters(variant):
    assert parameters(built(variant)) == pytest.approx(2.8e6, rel=0.04)


def test_attention_costs_what_its_layers_cost():
    plain = parameters(built("plain"))
    widths = [width for width in networks.WIDTHS for _ in range(networks.BLOCKS_PER_STAGE)]
    for variant, layer in (("se", SE), ("cbam", CBAM)):
        cost = sum(parameters(layer(width, networks.REDUCTION)) for width in widths)
        assert parameters(built(variant)) - plain == cost


def test_the_grouped_convolutions_have_the_cardinality_of_the_paper():
    grouped = [m for m in built("se-resnext").modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    assert len(grouped) == 8
    assert {conv.groups for conv in grouped} == {networks.CARDINALITY}
    assert {conv.kernel_size for conv in grouped} == {(3, 3)}


def test_an_unknown_variant_is_refused_with_the_ones_there_are():
    with pytest.raises(ValueError, match="no network 'senet'; there are plain, se, cbam, se-resnext, efficientnet-b0"):
        networks.build("senet", CLASSES)


def test_every_variant_is_described():
    assert set(networks.DESCRIPTIONS) == set(networks.VARIANTS)


@pytest.fixture(scope="module")
def efficientnets():
    """Ours and timm's tf_efficientnet_b0 with the same weights, statistics of normalisation among them."""
    torch.manual_seed(0)
    ours, theirs = (
        networks.build("efficientnet-b0", CLASSES).eval(),
        timm.create_model(TF_B0, num_classes=CLASSES).eval(),
    )
    state = theirs.state_dict()
    for key, value in state.items():
        if key.endswith("running_mean"):
            value.normal_(0, 0.1)
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    ours.load_state_dict(state)
    return ours, theirs


@pytest.mark.parametrize("size", [(224, 224), (97, 97), (130, 225), (32, 33)])
def test_efficientnet_b0_is_timms_bit_for_bit_in_every_gate_too(efficientnets, size):
    pictures = torch.randn(2, 3, *size)
    with torch.inference_mode():
        one, other = (capture.trace(network, pictures) for network in efficientnets)
    assert torch.equal(one.output, other.output)
    assert [gate.name for gate in one.gates] == [gate.name for gate in other.gates] and len(one.gates) == 16
    assert all(np.array_equal(a.values, b.values) for a, b in zip(one.gates, other.gates, strict=True))


@pytest.mark.parametrize(
    ("size", "kernel", "stride"), [(8, 3, 2), (9, 3, 2), (8, 5, 2), (7, 5, 3), (6, 3, 1), (4, 1, 2)]
)
def test_same_padding_gives_every_stride_th_place_of_a_padded_row(size, kernel, stride):
    """The slow twin: TensorFlow's rule, one output at a time."""
    conv, row = networks.SamePadded(1, 1, kernel, stride, bias=False), torch.randn(size)
    places = -(-size // stride)
    before = max((places - 1) * stride + kernel - size, 0) // 2
    picture = row.expand(size, size)  # every row the same
    with torch.inference_mode():
        given = conv(picture[None, None])[0, 0]
    middle = places // 2
    top = middle * stride - before
    weights = conv.weight[0, 0].detach()
    for place in range(places):
        wanted = sum(
            float(row[column] * weights[y, x])
            for y in range(kernel)
            for x in range(kernel)
            if 0 <= top + y < size and 0 <= (column := place * stride - before + x) < size
        )
        assert given[middle, place].item() == pytest.approx(wanted, abs=1e-5)
    assert given.shape == (places, places)


def test_cbam_b0_is_b0_with_a_spatial_gate_of_a_hundred_numbers_behind_each_channel_gate():
    plain, attentive = (networks.build(name, CLASSES) for name in ("efficientnet-b0", "cbam-b0"))
    assert parameters(attentive) == parameters(plain) + 16 * (2 * 7 * 7 + 2)
    assert shapes(plain, "se") == shapes(attentive, "se")


def test_every_gate_of_cbam_b0_is_told_step_by_step():
    network = built("cbam-b0")
    pictures = torch.randn(1, 3, 224, 224)
    names = [gate.name for gate in capture.trace(network, pictures).gates]
    assert [name.rpartition(".")[2] for name in names] == ["channel", "spatial"] * 16
    steps = capture.trace(network, pictures, steps=names).steps
    assert list(steps) == names
    for name, each in steps.items():
        assert list(each.squeezed if name.endswith("channel") else each.pooled) == ["average", "max"]
