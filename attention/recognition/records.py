"""What is recognised, and what a family is recognised by."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from attention.records import GatescopeError

Shapes = Mapping[str, tuple[int, ...]]
"""Of every tensor in a state dict, by its key."""


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
