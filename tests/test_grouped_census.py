"""The census of a network's convolutions against torch's own counts; it leaves the network alone."""

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from attention.cost import measure
from attention.grouped import Convolution, convolutions, cost_of
from attention.networks import build

SIDE = 32


@pytest.mark.parametrize("variant", ["plain", "cbam", "se-resnext"])
def test_the_census_counts_what_torch_counts(variant):
    network = build(variant, 10).eval()
    layers = convolutions(measure(network, (1, 3, SIDE, SIDE)))
    modules = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    assert {layer.name for layer in layers} == set(modules)
    for layer in layers:
        module = modules[layer.name]
        assert layer.cost.parameters == sum(parameter.numel() for parameter in module.parameters())
        assert (layer.convolution.groups, layer.convolution.kernel) == (module.groups, module.kernel_size)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 3, SIDE, SIDE))
    counted = counter.get_flop_counts()["Global"][torch.ops.aten.convolution]
    assert 2 * sum(layer.cost.macs for layer in layers) == counted


def test_the_census_finds_the_grouped_layers_and_what_they_save():
    layers = convolutions(measure(build("se-resnext", 10), (1, 3, SIDE, SIDE)))
    inside = [layer for layer in layers if layer.convolution.groups > 1]
    assert len(inside) == 8
    assert all(layer.ungrouped.parameters == 8 * layer.cost.parameters for layer in inside)
    assert all(layer.ungrouped == layer.cost for layer in layers if layer.convolution.groups == 1)


class ByHand(nn.Module):
    """A convolution that no module holds, one applied twice, and one whose arguments all have names."""

    def __init__(self):
        super().__init__()
        self.kernels = nn.Parameter(torch.ones(4, 3, 1, 1))
        self.twice = nn.Conv2d(4, 4, 3, padding=1, groups=2)

    def forward(self, picture):
        features = F.conv2d(input=picture, weight=self.kernels, stride=2)
        return F.conv2d(self.twice(self.twice(features)), torch.ones(1, 4, 1, 1))


def test_the_census_reads_the_pass_not_the_modules():
    measured = measure(ByHand(), (1, 3, 8, 6))
    layers = convolutions(measured)
    assert [name for name, _ in measured.convolutions] == ["kernels", "twice", "twice", ""]
    assert [layer.name for layer in layers] == ["kernels", "twice", ""]
    assert layers[1].cost.macs == sum(cost_of(each).macs for name, each in measured.convolutions if name == "twice")
    assert layers[1].ungrouped.macs == 2 * layers[1].cost.macs  # of two groups
    assert layers[0].convolution == Convolution(3, 4, (1, 1), 1, 4, 3, False)
    assert layers[1].convolution == Convolution(4, 4, (3, 3), 2, 4, 3, True)


class Standardised(nn.Module):
    """Convolutions whose weights are made anew in each pass, and so are no parameters."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 8, 1, groups=2)

    def forward(self, features):
        for layer in (self.one, self.two, self.two):
            weight = layer.weight / layer.weight.std()
            features = F.conv2d(features, weight, None, layer.stride, layer.padding, groups=layer.groups)[:, :4]
        return features


def test_convolutions_whose_weights_are_computed_are_a_row_each():
    layers = convolutions(measure(Standardised(), (1, 3, 8, 6)))
    assert [layer.name for layer in layers] == ["", "", ""]
    assert [layer.cost.macs for layer in layers] == [4 * 27 * 48, 8 * 2 * 48, 8 * 2 * 48]
    assert [layer.ungrouped.macs for layer in layers] == [4 * 27 * 48, 8 * 4 * 48, 8 * 4 * 48]


def test_the_census_leaves_nothing_on_the_network():
    network = build("se-resnext", 10).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    convolutions(measure(network, (1, 3, SIDE, SIDE)))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_several_threads_count_one_network_at_once():
    network = build("se-resnext", 10).eval()

    def count(side):
        return convolutions(measure(network, (1, 3, side, side)))

    alone = {side: count(side) for side in (32, 48)}
    found = {side: [] for side in alone}
    threads = [threading.Thread(target=lambda side=side: found[side].append(count(side))) for side in (*alone, *alone)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {side: [layers, layers] for side, layers in alone.items()}


def test_a_transposed_convolution_and_one_of_one_dimension_are_none_of_the_census():
    class Others(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.line = nn.ConvTranspose2d(3, 4, 2, 2), nn.Conv1d(4, 4, 3)

        def forward(self, picture):
            return self.line(self.wide(picture).mean(3))

    measured = measure(Others(), (1, 3, SIDE, SIDE))
    assert convolutions(measured) == () and measured.macs["wide"] == 3 * 4 * 4 * SIDE**2
