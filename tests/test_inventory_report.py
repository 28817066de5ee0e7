"""The attention blocks that are known by their class, against the gates that a pass finds in them and elsewhere."""

import torch
from torch import Tensor, nn

from attention import capture, layers
from attention.cost import measure
from attention.inventory import all_rows, inventory
from attention.records import Inventory

SIDE = 16


def taken(own: nn.Module) -> Inventory:
    with torch.inference_mode():
        gates = capture.trace(own, torch.rand(1, 3, SIDE, SIDE)).gates
    return inventory(own, measure(own, (1, 3, SIDE, SIDE)), gates)


class Mixed(nn.Module):
    """A known block, a published one that only makes its gate, an unlisted one, and one that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.own = layers.SE(8, 2)
        self.block = Applying()
        self.new = Invented()
        self.idle = layers.SE(8, 2)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.new(self.block(self.own(self.conv(pictures))))


class SELayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(8, 8, 1)

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.fc(features.mean((2, 3), keepdim=True)))


class Applying(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.se = SELayer()

    def forward(self, features: Tensor) -> Tensor:
        features = self.conv(features)
        return self.se(features) * features


class Invented(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(8, 8, 1)

    def forward(self, features: Tensor) -> Tensor:
        return features * torch.sigmoid(self.fc(features.amax((2, 3), keepdim=True)))


def test_known_blocks_are_set_against_the_gates_found():
    found = taken(Mixed().eval())
    assert [(block.name, block.form, block.gates) for block in found.known] == [
        ("own", "SE", ("own",)),
        ("block.se", "SE", ("block",)),
        ("idle", "SE", ()),
    ]
    assert [(gate.gate, gate.module) for gate in found.unlisted] == [("new", "Invented")]


def test_only_what_makes_the_gate_of_a_residual_block_is_attention():
    own = Mixed().eval()
    parts = {row.part.name: row.part for row in all_rows(taken(own).network)}
    assert parts["block"].attention_parameters == parts["block.se"].parameters < parts["block"].parameters
    assert parts["new"].form == "Invented"
    assert parts["new"].attention_parameters == parts["new"].parameters


class ChannelAttention(SELayer):
    """One half of CBAM as it is often written: it makes its gate, and the block applies it."""


class SpatialAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.conv(torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], 1)))


class TwoCalls(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.ca, self.sa = nn.Conv2d(3, 8, 3, padding=1), ChannelAttention(), SpatialAttention()

    def forward(self, pictures: Tensor) -> Tensor:
        features = self.conv(pictures)
        features = self.ca(features) * features
        return self.sa(features) * features


class HalfUsed(TwoCalls):
    def __init__(self) -> None:
        super().__init__()
        self.ca = type("ChannelAttention", (Invented,), {})()

    def forward(self, pictures: Tensor) -> Tensor:
        return self.ca(self.conv(pictures))


def test_two_gates_side_by_side_are_one_block():
    (block,) = taken(TwoCalls().eval()).known
    assert (block.name, block.module) == ("ca + sa", "ChannelAttention + SpatialAttention")
    assert block.form == "CBAM" and len(block.gates) == 2


def test_a_half_without_a_gate_is_not_hidden_in_its_block():
    channel, spatial = taken(HalfUsed().eval()).known
    assert channel.gates == ("ca",) and spatial.name == "sa" and not spatial.gates
