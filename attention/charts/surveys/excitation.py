"""The role of excitation: class means of a gate over its channels, a panel for each stage (arXiv 1709.01507, 7.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from attention.charts.colours import ACCENT
from attention.charts.surveys.style import ALL, CLASSES, finished, translucent

HEIGHT = 250
"""Of a row of panels, in pixels."""
ACROSS = 2

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Panel:
    """One gate: some of its channels, and what each class makes of them."""

    title: str
    channels: NDArray[np.int64]
    """(P,) numbers of the channels that are drawn."""
    means: Doubles
    """(classes, P)."""
    deviations: Doubles
    """(classes, P), within a class."""
    average: Doubles
    """(P,), over all classes of the survey."""
    chosen: int | None
    """The channel that is selected, where it is of this gate."""


def role(panels: Sequence[Panel], classes: Sequence[str], *, band: bool, own_scale: bool) -> go.Figure:
    """One line a class over the channels, dashed the mean over all; a band is one deviation to both sides.

    The traces of panel p are in its own axes; `customdata` of a point is (panel, channel).
    """
    rows = -(-len(panels) // ACROSS)
    titles = [panel.title for panel in panels]
    gap = {"vertical_spacing": min(0.4 / rows, 0.2), "horizontal_spacing": 0.06}
    figure = make_subplots(rows=rows, cols=min(ACROSS, len(panels)), subplot_titles=titles, **gap)
    for place, panel in enumerate(panels):
        row, column = (part + 1 for part in divmod(place, ACROSS))
        lines = _lines(place, panel, classes, band=band)
        figure.add_traces(lines, rows=[row] * len(lines), cols=[column] * len(lines))
        if panel.chosen is not None:
            line = {"color": ACCENT, "width": 2, "dash": "dot"}
            figure.add_vline(panel.chosen, line=line, layer="below", row=row, col=column)
    figure.update_yaxes(range=None if own_scale else [-0.02, 1.02])
    figure.update_xaxes(title="channel", row=rows)
    figure.update_yaxes(title="gate", col=1)
    return finished(figure, HEIGHT * rows + 70, margin={"l": 0, "r": 8, "t": 72, "b": 0}, **_legend(rows))


def _legend(rows: int) -> dict[str, object]:
    return {"legend": {"orientation": "h", "y": 1 + 34 / (HEIGHT * rows), "yanchor": "bottom", "x": 0}}


def _lines(place: int, panel: Panel, classes: Sequence[str], *, band: bool) -> list[go.Scatter]:
    lines = []
    for number, name in enumerate(classes):
        colour = CLASSES[number % len(CLASSES)]
        if band:
            lines.append(_band(panel, number, colour))
        lines.append(_line(place, panel, panel.means[number], name=name, line={"color": colour, "width": 2}))
    style = {"color": ALL, "width": 3, "dash": "dash"}
    return [*lines, _line(place, panel, panel.average, name="mean over all classes", line=style)]


def _line(place: int, panel: Panel, values: Doubles, *, name: str, line: dict[str, object]) -> go.Scatter:
    where = [[place, channel] for channel in panel.channels.tolist()]  # a row of an array comes back as a dict
    return go.Scatter(
        x=panel.channels.astype(np.int32),
        y=values.astype(np.float32),
        customdata=where,
        mode="lines+markers",
        marker={"size": 5, "color": line["color"]},
        line=line,
        name=name,
        legendgroup=name,
        showlegend=place == 0,
        hovertemplate=f"{name}, channel %{{x}}: %{{y:.3f}}<extra></extra>",
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
    )


def _band(panel: Panel, number: int, colour: str) -> go.Scatter:
    low, high = (panel.means[number] + sign * panel.deviations[number] for sign in (-1, 1))
    return go.Scatter(
        x=np.concatenate([panel.channels, panel.channels[::-1]]).astype(np.int32),
        y=np.concatenate([high, low[::-1]]).astype(np.float32),
        fill="toself",
        fillcolor=translucent(colour, 0.18),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )
