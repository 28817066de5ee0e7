"""How far two maps of a picture agree, and what a map that knows nothing of the picture would reach."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attention.records import WHOLE, Box, Doubles, Floats

TOP = 0.2
"""The share of the places that count as the top of a map, and the overlap that chance alone gives."""


@dataclass(frozen=True)
class Agreement:
    """One map against another, both brought to the finer grid of the two."""

    correlation: float | None
    """Spearman's, of the places' ranks, -1 to 1; None where one of the maps is the same everywhere."""
    overlap: float
    """Share of the first map's top fifth that lies in the top fifth of the second, 0 to 1; by chance 0.2."""
    pointing: float
    """Share of the first map's highest places, mostly one, that lie in the top fifth of the second, 0 to 1."""


def agreement(one: Floats, other: Floats) -> Agreement:
    """The agreement of two maps (H, W) of the same part of a picture, on whatever grids they are."""
    shape = (max(one.shape[0], other.shape[0]), max(one.shape[1], other.shape[1]))
    first, second = resampled(one, shape), resampled(other, shape)
    highest = first == first.max()
    return Agreement(
        rank_correlation(first, second), overlap(first, second), float((top(second) * highest).sum() / highest.sum())
    )


def shift_correlations(one: Floats, other: Floats) -> Doubles:
    """The rank correlation of a map with another that is shifted on its own grid: (H W - 1,), all shifts but none.

    What leaves on one side comes in on the other, so the values and most of the smoothness stay. A map that is the
    same everywhere agrees with nothing: 0.
    """
    return np.array([agreement(one, moved).correlation or 0.0 for moved in shifts(other)], np.float64)


def shifts(values: Floats) -> Iterator[Floats]:
    """A map shifted on its own grid, in all ways but none."""
    return (np.roll(values, step, (0, 1)) for step in np.ndindex(*values.shape) if step != (0, 0))


def own_against_others(agreements: NDArray[np.floating], draws: int, seed: int = 0) -> Doubles:
    """The mean agreement when each picture's heatmap is given the gate of another, drawn at random: (draws,).

    `agreements` has those of heatmap i with the gate of picture j, (pictures, pictures); what is tested is the mean of
    the diagonal, by permutations of the pictures (Mantel's test, Cancer Research 27, 1967, of unlike maps).
    """
    random, rows = np.random.default_rng(seed), np.arange(len(agreements))
    return np.array([agreements[rows, random.permutation(rows)].mean() for _ in range(draws)], np.float64)


def rank_correlation(one: NDArray[np.floating], other: NDArray[np.floating]) -> float | None:
    """Spearman's rank correlation of two maps on one grid; equal values share their mean rank."""
    first, second = (_ranks(values.ravel()) for values in (one, other))
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / size if size else None


def similarity(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Structural similarity of two maps on one grid, -1 to 1, each scaled to 0 to 1, the whole map as one window.

    Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity, IEEE Transactions on Image
    Processing 13 (2004), eq. 13, with K1 = 0.01 and K2 = 0.03; a map that is the same everywhere is 0 everywhere.
    """
    first, second = (_min_max_scaled(values) for values in (one, other))
    means, spreads = (first.mean(), second.mean()), (first.var(), second.var())
    covariance = (first * second).mean() - means[0] * means[1]
    brightness = (2 * means[0] * means[1] + 0.01**2) / (means[0] ** 2 + means[1] ** 2 + 0.01**2)
    return float(brightness * (2 * covariance + 0.03**2) / (sum(spreads) + 0.03**2))


def overlap(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Share of the first map's top fifth that lies in the second's, on one grid."""
    first = top(one)
    return float((first * top(other)).sum() / first.sum())


def top(values: NDArray[np.floating], share: float = TOP) -> Doubles:
    """How far each place belongs to the highest `share` of a map: 1 or 0, and equal shares among the last that tie.

    So the overlap of maps with ties is what breaking them at random gives on average.
    """
    count = max(1, round(share * values.size))
    threshold = np.sort(values, axis=None)[-count]
    above, ties = values > threshold, values == threshold
    return above + ties * ((count - above.sum()) / ties.sum())


def resampled(values: Floats, shape: tuple[int, int], window: Box = WHOLE) -> Doubles:
    """A part of a map (H, W) on another grid, by bilinear interpolation between the centres of its places."""
    left, above, right, below = window
    rows = _weights(values.shape[0], shape[0], above, below)
    columns = _weights(values.shape[1], shape[1], left, right)
    return rows @ values.astype(np.float64) @ columns.T


def centre_blob(shape: tuple[int, int]) -> Floats:
    """A map that knows only that photographers put things in the middle: a Gaussian, its deviation a quarter side."""
    rows, columns = ((np.arange(extent) + 0.5) / extent - 0.5 for extent in shape)
    # -x^2 / (2 d^2) with the deviation d = 1/4.
    return np.exp(-8 * (rows[:, None] ** 2 + columns[None] ** 2)).astype(np.float32)


def intersection(one: Box, other: Box) -> Box | None:
    """The part of a picture that both windows show, None where there is none."""
    window = (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    return window if window[0] < window[2] and window[1] < window[3] else None


def relative_box(part: Box, whole: Box) -> Box:
    """A part of a picture, told in shares of a window that holds it."""
    left, above, right, below = whole
    across, down = right - left, below - above
    return (
        (part[0] - left) / across,
        (part[1] - above) / down,
        (part[2] - left) / across,
        (part[3] - above) / down,
    )


def _weights(extent: int, samples: int, start: float, end: float) -> Doubles:
    """The weights (samples, extent) with which the old places enter the new ones; beyond the outermost it is flat."""
    places = (start + (np.arange(samples) + 0.5) / samples * (end - start)) * extent - 0.5
    places = np.clip(places, 0, extent - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(extent)[None]))


def _min_max_scaled(values: NDArray[np.floating]) -> Doubles:
    low, high = float(values.min()), float(values.max())
    return (values.astype(np.float64) - low) / ((high - low) or 1.0)


def _ranks(values: NDArray[np.floating]) -> Doubles:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[group]
