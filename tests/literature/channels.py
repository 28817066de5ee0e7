"""Gates with a number for each channel, branch or sample."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.literature.entry import C, H, W, conv, published


@published("fully connected SE with a leaky hidden layer", "channel sigmoid")
class LeakySE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(C, 4), nn.LeakyReLU(), nn.Linear(4, C), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        n, c = x.shape[:2]
        return x * self.body(x.view(n, c, -1).mean(-1)).reshape(n, c, 1, 1)


@published("style recalibration", "channel sigmoid")
class StyleRecalibration(nn.Module):
    """Mean and deviation of each channel, weighted channel by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(C, 2))
        self.norm = nn.BatchNorm1d(C)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        style = torch.stack([flat.mean(2), flat.std(2)], dim=2)
        z = (style * self.weight[None]).sum(2)
        return x * torch.sigmoid(self.norm(z))[:, :, None, None]


@published("gated channel transformation", "channel tanh")
class GatedChannels(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, C, 1, 1))
        self.gamma = nn.Parameter(torch.randn(1, C, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, C, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        embedding = (x.pow(2).sum((2, 3), keepdim=True) + 1e-5).pow(0.5) * self.alpha
        norm = self.gamma / (embedding.pow(2).mean(1, keepdim=True) + 1e-5).pow(0.5)
        return x * (1.0 + torch.tanh(embedding * norm + self.beta))


@published("Gaussian context", "channel exp")
class GaussianContext(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool2d(x, 1)
        y = (y - y.mean(1, keepdim=True)) / (y.var(1, keepdim=True) + 1e-5).sqrt()
        return x * torch.exp(-(y**2) / 8)


@published("linear context", "channel sigmoid")
class LinearContext(nn.Module):
    """The squeezed channels, normalised in groups, with a scale and shift of each."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(torch.ones(1, C, 1, 1)), nn.Parameter(torch.zeros(1, C, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        y = x.mean((2, 3), keepdim=True).view(n, 4, C // 4)
        y = (y - y.mean(2, keepdim=True)) / (y.std(2, keepdim=True) + 1e-5)
        return x * torch.sigmoid(self.w * y.view(n, C, 1, 1) + self.b)


@published("frequency channel attention", "channel sigmoid")
class Frequency(nn.Module):
    """Squeeze by one cosine for each quarter of the channels."""

    def __init__(self) -> None:
        super().__init__()
        u, v = torch.arange(H).float(), torch.arange(W).float()
        bases = [
            torch.cos(math.pi * i * (u + 0.5) / H)[:, None] * torch.cos(math.pi * j * (v + 0.5) / W)[None]
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1))
        ]
        self.register_buffer("basis", torch.stack(bases).repeat_interleave(C // 4, 0))
        self.fc = nn.Sequential(nn.Linear(C, 4, bias=False), nn.ReLU(), nn.Linear(4, C, bias=False), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y = torch.sum(x * self.basis, dim=[2, 3])
        return x * self.fc(y).view(*y.shape, 1, 1).expand_as(x)


@published("second-order channel attention", "channel sigmoid")
class SecondOrder(nn.Module):
    """The rows of the channels' covariance, averaged, excite."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = conv(out=4), conv(4, C)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        centred = flat - flat.mean(2, keepdim=True)
        covariance = centred.bmm(centred.transpose(1, 2)) / flat.size(2)
        y = covariance.mean(2)[:, :, None, None]
        return x * torch.sigmoid(self.up(F.relu(self.down(y))))


@published("double attention of moments", "channel sigmoid")
class Moments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv1d(2, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3))
        skew = ((x - mean[:, :, None, None]) ** 3).mean((2, 3))
        y = self.mix(torch.stack([mean, skew], 1))
        return torch.sigmoid(y).squeeze(1)[..., None, None] * x


@published("attention residual of a global descriptor", "channel sigmoid")
class GlobalDescriptor(nn.Module):
    """Attention pooling, two layers with a norm, multiplication: global context."""

    def __init__(self) -> None:
        super().__init__()
        self.key = conv(out=1)
        self.body = nn.Sequential(conv(out=4), nn.LayerNorm([4, 1, 1]), nn.ReLU(), conv(4, C))

    def forward(self, x: Tensor) -> Tensor:
        n, c = x.shape[:2]
        weights = self.key(x).view(n, 1, -1).softmax(2).unsqueeze(-1)
        context = torch.matmul(x.view(n, c, -1).unsqueeze(1), weights).view(n, c, 1, 1)
        return x * torch.sigmoid(self.body(context))


@published("spatial pyramid attention", "channel sigmoid")
class Pyramid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(C * 21, 8), nn.ReLU(inplace=True), nn.Linear(8, C), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        levels = [F.adaptive_avg_pool2d(x, size).flatten(1) for size in (4, 2, 1)]
        return x * self.fc(torch.cat(levels, 1)).view(-1, C, 1, 1)


@published("pyramid split attention", "channel softmax")
class PyramidSplit(nn.Module):
    """Four kernels, an SE weight for each, softmax over the branches."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv(C, 4, k) for k in (1, 3, 5, 7)])
        self.se = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(4, 2), nn.ReLU(), conv(2, 4), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        maps = [one(x) for one in self.convs]
        features = torch.cat(maps, 1).view(x.size(0), 4, 4, H, W)
        weights = torch.cat([self.se(one) for one in maps], 1).view(x.size(0), 4, 4, 1, 1).softmax(1)
        return (features * weights).flatten(1, 2)


@published("contrast-aware channel attention", "channel sigmoid")
class Contrast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.du = nn.Sequential(conv(out=4), nn.ReLU(), conv(4, C), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        mean = x.sum(3, keepdim=True).sum(2, keepdim=True) / (H * W)
        variance = (x - mean).pow(2).sum(3, keepdim=True).sum(2, keepdim=True) / (H * W)
        return x * self.du(variance.pow(0.5) + mean)


@published("layer attention over depths", "branch softmax")
class Layers(nn.Module):
    """Correlations of three layers' features, softmax, applied by hand to one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv(kernel=3) for _ in range(3)])
        self.query = nn.Linear(C, 3)

    def forward(self, x: Tensor) -> Tensor:
        layers = [x]
        for each in self.convs:
            layers.append(F.relu(each(layers[-1])))
        stacked = torch.stack(layers[1:], 1)
        weights = F.softmax(self.query(layers[-1].mean((2, 3))), dim=-1)
        return torch.einsum("nbchw,nb->nbchw", stacked, weights).sum(1)


@published("dynamic branch weights", "sample sigmoid", "sample sigmoid")
class DynamicBranches(nn.Module):
    """A weight for each of two branches, taken out of one vector."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.score = conv(), conv(kernel=3), nn.Linear(C, 2)

    def forward(self, x: Tensor) -> Tensor:
        s = torch.sigmoid(self.score(x.mean((2, 3))))
        return self.a(x) * s[:, 0].view(-1, 1, 1, 1) + self.b(x) * s[:, 1].view(-1, 1, 1, 1)


@published("split attention of radix two", "channel softmax")
class SplitAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = conv(C, 2 * C, 3, groups=2)
        self.fc1, self.norm, self.fc2 = conv(C, 8), nn.BatchNorm2d(8), conv(8, 2 * C)

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        y = F.relu(self.conv(x)).reshape(n, 2, C, H, W)
        gap = F.adaptive_avg_pool2d(y.sum(dim=1), 1)
        gate = self.fc2(F.relu(self.norm(self.fc1(gap)))).view(n, 1, 2, -1).transpose(1, 2)
        gate = F.softmax(gate, dim=1).reshape(n, -1, 1, 1)
        return (y * gate.reshape(n, 2, C, 1, 1)).sum(1)


@published("selective kernels by chunks", "channel softmax", "channel softmax")
class SelectiveChunks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.fc = conv(kernel=3), conv(kernel=3, dilation=2), nn.Linear(C, 8)
        self.heads = nn.ModuleList([nn.Linear(8, C) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        a, b = F.relu(self.a(x)), F.relu(self.b(x))
        z = F.relu(self.fc((a + b).mean(-1).mean(-1)))
        first, second = torch.stack([head(z) for head in self.heads], dim=1).softmax(dim=1).chunk(2, dim=1)
        return a * first.squeeze(1)[:, :, None, None] + b * second.squeeze(1)[:, :, None, None]


@published("dynamic relu", "channel sigmoid")
class DynamicReLU(nn.Module):
    """Slopes and offsets of two lines for each channel, from the squeezed features."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(C, 4), nn.Linear(4, 4 * C)

    def forward(self, x: Tensor) -> Tensor:
        theta = 2 * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3)))))) - 1
        lines = theta.view(-1, C, 4)
        y = x.permute(2, 3, 0, 1).unsqueeze(-1)
        return (y * (1 + lines[:, :, :2]) + 0.5 * lines[:, :, 2:]).max(dim=-1)[0].permute(2, 3, 0, 1)


