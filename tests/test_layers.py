"""Each layer against its slow twin, with all its options; its errors; and the papers' parameter counts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from attention.layers import CBAM, SE, ChannelAttention, ChannelGate, ChannelShuffle, SpatialAttention, SpatialGate
from tests import references
from tests.references import Mlp, Response

SQUEEZES = ("average", "max", "both")
KERNELS = (1, 3, 7)
ORDERS = ("channel-spatial", "spatial-channel", "parallel")
RESNET50 = {256: 3, 512: 4, 1024: 6, 2048: 3}
RESNET18 = {64: 2, 128: 2, 256: 2, 512: 2}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def batch(channels, height=5, width=6, pictures=2):
    return torch.randn(pictures, channels, height, width, dtype=torch.float64)


def settled(module):
    """The module in float64 and eval mode, its normalisation with statistics as after a training."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return module.double().eval()


def mlp_of(gate):
    first, _, second = gate.mlp
    return Mlp(*(t.detach().numpy() for t in (first.weight, first.bias, second.weight, second.bias)))


def response_of(gate):
    kernel = gate.conv.weight[0].detach().numpy()
    if gate.conv.bias is not None:
        return Response(kernel, 1.0, gate.conv.bias.item())
    scale = gate.norm.weight.item() / (gate.norm.running_var.item() + gate.norm.eps) ** 0.5
    return Response(kernel, scale, gate.norm.bias.item() - scale * gate.norm.running_mean.item())


def channel_twin(features, gate):
    return references.channel_gate(features, mlp_of(gate), gate.squeeze)


def spatial_twin(features, gate):
    return references.spatial_gate(features, response_of(gate), gate.squeeze)


def assert_same(given, wanted):
    np.testing.assert_allclose(given.detach().numpy(), wanted, rtol=1e-10, atol=1e-12)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def extra_parameters(stages, block):
    """Parameters of one attention module in every block of a network: {channels: blocks}."""
    return sum(blocks * parameters(block(channels)) for channels, blocks in stages.items())


@pytest.mark.parametrize("squeeze", SQUEEZES)
@pytest.mark.parametrize(("channels", "reduction"), [(8, 1), (8, 2), (8, 8), (9, 4)])
def test_the_channel_gate_is_its_slow_twin(channels, reduction, squeeze):
    gate, features = settled(ChannelGate(channels, reduction, squeeze)), batch(channels)
    values = gate(features)
    assert values.shape == (2, channels, 1, 1)
    assert_same(values[:, :, 0, 0], channel_twin(features.numpy(), gate))


