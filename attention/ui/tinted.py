"""A map on the picture and its legend, coloured by the browser: opacity and colours do not wait for the server."""

import base64
from pathlib import Path
from typing import Any

import streamlit as st

from attention.charts import colours, overlay
from attention.charts.chart import Chart
from attention.charts.gates import MapStyle
from attention.observe import Observation
from attention.records import Floats
from attention.ui import widgets

COLOUR_MAPS = ("viridis", "cividis", "magma")
SCALES = ("0 to 1", "own range")
_COMPONENT = st.components.v2.component(
    "tinted",
    html='<canvas role="img"></canvas>',
    css=Path(__file__).with_name("tinted.css").read_text(encoding="utf-8"),
    js=Path(__file__).with_name("tinted.js").read_text(encoding="utf-8"),
)


def choose_opacity() -> float:
    """By a slider that the script reads too, by its key."""
    return widgets.choose_number("Opacity of the map", 0.0, 1.0, 0.5, key="opacity", look="slider", step=0.05)


def choose_style() -> MapStyle:
    """By rows of options that the script reads too, by their keys."""
    colour_map = widgets.choose("Colours", COLOUR_MAPS, key="colours", look="row")
    scale = widgets.choose("Scale", SCALES, key="scale", look="row")
    return MapStyle(colour_map, scale == SCALES[1])


def show_map(chart: Chart, observation: Observation, values: Floats, style: MapStyle, opacity: float) -> None:
    """The chart of a map (H, W) laid over the whole picture, from the same picture and map."""
    data = _data(chart, values, style, opacity)
    picture, box = observation.view
    lit = overlay.data_uri(overlay.dim_unseen(picture, box))
    data |= {"picture": lit, "size": picture.size, "crop": overlay.pixel_box(box)}
    widgets.show(chart, draw=lambda: _COMPONENT(key=chart.key, data=data))


def show_legend(chart: Chart, values: Floats, style: MapStyle) -> None:
    """The chart of the colours of a map (H, W), with the share of its places that have each."""
    data = _data(chart, values, style, 1.0) | {"legend": True}
    widgets.show(chart, draw=lambda: _COMPONENT(key=chart.key, data=data))


def _data(chart: Chart, values: Floats, style: MapStyle, opacity: float) -> dict[str, Any]:
    scales = dict(zip(SCALES, (overlay.UNIT, overlay.own_range(values)), strict=True))
    look = {"opacity": opacity, "colours": style.colour_map, "scale": SCALES[style.own_range]}
    numbers = {"values": _pack(values.astype("<f4").tobytes()), "shape": values.shape}
    palettes = {name: _pack(colours.colour_steps(colours.COLOUR_MAPS[name]).tobytes()) for name in COLOUR_MAPS}
    return {"alt": chart.alt, "look": look, "scales": scales, "palettes": palettes, **numbers}


def _pack(values: bytes) -> str:
    return base64.b64encode(values).decode()
