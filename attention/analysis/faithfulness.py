"""Whether a map names the pixels that count: they are removed, or restored, in its order (arXiv 1806.07421)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from attention.analysis.agreement import sampled
from attention.records import Floats

Predict = Callable[[Floats], NDArray[np.floating]]
"""Pictures (N, C, H, W) as the network sees them -> the probability of one class in each, (N,)."""

STEPS = 20


@dataclass(frozen=True, eq=False)
class Curve:
    """The probability of a class while pixels are removed or restored."""

    shares: NDArray[np.float64]
    """Shares of the pixels that were removed or restored, 0 to 1."""
    probabilities: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Under the curve, 0 to 1: small where the first pixels removed, large where the first restored, count."""
        return float(np.trapezoid(self.probabilities, self.shares))


@dataclass(frozen=True)
class Faithfulness:
    """Both curves of one map."""

    deletion: Curve
    insertion: Curve


def faithfulness(picture: Floats, values: Floats, predict: Predict, *, steps: int = STEPS) -> Faithfulness:
    """Both curves of a picture (C, H, W) in the order of a map's values, the highest first.

    A pixel that is missing is 0 in all channels, the mean colour of the network's training pictures. The map is
    interpolated to the pixels; those of equal value come in a random order of a fixed seed.
    """
    run = partial(_curve, picture, order(values, picture.shape[1:]), predict, steps)
    return Faithfulness(run(insert=False), run(insert=True))


def order(values: Floats, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """The pixels of a picture (H, W), counted row by row, the highest value of the map first."""
    height, width = shape
    pixels = sampled(values, (height, width)).ravel()
    return np.lexsort((np.random.default_rng(0).random(pixels.size), -pixels))


def random_maps(shape: tuple[int, int], draws: int, seed: int = 0) -> tuple[Floats, ...]:
    """Maps that know nothing of the picture, on the same grid as the one that they stand beside.

    Values of single pixels would be another test: noise of one pixel harms a prediction far more than patches do.
    """
    generator = np.random.default_rng(seed)
    return tuple(generator.random(shape).astype(np.float32) for _ in range(draws))


def _curve(picture: Floats, ranks: NDArray[np.intp], predict: Predict, steps: int, *, insert: bool) -> Curve:
    shares = np.linspace(0, 1, steps + 1)
    counts = np.round(shares * ranks.size).astype(int)
    touched = np.empty(ranks.size, int)
    touched[ranks] = np.arange(ranks.size)
    kept = (touched[None] < counts[:, None]) == insert
    pictures = picture[None] * kept.reshape(-1, 1, *picture.shape[1:]).astype(np.float32)
    return Curve(shares, np.asarray(predict(pictures), np.float64))
