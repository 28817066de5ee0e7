"""A network in depth order, and what it says: the depth strip, boxes of its gates, bars of its classes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import plotly.graph_objects as go

from attention import analysis
from attention.analysis import Block, predictions
from attention.charts.chart import Chart
from attention.charts.colours import (
    ACCENT,
    CHANNEL_ENDS,
    CHANNEL_GATE,
    GATE,
    HUE,
    NULL,
    PALE_GATE,
    SPATIAL_ENDS,
    on_scale,
)
from attention.numbers import amount, fixed
from attention.records import Doubles, Floats, Outputs, Part

WIDE = 0.06
"""The share from which on a part has its name in it."""
GREYS = ("#d3d3d3", "#b0b0b0")
"""Neighbours, which mean nothing by their colour."""
MOST_APART = 24
"""Parts into which a network is drawn at most."""
MOST_LETTERS = 128
"""Names that would need more, each as wide as the longest, do not fit below the cells."""


def openness(blocks: Sequence[Block]) -> Chart:
    """Every gate of a pass as a box over its values, in depth order."""
    gates = [(block.name, gate) for block in blocks for gate in block.gates]
    names, means = [gate.name for _, gate in gates], [float(gate.values.mean()) for _, gate in gates]
    sizes = [float(np.abs(gate.values).mean()) for _, gate in gates]  # -1 passes on as much as 1
    least, most = names[int(np.argmin(sizes))], names[int(np.argmax(sizes))]
    return Chart(
        "gates",
        boxes(analysis.gate_titles([gate for _, gate in gates]), [np.ravel(gate.values[0]) for _, gate in gates]),
        f"{amount(len(gates), 'gate')} in depth order; on average {least} is the most closed, {most} the most open.",
        "Each gate's values for this picture: quartiles in the box, whiskers to the minimum and maximum.",
        table={
            "gate": names,
            "block": [block for block, _ in gates],
            "kind": [gate.kind for _, gate in gates],
            "activation": [gate.activation for _, gate in gates],
            "features": [analysis.features(gate) for _, gate in gates],
            "values": [gate.values[0].size for _, gate in gates],
            "minimum": [gate.minimum for _, gate in gates],
            "mean": means,
            "maximum": [gate.maximum for _, gate in gates],
            "below 0.05, or 0.95 and above": [
                analysis.share_saturated(gate.values) if analysis.can_saturate(gate) else float("nan")
                for _, gate in gates
            ],
        },
    )


def prediction(probabilities: Doubles, labels: Sequence[str], outputs: Outputs) -> Chart:
    """The most probable classes as bars; the table has ten of them."""
    top = analysis.top(probabilities, labels, 10)
    best, share = top[0]
    classes = amount(len(probabilities), "class", "classes")
    of = (
        f"The {analysis.TOP_CLASSES} most probable of {classes}"
        if len(probabilities) > analysis.TOP_CLASSES
        else f"Of {classes}"
    )
    return Chart(
        "prediction",
        class_bars(*zip(*top[: analysis.TOP_CLASSES], strict=True)),
        f"The most probable class is {best}, {share:.1%}.",
        f"{of}; {predictions.choice_in_words(outputs, len(probabilities))}.",
        table={"class": [label for label, _ in top], "probability": [share for _, share in top]},
    )


def to_scale(network: Part) -> Chart:
    """The network from its first part to its last, each as wide as its share of the parameters and of the MACs.

    A part that holds more than half of the whole is drawn by its own parts. Attention has the gates' colour.
    """
    parts = _parts_to_draw(network)
    rest = "the rest, with the classifier"
    names = [*analysis.short_names([part.name for part in parts]), rest]
    rows: dict[str, list[Any]] = {"part": [*[part.name for part in parts], rest]}
    bars = []
    for measure, title in (("macs", "MACs"), ("parameters", "parameters")):
        total = max(getattr(network, measure), 1)
        sizes, gates = (_counts_with_rest(network, parts, name) for name in (measure, f"attention_{measure}"))
        others = [(size - gate) / total for size, gate in zip(sizes, gates, strict=True)]
        attention = [gate / total for gate in gates]
        rows |= {title: sizes, f"share of {title}, attention": attention, f"share of {title}, others": others}
        for number, name in enumerate(names):
            hover = {"hovertemplate": f"%{{customdata}}: {sizes[number] / total:.1%} of the {title}<extra></extra>"}
            for colour, share in ((GREYS[number % 2], others[number]), (GATE, attention[number])):
                shade = {"color": colour, "line": {"width": 0}}
                words = name if colour != GATE and share > WIDE else ""
                bar = {"x": [share], "y": [title], "orientation": "h", "marker": shade, "customdata": [name]}
                inside_it = {"text": [words], "textposition": "inside", "insidetextanchor": "middle", "textangle": 0}
                bars.append(go.Bar(**bar, **hover, **inside_it, textfont={"size": 13, "color": "black"}))
    bare = {"showgrid": False}
    quarters = {"range": [0, 1], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1]}
    axes = {"xaxis": {**bare, **quarters}, "yaxis": bare, "uniformtext": {"minsize": 11, "mode": "hide"}}
    size = {"height": 150, "margin": {"l": 10, "r": 24, "t": 4, "b": 10}}
    largest = max(parts, key=lambda part: part.parameters, default=network)
    share = largest.parameters / max(network.parameters, 1)
    return Chart(
        "to_scale",
        go.Figure(bars, {**axes, **size, "barmode": "stack", "showlegend": False}),
        f"{len(parts)} parts from the first to the last; {largest.name or network.module} holds {share:.0%} of the "
        "parameters.",
        f"The network to scale, from its first part to its last: each as wide as its share. {HUE.capitalize()} is "
        "attention, the shades of grey only tell neighbours apart.",
        table=rows,
    )


def _counts_with_rest(network: Part, parts: Sequence[Part], name: str) -> list[int]:
    """A number of each part, and of what is in none of them."""
    inside = [getattr(part, name) for part in parts]
    return [*inside, getattr(network, name) - sum(inside)]


def _parts_to_draw(network: Part) -> list[Part]:
    """The parts that are drawn, in depth order; at most so many that each can be seen."""
    drawn = list(network.parts)
    for part in drawn:
        if part.parts and 2 * part.parameters > network.parameters and len(drawn) - 1 + len(part.parts) <= MOST_APART:
            at = drawn.index(part)
            return _parts_to_draw(replace(network, parts=(*drawn[:at], *part.parts, *drawn[at + 1 :])))
    return drawn


def depth_strip(
    titles: Mapping[str, str], values: Sequence[float], chosen: str, *, label: str, colours: Any = CHANNEL_GATE
) -> Chart:
    """The network in small, one cell a block, coloured by `values` (0 to 1), which `label` names.

    `titles` say what the blocks are called, by their names, of which one is `chosen`.
    """
    ends = CHANNEL_ENDS if colours is CHANNEL_GATE else SPATIAL_ENDS
    return Chart(
        "strip",
        strip_figure(list(titles.values()), values, titles[chosen], colours),
        f"{label.capitalize()} of {amount(len(titles), 'block')} in depth order, from {fixed(min(values))} to "
        f"{fixed(max(values))}.",
        f"One cell a block, from left to right in the order in which they run. Colour: {label}, {ends}.",
        table={"block": list(titles), label: values},
    )


def names_fit(titles: Sequence[str]) -> bool:
    """Whether they stand below the cells of a strip."""
    return len(titles) * max(map(len, titles)) <= MOST_LETTERS


def strip_figure(titles: Sequence[str], values: Sequence[float], chosen: str, colours: Any = CHANNEL_GATE) -> go.Figure:
    """One cell a block, coloured by its value, 0 to 1; the chosen one is framed."""
    frames = [ACCENT if title == chosen else "rgba(0,0,0,0)" for title in titles]
    cells = go.Bar(
        x=list(range(len(titles))),
        y=[1] * len(titles),
        width=0.96,
        marker={"color": on_scale(values, colours), "line": {"color": frames, "width": 4}},
        customdata=[[title, value] for title, value in zip(titles, values, strict=True)],
        hovertemplate="%{customdata[0]}: %{customdata[1]:.3f}<extra></extra>",
        unselected={"marker": {"opacity": 1}},
    )
    names = {"tickvals": list(range(len(titles))), "ticktext": list(titles), "showticklabels": names_fit(titles)}
    axes = {
        "xaxis": {**names, "showgrid": False, "tickangle": 0, "tickfont": {"size": 12}},
        "yaxis": {"visible": False, "range": [0, 1]},
    }
    size = {"height": 70, "margin": {"l": 0, "r": 0, "t": 4, "b": 24}}
    return go.Figure(cells, {**axes, **size, "bargap": 0, "showlegend": False})


def name_ticks(names: Sequence[str]) -> dict[str, Any]:
    """An axis with names below what they name."""
    return {"tickvals": list(range(len(names))), "ticktext": list(names)}


def swatches(colours: Mapping[str, str]) -> list[go.Scatter]:
    """What the legend says of bars or dots of one trace that have several colours."""
    look = {"x": [None], "y": [None], "mode": "markers", "showlegend": True}
    return [
        go.Scatter(name=name, marker={"color": colour, "size": 12, "symbol": "square"}, **look)
        for name, colour in colours.items()
    ]


def level_line(value: float) -> dict[str, Any]:
    """A dotted line across a figure, behind its bars."""
    line = {"color": NULL, "width": 1, "dash": "dot"}
    ends = {"xref": "x domain", "x0": 0, "x1": 1, "yref": "y", "y0": value, "y1": value}
    return {"type": "line", "line": line, "layer": "below", **ends}


def boxes(names: Sequence[str], values: Sequence[Floats], chosen: int | None = None) -> go.Figure:
    """Each gate's values, flat, as a box: quartiles, and whiskers to the minimum and the maximum; one is framed."""
    others = [place for place in range(len(names)) if place != chosen]
    drawn = [
        box(at, [values[place] for place in at], colour, width=0.6, fillcolor=PALE_GATE)
        for colour, at in ((GATE, others), (ACCENT, [] if chosen is None else [chosen]))
        if at
    ]
    ends = [min(-0.02, *(float(each.min()) for each in values)), max(1.02, *(float(each.max()) for each in values))]
    axes = {"xaxis": {**name_ticks(names), "showgrid": False}, "yaxis": {"title": "gate", "range": ends}}
    size = {"height": 380, "margin": {"l": 60, "r": 10, "t": 10, "b": 10}}
    return go.Figure(drawn, {**axes, **size, "shapes": [level_line(1)], "showlegend": False, "boxmode": "overlay"})


