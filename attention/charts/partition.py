"""The diagram of a grouped convolution beside the ordinary one: who reads whom, in the colours of the groups.

Each panel is read from left to right: input channels, kernels (a row each, a slice for every channel it reads),
output channels. The coloured area of the middle is the number of weights.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import plotly.graph_objects as go

from attention.charts.chart import Chart, Columns
from attention.charts.colours import NULL, OKABE_ITO
from attention.grouped import Convolution, Cost

Part = dict[str, Any]
"""A trace or an annotation; plotly checks them all at once, since one by one takes ten times as long."""

LANES = 8
"""Groups drawn at most; the others are counted."""
CELLS = 32
"""Channels drawn one by one at most; past it each group is a band with a count."""
PALE = OKABE_ITO[1], OKABE_ITO[3], OKABE_ITO[4], OKABE_ITO[6], OKABE_ITO[7]
"""The colours on which black can be read."""
GAP = 0.14
INPUTS, KERNELS, OUTPUTS = (0.0, 0.13), (0.26, 0.8), (0.9, 1.0)
SOLID, DIM = 0.95, 0.13
LINK, DIM_LINK = 0.2, 0.05


class Span(NamedTuple):
    start: float
    end: float

    def part(self, index: int, count: int) -> "Span":
        """One of `count` equal parts."""
        size = (self.end - self.start) / count
        return Span(self.start + index * size, self.start + (index + 1) * size)


@dataclass(frozen=True)
class Panel:
    """One half of the diagram, drawn into a subplot; `lit` is a group from 0, or None for all of them."""

    convolution: Convolution
    ordinary: bool
    lit: int | None = None

    @property
    def axis(self) -> str:
        return "x" if self.ordinary else "x2"

    def groups(self) -> list[int]:
        return drawn_groups(self.convolution.groups, self.lit)

    def lanes(self) -> list[Span]:
        """The height of each group shown, from the top; half a lane is left where groups are left out."""
        gap = 0.0 if self.ordinary or self.convolution.groups == 1 else GAP
        lanes, top, previous = [], 0.0, -1
        for group in self.groups():
            top += 0.5 * (group != previous + 1)
            lanes.append(Span(top + gap / 2, top + 1 - gap / 2))
            top, previous = top + 1, group
        return lanes

    def cells(self, channels: int) -> int:
        """Pieces that a group's lane is cut into: a channel each, or one band."""
        drawn = max(self.convolution.in_channels, self.convolution.out_channels) <= CELLS
        return channels // self.convolution.groups if drawn else 1


def chart(convolution: Convolution, cost: Cost, lit: int | None = None, *, counted: bool = True) -> Chart:
    """The diagram of a convolution beside the ordinary one, unless it is that one; `lit` is a group from 0, or None for
    all of them. Not `counted`, nothing says how many weights there are."""
    g, (h1, w1) = convolution.groups, convolution.kernel
    titles = ("Ordinary", f"g = {g}")
    if counted:
        titles = (f"Ordinary: {cost.weights * g:,} weights", f"g = {g}: {cost.weights:,} weights")
    apart = f"; in {g} groups, each kernel reads its own group alone" * (g > 1)
    return Chart(
        "partition",
        diagram(convolution, titles, lit),
        f"Ordinary, every kernel reads every channel{apart}.",
        "Input channels on the left, a row for each kernel in the middle, its output channel on the right. A column "
        f"of the middle is one slice of {h1} × {w1} weights a kernel, so the coloured area is the number of weights; "
        "colour and number name the group.",
        table={what: column for what, column in _table(convolution, cost).items() if counted or "weights" not in what},
    )


def _table(convolution: Convolution, cost: Cost) -> Columns:
    """One row a group: the channels that it reads and makes, counted from 1, and its weights."""
    g, numbers = convolution.groups, range(1, convolution.groups + 1)
    inputs, outputs = convolution.in_channels // g, convolution.out_channels // g
    ends = {
        f"{end} {what}": [first + number * size for number in range(g)]
        for what, size in (("input", inputs), ("output", outputs))
        for end, first in (("first", 1), ("last", size))
    }
    weights = cost.weights // g
    return {"group": numbers, **ends, "weights": [weights] * g, "weights, ordinary": [weights * g] * g}


