"""Maps of places side by side, each with its own minimum and maximum written beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from attention.charts.colours import CHANGE, SPATIAL_GATE
from attention.charts.surveys.style import finished

ACROSS = 6
SIDE = 210
"""Of a map with its title, in pixels."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Map:
    """A map (H, W) with what it is called and the colours that it is drawn in."""

    title: str
    values: Doubles
    colours: Any
    ends: tuple[float, float]


def gate(title: str, values: Doubles) -> Map:
    """A spatial gate, on the scale of 0 to 1."""
    return Map(title, values, SPATIAL_GATE, (0.0, 1.0))


def change(title: str, values: Doubles, reach: float) -> Map:
    """A difference, on a scale symmetric about 0."""
    return Map(title, values, CHANGE, (-reach, reach))


def closeness(title: str, values: Doubles) -> Map:
    """No measurement, and therefore grey."""
    return Map(title, values, "Greys_r", (0.0, 1.0))


def side_by_side(maps: Sequence[Map]) -> go.Figure:
    """The maps in rows; the first row of each lies above."""
    across = min(ACROSS, len(maps))
    rows = -(-len(maps) // across)
    titles = [f"{each.title}<br>{each.values.min():z.3f} to {each.values.max():z.3f}" for each in maps]
    titles = [title.replace("-", "−") for title in titles]
    gaps = {"horizontal_spacing": 0.015, "vertical_spacing": min(0.3 / rows, 0.2)}
    figure = make_subplots(rows=rows, cols=across, subplot_titles=titles, **gaps)
    for place, each in enumerate(maps):
        row, column = (part + 1 for part in divmod(place, across))
        figure.add_trace(_heat(each), row=row, col=column)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed", constrain="domain")
    for number, axis in enumerate(figure.select_yaxes(), start=1):
        axis.update(scaleanchor=f"x{number if number > 1 else ''}")
    return finished(figure, SIDE * rows + 40, margin={"l": 0, "r": 0, "t": 56, "b": 0})


def _heat(each: Map) -> go.Heatmap:
    return go.Heatmap(
        z=each.values.astype(np.float32),
        colorscale=each.colours,
        zmin=each.ends[0],
        zmax=each.ends[1],
        showscale=False,
        hovertemplate="row %{y}, column %{x}: %{z:.3f}<extra></extra>",
    )
