"""Attention without a gate, and what resembles one."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.literature.entry import C, H, W, conv, published


@published("routed kernels")
class RoutedKernels(nn.Module):
    """Kernels mixed by weights of the picture: no features are multiplied."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.route = nn.Parameter(torch.randn(4, C * C * 9)), nn.Linear(C, 4)

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        weight = (torch.sigmoid(self.route(x.mean((2, 3)))) @ self.weight).view(n * C, C, 3, 3)
        return F.conv2d(x.reshape(1, n * C, H, W), weight, padding=1, groups=n).view(n, C, H, W)


@published("non-local block")
class NonLocal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.out = conv(out=8), conv(out=8), conv(out=8), conv(8, C)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).flatten(2) for layer in (self.q, self.k, self.v))
        return x + self.out((v @ (q.transpose(1, 2) @ k).softmax(-1).transpose(1, 2)).view(-1, 8, H, W))


@published("double attention")
class DoubleAttention(nn.Module):
    """Features gathered and distributed by two softmaxes, in matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.v = conv(), conv(out=4), conv(out=4)

    def forward(self, x: Tensor) -> Tensor:
        a, b, v = (layer(x).flatten(2) for layer in (self.a, self.b, self.v))
        gathered = torch.bmm(a, b.softmax(-1).transpose(1, 2))
        return torch.bmm(gathered, v.softmax(1)).view(x.shape)


@published("external attention")
class External(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.keys, self.values = nn.Linear(C, 8, bias=False), nn.Linear(8, C, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weights = self.keys(x.flatten(2).transpose(1, 2)).softmax(dim=1)
        weights = weights / (1e-9 + weights.sum(dim=2, keepdim=True))
        return self.values(weights).transpose(1, 2).reshape(x.shape)


@published("funnel activation")
class Funnel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(kernel=3, groups=C)

    def forward(self, x: Tensor) -> Tensor:
        return torch.max(x, self.conv(x))


@published("gated feed-forward with depthwise convolutions")
class GatedFeedForward(nn.Module):
    """Half times the other's gelu, after one depthwise convolution of both."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.near, self.out = conv(out=32), conv(32, 32, 3, groups=32), conv(16, C)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.near(self.into(x)).chunk(2, dim=1)
        return self.out(F.gelu(a) * b)


@published("transposed attention with a temperature")
class Transposed(nn.Module):
    """Attention between channels of normalised queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.t, self.out = conv(out=3 * C), nn.Parameter(torch.ones(2, 1, 1)), conv()

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).view(x.size(0), 3, 2, C // 2, H * W).unbind(1)
        q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
        return self.out(((q @ k.transpose(-2, -1) * self.t).softmax(-1) @ v).reshape(x.shape))


@published("deviation normalisation with a learned scale")
class OwnNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, C, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * (x - x.mean((1, 2, 3), keepdim=True)) * (x.var((1, 2, 3), keepdim=True) + 1e-5).rsqrt()
