"""Forwards whose gate is bounded by hand, keeps its bound through an operation, or has none."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.blocks import CHANNELS, HEIGHT, WIDTH, Found, Function, logits


def half_by_its_own_statistics(m: nn.Module, x: Tensor) -> Tensor:
    """Shuffle attention: a scale and a shift of each half's own normalisation, by channel and by place."""
    a, b = x.chunk(2, dim=1)
    a = a * torch.sigmoid(m.scale * a.mean((2, 3), keepdim=True) + m.shift)
    b = b * torch.sigmoid(m.scale * m.norm(b) + m.shift)
    return torch.cat([a, b], 1)


def normalisation_based(m: nn.Module, x: Tensor) -> Tensor:
    """The scale of a batch normalisation, as a share of their sum, weighs the channels of its output."""
    y = m.conv(x)
    normed = m.norm(y)
    weights = m.norm.weight.abs() / m.norm.weight.abs().sum()
    return y * torch.sigmoid(normed.permute(0, 2, 3, 1).mul(weights).permute(0, 3, 1, 2))


def the_same_part_twice(m: nn.Module, x: Tensor) -> Tensor:
    y = m.mix(x)
    return y[:, :4] * torch.sigmoid(m.less(F.layer_norm(y[:, :4], y[:, :4].shape[1:])))


def the_same_projection_normalised(m: nn.Module, x: Tensor) -> Tensor:
    y = m.mix(x)
    return y * torch.sigmoid(F.instance_norm(y))


def softmax_by_hand(m: nn.Module, x: Tensor) -> Tensor:
    e = torch.exp(m.score(x))
    return x * (e / e.sum((2, 3), keepdim=True))


def softmax_by_hand_safely(m: nn.Module, x: Tensor) -> Tensor:
    s = m.score(x).flatten(2)
    e = (s - s.max(-1, keepdim=True)[0]).exp()
    return x * (e / (e.sum(-1, keepdim=True) + 1e-6)).view(x.size(0), 1, HEIGHT, WIDTH)


def share_of_the_sum(m: nn.Module, x: Tensor) -> Tensor:
    s = F.relu(m.score(x)) + 1e-3
    return x * (s / s.sum((2, 3), keepdim=True))


def span(m: nn.Module, x: Tensor) -> Tensor:
    """The mean map, from its least to its greatest number."""
    s = x.mean(1, keepdim=True)
    low, high = s.amin((2, 3), keepdim=True), s.amax((2, 3), keepdim=True)
    return x * ((s - low) / (high - low + 1e-6))


def share_of_the_greatest(m: nn.Module, x: Tensor) -> Tensor:
    s = x.pow(2).mean(1, keepdim=True)
    return x * (s / s.flatten(1).max(1)[0].view(-1, 1, 1, 1))


def log_softmax(m: nn.Module, x: Tensor) -> Tensor:
    return x * F.log_softmax(m.score(x).flatten(2), -1).exp().view(x.size(0), 1, HEIGHT, WIDTH)


def smoothed(m: nn.Module, x: Tensor) -> Tensor:
    return x * F.avg_pool2d(torch.sigmoid(m.mix(x)), 3, stride=1, padding=1)


def padded(m: nn.Module, x: Tensor) -> Tensor:
    return x * F.pad(torch.sigmoid(m.mix(x))[:, :, 1:-1, 1:-1], (1, 1, 1, 1))


def normalised_gate(m: nn.Module, x: Tensor) -> Tensor:
    return x * F.normalize(torch.sigmoid(m.mix(x)), dim=1)


