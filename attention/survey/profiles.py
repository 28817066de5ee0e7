"""What the pages say of a survey, in numbers: which gates stand for a stage, right against wrong, the centre."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attention.survey.partials import Doubles
from attention.survey.result import GateSurvey, Result


def class_names(result: Result) -> tuple[str, ...]:
    """What a person calls each class: the network's own word where it knows the class, else the folder's name."""
    words = [result.labels[output] if output >= 0 else "" for output in result.outputs]
    return tuple(
        word if word and words.count(word) == 1 else name for word, name in zip(words, result.classes, strict=True)
    )


def sampled(channels: int, count: int) -> NDArray[np.int64]:
    """At most `count` of the channels, spread evenly from the first one on."""
    count = min(count, channels)
    return np.arange(count, dtype=np.int64) * channels // count


def last_of_stages(gates: Sequence[GateSurvey]) -> list[int]:
    """The places of the last gate of each stage; a stage is a run of gates with equally many channels."""
    widths = [gate.shape[0] for gate in gates]
    return [place for place, width in enumerate(widths) if place + 1 == len(widths) or widths[place + 1] != width]


def mean_over_classes(gate: GateSurvey) -> Doubles:
    """The mean of the class means, (*shape): each class counts alike. NaN where no picture could be used."""
    seen = gate.classes.mean[gate.classes.count > 0]
    return seen.mean(0) if len(seen) else np.full(gate.shape, np.nan)


@dataclass(frozen=True, eq=False)
class Effect:
    """The gate for the pictures that the network got wrong, against those that it got right."""

    difference: Doubles
    """Wrong minus right, (*shape)."""
    size: Doubles
    """The difference in standard deviations within the two groups, (*shape)."""
    chance: float
    """What the mean of |size| is in a large sample where there is no difference at all."""


def right_and_wrong(gate: GateSurvey) -> Effect:
    """J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.2: d = (m_w - m_r) / s.

    s^2 = (n_w s_w^2 + n_r s_r^2) / (n_w + n_r - 2) with deviations whose divisor is n. Without a difference d is
    normal with the variance 1 / n_w + 1 / n_r, so |d| is sqrt(2 / pi) of its root in the mean.
    NaN where one of the groups is empty, or where a channel is the same for every picture.
    """
    right, wrong = gate.right, gate.wrong
    difference = wrong.mean - right.mean
    if not min(right.count, wrong.count) or right.count + wrong.count < 3:
        return Effect(difference, np.full(gate.shape, np.nan), float("nan"))
    squares = right.count * right.std**2 + wrong.count * wrong.std**2
    pooled = np.sqrt(squares / (right.count + wrong.count - 2))
    size = np.divide(difference, pooled, where=pooled > 0, out=np.full(gate.shape, np.nan))
    return Effect(difference, size, float(np.sqrt(2 / np.pi * (1 / right.count + 1 / wrong.count))))


def closeness(shape: tuple[int, int]) -> Doubles:
    """How close each place of a map lies to its centre: 1 at the centre, 0 at the corners, linear between."""
    rows, columns = (np.abs(np.arange(side) - (side - 1) / 2) for side in shape)
    distance = np.hypot(rows[:, None], columns[None])
    return 1 - distance / (distance.max() or 1.0)


def centre_bias(maps: Doubles) -> Doubles:
    """(..., H, W) -> (...): the correlation over the places with `closeness`, -1 to 1; NaN where a map is constant."""
    close = closeness((maps.shape[-2], maps.shape[-1]))
    close = close - close.mean()
    apart = maps - maps.mean((-2, -1), keepdims=True)
    norm = np.sqrt((apart**2).sum((-2, -1)) * (close**2).sum())
    return np.divide((apart * close).sum((-2, -1)), norm, where=norm > 1e-12, out=np.full(np.shape(norm), np.nan))
