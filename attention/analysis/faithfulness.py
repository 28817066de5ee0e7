"""Whether a map names the pixels that count: they are removed, or restored, in its order (arXiv 1806.07421).

What a map reaches is held against random maps of its own grid, values and smoothness: surrogates as of Theiler et al.,
Testing for nonlinearity in time series: the method of surrogate data, Physica D 58 (1992), in two dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from attention.analysis.agreement import resampled
from attention.records import Doubles, Floats

Predict = Callable[[Floats], NDArray[np.floating]]
"""Pictures (N, C, H, W) as the network sees them -> the probability of one class in each, (N,)."""

STEPS = 10
KINDS = ("deletion", "insertion")
BASELINES = ("mean colour", "blur")
"""What a pixel is replaced by: the mean colour of the network's training pictures, or the picture blurred."""
BLUR = 0.05
"""Standard deviation of the blur, as a share of the picture's side."""


@dataclass(frozen=True, eq=False)
class Curve:
    """The probability of a class while pixels are removed or restored."""

    shares: Doubles
    """Shares of the pixels that were removed or restored, 0 to 1."""
    probabilities: Doubles

    @property
    def area(self) -> float:
        """Under the curve, 0 to 1: small where the first pixels removed, large where the first restored, count."""
        return float(np.trapezoid(self.probabilities, self.shares))


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """Both curves of one map."""

    deletion: Curve
    insertion: Curve

    @property
    def areas(self) -> tuple[float, float]:
        """Under both curves."""
        return self.deletion.area, self.insertion.area


def faithfulness(
    picture: Floats, values: Floats, predict: Predict, *, steps: int = STEPS, missing: Floats | None = None
) -> Faithfulness:
    """Both curves of a picture (C, H, W) in the order of a map's values, the highest first.

    A pixel that is gone is that of `missing`, (C, H, W), or 0 in all channels, the mean colour of the network's
    training pictures. The map is interpolated to the pixels; those of equal value come in a random order of a fixed
    seed.
    """
    base = np.zeros_like(picture) if missing is None else missing
    run = partial(_curve, picture, base, pixel_order(values, picture.shape[1:]), predict, steps)
    return Faithfulness(run(insert=False), run(insert=True))


def deletion(picture: Floats, values: Floats, predict: Predict, *, steps: int = STEPS) -> Curve:
    """The first of both curves alone, what is gone being the mean colour."""
    return _curve(picture, np.zeros_like(picture), pixel_order(values, picture.shape[1:]), predict, steps, insert=False)


def blurred(picture: Floats) -> Floats:
    """A picture (C, H, W) under a Gaussian blur, its edges repeated outwards by as much as the blur loses there."""
    rows, columns = (_gaussian(extent, BLUR * min(picture.shape[1:])) for extent in picture.shape[1:])
    return (rows @ picture.astype(np.float64) @ columns.T).astype(np.float32)


def pixel_order(values: Floats, shape: tuple[int, ...]) -> NDArray[np.intp]:
    """The pixels of a picture (H, W), counted row by row, the highest value of the map first."""
    height, width = shape
    pixels = resampled(values, (height, width)).ravel()
    return np.lexsort((np.random.default_rng(0).random(pixels.size), -pixels))


def random_maps(values: Floats, draws: int, seed: int = 0) -> tuple[Floats, ...]:
    """Maps that know nothing of the picture and are like this one (H, W): its grid, its values and its smoothness.

    The phases of its Fourier transform are those of noise, and its values stand in the order of what that gives. (Noise
    of single places would be another test: it harms a prediction far more than patches do.)
    """
    generator = np.random.default_rng(seed)
    strength = np.abs(np.fft.rfft2(values.astype(np.float64) - values.mean()))
    own = np.sort(values, axis=None)
    maps = []
    for _ in range(draws):
        noise = np.fft.rfft2(generator.standard_normal(values.shape))
        field = np.fft.irfft2(strength * noise / np.abs(noise), s=values.shape)
        surrogate = np.empty_like(own)
        surrogate[np.argsort(field, axis=None, kind="stable")] = own
        maps.append(surrogate.reshape(values.shape))
    return tuple(maps)


def _gaussian(extent: int, deviation: float) -> Doubles:
    apart = np.subtract.outer(np.arange(extent), np.arange(extent)) / deviation
    weights = np.exp(-(apart**2) / 2)
    return weights / weights.sum(1, keepdims=True)


def _curve(
    picture: Floats, missing: Floats, ranks: NDArray[np.intp], predict: Predict, steps: int, *, insert: bool
) -> Curve:
    shares = np.linspace(0, 1, steps + 1)
    counts = np.round(shares * ranks.size).astype(int)
    touched = np.empty(ranks.size, int)
    touched[ranks] = np.arange(ranks.size)
    kept = (touched[None] < counts[:, None]) == insert
    pictures = np.where(kept.reshape(-1, 1, *picture.shape[1:]), picture[None], missing[None])
    return Curve(shares, np.asarray(predict(pictures), np.float64))