def rooted(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sqrt(torch.sigmoid(m.mix(x)))


def cut(m: nn.Module, x: Tensor) -> Tensor:
    s = torch.sigmoid(m.mix(x))
    return x * torch.where(s > 0.3, s, torch.zeros_like(s))


def greater_of_two(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.maximum(torch.sigmoid(m.mix(x)), torch.sigmoid(m.other(x)))


def shrunk(m: nn.Module, x: Tensor) -> Tensor:
    return x * F.relu(torch.sigmoid(m.mix(x)) - 0.1)


def filled(m: nn.Module, x: Tensor) -> Tensor:
    s = torch.sigmoid(m.mix(x))
    return x * s.masked_fill(s < 0.2, 0.0)


def shuffled_up(m: nn.Module, x: Tensor) -> Tensor:
    """Four maps of half the size are one of the whole size."""
    y = x[:, :, :, :4]
    return y * F.pixel_shuffle(torch.sigmoid(m.quarter(F.avg_pool2d(y, 2))), 2)


def warped(m: nn.Module, x: Tensor) -> Tensor:
    grid = F.affine_grid(torch.eye(2, 3, dtype=x.dtype)[None].expand(x.size(0), 2, 3), list(x.shape), False)
    return x * F.grid_sample(torch.sigmoid(m.score(x)), grid, align_corners=False)


def map_for_each_channel(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.cat([torch.sigmoid(m.score(x))] * CHANNELS, dim=1)


def spread_then_upsampled(m: nn.Module, x: Tensor) -> Tensor:
    small = torch.sigmoid(m.score(F.avg_pool2d(x, 2))).expand(-1, CHANNELS, -1, -1)
    return x * F.interpolate(small, size=x.shape[2:], mode="bilinear")


def repeated_channels(m: nn.Module, x: Tensor) -> Tensor:
    return x * torch.sigmoid(m.less(x)).repeat_interleave(2, dim=1)


def mixed_by_attention(m: nn.Module, x: Tensor) -> Tensor:
    """A map, averaged over the places by the weights of self-attention."""
    y, s = m.mix(x).flatten(2), torch.sigmoid(m.score(x)).flatten(2)
    weights = (y.transpose(1, 2) @ y).softmax(-1)
    return x * (weights @ s.transpose(1, 2)).transpose(1, 2).reshape(x.size(0), 1, HEIGHT, WIDTH)


def large_kernel(m: nn.Module, x: Tensor) -> Tensor:
    """Large-kernel attention: the output of three convolutions, unbounded, times their input."""
    y = F.gelu(m.conv(x))
    return m.mix(y * m.other(m.long(m.wide(y))))


def large_kernel_of_half(m: nn.Module, x: Tensor) -> Tensor:
    a, b = m.mix(x).chunk(2, dim=1)
    return torch.cat([a * m.second(m.first(a)), b], 1)


def channels_without_an_activation(m: nn.Module, x: Tensor) -> Tensor:
    return x * logits(m, x)


def over_a_threshold(m: nn.Module, x: Tensor) -> Tensor:
    return x * (torch.sigmoid(m.score(x)) > 0.5).float()


def compared_in_place_of_a_float(m: nn.Module, x: Tensor) -> Tensor:
    return x * (torch.sigmoid(logits(m, x)) >= 0.5)


def straight_through(m: nn.Module, x: Tensor) -> Tensor:
    soft = torch.sigmoid(logits(m, x))
    hard = (soft > 0.5).to(x.dtype)
    return x * (hard - soft.detach() + soft)


def best_channels(m: nn.Module, x: Tensor) -> Tensor:
    s = torch.sigmoid(logits(m, x)).flatten(1)
    mask = torch.zeros_like(s).scatter_(1, s.topk(3, dim=1)[1], 1.0)
    return x * mask[:, :, None, None]


def best_places(m: nn.Module, x: Tensor) -> Tensor:
    s = torch.sigmoid(m.score(x)).flatten(1)
    least = s.topk(10, dim=1)[0][:, -1:]
    return x * (s >= least).to(x.dtype).view(x.size(0), 1, HEIGHT, WIDTH)


def on_or_off(m: nn.Module, x: Tensor) -> Tensor:
    """A decision for each channel between two logits."""
    y = m.two(x.mean((2, 3))).view(-1, CHANNELS, 2).softmax(-1)
    return x * F.one_hot(y.argmax(-1), 2)[:, :, 0, None, None].to(x.dtype)


def branch_weights(m: nn.Module, x: Tensor) -> Tensor:
    """One number for each of two branches."""
    branches = torch.stack([m.mix(x), m.other(x)], dim=1)
    weights = m.choose(x.mean((2, 3))).softmax(1)
    return (branches * weights.view(-1, 2, 1, 1, 1)).sum(1)


def branch_weights_by_view(m: nn.Module, x: Tensor) -> Tensor:
    n, c, h, w = x.shape
    branches = torch.cat([m.mix(x), m.other(x)], dim=1).view(n, 2, c, h, w)
    weights = m.choose(x.mean((2, 3))).softmax(1)
    return (branches * weights[:, :, None, None, None]).sum(1)


def picture_by_picture(m: nn.Module, x: Tensor) -> Tensor:
    return torch.stack([one * torch.sigmoid(m.mix(one.mean((1, 2), keepdim=True)[None])[0]) for one in x])


def picture_by_picture_by_index(m: nn.Module, x: Tensor) -> Tensor:
    parts = [x[i : i + 1] for i in range(x.size(0))]
    return torch.cat([one * torch.sigmoid(logits(m, one)) * torch.sigmoid(m.score(one)) for one in parts])


class Statistics(nn.Module):
    """Shuffle attention's parameters: a scale and a shift for each channel of a half."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(1, CHANNELS // 2, 1, 1) + 0.5)
        self.shift = nn.Parameter(torch.rand(1, CHANNELS // 2, 1, 1))
        self.norm = nn.GroupNorm(CHANNELS // 2, CHANNELS // 2)

    def forward(self, x: Tensor) -> Tensor:
        return half_by_its_own_statistics(self, x)


def _conv(into: int = CHANNELS, out: int = CHANNELS, kernel: int = 1, groups: int = 1) -> nn.Module:
    return nn.Conv2d(into, out, kernel, padding=kernel // 2, groups=groups)


def _score() -> dict[str, nn.Module]:
    return {"score": _conv(out=1)}


def _two() -> dict[str, nn.Module]:
    return {"mix": _conv(), "other": _conv()}


def _squeezed() -> dict[str, nn.Module]:
    return {"down": _conv(out=4), "up": _conv(into=4)}


def _full(activation: str = "sigmoid") -> list[Found]:
    return [("#1", "full", activation)]


def _map(activation: str) -> list[Found]:
    return [("#1", "spatial", activation)]


def _channel(activation: str) -> list[Found]:
    return [("#1", "channel", activation)]


HANDMADE: dict[str, tuple[Callable[[], nn.Module], list[Found]]] = {
    "halves by their own statistics": (Statistics, [("#1", "channel", "sigmoid"), ("#2", "full", "sigmoid")]),
    "normalisation-based": (
        lambda: Function(normalisation_based, conv=_conv(), norm=nn.BatchNorm2d(CHANNELS)),
        _full(),
    ),
    "the same part twice": (lambda: Function(the_same_part_twice, mix=_conv(), less=_conv(4, 4)), _full()),
    "the same projection normalised": (lambda: Function(the_same_projection_normalised, mix=_conv()), _full()),
    "softmax by hand": (lambda: Function(softmax_by_hand, **_score()), _map("softmax")),
    "softmax by hand, safely": (lambda: Function(softmax_by_hand_safely, **_score()), _map("softmax")),
    "share of the sum": (lambda: Function(share_of_the_sum, **_score()), _map("normalised")),
    "span": (lambda: Function(span), _map("normalised")),
    "share of the greatest": (lambda: Function(share_of_the_greatest), _map("normalised")),
    "softmax of logarithms": (lambda: Function(log_softmax, **_score()), _map("softmax")),
    "smoothed": (lambda: Function(smoothed, mix=_conv()), _full()),
    "padded": (lambda: Function(padded, mix=_conv()), _full()),
    "normalised gate": (lambda: Function(normalised_gate, mix=_conv()), _full()),
    "rooted": (lambda: Function(rooted, mix=_conv()), _full()),
    "cut": (lambda: Function(cut, mix=_conv()), _full()),
    "greater of two": (lambda: Function(greater_of_two, **_two()), _full()),
    "shrunk": (lambda: Function(shrunk, mix=_conv()), _full()),
    "filled": (lambda: Function(filled, mix=_conv()), _full()),
    "shuffled up": (lambda: Function(shuffled_up, quarter=_conv(out=4 * CHANNELS)), _full()),
    "warped": (lambda: Function(warped, **_score()), _map("sigmoid")),
    "map for each channel": (lambda: Function(map_for_each_channel, **_score()), _map("sigmoid")),
    "map for each channel, upsampled": (lambda: Function(spread_then_upsampled, **_score()), _map("sigmoid")),
    "repeated channels": (lambda: Function(repeated_channels, less=_conv(out=CHANNELS // 2)), _full()),
    "mixed by attention": (lambda: Function(mixed_by_attention, mix=_conv(), **_score()), _map("sigmoid")),
    "large kernel": (
        lambda: Function(
            large_kernel, conv=_conv(), wide=_conv(kernel=5, groups=CHANNELS), long=_conv(kernel=3), **_two()
        ),
        _full("none"),
    ),
    "large kernel of a half": (
        lambda: Function(large_kernel_of_half, mix=_conv(), first=_conv(4, 4, 3), second=_conv(4, 4)),
        _full("none"),
    ),
    "channels without an activation": (
        lambda: Function(channels_without_an_activation, **_squeezed()),
        _channel("none"),
    ),
    "over a threshold": (lambda: Function(over_a_threshold, **_score()), _map("step")),
    "compared": (lambda: Function(compared_in_place_of_a_float, **_squeezed()), _channel("step")),
    "straight through": (lambda: Function(straight_through, **_squeezed()), _channel("step")),
    "best channels": (lambda: Function(best_channels, **_squeezed()), _channel("step")),
    "best places": (lambda: Function(best_places, **_score()), _map("step")),
    "on or off": (lambda: Function(on_or_off, two=nn.Linear(CHANNELS, 2 * CHANNELS)), _channel("step")),
    "one number a branch": (
        lambda: Function(branch_weights, choose=nn.Linear(CHANNELS, 2), **_two()),
        [("#1", "branch", "softmax")],
    ),
    "one number a branch, by view": (
        lambda: Function(branch_weights_by_view, choose=nn.Linear(CHANNELS, 2), **_two()),
        [("#1", "branch", "softmax")],
    ),
    "picture by picture": (lambda: Function(picture_by_picture, mix=_conv()), _channel("sigmoid")),
    "picture by picture, by index": (
        lambda: Function(picture_by_picture_by_index, **_squeezed(), **_score()),
        [("#1", "channel", "sigmoid"), ("#2", "spatial", "sigmoid")],
    ),
}
"""By what people call them: a maker, and the gates in the order of execution."""
BETWEEN = frozenset(
    (
        "normalisation-based",
        "the same part twice",
        "the same projection normalised",
        "shuffled up",
        "large kernel",
        "large kernel of a half",
        "one number a branch",
        "one number a branch, by view",
    )
)
"""Those whose output is not the input times the one gate."""