def diagram(convolution: Convolution, titles: tuple[str, str], lit: int | None = None) -> go.Figure:
    """The ordinary convolution on the left, the grouped one on the right, each under its title; in one group they are
    the same, and drawn once."""
    alone = convolution.groups == 1
    panels = [Panel(convolution, True, lit)] + [Panel(convolution, False, lit)] * (not alone)
    traces, shapes, notes = [], [], []
    for panel, title in zip(panels, titles, strict=False):
        x, y = panel.axis, panel.axis.replace("x", "y")
        traces.append({**_targets(panel), "xaxis": x, "yaxis": y})
        shapes += [{**shape, "xref": x, "yref": y} for shape in _groups(panel)]
        notes_here = (_title(title), *_headings(panel), *_labels(panel))
        notes += [{**note, "xref": x, "yref": y, "showarrow": False} for note in notes_here]
    across = {"visible": False, "range": [-0.07, 1.01]}
    down = {"visible": False, "range": [panels[0].lanes()[-1].end + 0.05, -0.05]}
    layout = {
        "xaxis": {**across, "domain": [0, 1 if alone else 0.455]},
        "xaxis2": {**across, "domain": [0.545, 1]},
        "yaxis": down,
        "yaxis2": {**down, "anchor": "x2"},
        "shapes": shapes,
        "annotations": notes,
        "height": 470,
        "margin": {"l": 0, "r": 0, "t": 84, "b": 4},
        "showlegend": False,
        "hoverdistance": 60,
    }
    return go.Figure({"data": traces, "layout": layout})


def drawn_groups(groups: int, lit: int | None) -> list[int]:
    """All groups, or the first, the last and the lit one where there are too many to draw."""
    if groups <= LANES:
        return list(range(groups))
    ends = [*range(LANES - 2), groups - 1]
    return sorted({*ends, lit if lit is not None else ends[-1]})


def colour(group: int) -> str:
    """The colour of a group, from 0; past eight they repeat, and the numbers tell them apart."""
    return OKABE_ITO[group % len(OKABE_ITO)]


def _groups(panel: Panel) -> Iterator[Part]:
    """The extent of all kernels, then for each group its links and its cells, faint where another group is lit."""
    yield _polygons(_extent(panel), NULL, LINK if panel.ordinary else DIM_LINK)
    for slot, group in enumerate(panel.groups()):
        faint = panel.lit not in (None, group)
        yield _polygons(_links(panel, slot), colour(group), DIM_LINK if faint else LINK)
        yield _polygons(_slices(panel, slot), colour(group), DIM if faint else SOLID, edge=True)


def _extent(panel: Panel) -> Sequence[Sequence[tuple[float, float]]]:
    """Where an ordinary convolution has weights; its kernels mix all groups, so the way on has no group's colour."""
    height = Span(panel.lanes()[0].start, panel.lanes()[-1].end)
    return [_box(Span(KERNELS[0], OUTPUTS[0] if panel.ordinary else KERNELS[1]), height)]


def _links(panel: Panel, slot: int) -> Iterator[Sequence[tuple[float, float]]]:
    """From a group's input channels to the kernels that read them, and on to the outputs that are its own."""
    lanes = panel.lanes()
    source, block = lanes[slot], Span(*KERNELS).part(slot, len(lanes))
    if panel.ordinary:
        left, right = INPUTS[1], KERNELS[0]
        yield (left, source.start), (right, lanes[0].start), (right, lanes[-1].end), (left, source.end)
    else:
        yield _box(Span(INPUTS[1], block.start), source)
        yield _box(Span(block.end, OUTPUTS[0]), source)


def _slices(panel: Panel, slot: int) -> Iterator[Sequence[tuple[float, float]]]:
    """A group's input channels, the slices of kernels that read them, and its share of each output channel."""
    lanes, convolution = panel.lanes(), panel.convolution
    inputs, outputs = panel.cells(convolution.in_channels), panel.cells(convolution.out_channels)
    columns = Span(*KERNELS).part(slot, len(lanes))
    share = Span(*OUTPUTS).part(slot, len(lanes)) if panel.ordinary else Span(*OUTPUTS)
    for row in range(inputs):
        yield _box(Span(*INPUTS), lanes[slot].part(row, inputs))
    for lane in lanes if panel.ordinary else [lanes[slot]]:
        for row in range(outputs):
            yield _box(share, lane.part(row, outputs))
            for column in range(inputs):
                yield _box(columns.part(column, inputs), lane.part(row, outputs))


