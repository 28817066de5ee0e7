"""What networks are told by: the records, and what the shapes of residual networks say in any library's layout."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, takewhile

from torch import nn

from attention.records import GatescopeError

Shapes = Mapping[str, tuple[int, ...]]
"""The shape of every tensor in a state dict, by its key."""
SHOWN = 3


@dataclass(frozen=True)
class Differences:
    """Keys that a file lacks, keys that it has besides, and keys of another shape. False where there are none."""

    missing: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    """Each with both shapes."""

    def __len__(self) -> int:
        return len(self.missing) + len(self.left_over) + len(self.misshapen)

    def __str__(self) -> str:
        kinds = {"missing": self.missing, "left over": self.left_over, "of another shape": self.misshapen}
        return "; ".join(f"{len(keys)} {kind} ({first(keys)})" for kind, keys in kinds.items() if keys)


class RecognitionError(GatescopeError):
    """Weights that no network is known for, or that do not fit the one that was chosen.

    The message names the first few keys that differ, `differences` all of them.
    """

    def __init__(self, sentence: str, differences: Differences | None = None) -> None:
        super().__init__(sentence)
        self.differences = differences or Differences()


@dataclass(frozen=True, eq=False)
class Candidate:
    """A network that may be the one: what was read off the shapes, and how to build it."""

    settings: Mapping[str, object]
    build: Callable[[], nn.Module]
    assumed: tuple[str, ...] = ()
    """What the shapes do not say, a phrase each."""


@dataclass(frozen=True, eq=False)
class Family:
    """Networks of one make, with the keys that tell it."""

    name: str
    clues: Mapping[str, str]
    """Keys that weights of this family have, each with what it is."""
    candidates: Callable[[Shapes], Iterator[Candidate]]
    pooled: bool = False
    """Whether a pooling stands behind a first convolution that was made one of 3x3; only such weights are its own."""


@dataclass(frozen=True, eq=False)
class Architecture:
    """A network recognised from its weights: `build()` makes it, with weights of its own."""

    family: str
    """One of `FAMILIES`."""
    evidence: tuple[str, ...]
    """Which keys and shapes said so, a phrase each."""
    settings: Mapping[str, object]
    """What was read off the shapes: depth, stages, widths, groups, reduction, kernel, classes ..., where there are."""
    alternatives: tuple[str, ...]
    """Families whose networks have the same keys and shapes; what they compute may differ in a stride or a padding."""
    build: Callable[[], nn.Module]
    assumed: tuple[str, ...] = ()
    """What the shapes do not say, a phrase each."""
    differences: Differences = Differences()
    """How the keys differ from those of the network, where the family was chosen by hand; False where they do not."""


def first(keys: Iterable[str]) -> str:
    """The first few, for a message; a stranger's names are cut short."""
    listed = [key if len(key) <= 80 else f"{key[:77]}..." for key in keys]
    return ", ".join(listed[:SHOWN]) + " ..." * (len(listed) > SHOWN)


@dataclass(frozen=True)
class Names:
    """What a library calls the parts of a residual network."""

    block: Callable[[int, int], str]
    """The prefix of a block's keys, by stage and place, both from 0."""
    conv: str = "conv{}.weight"
    stem: str = "conv1.weight"
    head: str = "fc.weight"


BLOCKS = Names(block=lambda stage, block: f"layer{stage + 1}.{block}.")
"""torchvision's and timm's, and those of the published codes."""


@dataclass(frozen=True)
class Residual:
    """A residual network of stages of equal blocks."""

    stages: tuple[int, ...]
    """Blocks in each."""
    bottleneck: bool
    inner: tuple[int, ...]
    """Channels of the 3x3 convolution in each stage."""
    outputs: tuple[int, ...]
    """Channels that each stage gives on."""
    groups: int
    """Groups of the 3x3 convolutions."""
    stem: int
    """Channels of the first convolution."""
    stem_kernel: int
    classes: int

    @property
    def depth(self) -> int:
        """Layers with weights, counted as the papers do."""
        return sum(self.stages) * (3 if self.bottleneck else 2) + 2

    @property
    def settings(self) -> dict[str, object]:
        widths = {"inner widths": self.inner} if self.bottleneck else {}
        return {
            "depth": self.depth,
            "stages": self.stages,
            "block": "bottleneck" if self.bottleneck else "basic",
            "widths": self.outputs,
            **widths,
            "groups": self.groups,
            "stem kernel": self.stem_kernel,
            "classes": self.classes,
        }


def read_residual(shapes: Shapes, names: Names = BLOCKS) -> Residual:
    """Raises KeyError where the keys are not those of such a network."""
    stages = tuple(takewhile(bool, (_blocks(shapes, names, stage) for stage in count())))
    bottleneck = names.block(0, 0) + names.conv.format(3) in shapes
    last = 3 if bottleneck else 2

    def conv(stage: int, number: int) -> tuple[int, ...]:
        return shapes[names.block(stage, 0) + names.conv.format(number)]

    return Residual(
        stages,
        bottleneck,
        inner=tuple(conv(stage, 2)[0] for stage in range(len(stages))),
        outputs=tuple(conv(stage, last)[0] for stage in range(len(stages))),
        groups=conv(0, 1)[0] // conv(0, 2)[1],
        stem=shapes[names.stem][0],
        stem_kernel=shapes[names.stem][-1],
        classes=shapes[names.head][0],
    )


def _blocks(shapes: Shapes, names: Names, stage: int) -> int:
    return count_run(shapes, lambda block: names.block(stage, block) + names.conv.format(1))


def count_run(shapes: Shapes, key: Callable[[int], str]) -> int:
    """How many of the keys numbered from 0 are there, until one is not."""
    return next(number for number in count() if key(number) not in shapes)


def squeeze_widths(shapes: Shapes, layer: str) -> tuple[int, int]:
    """(hidden, channels) of the first layer of a squeeze, by its key."""
    hidden, channels, *_ = shapes[layer]
    return hidden, channels


def reduction(shapes: Shapes, layer: str) -> int:
    """Channels to one hidden unit."""
    hidden, channels = squeeze_widths(shapes, layer)
    return channels // hidden


def divisible(channels: float) -> int:
    """The multiple of 8 that mobile networks round a width to, never a tenth below it."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


SCALES = {
    "b0": (1.0, 1.0),
    "b1": (1.0, 1.1),
    "b2": (1.1, 1.2),
    "b3": (1.2, 1.4),
    "b4": (1.4, 1.8),
    "b5": (1.6, 2.2),
    "b6": (1.8, 2.6),
    "b7": (2.0, 3.1),
    "b8": (2.2, 3.6),
}
"""Width and depth of the EfficientNets as multiples of B0, arXiv 1905.11946."""


def efficientnets(stem: int, head: int, repeats: int) -> Iterator[str]:
    """Those with so many channels in the first and last convolution, and blocks in the sixth stage."""
    for name, (width, depth) in SCALES.items():
        if (divisible(32 * width), divisible(1280 * width), math.ceil(4 * depth)) == (stem, head, repeats):
            yield name


def mobilenet_widths(last: int, full: int) -> Iterator[float]:
    """The width multipliers whose last 1x1 convolution has so many channels, where the full network has `full`."""
    for width in (1.0, 0.35, 0.5, 0.75, 1.25, 1.5, 2.0):
        if last in (divisible(full * width), 6 * divisible(full // 6 * width)):
            yield width