def box(at: Any, values: Sequence[Floats | Doubles], colour: str, **look: Any) -> go.Box:
    """What numbers, flat, are spread over, at each place: quartiles, and whiskers to the ends; NaN is left out."""
    low, q1, median, q3, high = np.array([np.nanquantile(each, [0, 0.25, 0.5, 0.75, 1]) for each in values]).T
    five = {"lowerfence": low, "q1": q1, "median": median, "q3": q3, "upperfence": high}
    return go.Box(x=at, **five, line={"width": 2, "color": colour}, **look)


def class_bars(labels: Sequence[str], shares: Sequence[float]) -> go.Figure:
    """The classes given with their probabilities, the first on top."""
    words = [f"{share:.1%}" for share in shares]
    places = np.arange(len(labels))
    labelled = {"text": words, "textposition": "outside", "hoverinfo": "skip", "cliponaxis": False}
    bars = go.Bar(x=list(shares), y=places, orientation="h", marker={"color": GATE}, **labelled)
    axes = {
        "xaxis": {"range": [0, 1.1], "tickformat": ".0%", "tickvals": [0, 0.25, 0.5, 0.75, 1], "title": "probability"},
        "yaxis": {"autorange": "reversed", "showgrid": False, "tickvals": places, "ticktext": list(labels)},
    }
    size = {"height": 90 + 36 * len(labels), "margin": {"l": 10, "r": 10, "t": 10, "b": 10}}
    return go.Figure(bars, {**axes, **size, "showlegend": False})
