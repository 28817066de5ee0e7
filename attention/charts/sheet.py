"""A comparison of networks as one picture: a column each, one scale for all heatmaps."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from attention import analysis, comparison
from attention.charts import comparing, overlay
from attention.charts.overlay import UNIT, Scale
from attention.comparison import Compared
from attention.records import Floats

WIDTH, EDGE, LINE = 320, 16, 22
"""Of a column, of the white around things, and from one line of text to the next, in pixels."""
SMALL = (WIDTH - EDGE) // 2
INK, PALE = (11, 19, 27), (90, 100, 110)
LINES = 10
"""Of text in a column."""


def draw(picture: Image.Image, columns: Sequence[Compared]) -> bytes:
    """The columns side by side, as PNG: the class heatmap, the top five, the last spatial gate of each size."""
    scale = comparing.one_scale([each.heatmap.values for each in columns if each.heatmap])
    height = max(_height(picture, each) for each in columns)
    sheet = Image.new("RGB", (EDGE + len(columns) * (WIDTH + EDGE), height), "white")
    for number, each in enumerate(columns):
        _draw_column(sheet, EDGE + number * (WIDTH + EDGE), picture, each, scale)
    return overlay.png(sheet)


def _height(picture: Image.Image, column: Compared) -> int:
    share = picture.height / picture.width
    rows = (len(comparison.by_stage(column.spatial)) + 1) // 2
    return round(2 * EDGE + LINES * LINE + WIDTH * share + rows * (SMALL * share + LINE))


def _draw_column(sheet: Image.Image, left: int, picture: Image.Image, column: Compared, scale: Scale) -> None:
    text = _Text(sheet, left, EDGE)
    text.line(f"{column.card.name} (random weights)" if column.card.random else column.card.name, size=18)
    if column.probabilities is None:
        text.line("no score for each class")
    elif column.heatmap is None or column.target is None:
        text.line("does not know the class")
    else:
        text.line(f"P({column.labels[column.target]}) = {column.probability:.1%}")
        _paste(text, _laid(picture, column, column.heatmap.values, "inferno", scale), WIDTH)
        text.line(f"{column.heatmap.method}: {column.heatmap.minimum:.3g} to {column.heatmap.maximum:.3g}")
        text.line(f"colours: {scale.low:.3g} to {scale.high:.3g}", colour=PALE)
    top = [] if column.probabilities is None else analysis.top(column.probabilities, column.labels)
    for label, probability in top:
        text.line(f"{probability:.1%}  {label.partition(',')[0][:34]}", colour=PALE)
    _draw_gates(text, picture, column)


def _draw_gates(text: "_Text", picture: Image.Image, column: Compared) -> None:
    gates = comparison.by_stage(column.spatial)
    if not gates:
        text.line("no spatial gates")
    for start in range(0, len(gates), 2):
        for number, gate in enumerate(gates[start : start + 2]):
            beside = _Text(text.sheet, text.left + number * (SMALL + EDGE), text.top)
            _paste(beside, _laid(picture, column, gate.values[0], "viridis", UNIT), SMALL)
            beside.line(f"{gate.minimum:.2f} to {gate.maximum:.2f}", colour=PALE)
        text.top = beside.top


def _laid(picture: Image.Image, column: Compared, values: Floats, colour_map: str, scale: Scale) -> Image.Image:
    small, box = overlay.reduced(picture, column.observation.box, 2 * WIDTH)
    laid = overlay.overlay(small, np.asarray(values), box, colour_map=colour_map, scale=scale, opacity=0.6)
    return Image.open(io.BytesIO(laid))


def _paste(text: "_Text", picture: Image.Image, width: int) -> None:
    height = round(width * picture.height / picture.width)
    text.sheet.paste(picture.resize((width, height), Image.Resampling.BICUBIC), (text.left, text.top))
    text.top += height + 4


class _Text:
    """Lines of text below one another."""

    def __init__(self, sheet: Image.Image, left: int, top: int) -> None:
        self.sheet, self.left, self.top = sheet, left, top

    def line(self, words: str, *, size: int = 14, colour: tuple[int, int, int] = INK) -> None:
        """One line, and on to the next."""
        font = ImageFont.load_default(size)
        ImageDraw.Draw(self.sheet).text((self.left, self.top), words, colour, font)
        self.top += LINE
