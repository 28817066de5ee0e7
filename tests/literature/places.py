"""Gates over the places of the picture, alone or with others."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.literature.entry import C, H, W, conv, published


@published("mixed local channel attention", "full sigmoid")
class MixedLocal(nn.Module):
    """Local squeezes of 4 x 3 windows beside the global one, mixed along the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = nn.Conv1d(1, 1, 3, padding=1), nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        n, c = x.shape[:2]
        local = F.adaptive_avg_pool2d(x, (2, 2))
        whole = F.adaptive_avg_pool2d(local, 1)
        y = self.near(local.view(n, c, -1).transpose(1, 2).reshape(n, 1, -1)).view(n, 4, c).transpose(1, 2)
        z = self.far(whole.view(n, c, -1).transpose(1, 2)).transpose(1, 2)
        local_gate = y.reshape(n, c, 2, 2).sigmoid()
        gate = F.adaptive_avg_pool2d(z.unsqueeze(-1).sigmoid(), (2, 2)) * 0.5 + local_gate * 0.5
        return x * F.adaptive_avg_pool2d(gate, (H, W))


@published("efficient multi-scale attention", "channel-height sigmoid", "channel-width sigmoid", "spatial sigmoid")
class MultiScale(nn.Module):
    """Groups in the batch; two branches weigh each other's maps by a matrix product, then a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.g = 1
        c = C // self.g
        self.gn, self.one, self.three = nn.GroupNorm(c, c), conv(c, c), conv(c, c, 3)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = x.reshape(n * self.g, -1, h, w)
        rows, columns = y.mean(3, keepdim=True), y.mean(2, keepdim=True).permute(0, 1, 3, 2)
        rows, columns = torch.split(self.one(torch.cat([rows, columns], 2)), [h, w], dim=2)
        a = self.gn(y * rows.sigmoid() * columns.permute(0, 1, 3, 2).sigmoid())
        b = self.three(y)
        left = a.mean((2, 3)).reshape(n * self.g, 1, -1).softmax(-1) @ b.flatten(2)
        right = b.mean((2, 3)).reshape(n * self.g, 1, -1).softmax(-1) @ a.flatten(2)
        weights = (left + right).reshape(n * self.g, 1, h, w)
        return (y * weights.sigmoid()).reshape(n, c, h, w)


@published("polarised, parallel", "channel sigmoid", "spatial sigmoid")
class Polarised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.v, self.q, self.z = conv(out=C // 2), conv(out=1), conv(C // 2, C)
        self.norm = nn.LayerNorm(C)
        self.sv, self.sq = conv(out=C // 2), conv(out=C // 2)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        v, q = self.v(x).reshape(n, c // 2, -1), self.q(x).reshape(n, -1, 1).softmax(1)
        z = self.z(torch.matmul(v, q).unsqueeze(-1))
        channels = self.norm(z.reshape(n, c, 1).permute(0, 2, 1)).sigmoid().permute(0, 2, 1).reshape(n, c, 1, 1)
        v = self.sv(x).reshape(n, c // 2, -1)
        q = self.sq(x).mean((2, 3)).reshape(n, 1, c // 2).softmax(-1)
        places = torch.matmul(q, v).sigmoid().reshape(n, 1, h, w)
        return channels * x + places * x


@published("attentional feature fusion", "full sigmoid", "full sigmoid")
class Fusion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.local = nn.Sequential(conv(out=4), nn.BatchNorm2d(4), nn.ReLU(), conv(4, C), nn.BatchNorm2d(C))
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(out=4), nn.ReLU(), conv(4, C))
        self.other = conv(kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.other(x)
        s = x + y
        w = torch.sigmoid(self.local(s) + self.whole(s))
        return 2 * x * w + 2 * y * (1 - w)


@published("attention gate of a U-net", "spatial sigmoid")
class UNetGate(nn.Module):
    """A coarser signal and the skip connection, added, give a map that is upsampled."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse, self.theta, self.phi, self.psi = conv(), nn.Conv2d(C, 8, 2, 2), conv(out=8), conv(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        g = self.coarse(F.avg_pool2d(x, 2))
        s = torch.sigmoid(self.psi(F.relu(self.theta(x) + self.phi(g))))
        return F.interpolate(s, scale_factor=2, mode="bilinear", align_corners=False).expand_as(x) * x


