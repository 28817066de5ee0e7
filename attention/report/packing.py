"""What a report holds packed, and its own script unpacks in the browser: plotly.js, figures, tables."""

import base64
import gzip
from functools import cache

from attention.figure_files import PLOTLY


def packed(text: str) -> str:
    """The text as base64 of gzip, the same for the same text; what is no Unicode in it is escaped."""
    data = text.encode("utf-8", "backslashreplace")  # the name of a file may hold bytes that are no text
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def unpacked(text: str) -> str:
    """The text that was `packed`."""
    return gzip.decompress(base64.b64decode(text)).decode()


@cache
def plotly() -> str:
    """plotly.js, packed."""
    return base64.b64encode(PLOTLY.read_bytes()).decode()
