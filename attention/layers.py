"""Squeeze-and-excitation, CBAM and channel shuffle, as their papers state them.

Each block takes a feature map (N, C, H, W) and returns one of the same shape, so one line adds it to a
residual block. The gate is a submodule of its own: `block.gate(features)` is what multiplies the features.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn

Squeeze = Literal["average", "max", "both"]
Order = Literal["channel-spatial", "spatial-channel", "parallel"]
Norm = Literal["batch", "picture"]
Border = Literal["zeros", "reflect"]


class ChannelGate(nn.Module):
    """One number in (0, 1) for each channel: (N, C, H, W) -> (N, C, 1, 1).

    s = sigmoid(sum over poolings p of W2 relu(W1 p(u))), W1 in R^(C/r x C), W2 in R^(C x C/r), the same for
    each pooling. The average alone is SE's excitation (arXiv 1709.01507, eq. 2 and 3); average and maximum
    are CBAM's channel attention (arXiv 1807.06521, eq. 2). The papers' equations leave the biases out and
    their parameter counts include them; so does this module.

    Raises ValueError where the reduction leaves no hidden unit, or the squeeze is not one of the three.
    """

    def __init__(self, channels: int, reduction: int = 16, squeeze: Squeeze = "average") -> None:
        super().__init__()
        if not 1 <= reduction <= channels:
            raise ValueError(f"reduction ratio {reduction} is not in 1..{channels}, the number of channels")
        _check("squeeze", squeeze, ("average", "max", "both"))
        self.squeeze = squeeze
        self.mlp = nn.Sequential(
            nn.Linear(channels, channels // reduction), nn.ReLU(), nn.Linear(channels // reduction, channels)
        )

    def squeezed(self, features: Tensor) -> list[Tensor]:
        """The pooled vectors, each (N, C): the average, the maximum, or both in this order."""
        pooled = []
        if self.squeeze != "max":
            pooled.append(features.mean(dim=(2, 3)))
        if self.squeeze != "average":
            pooled.append(features.amax(dim=(2, 3)))
        return pooled

    def forward(self, features: Tensor) -> Tensor:
        branches = [self.mlp(vector) for vector in self.squeezed(features)]
        return torch.sigmoid(sum(branches[1:], branches[0]))[:, :, None, None]


class SpatialGate(nn.Module):
    """One number in (0, 1) for each place: (N, C, H, W) -> (N, 1, H, W).

    M_s = sigmoid(f_kxk([mean over channels; max over channels])), arXiv 1807.06521, eq. 3, where k = 7 did
    best. The authors' code normalises the map before the sigmoid over the pictures of a batch, which the equation
    leaves out and their parameter count includes; `normalise=None` is the bare equation. Normalised by "picture"
    (instance normalisation, arXiv 1607.08022) the map before the sigmoid has the same mean and spread in each picture,
    whatever the picture is; the learned scale may still make them small. Behind a border of zeros a convolution sees
    where the edge is; one that reflects the map hides it, and needs more places a side than half the kernel.

    Raises ValueError where the kernel is not 1, 3 or 7, or another option is none of those it has.
    """

    def __init__(
        self, kernel: int = 7, squeeze: Squeeze = "both", *, normalise: Norm | None = "batch", border: Border = "zeros"
    ) -> None:
        super().__init__()
        _check("kernel", kernel, (1, 3, 7))
        _check("squeeze", squeeze, ("average", "max", "both"))
        _check("normalise", normalise, ("batch", "picture", None))
        self.squeeze = squeeze
        maps = 2 if squeeze == "both" else 1
        self.conv = nn.Conv2d(maps, 1, kernel, padding=kernel // 2, padding_mode=border, bias=normalise is None)
        norms = {"batch": nn.BatchNorm2d(1), "picture": nn.InstanceNorm2d(1, eps=1e-4, affine=True)}
        self.norm = norms[normalise] if normalise else nn.Identity()

    def squeezed(self, features: Tensor) -> Tensor:
        """The pooled maps (N, 1 or 2, H, W): the mean, the maximum, or both in this order."""
        pooled = []
        if self.squeeze != "max":
            pooled.append(features.mean(dim=1, keepdim=True))
        if self.squeeze != "average":
            pooled.append(features.amax(dim=1, keepdim=True))
        return torch.cat(pooled, dim=1)

    def forward(self, features: Tensor) -> Tensor:
        return torch.sigmoid(self.norm(self.conv(self.squeezed(features))))


class SE(nn.Module):
    """Squeeze-and-excitation, arXiv 1709.01507: x_c = s_c u_c (eq. 4), s the `ChannelGate` of the features."""

    def __init__(self, channels: int, reduction: int = 16, squeeze: Squeeze = "average") -> None:
        super().__init__()
        self.gate = ChannelGate(channels, reduction, squeeze)

    def forward(self, features: Tensor) -> Tensor:
        return features * self.gate(features)


class PlainSE(nn.Module):
    """SE in the fewest words: two layers without biases, `view` from shape to shape, `expand_as` over the places.

    x = u * sigmoid(W2 relu(W1 mean(u))), arXiv 1709.01507, eq. 2 to 4: what `SE` is where its biases are 0.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.reduce = nn.Linear(channels, channels // reduction, bias=False)
        self.restore = nn.Linear(channels // reduction, channels, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        n, c, height, width = features.shape
        squeezed = features.view(n, c, height * width).mean(2)
        gate = torch.sigmoid(self.restore(torch.relu(self.reduce(squeezed))))
        return features * gate.view(n, c, 1, 1).expand_as(features)


class ChannelAttention(SE):
    """CBAM's channel attention: SE that squeezes by average and maximum through one shared MLP."""

    def __init__(self, channels: int, reduction: int = 16, squeeze: Squeeze = "both") -> None:
        super().__init__(channels, reduction, squeeze)


class SpatialAttention(nn.Module):
    """CBAM's spatial attention: F' = M_s * F, the map broadcast over the channels; made of what `SpatialGate` takes."""

    def __init__(self, kernel: int = 7, squeeze: Squeeze = "both", **options: Any) -> None:
        super().__init__()
        self.gate = SpatialGate(kernel, squeeze, **options)

    def forward(self, features: Tensor) -> Tensor:
        return features * self.gate(features)


class CBAM(nn.Module):
    """Channel, then spatial attention, arXiv 1807.06521, eq. 1: F' = M_c(F) * F; F'' = M_s(F') * F'.

    `order` gives the paper's alternatives too: spatial first, or both gates computed from the input
    ("parallel"): F'' = M_s(F) * M_c(F) * F.
    """

    def __init__(
        self,
        channels: int,
        reduction: int = 16,
        kernel: int = 7,
        *,
        squeeze: Squeeze = "both",
        order: Order = "channel-spatial",
    ) -> None:
        super().__init__()
        _check("order", order, ("channel-spatial", "spatial-channel", "parallel"))
        self.order = order
        self.channel = ChannelAttention(channels, reduction, squeeze)
        self.spatial = SpatialAttention(kernel, squeeze)

    def forward(self, features: Tensor) -> Tensor:
        if self.order == "channel-spatial":
            return self.spatial(self.channel(features))
        if self.order == "spatial-channel":
            return self.channel(self.spatial(features))
        return self.channel(features) * self.spatial.gate(features)


class ChannelShuffle(nn.Module):
    """Interleave the groups: channel i of group j moves to place i * groups + j (arXiv 1707.01083, section 3.1).

    Raises ValueError where the groups do not divide the channels of the features.
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, features: Tensor) -> Tensor:
        n, c, h, w = features.shape
        if c % self.groups:
            raise ValueError(f"{self.groups} groups do not divide {c} channels")
        return features.view(n, self.groups, c // self.groups, h, w).transpose(1, 2).reshape(n, c, h, w)


def _check(option: str, given: object, allowed: tuple[object, ...]) -> None:
    if given not in allowed:
        raise ValueError(f"{option} {given!r} is not one of {', '.join(map(str, allowed))}")
