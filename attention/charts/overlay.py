"""Pictures: a map laid over the one it was computed from, as bytes ready to be sent, and small ones row by row."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import plotly.graph_objects as go
from PIL import Image

from attention.charts.colours import COLOUR_MAPS, colour_steps
from attention.numbers import fixed
from attention.records import Box, Floats


class Scale(NamedTuple):
    """The two values that the ends of a colour map stand for."""

    low: float
    high: float


UNIT = Scale(0.0, 1.0)
LONGEST = 2
"""How many times its shorter side the longer one of a close-up is at most."""


def own_range(values: Floats) -> Scale:
    """The map's own minimum and maximum; a constant map gets a range of its own so that nothing divides by zero."""
    low, high = float(values.min()), float(values.max())
    return Scale(low, high if high > low else low + 1)


def map_image(values: Floats, colour_map: str, scale: Scale = UNIT) -> Image.Image:
    """A map (H, W) as a picture of the same size, one pixel a value; values outside the scale take its ends."""
    shares = np.clip((values - scale.low) / (scale.high - scale.low), 0, 1)
    picture = Image.fromarray((shares * 255).round().astype(np.uint8), mode="L").convert("P")
    picture.putpalette(colour_steps(COLOUR_MAPS[colour_map]).tobytes())
    return picture


def overlay(
    picture: Image.Image, values: Floats, box: Box, *, colour_map: str, scale: Scale = UNIT, opacity: float = 0.5
) -> bytes:
    """The whole picture with the map (H, W) over the crop that the network saw, as JPEG; outside it is dimmed."""
    assert 0 <= opacity <= 1  # Pillow would go on past the map
    left, top, right, bottom = pixel_box(box)
    smooth = Image.fromarray(values).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
    over = map_image(np.asarray(smooth), colour_map, scale).convert("RGB")
    return _paste_on_dimmed(picture, Image.blend(picture.crop((left, top, right, bottom)), over, opacity), (left, top))


def cells(values: Floats, colour_map: str = "channel") -> bytes:
    """Numbers (C,) as a row of cells of equal width, as PNG; the row has one shape, however many they are."""
    width = max(1, 512 // len(values)) * len(values)
    return png(map_image(values[None], colour_map).resize((width, width * 5 // 32), Image.Resampling.NEAREST))


def reduce(picture: Image.Image, box: Box, side: int) -> tuple[Image.Image, Box]:
    """The picture with at most `side` pixels on its longer side, and the crop's box on it."""
    share = min(1.0, side / max(picture.size))
    width, height = (max(1, round(length * share)) for length in picture.size)
    left, top, right, bottom = box
    across, down = width / picture.width, height / picture.height
    small = picture.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2)
    return small, (left * across, top * down, right * across, bottom * down)


def close_up(picture: Image.Image, box: Box, side: int) -> tuple[Image.Image, Box]:
    """As `reduce`; of a side that is more than `LONGEST` times the other, what is far from the crop is cut off."""
    most = LONGEST * min(picture.size)
    left, top, right, bottom = box
    width, height = (min(length, most) for length in picture.size)
    x = round(np.clip((left + right - width) / 2, 0, picture.width - width))
    y = round(np.clip((top + bottom - height) / 2, 0, picture.height - height))
    return reduce(picture.crop((x, y, x + width, y + height)), (left - x, top - y, right - x, bottom - y), side)


def dim_unseen(picture: Image.Image, box: Box) -> bytes:
    """The whole picture, dark outside the crop that the network sees, as JPEG."""
    left, top, right, bottom = pixel_box(box)
    return _paste_on_dimmed(picture, picture.crop((left, top, right, bottom)), (left, top))


def jpeg(picture: Image.Image) -> bytes:
    """The picture as JPEG, quality 88."""
    file = io.BytesIO()  # a photograph as PNG has some 30 times the bytes
    picture.convert("RGB").save(file, "JPEG", quality=88)
    return file.getvalue()


def png(picture: Image.Image) -> bytes:
    """The picture as PNG, exactly as it is."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def data_uri(picture: bytes) -> str:
    """A JPEG or PNG as the address that a browser or plotly shows it by."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def pixel_box(box: Box) -> tuple[int, int, int, int]:
    """The box in whole pixels, at least one each way: the crop of a line of pixels is thinner than that."""
    left, top, right, bottom = (round(edge) for edge in box)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _paste_on_dimmed(picture: Image.Image, inside: Image.Image, corner: tuple[int, int]) -> bytes:
    result = Image.blend(picture, Image.new("RGB", picture.size), 0.6)
    result.paste(inside, corner)
    return jpeg(result)


HEADING, LINE, GAP = 26, 18, 12
"""Pixels that a row's heading takes, a line of text, and the room between rows."""


class Tile(NamedTuple):
    """A picture of a sheet, or several that share one, side by side and equally wide."""

    title: str
    picture: bytes
    """JPEG or PNG."""
    values: Sequence[Floats]
    """The values of each part, from the left, whose smallest and largest stand below it."""


def sheet(rows: Mapping[str, Sequence[Tile]], *, side: int = 104) -> go.Figure:
    """Rows of tiles by their headings, which may be "": every picture `side` pixels high where its place is wide
    enough, and never out of shape. A row that is shorter than the longest leaves places empty."""
    across = max(map(len, rows.values()))
    heights = [HEADING * bool(heading) + 3 * LINE + side for heading in rows]
    total = sum(heights) + GAP * (len(rows) - 1)
    images: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    anchored = {"xref": "paper", "yref": "paper", "xanchor": "center", "yanchor": "bottom"}
    for number, (heading, tiles) in enumerate(rows.items()):
        top = sum(heights[:number]) + GAP * number
        if heading:
            notes.append(_note(0, 1 - top / total, heading, size=15, weight="bold", xanchor="left"))
            top += HEADING
        for place, tile in enumerate(tiles):
            left, middle = place / across, (place + 0.48) / across
            under = 1 - (top + side) / total
            place_and_size = {"x": middle, "y": under, "sizex": 0.96 / across, "sizey": side / total}
            images.append({"source": data_uri(tile.picture), "sizing": "contain", **anchored, **place_and_size})
            notes.append(_note(middle, under, tile.title, size=14))
            wide = 0.96 / across / len(tile.values)
            for part, values in enumerate(tile.values):
                ends = f"{fixed(values.min())}\nto {fixed(values.max())}"
                notes.append(_note(left + (part + 0.5) * wide, under - LINE / total, ends, size=12.5))
    axis = {"visible": False}
    margin = dict.fromkeys("ltrb", 0)
    layout = {"height": total, "margin": margin, "images": images, "annotations": notes, "xaxis": axis, "yaxis": axis}
    return go.Figure(layout={**layout, "plot_bgcolor": "rgba(0,0,0,0)"})


def _note(
    x: float, y: float, text: str, *, size: float, weight: str = "normal", xanchor: str = "center"
) -> dict[str, Any]:
    where = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": xanchor, "yanchor": "top", "borderpad": 0}
    return {"text": text, "showarrow": False, "font": {"size": size, "weight": weight}, **where}
