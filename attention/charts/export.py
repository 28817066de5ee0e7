"""A figure as a file of its own: the script and the font by which a browser makes it, on a page and in a report."""

import base64
from functools import cache
from pathlib import Path
from typing import get_args

from attention.records import Ground

HERE = Path(__file__).parent
FONT = HERE / "fonts" / "DejaVuSans-part.woff"
"""The Latin letters, digits and signs of DejaVu Sans, whose licence lies beside it."""
GROUNDS: tuple[Ground, ...] = get_args(Ground)


@cache
def script() -> str:
    """The script: it defines `figureFile`."""
    return (HERE / "export.js").read_text(encoding="utf-8")


@cache
def font() -> str:
    """The font as a data URI, which is put into every figure."""
    return f"data:font/woff;base64,{base64.b64encode(FONT.read_bytes()).decode()}"
