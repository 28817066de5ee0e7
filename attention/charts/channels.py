"""Channel gates as figures: one block's weights, all blocks through depth, and what the reduction ratio costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from attention.analysis import by_strength
from attention.charts import overlay
from attention.charts.colours import ACCENT, CHANGE, CHANNEL_GATE, NULL
from attention.records import Floats

MOST_BARS = 256
"""Past that, bars take the browser longer than a second to draw."""
TOP_BARS = 64
"""How many bars are drawn instead."""
STRIP_WIDTH = 64
FEATURES = "cividis"
"""What a channel's own map is drawn in, alone and on the picture."""

Channels = NDArray[np.intp]

_SOLID = {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}
_FONT = {"size": 15}


def shown(values: Floats, *, by_size: bool) -> Channels:
    """The channels that the bars show, in their order: all of them by number or by size, or the largest of many."""
    if len(values) > MOST_BARS:
        return by_strength(values)[:TOP_BARS]
    return by_strength(values) if by_size else np.arange(len(values))


def gate_bars(values: Floats, channels: Channels, chosen: int) -> go.Figure:
    """The gate (C,) of the channels given, one bar each in that order; the chosen one is framed and named."""
    marker = {"color": values[channels], "colorscale": CHANNEL_GATE, "cmin": 0, "cmax": 1}
    figure = _bars(values, channels, marker, chosen)
    for threshold in (0.1, 0.9):
        figure.add_hline(threshold, line={"color": NULL, "width": 1, "dash": "dot"}, layer="below")
    low, high = min(0.0, 1.12 * float(values.min())), max(1.12, 1.12 * float(values.max()))
    figure.update_yaxes(range=[low, high], tickvals=sorted({0, 0.1, 0.5, 0.9, 1, round(high / 1.12, 1)}), title="gate")
    figure.update_xaxes(title="channel" if _in_order(channels) else "channels, the most open first")
    figure.update_layout(height=300, margin={"t": 0})
    return figure


def gate_strip(values: Floats, chosen: int) -> go.Figure:
    """The whole gate (C,) as a heatmap, 64 channels a row, 0 to 1; the chosen one is framed."""
    figure = _strip(values, CHANNEL_GATE, (0.0, 1.0))
    row, column = divmod(chosen, STRIP_WIDTH)
    box = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
    figure.add_shape(type="rect", line={"color": ACCENT, "width": 3}, **box)
    return figure


def vector(values: Floats, chosen: int, title: str) -> go.Figure:
    """Any numbers of the channels or hidden units, (C,), in their order: bars, or past 256 a strip."""
    if len(values) > MOST_BARS:
        return _strip(values, "Greys", (float(values.min()), float(values.max())))
    figure = _bars(values, np.arange(len(values)), {"color": NULL}, chosen)
    figure.update_yaxes(title=title)
    figure.update_layout(height=220)
    return figure


def difference(values: Floats) -> go.Figure:
    """What changes from one picture's gate to another's, (C,), on a scale symmetric about zero; the most is named."""
    reach = float(np.abs(values).max()) or 1.0
    if len(values) > MOST_BARS:
        return _strip(values, CHANGE, (-reach, reach))
    marker = {"color": values, "colorscale": CHANGE, "cmin": -reach, "cmax": reach}
    figure = _bars(values, np.arange(len(values)), marker, int(np.abs(values).argmax()))
    figure.update_yaxes(title="second − first", range=[-1.15 * reach, 1.15 * reach], zeroline=True)
    figure.update_xaxes(title="channel")
    figure.update_layout(height=280)
    return figure


def through_depth(names: Sequence[str], gates: Sequence[Floats], chosen: int) -> go.Figure:
    """Each block's gate (C,) as a box: whiskers to its minimum and maximum; the chosen block is framed."""
    quartiles = np.array([np.quantile(gate, [0, 0.25, 0.5, 0.75, 1]) for gate in gates])
    figure = go.Figure()
    for which, colour in (("others", CHANNEL_GATE[1][1]), ("chosen", ACCENT)):
        at = [place for place in range(len(names)) if (place == chosen) == (which == "chosen")]
        low, q1, median, q3, high = quartiles[at].T
        figure.add_box(
            x=at, lowerfence=low, q1=q1, median=median, q3=q3, upperfence=high, name=which, line={"color": colour}
        )
    figure.update_traces(width=0.6, line={"width": 3}, fillcolor="rgba(74,144,201,0.35)")
    figure.update_yaxes(title="gate", range=[-0.02, 1.02], fixedrange=True, tickfont=_FONT)
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=list(names), fixedrange=True, tickfont=_FONT)
    figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 8, "b": 0}, showlegend=False, boxmode="overlay")
    return figure


@dataclass(frozen=True)
class RatioCurve:
    """Parameters of all SE gates of a network over the reduction ratio."""

    ratios: tuple[int, ...]
    weights: tuple[int, ...]
    """Without biases."""
    parameters: tuple[int, ...]
    """With them."""


