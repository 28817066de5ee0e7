"""What a report holds, and the HTML of it: one file, everything in it, and nothing that is fetched."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from attention.report.tables import Columns, as_csv, said

TEMPLATE = Path(__file__).with_name("template.html")
PNG = b"\x89PNG"
MOST_ROWS = 200
"""Of a table, on the page; its CSV file has all."""


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure that stays interactive, with its finding in words for those who do not see it."""

    figure: go.Figure
    alt: str
    caption: str = ""
    table: str = ""
    """The name of the table that has its numbers."""
    kind: ClassVar[str] = "chart"

    @property
    def json(self) -> str:
        """The figure for plotly.js, without `<`, `>` and `/`, so that no text of it ends the script that it is in."""
        figure = go.Figure(self.figure)
        figure.layout.template = go.layout.Template()  # colours are those of the page, in both themes
        return figure.to_json()


@dataclass(frozen=True, eq=False)
class Picture:
    """An encoded picture, JPEG or PNG."""

    data: bytes
    alt: str
    caption: str = ""
    table: str = ""
    """The name of the table that has its numbers; a photograph has none."""
    kind: ClassVar[str] = "picture"

    @property
    def address(self) -> str:
        """The picture itself, as a data URI."""
        return _data_uri("image/png" if self.data.startswith(PNG) else "image/jpeg", self.data)


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of numbers or words, folded unless they are `open`, with all of them as a CSV file."""

    name: str
    """Of the file, without its ending."""
    title: str
    columns: Columns
    open: bool = False
    kind: ClassVar[str] = "table"

    @property
    def rows(self) -> list[list[str]]:
        """The first rows as they are read."""
        return [list(map(said, row)) for row in list(zip(*self.columns.values(), strict=True))[:MOST_ROWS]]

    @property
    def left_out(self) -> int:
        """How many rows are in the CSV file alone."""
        return max(len(next(iter(self.columns.values()))) - MOST_ROWS, 0)

    @property
    def address(self) -> str:
        """The CSV file itself, as a data URI."""
        return _data_uri("text/csv;charset=utf-8", as_csv(self.columns).encode("utf-8", "backslashreplace"))


Item = Chart | Picture | Table | str


@dataclass(frozen=True, eq=False)
class Section:
    """One question of a report: its title, and what answers it; a bare text is a paragraph."""

    title: str
    items: Sequence[Item]


@dataclass(frozen=True, eq=False)
class Document:
    """A report: the question, the answer in a sentence, what to beware of, and the sections."""

    title: str
    answer: str
    warnings: Sequence[str]
    sections: Sequence[Section]


def html(document: Document) -> str:
    """The whole report as one HTML file. Every text in it is escaped; plotly.js is in it once."""
    from jinja2 import Environment, StrictUndefined

    shown = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = shown.from_string(TEMPLATE.read_text(encoding="utf-8"))
    text = template.render(document=document, plotly=get_plotlyjs(), is_text=lambda item: isinstance(item, str))
    return text.encode("utf-8", "backslashreplace").decode()  # the name of a file may hold bytes that are no text


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
