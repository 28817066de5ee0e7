"""Something of every gate, in depth order: boxes over its channels, or one number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from attention.charts.colours import ACCENT, NULL
from attention.charts.surveys.style import FINDING, finished, translucent

Doubles = NDArray[np.float64]
MOST_NAMES = 40
"""Ticks of more gates than that would run into each other."""
BESIDE = -0.2
"""Of what was measured, from the gate's place; what chance gives is as far on the other side."""


@dataclass(frozen=True, eq=False)
class Pair:
    """Of one gate's channels or places: an index as it was measured, and the same by chance."""

    seen: Doubles
    null: Doubles


@dataclass(frozen=True)
class Row:
    """One number of every gate."""

    title: str
    values: Sequence[float]
    top: float = 0.0
    """Where the scale ends; 0 where the values say."""
    null: float | None = None
    """What chance alone comes to."""


def boxes(names: Sequence[str], pairs: Sequence[Pair], chosen: int, title: str) -> go.Figure:
    """A box for what was measured in each gate and a grey one for chance: median, quartiles, and the whole range."""
    figure = go.Figure()
    at = np.arange(len(names))
    others = at != chosen
    for label, colour, side, which in (
        ("classes as they are", FINDING, "seen", others),
        ("the chosen gate", ACCENT, "seen", ~others),
        ("classes shuffled", NULL, "null", others | True),
    ):
        places = [place for place in at[which] if np.isfinite(getattr(pairs[place], side)).any()]
        if places:
            found = [getattr(pairs[place], side) for place in places]
            figure.add_trace(_box(label, colour, places, found))
            if side == "seen":
                figure.add_trace(_medians(colour, places, found))
    figure.update_yaxes(title=title, rangemode="tozero")
    return _in_depth(finished(figure, 400, boxmode="overlay"), names)


def bars(names: Sequence[str], rows: Sequence[Row], chosen: int) -> go.Figure:
    """One row of bars for each number, the chosen gate's in another colour; `pointNumber` of a bar is its gate."""
    figure = make_subplots(
        rows=len(rows), shared_xaxes=True, subplot_titles=[row.title for row in rows], vertical_spacing=0.3 / len(rows)
    )
    colours = [ACCENT if place == chosen else FINDING for place in range(len(names))]
    for number, row in enumerate(rows, start=1):
        hover = f"%{{customdata}}: %{{y:.3g}}<extra>{row.title}</extra>"
        figure.add_bar(
            x=np.arange(len(names), dtype=np.int32),
            y=np.array(row.values, np.float32),
            customdata=list(names),
            marker={"color": colours, "line": {"width": 0}},
            selected={"marker": {"opacity": 1}},
            unselected={"marker": {"opacity": 1}},
            hovertemplate=hover,
            row=number,
            col=1,
        )
        figure.update_yaxes(range=[0, row.top or None], rangemode="tozero", nticks=4, row=number, col=1)
        if row.null is not None:
            figure.add_hline(row.null, line={"color": NULL, "width": 2, "dash": "dash"}, row=number, col=1)
    figure.update_annotations(x=0, xanchor="left")
    return _in_depth(finished(figure, max(300, 130 * len(rows) + 80), showlegend=False), names)


def _box(label: str, colour: str, places: Sequence[int], values: Sequence[Doubles]) -> go.Box:
    low, q1, median, q3, high = np.array([np.nanquantile(each, [0, 0.25, 0.5, 0.75, 1]) for each in values]).T
    return go.Box(
        x=np.array(places) + (-BESIDE if colour == NULL else BESIDE),
        lowerfence=low,
        q1=q1,
        median=median,
        q3=q3,
        upperfence=high,
        name=label,
        width=0.34,
        line={"color": colour, "width": 2},
        fillcolor=translucent(colour, 0.35),
        hoverinfo="skip",  # or it would take the click from its dot
    )


def _medians(colour: str, places: Sequence[int], values: Sequence[Doubles]) -> go.Scatter:
    """A dot on each median: a box of quartiles has no point that could be clicked."""
    return go.Scatter(
        x=np.array(places) + BESIDE,
        y=[float(np.nanmedian(each)) for each in values],
        mode="markers",
        marker={"color": colour, "size": 14},
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        hovertemplate="median %{y:.3f}<extra></extra>",
        showlegend=False,
    )


def _in_depth(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    fit = len(names) <= MOST_NAMES
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=list(names), showticklabels=False)
    figure.update_xaxes(range=[-0.6, len(names) - 0.4])
    # only below the last of several rows
    axes = sorted(figure.select_xaxes(), key=lambda axis: axis.plotly_name and len(axis.plotly_name))
    slanted = len(names) > 9
    axes[-1].update(showticklabels=fit, tickangle=-40 if slanted else 0)
    if slanted and fit:  # the first name reaches to the left of its tick, and is left out where it has no room
        figure.update_layout(margin_l=64)
    return figure
