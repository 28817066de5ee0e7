"""Blocks with one gate over features of one, two and three axes of places, and the kind of each."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHANNELS = 8
SIZES = {1: (7,), 2: (6, 5), 3: (4, 6, 5)}
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLS = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def features(rank: int) -> Tensor:
    return torch.randn(2, CHANNELS, *SIZES[rank], generator=torch.Generator().manual_seed(1))


class Gated(nn.Module):
    """A block whose gate is made by pooling over some axes, one convolution and a sigmoid; or by two of those."""

    def __init__(self, rank: int, *keep: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rank, self.keep = rank, keep
        places = ("depth", "height", "width")[3 - rank :]
        self.pooled = [[d for d, axis in enumerate(("channel", *places), 1) if axis not in part] for part in keep]
        widths = [CHANNELS if "channel" in part else 1 for part in keep]
        self.layers = nn.ModuleList(CONVOLUTIONS[rank](width, width, 1) for width in widths)

    def gate(self, x: Tensor) -> Tensor:
        parts = [
            layer(F.relu(x.mean(axes, keepdim=True))) for layer, axes in zip(self.layers, self.pooled, strict=True)
        ]
        return torch.sigmoid(sum(parts))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


CASES = [
    (1, ("channel",), "channel"),
    (1, ("width",), "token"),
    (1, ("channel", "width"), "full"),
    (2, ("channel",), "channel"),
    (2, ("height width",), "spatial"),
    (3, ("channel",), "channel"),
    (3, ("depth height width",), "volume"),
    (3, ("channel", "depth height width"), "full"),
    (3, ("depth",), "depth"),
    (3, ("height",), "height"),
    (3, ("channel depth",), "channel-depth"),
    (3, ("depth height",), "depth-height"),
    (3, ("depth width",), "depth-width"),
    (3, ("height width",), "spatial"),
]
