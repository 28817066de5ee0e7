"""What is recognised, and what a family is recognised by."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from torch import nn

from attention.records import GatescopeError

Shapes = Mapping[str, tuple[int, ...]]
"""Of every tensor in a state dict, by its key."""
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


def first(keys: Iterable[str]) -> str:
    """The first few, for a message; a stranger's names are cut short."""
    listed = [key if len(key) <= 80 else f"{key[:77]}..." for key in keys]
    return ", ".join(listed[:SHOWN]) + " ..." * (len(listed) > SHOWN)
