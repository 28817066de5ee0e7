"""Small changes of a picture, each with one number or place that a person sets."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from attention.records import Box


def flip(picture: Image.Image) -> Image.Image:
    """Left and right exchanged."""
    return ImageOps.mirror(picture)


def crop(picture: Image.Image, kept: float) -> Image.Image:
    """The middle, `kept` (0 to 1) of both sides, enlarged to the size of the whole."""
    width, height = picture.size
    left, above = width * (1 - kept) / 2, height * (1 - kept) / 2
    box = (left, above, width - left, height - above)
    return picture.resize(picture.size, Image.Resampling.BICUBIC, box=box)


def blur(picture: Image.Image, radius: float) -> Image.Image:
    """Gaussian blur; the radius in hundredths of the shorter side."""
    return picture.filter(ImageFilter.GaussianBlur(radius / 100 * min(picture.size)))


def noise(picture: Image.Image, deviation: float) -> Image.Image:
    """Gaussian noise of this standard deviation, in grey levels, on each pixel and colour; its seed is fixed."""
    pixels = np.asarray(picture, np.float32)
    noisy = pixels + deviation * np.random.default_rng(0).standard_normal(pixels.shape, np.float32)
    return Image.fromarray(np.clip(noisy.round(), 0, 255).astype(np.uint8))


def brightness(picture: Image.Image, factor: float) -> Image.Image:
    """Every colour times the factor; above white is white."""
    return ImageEnhance.Brightness(picture).enhance(factor)


def patch(picture: Image.Image, box: Box) -> Image.Image:
    """A grey patch over a part of the picture."""
    result = picture.copy()
    left, above, right, below = (round(edge) for edge in box)
    result.paste((124, 116, 104), (left, above, max(right, left + 1), max(below, above + 1)))
    return result


class Strength(NamedTuple):
    """A change with one number: what makes it, what the number means, and what is allowed."""

    change: Callable[[Image.Image, float], Image.Image]
    label: str
    low: float
    high: float
    usual: float
    step: float


STRENGTHS = {
    "crop": Strength(crop, "Part of the sides that is kept", 0.3, 0.95, 0.7, 0.05),
    "blur": Strength(blur, "Radius, in hundredths of the shorter side", 0.5, 10.0, 2.0, 0.5),
    "noise": Strength(noise, "Standard deviation, in grey levels of 255", 5.0, 100.0, 30.0, 5.0),
    "brightness": Strength(brightness, "Factor", 0.1, 3.0, 1.5, 0.1),
}
"""The changes with one number; a flip has none, and a patch a place."""
