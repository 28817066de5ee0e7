"""A figure in the style of the page: in its ink, with room for its tools, and large in a presentation."""

import contextlib
import math
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from attention.charts.chart import SIZE
from attention.foreign import plain
from attention.ui import presenting

_most_height: ContextVar[float] = ContextVar("most_height", default=math.inf)
TOOLS = 28
"""Pixels that the tools of a figure take above it."""
FACTOR = 1.4
"""By how much text is larger for a screen that is read from the back row."""
HIGHER = 1.2
"""By how much a figure is higher there."""
MARGIN = 1.7
"""More than the text in it, which stands further from its axis the larger it is."""
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
    """The figure as the browser gets it, its texts plain."""
    parts = (enlarged(go.Figure(figure)) if presenting.is_on() else figure).to_dict()
    _make_room(parts["layout"])
    _ink(parts["layout"])
    # All but the colour of the ink was checked when the chart was made: plotly takes 8 ms to do so again.
    return go.Figure(plain(parts), _validate=False)


def _make_room(layout: dict[str, Any]) -> None:
    """Room for the figure's tools above its titles: where they stood on a point, a click would make a file of it."""
    margin, height = layout.get("margin", {}), layout.get("height")
    added = max(TOOLS - margin.get("t", TOOLS), 0) if presenting.is_on() else TOOLS
    if "t" in margin:
        layout |= {"height": height and height + added, "margin": margin | {"t": margin["t"] + added}}


def _ink(layout: dict[str, Any]) -> None:
    """The text in the page's own colour: the grey that Streamlit gives it is too pale to read (WCAG 1.4.3)."""
    ink = st.get_option(f"theme.{st.context.theme.type or 'light'}.textColor")
    axes = [layout.setdefault(name, {}) for name in {"xaxis", "yaxis", *filter(_AXIS.fullmatch, layout)}]
    legend = layout.setdefault("legend", {})
    for holder in (layout, legend, *(axis.setdefault("title", {}) for axis in axes)):
        holder.setdefault("font", {})["color"] = ink
    for axis in axes:
        axis.setdefault("tickfont", {})["color"] = ink
    for note in layout.get("annotations", []):
        note.setdefault("font", {}).setdefault("color", ink)


def enlarged(figure: go.Figure) -> go.Figure:
    """The figure itself, with all of its text and its height larger."""
    layout, scale = figure.layout, presenting.screen().scale
    factor = FACTOR * scale
    higher = layout.height and round(min(HIGHER * layout.height, _most_height.get()))
    layout.update(font_size=factor * (layout.font.size or SIZE), height=higher)
    layout.update(margin={side: MARGIN * scale * (layout.margin[side] or 0) for side in "lrtb"})
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        axis.update(tickfont_size=factor * (axis.tickfont.size or SIZE))
        axis.update(title_font_size=factor * (axis.title.font.size or SIZE))
    for trace in figure.data:
        if "colorbar" in trace:
            size = factor * (trace.colorbar.tickfont.size or SIZE)
            trace.colorbar.update(tickfont_size=size, xpad=size)  # plotly leaves a minus sign no room of its own
        if "textfont" in trace and trace.textfont.size:
            trace.textfont.size = factor * trace.textfont.size
    for note in figure.select_annotations():
        note.update(font_size=factor * (note.font.size or SIZE), yshift=note.yshift and factor * note.yshift)
    if layout.legend.font.size:
        layout.legend.font.size *= factor
    if layout.uniformtext.minsize:  # or all of a figure's names shrink to the one with the least room
        layout.uniformtext.minsize *= factor
    return figure
