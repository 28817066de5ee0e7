"""Figures as PNG without a browser: changes beside what chance does."""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from attention.charts.colours import ACCENT, NULL, OKABE_ITO
from attention.charts.overlay import png

WIDTH, ROW, TOP, BOTTOM = 1200, 40, 90, 60
LEFT, RIGHT = 380, 1040
"""Between them lies the axis, in pixels."""
_INK, _PALE, _WHITE = "#0b131b", "#d5dce4", "#ffffff"


class Row(NamedTuple):
    """One edit: what it changes, and the lowest and the highest change in the random draws."""

    name: str
    change: float
    low: float
    high: float


def changes(rows: Sequence[Row], title: str, note: str) -> bytes:
    """A diamond for each change over the grey band of its draws, on one axis symmetric about zero: PNG."""
    picture = Image.new("RGB", (WIDTH, TOP + ROW * len(rows) + BOTTOM), _WHITE)
    draw = ImageDraw.Draw(picture)
    draw.text((24, 16), title, _INK, ImageFont.load_default(26))
    draw.text((24, 52), note, _INK, ImageFont.load_default(17))
    reach = max(abs(value) for row in rows for value in row[1:]) or 1.0
    _draw_axis(draw, reach, TOP + ROW * len(rows))
    for number, row in enumerate(rows):
        _draw_row(draw, row, reach, TOP + ROW * number + ROW // 2)
    return png(picture)


def _draw_axis(draw: ImageDraw.ImageDraw, reach: float, bottom: int) -> None:
    for value in (-reach, 0.0, reach):
        x = _at(value, reach)
        draw.line([(x, TOP), (x, bottom)], NULL if value == 0 else _PALE, 2)
        draw.text((x, bottom + 8), f"{value:+.3g}", _INK, ImageFont.load_default(18), anchor="ma")


def _draw_row(draw: ImageDraw.ImageDraw, row: Row, reach: float, y: int) -> None:
    font, x = ImageFont.load_default(18), _at(row.change, reach)
    draw.text((LEFT - 24, y), row.name[-36:], _INK, font, anchor="rm")
    draw.rectangle([_at(row.low, reach) - 2, y - 10, _at(row.high, reach) + 2, y + 10], NULL)
    draw.polygon([(x - 10, y), (x, y - 10), (x + 10, y), (x, y + 10)], OKABE_ITO[0], ACCENT)
    draw.text((RIGHT + 24, y), f"{row.change:+.3f}", _INK, font, anchor="lm")


def _at(value: float, reach: float) -> float:
    return (LEFT + RIGHT) / 2 + value / reach * (RIGHT - LEFT) / 2
