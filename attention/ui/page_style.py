"""A figure in the style of the page: in its ink, with room for its tools, and large in a presentation."""

import base64
import contextlib
import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np
import plotly.graph_objects as go
import plotly.io
import streamlit as st

from attention.charts.chart import SIZE
from attention.foreign import plain
from attention.ui import presenting

plotly.io.templates.default = None  # Streamlit makes its theme the template of every figure: see `styled`
_most_height: ContextVar[float] = ContextVar("most_height", default=math.inf)
TOOLS = 28
"""Pixels that the tools of a figure take above it."""
FACTOR = 1.4
"""By how much text is larger for a screen that is read from the back row."""
HIGHER = 1.2
"""By how much a figure is higher there."""
MARGIN = 1.7
"""More than the text in it, which stands further from its axis the larger it is."""
FAMILY = '"Source Sans", sans-serif'
"""The font of the pages, which Streamlit brings."""
GRID = {"light": "#E6EAF1", "dark": "#31333F"}
"""The lines of a grid, which are paler than any data."""
MOST_LISTED = 2048
"""Numbers of an array that plotly gets as a list."""
ANSWERS = {"clickmode": "event+select", "hovermode": "closest", "dragmode": "pan"}
"""What Streamlit sets in a figure that answers to a click, after it was drawn."""
_AXIS = re.compile(r"[xy]axis\d*")


@contextlib.contextmanager
def at_most(height: int) -> Iterator[None]:
    """Figures drawn inside are no higher than this, in pixels, when they are presented."""
    before = _most_height.set(height)
    try:
        yield
    finally:
        _most_height.reset(before)


def styled(figure: go.Figure, *, answers: bool = False) -> go.Figure:
    """The figure as the browser gets it, its texts plain, for `st.plotly_chart` without a theme, and with `on_select`
    where it `answers` to a click.

    Streamlit hands each figure to plotly twice. Plotly draws it once where it can tell that it is the same: by its
    `datarevision`, with its numbers as lists, since others are never alike, and without a template, which Streamlit's
    theme is, since templates are never alike either. Of a figure with more than `MOST_LISTED` numbers
    in one array the lists would take longer than plotly does.
    """
    parts = _listed(plain((enlarged(go.Figure(figure)) if presenting.is_on() else figure).to_dict()))
    parts["layout"].pop("template", None)
    _make_room(parts["layout"])
    _look(parts["layout"], {trace.get("yaxis", "y") for trace in parts["data"] if trace["type"] == "heatmap"})
    if answers:
        _fill(parts["layout"], ANSWERS)
    parts["layout"]["datarevision"] = hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]
    # All but the look was checked when the chart was made: plotly takes 8 ms to do so again.
    return go.Figure(parts, _validate=False)


def _listed(part: Any) -> Any:
    """The parts of a figure with lists in place of arrays, which plotly writes in base64, but for large ones."""
    if isinstance(part, dict) and part.keys() >= {"bdata", "dtype"}:
        flat = np.frombuffer(base64.b64decode(part["bdata"]), part["dtype"])
        if len(flat) > MOST_LISTED:
            return part
        return flat.reshape([int(length) for length in str(part.get("shape", len(flat))).split(",")]).tolist()
    if isinstance(part, dict):
        return {key: _listed(value) for key, value in part.items()}
    return list(map(_listed, part)) if isinstance(part, list | tuple) else part


def _make_room(layout: dict[str, Any]) -> None:
    """Room for the figure's tools above its titles: where they stood on a point, a click would make a file of it."""
    margin, height = layout.get("margin", {}), layout.get("height")
    added = max(TOOLS - margin.get("t", TOOLS), 0) if presenting.is_on() else TOOLS
    if "t" in margin:
        layout |= {"height": height and height + added, "margin": margin | {"t": margin["t"] + added}}


def _look(layout: dict[str, Any], of_maps: Collection[str]) -> None:
    """The page's colours and sizes, and the text in its own ink, where the figure says nothing else. A grid is drawn
    over the height, but for the axes that are `of_maps`; colours of lines that nobody asked for would draw them."""
    theme = st.context.theme.type or "light"
    ink, paper = (st.get_option(f"theme.{theme}.{name}Color") for name in ("text", "background"))
    font = {"color": ink, "size": 12}
    grid = dict.fromkeys(("gridcolor", "zerolinecolor"), GRID[theme])
    axis = {**grid, "automargin": True, "tickfont": font}
    for name in {"xaxis", "yaxis", *filter(_AXIS.fullmatch, layout)}:
        upright = name.startswith("y")
        lines = dict.fromkeys(("showgrid", "zeroline"), upright and name.replace("axis", "") not in of_maps)
        title = {"font": {**font, "size": 14}, "standoff": 24 if upright else 20}
        _fill(layout.setdefault(name, {}), {**lines, **axis, "title": title})
    for note in layout.get("annotations", []):
        _fill(note, {"font": {"color": ink}})
    page = {
        "font": {**font, "family": FAMILY},
        "legend": {"font": {"color": ink}},
        "hoverlabel": {
            "bgcolor": paper,
            "bordercolor": st.get_option(f"theme.{theme}.borderColor"),
            "font": {"color": ink},
        },
        "colorway": st.get_option("theme.chartCategoricalColors"),
        "margin": {"l": 0, "r": 0, "pad": 8},
        "paper_bgcolor": paper,
        "plot_bgcolor": paper,
    }
    _fill(layout, page)


def _fill(part: dict[str, Any], look: dict[str, Any]) -> None:
    """What the part of a figure does not say of its look."""
    for key, value in look.items():
        if part.get(key) is None:
            part[key] = {} if isinstance(value, dict) else value
        if isinstance(value, dict):
            _fill(part[key], value)


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
