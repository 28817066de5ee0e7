"""What a report holds, and the HTML of it: one file, everything in it, and nothing that is fetched."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from attention.charts import explorable
from attention.charts.chart import Chart, Columns, Explorable, as_csv
from attention.charts.numbers import number
from attention.foreign import plain

TEMPLATE = Path(__file__).with_name("template.html")
PNG = b"\x89PNG"
MOST_ROWS = 200
"""The rows of a table that the page shows; its CSV file has all."""


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of numbers or words, folded unless they are `open`, with all of them as a CSV file."""

    name: str
    """Name of the file, without its ending."""
    title: str
    columns: Columns
    open: bool = False

    @property
    def rows(self) -> list[list[str]]:
        """The first rows as they are read."""
        return [list(map(number, row)) for row in list(zip(*self.columns.values(), strict=True))[:MOST_ROWS]]

    @property
    def left_out(self) -> int:
        """How many rows are in the CSV file alone."""
        return max(len(next(iter(self.columns.values()))) - MOST_ROWS, 0)

    @property
    def address(self) -> str:
        """The CSV file itself, as a data URI."""
        return _data_uri("text/csv;charset=utf-8", as_csv(self.columns).encode("utf-8", "backslashreplace"))


Item = Chart | Table | str


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
    how = {"kind": _kind, "figure_json": _figure_json, "picture_address": _picture_address, "items": _items}
    text = template.render(document=document, plotly=get_plotlyjs(), explorable=explorable, **how)
    return text.encode("utf-8", "backslashreplace").decode()  # the name of a file may hold bytes that are no text


def _items(section: Section) -> Iterator[Item]:
    """What stands in a section; each chart is followed by its own numbers."""
    for item in section.items:
        yield item
        if isinstance(item, Chart) and item.table:
            yield Table(item.key, f"{item.key}.csv", item.table)


def _kind(item: Item) -> str:
    if isinstance(item, Chart):
        return {bytes: "picture", Explorable: "explorable"}.get(type(item.figure), "chart")
    return "table" if isinstance(item, Table) else "text"


def _figure_json(chart: Chart) -> str:
    """The figure for plotly.js, without `<`, `>` and `/`, so that no text of it ends the script that it is in."""
    figure = go.Figure(chart.figure)
    figure.layout.template = go.layout.Template()  # colours are those of the page, in both themes
    return plain(figure).to_json()


def _picture_address(chart: Chart) -> str:
    """The picture itself, as a data URI."""
    assert isinstance(chart.figure, bytes)
    return _data_uri("image/png" if chart.figure.startswith(PNG) else "image/jpeg", chart.figure)


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