@published("large selective kernels", "spatial sigmoid", "spatial sigmoid", "full none")
class LargeSelective(nn.Module):
    """Two depths of large kernels, a map for each, and the result times the input."""

    def __init__(self) -> None:
        super().__init__()
        self.near, self.far = conv(kernel=5, groups=C), conv(kernel=7, groups=C, dilation=3)
        self.a, self.b, self.squeeze, self.back = conv(out=8), conv(out=8), conv(2, 2, 7), conv(8, C)

    def forward(self, x: Tensor) -> Tensor:
        near = self.near(x)
        far = self.far(near)
        near, far = self.a(near), self.b(far)
        both = torch.cat([near, far], 1)
        pooled = torch.cat([both.mean(1, keepdim=True), both.max(1, keepdim=True)[0]], 1)
        weights = self.squeeze(pooled).sigmoid()
        mixed = near * weights[:, 0].unsqueeze(1) + far * weights[:, 1].unsqueeze(1)
        return x * self.back(mixed)


@published("visual attention network", "full none")
class VisualAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.p1, self.p2 = conv(), conv()
        self.a, self.b, self.c = conv(kernel=5, groups=C), conv(kernel=7, groups=C, dilation=3), conv()

    def forward(self, x: Tensor) -> Tensor:
        u = F.gelu(self.p1(x))
        return self.p2(u.clone() * self.c(self.b(self.a(u)))) + x


