"""Channel gates: one block's weights and how they came about, all blocks through depth, what the ratio costs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from attention import analysis
from attention.analysis import by_openness, by_strength
from attention.charts import network, overlay
from attention.charts.chart import Chart, Columns, by_place
from attention.charts.colours import ACCENT, CHANGE, CHANNEL_GATE, FEATURE_ENDS, FEATURES, GATE, NULL, on_scale
from attention.charts.overlay import Tile, sheet
from attention.numbers import amount, extent, fixed
from attention.records import Floats, Gate

MOST_BARS = 256
"""Past that, bars take the browser longer than a second to draw."""
FEW = 12
"""Bars of which each has its number."""
TOP_BARS = 64
"""How many bars are drawn instead."""
STRIP_WIDTH = 64
NO_CHANNEL = "A cross is no channel."
MEANING = {"average": "mean", "max": "maximum"}
"""What a branch of the squeeze reads of each channel."""
HIDDEN = {"relu": "ReLU", "silu": "SiLU", "gelu": "GELU", "hardswish": "hard swish", "relu6": "ReLU6"}
"""What makes the hidden activations, in words."""
RATIOS = (1, 2, 4, 8, 16, 32)
"""Reduction ratios of the curve, as far as every block has so many channels."""

Channels = NDArray[np.intp]

SOLID = {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}
"""Plotly pales what is not selected unless it is told."""
_FONT = {"size": 15}


def drawn_channels(values: Floats, *, by_size: bool) -> Channels:
    """The channels that the bars show, in their order: all of them by number or by size, or the largest of many."""
    if len(values) > MOST_BARS:
        return by_openness(values)[:TOP_BARS]
    return by_openness(values) if by_size else np.arange(len(values))


def gate_bars(values: Floats, channels: Channels, chosen: int) -> go.Figure:
    """The gate (C,) of the channels given, one bar each in that order; the chosen one is framed and named."""
    marker = {"color": on_scale(values[channels], CHANNEL_GATE)}
    low, high = min(0.0, 1.12 * float(values.min())), max(1.12, 1.12 * float(values.max()))
    marks = {0, 0.1, 0.5, 0.9, 1, round(high / 1.12, 1)}
    ticks = sorted(marks | {-mark for mark in marks if low <= -mark < 0})
    return _bars(
        values,
        channels,
        marker,
        chosen,
        title="channel" if _is_ascending(channels) else "channels, the most open first",
        yaxis={"range": [low, high], "tickvals": ticks, "title": "gate"},
        height=300,
        margin=dict.fromkeys("lrtb", 0),
        shapes=[network.level_line(threshold) for threshold in (0.1, 0.9)],
    )


def gate_strip(values: Floats, chosen: int) -> go.Figure:
    """The whole gate (C,) as a heatmap, 64 channels a row, 0 to 1; the chosen one is framed."""
    row, column = divmod(chosen, STRIP_WIDTH)
    box = {"x0": column - 0.5, "x1": column + 0.5, "y0": row - 0.5, "y1": row + 0.5}
    frame = {"type": "rect", "line": {"color": ACCENT, "width": 3}, **box}
    return _strip(values, CHANNEL_GATE, (0.0, 1.0), shapes=[frame])


def squeezed(values: Floats, branch: str, chosen: int) -> Chart:
    """What a branch of the squeeze, "average" or "max", reads of each channel, (C,)."""
    what = MEANING[branch]
    finding = f"The {what} of {amount(len(values), 'channel')}, from {extent(values)}."
    table: Columns = {"channel": range(len(values)), what: values}
    caption = f"The {what} of each channel's map, by the channel's number: {extent(values)}."
    return Chart(f"squeeze_{branch}", vector(values, chosen, what), finding, caption, table=table)


def hidden(values: Floats, branch: str, activation: str) -> Chart:
    """The hidden units of the excitation, (C / r,), after their activation, for a branch of the squeeze."""
    what, active = MEANING[branch], int((values > 0).sum())
    rest = "are 0" if values.min() == 0 else f"are below 0, down to {fixed(values.min())},"
    finding = f"{active} of {len(values)} hidden units are above 0 for the {what} of each channel"
    finding += "." if active == len(values) else f"; the others {rest} after the {HIDDEN.get(activation, activation)}."
    table: Columns = {"hidden unit": range(len(values)), f"from the {what}": values}
    return Chart(f"hidden_{branch}", vector(values, None, "value", "hidden unit"), finding, finding, table=table)


def vector(values: Floats, chosen: int | None, title: str, of: str = "channel") -> go.Figure:
    """Any numbers `of` the channels or hidden units, (C,), in their order: bars, or past 256 a strip."""
    if len(values) > MOST_BARS:
        return _strip(values, FEATURES, (float(values.min()), float(values.max())))
    return _bars(values, np.arange(len(values)), {"color": NULL}, chosen, yaxis={"title": title}, title=of, height=240)


def difference(first: Floats, second: Floats) -> Chart:
    """One block's gate, (C,), for two pictures: second minus first, and the channel that differs most."""
    change = second - first
    most = int(by_strength(np.abs(change))[0])
    finding = (
        f"{int((np.abs(change) > 0.1).sum()):,} of {amount(len(change), 'channel')} differ by more than 0.1; most of "
        f"all channel {most}: {fixed(first[most])} for the first picture, {fixed(second[most])} for the second."
    )
    return Chart(
        "difference",
        difference_figure(change),
        finding,
        f"Second minus first, from {extent(change)}; the scale is symmetric about 0.",
        finding,
        table={"channel": range(len(change)), "first gate": first, "second gate": second, "second - first": change},
    )


