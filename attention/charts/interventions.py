"""Edited gates and what they change, in one picture and over many: beside what was before, and what chance does."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import plotly.graph_objects as go

from attention.analysis import by_openness
from attention.analysis.evidence import INTERVAL, OverPictures, Test
from attention.charts.channels import MOST_BARS, SOLID, TOP_BARS, channel_ticks
from attention.charts.chart import Chart
from attention.charts.colours import ACCENT, CHANGE, CHANNEL_GATE, GATE, NULL, OKABE_ITO, SPATIAL_GATE, on_scale
from attention.charts.network import name_ticks, swatches
from attention.numbers import amount, p_value, signed
from attention.records import Doubles, Floats

MOST_CELLS = 28
"""Most cells along a side of the grid that is painted: a finer map is painted in patches."""
MOST_NAMED = 32
"""Gates that have their names below their bars."""
LONGEST = 14
"""Length of each of the two lines of a class's name beside its bar, in letters: more leave no room for the bar."""

_FONT = {"size": 15}
_AXIS = {"tickfont": _FONT, "showgrid": False}
_MARGIN = {"l": 0, "r": 0, "t": 8, "b": 0}


def drawn_channels(before: Floats, chosen: Sequence[int]) -> np.ndarray:
    """The channels that have a bar: all, or of many the most open and the chosen ones."""
    if len(before) <= MOST_BARS:
        return np.arange(len(before))
    return np.union1d(by_openness(before)[:TOP_BARS], np.asarray(chosen, int))


