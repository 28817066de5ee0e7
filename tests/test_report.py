"""A report is one well-formed file that fetches nothing, and says what the records say."""

import base64
import csv
import dataclasses
import io
import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from attention import charts, figure_files, images, survey
from attention import cli as line
from attention.charts import overlay
from attention.charts.chart import Chart, as_csv
from attention.models import zoo
from attention.numbers import number
from attention.observe import Observation, observe, picture_of
from attention.records import GatescopeError
from attention.report import Document, Section, Table, html, report_of, survey_report
from attention.report import surveys as report_surveys
from attention.report.document import pack
from attention.report.observation import _blocks, _rejected
from tests import documents, surveys
from tests.blocks import Function

CHARTS = Path(charts.__file__).parents[1]
HOSTILE = '<script>alert("1")</script>&.jpg'
VOID = {"meta", "img", "br", "hr", "link", "input"}
FETCHING = {"src", "srcset", "data", "action", "poster", "background", "xlink:href"}


class Reader(HTMLParser):
    """Fails at a tag that is not closed; keeps attributes, the texts of scripts, and the text that is read."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.scripts, self.text, self.tags, self.packed = [], [], [], "", [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.is_packed = ("type", "application/gzip") in attributes
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            (self.packed if self.is_packed else self.scripts).append(data)
        elif self.open and self.open[-1] != "style":
            self.text += data


def observation(name="cbam", called="dog.jpg", random=False) -> Observation:
    picture = picture_of(called, images.samples()[0].path.read_bytes())
    return observe(zoo.load(name, random=random), picture)


@pytest.fixture(scope="module")
def subject() -> Observation:
    return observation(called=HOSTILE)


@pytest.fixture(scope="module")
def page(subject) -> Reader:
    return Reader(html(report_of(subject)))


def test_whose_a_sample_is_stands_in_its_report_whatever_its_file_is_called(page):
    sample = images.samples()[0]
    assert f"By {sample.author} ({sample.licence}), {sample.changes}." in page.text


@pytest.mark.parametrize("random", [False, True])
def test_what_to_beware_of_in_a_survey_stands_in_its_report(result, random):
    outputs = (-1, *result.outputs[1:])
    facts = result.provenance | {"network": result.provenance["network"] | {"random": random}}
    gates = (replace(result.gates[0], averaged="tiles of 2 x 2 places"), *result.gates[1:])
    survey_of = survey.LoadedSurvey(replace(result, outputs=outputs, provenance=facts, gates=gates))
    text = Reader(html(survey_report(survey_of))).text
    assert f"“{result.classes[0]}” names none of the network's outputs: those pictures count everywhere but" in text
    assert "Some gates were averaged over tiles of 2 × 2 places before they were counted." in text
    assert ("The network had random weights" in text) == random


def test_it_is_well_formed_and_refers_to_nothing_outside(page):
    for tag, name, value in page.attributes:
        assert name not in FETCHING or value.startswith("data:"), (tag, name, value[:80])
        assert name != "href" or value.startswith("data:application/gzip"), (tag, value[:80])
        assert not name.startswith("on")
    assert "link" not in page.tags and "iframe" not in page.tags
    policy = next(value for tag, name, value in page.attributes if name == "content" and "default-src" in value)
    assert policy.startswith("default-src 'none'") and "http" not in policy


def test_a_figure_has_the_width_that_its_texts_need(subject, page):
    charts = [item for section in report_of(subject).sections for item in section.items if isinstance(item, Chart)]
    needed = [chart.least_width for chart in charts if isinstance(chart.figure, go.Figure)]
    given = [value for _, name, value in page.attributes if name == "style"]
    assert given == [f"min-width: {round(least)}px" for least in needed] and max(needed) > 0


def test_no_address_stands_in_what_is_read(page):
    assert not re.search(r"https?:|www\.|[?&]\w+=", page.text)


def test_plotly_is_in_it_once_and_the_rest_that_is_packed_are_its_figures(page):
    *figures, library = map(documents.unpacked, page.packed)
    assert "plotly.js (cartesian - minified) v4" in library[:100] and "</script" not in library
    assert figures and all({"data", "layout"} == json.loads(figure).keys() for figure in figures)


@pytest.mark.parametrize("name", ["cbam-b0", "cbam", "efficientnet-b0"])
def test_a_report_of_a_picture_has_two_megabytes_at_most(name):
    assert len(html(report_of(observation(name))).encode()) < 1_700_000  # what a page adds has room


def test_a_report_of_a_survey_has_two_megabytes_at_most():
    ready = survey.LoadedSurvey(survey.read(images.samples()[0].path.parents[1] / "surveys" / "cbam.parquet"))
    assert len(html(survey_report(ready)).encode()) < 2_000_000


def test_every_trace_is_of_a_kind_that_the_packed_plotly_knows():
    known = set(re.findall(r'moduleType:"trace",name:"([a-z0-9]+)"', documents.unpacked(figure_files.plotly())))
    made = {
        name.lower() for path in CHARTS.rglob("*.py") for name in re.findall(r"\bgo\.([A-Z]\w*)\(", path.read_text())
    }
    assert {"bar", "scatter"} <= made - {"figure"} <= known


def test_the_name_of_a_strangers_file_stays_text(page):
    assert HOSTILE in page.text
    assert not any("alert(" in script for script in page.scripts if len(script) < 100_000)


def test_texts_in_a_figure_do_not_end_the_script_that_holds_them():
    figure = go.Figure(go.Scatter(y=[1], name="</script><script>alert(2)</script>"))
    document = Document("", "", (), [Section("", [Chart("hostile", figure, HOSTILE)])])
    read = Reader(html(document))
    assert read.tags.count("script") == 4
    assert (
        unescape(json.loads(documents.unpacked(read.packed[0]))["data"][0]["name"])
        == "</script><script>alert(2)</script>"
    )


def test_every_picture_and_chart_says_its_finding(page):
    assert all(value for tag, name, value in page.attributes if tag == "img" and name == "alt")
    charts = [value for tag, name, value in page.attributes if tag == "div" and name == "aria-label"]
    assert len([tag for tag in page.tags if tag == "figure"]) == page.tags.count("img") + len(
        [tag for tag, name, value in page.attributes if (tag, name, value) == ("figure", "class", "chart")]
    )
    assert all(charts)


def test_the_tables_hold_true_minima_and_maxima(subject):
    document = report_of(subject)
    items = [item for section in document.sections for item in section.items if isinstance(item, Chart)]
    (chart,) = [item for item in items if item.key == "gates"]
    rows = list(csv.DictReader(io.StringIO(as_csv(chart.table))))
    assert [row["gate"] for row in rows] == [gate.name for gate in subject.trace.gates]
    for row, gate in zip(rows, subject.trace.gates, strict=True):
        assert float(row["minimum"]) == pytest.approx(float(gate.values.min()))
        assert float(row["maximum"]) == pytest.approx(float(gate.values.max()))


def test_every_block_has_a_section_and_what_it_rests_on_is_said(subject, page):
    for gate in subject.trace.gates:
        assert gate.name in page.text
    for fact in ("SHA-256 of the weights in memory", subject.card.sha256, version("torch"), "preprocessing: mean"):
        assert fact in page.text


def test_every_gate_of_a_block_is_drawn_in_its_section_by_its_kind_with_all_its_values(subject):
    for block, section in zip(subject.blocks, _blocks(subject, {}), strict=True):
        drawn = [item for item in section.items if isinstance(item, Chart)]
        by_values = {tuple(np.ravel(chart.table["gate"])): chart for chart in drawn if "gate" in chart.table}
        for gate in block.gates:
            chart = by_values[tuple(np.ravel(gate.values[0]))]
            if gate.kind == "channel":
                assert sorted(chart.figure.data[0].y) == sorted(gate.values[0])
            else:
                assert isinstance(chart.figure, bytes)
                assert [other.key for other in drawn if other.numbers == chart.key] == [
                    f"{part}-{gate.name}" for part in ("alone", "scale")
                ]


def test_random_weights_are_marked():
    read = Reader(html(report_of(observation("se", random=True))))
    assert "The weights are random ones" in read.text


def test_a_network_without_gates_or_classes_is_still_reported(subject):
    network = zoo.load("plain")
    features = replace(network, module=nn.Sequential(network.module, nn.Unflatten(1, (5, 2))))
    read = Reader(html(report_of(observe(features, subject.picture))))
    assert "applied no gates" in read.text and "no number for each class" in read.text
    assert "Nothing here multiplies features by something computed from them." in read.text


def test_a_gate_of_another_kind_is_shown_as_cells_and_what_came_close_is_listed(subject):
    network = zoo.load("plain")
    block = Function(lambda m, x: (y := x * torch.sigmoid(m.one(x.mean((2, 3))))[:, :, None, None]) * torch.sigmoid(y))
    block.add_module("one", nn.Linear(3, 1))
    found = observe(replace(network, module=nn.Sequential(block, network.module)), subject.picture)
    (gate,), (near,) = found.trace.gates, found.trace.rejected
    (section,), (others,) = _blocks(found, {}), _rejected(found.trace)
    chart, (table,) = section.items[1], others.items
    assert chart.alt.startswith("0, a sample gate, 1 value from") and chart.table["value"] == gate.values[0]
    assert table.columns == {"module": ["0"], "reason": [near.reason], "products": [1]}


def test_a_long_table_is_cut_on_the_page_and_whole_in_its_file():
    table = Table("t", "T", {"n": range(1000)})
    assert len(table.rows) == 50 and table.left_out == 950
    assert documents.unpacked(table.address.partition(",")[2]).count("\n") == 1001


def test_a_table_that_a_report_has_no_room_for_says_so():
    table = Table("t", "T", {"n": np.random.default_rng(0).random(50_000)})
    read = Reader(html(Document("", "", [], [Section("", [table])])))
    assert "This table has 50,000 rows: too many for a report." in read.text and "more rows are in" not in read.text
    assert not any(name == "href" for _, name, _ in read.attributes)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456, "0.123"),
        (-0.5, "−0.5"),
        (12345, "12,345"),
        (float("nan"), "–"),
        (None, "–"),
        (True, "yes"),
        ("a", "a"),
    ],
)
def test_numbers_are_said_with_three_digits(value, text):
    assert number(value) == text


def test_a_drawing_stays_exact_and_a_photograph_nearly_so():
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    drawn = Image.fromarray(pixels)
    for encoded, most in ((overlay.png(drawn), 0), (overlay.jpeg(drawn.resize((64, 64)).resize((8, 6))), 16)):
        read = Reader(html(Document("", "", [], [Section("Pictures", [Chart("picture", encoded, "A picture.")])])))
        (source,) = [value for tag, name, value in read.attributes if (tag, name) == ("img", "src")]
        head, _, data = source.partition(",")
        assert head == "data:image/webp;base64"
        held, given = (Image.open(io.BytesIO(each)).convert("RGB") for each in (base64.b64decode(data), encoded))
        assert np.abs(np.asarray(held, int) - np.asarray(given, int)).mean() <= most


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    source = surveys.folder(tmp_path_factory.mktemp("pictures"), {"a": 3, "b": 2, "<b>": 2})
    (source / "a" / "broken.png").write_bytes(b"nothing")
    (source / "a" / "notes.txt").write_bytes(b"no picture")
    return survey.run(surveys.network(), survey.list_pictures(source), settings=survey.Settings(batch_size=2))


def test_a_survey_says_its_pictures_failures_and_provenance(result):
    read = Reader(html(survey_report(survey.LoadedSurvey(result))))
    for text in (
        "7 pictures were used, in 3 classes",
        "broken.png",
        "1 of 8 pictures could not be used; they are named below.",
        "1 file was left out: no pictures by their name",
        "fingerprint",
    ):
        assert text in read.text
    for title in ("role of excitation", "tell classes apart", "do anything", "spatial gates open", "rest on"):
        assert title in read.text


def test_a_survey_of_random_weights_without_gates_says_both(tmp_path):
    tiny = surveys.network(nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    drawn = replace(tiny, card=replace(tiny.card, random=True))
    found = survey.run(drawn, survey.list_pictures(surveys.folder(tmp_path, {"a": 2, "b": 1})))
    read = Reader(html(survey_report(survey.LoadedSurvey(found))))
    assert "This network applied no gates that stand for channels or for the places" in read.text
    assert "The network had random weights" in read.text and "do anything" not in read.text


def test_a_survey_folds_its_numbers_but_not_what_they_are_of_and_what_went_wrong(result):
    items = [item for section in survey_report(survey.LoadedSurvey(result)).sections for item in section.items]
    tables = {item.name: item.open for item in items if isinstance(item, Table)}
    assert {name for name, unfolded in tables.items() if unfolded} == {"classes", "failures", "provenance"} < {*tables}


def test_the_class_means_of_a_survey_are_its_own(result):
    document = survey_report(survey.LoadedSurvey(result))
    tables = {item.name: item for section in document.sections for item in section.items if isinstance(item, Table)}
    gate = next(gate for gate in result.gates if gate.by_channel)
    rows = list(zip(*tables["class-means"].columns.values(), strict=True))
    assert [row[4] for row in rows if row[0] == gate.name] == np.ravel(gate.classes.mean).tolist()


def test_names_of_classes_are_no_markup_in_a_figure(result):
    read = Reader(html(survey_report(survey.LoadedSurvey(result))))
    assert any(
        "\\u0026lt;b\\u0026gt;" in figure or "&lt;b&gt;" in figure for figure in map(documents.unpacked, read.packed)
    )


def command(*arguments):
    return CliRunner().invoke(line.main, ["report", *map(str, arguments)])


def test_the_command_writes_the_report_of_a_picture_and_of_a_survey(tmp_path, result):
    picture, parquet = images.samples()[0].path, tmp_path / "r.parquet"
    assert "report is in" in command(picture, "--model", "se", "--out", tmp_path / "a.html").output
    from attention.survey.files import write

    write(result, parquet)
    assert "report is in" in command(parquet, "--out", tmp_path / "b.html").output
    assert "What does it cost?" in Reader((tmp_path / "a.html").read_text()).text
    assert "role of excitation" in Reader((tmp_path / "b.html").read_text()).text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nothing.png", "--model", "se"], "There is no file"),
        (["{picture}"], "A picture needs a network"),
        (["{picture}", "--model", "resnet51"], "no classifier"),
        (["{bad}", "--model", "se"], "."),
        (["{bad}.parquet", "--model", "se"], "names its network"),
        (["{bad}.parquet"], "no result of a survey"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments, text, tmp_path):
    for name in ("bad", "bad.parquet"):
        (tmp_path / name).write_bytes(b"nothing")
    names = {"picture": images.samples()[0].path, "bad": tmp_path / "bad", "folder": tmp_path}
    given = [each.format(**names) for each in arguments]
    outcome = command(*given, "--out", tmp_path / "r.html")
    assert isinstance(outcome.exception, GatescopeError) and text in str(outcome.exception)
    assert "\n" not in str(outcome.exception)


def test_where_a_report_cannot_be_written_is_said_before_it_is_made(monkeypatch):
    monkeypatch.setattr(zoo, "load", lambda *_, **__: pytest.fail("a network was loaded"))
    picture = images.samples()[0].path
    outcome = command(picture, "--model", "se", "--out", picture / "no" / "r.html")
    assert outcome.exit_code == 2 and "is no folder that can be written to" in " ".join(outcome.output.split())


@pytest.mark.parametrize(
    ("text", "kept"), [("", ""), ("é ≤ −", "é ≤ −"), ("a\udcffb", "a\\udcffb"), ("\ud800", "\\ud800")]
)
def test_what_is_packed_comes_back_and_what_is_no_text_is_spelled_out(text, kept):
    assert documents.unpacked(pack(text)) == kept
    assert pack(text) == pack(text)


def test_a_surveys_report_counts_the_gates_that_it_does_not_show(result):
    shown = survey.LoadedSurvey(result)
    other = dataclasses.replace(result.gates[0], name="other", kind="token", top=None)
    more = survey.LoadedSurvey(dataclasses.replace(result, gates=(*result.gates, other)))
    assert len(more.gates) == len(shown.gates)
    sentence = "stand for neither channels nor places"
    assert sentence not in html(survey_report(shown))
    assert f"1 of {len(result.gates) + 1} gates {sentence}" in html(survey_report(more))


def test_constant_channels_and_places_are_counted_and_not_averaged_over_gates():
    gates = (SimpleNamespace(name="a", shape=(30,)), SimpleNamespace(name="b", shape=(7, 10)))
    health = {"a": SimpleNamespace(name="a", constant=1.0, deviation=0.01)}
    health["b"] = SimpleNamespace(name="b", constant=0.1, deviation=0.2)
    loaded = SimpleNamespace(gates=gates, health=lambda: health, result=SimpleNamespace(pictures=9))
    told = report_surveys._answer(loaded)
    assert told.startswith("37% of the 100 channels and places of 2 gates are constant") and "; b varies most" in told


def test_figures_of_a_report_become_files_on_light_ground_until_another_is_chosen(subject):
    (choice,) = re.findall('<select id="ground">(.*?)</select>', html(report_of(subject)))
    assert choice == "<option>light</option><option>dark</option>"  # of which a browser begins with the first


def test_the_font_of_a_figure_is_one():
    kind, _, data = figure_files.font().partition(",")
    assert kind == "data:font/woff;base64" and base64.b64decode(data, validate=True)[:4] == b"wOFF"
