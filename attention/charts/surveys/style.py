"""What the figures of a survey share."""

from typing import Any

import plotly.graph_objects as go

from attention.charts.colours import OKABE_ITO

FONT = {"size": 14}
CLASSES = OKABE_ITO[:5] + OKABE_ITO[6:7]
"""The lines of single classes; the colour of what is selected is not among them."""
ALL = "#6b7f93"
"""The mean over all classes, always dashed."""
FINDING = OKABE_ITO[0]
"""Measured values that need no telling apart."""


def translucent(colour: str, opacity: float) -> str:
    """`#rrggbb` as rgba."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def finished(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    """Still axes, text of one size, no wasted margin."""
    figure.update_xaxes(fixedrange=True, tickfont=FONT, showgrid=False)
    figure.update_yaxes(fixedrange=True, tickfont=FONT)
    figure.update_annotations(font=FONT)
    legend = {"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0, "font": FONT}
    margin = {"l": 0, "r": 8, "t": 32, "b": 0}
    figure.update_layout(**{"height": height, "margin": margin, "legend": legend} | layout)
    return figure
