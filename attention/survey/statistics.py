"""What a survey says in numbers: how much a gate tells classes apart, whether it does anything, errors."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from attention.analysis import health
from attention.analysis.evidence import LEVEL
from attention.records import Doubles, GateHealth
from attention.survey.result import BINS, GateSurvey, Integers, Result

_LOW_END, _HIGH_START = 1 + round(health.LOW * BINS), 1 + round(health.HIGH * BINS)
"""The bins of a histogram that hold the low values end before the one, those of the high values start at the other."""


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
    seen, shuffled = (means[counts > 0] for counts, means in _class_means(gate))
    return Selectivity(_contrast(seen), _contrast(shuffled))


def share_between(gate: GateSurvey) -> Selectivity:
    """Share of the variance over pictures that lies between the classes, 0 to 1: the correlation ratio squared.

    sum n_k (m_k - m)^2 / sum (x - m)^2, with n_k pictures and mean m_k in class k and mean m of all: R. A. Fisher,
    Statistical Methods for Research Workers, 1925, section 45. By chance it is (classes - 1) / (pictures - 1) in the
    mean. NaN where a channel is the same for every picture, there are fewer than two classes, or none has a second
    picture, so that all of the variance would lie between them.
    """
    everything = gate.overall.count * gate.overall.std**2
    seen, shuffled = (_between(counts, means) for counts, means in _class_means(gate))
    if not 1 < (gate.classes.count > 0).sum() < gate.classes.count.sum():
        everything = np.zeros_like(everything)
    return Selectivity(_ratio(seen, everything), _ratio(shuffled, everything))


def share_bound(gate: GateSurvey, gates: int) -> float:
    """What the largest mean of `share_between` of so many gates exceeds in at most 5% of surveys whose classes are
    alike, 0 to 1; 1 where a class has fewer than two pictures in the mean, which tell nothing.

    For normal numbers the share of a channel is a ratio of chi-squares, which are drawn here, seed 0. That of a mean
    over channels, however they depend on one another, is at most the mean of the upper end of the share of one: of its
    expected shortfall (C. Acerbi, D. Tasche, arXiv cond-mat/0104295).
    """
    classes, pictures = int((gate.classes.count > 0).sum()), int(gate.classes.count.sum())
    return _share_bound(classes, pictures, gates) if 1 < classes <= pictures / 2 else 1.0


@cache
def _share_bound(classes: int, pictures: int, gates: int) -> float:
    random = np.random.default_rng(0)
    between, within = (random.chisquare(degrees, DRAWS) for degrees in (classes - 1, pictures - classes))
    return float(np.sort(between / (between + within))[-math.ceil(DRAWS * LEVEL / gates) :].mean())


def share_between_unbiased(gate: GateSurvey) -> Selectivity:
    """`share_between` less what chance gives in the mean, so that no difference comes to 0: epsilon squared.

    1 - (1 - eta^2) (n - 1) / (n - k) for n pictures of k classes: T. L. Kelley, An Unbiased Correlation Ratio Measure,
    PNAS 21 (1935). It can be negative. NaN where that is.
    """
    share, pictures, classes = share_between(gate), gate.classes.count.sum(), (gate.classes.count > 0).sum()
    factor = (pictures - 1) / max(pictures - classes, 1)
    return Selectivity(1 - (1 - share.index) * factor, 1 - (1 - share.shuffled) * factor)


@dataclass(frozen=True, eq=False)
class ClassIndex:
    """A way to say how class-specific a gate is."""

    of_gate: Callable[[GateSurvey], Selectivity]
    key: str
    """What its chart, and so its files, are called."""
    formula: str
    """LaTeX."""
    words: str
    """What it asks, and whose it is."""


SHARE = "Share between classes"
INDICES = {
    SHARE: ClassIndex(
        share_between,
        "selectivity",
        r"\eta^2 = \frac{\sum_k n_k (m_k - m)^2}{\sum_i (x_i - m)^2}",
        "The share of a channel's variance over the pictures that lies between the classes: the correlation ratio "
        "squared, R. A. Fisher, Statistical Methods for Research Workers, 1925, section 45. It asks how well the class "
        "tells the gate, however little the gate moves.",
    ),
    "Share less chance": ClassIndex(
        share_between_unbiased,
        "share_less_chance",
        r"\varepsilon^2 = 1 - (1 - \eta^2)\,\frac{n - 1}{n - k}",
        "The same less what chance alone gives: with n pictures of k classes and no difference, the share between "
        "classes is (k - 1)/(n - 1) in the mean, and this is 0. T. L. Kelley, PNAS 21, 1935. It can be below 0.",
    ),
    "Class selectivity": ClassIndex(
        class_selectivity,
        "class_selectivity",
        r"\frac{m_{\max} - m_{\mathrm{others}}}{m_{\max} + m_{\mathrm{others}}}",
        "The highest class mean against the mean of the other class means, A. S. Morcos et al., arXiv 1803.06959, "
        "section 2.3. It asks how far one class stands out: a gate that stays near one half comes to little.",
    ),
}
"""All of them by what they are called, in the order in which they are offered."""


DRAWS = 200_000
"""From which the bound of a share is read."""
ENOUGH = 20
"""Pictures from which on `GroupDifference.bound` holds, for up to 50 gates that one number decides."""


def fewest_of_a_class(gate: GateSurvey) -> int:
    """How many pictures the class with the fewest has, of those that have any; 0 where there is none."""
    seen = gate.classes.count[gate.classes.count > 0]
    return int(seen.min()) if len(seen) else 0


@dataclass(frozen=True)
class SurveyedHealth(GateHealth):
    """What a survey knows of a gate's health besides: shares are of its channels or places."""

    dead: float
    """Share of the channels that are nearly 0 for every picture."""
    open: float
    """Share of the channels that are high for every picture."""
    constant: float
    """Share of the channels that are nearly the same for every picture; NaN of one picture, like the deviation."""
    entropy: float
    """Entropy of a channel's values over the pictures, in bits, averaged over the channels: see `entropy`."""


