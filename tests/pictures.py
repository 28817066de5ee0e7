"""Small pictures and their files, made for the tests of attention.images."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO

import numpy as np
import pillow_heif
from PIL import Image

from attention.images import read

pillow_heif.register_heif_opener()  # so that they can be made, too


def encode(picture: Image.Image, form: str, **options: object) -> bytes:
    file = BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(read(data)).astype(int)


def png(width: int, height: int, body: bytes = bytes(4), *, bits: int = 8, kind: int = 2) -> bytes:
    """An 8-bit RGB PNG that claims this size, whatever its body holds; by default one black pixel.

    `kind` is 6 where there is transparency.
    """
    header = struct.pack(">2I5B", width, height, bits, kind, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    parts = (struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def photo() -> Image.Image:
    """96 x 64 pixels, no two rows, columns or corners alike."""
    y, x = np.mgrid[:64, :96]
    return Image.fromarray(np.stack([x * 2, y * 3, (x + y) % 256], -1).astype(np.uint8))


def tiff(
    values: np.ndarray,
    number: int = 1,
    *,
    planar: bool = False,
    tile: int = 0,
    deflated: bool = False,
    names: Sequence[str] = (),
    further: Mapping[int, Sequence[int]] | None = None,
) -> bytes:
    """A picture (H, W, bands) as a TIFF file in the values' byte order.

    `number` is 1 for whole numbers, 2 for signed ones, 3 for floats.

    `planar` puts one band after the other, `tile` is the side of its tiles, `deflated` files have horizontal
    differences (predictor 2) where they hold whole numbers, `names` are written as GDAL does, `further` are other tags.
    """
    height, width, bands = values.shape
    order = ">" if values.dtype.byteorder == ">" else "<"
    parts = []
    for plane in np.split(values, bands, axis=2) if planar else [values]:
        for top, left in np.ndindex(-(-height // tile) if tile else 1, -(-width // tile) if tile else 1):
            part = plane[top * tile :, left * tile :][: tile or height, : tile or width]
            if tile:
                part = np.pad(part, ((0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0)))
            if deflated and number < 3:
                part = np.diff(part, axis=1, prepend=part.dtype.type(0)).astype(values.dtype)
            parts.append(zlib.compress(part.tobytes()) if deflated else part.tobytes())
    entries: dict[int, Sequence[int] | bytes] = {256: [width], 257: [height], 258: [8 * values.itemsize] * bands}
    entries |= {259: [8 if deflated else 1], 262: [2 if bands > 2 else 1], 277: [bands], 284: [1 + planar]}
    entries |= {317: [2]} if deflated and number < 3 else {}
    entries |= {338: [0] * (bands - 3)} if bands > 3 else {}
    entries |= {322: [tile], 323: [tile]} if tile else {278: [height]}
    entries |= {
        324 if tile else 273: [0] * len(parts),
        325 if tile else 279: list(map(len, parts)),
        339: [number] * bands,
    }
    if names:
        items = (
            f'<Item name="DESCRIPTION" sample="{at}" role="description">{escape(name)}</Item>'
            for at, name in enumerate(names)
        )
        entries[42112] = f"<GDALMetadata>{''.join(items)}</GDALMetadata>".encode() + b"\0"
    return _as_tiff(entries | (further or {}), parts, order)


def _as_tiff(entries: Mapping[int, Sequence[int] | bytes], parts: Sequence[bytes], order: str) -> bytes:
    behind = 8 + 2 + 12 * len(entries) + 4
    lists = b""
    where: dict[int, int] = {}
    for tag, given in sorted(entries.items()):
        if len(given) * (1 if isinstance(given, bytes) else 4) > 4:
            where[tag] = behind + len(lists)
            lists += given + b"\0" * (len(given) % 2) if isinstance(given, bytes) else bytes(4 * len(given))
    places = [behind + len(lists) + sum(map(len, parts[:at])) for at in range(len(parts))]
    table, body = struct.pack(f"{order}H", len(entries)), bytearray(lists)
    for tag, given in sorted(entries.items()):
        numbers = places if tag in (273, 324) else given
        packed = numbers if isinstance(numbers, bytes) else struct.pack(f"{order}{len(numbers)}I", *numbers)
        table += struct.pack(f"{order}HHI", tag, 2 if isinstance(numbers, bytes) else 4, len(numbers))
        table += struct.pack(f"{order}I", where[tag]) if tag in where else packed.ljust(4, b"\0")
        if tag in where:
            body[where[tag] - behind : where[tag] - behind + len(packed)] = packed
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return header + table + bytes(4) + bytes(body) + b"".join(parts)
