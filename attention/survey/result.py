"""What a survey comes to, as records of numpy arrays; and what goes wrong in one."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attention.kinds import Kind
from attention.records import Doubles, Floats, GatescopeError, StoppedError

Integers = NDArray[np.int64]
BINS = 20
"""Bins of equal width over 0 to 1; the first is below 0.05, the last from 0.95 to 1 inclusive."""


class SurveyError(GatescopeError):
    """A survey that cannot be made, gone on with or read; the message says why."""


class CancelledError(SurveyError, StoppedError):
    """Somebody asked the survey to stop."""


class Failure(NamedTuple):
    """A picture that could not be used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, eq=False)
class Summary:
    """A gate over some pictures, by channel or place: (*shape), or (classes, *shape) with a count for each class.

    Where the count is 0, the numbers are NaN.
    """

    count: Integers
    mean: Doubles
    std: Doubles
    """With n as the divisor."""
    minimum: Floats
    maximum: Floats


@dataclass(frozen=True, eq=False)
class Exemplars:
    """The pictures in which each channel's gate is highest (or lowest), (k, C), the most extreme first."""

    values: Floats
    pictures: Integers
    """Keys of `Result.paths`."""


@dataclass(frozen=True, eq=False)
class GateSurvey:
    """One gate over all pictures; `shape` is (C,) of values by channel, (H, W) of a map."""

    name: str
    kind: Kind
    activation: str
    shape: tuple[int, ...]
    averaged: str
    """What its values were averaged over before they were counted, in words; empty where they were not."""
    feature_shape: tuple[int, ...]
    """(1, C, H, W) of what the gate multiplies, of one picture; empty in a file of an earlier version."""
    classes: Summary
    """Row i is class i of the result."""
    overall: Summary
    correct: Summary
    """The same over the pictures whose class the network named first."""
    wrong: Summary
    """The same over those where it named another."""
    shuffled: tuple[Integers, Doubles]
    """Counts (classes,) and means (classes, *shape) after the classes were shuffled once among the pictures."""
    histogram: NDArray[np.integer]
    """(*shape, BINS + 2) counts: below 0, BINS of equal width over 0 to 1, above 1."""
    top: Exemplars | None
    """None of a gate that does not stand for channels."""
    bottom: Exemplars | None

    @property
    def by_channel(self) -> bool:
        """Whether its columns are channels."""
        return self.top is not None


@dataclass(frozen=True, eq=False)
class Result:
    """A survey: every gate over every picture that could be read."""

    provenance: dict[str, Any]
    """Network, weights, preprocessing, versions, folder; under `run`, what differs between two equal surveys."""
    classes: tuple[str, ...]
    outputs: tuple[int, ...]
    """The network's output that each class is; -1 where it knows no such class."""
    labels: tuple[str, ...]
    """What a person calls the network's outputs."""
    gates: tuple[GateSurvey, ...]
    """In the order of execution."""
    predictions: Integers
    """(M, 3): class, output, number of pictures of that class which were taken for that output."""
    failures: tuple[Failure, ...]
    paths: dict[int, str]
    """The path of each exemplar, by its number."""

    @property
    def pictures(self) -> int:
        """How many were used."""
        return int(self.predictions[:, 2].sum())

    @property
    def accuracy(self) -> float | None:
        """Top-1 over the pictures whose class the network knows, 0 to 1; None where there are none."""
        right, wrong = self.right_and_wrong.sum(0)
        return float(right / (right + wrong)) if right + wrong else None

    @property
    def right_and_wrong(self) -> Integers:
        """How many pictures of each class are named right, and wrong, (K, 2); 0 of a class that is not known."""
        counts = np.zeros((len(self.classes), 2), np.int64)
        for label, output, count in self.predictions:
            if self.outputs[label] >= 0:
                counts[label, int(output != self.outputs[label])] += count
        return counts


def with_root(result: Result, name: str) -> Result:
    """The result with a name in place of the path at which the pictures lie on this machine."""
    facts = result.provenance["pictures"] | {"root": name}
    return replace(result, provenance=result.provenance | {"pictures": facts})