def _box(x: Span, y: Span) -> Sequence[tuple[float, float]]:
    return (x.start, y.start), (x.end, y.start), (x.end, y.end), (x.start, y.end)


def _polygons(
    outlines: Iterable[Sequence[tuple[float, float]]], fill: str, opacity: float, *, edge: bool = False
) -> Part:
    """All outlines as one filled shape: plotly draws as many traces in four times as long."""
    path = "".join(f"M{'L'.join(f'{round(x, 5)},{round(y, 5)}' for x, y in corners)}Z" for corners in outlines)
    line = {"width": 1 if edge else 0, "color": "rgba(255,255,255,0.75)"}
    return {"type": "path", "path": path, "fillcolor": fill, "line": line, "opacity": opacity, "layer": "below"}


def _targets(panel: Panel) -> Part:
    """What can be clicked and hovered: unseen points on every group's inputs, kernels and outputs."""
    groups = panel.groups()
    places = [(slot, x) for slot in range(len(groups)) for x in (0.05, 0.2, 0.35, 0.52, 0.7, 0.85, 0.95)]
    lanes = panel.lanes()
    unseen = {"marker": {"opacity": 0}}
    return {
        "type": "scatter",
        "x": [x for _, x in places],
        "y": [sum(lanes[slot]) / 2 for slot, _ in places],
        "mode": "markers",
        "marker": {"size": 26, "opacity": 0},
        "unselected": unseen,
        "selected": unseen,
        "customdata": [groups[slot] for slot, _ in places],
        "text": [_hover_text(panel, groups[slot]) for slot, _ in places],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _hover_text(panel: Panel, group: int) -> str:
    convolution = panel.convolution
    inputs = _range(group, convolution.in_channels // convolution.groups)
    outputs = _range(group, convolution.out_channels // convolution.groups)
    if panel.ordinary:
        return f"Input {inputs} is read by all {convolution.out_channels} kernels"
    return f"Group {group + 1}: input {inputs} is read by kernels {outputs}, which make output {outputs}"


def _range(group: int, size: int) -> str:
    first, last = group * size + 1, (group + 1) * size
    return f"{first}" if size == 1 else f"{first}–{last}"


def _title(text: str) -> Part:
    return _note(sum(KERNELS) / 2, 0, text, yanchor="bottom", yshift=44, font={"size": 19, "weight": "bold"})


def _headings(panel: Panel) -> Iterator[Part]:
    convolution = panel.convolution
    h1, w1 = convolution.kernel
    depth = convolution.in_channels // (1 if panel.ordinary else convolution.groups)
    texts = (
        (INPUTS[0], "left", f"{convolution.in_channels} input\nchannels"),
        (sum(KERNELS) / 2, "center", f"{convolution.out_channels} kernels\nof {h1} × {w1} × {depth}"),
        (OUTPUTS[1], "right", f"{convolution.out_channels} output\nchannels"),
    )
    for x, anchor, text in texts:
        yield _note(x, 0, text, xanchor=anchor, yanchor="bottom", align=anchor, font={"size": 14})


def _labels(panel: Panel) -> Iterator[Part]:
    """Each group's number, its channels where they are one band, and the count of groups left out."""
    convolution, shown = panel.convolution, panel.groups()
    channels = convolution.in_channels // convolution.groups
    previous = -1
    for lane, group in zip(panel.lanes(), shown, strict=True):
        middle = sum(lane) / 2
        yield _note(-0.035, middle, str(group + 1), font={"size": 15})
        if panel.cells(convolution.in_channels) == 1 < channels:
            yield _note(sum(INPUTS) / 2, middle, f"× {channels}", font=_label_font(panel, group))
        if left_out := group - previous - 1:
            yield _note(0.5, lane.start - 0.25, f"⋮  {left_out} more groups", font={"size": 14})
        previous = group


def _label_font(panel: Panel, group: int) -> dict[str, object]:
    """Text that stands out from a group's colour; the theme's own where that colour is faint."""
    if panel.lit not in (None, group):
        return {"size": 14}
    return {"size": 14, "color": "black" if colour(group) in PALE else "white"}


def _note(x: float, y: float, text: str, **options: object) -> Part:
    return {"x": x, "y": y, "text": text, **options}
