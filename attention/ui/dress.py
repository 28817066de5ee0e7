"""A figure as the page shows it: in the page's ink, with room for its tools, and large in a presentation."""

import plotly.graph_objects as go
import streamlit as st

from attention.charts.large import large
from attention.ui import presenting

TOOLS = 28
"""Pixels that the tools of a figure take above it."""


def dressed(figure: go.Figure) -> go.Figure:
    """The figure itself, changed in place."""
    return _inked(_below_tools(large(figure) if presenting.is_on() else figure))


def _below_tools(figure: go.Figure) -> go.Figure:
    """The figure with room for its tools: where they stood on a point, a click would make a file of it."""
    top, height = figure.layout.margin.t, figure.layout.height
    if top is not None and top < TOOLS:
        figure.update_layout(margin_t=TOOLS, height=height and height + TOOLS - top)
    return figure


def _inked(figure: go.Figure) -> go.Figure:
    """The figure's text in the page's own colour: the grey that Streamlit gives it is too pale to read (WCAG 1.4.3)."""
    ink = st.get_option(f"theme.{st.context.theme.type or 'light'}.textColor")
    figure.update_layout(font_color=ink, legend_font_color=ink)
    for update in (figure.update_xaxes, figure.update_yaxes):
        update(tickfont_color=ink, title_font_color=ink)
    figure.for_each_annotation(lambda note: note.update(font_color=note.font.color or ink))
    return figure