def gate_health(gate: GateSurvey) -> SurveyedHealth:
    """The health of a gate over all pictures; NaN where none could be used."""
    values, pictures = gate.overall, gate.histogram.sum()
    deviations = values.std if values.count > 1 else np.full(gate.shape, np.nan)
    bins = gate.histogram.reshape(-1, BINS + 2).sum(0)
    return SurveyedHealth(
        gate.name,
        gate.kind,
        low=float(bins[:_LOW_END].sum() / pictures),
        high=float(bins[_HIGH_START:].sum() / pictures),
        deviation=float(deviations.mean()),
        dead=float(health.is_dead(values.minimum, values.maximum).mean()),
        open=float(health.is_open(values.minimum).mean()),
        constant=float(health.is_constant(deviations).mean()) if values.count > 1 else float("nan"),
        entropy=float(entropy(gate.histogram).mean()),
    )


def entropy(histogram: NDArray[np.integer]) -> Doubles:
    """(..., bins) counts -> (...) bits: -sum p log2 p (C. E. Shannon, 1948), 0 where all values share one bin."""
    shares = histogram / histogram.sum(-1, keepdims=True)
    return -(shares * np.log2(shares, where=shares > 0, out=np.zeros_like(shares))).sum(-1) + 0.0  # -0.0 becomes 0


def _class_means(gate: GateSurvey) -> tuple[tuple[Integers, Doubles], tuple[Integers, Doubles]]:
    return (gate.classes.count, gate.classes.mean), gate.shuffled


def _contrast(means: Doubles) -> Doubles:
    """(K, ...) means of the classes that have pictures."""
    if len(means) < 2:
        return np.full(means.shape[1:], np.nan)
    highest = means.max(0)
    others = (means.sum(0) - highest) / (len(means) - 1)
    return _ratio(highest - others, highest + others)


def _between(counts: Integers, means: Doubles) -> Doubles:
    weights = counts[counts > 0].reshape(-1, *(1 for _ in means.shape[1:]))
    seen = means[counts > 0]
    centre = (weights * seen).sum(0) / weights.sum()
    return (weights * (seen - centre) ** 2).sum(0)


def _ratio(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, where=whole != 0, out=np.full(np.shape(part), np.nan))


def class_names(result: Result) -> tuple[str, ...]:
    """What a person calls each class: the network's own word where it knows the class, else the folder's name."""
    words = [result.labels[output] if output >= 0 else "" for output in result.outputs]
    return tuple(
        word if word and words.count(word) == 1 else name for word, name in zip(words, result.classes, strict=True)
    )


def evenly_spaced(channels: int, count: int) -> NDArray[np.int64]:
    """At most `count` of the channels, spread evenly from the first one on."""
    count = min(count, channels)
    return np.arange(count, dtype=np.int64) * channels // count


def last_of_stages(gates: Sequence[GateSurvey]) -> list[int]:
    """The indices of the last gate of each stage; a stage is a run of gates with equally many channels."""
    widths = [gate.shape[0] for gate in gates]
    return [index for index, width in enumerate(widths) if index + 1 == len(widths) or widths[index + 1] != width]


def mean_over_classes(gate: GateSurvey) -> Doubles:
    """The mean of the class means, (*shape): each class counts alike. NaN where no picture could be used."""
    seen = gate.classes.mean[gate.classes.count > 0]
    return seen.mean(0) if len(seen) else np.full(gate.shape, np.nan)


@dataclass(frozen=True, eq=False)
class GroupDifference:
    """The gate for the pictures that the network got wrong, against those that it got correct."""

    difference: Doubles
    """Mean of the wrong ones minus that of the correct ones, (*shape)."""
    size: Doubles
    """The difference in standard deviations within the two groups, (*shape)."""
    by_classes: Doubles
    """What the size would be if right and wrong made no difference within a class, (*shape): the classes' mix alone."""
    chance: float
    """What the mean of |size| is in a large sample where there is no difference at all."""

    def bound(self, gates: int) -> float:
        """What the largest mean of |size| of so many gates exceeds in at most 5% of surveys without any difference.

        The mean over channels, however they depend on one another, is a function of normal numbers that moves by at
        most their deviation s: P(mean > chance + s t) <= exp(-t^2 / 2) (B. Tsirelson, I. Ibragimov, V. Sudakov, Norms
        of Gaussian sample functions, 1976); over the gates these add up.
        """
        deviation = self.chance / np.sqrt(2 / np.pi)
        return float(self.chance + deviation * np.sqrt(2 * np.log(gates / LEVEL)))


def wrong_against_correct(gate: GateSurvey, counts: Integers) -> GroupDifference:
    """J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, section 2.2: d = (m_w - m_c) / s.

    `counts` is `Result.right_and_wrong`.
    s^2 = (n_w s_w^2 + n_c s_c^2) / (n_w + n_c - 2) with deviations whose divisor is n. Without a difference d is
    normal with the variance 1 / n_w + 1 / n_c, so |d| is sqrt(2 / pi) of its root in the mean.
    NaN where one of the groups is empty, or where a channel is the same for every picture.
    """
    correct, wrong = gate.correct, gate.wrong
    difference = wrong.mean - correct.mean
    if not min(correct.count, wrong.count) or correct.count + wrong.count < 3:
        unknown = np.full(gate.shape, np.nan)
        return GroupDifference(difference, unknown, unknown, float("nan"))
    squares = correct.count * correct.std**2 + wrong.count * wrong.std**2
    pooled = np.sqrt(squares / (correct.count + wrong.count - 2))
    mix = _by_mix(gate, counts)
    chance = float(np.sqrt(2 / np.pi * (1 / correct.count + 1 / wrong.count)))
    return GroupDifference(difference, _ratio(difference, pooled), _ratio(mix, pooled), chance)


def _by_mix(gate: GateSurvey, counts: Integers) -> Doubles:
    """What wrong and right would differ by if each picture had its class's mean; NaN where the counts have no wrong or
    no right, as those of another survey may."""
    right, wrong = counts.sum(0)
    if not right or not wrong:
        return np.full(gate.shape, np.nan)
    shares = counts[:, 1] / wrong - counts[:, 0] / right
    known = shares != 0
    return np.tensordot(shares[known], gate.classes.mean[known], 1)


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
