"""Networks and pictures beside one another: one scale for heatmaps, agreement with its null, curves, what moved."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from attention.analysis.faithfulness import Faithfulness
from attention.charts.colours import ACCENT, BLUE, CHANGE, NULL, OKABE_ITO, PALE_BLUE
from attention.charts.overlay import Scale
from attention.records import Floats

COARSE = 64
"""Maps of more places a side are of single pixels, whose few largest values would leave all others black."""
_FONT = {"size": 14}
_AXIS = {"fixedrange": True, "tickfont": _FONT, "title_font": _FONT, "zeroline": False}
_LEGEND = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "font": _FONT}
_MARGIN = {"l": 8, "r": 8, "t": 30, "b": 8}


def one_scale(maps: Sequence[Floats]) -> Scale:
    """From 0 to the largest value of all maps; of maps of pixels, to what only one in two hundred places exceeds."""
    tops = [float(np.quantile(each, 0.995) if min(each.shape) > COARSE else each.max()) for each in maps]
    return Scale(0.0, max(tops, default=1.0) or 1.0)


class Against(NamedTuple):
    """One measure of agreement with the heatmap, for each spatial gate and for what knows nothing of the picture."""

    title: str
    gates: Sequence[float | None]
    other: Sequence[float | None]
    """The same gates for another picture."""
    blob: float | None
    """A blob in the middle."""
    ends: tuple[float, float]


def agreement(names: Sequence[str], measures: Sequence[Against], other: str) -> go.Figure:
    """A row a gate, in depth order from the top; orange is the gate, grey what says nothing about the picture."""
    figure = make_subplots(1, len(measures), shared_yaxes=True, horizontal_spacing=0.04)
    for column, measure in enumerate(measures, start=1):
        first = column == 1
        dots = {"y": list(names), "mode": "markers", "hovertemplate": "%{y}: %{x:.2f}<extra></extra>"}
        grey = {"color": NULL, "size": 11, "symbol": "circle-open", "line": {"width": 2}}
        figure.add_scatter(x=measure.other, name=other, marker=grey, showlegend=first, row=1, col=column, **dots)
        orange = {"color": ACCENT, "size": 12}
        figure.add_scatter(
            x=measure.gates, name="this picture's gate", marker=orange, showlegend=first, row=1, col=column, **dots
        )
        if measure.blob is not None:
            line = {"color": NULL, "width": 2, "dash": "dash"}
            both = {"x": [measure.blob] * 2, "y": [names[0], names[-1]], "mode": "lines", "line": line}
            figure.add_scatter(
                name="a blob in the middle", hoverinfo="skip", showlegend=first, row=1, col=column, **both
            )
        figure.update_xaxes(_AXIS | {"title": measure.title, "range": measure.ends}, row=1, col=column)
    figure.update_yaxes(_AXIS | {"autorange": "reversed"})
    return figure.update_layout(height=130 + 30 * len(names), margin=_MARGIN, legend=_LEGEND)


def curves(maps: Mapping[str, Faithfulness], draws: Sequence[Faithfulness]) -> go.Figure:
    """Deletion and insertion side by side; the grey band holds the random maps."""
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.04)
    for column, kind in enumerate(("deletion", "insertion"), start=1):
        band = np.stack([getattr(draw, kind).probabilities for draw in draws]).astype(np.float32)
        shares = (100 * getattr(draws[0], kind).shares).astype(np.float32)
        edge = {"x": shares, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(y=band.min(0), showlegend=False, row=1, col=column, **edge)
        name = f"{len(draws)} random maps, lowest to highest"
        shown = {"fill": "tonexty", "fillcolor": "rgba(140,140,140,0.35)", "showlegend": column == 1, "name": name}
        figure.add_scatter(y=band.max(0), row=1, col=column, **shown, **edge)
        for (title, both), colour in zip(maps.items(), (OKABE_ITO[0], ACCENT), strict=False):
            values = getattr(both, kind).probabilities.astype(np.float32)
            line = {"color": colour, "width": 3, "dash": "solid" if colour == ACCENT else "dot"}
            hover = "%{x:.0f} %: %{y:.3f}<extra></extra>"
            figure.add_scatter(
                x=shares,
                y=values,
                name=title,
                line=line,
                showlegend=column == 1,
                hovertemplate=hover,
                row=1,
                col=column,
            )
        figure.update_xaxes(_AXIS | {"title": f"% of the pixels {_DONE[kind]}"}, row=1, col=column)
    figure.update_yaxes(_AXIS | {"range": [0, 1.02]})
    figure.update_yaxes(title="probability", row=1, col=1)
    return figure.update_layout(height=360, margin=_MARGIN, legend=_LEGEND)


_DONE = {"deletion": "removed", "insertion": "restored"}


def similarity(maps: Mapping[str, Sequence[float | None]], depths: Sequence[str], chosen: int) -> go.Figure:
    """Rank correlation of each map with its original (a row), by how far down the weights are shuffled (a column)."""
    values = np.array([[np.nan if value is None else value for value in row] for row in maps.values()], np.float32)
    texts = [["–" if value is None else f"{value:.2f}" for value in row] for row in maps.values()]
    cells: dict[str, Any] = {"z": values, "x": list(depths), "y": list(maps), "text": texts}
    cells |= {"texttemplate": "%{text}", "textfont": _FONT}
    colours = {"colorscale": CHANGE, "zmin": -1, "zmax": 1, "colorbar": {"thickness": 12, "tickfont": _FONT}}
    hover = "%{y}, shuffled down to %{x}: %{text}<extra></extra>"
    figure = go.Figure(go.Heatmap(hovertemplate=hover, xgap=2, ygap=2, **cells, **colours))
    frame = {"type": "rect", "x0": chosen - 0.5, "x1": chosen + 0.5, "y0": -0.5, "y1": len(maps) - 0.5}
    figure.add_shape(line={"color": ACCENT, "width": 3}, **frame)
    figure.update_yaxes(_AXIS | {"autorange": "reversed"})
    figure.update_xaxes(_AXIS | {"title": "weights shuffled from the head down to"})
    return figure.update_layout(height=130 + 30 * len(maps), margin=_MARGIN)


def moved(names: Sequence[str], changes: Sequence[float], yardsticks: Sequence[float], other: str) -> go.Figure:
    """How far each gate moved, the most at the top; in grey, where given, how far for a picture of something else."""
    bars = go.Bar(
        x=np.array(changes, np.float32),
        y=list(names),
        orientation="h",
        marker={"color": OKABE_ITO[0]},
        name="moved",
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    mark = {"color": NULL, "symbol": "line-ns", "size": 16, "line": {"width": 4, "color": NULL}}
    yardstick = go.Scatter(
        x=np.array(yardsticks, np.float32),
        y=list(names),
        mode="markers",
        marker=mark,
        name=other,
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )
    figure = go.Figure([bars, yardstick] if yardsticks else bars)
    figure.update_yaxes(_AXIS | {"autorange": "reversed"})
    figure.update_xaxes(_AXIS | {"title": "mean absolute change of the gate's values", "rangemode": "tozero"})
    return figure.update_layout(height=110 + 26 * len(names), margin=_MARGIN, legend=_LEGEND, bargap=0.3)


def profiles(networks: Mapping[str, Sequence[Floats]]) -> go.Figure:
    """Each network's channel gates by depth: the median of each block's channels, and the middle half as a band."""
    figure = make_subplots(1, len(networks), shared_yaxes=True, horizontal_spacing=0.02, subplot_titles=list(networks))
    for column, gates in enumerate(networks.values(), start=1):
        low, middle, high = (
            np.array([np.quantile(gate, share) for gate in gates], np.float32) for share in (0.25, 0.5, 0.75)
        )
        blocks = list(range(1, len(gates) + 1))
        place = {"row": 1, "col": column, "showlegend": False, "x": blocks}
        figure.add_scatter(y=low, mode="lines", line={"width": 0}, hoverinfo="skip", **place)
        band = {"fill": "tonexty", "fillcolor": PALE_BLUE, "line": {"width": 0}, "hoverinfo": "skip"}
        figure.add_scatter(y=high, mode="lines", **band, **place)
        line = {"color": BLUE, "width": 3}
        figure.add_scatter(
            y=middle, line=line, mode="lines+markers", hovertemplate="block %{x}: %{y:.3f}<extra></extra>", **place
        )
        figure.update_xaxes(_AXIS | {"title": "block", "dtick": max(1, len(gates) // 8)}, row=1, col=column)
    figure.update_yaxes(_AXIS | {"range": [0, 1]})
    return figure.update_layout(height=320, margin=_MARGIN)


def framed(jpeg: bytes, edges: tuple[float, float, float, float]) -> go.Figure:
    """A square picture to draw a frame on, in % from its upper left; `edges` are left, top, right and bottom of the
    frame that stands. A frame is only told of where it holds points, so there are some, unseen."""
    ticks = np.arange(0, 101, 2.5)
    x, y = (each.ravel() for each in np.meshgrid(ticks, ticks))
    still = {"opacity": 0}
    unseen = {"marker": still, "selected": {"marker": still}, "unselected": {"marker": still}}
    points = go.Scatter(x=x, y=y, mode="markers", hoverinfo="skip", **unseen)
    source = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    photo = {"source": source, "xref": "x", "yref": "y", "x": 0, "y": 0, "sizex": 100, "sizey": 100, "layer": "below"}
    left, top, right, bottom = edges
    patch = {"x0": left, "y0": top, "x1": right, "y1": bottom, "line": {"color": ACCENT, "width": 3}}
    axis = {"visible": False, "fixedrange": True, "constrain": "domain"}
    layout = {
        "height": 330,
        "margin": _MARGIN,
        "dragmode": "select",
        "images": [photo],
        "shapes": [patch],
        "xaxis": {**axis, "range": [0, 100]},
        "yaxis": {**axis, "range": [100, 0], "scaleanchor": "x"},
    }
    return go.Figure(points, layout)
