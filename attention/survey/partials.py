"""Statistics of a part of the pictures that merge into those of all: float64, a part at a time, in any grouping.

A part is a table of gate values, one row a picture and one column a channel or place of a gate. Merging is exact but
for the rounding of float64, and exact to the last bit where the same parts are merged in the same order.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from attention.kinds import KINDS, Kind
from attention.records import Floats
from attention.survey.result import (
    BINS,
    Doubles,
    Exemplars,
    Failure,
    GateSurvey,
    Integers,
    Result,
    Summary,
    SurveyError,
)

OTHER_GATES = "The network applies other gates to some pictures; only the same ones for all are allowed."
EXEMPLARS = 9
"""Pictures that each channel keeps, those of its highest gates and as many of its lowest."""


class GateColumns(NamedTuple):
    """A gate of the network, and which columns of the table are its."""

    name: str
    kind: Kind
    activation: str
    shape: tuple[int, ...]
    """(C,) of values by channel, (H, W) of a map; others as the gate has them."""
    averaged: str
    """What the values were averaged over to come to this shape, in words; empty for a gate that is kept as it is."""
    feature_shape: tuple[int, ...]
    """(1, C, H, W) of what the gate multiplies, of one picture."""

    @property
    def width(self) -> int:
        return int(np.prod(self.shape))

    @property
    def by_channel(self) -> bool:
        return KINDS[self.kind].by_channel


def ranked(gates: tuple[GateColumns, ...]) -> NDArray[np.bool_]:
    """The columns of the gates by channel, for which single pictures are kept."""
    return np.repeat([gate.by_channel for gate in gates], [gate.width for gate in gates]).astype(bool)


@dataclass(eq=False)
class Means:
    """The mean of n rows, by column."""

    count: int
    mean: Doubles

    @classmethod
    def from_rows(cls, rows: Doubles) -> "Means":
        return cls(len(rows), rows.mean(0))

    def merged(self, other: "Means") -> "Means":
        count = self.count + other.count
        return Means(count, self.mean + (other.mean - self.mean) * (other.count / count))


@dataclass(eq=False)
class Moments:
    """Mean of n rows, sum of squared distances from it (M2), minimum and maximum, by column."""

    count: int
    mean: Doubles
    m2: Doubles
    low: Floats
    high: Floats

    @classmethod
    def from_rows(cls, rows: Doubles) -> "Moments":
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


@dataclass(eq=False)
class TopK:
    """The KEPT highest values of each column so far, and the pictures they are of; unordered until there are more.

    Of equal values, those of earlier pictures stay. Rows that no picture has filled yet are not there.
    """

    values: Floats
    pictures: Integers

    @classmethod
    def from_rows(cls, values: Floats, pictures: Integers) -> "TopK":
        numbers = np.broadcast_to(pictures[:, None], values.shape)
        return cls(*_largest(values, numbers) if len(values) > EXEMPLARS else (values, numbers))

    def merged(self, other: "TopK") -> "TopK":
        """The columns in which the other has nothing to add are left as they are."""
        if len(self.values) < EXEMPLARS:
            return TopK(*_largest(*_joined(self, other, slice(None))))
        later = other.pictures.size and other.pictures.min() > self.pictures.max(initial=-1)
        beats = np.greater if later else np.greater_equal  # of equal values those of later pictures change nothing
        news = np.flatnonzero(beats(other.values.max(0, initial=-np.inf), self.values.min(0)))
        if not len(news):
            return self
        values, pictures = self.values.copy(), self.pictures.copy()
        values[:, news], pictures[:, news] = _largest(*_joined(self, other, news))
        return TopK(values, pictures)


def _joined(one: TopK, other: TopK, columns: NDArray[np.intp] | slice) -> tuple[Floats, Integers]:
    values = np.concatenate([one.values[:, columns], other.values[:, columns]])
    return values, np.concatenate([one.pictures[:, columns], other.pictures[:, columns]])


def _largest(values: Floats, pictures: Integers) -> tuple[Floats, Integers]:
    """The KEPT largest of each column, the largest first; of equal ones those of earlier pictures."""
    order = np.lexsort((pictures, -values), axis=0)[:EXEMPLARS]
    return np.take_along_axis(values, order, 0), np.take_along_axis(pictures, order, 0)


def histogram(values: Doubles) -> NDArray[np.integer]:
    """(N, F) -> (F, BINS + 2) counts by column: below 0, the BINS, and above 1.

    In float64 the product of a float32 value and BINS is exact, and so is the bin.
    """
    bins = np.floor(values * BINS).clip(-1, BINS).astype(np.int64) + 1
    bins[values == 1] = BINS  # the last bin holds 1 itself
    width = BINS + 2
    flat = (bins + np.arange(values.shape[1]) * width).ravel()
    counts = np.bincount(flat, minlength=values.shape[1] * width).reshape(-1, width)
    # No count of a batch is larger than the batch; `Partial.add` makes room for those of all.
    return counts.astype(np.min_scalar_type(len(values)))


@dataclass(eq=False)
class Partial:
    """What is kept of some of the pictures; `add` takes in that of others."""

    pictures: int = 0
    gates: tuple[GateColumns, ...] | None = None
    """None until a picture could be used."""
    classes: dict[int, Moments] = field(default_factory=dict)
    correctness: dict[bool, Moments] = field(default_factory=dict)
    """By whether the network named the picture's class first; those of classes that it knows."""
    shuffled: dict[int, Means] = field(default_factory=dict)
    """By class, after the classes were shuffled among the pictures: what classes look like by chance."""
    histogram: NDArray[np.integer] = field(default_factory=lambda: np.zeros((0, BINS + 2), np.int64))
    top: TopK | None = None
    """The highest values of the columns of gates by channel, in their order."""
    bottom: TopK | None = None
    """The same of the negated values."""
    predictions: Counter[tuple[int, int]] = field(default_factory=Counter)
    """How many pictures of a class were taken for an output of the network, by (class, output)."""
    failures: list[Failure] = field(default_factory=list)
    halved: int = 0
    """How often a batch was halved, since the memory of the device did not hold it, at most."""

    def add(self, other: "Partial") -> None:
        """Take in the pictures of another part. Raises SurveyError where its gates are others."""
        self.pictures += other.pictures
        self.failures += other.failures
        self.halved = max(self.halved, other.halved)
        if other.gates is None:
            return
        if self.gates is None:
            self.gates, self.top, self.bottom = other.gates, other.top, other.bottom
            self.histogram = other.histogram.astype(np.int64)
        elif self.gates != other.gates:
            raise SurveyError(OTHER_GATES)
        else:
            assert self.top and self.bottom and other.top and other.bottom
            self.histogram += other.histogram
            self.top, self.bottom = self.top.merged(other.top), self.bottom.merged(other.bottom)
        _merge(self.classes, other.classes)
        _merge(self.correctness, other.correctness)
        _merge(self.shuffled, other.shuffled)
        self.predictions.update(other.predictions)


