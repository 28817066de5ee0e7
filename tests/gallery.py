"""Blocks as people write them, with the gates that each applies: (name, kind, activation)."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests import gated
from tests.blocks import CHANNELS, HEIGHT, WIDTH, Found, Function, linear, logits, pointwise, square
from tests.handmade import BETWEEN, HANDMADE
from tests.ungated import UNGATED

SIGMOID: Found = ("#1", "channel", "sigmoid")
HARD: Found = ("#1", "channel", "hardsigmoid")
MAP: Found = ("#1", "spatial", "sigmoid")
FULL: Found = ("#1", "full", "sigmoid")


def _score() -> dict[str, nn.Module]:
    return {"score": nn.Conv2d(CHANNELS, 1, 1)}


def _branches() -> dict[str, nn.Module]:
    convs = {"small": nn.Conv2d(CHANNELS, CHANNELS, 1), "large": nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)}
    return convs | {"down": nn.Linear(CHANNELS, 4), "up": nn.Linear(4, 2 * CHANNELS)}


def _coordinate() -> nn.Module:
    return Function(gated.coordinate, **pointwise(), norm=nn.BatchNorm2d(4))


GATED: dict[str, tuple[Callable[[], nn.Module], list[Found]]] = {
    "expanded": (lambda: Function(gated.expanded, **linear(), pool=nn.AdaptiveAvgPool2d(1)), [SIGMOID]),
    "in place": (lambda: Function(gated.in_place, **linear()), [SIGMOID]),
    "in place into the gate": (
        lambda: Function(gated.in_place_into_the_gate, conv=square()),
        [FULL],
    ),
    "augmented assignment": (lambda: Function(gated.augmented, **pointwise()), [SIGMOID]),
    "hardsigmoid": (lambda: Function(lambda m, x: x * F.hardsigmoid(logits(m, x)), **pointwise()), [HARD]),
    "hardsigmoid in place": (
        lambda: Function(lambda m, x: m.act(logits(m, x)) * x, **pointwise(), act=nn.Hardsigmoid(inplace=True)),
        [HARD],
    ),
    "efficient channel attention": (lambda: Function(gated.eca, conv=nn.Conv1d(1, 1, 3, padding=1)), [SIGMOID]),
    "repeated": (lambda: Function(gated.repeated, **pointwise()), [SIGMOID]),
    "upsampled": (lambda: Function(gated.upsampled, **pointwise()), [SIGMOID]),
    "channels last by hand": (lambda: Function(gated.channels_last_by_hand, **linear()), [SIGMOID]),
    "tokens": (lambda: Function(gated.tokens, **linear()), [SIGMOID]),
    "spatial over tokens": (lambda: Function(gated.spatial_over_tokens, score=nn.Linear(CHANNELS, 1)), [MAP]),
    "spatial group-wise enhance": (lambda: Function(gated.grouped), [FULL]),
    "concurrent": (
        lambda: Function(gated.scse, **pointwise(), **_score()),
        [("#1", "channel", "sigmoid"), ("#2", "spatial", "sigmoid")],
    ),
    "published CBAM": (
        gated.PublishedCBAM,
        [("ChannelGate", "channel", "sigmoid"), ("SpatialGate", "spatial", "sigmoid")],
    ),
    "bottleneck attention": (lambda: Function(gated.bam, **pointwise(), **_score()), [FULL]),
    "parameter-free": (lambda: Function(gated.simam), [FULL]),
    "selective kernels": (lambda: Function(gated.selective_kernel, **_branches()), [("#1", "channel", "softmax")]),
    "selective kernels by view": (
        lambda: Function(gated.selective_kernel_by_view, **_branches()),
        [("#1", "channel", "softmax")],
    ),
    "gather-excite": (lambda: Function(gated.gather_excite), [FULL]),
    "coordinate attention": (_coordinate, [("#1", "channel-width", "sigmoid"), ("#2", "channel-height", "sigmoid")]),
    "triplet attention": (
        lambda: Function(gated.triplet, conv=nn.Conv2d(2, 1, 3, padding=1)),
        [("#1", "channel-width", "sigmoid")],
    ),
    "sigmoid by hand": (lambda: Function(gated.sigmoid_by_hand, **pointwise()), [SIGMOID]),
    "sigmoid by reciprocal": (lambda: Function(gated.sigmoid_by_reciprocal, **pointwise()), [SIGMOID]),
    "hardsigmoid by hand": (lambda: Function(gated.hardsigmoid_by_hand, **pointwise()), [HARD]),
    "hardsigmoid by clamp": (lambda: Function(gated.hardsigmoid_by_clamp, **pointwise()), [HARD]),
    "einsum": (lambda: Function(gated.einsum, **linear()), [SIGMOID]),
    "einsum with dots": (lambda: Function(gated.einsum_with_dots, **linear()), [SIGMOID]),
    "einsum, gate first": (lambda: Function(gated.einsum_gate_first, **linear()), [SIGMOID]),
    "by keyword": (
        lambda: Function(lambda m, x: torch.mul(x, other=torch.sigmoid(logits(m, x))), **pointwise()),
        [SIGMOID],
    ),
    "opened by hand": (lambda: Function(gated.opened_by_hand, **pointwise()), [SIGMOID]),
    "with an empty part": (lambda: Function(gated.with_an_empty_part, **pointwise()), [SIGMOID]),
    "sampled features": (
        lambda: Function(
            gated.sampled_features, **pointwise(), map=nn.Embedding(CHANNELS, 16), at=nn.Conv2d(CHANNELS, 2, 1)
        ),
        [SIGMOID],
    ),
    "addcmul": (lambda: Function(gated.addcmul, **pointwise()), [SIGMOID]),
    "gate in a buffer": (lambda: Function(gated.gate_in_a_buffer, **pointwise()), [SIGMOID]),
    "product in a buffer": (lambda: Function(gated.product_in_a_buffer, **pointwise()), [SIGMOID]),
    "product into `out`": (lambda: Function(gated.product_out, **pointwise()), [SIGMOID]),
    "product in the parent": (
        lambda: Function(gated.in_the_parent, ca=Function(lambda m, x: torch.sigmoid(logits(m, x)), **pointwise())),
        [SIGMOID],
    ),
    "module used twice": (
        lambda: Function(gated.twice, se=Function(lambda m, x: x * torch.sigmoid(logits(m, x)), **pointwise())),
        [("se#1", "channel", "sigmoid"), ("se#2", "channel", "sigmoid")],
    ),
    "without an activation": (lambda: Function(gated.nafnet, mix=square()), [("#1", "channel", "none")]),
    "reverse attention": (lambda: Function(gated.one_minus, **_score()), [MAP]),
    "residual tanh": (lambda: Function(gated.residual, **pointwise()), [("#1", "channel", "tanh")]),
    "one minus the confidence": (lambda: Function(gated.confidence, mix=square()), [("#1", "spatial", "softmax")]),
    "map without an activation": (
        lambda: Function(lambda m, x: x * m.score(x), **_score()),
        [("#1", "spatial", "none")],
    ),
    "of each sample": (lambda: Function(gated.of_each_sample, **linear()), [("#1", "sample", "sigmoid")]),
    "by one layer": (lambda: Function(gated.by_one_layer, conv=square()), [FULL]),
    "after a layer": (lambda: Function(gated.after_a_layer, conv=square(), mix=square()), [FULL]),
    "trunk and mask": (
        lambda: Function(gated.trunk_and_mask, conv=square(), mix=square(), up=square(), down=square()),
        [FULL],
    ),
    "self-calibrated": (lambda: Function(gated.self_calibrated, conv=square(), mix=square()), [FULL]),
    "bounded features": (lambda: Function(gated.bounded_features, **pointwise(), **_score()), [FULL]),
    "gated attention": (lambda: Function(gated.gated_attention, conv=square()), [FULL]),
    "nested functions": (lambda: Function(gated.nested, **pointwise()), [SIGMOID]),
    "clamped": (
        lambda: Function(lambda m, x: x * logits(m, x).clamp(0, 1), **pointwise()),
        [("#1", "channel", "clamp")],
    ),
    **HANDMADE,
}
"""By what people call them: a maker, and the gates in the order of execution."""

_BETWEEN = """
    addcmul, augmented assignment, residual tanh, selective kernels, selective kernels by view, after a layer,
    trunk and mask, self-calibrated, sampled features, bounded features, gated attention"""
DIRECT = [
    name
    for name, (_, gates) in GATED.items()
    if len(gates) == 1 and name not in BETWEEN | set(" ".join(_BETWEEN.split()).split(", "))
]
"""Those whose output is the input times the one gate."""


def made(name: str) -> nn.Module:
    """A block of the gallery in eval mode, with weights from a fixed seed."""
    torch.manual_seed(0)
    return (GATED[name][0] if name in GATED else UNGATED[name])().eval()


def features(*, dtype: torch.dtype = torch.float32) -> Tensor:
    """(2, C, H, W) numbers, none of them zero."""
    return torch.randn(2, CHANNELS, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1)).to(dtype)


def blocks() -> Iterator[str]:
    yield from GATED
    yield from UNGATED
