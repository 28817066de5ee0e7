"""Colours, one meaning each, the same on every page, in both themes, and for colour-blind eyes."""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from plotly.colors import get_colorscale, hex_to_rgb, sample_colorscale

ColourScale = str | Sequence[Sequence[object]]
"""One of plotly's by its name, or stops from 0 to 1, each with its colour."""


def _in_rgb(name: str) -> list[list[object]]:
    """One of plotly's colour maps in rgb(): its first colour as #000004 would be taken for one of the theme's own."""
    stops = [stop for stop, _ in get_colorscale(name)]
    return [[stop, colour] for stop, colour in zip(stops, sample_colorscale(name, stops), strict=True)]


def translucent(colour: str, opacity: float) -> str:
    """`#rrggbb` as rgba()."""
    return f"rgba{(*hex_to_rgb(colour), opacity)}"


CHANNEL_GATE = [[0.0, "#dbe9f6"], [0.5, "#4a90c9"], [1.0, "#0b60c4"]]
"""A channel gate, 0 pale to 1 deep; the deep end stands out from the dark background, 3 : 1."""

GATE = str(CHANNEL_GATE[1][1])
"""The channel gates' colour where there is no scale: boxes, lines, bars."""
PALE_GATE = translucent(GATE, 0.35)
"""The same, for what is filled."""
HUE = "blue"
"""The same in a word."""
CHANNEL_ENDS = f"pale (0) to deep {HUE} (1)"

SPATIAL_GATE = "Viridis"
SPATIAL_ENDS = "violet (0) to yellow (1)"
ENDS = f"Channel gates run from {CHANNEL_ENDS}, spatial gates and profiles from {SPATIAL_ENDS}"
"""What the colours of gates mean, in words."""
CLASS_HEATMAP = _in_rgb("Inferno")
FEATURES = "Greys_r"
"""Feature maps, alone, pooled and on the picture: without a hue, since each hue is a gate's or a class's."""
FEATURE_ENDS = "black low, white high"
CHANGE = "RdBu_r"
"""A difference, symmetric about zero: blue below, red above."""

NULL = "#8c8c8c"
"""A random band or a null hypothesis."""

ACCENT = "#d55e00"
"""What is selected."""

OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")
"""Groups, repeated with a number past eight."""

COLOUR_MAPS = {
    "channel": CHANNEL_GATE,
    "viridis": "Viridis",
    "cividis": "Cividis",
    "magma": _in_rgb("Magma"),
    "features": FEATURES,
    "inferno": CLASS_HEATMAP,
}
"""What a map over a picture can be drawn in; those of features and of class heatmaps are no choice for gates."""


def colour_steps(scale: ColourScale) -> NDArray[np.uint8]:
    """The 256 steps of a colour scale, its name or its stops: red, green and blue, (256, 3)."""
    return _cached_steps(scale if isinstance(scale, str) else tuple(map(tuple, scale)))


@cache
def _cached_steps(scale: str | tuple[tuple[object, ...], ...]) -> NDArray[np.uint8]:
    stops = scale if isinstance(scale, str) else [list(stop) for stop in scale]  # plotly takes no tuples
    colours = sample_colorscale(stops, [step / 255 for step in range(256)], colortype="tuple")
    return (255 * np.array(colours)).round().astype(np.uint8)


def on_scale(values: Iterable[float], scale: ColourScale, low: float = 0.0, high: float = 1.0) -> list[str]:
    """The colour of each value on a scale from `low` to `high`; what lies outside has that of the nearer end.

    For bars and points: of numbers that are colours plotly says each time that a number is no colour, which takes a
    browser longer than to draw them.
    """
    shares = (np.asarray(list(values), float) - low) / (high - low)
    return [f"rgb{(*rgb,)}" for rgb in colour_steps(scale)[np.rint(255 * shares.clip(0, 1)).astype(int)].tolist()]
