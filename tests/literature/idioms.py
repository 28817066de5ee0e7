"""The same ideas in the habits of other hands: caches, checkpoints, loops over branches, Fourier transforms."""

import operator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.literature.entry import C, H, W, conv, published


class HardSigmoid(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + 3) / 6


@published("hardsigmoid as a module in place", "channel hardsigmoid")
class InPlaceHard(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(C, 4), nn.ReLU(inplace=True), nn.Linear(4, C), HardSigmoid())

    def forward(self, x: Tensor) -> Tensor:
        b, c, _, _ = x.size()
        y = self.fc(F.adaptive_avg_pool2d(x, 1).view(b, c)).view(b, c, 1, 1)
        return x * y


@published("gate by hardtanh", "channel clamp")
class HardTanh(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        return x.mul(other=F.hardtanh(self.fc(x.mean((2, 3))), 0.0, 1.0)[:, :, None, None])


@published("sigmoid by tanh", "spatial tanh")
class ByTanh(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.score = conv(out=1)

    def forward(self, x: Tensor) -> Tensor:
        return operator.mul(0.5 * (torch.tanh(self.score(x) / 2) + 1), x)


class Cached(nn.Module):
    """Keeps its gate; somebody else multiplies."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(C, C)
        self.gate: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.gate = torch.sigmoid(self.fc(x.mean((2, 3))))
        return x


@published("gate kept for later", "channel sigmoid")
class Later(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention, self.body = Cached(), conv(kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(self.attention(x))
        assert self.attention.gate is not None
        return y * self.attention.gate.view(-1, C, 1, 1)


@published("checkpointed block", "channel sigmoid")
class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(C, C)

    def body(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc(x.mean((2, 3))))[..., None, None]

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.body, x, use_reentrant=False)


@published("loop over branches", "channel sigmoid", "channel sigmoid", "channel sigmoid")
class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bodies = nn.ModuleList([conv(kernel=k) for k in (1, 3, 5)])
        self.fcs = nn.ModuleDict({str(i): nn.Linear(C, C) for i in range(3)})

    def forward(self, x: Tensor) -> Tensor:
        out = 0
        for body, fc in zip(self.bodies, self.fcs.values(), strict=True):
            y = body(x)
            out = out + y * fc(y.flatten(2).mean(-1)).sigmoid()[:, :, None, None]
        return out


@published("excitation by a dense aggregate", "channel sigmoid")
class Aggregate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Sequential(nn.Linear(C, 4), nn.ReLU()) for _ in range(4)])
        self.up = nn.Linear(16, C)

    def forward(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool2d(x, 1).view(x.size(0), C)
        y = torch.cat([branch(y) for branch in self.branches], dim=1)
        return x * torch.sigmoid(self.up(y)).view(-1, C, 1, 1)


@published("collaboration of three axes", "height sigmoid", "width sigmoid", "channel sigmoid")
class Collaboration(nn.Module):
    """Mean and deviation along two axes weigh the third, three times with other axes in front."""

    def __init__(self) -> None:
        super().__init__()
        self.mixes = nn.ModuleList([nn.Conv2d(1, 1, (1, 3), padding=(0, 1), bias=False) for _ in range(3)])
        self.weight = nn.Parameter(torch.rand(2))

    def branch(self, x: Tensor, mix: nn.Module) -> Tensor:
        average = x.mean((2, 3), keepdim=True)
        deviation = x.view(*x.shape[:2], -1).std(dim=2, keepdim=True).view(*x.shape[:2], 1, 1)
        weight = torch.sigmoid(self.weight)
        out = 0.5 * (average + deviation) + weight[0] * average + weight[1] * deviation
        out = mix(out.permute(0, 3, 2, 1).contiguous()).permute(0, 3, 2, 1).contiguous()
        return x * torch.sigmoid(out).expand_as(x)

    def forward(self, x: Tensor) -> Tensor:
        a = self.branch(x.permute(0, 2, 1, 3).contiguous(), self.mixes[0]).permute(0, 2, 1, 3).contiguous()
        b = self.branch(x.permute(0, 3, 2, 1).contiguous(), self.mixes[1]).permute(0, 3, 2, 1).contiguous()
        return (a + b + self.branch(x, self.mixes[2])) / 3


@published("channel prior, then strips without a bound", "channel sigmoid", "full none")
class ChannelPrior(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.five = conv(out=4), conv(4, C), conv(kernel=5, groups=C)
        self.row = nn.Conv2d(C, C, (1, 7), padding=(0, 3), groups=C)
        self.column, self.mix = nn.Conv2d(C, C, (7, 1), padding=(3, 0), groups=C), conv()

    def forward(self, x: Tensor) -> Tensor:
        a = torch.sigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))
        b = torch.sigmoid(self.up(F.relu(self.down(F.adaptive_max_pool2d(x, 1)))))
        y = (a + b) * x
        start = self.five(y)
        return self.mix(start + self.column(self.row(start))) * y


@published("context anchor", "full sigmoid")
class Anchor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(), conv()
        self.row = nn.Conv2d(C, C, (1, 5), padding=(0, 2), groups=C)
        self.column = nn.Conv2d(C, C, (5, 1), padding=(2, 0), groups=C)

    def forward(self, x: Tensor) -> Tensor:
        factor = F.silu(self.a(F.avg_pool2d(x, 7, 1, 3)))
        return self.b(self.column(self.row(factor))).sigmoid() * x


@published("channels of a matrix of two vectors", "channel sigmoid")
class TwoVectors(nn.Module):
    """A local and a global descriptor, correlated both ways, weigh the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far, self.last = nn.Conv1d(1, 1, 3, padding=1), conv(), nn.Conv1d(1, 1, 3, padding=1)
        self.w = nn.Parameter(torch.tensor(-0.8))

    def forward(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool2d(x, 1)
        a = self.near(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2)
        b = self.far(y).squeeze(-1).transpose(-1, -2)
        one = torch.sum(torch.matmul(a, b), dim=1).unsqueeze(-1).unsqueeze(-1).sigmoid()
        other = torch.sum(torch.matmul(b.transpose(-1, -2), a.transpose(-1, -2)), dim=1)[..., None, None].sigmoid()
        mix = self.w.sigmoid()
        y = one * mix + other * (1 - mix)
        y = self.last(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
        return x * y.sigmoid()


@published("efficient channels by unfolding", "channel sigmoid")
class Unfolded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(C, C, 3, groups=C, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = F.adaptive_avg_pool2d(x, 1)
        y = F.unfold(y.transpose(-1, -3), kernel_size=(1, 3), padding=(0, 1))
        y = self.conv(y.transpose(-1, -2)).unsqueeze(-1)
        return x * torch.sigmoid(y).expand_as(x)


@published("softmax over channels, scaled by their number", "channel softmax")
class ScaledSoftmax(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        w = self.fc(x.mean([2, 3])).softmax(-1) * C
        return torch.einsum("b c h w, b c -> b c h w", x, w)


@published("softmax by exponentials and a clamp", "channel softmax")
class Exponentials(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        s = x.mean((2, 3))
        e = torch.exp(s - s.max(dim=1, keepdim=True).values)
        return x * e.div(e.sum(dim=1, keepdim=True).clamp(min=1e-6)).unsqueeze(-1).unsqueeze(-1)


@published("volume of one slice", "channel sigmoid")
class OneSlice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv3d(C, 4, 1), nn.ReLU(), nn.Conv3d(4, C, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y = x.unsqueeze(2)
        return (y * self.body(F.avg_pool3d(y, kernel_size=y.size()[2:]))).squeeze(2)


@published("weights over time", "spatial softmax")
class OverTime(nn.Module):
    """A recurrent layer over the places, and a softmax that weighs its outputs: a number for each place."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.score = nn.GRU(C, C, batch_first=True), nn.Linear(C, 1)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.cell(x.flatten(2).transpose(1, 2))
        weights = F.softmax(self.score(torch.tanh(y)), dim=1)
        return torch.sum(weights * y, dim=1)


@published("mask of the Fourier transform", "full sigmoid")
class Fourier(nn.Module):
    """The amplitudes, convolved, gate the features of the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = conv()

    def forward(self, x: Tensor) -> Tensor:
        amplitude = torch.fft.fft2(x, norm="ortho").abs()
        return x * torch.sigmoid(self.mix(amplitude))


@published("filter in the Fourier domain")
class FourierFilter(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(C, H, W // 2 + 1, 2))

    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(x) * torch.view_as_complex(self.weight), s=(H, W))


@published("erasing what was found", "spatial sigmoid")
class Erasing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.score = conv(out=1)

    def forward(self, x: Tensor) -> Tensor:
        return x - x * self.score(x).sigmoid()


@published("product in place and a sum", "channel sigmoid")
class InPlaceSum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.fc = nn.Sequential(conv(), nn.BatchNorm2d(C)), nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return y.mul_(self.fc(y.mean((2, 3))).sigmoid().view(-1, C, 1, 1)).add_(x).relu_()


@published("without gradients and detached", "spatial sigmoid")
class Detached(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            attention = torch.sigmoid(x.detach().pow(2).mean(1, keepdim=True).data)
        return x * attention


@published("mean of two maps over a fixed threshold", "spatial step")
class Thresholded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(out=1), conv(out=1)

    def forward(self, x: Tensor) -> Tensor:
        s = torch.stack([self.a(x).sigmoid(), self.b(x).sigmoid()]).mean(0)
        mask = torch.where(s > 0.5, torch.ones_like(s), torch.zeros_like(s))
        return x * mask


@published("gate of groups", "full sigmoid")
class Groups(nn.Module):
    """A number for each of four groups of channels and each place."""

    def __init__(self) -> None:
        super().__init__()
        self.score = conv(out=4)

    def forward(self, x: Tensor) -> Tensor:
        y = x.unflatten(1, (4, C // 4))
        return (y * self.score(x).sigmoid().unsqueeze(2)).flatten(1, 2)


@published("gate for each group of channels", "channel sigmoid")
class GroupGate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(C, 4)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.fc(x.mean((2, 3))))
        return x * gate.repeat_interleave(C // 4, dim=1)[:, :, None, None]


@published("pyramid of levels that weigh each other", "spatial softmax", "spatial softmax")
class Levels(nn.Module):
    """Adaptive fusion: a softmax over the levels at each place, a map for each."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse, self.a, self.b, self.w = conv(), conv(out=4), conv(out=4), conv(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = F.interpolate(self.coarse(F.max_pool2d(x, 2)), scale_factor=2, mode="nearest")
        weights = F.softmax(self.w(torch.cat((self.a(x), self.b(y)), 1)), dim=1)
        return x * weights[:, 0:1, :, :] + y * weights[:, 1:, :, :]


@published("shared layer for both squeezes", "channel sigmoid")
class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(conv(out=4), nn.ReLU(), conv(4, C))

    def forward(self, x: Tensor) -> Tensor:
        kernel = x.shape[-2:]
        total = self.mlp(F.avg_pool2d(x, kernel)) + self.mlp(F.max_pool2d(x, kernel))
        total = total + self.mlp(F.lp_pool2d(x, 2, kernel)) + self.mlp(torch.logsumexp(x, (2, 3), keepdim=True))
        return x * torch.sigmoid(total)


@published("tokens and a class token", "full sigmoid")
class ClassToken(nn.Module):
    """Each token's channels are gated by the class token and its own."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.gate = nn.Parameter(torch.zeros(1, 1, C)), nn.Linear(2 * C, C)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.cat([self.token.expand(x.size(0), -1, -1), x.flatten(2).transpose(1, 2)], dim=1)
        context = y.mean(1, keepdim=True).expand_as(y)
        return y * torch.sigmoid(self.gate(torch.cat([y, context], -1)))


@published("excitation inside an autocast block", "channel sigmoid")
class Autocast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(C, C)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            gate = self.fc(x.mean((2, 3)))
        return x * gate.float().sigmoid()[..., None, None]


@published("bilinear pooling")
class BilinearPooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(out=8), conv(out=8, kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.einsum("nihw,njhw->nij", self.a(x), self.b(x)).flatten(1)
        return F.normalize(torch.sign(y) * torch.sqrt(y.abs() + 1e-6))


@published("product of two branches")
class TwoBranches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Sequential(conv(), nn.GELU()), conv(kernel=5, groups=C)

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) * self.b(x)


@published("instance statistics of a style")
class Style(nn.Module):
    """Adaptive instance normalisation: a scale and a shift from another branch, without a bound of either."""

    def __init__(self) -> None:
        super().__init__()
        self.other = conv()

    def forward(self, x: Tensor) -> Tensor:
        y = self.other(x)
        mean, deviation = y.mean((2, 3), keepdim=True), y.std((2, 3), keepdim=True)
        normal = (x - x.mean((2, 3), keepdim=True)) / (x.std((2, 3), keepdim=True) + 1e-5)
        return deviation * normal + mean
