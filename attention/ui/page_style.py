"""A figure in the style of the page: in its ink, with room for its tools, and large in a presentation."""

import contextlib
import math
import re
from collections.abc import Iterator
from contextvars import ContextVar

import plotly.graph_objects as go
import streamlit as st

from attention.ui import presenting

_most_height: ContextVar[float] = ContextVar("most_height", default=math.inf)
TOOLS = 28
"""Pixels that the tools of a figure take above it."""
FACTOR = 1.4
"""By how much text is larger for a screen that is read from the back row."""
MARGIN = 1.7
"""More than the text in it, which stands further from its axis the larger it is."""
_SIZE = 14
_AXIS = re.compile(r"[xy]axis\d*")


@contextlib.contextmanager
def at_most(height: int) -> Iterator[None]:
    """Figures drawn inside are no higher than this, in pixels, when they are presented."""
    before = _most_height.set(height)
    try:
        yield
    finally:
        _most_height.reset(before)


def styled(figure: go.Figure) -> go.Figure:
    """The figure itself, changed in place."""
    return _inked(_below_tools(enlarged(figure) if presenting.is_on() else figure))


def _below_tools(figure: go.Figure) -> go.Figure:
    """The figure with room for its tools: where they stood on a point, a click would make a file of it."""
    top, height = figure.layout.margin.t, figure.layout.height
    if top is not None and top < TOOLS:
        figure.update_layout(margin_t=TOOLS, height=height and height + TOOLS - top)
    return figure


def _inked(figure: go.Figure) -> go.Figure:
    """The figure's text in the page's own colour: the grey that Streamlit gives it is too pale to read (WCAG 1.4.3).

    Each part of the layout is set once as a whole: plotly takes six times as long to set the colours one by one.
    """
    ink = st.get_option(f"theme.{st.context.theme.type or 'light'}.textColor")
    layout = figure.layout.to_plotly_json()
    axes = {"xaxis", "yaxis", *filter(_AXIS.fullmatch, layout)}
    for name in ("legend", *axes):
        layout.setdefault(name, {})
    for holder in (layout, layout["legend"], *(layout[name].setdefault("title", {}) for name in axes)):
        holder.setdefault("font", {})["color"] = ink
    for name in axes:
        layout[name].setdefault("tickfont", {})["color"] = ink
    notes = layout.setdefault("annotations", [])
    for note in notes:
        note.setdefault("font", {}).setdefault("color", ink)
    for name in ("font", "legend", "annotations", *sorted(axes)):
        figure.layout[name] = layout[name]
    return figure


def _higher(height: float | None) -> float | None:
    return height and round(min(1.2 * height, _most_height.get()))


def enlarged(figure: go.Figure) -> go.Figure:
    """The figure itself, with all of its text and its height larger."""
    layout, scale = figure.layout, presenting.screen().scale
    factor = FACTOR * scale
    layout.update(font_size=factor * (layout.font.size or _SIZE), height=_higher(layout.height))
    layout.update(margin={side: MARGIN * scale * (layout.margin[side] or 0) for side in "lrtb"})
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        axis.update(tickfont_size=factor * (axis.tickfont.size or _SIZE))
        axis.update(title_font_size=factor * (axis.title.font.size or _SIZE))
    for trace in figure.data:
        if "colorbar" in trace:
            trace.colorbar.tickfont.size = factor * (trace.colorbar.tickfont.size or _SIZE)
        if "textfont" in trace and trace.textfont.size:
            trace.textfont.size = factor * trace.textfont.size
    for note in figure.select_annotations():
        note.update(font_size=factor * (note.font.size or _SIZE), yshift=note.yshift and factor * note.yshift)
    if layout.legend.font.size:
        layout.legend.font.size *= factor
    return figure
