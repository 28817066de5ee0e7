"""What is recognised, and what a family is recognised by."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from attention.records import GatescopeError

Shapes = Mapping[str, tuple[int, ...]]
"""Of every tensor in a state dict, by its key."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class RecognitionError(GatescopeError):
    """Weights that no network is known for, or that do not fit the one that was chosen."""


@dataclass(frozen=True)
class Candidate:
    """A network that may be the one: what was read off the shapes, and how to build it."""

    settings: Mapping[str, object]
    build: Callable[[], nn.Module]


@dataclass(frozen=True)
class Family:
    """Networks of one make, with the keys that tell it."""

    name: str
    clues: Mapping[str, str]
    """Keys that weights of this family have, each with what it is."""
    candidates: Callable[[Shapes], Iterator[Candidate]]


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
    input_size: int = 224
    """Side of the picture, in pixels; like the two that follow assumed, since weights do not say it."""
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    @property
    def assumed(self) -> str:
        """The sentence that a page owes to whoever chose the file."""
        return (
            f"A weight file does not say how its pictures were prepared: {self.input_size} pixels and ImageNet's mean "
            f"and standard deviation are assumed."
        )
