"""Small pictures and their files, made for the tests of attention.images."""

import struct
import zlib
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


def png(width: int, height: int, body: bytes = bytes(4)) -> bytes:
    """An 8-bit RGB PNG that claims this size, whatever its body holds; by default one black pixel."""
    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    parts = (struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def photo() -> Image.Image:
    """96 x 64 pixels, no two rows, columns or corners alike."""
    y, x = np.mgrid[:64, :96]
    return Image.fromarray(np.stack([x * 2, y * 3, (x + y) % 256], -1).astype(np.uint8))
