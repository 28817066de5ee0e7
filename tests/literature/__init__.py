"""Attention modules after their papers, in code of our own: what `trace` was measured on once it had been built.

Each is small, takes (N, 16, 8, 6) and gives features; the gates that it applies, in the order of execution, were
written down from the equations before `trace` saw the module.

entry      how a module is entered with its gates
channels   gates with a number for each channel, branch or sample
places     gates over places too
idioms     the same ideas in the habits of other hands
without    attention without a gate, and what resembles one
"""

import torch
from torch import Tensor, nn

from tests.literature import channels, idioms, places, without
from tests.literature.entry import MADE, C, H, W

__all__ = ["MADE", "channels", "features", "idioms", "made", "places", "without"]


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MADE[name][0]().eval()


def features() -> Tensor:
    return torch.randn(2, C, H, W, generator=torch.Generator().manual_seed(3))
