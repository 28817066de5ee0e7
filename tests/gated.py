"""Forwards that apply gates, in the spellings and layouts that are met."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.blocks import CHANNELS, logits


def expanded(m: nn.Module, x: Tensor) -> Tensor:
    n, c, _, _ = x.size()
    y = m.up(F.relu(m.down(m.pool(x).view(n, c))))
    return x * F.sigmoid(y).view(n, c, 1, 1).expand_as(x)


def in_place(m: nn.Module, x: Tensor) -> Tensor:
    out = x + 0
    return out.mul_(torch.sigmoid(logits(m, x)).view(x.size(0), -1, 1, 1))


def in_place_into_the_gate(m: nn.Module, x: Tensor) -> Tensor:
    gate = torch.sigmoid(m.conv(F.relu(x)))
    gate *= x
    return gate


def augmented(m: nn.Module, x: Tensor) -> Tensor:
    out = F.relu(x)
    out *= torch.sigmoid(logits(m, out))
    return out


def eca(m: nn.Module, x: Tensor) -> Tensor:
    y = F.adaptive_avg_pool2d(x, 1)
    y = m.conv(y.squeeze(-1).transpose(-1, -2)).transpose(-1, -2).unsqueeze(-1)
    return x * torch.sigmoid(y).expand_as(x)


def repeated(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(logits(m, x)).repeat(1, 1, *x.shape[2:])


def upsampled(m: nn.Module, x: Tensor) -> Tensor:
    return x * F.interpolate(torch.sigmoid(logits(m, x)), size=x.shape[2:])


def channels_last_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    y = x.permute(0, 2, 3, 1)
    gate = torch.sigmoid(m.up(F.relu(m.down(y.mean((1, 2))))))
    return (y * gate[:, None, None]).permute(0, 3, 1, 2)


def tokens(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2).transpose(1, 2)
    gate = torch.sigmoid(m.up(F.relu(m.down(y.mean(1, keepdim=True)))))
    return (y * gate).transpose(1, 2).reshape(x.shape)


def spatial_over_tokens(m: nn.Module, x: Tensor) -> Tensor:
    y = x.flatten(2).transpose(1, 2)
    return (y * torch.sigmoid(m.score(y))).transpose(1, 2).reshape(x.shape)


def grouped(m: nn.Module, x: Tensor) -> Tensor:
    """Spatial group-wise enhance: a map for each of two groups, the groups folded into the batch."""
    n, c, h, w = x.shape
    y = x.view(n * 2, c // 2, h, w)
    t = (y * F.adaptive_avg_pool2d(y, 1)).sum(1, keepdim=True)
    t = (t - t.mean((2, 3), keepdim=True)) / (t.std((2, 3), keepdim=True) + 1e-5)
    return (y * torch.sigmoid(t)).view(n, c, h, w)


def scse(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(logits(m, x)) + x * torch.sigmoid(m.score(x))


def bam(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(logits(m, x) + m.score(x))


def simam(m: nn.Module, x: Tensor) -> Tensor:
    d = (x - x.mean((2, 3), keepdim=True)).pow(2)
    return x * torch.sigmoid(d / (4 * (d.sum((2, 3), keepdim=True) / (x[0, 0].numel() - 1) + 1e-4)) + 0.5)


def selective_kernel(m: nn.Module, x: Tensor) -> Tensor:
    branches = torch.stack([m.small(x), m.large(x)], dim=1)
    weights = m.up(F.relu(m.down(branches.sum(1).mean((2, 3))))).view(x.size(0), 2, CHANNELS)
    return (branches * weights.softmax(1)[:, :, :, None, None]).sum(1)


def selective_kernel_by_view(m: nn.Module, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    both = torch.cat([m.small(x), m.large(x)], 1).view(n, 2, c, h, w)
    weights = m.up(F.relu(m.down(both.sum(1).mean((2, 3))))).view(n, 2, c, 1, 1)
    return (both * F.softmax(weights, dim=1)).sum(1)


def gather_excite(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(F.interpolate(F.avg_pool2d(x, 2), size=x.shape[2:]))


def coordinate(m: nn.Module, x: Tensor) -> Tensor:
    h, w = x.shape[2:]
    high, wide = F.adaptive_avg_pool2d(x, (h, 1)), F.adaptive_avg_pool2d(x, (1, w)).permute(0, 1, 3, 2)
    y = F.hardswish(m.norm(m.down(torch.cat([high, wide], 2))))
    high, wide = torch.split(y, [h, w], dim=2)
    return x * torch.sigmoid(m.up(wide.permute(0, 1, 3, 2))) * torch.sigmoid(m.up(high))


def triplet(m: nn.Module, x: Tensor) -> Tensor:
    """One branch of triplet attention: the map lies over channels and width."""
    y = x.permute(0, 2, 1, 3).contiguous()
    pooled = torch.cat([torch.max(y, 1)[0].unsqueeze(1), y.mean(1).unsqueeze(1)], 1)
    return (y * torch.sigmoid(m.conv(pooled))).permute(0, 2, 1, 3).contiguous()


def sigmoid_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    return x * (1 / (1 + torch.exp(-logits(m, x))))


def sigmoid_by_reciprocal(m: nn.Module, x: Tensor) -> Tensor:
    return x * (1 + (-logits(m, x)).exp()).reciprocal()


def hardsigmoid_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    return x * (F.relu6(logits(m, x) + 3) / 6)


def hardsigmoid_by_clamp(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.clamp(logits(m, x) + 3, 0, 6).mul(1 / 6)


def einsum(m: nn.Module, x: Tensor) -> Tensor:
    return torch.einsum("nchw,nc->nchw", x, torch.sigmoid(logits(m, x)))


def einsum_with_dots(m: nn.Module, x: Tensor) -> Tensor:
    return torch.einsum("nc...,nc->nc...", x, torch.sigmoid(logits(m, x)))


def einsum_gate_first(m: nn.Module, x: Tensor) -> Tensor:
    return torch.einsum("cn, nchw -> nchw", torch.sigmoid(logits(m, x)).T, x)


def addcmul(m: nn.Module, x: Tensor) -> Tensor:
    return torch.addcmul(x, x, torch.sigmoid(logits(m, x)))


def gate_in_a_buffer(m: nn.Module, x: Tensor) -> Tensor:
    gate = torch.empty(x.size(0), CHANNELS, 1, 1, dtype=x.dtype)
    y = logits(m, x)
    gate[:, :4] = torch.sigmoid(y[:, :4])
    gate[:, 4:].copy_(torch.sigmoid(y[:, 4:]))
    return x * gate


def product_in_a_buffer(m: nn.Module, x: Tensor) -> Tensor:
    out = torch.empty_like(x)
    out[:, :] = x * torch.sigmoid(logits(m, x))
    return out


def product_out(m: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.mul(torch.sigmoid(logits(m, x)), other=x, out=torch.empty_like(x))


def in_the_parent(m: nn.Module, x: Tensor) -> Tensor:
    return m.ca(x) * x


def twice(m: nn.Module, x: Tensor) -> Tensor:
    return m.se(F.relu(m.se(x)))


def nafnet(m: nn.Module, x: Tensor) -> Tensor:
    return x * m.mix(F.adaptive_avg_pool2d(x, 1))


def one_minus(m: nn.Module, x: Tensor) -> Tensor:
    return x * (1 - torch.sigmoid(m.score(x)))


def residual(m: nn.Module, x: Tensor) -> Tensor:
    return x + x * torch.tanh(logits(m, x))


def by_one_layer(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(m.conv(x))


def after_a_layer(m: nn.Module, x: Tensor) -> Tensor:
    """The gate is a layer of the features, and not of what they were made of."""
    y = F.relu(m.mix(x))
    return y * torch.sigmoid(m.conv(y))


def trunk_and_mask(m: nn.Module, x: Tensor) -> Tensor:
    """Residual attention: both branches have more layers than one."""
    trunk = m.mix(F.relu(m.conv(x)))
    mask = F.interpolate(m.down(F.relu(m.up(F.max_pool2d(x, 2)))), size=x.shape[2:], mode="bilinear")
    return trunk * (1 + torch.sigmoid(mask))


def self_calibrated(m: nn.Module, x: Tensor) -> Tensor:
    return m.conv(x) * torch.sigmoid(x + F.interpolate(m.mix(F.avg_pool2d(x, 2)), size=x.shape[2:]))


def bounded_features(m: nn.Module, x: Tensor) -> Tensor:
    y = F.relu6(x)
    return y * torch.sigmoid(logits(m, y) + m.score(y))


def gated_attention(m: nn.Module, x: Tensor) -> Tensor:
    """The output of self-attention, times a sigmoid of what attended."""
    y = x.flatten(2).transpose(1, 2)[:, None]
    attended = F.scaled_dot_product_attention(y, y, y)[:, 0].transpose(1, 2).reshape(x.shape)
    return attended * torch.sigmoid(m.conv(x))


def of_each_sample(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(m.down(x.mean((2, 3))).mean(1)).view(-1, 1, 1, 1)


def confidence(m: nn.Module, x: Tensor) -> Tensor:
    return x * (1 - m.mix(x).softmax(1).max(1)[0].unsqueeze(1).expand_as(x))


def nested(m: nn.Module, x: Tensor) -> Tensor:
    def gate(y: Tensor) -> Tensor:
        return torch.special.expit(logits(m, y))

    return (lambda y: torch.multiply(y, gate(y)))(x)


class ChannelGate(nn.Module):
    """As published with CBAM: the shared MLP runs once for each pooling, with full kernels."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Flatten(), nn.Linear(CHANNELS, 4), nn.ReLU(), nn.Linear(4, CHANNELS))

    def forward(self, x: Tensor) -> Tensor:
        kernel = (x.size(2), x.size(3))
        total = None
        for pool in (F.avg_pool2d, F.max_pool2d):
            raw = self.mlp(pool(x, kernel, stride=kernel))
            total = raw if total is None else total + raw
        return x * F.sigmoid(total).unsqueeze(2).unsqueeze(3).expand_as(x)


