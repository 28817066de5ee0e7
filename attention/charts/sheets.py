"""Small pictures of one kind as one figure: row by row, each with its title and its numbers."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from attention.charts.overlay import data_uri
from attention.numbers import fixed
from attention.records import Floats

HEADING, LINE, GAP = 26, 18, 12
"""Pixels that a row's heading takes, a line of text, and the room between rows."""


class Tile(NamedTuple):
    """A picture of a sheet, or several that share one, side by side and equally wide."""

    title: str
    picture: bytes
    """JPEG or PNG."""
    shown: Sequence[Floats]
    """The values of each part, from the left, whose smallest and largest stand below it."""


def sheet(rows: Mapping[str, Sequence[Tile]], *, side: int = 104) -> go.Figure:
    """Rows of tiles by their headings, which may be "": every picture `side` pixels high where its place is wide
    enough, and never out of shape. A row that is shorter than the longest leaves places empty."""
    across = max(map(len, rows.values()))
    heights = [HEADING * bool(heading) + 3 * LINE + side for heading in rows]
    whole = sum(heights) + GAP * (len(rows) - 1)
    images: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    anchored = {"xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
    for number, (heading, tiles) in enumerate(rows.items()):
        top = sum(heights[:number]) + GAP * number
        if heading:
            notes.append(_note(0, 1 - top / whole, heading, size=15, weight="bold", xanchor="left"))
            top += HEADING
        for place, tile in enumerate(tiles):
            left, middle = place / across, (place + 0.48) / across
            under = 1 - (top + side) / whole
            place_and_size = {"x": middle, "y": under, "sizex": 0.96 / across, "sizey": side / whole}
            images.append({"source": data_uri(tile.picture), "sizing": "contain", **anchored, **place_and_size})
            notes.append(_note(middle, under, tile.title, size=14))
            wide = 0.96 / across / len(tile.shown)
            for part, values in enumerate(tile.shown):
                ends = f"{fixed(values.min())}\nto {fixed(values.max())}"
                notes.append(_note(left + (part + 0.5) * wide, under - LINE / whole, ends, size=12.5))
    axis = {"visible": False}
    margin = dict.fromkeys("ltrb", 0)
    layout = {"height": whole, "margin": margin, "images": images, "annotations": notes, "xaxis": axis, "yaxis": axis}
    return go.Figure(layout={**layout, "plot_bgcolor": "rgba(0,0,0,0)"})


def _note(
    x: float, y: float, text: str, *, size: float, weight: str = "normal", xanchor: str = "center"
) -> dict[str, Any]:
    where = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": xanchor, "yanchor": "top", "borderpad": 0}
    return {"text": text, "showarrow": False, "font": {"size": size, "weight": weight}, **where}
