"""Whatever a page draws of numbers, it offers as a table whose values are those that are drawn; its figures and
jobs keep the laws of all of them."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from streamlit.testing.v1 import AppTest

from attention import ui
from attention.charts.chart import Chart
from attention.interventions import Edit, files
from attention.numbers import fixed, number
from attention.report import Table
from attention.ui import jobs, usual, widgets
from attention.ui.jobs import Count
from tests import coordinate
from tests.charts import check_look
from tests.jobs import finished
from tests.pages import filled

ROOT = Path(__file__).parents[1]
DRAWING = [path for folder in ("attention/ui", "pages") for path in sorted((ROOT / folder).rglob("*.py"))]
TABS = {"excitation": "part", "cbam": "tab", "compare": "about", "intervene": "section", "grouped": "section"}
TABS |= {"survey": "part"}
"""What a link calls the open tab of a page; the others have none."""
BLOCK = "layer4.0.attention"
EDITS = {kind: files.to_code([Edit("mean", kind, BLOCK)]) for kind in ("channel", "spatial")}
OPENED = [
    *((page, {"network": network}) for page in ui.PAGES if page != "compare" for network in ("se", "cbam")),
    *((page, {"network": "timm/resnest14d", "weights": "Random"}) for page in ("overview", "excitation", "intervene")),
    *((page, {"network": coordinate.NAME, "weights": "Random"}) for page in ("overview", "cbam")),
    ("excitation", {"network": "timm/seresnet50", "weights": "Random"}),  # more channels than bars
    ("compare", {"network": "cbam", "beside": "plain"}),
    ("compare", {"network": "cbam", "side": "Two pictures"}),
    *(
        ("intervene", {"network": "cbam", "block": BLOCK, "kind": kind.capitalize(), "edits": edits})
        for kind, edits in EDITS.items()
    ),
    ("grouped", {"network": "se-resnext"}),
]
NUMBER = r"(−?[\d.,]*\d(?: × 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)"
DRESSED = re.compile(r"[≤<]?\s*[−+]?[\d.,]+\s?(?:[kMGT%]|× 10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)|−[\d.,]+|\d{1,3}(?:,\d{3})+")
"""A number as `attention.numbers` writes it for a person, and no spreadsheet reads it."""
CHOICES = re.compile("selectbox|toggle|number_input|(?:select_)?slider|button_group|multiselect|pagination|text_input")
HERE_ALONE = re.compile("origin|source|action|survey_from|along|many_most|many_pictures|name_.*|step_number")
"""Choices of files of one's own, of what is done next, and of how much a job takes: nothing that a link could hold.
A lesson's step stands in the address as the page writes it."""
DERIVED = {
    "legend": "counts of the values by bin",
    "partition": "a drawing",
    "proof": "colours of groups where an output answers",
}
"""Charts that draw something else than the numbers of their table."""


@pytest.mark.parametrize(("page", "link"), OPENED)
@pytest.mark.usefixtures("home", "sparing")
def test_every_chart_and_every_map_is_offered_with_the_numbers_that_are_drawn(page, link, monkeypatch):
    coordinate.offer(monkeypatch)
    monkeypatch.setattr(widgets, "is_near", lambda part, where: True)  # the end of the overview is drawn at once
    monkeypatch.setattr(usual, "AT_ONCE", float("inf"))  # AppTest cannot click beside a network that was typed
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(jobs, "Count", lambda *count: told.append(count) or Count(*count))
    first = opened(page, link)
    for tab in [tab.label for tab in first.tabs] or [""]:  # the first is open
        shown = opened(page, link | {TABS[page]: tab}) if tab and tab != first.tabs[0].label else first
        for key in [button.key for button in shown.button if re.match("start_|measure", button.key or "")]:
            cost = [each.value for each in shown.markdown]
            sound(finished(shown.button(key=key).click().run()))
            check_progress(told, cost)
            told.clear()
        check(shown)
        assert filled(shown) == [tab] * bool(tab)


