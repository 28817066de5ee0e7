"""A chart with all that is said of it: made once, and then shown by a page, held by a report, printed by a command."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from attention.foreign import in_cell

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]
"""A table, by the names of its columns."""
Explorable = dict[str, Any]
"""A figure of the project's own script, which answers without a server, by what the script is given, ready for JSON:
see `attention.charts.explorable`."""
SIZE = 14
"""Pixels of type that says nothing of its size."""
FONT = {"size": SIZE}
LEGEND = {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "font": FONT}
"""Above the figure, from its left."""
LETTER, LINE = 0.5, 1.3
"""How wide a letter is in the mean, and how high a line, as shares of the size of the type."""
LONGEST_TITLE = 40
"""Letters of a line of an axis's title."""
BESIDE_AXIS = 60
"""Pixels left of an axis whose places are named."""


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure or a picture with its finding, its caption, its numbers, and what it says to those who do not see it."""

    key: str
    """What is drawn under the same key takes its place; its files are called so."""
    figure: go.Figure | bytes | Explorable
    """A plotly figure, an encoded picture, JPEG or PNG, or a block to explore."""
    alt: str
    """The finding in words, for those who do not see the figure."""
    caption: str = ""
    """How to read it: axes, scale, n."""
    headline: str = ""
    """The finding, where it stands above the figure; plain text."""
    table: Columns = field(default_factory=dict)
    """Its numbers."""
    numbers: str = ""
    """The name of the table that has its numbers where another chart brings it; a photograph has none."""

    def __post_init__(self) -> None:
        if isinstance(self.figure, go.Figure):
            _write_powers(self.figure)
            for axis in (*self.figure.select_xaxes(), *self.figure.select_yaxes()):
                axis.fixedrange = True  # or a finger that scrolls past it would zoom
            self.figure.update_xaxes(autotickangles=[0, -90])  # names stand upright where they have no room
            for axis in self.figure.select_xaxes():
                axis.title.text = axis.title.text and fill(axis.title.text, LONGEST_TITLE, replace_whitespace=False)

    @property
    def least_width(self) -> float:
        """The pixels below which the texts of a figure would run into one another."""
        widths = _widths(self.figure) if isinstance(self.figure, go.Figure) else ()
        return max(widths, default=0.0)

    @property
    def table_name(self) -> str:
        """The name of the table that has its numbers; "" for a photograph."""
        return self.key if self.table else self.numbers


def _widths(figure: go.Figure) -> Iterator[float]:
    """What the names below each axis take, upright, and what the notes that stand beside one another take."""
    shares, ranges = {"paper": 1.0}, {}
    rows: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for axis in figure.select_xaxes():
        name, (left, right) = axis.plotly_name.replace("axis", ""), axis.domain or (0, 1)
        shares |= dict.fromkeys((name, f"{name} domain"), right - left)
        if axis.range and axis.visible is not False and axis.type != "log":
            ranges[name] = axis.range
        if axis.ticktext and axis.showticklabels is not False:
            names, size = axis.ticktext, axis.tickfont.size or SIZE
            upright = BESIDE_AXIS + LINE * size * sum(1 + name.count("\n") for name in names)
            level = LETTER * size * len(names) * (max(map(len, names)) + 0.4)
            yield (level if axis.tickangle == 0 else upright) / (right - left)
    for note in figure.select_annotations():
        across, letters = note.xref or "x", max(map(len, note.text.split("\n")))
        widths = rows[across, note.yref, note.y, note.yshift]
        widths.append(LETTER * (note.font.size or SIZE) * letters + (note.xshift or 0))
        if across in ranges and note.xanchor == "left":  # it stands right of a place
            start, end = ranges[across]
            yield widths.pop() * (end - start) / (end - note.x) / shares[across]
    for (across, *_), widths in rows.items():
        yield len(widths) * max(widths, default=0) / shares[across]


def _write_powers(figure: go.Figure) -> None:
    """Has axes on which all is far below one numbered as `numbers.number` does: plotly's own numbers have µ and n."""
    most: dict[str, float] = {}
    for trace in figure.data:
        for letter in "xy":
            values = np.asarray(trace[letter] if letter in trace and trace[letter] is not None else ())
            if values.size and values.dtype.kind in "fiu":
                axis = f"{letter}axis{str(trace[f'{letter}axis'] or letter)[1:]}"
                most[axis] = max(most.get(axis, 0.0), float(np.abs(values[np.isfinite(values)]).max(initial=0)))
    for axis, value in most.items():
        if value < 0.01:
            figure.layout[axis].exponentformat = "power"


def by_row(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    """The columns of these names, from their rows."""
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def by_place(maps: Mapping[str, NDArray[Any]]) -> Columns:
    """A row for each place of maps (H, W) of one size, and a column for each map."""
    rows, columns = np.indices(next(iter(maps.values())).shape).reshape(2, -1)
    return {"row": rows, "column": columns, **{name: values.ravel() for name, values in maps.items()}}


def by_map(maps: Mapping[str, NDArray[Any]]) -> Columns:
    """A row for each value of maps (H, W) of any sizes; numbers (C,) lie in one row."""
    grids = [np.atleast_2d(values) for values in maps.values()]
    names = np.repeat(np.array(list(maps), object), [grid.size for grid in grids])
    places = [np.indices(grid.shape).reshape(2, -1) for grid in grids]
    rows, columns = np.concatenate([np.empty((2, 0), int), *places], axis=1)
    values = np.concatenate([np.empty(0, np.float32), *(grid.ravel() for grid in grids)])
    return {"map": names, "row": rows, "column": columns, "value": values}


def as_csv(columns: Columns) -> str:
    """A table as the text of a CSV file, its columns' names in the first row, without formulas."""
    text = io.StringIO(newline="")
    rows = [columns, *zip(*columns.values(), strict=True)]
    csv.writer(text).writerows(map(in_cell, row) for row in rows)
    return text.getvalue()
