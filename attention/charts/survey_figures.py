"""The figures of the charts of a survey: of every gate in depth order, of one channel, of maps of places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from attention.charts.channels import SOLID
from attention.charts.chart import FONT, LEGEND
from attention.charts.colours import ACCENT, CHANGE, CHANNEL_GATE, NULL, OKABE_ITO, SPATIAL_GATE, on_scale, translucent
from attention.charts.network import box, name_ticks, swatches
from attention.charts.spatial import map_cells
from attention.numbers import extent
from attention.records import Doubles
from attention.survey.statistics import Selectivity

CLASSES = OKABE_ITO[:5] + OKABE_ITO[6:7]
"""The lines of single classes; the colour of what is selected is not among them."""
ALL = "#6b7f93"
"""The mean over all classes, always dashed."""
FINDING = OKABE_ITO[0]
"""Measured values that need no telling apart."""


def _with_layout(figure: go.Figure, height: int, **layout: Any) -> go.Figure:
    """Text of one size, no wasted margin."""
    figure.update_xaxes(tickfont=FONT, showgrid=False)
    figure.update_yaxes(tickfont=FONT)
    figure.update_annotations(font=FONT)
    margin = {"l": 0, "r": 8, "t": 32, "b": 0}
    figure.update_layout(**{"height": height, "margin": margin, "legend": LEGEND} | layout)
    return figure


PANEL_HEIGHT = 250
"""Height of a row of panels in pixels."""
PANELS_ACROSS = 2
LINE_OF_TEXT = 0.11
"""Height of a line of text in a panel, as a share of it."""
LONGEST = 17
"""Letters of a class's name at the end of its line."""
BESIDE_LINES = 0.7
"""Room for the names, as a share of the lines' width."""


@dataclass(frozen=True, eq=False)
class RolePanel:
    """One gate: some of its channels, and what each class makes of them."""

    title: str
    channels: NDArray[np.int64]
    """(P,) numbers of the channels that are drawn."""
    means: Doubles
    """(classes, P)."""
    deviations: Doubles
    """(classes, P), within a class."""
    average: Doubles
    """(P,), over all classes of the survey."""
    chosen: int | None
    """The channel that is selected, where it is of this gate."""