@published("attention refinement", "channel sigmoid")
class Refinement(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.norm = conv(kernel=3), conv(), nn.BatchNorm2d(C)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.conv(x))
        gate = self.norm(self.one(F.avg_pool2d(y, y.size()[2:]))).sigmoid()
        return torch.mul(y, gate)


@published("split attention of three shifts", "channel softmax")
class ThreeShifts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.grow, self.a, self.b = nn.Linear(C, 3 * C), nn.Linear(C, C, bias=False), nn.Linear(C, 3 * C, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        y = self.grow(x.permute(0, 2, 3, 1))
        parts = [y[..., :C].roll(1, 1), y[..., C : 2 * C].roll(1, 2), y[..., 2 * C :]]
        stacked = torch.stack(parts, 1).reshape(n, 3, H * W, C)
        weights = self.b(F.gelu(self.a(stacked.sum(1).sum(1)))).reshape(n, 3, C).softmax(1).unsqueeze(-2)
        return (weights * stacked).sum(1).reshape(n, H, W, C).permute(0, 3, 1, 2)


@published("skip squeeze-and-excitation", "channel sigmoid")
class SkipSE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.squeeze = nn.BatchNorm2d(C), nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        return self.squeeze(y) * y


@published("squeeze by products with parameters", "channel sigmoid")
class Parameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.randn(C, 4)), nn.Parameter(torch.randn(4, C))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(torch.relu(x.mean((2, 3)) @ self.a) @ self.b).unsqueeze(-1).unsqueeze(-1)