class ChannelPool(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)


class SpatialGate(nn.Module):
    """As published with CBAM: pooled maps in the order maximum, mean; BatchNorm after the convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.compress = ChannelPool()
        self.spatial = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        return x * F.sigmoid(self.spatial(self.compress(x)))


class PublishedCBAM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate()
        self.SpatialGate = SpatialGate()

    def forward(self, x: Tensor) -> Tensor:
        return self.SpatialGate(self.ChannelGate(x))


def opened_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    """The first channel is let through whole."""
    gate = torch.sigmoid(logits(m, x))
    gate[:, :1] = torch.ones(1)
    return x * gate


def with_an_empty_part(m: nn.Module, x: Tensor) -> Tensor:
    none = x[:, :0].flatten(1).view(len(x), 0, *x.shape[2:])
    return torch.cat([x, none], 1) * torch.sigmoid(logits(m, x))


def sampled_features(m: nn.Module, x: Tensor) -> Tensor:
    """The same features for all pictures, whose places each picture moves."""
    learned = m.map.weight.view(1, CHANNELS, 4, 4).expand(len(x), -1, -1, -1)
    moved = F.grid_sample(learned, m.at(x).tanh().permute(0, 2, 3, 1), align_corners=False)
    return moved * torch.sigmoid(logits(m, moved))
