"""The depth strip: the network in small, one cell a block."""

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

from attention.analysis import short_names
from attention.charts.colours import ACCENT, CHANNEL_GATE

MOST_LETTERS = 128
"""Names that would need more, each as wide as the longest, do not fit below the cells."""


def depth(names: Sequence[str], values: Sequence[float], chosen: str, colours: Any = CHANNEL_GATE) -> go.Figure:
    """One cell a block, coloured by its value, 0 to 1; the chosen one is framed."""
    frames = [ACCENT if name == chosen else "rgba(0,0,0,0)" for name in names]
    cells = go.Bar(
        x=list(range(len(names))),
        y=[1] * len(names),
        width=0.96,
        marker={
            "color": list(values),
            "colorscale": colours,
            "cmin": 0,
            "cmax": 1,
            "line": {"color": frames, "width": 4},
        },
        customdata=list(names),
        hovertemplate="%{customdata}: %{marker.color:.3f}<extra></extra>",
        unselected={"marker": {"opacity": 1}},
    )
    figure = go.Figure(cells)
    figure.update_layout(height=70, margin={"l": 0, "r": 0, "t": 4, "b": 24}, bargap=0, showlegend=False)
    figure.update_yaxes(visible=False, range=[0, 1], fixedrange=True)
    short = short_names(names)
    fit = len(short) * max(map(len, short)) <= MOST_LETTERS
    figure.update_xaxes(
        tickvals=list(range(len(names))),
        ticktext=short,
        showticklabels=fit,
        showgrid=False,
        fixedrange=True,
    )
    return figure
