"""What a survey found, as records of numpy arrays."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attention.kinds import Kind
from attention.records import Floats
from attention.survey.partials import Block, Doubles, Failure, Highest, Means, Moments, Partial, Whole, ranked, total


@dataclass(frozen=True, eq=False)
class Summary:
    """Of the gate over some pictures, by channel or place: (*shape), or (classes, *shape) with a count for each.

    Where the count is 0, the numbers are NaN.
    """

    count: Whole
    mean: Doubles
    std: Doubles
    """With n as the divisor."""
    minimum: Floats
    maximum: Floats


@dataclass(frozen=True, eq=False)
class Exemplars:
    """The pictures in which each channel's gate is highest (or lowest), (k, C), the most extreme first."""

    values: Floats
    pictures: Whole
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
    classes: Summary
    """Row i is class i of the result."""
    overall: Summary
    right: Summary
    """Of the pictures whose class the network named first."""
    wrong: Summary
    """Of those where it named another."""
    shuffled: tuple[Whole, Doubles]
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
    predictions: Whole
    """(M, 3): class, output, number of pictures of that class which were taken for that output."""
    failures: tuple[Failure, ...]
    paths: dict[int, str]
    """Of the exemplars, by their number."""

    @property
    def pictures(self) -> int:
        """How many were used."""
        return int(self.predictions[:, 2].sum())

    @property
    def accuracy(self) -> float | None:
        """Top-1 of the pictures whose class the network knows, 0 to 1; None where there are none."""
        expected = np.array(self.outputs, np.int64)[self.predictions[:, 0]]
        known = expected >= 0
        judged = self.predictions[known, 2].sum()
        return (
            float(self.predictions[known & (expected == self.predictions[:, 1]), 2].sum() / judged) if judged else None
        )


def result(partial: Partial, classes: tuple[str, ...], **rest: Any) -> Result:
    """The records of all that was kept; `rest` are the fields that the statistics do not know."""
    counts = sorted((*key, count) for key, count in partial.predictions.items())
    predictions = np.array(counts, np.int64).reshape(-1, 3)
    gates = tuple(_gates(partial, len(classes)))
    return Result(classes=classes, gates=gates, predictions=predictions, failures=tuple(partial.failures), **rest)


def numbers_of(partial: Partial) -> list[int]:
    """The pictures that are an exemplar of any channel."""
    kept = [each.pictures.ravel() for each in (partial.top, partial.bottom) if each]
    return np.unique(np.concatenate(kept)).tolist() if kept else []


def _gates(partial: Partial, classes: int) -> Iterator[GateSurvey]:
    blocks = partial.blocks or ()
    by_class = [partial.classes.get(number) for number in range(classes)]
    overall = total(part for part in by_class if part)
    ranks = np.cumsum(ranked(blocks)) - 1
    start = 0
    for block in blocks:
        columns = slice(start, start := start + block.width)
        channels = slice(ranks[columns][0], ranks[columns][-1] + 1) if block.by_channel else None
        yield GateSurvey(
            *block,
            classes=_summary(by_class, columns, block.shape),
            overall=_single(overall, columns, block.shape),
            right=_single(partial.verdicts.get(True), columns, block.shape),
            wrong=_single(partial.verdicts.get(False), columns, block.shape),
            shuffled=_shuffled(partial.shuffled, classes, columns, block),
            histogram=partial.histogram[columns].reshape(*block.shape, -1),
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


def _shuffled(parts: dict[int, Means], classes: int, columns: slice, block: Block) -> tuple[Whole, Doubles]:
    counts = np.array([parts[number].count if number in parts else 0 for number in range(classes)], np.int64)
    means = np.full((classes, block.width), np.nan)
    for number, part in parts.items():
        means[number] = part.mean[columns]
    return counts, means.reshape(classes, *block.shape)


def _exemplars(kept: Highest | None, columns: slice | None, sign: int) -> Exemplars | None:
    if kept is None or columns is None:
        return None
    values, pictures = kept.values[:, columns], kept.pictures[:, columns]
    order = np.lexsort((pictures, -values), axis=0)
    return Exemplars(sign * np.take_along_axis(values, order, 0), np.take_along_axis(pictures, order, 0))
