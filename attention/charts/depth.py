"""A network in depth order, and what it says: boxes of its gates, bars of its classes."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from attention.charts.colours import CHANNEL_GATE, NULL
from attention.records import Floats

_BLUE = CHANNEL_GATE[1][1]


def gates(names: Sequence[str], values: Sequence[Floats]) -> go.Figure:
    """Each gate's values, flat, as a box: quartiles, and whiskers to the minimum and the maximum."""
    low, q1, median, q3, high = np.array([np.quantile(each, [0, 0.25, 0.5, 0.75, 1]) for each in values]).T
    box = go.Box(x=np.arange(len(names)), lowerfence=low, q1=q1, median=median, q3=q3, upperfence=high)
    box.update(width=0.6, line={"width": 2, "color": _BLUE}, fillcolor="rgba(74,144,201,0.35)")
    figure = go.Figure(box)
    figure.add_hline(1, line={"color": NULL, "width": 1, "dash": "dot"}, layer="below")
    ends = [min(-0.02, float(low.min())), max(1.02, float(high.max()))]
    figure.update_yaxes(title="gate", range=ends)
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=list(names), showgrid=False)
    figure.update_layout(height=380, margin={"l": 60, "r": 10, "t": 10, "b": 10}, showlegend=False)
    return figure


def likely(labels: Sequence[str], shares: Sequence[float]) -> go.Figure:
    """The classes given with their probabilities, the first on top."""
    words = [f"{share:.1%}" for share in shares]
    places = np.arange(len(labels))
    bars = go.Bar(x=list(shares), y=places, orientation="h", text=words, textposition="outside", cliponaxis=False)
    figure = go.Figure(bars)
    figure.update_traces(marker={"color": _BLUE}, hoverinfo="skip")
    figure.update_xaxes(range=[0, 1.1], tickformat=".0%", tickvals=[0, 0.25, 0.5, 0.75, 1], title="probability")
    figure.update_yaxes(
        autorange="reversed", showgrid=False, tickvals=places, ticktext=[plain(name) for name in labels]
    )
    figure.update_layout(height=90 + 36 * len(labels), margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False)
    return figure


def plain(text: str) -> str:
    """A stranger's text, so that plotly shows it as it is: it reads some HTML in its labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