def channels(before: Floats, after: Floats, order: np.ndarray, chosen: Sequence[int]) -> go.Figure:
    """The gate (C,) of the channels in `order` after the edits as bars, before as grey ticks; the chosen are framed."""
    framed = np.isin(order, chosen)
    line = {"color": np.where(framed, ACCENT, NULL).tolist(), "width": np.where(framed, 3, 0.5).tolist()}
    marker = {"color": on_scale(after[order], CHANNEL_GATE), "line": line}
    at, hover = np.arange(len(order), dtype=np.int32), "%{text}: %{y:.3f}, before %{customdata:.3f}<extra></extra>"
    data = {"customdata": before[order], "text": order.astype(np.int32), "textposition": "none", "hovertemplate": hover}
    ticks = {"symbol": "line-ew", "size": max(3, 480 // len(order)), "line": {"color": NULL, "width": 2.5}}
    bars = go.Bar(x=at, y=after[order], marker=marker, **data, **SOLID)
    old = go.Scatter(x=at, y=before[order], mode="markers", marker=ticks, hoverinfo="skip", **SOLID)
    everything = len(order) == len(before)
    low, high = min(after.min(), before.min()), max(after.max(), before.max())
    ends = [min(0.0, 1.05 * float(low)), max(1.05, 1.05 * float(high))]
    layout = {
        "height": 280,
        "margin": _MARGIN,
        "bargap": 0.12 if len(order) <= TOP_BARS else 0,  # thin bars leave no gaps for a click to be lost in
        "showlegend": False,
        "selectdirection": "h",
        "xaxis": {
            **_AXIS,
            **channel_ticks(len(order)),
            "title": "channel" if everything else f"the most open before, and the chosen, of {len(before):,} channels",
            "showticklabels": everything,
        },
        "yaxis": {**_AXIS, "title": "gate", "range": ends},
    }
    return go.Figure([bars, old], layout)


def patch(shape: tuple[int, ...]) -> int:
    """Side of the patches, in cells, in which a map of this shape is painted."""
    return -(-max(shape) // MOST_CELLS)


def patches(shape: tuple[int, int]) -> list[list[int]]:
    """The cells, row * width + column, of each patch, row by row."""
    side, (height, width) = patch(shape), shape
    cells = np.arange(height * width).reshape(shape)
    return [
        cells[top : top + side, left : left + side].ravel().tolist()
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def map_to_paint(after: Floats, chosen: Sequence[int]) -> go.Figure:
    """A spatial gate (H, W) after the edits, 0 to 1, with a point on each patch for the brush; chosen cells marked."""
    height, width = after.shape
    bar = {"thickness": 10, "tickfont": _FONT, "orientation": "h", "y": 0, "yanchor": "top", "nticks": 3}
    heat = go.Heatmap(z=after, zmin=0, zmax=1, colorscale=SPATIAL_GATE, hoverinfo="skip", colorbar=bar)
    brush = _brush_points(after)
    rows, columns = np.divmod(np.asarray(chosen, int), width)
    ring = {"size": max(4, 120 // max(after.shape)), "symbol": "circle-open", "color": ACCENT, "line": {"width": 2}}
    marks = go.Scatter(x=columns, y=rows, mode="markers", marker=ring, hoverinfo="skip", **SOLID)
    axis = {"visible": False, "constrain": "domain"}
    layout = {
        "height": 380,
        "margin": {**_MARGIN, "t": 32},
        "showlegend": False,
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {**axis, "range": [-0.5, width - 0.5]},
        "yaxis": {**axis, "range": [height - 0.5, -0.5], "scaleanchor": "x"},
    }
    return go.Figure([brush, heat, marks], layout)


def _brush_points(values: Floats) -> go.Scatter:
    """A point to pick for each patch; a heatmap's own cells cannot be picked in plotly."""
    height, width = values.shape
    cells = patches((height, width))
    centres = np.array([np.mean([divmod(cell, width) for cell in one], 0) for one in cells])
    means = np.array([values.ravel()[one].mean() for one in cells])
    side = max(5, 280 * patch(values.shape) // max(values.shape))
    return go.Scatter(
        x=centres[:, 1],
        y=centres[:, 0],
        customdata=means,
        mode="markers",
        marker={"size": side, "symbol": "square", "color": "rgba(255,255,255,0.01)"},
        hovertemplate="row %{y}, column %{x}: %{customdata:.3f}<extra></extra>",
        **SOLID,
    )


def probabilities(labels: Sequence[str], before: Doubles, after: Doubles) -> go.Figure:
    """Before as a hollow bar and after as a full one for each class, with what numbers differ; the first on top."""
    names = [" \n".join(wrap(label, LONGEST, max_lines=2, placeholder="…")) + " " for label in labels]
    texts = [f" {old:.1%} → {new:.1%}" if old != new else f" {old:.1%}" for old, new in zip(before, after, strict=True)]
    places = list(range(len(names)))
    rows = {**_AXIS, "tickvals": places, "range": [len(names) - 0.5, -0.5]}
    hollow = {"color": "rgba(0,0,0,0)", "line": {"color": NULL, "width": 2}}
    look = {"y": places, "orientation": "h", "hoverinfo": "skip"}
    full_bars = go.Bar(x=list(after), width=0.5, marker={"color": OKABE_ITO[0]}, **look)
    hollow_bars = go.Bar(x=list(before), yaxis="y2", width=0.76, marker=hollow, **look)
    right = {"ticktext": texts, "overlaying": "y", "side": "right", "automargin": True}
    layout = {
        "height": 40 * len(names) + 10,
        "margin": _MARGIN,
        "barmode": "overlay",
        "showlegend": False,
        "xaxis": {**_AXIS, "range": [-0.01, 1.01], "showticklabels": False, "zeroline": False},
        "yaxis": {**rows, "ticktext": names},
        "yaxis2": {**rows, **right},
    }
    return go.Figure([full_bars, hollow_bars], layout)


def against_chance(change: float, draws: Sequence[float], measure: str = "logit") -> go.Figure:
    """The change of the measure of a class as a diamond over the random draws, grey, on one axis with zero."""
    figure = go.Figure()
    figure.add_scatter(
        x=list(draws), y=[0] * len(draws), mode="markers", marker={"size": 16, "color": NULL, "opacity": 0.5}
    )
    figure.add_scatter(x=[change], y=[0], mode="markers", marker=_diamond([change]))
    reach = 1.15 * max(abs(value) for value in (change, *draws, 1e-6))
    figure.update_traces(hovertemplate="%{x:+.3f}<extra></extra>")
    figure.update_layout(height=120, margin=_MARGIN, showlegend=False)
    figure.update_xaxes(**_AXIS, title=f"change of the {measure}", range=[-reach, reach], zeroline=True, nticks=7)
    figure.update_yaxes(visible=False, range=[-1, 1])
    return figure


def turns(names: Sequence[str], changes: Floats, tests: Sequence[Test] | None, measure: str = "logit") -> go.Figure:
    """For each block switched off the change of the logit in each picture and their mean, over its null range.

    `changes` are (blocks, pictures); the grey band holds the middle 95% of the random draws, once there are any. A
    diamond is full where there is evidence that it matters which value stands where.
    """
    at, mean = np.arange(len(names)), changes.mean(1)
    figure = go.Figure()
    if tests:
        low, high = (np.array([getattr(test, end) for test in tests]) for end in ("low", "high"))
        grey = {"color": NULL, "opacity": 0.45}
        figure.add_bar(x=at, y=high - low, base=low, width=0.7, marker=grey, hoverinfo="skip")
    if changes.shape[1] > 1:
        dots = {"size": 6, "color": NULL, "symbol": "line-ew-open", "line": {"width": 2}}
        figure.add_scatter(x=np.repeat(at, changes.shape[1]), y=changes.ravel(), mode="markers", marker=dots)
    marker, text = _diamond(mean), [f"{signed(change)}" for change in mean]
    if tests:
        marker["symbol"] = ["diamond" if test.holds else "diamond-open" for test in tests]
        text = [f"{signed(test.observed)}, {p_value(test.p_adjusted)}" for test in tests]
    figure.add_scatter(x=at, y=mean, mode="markers", marker=marker, text=text, hovertemplate="%{text}<extra></extra>")
    figure.update_layout(height=360, margin=_MARGIN, showlegend=False)
    few = sum(map(len, names)) <= 200
    figure.update_xaxes(**_AXIS, **name_ticks(names), showticklabels=few, title="" if few else "blocks in depth order")
    figure.update_yaxes(tickfont=_FONT, title=f"change of the {measure}", zeroline=True, zerolinewidth=2)
    return figure


def move_bars(names: Sequence[str], moved: Sequence[float], edited: Sequence[bool]) -> go.Figure:
    """The mean absolute change of every gate in depth order; those that were edited by hand are in another colour."""
    colours = [ACCENT if one else OKABE_ITO[0] for one in edited]
    figure = go.Figure(
        go.Bar(
            x=list(range(len(names))),
            y=list(moved),
            marker={"color": colours},
            customdata=list(names),
            hovertemplate="%{customdata}: %{y:.4f}<extra></extra>",
            showlegend=False,
        )
    )
    few = len(names) <= MOST_NAMED
    figure.add_traces(swatches({"edited by hand": ACCENT, "not edited": OKABE_ITO[0]}))
    legend = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "font": _FONT}
    figure.update_layout(height=400 if few else 320, margin={**_MARGIN, "t": 32}, legend=legend)
    figure.update_xaxes(**_AXIS, **name_ticks(names), showticklabels=few, title="" if few else "gates in depth order")
    figure.update_yaxes(tickfont=_FONT, title="mean |after − before|", rangemode="tozero")
    return figure


def _diamond(values: Any) -> dict[str, Any]:
    """A change in the colours of changes, symmetric about zero."""
    reach = float(np.abs(values).max()) or 1.0
    frame = {"color": ACCENT, "width": 2}
    return {"symbol": "diamond", "size": 18, "color": on_scale(values, CHANGE, -reach, reach), "line": frame}


def medians(found: Mapping[str, OverPictures], explained: str, finding: str, left_out: int) -> Chart:
    """The median of each row over the pictures with its interval.

    `explained` says what the number of one picture is, `finding` what the farthest median comes to, and `left_out` is
    how many pictures could not be used.
    """
    names, each = list(found), list(found.values())
    median, low, high = (np.array([getattr(one, part) for one in each]) for part in ("median", "low", "high"))
    rows = np.arange(len(names))
    figure = go.Figure()
    figure.add_scatter(
        x=median,
        y=rows,
        mode="markers",
        error_x={"type": "data", "symmetric": False, "array": high - median, "arrayminus": median - low},
        marker={"color": GATE, "size": 11},
        hovertemplate="%{x:+.3f}<extra></extra>",
    )
    figure.add_vline(0, line={"color": NULL, "dash": "dot"})
    figure.update_yaxes(tickvals=rows, ticktext=list(names), autorange="reversed")
    figure.update_xaxes(title="median over the pictures")
    figure.update_layout(height=110 + 28 * len(names), margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False)
    counts = sorted({one.count for one in each})
    caption = (
        f"{explained} Dots: the median over n = {' or '.join(map(str, counts))} "
        f"{'picture' if counts == [1] else 'pictures'}; lines: {INTERVAL}."
    )
    if left_out:
        caption += f" {amount(left_out, 'picture')} could not be used."
    table: dict[str, Any] = {"row": names, "median": median, "low": low, "high": high}
    table |= {"same sign in": [one.alike for one in each], "pictures": [one.count for one in each]}
    return Chart("many", figure, finding, caption, finding, table)