def ratio_curve(curve: RatioCurve, current: int | None) -> go.Figure:
    """The parameters over the ratio on two logarithmic axes, where (2/r) sum N C^2 is a straight line."""
    figure = go.Figure()
    figure.add_scatter(x=curve.ratios, y=curve.parameters, name="with biases", line={"color": CHANNEL_GATE[1][1]})
    figure.add_scatter(x=curve.ratios, y=curve.weights, name="weights alone", line={"color": NULL, "dash": "dash"})
    figure.update_traces(mode="lines+markers", marker={"size": 10}, line={"width": 3})
    if current in curve.ratios:
        here = curve.parameters[curve.ratios.index(current)]
        marker = {"size": 20, "symbol": "circle-open", "color": ACCENT, "line": {"width": 4}}
        figure.add_scatter(x=[current], y=[here], mode="markers", marker=marker, name="this block")
    figure.update_xaxes(type="log", tickvals=curve.ratios, title="reduction ratio r", fixedrange=True, tickfont=_FONT)
    figure.update_yaxes(type="log", tickvals=curve.parameters, title="parameters", fixedrange=True, tickfont=_FONT)
    figure.update_yaxes(ticktext=[f"{number:,}" for number in curve.parameters])
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": _FONT}
    figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 40, "b": 0}, legend=legend)
    return figure


def before_after(before: Floats, after: Floats, side: int = 96) -> bytes:
    """One channel's map (H, W) before and after its gate, side by side on one scale, each value a square: PNG."""
    scale = overlay.own_range(np.stack([before, after]))
    height, width = before.shape
    size = (max(side * width // max(height, width), 1), max(side * height // max(height, width), 1))
    sheet = Image.new("RGBA", (2 * size[0] + 4, size[1]))
    for place, values in enumerate((before, after)):
        tile = overlay.coloured(values, FEATURES, scale).convert("RGB").resize(size, Image.Resampling.NEAREST)
        sheet.paste(tile, (place * (size[0] + 4), 0))
    return overlay.png(sheet)


def _bars(values: Floats, channels: Channels, marker: dict[str, Any], chosen: int) -> go.Figure:
    is_chosen, thin = channels == chosen, min(0.5, 32 / len(channels))
    frame = {"color": np.where(is_chosen, ACCENT, NULL).tolist(), "width": np.where(is_chosen, 3, thin).tolist()}
    bars = go.Bar(
        x=np.arange(len(channels), dtype=np.int32),
        y=values[channels],
        customdata=channels.astype(np.int32),
        marker={**marker, "line": frame},
        hovertemplate="%{customdata}: %{y:.3f}<extra></extra>",
        **_SOLID,
    )
    figure = go.Figure(bars)
    for place in map(int, np.flatnonzero(is_chosen)):
        near = values[channels][max(place - len(channels) // 16, 0) : place + len(channels) // 16 + 1]
        text = f"<b>{chosen}: {values[chosen]:.3f}</b>"
        figure.add_annotation(x=place, y=max(float(near.max()), 0), text=text, font={**_FONT, "color": ACCENT})
    figure.update_annotations(showarrow=False, yanchor="bottom", yshift=4)
    figure.update_layout(margin={"l": 0, "r": 0, "t": 24, "b": 0}, bargap=0.12, showlegend=False)
    figure.update_xaxes(showgrid=False, fixedrange=True, tickfont=_FONT, showticklabels=_in_order(channels))
    figure.update_yaxes(fixedrange=True, tickfont=_FONT)
    return figure


def _strip(values: Floats, colourscale: Any, ends: tuple[float, float]) -> go.Figure:
    rows = -(-len(values) // STRIP_WIDTH)
    cells = np.full(rows * STRIP_WIDTH, np.nan, np.float32)
    cells[: len(values)] = values
    heat = go.Heatmap(
        z=cells.reshape(rows, STRIP_WIDTH),
        customdata=np.arange(rows * STRIP_WIDTH, dtype=np.int32).reshape(rows, STRIP_WIDTH),
        zmin=ends[0],
        zmax=ends[1],
        colorscale=colourscale,
        hovertemplate="%{customdata}: %{z:.3f}<extra></extra>",
        hoverongaps=False,
    )
    figure = go.Figure(heat)
    figure.update_layout(height=40 + 10 * rows, margin={"l": 0, "r": 0, "t": 8, "b": 0})
    figure.update_xaxes(showgrid=False, fixedrange=True, visible=False)
    tens = list(range(0, rows, max(1, rows // 8)))
    labels = [str(row * STRIP_WIDTH) for row in tens]
    figure.update_yaxes(tickvals=tens, ticktext=labels, autorange="reversed", showgrid=False, fixedrange=True)
    return figure


def _in_order(channels: Channels) -> bool:
    return bool((np.diff(channels) > 0).all())
