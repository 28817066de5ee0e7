"""Statistics of a part of the pictures that merge into those of all: float64, a part at a time, in any grouping.

A part is a table of gate values, one row a picture and one column a channel or place of a gate. Merging is exact but
for the rounding of float64, and exact to the last bit where the same parts are merged in the same order.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attention.kinds import KINDS, Kind
from attention.records import Floats
from attention.survey.errors import SurveyError

Doubles = NDArray[np.float64]
Whole = NDArray[np.int64]
BINS = 20
"""Of equal width over 0 to 1; the first is below 0.05, the last from 0.95 to 1 inclusive."""
KEPT = 9
"""How many pictures of the highest, and of the lowest gate each channel keeps."""


class Block(NamedTuple):
    """A gate of the network, and which columns of the table are its."""

    name: str
    kind: Kind
    activation: str
    shape: tuple[int, ...]
    """(C,) of values by channel, (H, W) of a map; others as the gate has them."""
    averaged: str
    """What the values were averaged over to come to this shape, in words; empty for a gate that is kept as it is."""

    @property
    def width(self) -> int:
        return int(np.prod(self.shape))

    @property
    def by_channel(self) -> bool:
        return KINDS[self.kind].by_channel


def ranked(blocks: tuple[Block, ...]) -> NDArray[np.bool_]:
    """The columns of the gates by channel, for which single pictures are kept."""
    return np.repeat([block.by_channel for block in blocks], [block.width for block in blocks]).astype(bool)


class Failure(NamedTuple):
    """A picture that could not be used, and why."""

    path: str
    reason: str


@dataclass(eq=False)
class Means:
    """Of n rows, by column: the mean."""

    count: int
    mean: Doubles

    @classmethod
    def of(cls, rows: Doubles) -> "Means":
        return cls(len(rows), rows.mean(0))

    def merged(self, other: "Means") -> "Means":
        count = self.count + other.count
        return Means(count, self.mean + (other.mean - self.mean) * (other.count / count))


@dataclass(eq=False)
class Moments:
    """Of n rows, by column: mean, sum of squared distances from it (M2), minimum and maximum."""

    count: int
    mean: Doubles
    m2: Doubles
    low: Floats
    high: Floats

    @classmethod
    def of(cls, rows: Doubles) -> "Moments":
        mean = rows.mean(0)
        low, high = (extreme.astype(np.float32) for extreme in (rows.min(0), rows.max(0)))
        return cls(len(rows), mean, ((rows - mean) ** 2).sum(0), low, high)

    def merged(self, other: "Moments") -> "Moments":
        """T. F. Chan, G. H. Golub, R. J. LeVeque: Updating formulae ... for computing sample variances, 1979."""
        count = self.count + other.count
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.count / count)
        m2 = self.m2 + other.m2 + delta**2 * (self.count * other.count / count)
        return Moments(count, mean, m2, np.minimum(self.low, other.low), np.maximum(self.high, other.high))


def total(parts: Iterable[Moments]) -> Moments | None:
    """All parts as one; None where there is none."""
    merged: Moments | None = None
    for part in parts:
        merged = part if merged is None else merged.merged(part)
    return merged


@dataclass(eq=False)
class Highest:
    """Of each column the KEPT highest values so far, and the pictures they are of; unordered until there are more.

    Of equal values those of earlier pictures stay. Rows that no picture has filled yet are not there.
    """

    values: Floats
    pictures: Whole

    @classmethod
    def of(cls, values: Floats, pictures: Whole) -> "Highest":
        numbers = np.broadcast_to(pictures[:, None], values.shape)
        return cls(*_first(values, numbers) if len(values) > KEPT else (values, numbers))

    def merged(self, other: "Highest") -> "Highest":
        """The columns in which the other has nothing to add are left as they are."""
        if len(self.values) < KEPT:
            return Highest(*_first(*_joined(self, other, slice(None))))
        later = other.pictures.size and other.pictures.min() > self.pictures.max(initial=-1)
        beats = np.greater if later else np.greater_equal  # of equal values those of later pictures change nothing
        news = np.flatnonzero(beats(other.values.max(0, initial=-np.inf), self.values.min(0)))
        if not len(news):
            return self
        values, pictures = self.values.copy(), self.pictures.copy()
        values[:, news], pictures[:, news] = _first(*_joined(self, other, news))
        return Highest(values, pictures)


def _joined(one: Highest, other: Highest, columns: NDArray[np.intp] | slice) -> tuple[Floats, Whole]:
    values = np.concatenate([one.values[:, columns], other.values[:, columns]])
    return values, np.concatenate([one.pictures[:, columns], other.pictures[:, columns]])


def _first(values: Floats, pictures: Whole) -> tuple[Floats, Whole]:
    order = np.lexsort((pictures, -values), axis=0)[:KEPT]
    return np.take_along_axis(values, order, 0), np.take_along_axis(pictures, order, 0)


def histogram(values: Doubles) -> NDArray[np.integer]:
    """(N, F) -> (F, BINS + 2) counts by column: below 0, the BINS, and above 1.

    In float64 the product of a float32 value and BINS is exact, and so is the bin.
    """
    places = np.floor(values * BINS).clip(-1, BINS).astype(np.int64) + 1
    places[values == 1] = BINS
    width = BINS + 2
    flat = (places + np.arange(values.shape[1]) * width).ravel()
    counts = np.bincount(flat, minlength=values.shape[1] * width).reshape(-1, width)
    return counts.astype(np.min_scalar_type(len(values)))


@dataclass(eq=False)
class Partial:
    """What is kept of some of the pictures; `add` takes in that of others."""

    pictures: int = 0
    blocks: tuple[Block, ...] | None = None
    """None until a picture could be used."""
    classes: dict[int, Moments] = field(default_factory=dict)
    verdicts: dict[bool, Moments] = field(default_factory=dict)
    """Of the pictures whose class the network named first, and of those where it named another."""
    shuffled: dict[int, Means] = field(default_factory=dict)
    """By class, after the classes were shuffled among the pictures: what classes look like by chance."""
    histogram: NDArray[np.integer] = field(default_factory=lambda: np.zeros((0, BINS + 2), np.int64))
    top: Highest | None = None
    """Of the columns of gates by channel, in their order."""
    bottom: Highest | None = None
    """The same of the negated values."""
    predictions: Counter[tuple[int, int]] = field(default_factory=Counter)
    """How many pictures of a class were taken for an output of the network, by (class, output)."""
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Partial") -> None:
        """Take in the pictures of another part. Raises SurveyError where its gates are others."""
        self.pictures += other.pictures
        self.failures += other.failures
        if other.blocks is None:
            return
        if self.blocks is None:
            self.blocks, self.top, self.bottom = other.blocks, other.top, other.bottom
            self.histogram = other.histogram.astype(np.int64)
        else:
            self._meet(other)
        _merge(self.classes, other.classes)
        _merge(self.verdicts, other.verdicts)
        _merge(self.shuffled, other.shuffled)
        self.predictions.update(other.predictions)

    def _meet(self, other: "Partial") -> None:
        if self.blocks != other.blocks:
            raise SurveyError(
                "The network applies other gates to some pictures; only the same ones for all are allowed."
            )
        assert self.top and self.bottom and other.top and other.bottom
        self.histogram += other.histogram
        self.top = self.top.merged(other.top)
        self.bottom = self.bottom.merged(other.bottom)


def _merge(mine: dict[Any, Any], others: Mapping[Any, Moments | Means]) -> None:
    for key, part in others.items():
        mine[key] = mine[key].merged(part) if key in mine else part