def difference_figure(values: Floats, what: str = "second − first", axis: str = "channel") -> go.Figure:
    """Changes of a gate, (C,), on a scale symmetric about zero; the most is named."""
    reach = float(np.abs(values).max()) or 1.0
    if len(values) > MOST_BARS:
        return _strip(values, CHANGE, (-reach, reach))
    marker = {"color": on_scale(values, CHANGE, -reach, reach)}
    most, ends = int(np.abs(values).argmax()), [-1.15 * reach, 1.15 * reach]
    changes = {"title": what, "range": ends, "zeroline": True}
    return _bars(values, np.arange(len(values)), marker, most, title=axis, yaxis=changes, height=280)


def through_depth(gates: Mapping[str, Gate], chosen: str, titles: Mapping[str, str]) -> Chart:
    """Every block's channel gate as a box under the block's title, with its share of saturated values; one framed."""
    names, values = [titles[name] for name in gates], [gate.values[0] for gate in gates.values()]
    low, high = [analysis.share_low(each) for each in values], [analysis.share_high(each) for each in values]
    spreads = [float(each.std()) for each in values]
    widest = spreads.index(max(spreads))
    shares = [f"{below:.0%} · {above:.0%}" for below, above in zip(low, high, strict=True)]
    known = list(map(analysis.can_saturate, gates.values()))
    ticks = [f"{name}\n{share if ends else ''}" for name, share, ends in zip(names, shares, known, strict=True)]
    figure = network.boxes(ticks, values, list(gates).index(chosen))
    if any(known):
        figure.update_xaxes(title="block, and its shares below 0.05 · of 0.95 and above")
    table: dict[str, Any] = {"block": list(gates), "channels": list(map(len, values))}
    finding = (
        f"The gates spread most in {analysis.block_called(names[widest])}: their standard deviation over the channels "
        f"is {fixed(spreads[widest])}, and they run from {extent(values[widest])}."
    )
    table |= {"mean": [float(each.mean()) for each in values], "std": spreads, **analysis.five_numbers(values)}
    return Chart(
        "depth",
        figure,
        finding,
        "This picture. A box holds the middle half of a block's channels, its line is the median, its whiskers reach "
        "the lowest and the highest gate. The shares of saturated gates, below 0.05 or of 0.95 and above, stand under "
        "each block whose gates lie from 0 to 1, each by itself.",
        finding,
        table={**table, "below 0.05": low, "0.95 and above": high},
    )