def opened(page: str, link: dict[str, str]) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=180)
    for key, value in link.items():
        app.query_params[key] = value
    app.session_state["many_most"] = 2  # pictures, of which the interventions show what holds over many
    return sound(app.switch_page(f"pages/{page}.py").run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [error.value for error in app.error]
    return app


def check_progress(told: list[tuple[int, int]], cost: list[str]) -> None:
    """A job begins with nothing, never goes back, and comes no further than to all of what it was said to cost."""
    counts = re.findall(r"([\d,]+) (?:forward |backward|pass|picture)", str(cost))
    said = [int(count.replace(",", "")) for count in counts]
    for done, total in told:
        assert 0 <= done <= total == told[0][1] and total in {*said, *map(sum, pairwise(said))}
    assert told == sorted(told) and told[:1] == [(0, total) for _, total in told[:1]]


def check(app: AppTest) -> None:
    check_elements(app)
    items = app.session_state["_recorder"].items
    charts = {chart.proto.id.rsplit("-", 1)[1]: chart for chart in app.get("plotly_chart")}
    own = {part.proto.id.rsplit("-", 1)[1] for part in app.get("bidi_component")}
    assert charts.keys() | own >= {key for key, item in items.items() if is_figure(item)} >= charts.keys()
    offered = [(item.name, item.columns) for item in items.values() if isinstance(item, Table)]
    offered += [(item.key, item.table) for item in items.values() if isinstance(item, Chart) and item.table]
    tables = dict(offered)
    assert len(tables) == len(offered), "a report would hold a table twice"
    for name, columns in tables.items():
        said = {str(cell) for cells in columns.values() for cell in cells}
        assert not {cell for cell in said if DRESSED.fullmatch(cell)}, f"{name}: numbers that only a person can read"
        assert not {"", "first", "second", "change", "P"} & columns.keys(), f"{name}: of what?"
    for key, item in items.items():
        if is_figure(item) and isinstance(item.figure, go.Figure):
            check_look(item.figure)
            assert item.caption or item.headline, f"a report would hold {key} without a word"
        if is_figure(item) and key not in DERIVED:
            measured = np.concatenate([np.empty(0), *drawn(item.figure)])
            assert np.isin(rounded(measured), rounded(values(tables[item.table_name]))).all(), key
        elif isinstance(item, Chart) and not is_figure(item) and item.table_name:
            named = re.findall(rf"{NUMBER} (?:to|…) {NUMBER}", item.caption)
            assert named, item.caption
            written = {form(value) for value in values(tables[item.table_name]) for form in (fixed, number)}
            assert {end for ends in named for end in ends} <= written, item.caption


def check_elements(app: AppTest) -> None:
    """Headings have no anchors, which would stand for no page; a link holds each choice but those of HERE_ALONE; a
    number has two ends and lies between; a bar is as long as the share that is written on it."""
    for node in app._tree:
        proto, kind = getattr(node, "proto", None), getattr(node, "type", "")
        if kind in ("title", "header", "subheader"):
            assert proto.hide_anchor, proto.body
        elif CHOICES.fullmatch(kind):
            name = proto.id.rpartition("-")[2]
            assert bool(proto.query_param_key) != bool(HERE_ALONE.fullmatch(name)), name
            assert proto.query_param_key in ("", name)
        if kind == "number_input":
            assert proto.has_min and proto.has_max and proto.min <= proto.default <= proto.max and proto.step == 1
        if kind == "button_group" and proto.style != proto.Style.PILLS:
            assert proto.required  # or a second click would leave nothing chosen
        if kind == "progress":
            share = float(proto.text.rstrip("%").rpartition(" ")[2])
            assert share - 1.05 <= proto.value <= share + 0.05, proto.text


def is_figure(item):
    return isinstance(item, Chart) and not isinstance(item.figure, bytes)


def drawn(figure):
    """The measurements in a figure's traces; where a point stands in a row of names is none."""
    for trace in figure.data:
        if trace.type == "heatmap":
            yield finite(trace.z)
        elif trace.type == "box":
            yield from (finite(getattr(trace, name)) for name in ("lowerfence", "q1", "median", "q3", "upperfence"))
        else:
            base = finite(trace.base) if trace.type == "bar" and trace.base is not None else 0
            for side in ("x", "y"):
                found = finite(getattr(trace, side))
                if not in_order(found) and not named(figure, trace, side):
                    yield found + base


def finite(numbers):
    array = np.asarray([np.nan if each is None else each for each in np.ravel(numbers)])
    return array[np.isfinite(array)] if array.dtype.kind in "fiu" else np.empty(0)


def in_order(numbers):
    """Whether these are the places of values in a row, each of them or some of them."""
    return bool((np.diff(numbers) >= 0).all() and (2 * numbers == np.round(2 * numbers)).all())


def named(figure, trace, side):
    axis = getattr(trace, f"{side}axis") or side
    return figure.layout[f"{side}axis{axis[1:]}"].ticktext is not None


def values(columns):
    return np.concatenate([np.empty(0), *map(finite, columns.values())])


def rounded(numbers):
    return np.round(numbers.astype(np.float32), 5)


def test_what_every_call_draws_is_a_table_that_some_call_offers():
    """In states of the pages, too, that no other test opens."""
    calls = [
        (path, node, node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id)
        for path in DRAWING
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)
    ]
    offered = {keyword.arg for _, node, name in calls if name == "data" for keyword in node.keywords} | {"strip"}
    for path, node, name in calls:
        given = {keyword.arg: keyword.value for keyword in node.keywords}
        if name in ("chart", "picture") and "alt" in given:
            table = given.get("table", given["key"])
            assert isinstance(table, ast.Constant) and table.value in {*offered, None}, f"{path}:{node.lineno}"
        assert name != "plotly_chart" or path.name == "widgets.py", f"{path}:{node.lineno}"
        if name == "dataframe":  # the numbers of its rows would stand beside it, and say nothing
            assert ast.unparse(given["hide_index"]) == "True" and "alt" in given, f"{path}:{node.lineno}"
