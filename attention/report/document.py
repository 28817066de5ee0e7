"""What a report holds, what its numbers rest on, and the HTML of it: one file, and nothing that is fetched."""

import base64
import gzip
import io
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from PIL import Image
from plotly.io.json import to_json_plotly

from attention import figure_files, images
from attention.charts import explorable
from attention.charts.chart import Chart, Columns, as_csv
from attention.foreign import plain, readable
from attention.numbers import number
from attention.observe import Observation
from attention.records import ModelCard

TEMPLATE = Path(__file__).with_name("template.html")
MOST_ROWS = 50
"""The rows of a table that the page shows; its CSV file has all."""
MOST_LETTERS = 400_000
"""Letters of one packed CSV file; a table with more is left to the page or command that made it."""


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
        """The CSV file, packed, as a data URI."""
        return f"data:application/gzip;base64,{self._packed}"

    @cached_property
    def _packed(self) -> str:
        return pack(as_csv(self.columns))

    @property
    def held(self) -> bool:
        """Whether the report has room for the CSV file."""
        return len(self._packed) <= MOST_LETTERS


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
    subject: str = ""
    """The network and the picture, or the survey, which each figure is titled with as a file."""


def html(document: Document) -> str:
    """The whole report as one HTML file. Every text in it is escaped; plotly.js is in it once.

    Where gzip can be unpacked by the browser itself (all of them since 2023), the figures answer; in others, pictures,
    texts and tables stand alone, and a sentence says so.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    parts = {"kind": _kind, "figure_json": figure_json, "picture_address": _picture_address, "items": _items_and_tables}
    files = {"pack": pack, "explorable": explorable, "figure_files": figure_files}
    text = template.render(document=document, **parts, **files)
    return readable(text)


def pack(text: str) -> str:
    """The text as base64 of gzip, which a script unpacks in the browser, the same for the same text; what is no Unicode
    in it is escaped."""
    data = text.encode("utf-8", "backslashreplace")  # the name of a file may hold bytes that are no text
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def _items_and_tables(section: Section) -> Iterator[Item]:
    """What stands in a section; each chart is followed by its own numbers."""
    for item in section.items:
        yield item
        if isinstance(item, Chart) and item.table:
            yield Table(item.key, f"{item.key}.csv", item.table)


def _kind(item: Item) -> str:
    if isinstance(item, Chart):
        kinds: dict[type, str] = {bytes: "picture", dict: "explorable"}
        return kinds.get(type(item.figure), "chart")
    return "table" if isinstance(item, Table) else "text"


def figure_json(chart: Chart) -> str:
    """The figure for plotly.js, whose texts are plain."""
    assert isinstance(chart.figure, go.Figure)
    parts = plain(chart.figure.to_dict())
    parts["layout"].pop("template", None)  # colours are those of the page, in both themes
    return to_json_plotly(parts)


def _picture_address(chart: Chart) -> str:
    """The picture as WebP, in a data URI: exactly as it is where it was PNG, a photograph with what the eye misses."""
    assert isinstance(chart.figure, bytes)
    file = io.BytesIO()
    with Image.open(io.BytesIO(chart.figure)) as picture:
        picture.convert("RGB").save(file, "WEBP", lossless=picture.format == "PNG", quality=75)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


Facts = dict[str, str]
RANDOM = "The weights are random ones: what follows shows how the network is built, not what it has learned."
VERSIONS = ("torch", "torchvision", "timm", "pytorchcv", "numpy", "pillow", "plotly")


def card_facts(card: ModelCard) -> Facts:
    """The card of a network, a line each; what nobody states says so."""
    accuracy = "not stated" if card.accuracy is None else f"{card.accuracy:.2%} top-1"
    if card.validation_pictures:
        accuracy += f" of {card.validation_pictures:,} pictures, measured by this project"
    return {
        "network": f"{card.name}: {card.title}",
        "what it is": card.description,
        "source": card.source,
        "licence": card.licence or "not stated",
        "parameters": f"{card.parameters:,}",
        "accuracy": accuracy,
        "weights": "random ones of a fixed seed, not trained" if card.random else card.origin_of_weights,
        "assumed": "; ".join(card.assumed) or "nothing",
        **({"what else is known": " ".join(card.notes)} if card.notes else {}),
        "SHA-256 of the weight file": card.sha256 or "none",
    }


def observation_facts(observation: Observation) -> Facts:
    """Weights as they are in memory, preprocessing, the SHA-256 of the picture's file, and versions."""
    from attention.survey.passes import weights_sha256

    network = observation.network
    prepared = asdict(network.transform)
    return {
        "SHA-256 of the weights in memory": weights_sha256(network.module),
        "SHA-256 of the picture": observation.picture.key,
        **({"picture": credit} if (credit := images.credits_by_key().get(observation.picture.key)) else {}),
        **{f"preprocessing: {name}": str(value) for name, value in prepared.items()},
        **versions(),
    }


def versions() -> Facts:
    """The versions of Python and of the libraries that the numbers depend on."""
    return {"version of python": platform.python_version()} | {f"version of {name}": version(name) for name in VERSIONS}


def flatten(facts: dict[str, Any], before: str = "") -> Facts:
    """Nested facts as lines: `network: name`."""
    lines: Facts = {}
    for name, value in facts.items():
        path = f"{before}{name}".replace("_", " ")
        lines |= flatten(value, f"{path}: ") if isinstance(value, dict) else {path: str(value)}
    return lines


def origin(facts: Facts) -> Section:
    """What the numbers rest on, open to everybody."""
    columns = {"what": list(facts), "value": list(facts.values())}
    table = Table("provenance", "Network, weights, preprocessing, versions", columns, open=True)
    return Section("What does this rest on?", [table])
