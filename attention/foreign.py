"""Text that strangers wrote, such as names of gates, classes and files: shown as it is wherever text is markup.

HTML escapes by jinja2's own means, in `attention.report.html`.
"""

import json
import operator
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_ESCAPED = re.compile(rf"\\{_PUNCTUATION.pattern}|\*\*")
_JOINER = "\u2060"
# What Streamlit makes of words after the escapes are gone: links of bare addresses, and icons. (It looks for emoji
# before that, so that an escape is enough.)
_WORDS = re.compile(r"(?i)(https?:(?=//)|\bwww(?=\.)|(?<=[\w.+-])@(?=[\w-]+\.)|:(?=material/|streamlit:))")
_PATH = re.compile(r"(?<![\w:/.<>~…\\])(?:[A-Za-z]:)?[/\\](?:[^/\\\s:;,]+[/\\])+(?=[^/\\\s:;,])|…/(?:[^/\s:;,]+/)+")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
TEMPLATES = frozenset({"hovertemplate", "texttemplate"})
"""What plotly fills in by itself: a name stands in them as `%{fullData.name}`, `%{text}` or `%{customdata}`."""


_ODD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def readable(text: str) -> str:
    """The text with what is no text in it spelled out: halves of characters, as in the name of a file with odd bytes,
    which can neither be sent to a browser nor written; control characters; and orders to write the other way, which
    would turn what stands behind them too."""
    return _ODD.sub(lambda found: ascii(found[0])[1:-1], text)


def in_line(text: str) -> str:
    """The text as one line of a terminal, which obeys nothing in it."""
    return readable(text).replace("\n", "\\n")


def load_json(text: str | bytes, **how: Any) -> Any:
    """What a stranger's JSON says, by `json.loads`, with every text `readable`: JSON can spell what is none."""
    return _readable_parts(json.loads(text, **how))


def _readable_parts(part: Any) -> Any:
    if isinstance(part, str):
        return readable(part)
    if isinstance(part, list):
        return [_readable_parts(each) for each in part]
    return {readable(key): _readable_parts(value) for key, value in part.items()} if isinstance(part, dict) else part


def literal(text: str) -> str:
    """The text for markdown of Streamlit, its labels and its messages, which shows it as it is.

    An invisible word joiner (U+2060) breaks what would become a link or an icon of itself.
    """
    return _PUNCTUATION.sub(r"\\\1", _WORDS.sub(rf"\1{_JOINER}", readable(text)))


def unescaped(markdown: str) -> str:
    """What a reader sees of such a text, and of one with bold words in it."""
    return _ESCAPED.sub(r"\1", markdown).replace(_JOINER, "")


def quote(value: object) -> str:
    """A stranger's value for a sentence of an error: quoted, and short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."


def sentence(error: Exception | str) -> str:
    """An error for a page: plain text in markdown, without the folders of the machine that it names files in."""
    text = str(error)
    # The longest first: a folder that lies in another one would be cut in two.
    for folder in sorted({str(each) for each in _folders()}, key=len, reverse=True):
        text = text.replace(f"{folder}{os.sep}", f"…{os.sep}")
    return literal(_PATH.sub("…/", text))


def _folders() -> Iterator[Path]:
    """Folders of this machine whose names may have spaces in them; others are known by their form."""
    for each in (
        tempfile.gettempdir(),
        Path.home(),
        Path.cwd(),
        sys.prefix,
        sys.base_prefix,
        Path(__file__).parents[1],
    ):
        folder = Path(each)
        yield from (path for path in (folder, folder.resolve()) if path != Path(path.anchor))


def in_figure(text: str) -> str:
    """The text for plotly, which reads some HTML in all of its labels; a new line stays one."""
    escaped = readable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\n", "<br>")


def plain(part: Any) -> Any:
    """The parts of a plotly figure with every text `in_figure` but for templates; themselves where nothing changes.

    So a chart is made of plain texts, and each place that hands a figure to plotly.js calls this.
    """
    if isinstance(part, dict):
        named = {key: value if key in TEMPLATES else plain(value) for key, value in part.items()}
        return part if all(named[key] is value for key, value in part.items()) else named
    if isinstance(part, list | tuple):
        listed = [plain(each) for each in part]
        return part if all(map(operator.is_, listed, part)) else listed
    if getattr(getattr(part, "dtype", None), "kind", None) in ("O", "U"):
        return plain(part.tolist())
    return in_figure(part) if isinstance(part, str) and in_figure(part) != part else part


def in_cell(value: Any) -> Any:
    """A value for a CSV file: a text that a spreadsheet would take for a formula begins with an apostrophe."""
    starts = isinstance(value, str) and value.startswith(_FORMULA)
    return f"'{value}" if starts and not _NUMBER.fullmatch(value) else value
