"""What a file is, by its first bytes: its name proves nothing."""

import os
from typing import BinaryIO, Literal

from attention.checkpoints.limits import CheckpointError, Limits, check_size

ALLOWED = "a .safetensors, .pt or .pth file with a state dict is allowed"
PICTURES = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
}
LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
"""How every file of torch.save before version 1.6 begins."""


def of(file: BinaryIO, limits: Limits) -> Literal["safetensors", "zip"]:
    """Which reader a file is for. Raises CheckpointError where it is empty, too large, or nothing that is read."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(512)
    if not size:
        raise CheckpointError(f"The file is empty; {ALLOWED}.")
    check_size(size, limits)
    if start.startswith(b"PK\3\4"):
        return "zip"
    if start[8:9] == b"{":
        return "safetensors"
    raise CheckpointError(f"The file is {_refused(start)}.")


def _refused(start: bytes) -> str:
    """What a file that no reader is for may be, in words, and what to do instead."""
    if start.startswith(LEGACY) or start[257:262] == b"ustar":
        way = "load it with torch.load(..., weights_only=True) on a machine of yours and save it again with torch.save"
        return f"in torch's format of before version 1.6, whose sizes cannot be checked before it is read; {way}"
    if start.startswith((b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5")):
        return f"a bare pickle, which could run code; {ALLOWED}"
    for beginning, name in PICTURES.items():
        if start.startswith(beginning):
            return f"a {name} picture; {ALLOWED}"
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return f"a WebP picture; {ALLOWED}"
    return f"no weight file, or its beginning is damaged; {ALLOWED}"