@published("excitation of a channels-last block", "channel hardsigmoid")
class LastBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm, self.up, self.down, self.fc = nn.LayerNorm(C), nn.Linear(C, 32), nn.Linear(32, C), nn.Linear(32, 32)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.up(self.norm(x.movedim(1, -1))))
        y = y * F.hardsigmoid(self.fc(y.mean(dim=(1, 2), keepdim=True)))
        return x + self.down(y).movedim(-1, 1)


@published("the strongest channels", "channel threshold")
class Strongest(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        s = x.abs().mean((2, 3))
        mask = torch.zeros_like(s)
        mask.scatter_(1, s.topk(4, 1).indices, 1)
        return x * mask.view(-1, C, 1, 1)


@published("excitation of one-dimensional features", "channel sigmoid")
class OneDimension(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.AdaptiveAvgPool1d(1), nn.Conv1d(C, 4, 1), nn.SiLU(), nn.Conv1d(4, C, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x.flatten(2)
        return (y * self.body(y)).unflatten(2, (H, W))


@published("squeezed covariance by rows", "channel sigmoid")
class Covariance(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.rows, self.up = conv(out=8), nn.Conv2d(8, 32, (8, 1), groups=8), conv(32, C)

    def forward(self, x: Tensor) -> Tensor:
        y = self.down(x).flatten(2)
        y = y - y.mean(-1, keepdim=True)
        covariance = torch.bmm(y, y.transpose(1, 2)) / y.size(-1)
        return x * torch.sigmoid(self.up(self.rows(covariance.unsqueeze(-1))))


@published("tanh residual gate", "channel tanh")
class TanhResidual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.gamma = nn.Linear(C, C), nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(x, x, self.gamma * self.fc(x.mean((-1, -2))).tanh()[..., None, None])