def excitation_role(panels: Sequence[RolePanel], classes: Sequence[str], *, band: bool, own_scale: bool) -> go.Figure:
    """One line a class over the channels, dashed the mean over all; a band is one deviation to both sides.

    The traces of panel p are in its own axes; `customdata` of a point is (panel, channel).
    """
    rows = -(-len(panels) // PANELS_ACROSS)
    titles = [panel.title for panel in panels]
    gap = {"vertical_spacing": min(0.4 / rows, 0.2), "horizontal_spacing": 0.06}
    figure = make_subplots(rows=rows, cols=min(PANELS_ACROSS, len(panels)), subplot_titles=titles, **gap)
    for index, panel in enumerate(panels):
        row, column = (part + 1 for part in divmod(index, PANELS_ACROSS))
        lines = _lines(index, panel, classes, band=band)
        figure.add_traces(lines, rows=[row] * len(lines), cols=[column] * len(lines))
        if panel.chosen is not None:
            line = {"color": ACCENT, "width": 2, "dash": "dot"}
            figure.add_vline(panel.chosen, line=line, layer="below", row=row, col=column)
        ends = int(panel.channels[0]), int(panel.channels[-1])
        room = [ends[0] - 0.02 * (ends[1] - ends[0]), ends[1] + BESIDE_LINES * (ends[1] - ends[0]) + 1]
        ticks = sorted({ends[0], sum(ends) // 2, ends[1]})
        figure.update_xaxes(range=room, tickvals=ticks, row=row, col=column)
        for name in _line_names(panel, classes, own_scale=own_scale):
            figure.add_annotation(**name, row=row, col=column)
    figure.update_yaxes(range=None if own_scale else [-0.02, 1.02])
    figure.update_xaxes(title="channel", row=rows)
    figure.update_yaxes(title="gate", col=1)
    return _with_layout(figure, PANEL_HEIGHT * rows + 38, margin={"l": 0, "r": 8, "t": 40, "b": 0}, showlegend=False)


def _line_names(panel: RolePanel, classes: Sequence[str], *, own_scale: bool) -> Iterator[dict[str, Any]]:
    """The name of each line at its right end; where ends are too close for that, one above the other."""
    ends = [float(values[-1]) for values in (*panel.means, panel.average)]
    every = np.concatenate([panel.means.ravel(), panel.average])
    gap = LINE_OF_TEXT * (float(np.ptp(every)) if own_scale else 1.0)
    heights: dict[int, float] = {}
    for number in sorted(range(len(ends)), key=ends.__getitem__):
        heights[number] = max(ends[number], max(heights.values(), default=-np.inf) + gap)
    high = float(every.max()) if own_scale else 1.0
    down = max(0.0, max(heights.values()) - high)  # none leaves the panel above
    names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in classes]
    colours = [*(CLASSES[number % len(CLASSES)] for number in range(len(names))), ALL]
    for number, (name, colour) in enumerate(zip([*names, "all"], colours, strict=True)):
        end = {"x": int(panel.channels[-1]), "y": heights[number] - down, "showarrow": False, "xanchor": "left"}
        yield end | {"text": "●", "font_color": colour, "xshift": 4}
        yield end | {"text": name, "xshift": 18}


def _lines(index: int, panel: RolePanel, classes: Sequence[str], *, band: bool) -> list[go.Scatter]:
    lines = []
    for number, name in enumerate(classes):
        colour = CLASSES[number % len(CLASSES)]
        if band:
            lines.append(_band(panel, number, colour))
        lines.append(_line(index, panel, panel.means[number], name=name, line={"color": colour, "width": 2}))
    style = {"color": ALL, "width": 3, "dash": "dash"}
    return [*lines, _line(index, panel, panel.average, name="mean over all classes", line=style)]


def _line(index: int, panel: RolePanel, values: Doubles, *, name: str, line: dict[str, object]) -> go.Scatter:
    where = [[index, channel] for channel in panel.channels.tolist()]  # a row of an array comes back as a dict
    return go.Scatter(
        x=panel.channels.astype(np.int32),
        y=values.astype(np.float32),
        customdata=where,
        mode="lines+markers",
        marker={"size": 5, "color": line["color"]},
        line=line,
        name=name,
        hovertemplate="%{fullData.name}, channel %{x}: %{y:.3f}<extra></extra>",
        **SOLID,
    )


def _band(panel: RolePanel, number: int, colour: str) -> go.Scatter:
    low, high = (panel.means[number] + sign * panel.deviations[number] for sign in (-1, 1))
    return go.Scatter(
        x=np.concatenate([panel.channels, panel.channels[::-1]]).astype(np.int32),
        y=np.concatenate([high, low[::-1]]).astype(np.float32),
        fill="toself",
        fillcolor=translucent(colour, 0.18),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
    )


MOST_NAMES = 40
"""Ticks of more gates than that would run into each other."""
BESIDE = -0.2
"""Offset of what was measured, from the gate's index; what chance gives is as far on the other side."""


@dataclass(frozen=True)
class GateNumbers:
    """One number of every gate."""

    title: str
    values: Sequence[float]
    top: float = 0.0
    """Where the scale ends; 0 where the values say."""
    null: float | None = None
    """What chance alone comes to."""


def index_boxes(names: Sequence[str], indices: Sequence[Selectivity], chosen: int, title: str) -> go.Figure:
    """A box for what was measured in each gate and a grey one for chance: median, quartiles, and the whole range."""
    figure = go.Figure()
    at = np.arange(len(names))
    others = at != chosen
    for label, colour, side, which in (
        ("classes as they are", FINDING, "index", others),
        ("the chosen gate", ACCENT, "index", ~others),
        ("classes shuffled", NULL, "shuffled", others | True),
    ):
        gates = [gate for gate in at[which] if np.isfinite(getattr(indices[gate], side)).any()]
        if gates:
            values = [getattr(indices[gate], side) for gate in gates]
            at_side = np.array(gates) + (-BESIDE if colour == NULL else BESIDE)
            look = {"name": label, "width": 0.34, "fillcolor": translucent(colour, 0.35)}
            # Without hovering, or it would take the click from its dot.
            figure.add_trace(box(at_side, values, colour, **look, hoverinfo="skip"))
            if side == "index":
                figure.add_trace(_medians(colour, gates, values))
    figure.update_yaxes(title=title, rangemode="tozero")
    return _name_gates(_with_layout(figure, 400, boxmode="overlay"), names)


def gate_bars(names: Sequence[str], rows: Sequence[GateNumbers], chosen: int) -> go.Figure:
    """One row of bars for each number, the chosen gate's in another colour; `pointNumber` of a bar is its gate."""
    figure = make_subplots(
        rows=len(rows), shared_xaxes=True, subplot_titles=[row.title for row in rows], vertical_spacing=0.3 / len(rows)
    )
    colours = [ACCENT if index == chosen else FINDING for index in range(len(names))]
    for number, row in enumerate(rows, start=1):
        hover = f"%{{customdata}}: %{{y:.3g}}<extra>{row.title}</extra>"
        figure.add_bar(
            x=np.arange(len(names), dtype=np.int32),
            y=np.array(row.values, np.float32),
            customdata=list(names),
            marker={"color": colours, "line": {"width": 0}},
            hovertemplate=hover,
            showlegend=False,
            row=number,
            col=1,
            **SOLID,
        )
        figure.update_yaxes(range=[0, row.top or None], rangemode="tozero", nticks=4, row=number, col=1)
        if row.null is not None:
            figure.add_hline(row.null, line={"color": NULL, "width": 2, "dash": "dash"}, row=number, col=1)
    figure.update_annotations(x=0, xanchor="left")
    if chosen >= 0:
        figure.add_traces(swatches({"the chosen gate": ACCENT, "other gates": FINDING}))
    above = {"legend": {**LEGEND, "y": 1 + 0.2 / len(rows)}, "margin": {"l": 0, "r": 8, "t": 60, "b": 0}}
    return _name_gates(_with_layout(figure, max(300, 130 * len(rows) + 108), **above), names)


def _medians(colour: str, gates: Sequence[int], values: Sequence[Doubles]) -> go.Scatter:
    """A dot on each median: a box of quartiles has no point that could be clicked."""
    return go.Scatter(
        x=np.array(gates) + BESIDE,
        y=[float(np.nanmedian(each)) for each in values],
        mode="markers",
        marker={"color": colour, "size": 14},
        hovertemplate="median %{y:.3f}<extra></extra>",
        showlegend=False,
        **SOLID,
    )


def _name_gates(figure: go.Figure, names: Sequence[str]) -> go.Figure:
    figure.update_xaxes(**name_ticks(names), range=[-0.6, len(names) - 0.4], showticklabels=False)
    *_, last = figure.select_xaxes()  # only below the last of several rows
    last.showticklabels = len(names) <= MOST_NAMES
    return figure


@dataclass(frozen=True, eq=False)
class ClassMeans:
    """One channel over some classes, (K,) each."""

    numbers: NDArray[np.int64]
    """Which classes of the survey."""
    names: Sequence[str]
    means: Doubles
    deviations: Doubles
    counts: NDArray[np.int64]


def channel_histogram(counts: NDArray[np.integer]) -> go.Figure:
    """(22,) pictures: below 0, in 20 bins of equal width over 0 to 1, above 1; the ends only where there are any."""
    bins = len(counts) - 2
    drawn = np.arange(-1, bins + 1)[slice(None if counts[0] else 1, None if counts[-1] else -1)]
    centres = (drawn + 0.5) / bins
    marker = {"color": on_scale(centres, CHANNEL_GATE), "line": {"color": NULL, "width": 0.5}}
    hover = "%{x:.3f}: %{y} pictures<extra></extra>"
    bars = go.Bar(x=centres, y=counts[drawn + 1].astype(np.int64), width=1 / bins, marker=marker, hovertemplate=hover)
    figure = go.Figure(bars)
    beyond = {-1: "below 0", bins: "above 1"}
    edges = [0, 0.25, 0.5, 0.75, 1]
    extra = [index for index in drawn if index in beyond]
    figure.update_xaxes(title="gate", tickvals=[*edges, *((index + 0.5) / bins for index in extra)])
    figure.update_xaxes(ticktext=[*map(str, edges), *(beyond[int(index)] for index in extra)])
    figure.update_yaxes(title="pictures")
    return _with_layout(figure, 300, bargap=0, showlegend=False)


def class_dots(by_class: ClassMeans, overall: float, chosen: Sequence[int]) -> go.Figure:
    """A dot a class with one deviation to both sides, in the order given from above; the chosen ones stand out.

    `customdata` of a dot is (class, pictures).
    """
    colours = [ACCENT if number in chosen else FINDING for number in by_class.numbers]
    at = np.arange(len(by_class.names))
    reach = {"type": "data", "array": by_class.deviations.astype(np.float32), "thickness": 1.5, "color": NULL}
    figure = go.Figure(
        go.Scatter(
            x=by_class.means.astype(np.float32),
            y=at,
            error_x=reach,
            mode="markers",
            marker={"size": 11, "color": colours},
            text=list(by_class.names),
            customdata=np.stack([by_class.numbers, by_class.counts], 1).tolist(),  # a row of an array comes back a dict
            hovertemplate="%{text}: %{x:.3f}, n = %{customdata[1]:,}<extra></extra>",
            showlegend=False,
            **SOLID,
        )
    )
    figure.add_traces(swatches({"chosen classes": ACCENT, "other classes": FINDING}) if len(chosen) else [])
    figure.add_vline(overall, line={"color": ALL, "width": 2, "dash": "dash"}, layer="below")
    labels = [f"{name} ({count:,})" for name, count in zip(by_class.names, by_class.counts, strict=True)]
    figure.update_yaxes(tickvals=at, ticktext=labels, range=[len(at) - 0.5, -0.5], showgrid=False)
    figure.update_xaxes(title="mean gate\n± one standard deviation", showgrid=True)
    return _with_layout(figure, 114 + 24 * len(at))


def correct_and_wrong(channels: NDArray[np.int64], correct: Doubles, wrong: Doubles, chosen: int) -> go.Figure:
    """The mean gates of some channels, (P,), for correct and for wrong predictions, joined by a line each."""
    at = np.arange(len(channels), dtype=np.int32)
    figure = go.Figure()
    ends = np.stack([correct, wrong, np.full(len(at), np.nan)], 1).ravel()
    line = {"color": NULL, "width": 3}
    figure.add_scatter(x=np.repeat(at, 3), y=ends.astype(np.float32), mode="lines", line=line, showlegend=False)
    correct_look = {"size": 17, "color": OKABE_ITO[0], "symbol": "circle"}  # seen around the other where the two agree
    wrong_look = {"size": 10, "color": "#e69f00", "symbol": "diamond"}
    for name, values, marker in (("correct", correct, correct_look), ("wrong", wrong, wrong_look)):
        figure.add_scatter(
            x=at,
            y=values.astype(np.float32),
            customdata=channels.astype(np.int32),
            mode="markers",
            name=name,
            marker=marker,
            hovertemplate=f"channel %{{customdata}}, {name}: %{{y:.3f}}<extra></extra>",
            **SOLID,
        )
    for index in np.flatnonzero(channels == chosen):
        colour = translucent(ACCENT, 0.18)
        figure.add_vrect(index - 0.5, index + 0.5, fillcolor=colour, line_width=0, layer="below")
    figure.update_xaxes(title="channel, the largest difference first", **name_ticks(list(map(str, channels))))
    figure.update_yaxes(title="mean gate")
    return _with_layout(figure, 320)


MAPS_ACROSS = 6
MAP_SIDE = 210
"""Side of a map with its title, in pixels."""


@dataclass(frozen=True, eq=False)
class TitledMap:
    """A map (H, W) with what it is called and the colours that it is drawn in."""

    title: str
    values: Doubles
    colours: Any
    ends: tuple[float, float]


def gate_map(title: str, values: Doubles) -> TitledMap:
    """A spatial gate, on the scale of 0 to 1."""
    return TitledMap(title, values, SPATIAL_GATE, (0.0, 1.0))


def change_map(title: str, values: Doubles, reach: float) -> TitledMap:
    """A difference, on a scale symmetric about 0."""
    return TitledMap(title, values, CHANGE, (-reach, reach))


def map_grid(maps: Sequence[TitledMap]) -> go.Figure:
    """The maps in rows; the first row of each lies above."""
    across = min(MAPS_ACROSS, len(maps))
    rows = -(-len(maps) // across)
    titles = [f"{each.title}\n{extent(each.values)}" for each in maps]
    gaps = {"horizontal_spacing": 0.015, "vertical_spacing": min(0.3 / rows, 0.2)}
    figure = make_subplots(rows=rows, cols=across, subplot_titles=titles, **gaps)
    for index, each in enumerate(maps):
        row, column = (part + 1 for part in divmod(index, across))
        figure.add_trace(map_cells(each.values.astype(np.float32), each.colours, each.ends), row=row, col=column)
    figure.update_xaxes(visible=False, constrain="domain")
    figure.update_yaxes(visible=False, autorange="reversed", constrain="domain")
    for number, axis in enumerate(figure.select_yaxes(), start=1):
        axis.update(scaleanchor=f"x{number if number > 1 else ''}")
    return _with_layout(figure, MAP_SIDE * rows + 40, margin={"l": 0, "r": 0, "t": 56, "b": 0})