def _merge(mine: dict[Any, Any], others: Mapping[Any, Moments | Means]) -> None:
    for key, part in others.items():
        mine[key] = mine[key].merged(part) if key in mine else part


def assemble(partial: Partial, classes: tuple[str, ...], **rest: Any) -> Result:
    """The records of all that was kept; `rest` are the fields that the statistics do not know."""
    counts = sorted((*key, count) for key, count in partial.predictions.items())
    predictions = np.array(counts, np.int64).reshape(-1, 3)
    surveyed = tuple(_gate_surveys(partial, len(classes)))
    return Result(classes=classes, gates=surveyed, predictions=predictions, failures=tuple(partial.failures), **rest)


def exemplar_numbers(partial: Partial) -> list[int]:
    """The pictures that are an exemplar of any channel."""
    kept = [each.pictures.ravel() for each in (partial.top, partial.bottom) if each]
    return np.unique(np.concatenate(kept)).tolist() if kept else []


def _gate_surveys(partial: Partial, classes: int) -> Iterator[GateSurvey]:
    gates = partial.gates or ()
    by_class = [partial.classes.get(number) for number in range(classes)]
    overall = reduce(Moments.merged, filter(None, by_class)) if any(by_class) else None
    ranks = np.cumsum(ranked(gates)) - 1
    start = 0
    for gate in gates:
        columns = slice(start, start := start + gate.width)
        channels = slice(ranks[columns][0], ranks[columns][-1] + 1) if gate.by_channel else None
        yield GateSurvey(
            *gate,
            classes=_summary(by_class, columns, gate.shape),
            overall=_single(overall, columns, gate.shape),
            correct=_single(partial.correctness.get(True), columns, gate.shape),
            wrong=_single(partial.correctness.get(False), columns, gate.shape),
            shuffled=_shuffled(partial.shuffled, classes, columns, gate),
            histogram=partial.histogram[columns].reshape(*gate.shape, -1),
            top=_exemplars(partial.top, channels, 1),
            bottom=_exemplars(partial.bottom, channels, -1),
        )


def _summary(parts: "list[Moments | None]", columns: slice, shape: tuple[int, ...]) -> Summary:
    width = columns.stop - columns.start

    def stacked(name: str, kind: type) -> NDArray:
        rows = np.full((len(parts), width), np.nan, kind)
        for row, part in zip(rows, parts, strict=True):
            if part:
                row[:] = getattr(part, name)[columns]
        return rows.reshape(len(parts), *shape)

    counts = np.array([part.count if part else 0 for part in parts], np.int64)
    n = counts.clip(1).reshape(-1, *(1 for _ in shape))
    std = np.sqrt(stacked("m2", np.float64) / n)
    return Summary(counts, stacked("mean", np.float64), std, stacked("low", np.float32), stacked("high", np.float32))


def _single(part: Moments | None, columns: slice, shape: tuple[int, ...]) -> Summary:
    rows = _summary([part], columns, shape)
    return Summary(*(getattr(rows, field.name)[0] for field in fields(Summary)))


def _shuffled(parts: dict[int, Means], classes: int, columns: slice, gate: GateColumns) -> tuple[Integers, Doubles]:
    counts = np.array([parts[number].count if number in parts else 0 for number in range(classes)], np.int64)
    means = np.full((classes, gate.width), np.nan)
    for number, part in parts.items():
        means[number] = part.mean[columns]
    return counts, means.reshape(classes, *gate.shape)


def _exemplars(kept: TopK | None, columns: slice | None, sign: int) -> Exemplars | None:
    if kept is None or columns is None:
        return None
    values, pictures = _largest(kept.values[:, columns], kept.pictures[:, columns])
    return Exemplars(sign * values, pictures)
