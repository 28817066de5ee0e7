"""Gates that leave 0 to 1, and CBAM's two gates in every order, as a person's own code has them."""

import torch
from torch import Tensor, nn

from attention.models import code
from attention.models.code import ModelOptions
from attention.observe import Observation, Picture, observe
from tests.pictures import photo


class Twice(nn.Module):
    """A channel gate of twice a sigmoid, which amplifies too."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, channels // 2), nn.Linear(channels // 2, channels)

    def gate(self, features: Tensor) -> Tensor:
        return self.up(self.down(features.mean((2, 3))).relu())

    def forward(self, features: Tensor) -> Tensor:
        return features * (2 * torch.sigmoid(8 * self.gate(features)))[:, :, None, None]


class Turning(Twice):
    """One of a hyperbolic tangent, which turns signs."""

    def forward(self, features: Tensor) -> Tensor:
        return features * torch.tanh(self.gate(features))[:, :, None, None]


class TurningPlaces(nn.Module):
    """CBAM's gate of each place, by a hyperbolic tangent."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        pooled = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], 1)
        return features * torch.tanh(self.conv(pooled))


class Chain(nn.Module):
    """Blocks one after the other, a class for each of five channels."""

    def __init__(self, *blocks: nn.Module, channels: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(blocks)
        self.mixes = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in blocks)
        self.last = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for block, mix in zip(self.blocks, self.mixes, strict=True):
            x = mix(block(x)).relu()
        return self.last(x.mean((2, 3)))


def seen(*blocks: nn.Module, size: int = 64) -> Observation:
    """These blocks of 16 channels each, in one network with random weights, on a small picture."""
    torch.manual_seed(0)
    network = code.network(Chain(*blocks), "signed", ModelOptions(image_size=size))
    return observe(network, Picture("a photo", photo(), "signed"))
