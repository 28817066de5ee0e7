"""What the blocks of the gallery are made of."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS, HEIGHT, WIDTH = 8, 6, 5

Block = Callable[[nn.Module, Tensor], Tensor]
Found = tuple[str, str, str]
"""What `trace` is to say of a gate: name, kind and activation."""


class Function(nn.Module):
    """A forward written as one function of the module and its features; `parts` are its layers."""

    def __init__(self, block: Block, **parts: nn.Module) -> None:
        super().__init__()
        self.block = block
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, features: Tensor) -> Tensor:
        return self.block(self, features)


def linear() -> dict[str, nn.Module]:
    return {"down": nn.Linear(CHANNELS, 4), "up": nn.Linear(4, CHANNELS)}


def pointwise() -> dict[str, nn.Module]:
    return {"down": nn.Conv2d(CHANNELS, 4, 1), "up": nn.Conv2d(4, CHANNELS, 1)}


def logits(m: nn.Module, x: Tensor) -> Tensor:
    """(N, C) of the linear layers, (N, C, 1, 1) of the convolutions."""
    vector = x.mean((2, 3)) if isinstance(m.down, nn.Linear) else F.adaptive_avg_pool2d(x, 1)
    return m.up(F.relu(m.down(vector)))


def square() -> nn.Module:
    return nn.Conv2d(CHANNELS, CHANNELS, 1)