def ratio_curve(sizes: Sequence[int], current: int | None) -> Chart:
    """Parameters of SE gates for blocks of so many channels over the reduction ratio, the `current` one ringed.

    On two logarithmic axes (2/r) sum N C^2 is a straight line (arXiv 1709.01507, eq. 5).
    """
    ratios = [ratio for ratio in RATIOS if ratio <= min(sizes)]
    weights = [analysis.excitation_parameters(sizes, ratio, biases=False) for ratio in ratios]
    biased = [analysis.excitation_parameters(sizes, ratio, biases=True) for ratio in ratios]
    look = {"mode": "lines+markers", "marker": {"size": 10}}
    lines = {"with biases": (biased, {"color": GATE}), "weights alone": (weights, {"color": NULL, "dash": "dash"})}
    curves = [
        go.Scatter(x=ratios, y=numbers, name=name, line={"width": 3, **line}, **look)
        for name, (numbers, line) in lines.items()
    ]
    if current in ratios:
        marker = {"size": 20, "symbol": "circle-open", "color": ACCENT, "line": {"width": 4}}
        here = biased[ratios.index(current)]
        curves.append(go.Scatter(x=[current], y=[here], mode="markers", marker=marker, name="this network"))
    log = {"type": "log", "tickfont": _FONT}
    layout = {
        "xaxis": {**log, "tickvals": ratios, "title": "reduction ratio r"},
        "yaxis": {**log, "tickvals": biased, "title": "parameters", "ticktext": [f"{number:,}" for number in biased]},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": _FONT},
        "height": 384,
        "margin": {"l": 0, "r": 0, "t": 64, "b": 0},
    }
    return Chart(
        "ratio",
        go.Figure(curves, layout),
        f"From {biased[0]:,} parameters at r = 1 to {biased[-1]:,} at {ratios[-1]}.",
        "Were all gates SE with one reduction ratio r: weights alone, and with biases.",
        table={"r": ratios, "weights": weights, "with biases": biased},
    )


def reweighted(groups: Mapping[str, Sequence[int]], before: Floats, after: Floats, gate: Floats) -> Chart:
    """Maps (C, H, W) of some channels before and after the gate (C,), one sheet with a row for each named group."""
    channels = [channel for group in groups.values() for channel in group]
    rows = {
        name: [
            Tile(f"{each} × {fixed(gate[each])}", before_after(before[each], after[each]), (before[each], after[each]))
            for each in group
        ]
        for name, group in groups.items()
    }
    height, width = before.shape[1:]
    channels_in_words = "; ".join(
        f"{name}: " + ", ".join(f"channel {each} × {fixed(gate[each])}" for each in group)
        for name, group in groups.items()
    )
    sides = {"before": before, "after": after}
    return Chart(
        "reweight",
        sheet(rows),
        f"Maps before and after their gate. {channels_in_words}.",
        f"Each map of {height} × {width} values before its gate, left, and after it, right, on one scale that is the "
        f"pair's own, {FEATURE_ENDS}. Below a map stand its smallest and its largest value.",
        table=by_place({f"channel {each} {side}": maps[each] for each in channels for side, maps in sides.items()}),
    )


