"""Levels of grey and colour that Pillow reads otherwise than they are meant: 16 bits a colour, and signed bytes."""

import re
import sys
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageChops

from attention import bands

SAMPLE_FORMAT, SIGNED = 339, (2,)
"""A tag of TIFF, and what it says of whole numbers with a sign."""


def is_signed(picture: Image.Image) -> bool:
    """Whether the bytes of a grey TIFF stand for -128 to 127."""
    return picture.mode == "L" and getattr(picture, "tag_v2", {}).get(SAMPLE_FORMAT) == SIGNED


def spread(picture: Image.Image) -> str:
    """Stretches whole numbers from -128 to 127, which Pillow takes for 0 to 255, over all greys, in place; in words."""
    values = [level - 256 * (level > 127) for level in range(256)]
    used = [value for value, count in zip(values, picture.histogram(), strict=True) if count]
    low, high, said = bands.span(min(used), max(used), sixteen=False)
    levels = np.clip((np.array(values) - low) * 255 / ((high - low) or 1), 0, 255).round().astype(int)
    picture.paste(picture.point(levels.tolist()))
    return said


def sixteen(picture: Image.Image) -> str:
    """Pillow's name for how it unpacks colours of 16 bits, of which it keeps the upper 8; empty of other pictures."""
    names = [tile[3] if isinstance(tile[3], str) else (tile[3] or ("",))[0] for tile in getattr(picture, "tile", ())]
    return next((name for name in names if re.fullmatch(r"(RGB|RGBA|LA);16[BLN]", str(name))), "")


def widened(picture: Image.Image, unpacked: str, data: bytes) -> str:
    """Stretches colours of 10, 12 or 14 bits in 16 over all levels, in place, and says so; of 16 bits it says nothing.

    The lower 8 of them are what Pillow keeps when it takes the bytes in the other order.
    """
    colours = 1 if unpacked.startswith("LA") else 3
    highest = int(np.max(picture.getextrema()[:colours]))
    _, white, said = bands.span(0, 256 * highest + 255, sixteen=True)
    if not said:
        return ""
    upper, lower = ([min(255, round(level * step * 255 / white)) for level in range(256)] for step in (256, 1))
    with Image.open(BytesIO(data), formats=[str(picture.format)]) as rest:
        if colours == 3:  # of grey with transparency Pillow has one order alone
            rest.tile = [tile._replace(args=_reordered(tile[3])) for tile in rest.tile]
        rest.load()
        for box in bands.strips(picture.size):
            parts = list(picture.crop(box).split())
            for place, more in enumerate(rest.crop(box).split()[: len(parts) - picture.mode.endswith("A")]):
                stretched = parts[place].point(upper)
                parts[place] = ImageChops.add(stretched, more.point(lower)) if colours == 3 else stretched
            picture.paste(Image.merge(picture.mode, parts), box)
    return said


def _reordered(arguments: Any) -> Any:
    """What Pillow's decoder is told, with the bytes of each 16 bits in the other order."""
    name = arguments if isinstance(arguments, str) else arguments[0]
    big = name.endswith("B") or (name.endswith("N") and sys.byteorder == "big")
    other = f"{name[:-1]}{'L' if big else 'B'}"
    return other if isinstance(arguments, str) else (other, *arguments[1:])