@pytest.mark.parametrize("normalise", ["batch", None])
@pytest.mark.parametrize("squeeze", SQUEEZES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_spatial_gate_is_its_slow_twin(kernel, squeeze, normalise):
    gate, features = settled(SpatialGate(kernel, squeeze, normalise=normalise)), batch(4)
    values = gate(features)
    assert values.shape == (2, 1, 5, 6)
    assert_same(values[:, 0], spatial_twin(features.numpy(), gate))


@pytest.mark.parametrize(("kernel", "channels"), [(3, 4), (7, 1), (7, 6)])
def test_a_spatial_gate_normalised_by_picture_behind_a_mirror_is_its_slow_twin(kernel, channels):
    torch.manual_seed(1)
    gate, features = SpatialGate(kernel, normalise="picture", border="reflect").double().eval(), batch(channels)
    nn.init.constant_(gate.norm.weight, 1.7)
    nn.init.constant_(gate.norm.bias, -0.4)
    twin = references.spatial_gate_by_picture(
        features.numpy(), gate.conv.weight[0].detach().numpy(), 1.7, -0.4, gate.norm.eps
    )
    assert_same(gate(features)[:, 0], twin)
    flat = gate(torch.ones(1, channels, 9, 9, dtype=torch.float64))
    torch.testing.assert_close(flat, torch.full_like(flat, 1 / (1 + np.exp(0.4))))


@settings(max_examples=30)
@given(
    channels=st.integers(1, 12),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    pictures=st.integers(1, 3),
    seed=st.integers(0, 10_000),
)
def test_cbam_is_its_slow_twin_for_any_shape(channels, height, width, pictures, seed):
    torch.manual_seed(seed)
    block, features = settled(CBAM(channels, min(2, channels))), batch(channels, height, width, pictures)
    once = references.weigh_channels(features.numpy(), channel_twin(features.numpy(), block.channel.gate))
    assert_same(block(features), references.weigh_places(once, spatial_twin(once, block.spatial.gate)))


@pytest.mark.parametrize("squeeze", SQUEEZES)
@pytest.mark.parametrize("layer", [SE, ChannelAttention])
def test_se_multiplies_the_channels_by_a_diagonal_matrix(layer, squeeze):
    block, features = settled(layer(8, 2, squeeze)), batch(8)
    gate = channel_twin(features.numpy(), block.gate)
    assert_same(block(features), references.weigh_channels(features.numpy(), gate))


@pytest.mark.parametrize("squeeze", SQUEEZES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_spatial_attention_multiplies_each_place(kernel, squeeze):
    block, features = settled(SpatialAttention(kernel, squeeze)), batch(4)
    gate = spatial_twin(features.numpy(), block.gate)
    assert_same(block(features), references.weigh_places(features.numpy(), gate))


@pytest.mark.parametrize("squeeze", SQUEEZES)
@pytest.mark.parametrize("order", ORDERS)
def test_cbam_follows_its_order(order, squeeze):
    block, given = settled(CBAM(8, 2, 3, squeeze=squeeze, order=order)), batch(8)
    features = given.numpy()
    channel, spatial = block.channel.gate, block.spatial.gate
    if order == "channel-spatial":
        once = references.weigh_channels(features, channel_twin(features, channel))
        wanted = references.weigh_places(once, spatial_twin(once, spatial))
    elif order == "spatial-channel":
        once = references.weigh_places(features, spatial_twin(features, spatial))
        wanted = references.weigh_channels(once, channel_twin(once, channel))
    else:
        once = references.weigh_channels(features, channel_twin(features, channel))
        wanted = references.weigh_places(once, spatial_twin(features, spatial))
    assert_same(block(given), wanted)


def test_the_three_orders_differ():
    blocks = [settled(CBAM(8, 2, 3, order=order)) for order in ORDERS]
    for block in blocks[1:]:
        block.load_state_dict(blocks[0].state_dict())
    features = batch(8)
    first, second, third = (block(features) for block in blocks)
    assert not torch.allclose(first, second)
    assert not torch.allclose(first, third)
    assert not torch.allclose(second, third)


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
def test_channel_shuffle_moves_each_channel_where_the_index_says(groups):
    features = batch(12)
    assert_same(ChannelShuffle(groups)(features), references.shuffle(features.numpy(), groups))


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 6, 12])
def test_shuffling_by_the_group_size_shuffles_back(groups):
    features = batch(12)
    assert torch.equal(ChannelShuffle(12 // groups)(ChannelShuffle(groups)(features)), features)


def test_the_squeezed_vectors_are_the_average_and_then_the_maximum():
    features = batch(3)
    average, strongest = ChannelGate(3, 1, "both").squeezed(features)
    assert_same(average, features.numpy().mean((2, 3)))
    assert_same(strongest, features.numpy().max((2, 3)))


def test_the_pooled_maps_are_the_average_and_then_the_maximum():
    features = batch(3)
    pooled = SpatialGate().squeezed(features)
    assert_same(pooled, np.stack([features.numpy().mean(1), features.numpy().max(1)], axis=1))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: ChannelGate(8, 0), "reduction ratio 0 is not in 1..8"),
        (lambda: ChannelGate(8, 16), "reduction ratio 16 is not in 1..8"),
        (lambda: SE(8, 2, "median"), "squeeze 'median' is not one of average, max, both"),
        (lambda: SpatialGate(5), "kernel 5 is not one of 1, 3, 7"),
        (lambda: SpatialGate(7, "median"), "squeeze 'median' is not one of average, max, both"),
        (lambda: SpatialGate(normalise="layer"), "normalise 'layer' is not one of batch, picture, None"),
        (lambda: CBAM(8, 2, 2), "kernel 2 is not one of 1, 3, 7"),
        (lambda: CBAM(8, 2, order="random"), "order 'random' is not one of channel-spatial, spatial-channel, parallel"),
        (lambda: ChannelShuffle(3)(torch.zeros(1, 8, 1, 1)), "3 groups do not divide 8 channels"),
    ],
)
def test_what_is_not_allowed_is_said(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_se_adds_to_resnet50_what_its_paper_says():
    without_biases = 2 * sum(blocks * channels**2 // 16 for channels, blocks in RESNET50.items())
    assert without_biases == 2_514_944
    assert extra_parameters(RESNET50, SE) == 2_514_944 + 16_048 == 28_088_024 - 25_557_032


def test_cbam_adds_1600_parameters_to_se_resnet50():
    assert extra_parameters(RESNET50, CBAM) - extra_parameters(RESNET50, SE) == 1_600 == 28_089_624 - 28_088_024


def test_se_and_cbam_add_to_resnet18_what_their_published_sizes_say():
    assert extra_parameters(RESNET18, SE) == 11_778_592 - 11_689_512
    assert extra_parameters(RESNET18, CBAM) == 11_779_392 - 11_689_512


def test_squeezing_by_two_poolings_costs_no_parameter():
    assert parameters(ChannelAttention(64)) == parameters(SE(64))


def test_each_layer_has_the_papers_reduction_ratio_of_16_and_kernel_of_7_unless_asked_otherwise():
    for layer in (ChannelGate(64), ChannelAttention(64), SE(64), CBAM(64)):
        assert [each.out_features for each in layer.modules() if isinstance(each, nn.Linear)] == [64 // 16, 64]
    for layer in (SpatialGate(), SpatialAttention(), CBAM(64)):
        assert {each.kernel_size for each in layer.modules() if isinstance(each, nn.Conv2d)} == {(7, 7)}
