"""How the gates of CBAM came about, as charts: the distribution of a map, its derivation, the features around it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from attention.analysis import block_called
from attention.charts.channels import NO_CHANNEL, crosses_at_nan, fold
from attention.charts.chart import FONT, Chart, by_map, by_place
from attention.charts.colours import (
    ACCENT,
    CHANGE,
    CHANNEL_ENDS,
    CHANNEL_GATE,
    COLOUR_MAPS,
    FEATURE_ENDS,
    FEATURES,
    GATE,
    NULL,
    OKABE_ITO,
    SPATIAL_ENDS,
    SPATIAL_GATE,
    on_scale,
)
from attention.charts.overlay import Scale, own_range
from attention.charts.signs import moves
from attention.numbers import amount, extent, fixed
from attention.records import ChannelSteps, Floats, SpatialSteps

BINS = 25
TILES = 3
"""Side of the sheet of channels that stands for a whole feature map."""
MANY = 4
"""Each of so many maps beside one another is narrower on a phone than its range on one line."""
MOST_NUMBERED = 3
"""The largest kernel whose weights are written into its cells."""

_FRAME = {"showline": True, "mirror": True, "linecolor": NULL, "linewidth": 1, "zeroline": False, "ticks": ""}
_AXIS = {"showgrid": False, "tickfont": FONT}
_MARK = {"color": ACCENT, "width": 2}
_BRANCH_NAMES = {"average": "mean", "max": "max"}


class _MapPanel(NamedTuple):
    """One heatmap of a figure, at a place given in shares of the figure."""

    values: Floats
    title: str
    colours: Any
    ends: Scale
    x: tuple[float, float]
    y: tuple[float, float]
    numbered: bool = False
    """Whether each value is written into its cell."""
    narrow: bool = False
    """Whether its range takes two lines."""


class _ChannelRow(NamedTuple):
    """One number a channel, with the two ends of its axis."""

    title: str
    values: Floats
    colour: str
    ends: tuple[float, float]


def histogram(values: Floats, colour_map: str, scale: Scale) -> go.Figure:
    """The colour map as a bar with its ends named, and over it the share of the places that have each colour."""
    edges = np.linspace(scale.low, scale.high, BINS + 1)
    counts, _ = np.histogram(np.clip(values, scale.low, scale.high), edges)
    centres = ((edges[:-1] + edges[1:]) / 2).astype(np.float32)
    colours = on_scale(centres, COLOUR_MAPS[colour_map], *scale)
    bars = {"x": centres, "marker": {"color": colours, "line": {"width": 0}}}
    shares = (100 * counts / values.size).astype(np.float32)
    hover = "%{x:.2f}: %{y:.1f}% of the places<extra></extra>"
    ticks = np.linspace(scale.low, scale.high, 3)
    across = {"tickvals": ticks, "ticktext": [fixed(tick, 2) for tick in ticks], "range": list(scale), "anchor": "y2"}
    return go.Figure(
        [go.Bar(y=shares, hovertemplate=hover, **bars), go.Bar(y=np.ones(BINS), hoverinfo="skip", yaxis="y2", **bars)],
        {
            "height": 200,
            "margin": {"l": 0, "r": 24, "t": 8, "b": 0},
            "bargap": 0,
            "showlegend": False,
            "xaxis": {**_AXIS, **across},
            "yaxis": {**_AXIS, "domain": [0.24, 1], "title": "% of the places", "nticks": 4},
            "yaxis2": {"domain": [0, 0.18], "range": [0, 1], "visible": False},
        },
    )


def profile(values: Floats, side: str) -> go.Figure:
    """A gate along one side of the picture, (L,), as bars: rows lie as they lie in the picture, columns stand."""
    marker = {"color": on_scale(values, SPATIAL_GATE)}
    positions, reach = np.arange(len(values)), [min(0.0, float(values.min())), max(1.0, float(values.max()))]
    rows = side == "height"
    along = {"x": values, "y": positions, "orientation": "h"} if rows else {"x": positions, "y": values}
    figure = go.Figure(go.Bar(**along, marker=marker))
    place, gate = (figure.update_yaxes, figure.update_xaxes) if rows else (figure.update_xaxes, figure.update_yaxes)
    place(title="row" if rows else "column", autorange="reversed" if rows else True, **_AXIS)
    gate(title="gate", range=reach, **_AXIS)
    figure.update_layout(height=360, margin={"l": 0, "r": 0, "t": 8, "b": 0}, bargap=0.1, showlegend=False)
    return figure


def derivation(steps: SpatialSteps, gate: Floats) -> Chart:
    """The paper's figure with this picture's numbers: features, pooled maps, kernel, and the gate (H, W), 0 to 1."""
    channels, size = steps.before.shape[1], steps.kernel.shape[-1]
    row, column = np.unravel_index(int(np.abs(gate).argmax()), gate.shape)
    pooled = " and ".join(f"{name} {fixed(values[0, row, column])}" for name, values in steps.pooled.items())
    return Chart(
        "derivation",
        _derivation_figure(steps, gate),
        f"From left to right: {channels:,} channels of features, their pooled maps, the {size} by {size} kernel, and "
        f"the gate from {extent(gate)}.",
        f"At its single most open place (row {row}, column {column}, counted from 0) the pooled features are {pooled}, "
        f"and the gate is {fixed(gate[row, column])}. arXiv 1807.06521, equation 3.",
        table=by_map(_derivation_maps(steps, gate)),
    )


def _derivation_figure(steps: SpatialSteps, gate: Floats) -> go.Figure:
    rows = [(0.58, 1.0), (0.0, 0.42)] if len(steps.pooled) == 2 else [(0.25, 0.75)]
    size = steps.kernel.shape[-1]
    reach = float(np.abs(steps.kernel).max()) or 1.0
    middle = (0.12, 0.88)
    sheet = contact_sheet(steps.before[0])
    count = min(TILES**2, steps.before.shape[1])
    title = f"features:\n{count} of {amount(steps.before.shape[1], 'channel')}"
    panels = [_MapPanel(sheet, title, FEATURES, own_range(sheet[np.isfinite(sheet)]), (0.0, 0.24), middle)]
    for (name, pooled), kernel, row in zip(steps.pooled.items(), steps.kernel, rows, strict=True):
        name = _BRANCH_NAMES[name]
        panels.append(_MapPanel(pooled[0], f"{name} over channels", FEATURES, own_range(pooled), (0.30, 0.47), row))
        weights = _MapPanel(kernel, f"kernel for the {name}", CHANGE, Scale(-reach, reach), (0.53, 0.70), row)
        panels.append(weights._replace(numbered=size <= MOST_NUMBERED))
    panels.append(_MapPanel(gate, "spatial gate", SPATIAL_GATE, Scale(0, 1), (0.76, 1.0), middle))
    names = {0.27: "pool", 0.50: f"{size} × {size}", 0.73: "sum\nnorm\nσ" if steps.normalised else "sum, σ"}
    arrows = {(x, sum(row) / 2): f"{name}\n→" for row in rows for x, name in names.items()}
    return _figure(panels, height=430, arrows=arrows)


def _derivation_maps(steps: SpatialSteps, gate: Floats) -> dict[str, Floats]:
    """What the derivation shows: each map (H, W), and each kernel, by what it is called."""
    features = {f"features, channel {channel}": steps.before[0, channel] for channel in _strongest(steps.before[0])}
    names = [_BRANCH_NAMES[name] for name in steps.pooled]
    pooled = {f"{name} over channels": values[0] for name, values in zip(names, steps.pooled.values(), strict=True)}
    kernels = {f"kernel for the {name}": kernel for name, kernel in zip(names, steps.kernel, strict=True)}
    return {**features, **pooled, **kernels, "spatial gate": gate}


def features(maps: dict[str, Floats], what: str, *, gates: Sequence[Floats] | None = ()) -> Chart:
    """Feature maps (H, W) side by side by title, on one grey scale; `what` they are, in words. What the `gates` that
    they meet do to them is said, one from 0 to 1 where none are given; nothing where there are none."""
    scale = own_range(np.concatenate([values.ravel() for values in maps.values()]))
    alike = len({values.shape for values in maps.values()}) == 1
    panels = _side_by_side([(title, values, FEATURES, scale) for title, values in maps.items()])
    figure = _figure(panels, height=380 if len(maps) < 4 else 300)
    figure.data[-1].update(showscale=True, colorbar={"thickness": 14, "tickfont": FONT, "x": 1.0})
    return Chart(
        "features",
        figure,
        "; ".join(f"{name}: {extent(values)}" for name, values in maps.items()),
        f"{what}, on one scale, {fixed(scale.low)} black to {fixed(scale.high)} white."
        + ("" if gates is None else f" Features are not gates: they can be negative, {moves(gates)}."),
        table=by_place(maps) if alike else by_map(maps),
    )


def dials(
    before: Floats, channel: Floats | None, spatial: Floats | None, name: str, *, spatial_first: bool = False
) -> Chart:
    """What a block does: features (C, H, W) times a gate for each channel (C,) times a gate for each place (H, W), the
    latter first where it is so."""
    gated = before if channel is None else before * channel[:, None, None]
    after = (gated if spatial is None else gated * spatial).mean(0)
    means, ends = before.mean(0), own_range(np.stack([before.mean(0), after]))
    shown: list[tuple[str, Floats, Any, Scale]] = [("features,\nmean", means, FEATURES, ends)]
    if channel is not None:
        side = math.ceil(math.sqrt(len(channel)))
        shown.append(("× channel\ngate", fold(channel, side, side), CHANNEL_GATE, Scale(0, 1)))
    if spatial is not None:
        shown.insert(1 if spatial_first else len(shown), ("× spatial\ngate", spatial, SPATIAL_GATE, Scale(0, 1)))
    at = 2 if spatial_first and spatial is not None else 1
    shown.append(("= passed\non", after, FEATURES, ends))
    height = 340 if len(shown) < MANY else 290  # of many each is narrower, and so as much lower
    figure = _figure(_side_by_side(shown, left=0.015, right=0.015, top=0.95), height=height)
    crosses = [] if channel is None else crosses_at_nan(figure.data[at].z, xaxis=f"x{at + 1}", yaxis=f"y{at + 1}")
    figure.add_traces(crosses)
    table = {title.replace("\n", " "): values for title, values, *_ in shown}
    if channel is not None:
        table["× channel gate"] = channel
    kinds = [f"each of {amount(len(channel), 'channel')}, {CHANNEL_ENDS}" if channel is not None else ""]
    kinds += [f"each place, {SPATIAL_ENDS}" if spatial is not None else ""]
    legend = ", and one for ".join(filter(None, kinds[::-1] if spatial_first else kinds))
    return Chart(
        "dials",
        figure,
        f"{block_called(name, first=True)}: features from {extent(means)} become {extent(after)}.",
        f"In {block_called(name)}, with this picture. A gate is a number for {legend}. Features are grey, "
        f"{FEATURE_ENDS}, on one scale before and after." + f" {NO_CHANNEL}" * bool(crosses),
        table=by_map(table),
    )


def channel_pooling(steps: ChannelSteps, chosen: int) -> Chart:
    """What each pooling keeps of the channels, over the channels in their order; one is marked."""
    rows = [
        _ChannelRow(f"{_BRANCH_NAMES[key]} of its places", values[0], colour, _axis_ends(values[0]))
        for (key, values), colour in zip(steps.squeezed.items(), OKABE_ITO[1:], strict=False)
    ]
    pooled = " and ".join(f"{row.title} {fixed(row.values[chosen])}" for row in rows)
    return Chart(
        "poolings",
        _rows_figure(rows, chosen, height=170),
        f"Of each channel: {', '.join(row.title for row in rows)}. Channel {chosen} is marked: {pooled}.",
        f"A number for each of {amount(len(rows[0].values), 'channel')}. Channel {chosen} is marked: {pooled}.",
        table={"channel": range(len(rows[0].values)), **{row.title: row.values for row in rows}},
    )


def _axis_ends(values: Floats) -> tuple[float, float]:
    return min(0.0, 1.05 * float(values.min())), max(1.05 * float(values.max()), 1e-6)


def branches(steps: ChannelSteps, gate: Floats, chosen: int) -> Chart:
    """Each branch of the channel MLP, their sum, and the gate (C,) below it, over the channels in their order."""
    rows = _branch_rows(steps, gate)
    pooled = " and ".join(f"{name} {fixed(values[0, chosen])}" for name, values in steps.squeezed.items())
    return Chart(
        "branches",
        _rows_figure(rows, chosen),
        f"The branches of the channel MLP, their sum, and the gate of {amount(len(gate), 'channel')}; channel "
        f"{chosen} is marked, its gate is {fixed(gate[chosen])}.",
        f"Channel {chosen} over all places: {pooled}. arXiv 1807.06521, equation 2.",
        table={"channel": range(len(gate)), **{row.title: row.values for row in rows}},
    )


def _rows_figure(rows: Sequence[_ChannelRow], chosen: int, height: int = 130) -> go.Figure:
    """A row of stairs each, over the channels, the chosen one marked through all."""
    step = 1 / len(rows)
    places = [(1 - (number + 1) * step, 1 - (number + 0.26) * step) for number in range(len(rows))]
    down = {
        f"yaxis{number}": {**_AXIS, "range": row.ends, "nticks": 4, "domain": place}
        for number, (row, place) in enumerate(zip(rows, places, strict=True), start=1)
    }
    label = {"x": 0, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom", "showarrow": False}
    titles = [{**label, "text": row.title, "y": top, "font": FONT} for row, (_, top) in zip(rows, places, strict=True)]
    across = {**_AXIS, "title": "channel", "range": [-0.5, len(rows[0].values) - 0.5], "anchor": f"y{len(rows)}"}
    mark = {"type": "line", "x0": chosen, "x1": chosen, "yref": "paper", "y0": 0, "y1": 1, "line": _MARK}
    layout = {"height": height * len(rows), "margin": {"l": 0, "r": 0, "t": 0, "b": 0}, "showlegend": False}
    lines = [_stairs(row, number) for number, row in enumerate(rows, start=1)]
    return go.Figure(lines, {**down, "xaxis": across, "shapes": [mark], "annotations": titles, **layout})


def spatial_pooling(steps: SpatialSteps) -> Chart:
    """What each place keeps of its channels, a map (H, W) for each pooling, each on its own range."""
    maps = {f"{_BRANCH_NAMES[name]} of the channels": values[0] for name, values in steps.pooled.items()}
    panels = _side_by_side([(title, values, FEATURES, own_range(values)) for title, values in maps.items()])
    extents = "; ".join(f"{name}: {extent(values)}" for name, values in maps.items())
    caption = f"{extents}. Each map on its own range, {FEATURE_ENDS}."
    return Chart("pooled", _figure(panels, height=340), extents, caption, table=by_place(maps))


def _side_by_side(
    maps: Sequence[tuple[str, Floats, Any, Scale]], *, left: float = 0, right: float | None = None, top: float = 0.9
) -> list[_MapPanel]:
    """Panels of equal width of maps, each with its title, its colours and their ends, and room on either side."""
    width, narrow = 1 / len(maps), len(maps) >= MANY
    right = 0.08 * width if right is None else right
    return [
        _MapPanel(
            values, title, colours, ends, (place * width + left, (place + 1) * width - right), (0, top), narrow=narrow
        )
        for place, (title, values, colours, ends) in enumerate(maps)
    ]


def contact_sheet(feature_map: Floats) -> Floats:
    """The channels of (C, H, W) with the largest mean magnitude, up to nine, in one (3 H + gaps, 3 W + gaps) map.

    Gaps and empty places are NaN.
    """
    height, width = feature_map.shape[1:]
    gap = max(1, height // 12)
    sheet = np.full((TILES * (height + gap) - gap, TILES * (width + gap) - gap), np.nan, np.float32)
    for place, channel in enumerate(_strongest(feature_map)):
        top, left = (place // TILES) * (height + gap), (place % TILES) * (width + gap)
        sheet[top : top + height, left : left + width] = feature_map[channel]
    return sheet


def _strongest(feature_map: Floats) -> NDArray[np.intp]:
    return np.argsort(-np.abs(feature_map).mean((1, 2)), kind="stable")[: TILES**2]


def _figure(panels: Sequence[_MapPanel], *, height: int, arrows: Mapping[tuple[float, float], str] = {}) -> go.Figure:
    numbered = [(panel, str(number) if number > 1 else "") for number, panel in enumerate(panels, start=1)]
    axes = {name: axis for panel, number in numbered for name, axis in _axes(panel, number).items()}
    notes = [_title(panel, number) for panel, number in numbered]
    paper = {"xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "middle"}
    notes += [{"x": x, "y": y, "text": label, **paper} for (x, y), label in arrows.items()]
    layout = {
        "annotations": [{**note, "showarrow": False, "font": FONT} for note in notes],
        "height": height,
        "margin": {"l": 1, "r": 1, "t": 66 if any(panel.narrow for panel in panels) else 44, "b": 4, "pad": 0},
        "plot_bgcolor": "rgba(0,0,0,0)",
    }
    return go.Figure([_panel_cells(panel, number) for panel, number in numbered], axes | layout)


def _panel_cells(panel: _MapPanel, number: str) -> go.Heatmap:
    axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
    numbers = {"texttemplate": "%{z:.2f}" if panel.numbered else None, "textfont": FONT}
    return map_cells(panel.values, panel.colours, panel.ends, hoverongaps=False, **axes, **numbers)


def map_cells(values: Floats, colours: Any, ends: tuple[float, float], **look: Any) -> go.Heatmap:
    """A map (H, W) as cells, the colours from the one end to the other; the pointer says the place and the value."""
    hover = "row %{y}, column %{x}: %{z:.3f}<extra></extra>"
    scale = {"zmin": ends[0], "zmax": ends[1], "colorscale": colours, "showscale": False}
    return go.Heatmap(z=values, hovertemplate=hover, **scale, **look)


def _axes(panel: _MapPanel, number: str) -> dict[str, Any]:
    """Square cells without ticks in a frame, row 0 on top."""
    height, width = panel.values.shape
    both = {"showticklabels": False, "showgrid": False, "constrain": "domain", **_FRAME}
    across = {"domain": panel.x, "range": [-0.5, width - 0.5], "anchor": f"y{number}"}
    down = {"domain": panel.y, "range": [height - 0.5, -0.5], "anchor": f"x{number}", "scaleanchor": f"x{number}"}
    return {f"xaxis{number}": {**both, **across}, f"yaxis{number}": {**both, **down}}


def _title(panel: _MapPanel, number: str) -> dict[str, Any]:
    between = "\nto " if panel.narrow else " to "
    ends = f"{fixed(np.nanmin(panel.values))}{between}{fixed(np.nanmax(panel.values))}"
    place = {"xref": f"x{number} domain", "yref": f"y{number} domain", "x": 0.5, "y": 1, "yanchor": "bottom"}
    return {"text": f"{panel.title}\n{ends}", **place}


def _branch_rows(steps: ChannelSteps, gate: Floats) -> list[_ChannelRow]:
    values = {f"MLP of the {_BRANCH_NAMES[name]}": branch[0] for name, branch in steps.branches.items()}
    colours = dict(zip(values, OKABE_ITO[1:], strict=False))
    if len(values) > 1:
        values["sum"], colours["sum"] = sum(values.values(), np.zeros_like(gate)), OKABE_ITO[0]
    reach = 1.05 * max(float(np.abs(row).max()) for row in values.values()) or 1.0
    rows = [_ChannelRow(title, row, colours[title], (-reach, reach)) for title, row in values.items()]
    return [*rows, _ChannelRow("gate", gate, GATE, (0, 1.02))]


def _stairs(row: _ChannelRow, number: int) -> go.Scatter:
    return go.Scatter(
        x=np.arange(len(row.values), dtype=np.int32),
        y=row.values,
        yaxis=f"y{number}",
        mode="lines",
        fill="tozeroy",
        line={"shape": "hvh", "color": row.colour, "width": 1.5},
        hovertemplate="channel %{x}: %{y:.3f}<extra></extra>",
    )
