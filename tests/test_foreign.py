"""Texts of strangers: as they are wherever text is markup."""

import csv
import html
import io
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attention import foreign
from attention.charts.chart import as_csv


def read_back(text: str) -> str:
    """What a reader of markdown sees: each escape is its character, and a joiner is not seen."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).replace("\u2060", "")


@given(st.text())
def test_markdown_shows_every_text_as_it_is(text):
    shown = foreign.literal(text)
    assert read_back(shown) == foreign.readable(text).replace("\u2060", "")
    assert not re.search(r"(?<!\\)(?:\\\\)*[!-/:-@\[-`{-~]", re.sub(r"\\[!-/:-@\[-`{-~]", "", shown))


@pytest.mark.parametrize("shown", [foreign.readable, foreign.literal, foreign.sentence, foreign.in_figure])
def test_what_is_no_text_is_spelled_out_and_can_be_sent(shown):
    assert "udcff" in shown("a\udcffb").encode().decode()
    for order in "\x00\x07\x1b\x7f\x85\r\u202a\u202e\u2066\u2069":
        assert not set(shown(f"a{order}b")) & {order}
    for text in ("aé\U0001f600", "a\tb\nc", "\u05d0\u200f", "\u0915\u094d\u200d\u0937", "\U0001f469\u200d\U0001f680"):
        assert foreign.readable(text) == text


def test_json_that_spells_what_is_no_text_is_read_with_it_spelled_out():
    assert foreign.load_json('{"a\\ud800": ["\\u202e", {"b": 1.5, "c": [null, true]}]}') == {
        r"a\ud800": [r"\u202e", {"b": 1.5, "c": [None, True]}]
    }
    with pytest.raises(ValueError, match="two"):
        foreign.load_json("{}", object_pairs_hook=raising)


def raising(pairs):
    raise ValueError("two")


@pytest.mark.parametrize(
    "text", ["https://a.example", "see www.a.example", "me@a.example", ":material/home:", ":streamlit:"]
)
def test_no_word_turns_into_a_link_or_an_icon(text):
    assert foreign.unescaped(f"**{foreign.literal(text)}**") == foreign.readable(text).replace("\u2060", "")
    seen = foreign.literal(text).replace("\\", "")
    for live in (r"https?://", r"www\.", r"\w@\w", r":material/\w+:", r":streamlit:"):
        assert not re.search(live, seen, re.IGNORECASE)


@pytest.mark.parametrize(("said", "shown"), [
    (f"{Path(tempfile.gettempdir(), 'gatescope-x1', 'a b.zip')} holds no files.", "…/a b.zip holds no files."),
    (f"put the file at {Path.home()}/.cache/torch/x.pth by hand", "put the file at …/x.pth by hand"),
    (f"failed ({Path(np.__file__)}, line 3)", "failed (…/__init__.py, line 3)"),
    ("/srv/pictures/birds is not there", "…/birds is not there"),
    ("from https://a.example/b/c.pth: no timm/x/y, 3/4 a/b", "from https://a.example/b/c.pth: no timm/x/y, 3/4 a/b"),
    ("a gate / b, n/a, </b></i>", "a gate / b, n/a, </b></i>"),
])  # fmt: skip
def test_a_sentence_names_files_without_the_folders_of_the_machine(said, shown):
    assert read_back(foreign.sentence(ValueError(said))) == shown


@given(st.text(), st.text())
def test_a_figure_has_every_text_as_it_is_and_a_new_line_as_one(name, tick):
    figure = go.Figure(go.Scatter(x=np.array([0, 1]), y=[1.0, 2.0], name=name, hovertemplate="%{y}<extra></extra>"))
    figure.update_xaxes(tickvals=[0, 1], ticktext=[tick, "b"])
    shown = go.Figure(foreign.plain(figure.to_dict()))
    for text, found in ((name, shown.data[0].name), (tick, shown.layout.xaxis.ticktext[0])):
        assert not re.search(r"<(?!br>)|>(?<!<br>)", found)
        assert html.unescape(found.replace("<br>", "\n")) == html.unescape(
            html.escape(foreign.readable(text), quote=False)
        )
    assert (
        shown.data[0].hovertemplate == "%{y}<extra></extra>"
        and shown.to_dict()["data"][0]["x"] == figure.to_dict()["data"][0]["x"]
    )
    assert figure.data[0].name == name, "the chart itself is another figure"


def test_texts_in_arrays_of_a_figure_are_escaped_too():
    names = np.array(["<a href='x'>y</a>", "z"], object)
    (bars,) = go.Figure(foreign.plain(go.Figure(go.Bar(x=names, y=[1, 2], customdata=names)).to_dict())).data
    assert list(bars.x) == list(bars.customdata) == ["&lt;a href='x'&gt;y&lt;/a&gt;", "z"]


@given(st.lists(st.text(alphabet="=+-@\t\r\n,\"'a1 "), min_size=1))
def test_no_cell_begins_a_formula_and_every_text_can_be_read_back(texts):
    rows = list(csv.reader(io.StringIO(as_csv({"=head()": texts}), newline="")))
    assert rows[0] == ["'=head()"]
    for text, row in zip(texts, rows[1:], strict=True):
        cell = row[0] if row else ""
        assert cell.removeprefix("'" if cell == f"'{text}" else "") == text
        assert not re.match(r"[=@\t\r]|[+-](?!\d+$)", cell)


def test_numbers_stay_numbers_in_a_table():
    assert as_csv({"n": [-1.5, 2, "-0.25"]}).split() == ["n", "-1.5", "2", "-0.25"]


def test_no_text_of_the_project_in_a_figure_is_markup():
    """It would be shown as it is: a new line is a new line."""
    charts = Path(__file__).parents[1] / "attention" / "charts"
    assert [path.name for path in charts.rglob("*.py") if "<br>" in path.read_text(encoding="utf-8")] == []


def test_of_folders_in_one_another_the_innermost_is_left_out_of_a_sentence(monkeypatch):
    outer, inner = f"{os.sep}a b", f"{os.sep}a b{os.sep}c d"
    for folders in ([outer, inner], [inner, outer]):
        monkeypatch.setattr(foreign, "_folders", lambda folders=folders: folders)
        assert read_back(foreign.sentence(f"{inner}{os.sep}cat is no picture")) == f"…{os.sep}cat is no picture"