def before_after(before: Floats, after: Floats, side: int = 96) -> bytes:
    """One channel's map (H, W) before and after its gate, side by side on one scale, each value a square: PNG."""
    scale = overlay.own_range(np.stack([before, after]))
    height, width = before.shape
    size = (max(side * width // max(height, width), 1), max(side * height // max(height, width), 1))
    sheet = Image.new("RGBA", (2 * size[0] + 4, size[1]))
    for place, values in enumerate((before, after)):
        tile = overlay.map_image(values, "features", scale).convert("RGB").resize(size, Image.Resampling.NEAREST)
        sheet.paste(tile, (place * (size[0] + 4), 0))
    return overlay.png(sheet)


def _bars(
    values: Floats,
    channels: Channels,
    marker: dict[str, Any],
    chosen: int | None,
    *,
    yaxis: dict[str, Any],
    title: str | None = None,
    **layout: Any,
) -> go.Figure:
    """Bars in the order of `channels`, the chosen one, if any, framed and named; `title` is that of their axis."""
    is_chosen, thin = channels == chosen, min(0.5, 32 / len(channels))
    frame = {"color": np.where(is_chosen, ACCENT, NULL).tolist(), "width": np.where(is_chosen, 3, thin).tolist()}
    bars = go.Bar(
        x=np.arange(len(channels), dtype=np.int32),  # a list takes more than twice the bytes on the way
        y=values[channels],
        customdata=channels.astype(np.int32),
        marker={**marker, "line": frame},
        hovertemplate="%{customdata}: %{y:.3f}<extra></extra>",
        **SOLID,
    )
    notes = []
    for place in map(int, np.flatnonzero(is_chosen)):
        text = f"{channels[place]}: {fixed(values[channels][place])}"
        edge = len(channels) // 5  # as wide as the text on a phone, half of which would stand on the axis at an end
        side = "left" if place < edge else "right" if place >= len(channels) - edge else "center"
        before, after = {"left": (0, edge), "right": (edge, 0), "center": (edge // 2, edge // 2)}[side]
        near = values[channels][max(place - before, 0) : place + after + 1]
        look = {"font": {**_FONT, "color": ACCENT, "weight": "bold"}, "xanchor": side}
        above = {"y": max(float(near.max()), 0), "yanchor": "bottom", "yshift": 4}
        notes.append({"x": place, **above, "text": text, "showarrow": False, **look})
    ticks = {"tickfont": _FONT}
    xaxis = {**ticks, **channel_ticks(len(channels)), "showgrid": False, "title": title}
    xaxis["showticklabels"] = _is_ascending(channels)
    looks = {"margin": {"l": 0, "r": 0, "t": 24, "b": 0}, "bargap": 0.12, "showlegend": False, "annotations": notes}
    return go.Figure(bars, {**looks, "xaxis": xaxis, "yaxis": ticks | yaxis, **layout})


def channel_ticks(count: int) -> dict[str, Any]:
    """How an axis of so many channels is numbered: of few, plotly would number the halves too."""
    return {"dtick": 1} if count <= FEW else {}


def _strip(values: Floats, colourscale: Any, ends: tuple[float, float], **layout: Any) -> go.Figure:
    rows = -(-len(values) // STRIP_WIDTH)
    heat = go.Heatmap(
        z=fold(values, rows, STRIP_WIDTH),
        customdata=np.arange(rows * STRIP_WIDTH, dtype=np.int32).reshape(rows, STRIP_WIDTH),
        zmin=ends[0],
        zmax=ends[1],
        colorscale=colourscale,
        hovertemplate="%{customdata}: %{z:.3f}<extra></extra>",
        hoverongaps=False,
    )
    tens = list(range(0, rows, max(1, rows // 8)))
    labels = {"tickvals": tens, "ticktext": [str(row * STRIP_WIDTH) for row in tens], "autorange": "reversed"}
    axes = {"xaxis": {"visible": False}, "yaxis": {"showgrid": False, **labels}}
    size = {"height": 40 + 10 * rows, "margin": {"l": 0, "r": 0, "t": 8, "b": 0}}
    return go.Figure([heat, *crosses_at_nan(heat.z)], {**axes, **size, **layout})


def fold(values: Floats, rows: int, across: int) -> Floats:
    """Numbers (C,) row by row in a map (rows, across); what is left over is NaN."""
    spare = rows * across - len(values)
    return np.pad(values.astype(np.float32), (0, spare), constant_values=np.nan).reshape(rows, across)


def crosses_at_nan(cells: Floats, **axes: str) -> list[go.Scatter]:
    """A cross in each cell that stands for no channel, where the map has such: NaN."""
    rows, columns = np.nonzero(np.isnan(cells))
    cross = {"symbol": "x-thin", "size": 5, "line": {"color": NULL, "width": 1.5}}
    look = {"mode": "markers", "marker": cross, "hoverinfo": "skip", "showlegend": False, **SOLID, **axes}
    return [go.Scatter(x=columns, y=rows, **look)] * bool(len(rows))


def _is_ascending(channels: Channels) -> bool:
    return bool((np.diff(channels) > 0).all())
