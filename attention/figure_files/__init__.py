"""What makes a figure a file of its own in a browser, on a page and in a report: plotly.js, a script, and a font."""

import base64
from functools import cache
from pathlib import Path
from typing import get_args

from attention.records import Ground

HERE = Path(__file__).parent
PLOTLY = HERE / "plotly" / "plotly-cartesian-4.1.1.min.js.gz"
"""The part of plotly.js that knows bars, boxes, heatmaps and scatter, as npm has it in `plotly.js-cartesian-dist-min`;
its licence lies beside it."""
SCRIPT = HERE / "figure_file.js"
FONT = HERE / "fonts" / "DejaVuSans-part.woff"
"""The Latin letters, digits and signs of DejaVu Sans, whose licence lies beside it."""
GROUNDS: tuple[Ground, ...] = get_args(Ground)


@cache
def script() -> str:
    """The script: it defines `figureFile`."""
    return SCRIPT.read_text(encoding="utf-8")


@cache
def plotly() -> str:
    """plotly.js as base64 of gzip."""
    return base64.b64encode(PLOTLY.read_bytes()).decode()


@cache
def font() -> str:
    """The font as a data URI, which is put into every figure."""
    return f"data:font/woff;base64,{base64.b64encode(FONT.read_bytes()).decode()}"
