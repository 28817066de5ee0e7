"""What a survey says about a gate, in numbers: how much it tells classes apart, and whether it does anything."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attention.survey.partials import Doubles, Whole
from attention.survey.result import GateSurvey

LOW, HIGH = 0.05, 0.95
CONSTANT = 0.02
"""Standard deviation over the pictures below which a channel counts as constant."""


@dataclass(frozen=True, eq=False)
class Selectivity:
    """An index of each channel or place, (*shape), and the same of classes that were shuffled among the pictures."""

    index: Doubles
    shuffled: Doubles
    """What the index comes to by chance alone."""


def class_selectivity(gate: GateSurvey) -> Selectivity:
    """(highest - others) / (highest + others) of the class means, 0 to 1 for a gate of 0 to 1.

    `others` is the mean of the class means but the highest. A. S. Morcos et al., arXiv 1803.06959, section 2.3.
    NaN where there are fewer than two classes, or where both are 0. A gate that stays near 0.5 comes to little, and
    one that is nearly shut to much, however small the difference: `share_between` looks at the differences alone.
    """
    seen, shuffled = (means[counts > 0] for counts, means in _seen_and_shuffled(gate))
    return Selectivity(_contrast(seen), _contrast(shuffled))


def share_between(gate: GateSurvey) -> Selectivity:
    """Share of the variance over pictures that lies between the classes, 0 to 1: the correlation ratio squared.

    sum n_k (m_k - m)^2 / sum (x - m)^2, with n_k pictures and mean m_k in class k and mean m of all: R. A. Fisher,
    Statistical Methods for Research Workers, 1925, section 45. By chance it is (classes - 1) / (pictures - 1) in the
    mean. NaN where a channel is the same for every picture, or there are fewer than two classes.
    """
    everything = gate.overall.count * gate.overall.std**2
    seen, shuffled = (_between(counts, means) for counts, means in _seen_and_shuffled(gate))
    if (gate.classes.count > 0).sum() < 2:
        everything = np.zeros_like(everything)
    return Selectivity(_ratio(seen, everything), _ratio(shuffled, everything))


@dataclass(frozen=True)
class Health:
    """Does a gate do anything? Shares are of its channels or places, or of all their values over the pictures."""

    low: float
    """Share of the values below 0.05."""
    high: float
    """Share of the values of 0.95 and above."""
    dead: float
    """Share of the channels that no picture opens to 0.05."""
    open: float
    """Share of the channels that no picture closes to 0.95 or below."""
    constant: float
    """Share of the channels whose deviation over the pictures is below 0.02: the weights could take them in."""
    deviation: float
    """Standard deviation over the pictures, averaged over the channels."""
    entropy: float
    """Of a channel's values over the pictures, in bits, averaged over the channels: see `entropy`."""


def health(gate: GateSurvey) -> Health:
    """The summary of a gate over all pictures; NaN where none could be used."""
    values, pictures = gate.overall, gate.histogram.sum()
    edge = gate.histogram.reshape(-1, gate.histogram.shape[-1])
    return Health(
        low=float(edge[:, :2].sum() / pictures),
        high=float(edge[:, -2:].sum() / pictures),
        dead=float((values.maximum < LOW).mean()),
        open=float((values.minimum > HIGH).mean()),
        constant=float((values.std < CONSTANT).mean()),
        deviation=float(values.std.mean()),
        entropy=float(entropy(gate.histogram).mean()),
    )


def entropy(histogram: NDArray[np.integer]) -> Doubles:
    """(..., bins) counts -> (...) bits: -sum p log2 p (C. E. Shannon, 1948), 0 where all values share one bin."""
    shares = histogram / histogram.sum(-1, keepdims=True)
    return -(shares * np.log2(shares, where=shares > 0, out=np.zeros_like(shares))).sum(-1) + 0.0


def _seen_and_shuffled(gate: GateSurvey) -> tuple[tuple[Whole, Doubles], tuple[Whole, Doubles]]:
    return (gate.classes.count, gate.classes.mean), gate.shuffled


def _contrast(means: Doubles) -> Doubles:
    """(K, ...) means of the classes that have pictures."""
    if len(means) < 2:
        return np.full(means.shape[1:], np.nan)
    highest = means.max(0)
    others = (means.sum(0) - highest) / (len(means) - 1)
    return _ratio(highest - others, highest + others)


def _between(counts: Whole, means: Doubles) -> Doubles:
    weights = counts[counts > 0].reshape(-1, *(1 for _ in means.shape[1:]))
    seen = means[counts > 0]
    centre = (weights * seen).sum(0) / weights.sum()
    return (weights * (seen - centre) ** 2).sum(0)


def _ratio(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, where=whole != 0, out=np.full(np.shape(part), np.nan))
