"""One channel of a gate over the whole survey, and all of them for right and wrong predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from attention.charts.colours import ACCENT, CHANNEL_GATE, NULL
from attention.charts.surveys.style import ALL, FINDING, finished, translucent

Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ByClass:
    """What some classes make of one channel, (K,) each."""

    names: Sequence[str]
    means: Doubles
    deviations: Doubles
    counts: NDArray[np.int64]


def histogram(counts: NDArray[np.integer]) -> go.Figure:
    """(22,) pictures: below 0, in 20 bins of equal width over 0 to 1, above 1; the ends only where there are any."""
    bins = len(counts) - 2
    shown = np.arange(-1, bins + 1)[slice(None if counts[0] else 1, None if counts[-1] else -1)]
    centres = (shown + 0.5) / bins
    marker = {"color": centres, "colorscale": CHANNEL_GATE, "cmin": 0, "cmax": 1, "line": {"color": NULL, "width": 0.5}}
    hover = "%{x:.3f}: %{y} pictures<extra></extra>"
    bars = go.Bar(x=centres, y=counts[shown + 1].astype(np.int64), width=1 / bins, marker=marker, hovertemplate=hover)
    figure = go.Figure(bars)
    named = {-1: "below 0", bins: "above 1"}
    edges = [0, 0.25, 0.5, 0.75, 1]
    extra = [place for place in shown if place in named]
    figure.update_xaxes(title="gate", tickvals=[*edges, *((place + 0.5) / bins for place in extra)])
    figure.update_xaxes(ticktext=[*map(str, edges), *(named[int(place)] for place in extra)])
    figure.update_yaxes(title="pictures")
    return finished(figure, 300, bargap=0, showlegend=False)


def by_class(found: ByClass, overall: float, chosen: Sequence[str]) -> go.Figure:
    """A dot a class with one deviation to both sides, in the order given from above; the chosen ones stand out."""
    colours = [ACCENT if name in chosen else FINDING for name in found.names]
    at = np.arange(len(found.names))
    reach = {"type": "data", "array": found.deviations.astype(np.float32), "thickness": 1.5, "color": NULL}
    figure = go.Figure(
        go.Scatter(
            x=found.means.astype(np.float32),
            y=at,
            error_x=reach,
            mode="markers",
            marker={"size": 11, "color": colours},
            customdata=[[name, int(count)] for name, count in zip(found.names, found.counts, strict=True)],
            hovertemplate="%{customdata[0]}: %{x:.3f}, n = %{customdata[1]:,}<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    )
    figure.add_vline(overall, line={"color": ALL, "width": 2, "dash": "dash"}, layer="below")
    labels = [f"{name} ({count:,})" for name, count in zip(found.names, found.counts, strict=True)]
    figure.update_yaxes(tickvals=at, ticktext=labels, range=[len(at) - 0.5, -0.5], showgrid=False)
    figure.update_xaxes(title="gate, mean and one standard deviation", showgrid=True)
    return finished(figure, 90 + 24 * len(at), showlegend=False, margin={"l": 0, "r": 8, "t": 8, "b": 0})


def right_and_wrong(channels: NDArray[np.int64], right: Doubles, wrong: Doubles, chosen: int) -> go.Figure:
    """The mean gates of some channels, (P,), for right and for wrong predictions, joined by a line each."""
    at = np.arange(len(channels), dtype=np.int32)
    figure = go.Figure()
    ends = np.stack([right, wrong, np.full(len(at), np.nan)], 1).ravel()
    line = {"color": NULL, "width": 3}
    figure.add_scatter(x=np.repeat(at, 3), y=ends.astype(np.float32), mode="lines", line=line, showlegend=False)
    right_look = {"size": 17, "color": "#0072b2", "symbol": "circle"}  # seen around the other where the two agree
    wrong_look = {"size": 10, "color": "#e69f00", "symbol": "diamond"}
    for name, values, marker in (("right", right, right_look), ("wrong", wrong, wrong_look)):
        figure.add_scatter(
            x=at,
            y=values.astype(np.float32),
            customdata=channels.astype(np.int32),
            mode="markers",
            name=name,
            marker=marker,
            hovertemplate=f"channel %{{customdata}}, {name}: %{{y:.3f}}<extra></extra>",
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
        )
    for place in np.flatnonzero(channels == chosen):
        colour = translucent(ACCENT, 0.18)
        figure.add_vrect(place - 0.5, place + 0.5, fillcolor=colour, line_width=0, layer="below")
    figure.update_xaxes(title="channel, the largest difference first", tickvals=at, ticktext=list(map(str, channels)))
    figure.update_yaxes(title="mean gate")
    return finished(figure, 320)
