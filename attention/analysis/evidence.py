"""What may be concluded from random draws: permutation tests, their correction for many, and the null range.

Phipson and Smyth: Permutation p-values should never be zero, Statistical Applications in Genetics and Molecular
Biology 9 (2010); Holm: A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6
(1979).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from attention.numbers import signed
from attention.records import Doubles

LEVEL = 0.05
"""A p-value at or below it is called evidence."""
FEWEST_DRAWS = 99
"""With so many the smallest p is 0.01."""
RESAMPLES = 2000
FEWEST_PICTURES = 6
"""Between the least and the greatest of n pictures lies the median of all with 1 - 2 / 2^n, below 95% for fewer."""
INTERVAL = (
    f"the 95% interval, by {RESAMPLES:,} bootstrap samples of the pictures, seed 0; of fewer than {FEWEST_PICTURES} "
    "pictures, which have none, the least and the greatest"
)
"""What `OverPictures.low` and `.high` are, in words."""
RANGE = (2.5, 97.5)
"""The percentiles between which a null range lies."""


@dataclass(frozen=True)
class Test:
    """One number against what random draws give."""

    observed: float
    p: float
    """Two-sided, in (0, 1]."""
    p_adjusted: float
    """The same after Holm's correction over all tests that stand in one figure."""
    draws: int
    low: float
    """The 2.5th percentile of the draws."""
    high: float
    """The 97.5th percentile of the draws."""

    __test__ = False  # to pytest, a name that begins so is a test of its own

    @property
    def holds(self) -> bool:
        """Whether the draws are evidence against chance."""
        return self.p_adjusted <= LEVEL


def p_value(observed: float, draws: ArrayLike) -> float:
    """(1 + draws at least as extreme) / (1 + draws), extreme being the distance from the median of all of them.

    The median is of the draws and the observed number together, so that under the null, where these can change places,
    the p-value is at most u with a probability of at most u.
    """
    every = np.append(np.asarray(draws, np.float64).ravel(), observed)
    distance = np.abs(every - np.median(every))
    # What is as extreme but for rounding counts.
    return float((distance >= distance[-1] - 1e-12 * max(1.0, distance[-1])).mean())


def holm(p_values: Sequence[float]) -> Doubles:
    """The p-values after Holm's correction, in their order, at most 1."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def null_range(draws: ArrayLike) -> tuple[float, float]:
    """Between which numbers 95% of the draws lie: their 2.5th and 97.5th percentile."""
    low, high = np.percentile(np.asarray(draws, np.float64), RANGE)
    return float(low), float(high)


def tests(observed: Sequence[float], draws: Sequence[ArrayLike]) -> list[Test]:
    """Numbers that stand in one figure, each against its own draws; p-values are corrected over all of them."""
    p = [p_value(one, null) for one, null in zip(observed, draws, strict=True)]
    return [
        Test(float(one), raw, float(adjusted), np.asarray(null).size, *null_range(null))
        for one, raw, adjusted, null in zip(observed, p, holm(p), draws, strict=True)
    ]


@dataclass(frozen=True)
class OverPictures:
    """An effect that was measured for each of several pictures."""

    median: float
    low: float
    """Lower end of the 95% interval of the median; the least, of fewer than six pictures."""
    high: float
    """Upper end of it; the greatest."""
    count: int
    """How many pictures."""
    alike: int
    """In how many of them the effect has the sign of the median; in none where that is 0."""

    @property
    def interval(self) -> str:
        """From low to high, in words, and what that is."""
        ends = f"{signed(self.low)} to {signed(self.high)}"
        return f"95% interval {ends}" if self.count >= FEWEST_PICTURES else f"{ends}; too few pictures for an interval"


def over_pictures(effects: ArrayLike) -> OverPictures:
    """The median of effects, one a picture, with a percentile bootstrap over the pictures (B. Efron, 1979)."""
    values = np.asarray(effects, np.float64).ravel()
    median, alike = float(np.median(values)), int((values * np.sign(np.median(values)) > 0).sum())
    if len(values) < FEWEST_PICTURES:
        return OverPictures(median, float(values.min()), float(values.max()), len(values), alike)
    drawn = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    return OverPictures(median, *null_range(np.median(values[drawn], axis=1)), len(values), alike)


def draws_for(number: int) -> int:
    """How many draws a figure of so many tests needs for each, so that one alone can be evidence: 99 at least."""
    # The smallest p is 1 / (draws + 1), and Holm's correction multiplies it by the number of tests.
    return max(FEWEST_DRAWS, math.ceil(number / LEVEL) - 1)