@published("multi-scale convolutional attention", "full none")
class SegNext(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.five = conv(kernel=5, groups=C)
        self.rows = nn.ModuleList([nn.Conv2d(C, C, (1, k), padding=(0, k // 2), groups=C) for k in (3, 5)])
        self.columns = nn.ModuleList([nn.Conv2d(C, C, (k, 1), padding=(k // 2, 0), groups=C) for k in (3, 5)])
        self.mix = conv()

    def forward(self, x: Tensor) -> Tensor:
        u = x.clone()
        attention = self.five(x)
        strips = [column(row(attention)) for row, column in zip(self.rows, self.columns, strict=True)]
        return self.mix(attention + strips[0] + strips[1]) * u


@published("pixel attention", "full sigmoid")
class Pixel(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = conv()
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return torch.mul(x, self.sigmoid(self.conv(x)))


@published("pixel attention of a dehazing network", "channel sigmoid", "spatial sigmoid")
class Dehazing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ca = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(out=2), nn.ReLU(True), conv(2, C), nn.Sigmoid())
        self.pa = nn.Sequential(conv(out=2), nn.ReLU(True), conv(2, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        y = self.ca(x) * x
        return self.pa(y) * y


@published("enhanced spatial attention", "full sigmoid")
class Enhanced(nn.Module):
    """Strided convolution, pooling, three convolutions, upsampling, and a short cut before the sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.c1, self.cf, self.c2 = conv(out=4), conv(4, 4), nn.Conv2d(4, 4, 3, 2)
        self.cm, self.c3, self.c4 = conv(4, 4, 3), conv(4, 4, 3), conv(4, C)

    def forward(self, x: Tensor) -> Tensor:
        a = self.c1(x)
        v = F.max_pool2d(self.c2(a), kernel_size=2, stride=1)
        v = self.c3(F.relu(self.cm(v)))
        v = F.interpolate(v, (H, W), mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.c4(v + self.cf(a)))


@published("strip pooling", "full sigmoid")
class StripPooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rows, self.columns, self.last = nn.Conv1d(C, C, 3, padding=1), nn.Conv1d(C, C, 3, padding=1), conv()

    def forward(self, x: Tensor) -> Tensor:
        a = self.rows(x.mean(3)).unsqueeze(3).expand(-1, -1, H, W)
        b = self.columns(x.mean(2)).unsqueeze(2).expand(-1, -1, H, W)
        return x * self.last(F.relu(a + b)).sigmoid()


@published("efficient local attention", "channel-height sigmoid", "channel-width sigmoid")
class EfficientLocal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(C, C, 5, padding=2, groups=C), nn.GroupNorm(4, C)

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        rows = torch.sigmoid(self.norm(self.conv(torch.mean(x, 3).view(n, c, h)))).view(n, c, h, 1)
        columns = torch.sigmoid(self.norm(self.conv(torch.mean(x, 2).view(n, c, w)))).view(n, c, 1, w)
        return x * rows * columns


@published("criss strips of a sum", "full sigmoid")
class CrissStrips(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.h, self.w = nn.Conv2d(C, C, (5, 1), padding=(2, 0), groups=C), nn.Conv2d(C, C, (1, 5), padding=(0, 2))

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.avg_pool2d(x, 3, 1, 1)
        return torch.sigmoid(self.w(self.h(pooled))) * x


@published("triplet with a Z-pool", "channel-height sigmoid", "channel-width sigmoid", "spatial sigmoid")
class Triplet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Sequential(conv(2, 1, 7), nn.BatchNorm2d(1)) for _ in range(3))

    @staticmethod
    def branch(y: Tensor, layer: nn.Module) -> Tensor:
        pooled = torch.cat((y.max(1)[0].unsqueeze(1), y.mean(1).unsqueeze(1)), dim=1)
        return y * torch.sigmoid_(layer(pooled))

    def forward(self, x: Tensor) -> Tensor:
        by_width = self.branch(x.permute(0, 3, 2, 1).contiguous(), self.a).permute(0, 3, 2, 1)
        by_height = self.branch(x.permute(0, 2, 1, 3).contiguous(), self.b).permute(0, 2, 1, 3)
        return (by_width + by_height + self.branch(x, self.c)) / 3


@published("global attention mechanism", "full sigmoid", "full sigmoid")
class GlobalMechanism(nn.Module):
    """An MLP over the channels of each place, then two large convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(C, 4), nn.ReLU(inplace=True), nn.Linear(4, C))
        self.places = nn.Sequential(conv(C, 4, 7), nn.BatchNorm2d(4), nn.ReLU(), conv(4, C, 7), nn.BatchNorm2d(C))

    def forward(self, x: Tensor) -> Tensor:
        n, c, h, w = x.shape
        y = self.mlp(x.permute(0, 2, 3, 1).view(n, -1, c)).view(n, h, w, c).permute(0, 3, 1, 2)
        x = x * y.sigmoid()
        return x * self.places(x).sigmoid()


@published("the greater of a channel and a spatial gate", "channel sigmoid", "spatial sigmoid")
class MaxOut(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.score = nn.Linear(C, C), conv(out=1)

    def forward(self, x: Tensor) -> Tensor:
        by_channel = x * self.fc(x.mean((2, 3))).sigmoid()[..., None, None]
        return torch.max(by_channel, x * self.score(x).sigmoid())


@published("channel and spatial attention by a 3-D convolution", "full sigmoid")
class Holistic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.gamma = nn.Conv3d(1, 1, 3, padding=1), nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.sigmoid(self.conv(x.unsqueeze(1))) * self.gamma
        return x * y.view(x.shape) + x


@published("squeeze and attention", "full none")
class SqueezeAttention(nn.Module):
    """Pooled, convolved twice and upsampled, it multiplies and is added."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(kernel=3), conv(kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.interpolate(self.b(F.relu(self.a(F.avg_pool2d(x, 2)))), (H, W), mode="bilinear")
        return x * y + y


@published("shuffle attention with groups", "channel sigmoid", "full sigmoid")
class Shuffle(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cw, self.cb = nn.Parameter(torch.zeros(1, 4, 1, 1)), nn.Parameter(torch.ones(1, 4, 1, 1))
        self.sw, self.sb = nn.Parameter(torch.zeros(1, 4, 1, 1)), nn.Parameter(torch.ones(1, 4, 1, 1))
        self.norm = nn.GroupNorm(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        a, b = x.reshape(n * 2, -1, H, W).chunk(2, dim=1)
        a = a * torch.sigmoid(self.cw * F.adaptive_avg_pool2d(a, 1) + self.cb)
        b = b * torch.sigmoid(self.sw * self.norm(b) + self.sb)
        out = torch.cat([a, b], dim=1).contiguous().view(n, -1, H, W)
        return out.reshape(n, 2, -1, H, W).permute(0, 2, 1, 3, 4).reshape(n, -1, H, W)


@published("contextual transformer", "full softmax")
class Contextual(nn.Module):
    """Static context by a convolution, dynamic by a softmax over the places for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.key, self.value = conv(kernel=3, groups=4), conv()
        self.attention = nn.Sequential(conv(2 * C, 8), nn.BatchNorm2d(8), nn.ReLU(), conv(8, C))

    def forward(self, x: Tensor) -> Tensor:
        static = self.key(x)
        weights = self.attention(torch.cat([static, x], 1)).flatten(2).softmax(-1)
        return static + (weights * self.value(x).flatten(2)).view(x.shape)


@published("polarised, sequential", "channel sigmoid", "spatial sigmoid")
class PolarisedSequential(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.v, self.q, self.z, self.norm = conv(out=8), conv(out=1), conv(8, C), nn.LayerNorm(C)
        self.sv, self.sq = conv(out=8), conv(out=8)

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        z = (self.v(x).flatten(2) @ self.q(x).flatten(2).softmax(-1).transpose(1, 2)).unsqueeze(-1)
        x = x * torch.sigmoid(self.norm(self.z(z).flatten(1))).view(n, C, 1, 1)
        q = F.adaptive_avg_pool2d(self.sq(x), 1).flatten(2).transpose(1, 2).softmax(-1)
        return x * torch.sigmoid((q @ self.sv(x).flatten(2)).view(n, 1, H, W))


@published("harmonious attention", "full sigmoid")
class Harmonious(nn.Module):
    """The product of a channel vector and a map, before the sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.places, self.channels, self.mix = conv(1, 1, 3), nn.Sequential(conv(out=4), nn.ReLU(), conv(4, C)), conv()

    def forward(self, x: Tensor) -> Tensor:
        soft = self.places(x.mean(1, keepdim=True)) * self.channels(F.adaptive_avg_pool2d(x, 1))
        return x * torch.sigmoid(self.mix(soft))


@published("gather-excite with strided convolutions", "full sigmoid")
class GatherExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gather = nn.Sequential(nn.Conv2d(C, C, 3, 2, 1, groups=C), nn.BatchNorm2d(C), nn.ReLU())
        self.gather.append(nn.Conv2d(C, C, 3, 2, 1, groups=C))

    def forward(self, x: Tensor) -> Tensor:
        return x * F.interpolate(self.gather(x), size=x.shape[-2:], mode="nearest").sigmoid()


@published("tiled squeeze-and-excitation", "channel-height sigmoid")
class Tiled(nn.Module):
    """Strips of four rows and the whole width."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.AvgPool2d((4, W)), conv(out=4), nn.ReLU(), conv(4, C), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        return x * F.interpolate(self.body(x), size=(H, W))


@published("gate over the height", "height sigmoid")
class Rows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x.mean(dim=(1, 3)).unsqueeze(1))
        return x * torch.sigmoid(y).unsqueeze(-1)


@published("importance map of the mean channel", "spatial sigmoid")
class Importance(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mul(torch.mean(x, dim=1, keepdim=True).sigmoid())


@published("attentive pooling", "spatial softmax")
class AttentivePooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Sequential(nn.Linear(C, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).permute(0, 2, 1)
        return (tokens * self.score(tokens).softmax(dim=1)).sum(dim=1)


@published("fusion of a skip connection", "full sigmoid", "full sigmoid")
class SkipFusion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.other, self.gate = conv(kernel=3), conv(2 * C, C)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.other(F.relu(x)))
        g = torch.sigmoid(self.gate(torch.cat((x, y), dim=1)))
        return g * x + (1 - g) * y


@published("mask from a Gumbel decision", "spatial step")
class GumbelMask(nn.Module):
    """Hard in both modes: the sigmoid of a score and noise, over a half."""

    def __init__(self) -> None:
        super().__init__()
        self.score = conv(out=1, kernel=3)

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.rand_like(x[:, :1]).clamp(1e-4, 1 - 1e-4)
        soft = torch.sigmoid(self.score(x) + torch.log(noise) - torch.log(1 - noise))
        hard = soft.ge(0.5).float()
        return x * (hard.detach() + soft - soft.detach())


@published("residual attention with an hourglass", "full sigmoid")
class Hourglass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.a, self.b, self.c = conv(kernel=3), conv(kernel=3), conv(kernel=3), conv()

    def forward(self, x: Tensor) -> Tensor:
        trunk = F.relu(self.trunk(x))
        y = F.relu(self.a(F.max_pool2d(x, 3, 2, 1)))
        y = F.interpolate(F.relu(self.b(y)), size=(H, W), mode="bilinear", align_corners=True)
        return (1 + torch.sigmoid(self.c(y))) * trunk


@published("bottleneck attention", "full sigmoid")
class Bottleneck(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Flatten(), nn.Linear(C, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, C))
        self.places = nn.Sequential(conv(out=4), nn.ReLU(), conv(4, 4, 3, dilation=2), nn.ReLU(), conv(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        channel = self.fc(F.avg_pool2d(x, (H, W), stride=(H, W))).unsqueeze(2).unsqueeze(3).expand_as(x)
        return x * (1 + torch.sigmoid(channel * self.places(x).expand_as(x)))


@published("coordinate attention with two hardsigmoids", "channel-height hardsigmoid", "channel-width hardsigmoid")
class Coordinates(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mix, self.norm, self.rows, self.columns = conv(out=8), nn.BatchNorm2d(8), conv(8, C), conv(8, C)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True).transpose(2, 3)
        y = torch.cat((rows, columns), 2)
        y = self.norm(self.mix(y))
        y = y * F.relu6(y + 3) / 6
        rows, columns = y.split((H, W), 2)
        rows, columns = self.rows(rows), self.columns(columns.transpose(2, 3))
        return x * (F.relu6(rows + 3.0) / 6.0) * (F.relu6(columns + 3.0) / 6.0)


@published("spatial attention of dilated convolutions", "channel sigmoid", "spatial sigmoid")
class DilatedCBAM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.eca, self.places = nn.Conv1d(1, 1, 5, padding=2), conv(2, 1, 7, dilation=2)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, 1) + F.adaptive_max_pool2d(x, 1)
        x = x * torch.sigmoid(self.eca(pooled.flatten(2).mT).mT.unsqueeze(-1))
        both = torch.cat((x.mean(1, True), x.amax(1, True)), 1)
        return x * self.places(both).sigmoid()


@published("softmax map with a temperature", "spatial softmax")
class Temperature(nn.Module):
    """Multiplied by the number of places, so that it is 1 in the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.t = nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        n = x.size(0)
        energy = x.abs().mean(1).view(n, -1)
        return x * (H * W * F.softmax(energy / self.t, dim=1)).view(n, H, W)[:, None]
