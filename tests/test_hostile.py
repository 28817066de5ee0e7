"""Names, labels, files, addresses and errors of a stranger: markup on no page, in no figure, in no report."""

import dataclasses
import io
import json
import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf.message import Message
from PIL import Image
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from attention import observe, serving, survey, ui, views
from attention.models import Network
from attention.records import ModelCard
from attention.report import html, survey_report
from attention.serving import current
from attention.survey import LoadedSurvey
from attention.ui import presenting
from benchmarks.survey_page import PARTS
from tests import attacks, documents
from tests.jobs import finished
from tests.surveys import folder
from tests.test_page_data import TABS

pytestmark = pytest.mark.usefixtures("sparing")
NAME = "![Zq](y) <b>Zq</b> <a href=y>Zq</a> :red[Zq] **Zq** `Zq` $Zq$ :Zq: =Zq()"
"""Markup of every kind, around a word that nothing of the project's own has."""
FILE = NAME.replace("/", "|")
"""The same where a path is meant."""
ODD = "\ud800\u202e\x1b"
"""Half a character, an order to write the other way, and one to a terminal."""
NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]")
LIVE = re.compile(r"(?<!\\)[\[>*`$:]Zq")
"""Markup that was not escaped."""
FOLDERS = {Path.home(), Path.cwd(), Path(tempfile.gettempdir()), Path(sys.prefix), Path(torch.__file__).parents[1]}
"""The server's."""
PRIVATE = re.compile("|".join(re.escape(f"{path}/") for each in FOLDERS for path in {each, each.resolve()}).encode())
AS_IT_IS = {
    "alt", "id", "json", "options", "placeholder", "raw_value", "raw_values", "value", "default", "spec", "element_id",
    "url",
}  # fmt: skip
"""Parts of elements that are no markdown. Options are, of pills and rows; these hold no names of strangers. What our
own components get, `json`, they set as text."""


class Channel(nn.Module):
    """A gate by channel."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(4 * self.line(x.mean((2, 3))))[:, :, None, None]


class Places(nn.Module):
    """A gate by place."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.kernel(x))


class Hostile(nn.Module):
    """Three blocks whose names are markup."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.grouped = nn.Conv2d(3, 8, 3, stride=4), nn.Conv2d(8, 8, 3, groups=4)
        for stage in range(3):
            self.add_module(f"{stage}{NAME}", nn.Sequential(Channel(), Places()))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grouped(self.first(x).relu())
        for stage in range(3):
            x = getattr(self, f"{stage}{NAME}")(x)
        return self.head(x.mean((2, 3)))


def network() -> Network:
    names = tuple(f"{number}{FILE}" for number in range(3))
    card = ModelCard(NAME, f"{NAME} title", f"{NAME} described", "code", NAME, 0, 64, (0.5,) * 3, (0.2,) * 3)
    card = ModelCard(**vars(card) | {"labels": names, "notes": (NAME,), "assumed": (NAME,)})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Network(card, Hostile().eval())


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "_current", [])
    serving.set_network(network())


def texts(message: Message, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text in an element that Streamlit sends to a browser, with the part that holds it."""
    for field, value in message.ListFields():
        several = value if not isinstance(value, str | bytes | Message) and hasattr(value, "__iter__") else [value]
        for each in several.values() if hasattr(several, "values") else several:
            if isinstance(each, Message):
                yield from texts(each, f"{path}.{field.name}")
            elif isinstance(each, str):
                yield f"{path}.{field.name}", each


def check(app: AppTest) -> str:
    """Nothing of the page is a stranger's markup; all of its texts."""
    assert not app.exception, app.exception
    said = []
    for node in app._tree:
        proto: Any = getattr(node, "proto", None)
        if isinstance(proto, Message):  # tables too, which are bytes
            assert not PRIVATE.search(proto.SerializeToString()), proto
        for path, text in texts(proto) if isinstance(proto, Message) else ():
            said.append(text)
            assert not NO_TEXT.search(text), f"{type(proto).__name__}{path}: {text!r}"
            if path.endswith(".spec") or path == ".spec":
                check_figure(json.loads(text))
            elif path.rpartition(".")[2] not in AS_IT_IS:
                assert not LIVE.search(text), f"{type(proto).__name__}{path}: {text}"
    return " ".join(said)


def check_figure(part: Any) -> None:
    if isinstance(part, dict):
        for value in part.values():
            check_figure(value)
    elif isinstance(part, list):
        for value in part:
            check_figure(value)
    elif isinstance(part, str):
        assert not re.search(r"<b>Zq|<a href", part), part


def test_what_is_not_escaped_or_names_a_folder_is_found():
    app = AppTest.from_string(f"import streamlit as st\nst.metric({NAME!r}, 1)").run()
    with pytest.raises(AssertionError, match="Metric"):
        check(app)
    for shown in ("st.caption(__file__)", "st.dataframe({'file': [__file__]})"):
        with pytest.raises(AssertionError, match=re.escape(tempfile.gettempdir())):
            check(AppTest.from_string(f"import streamlit as st\n{shown}").run())
    with pytest.raises(AssertionError):
        check_figure({"data": [{"x": [NAME]}]})


def opened(page: str, link: dict[str, str]) -> AppTest:
    app = AppTest.from_file(serving.APP, default_timeout=180)
    for key, value in link.items():
        app.query_params[key] = value
    for key in ("equations", "survey_facts", "takeaway", "folding"):
        app.session_state[key] = True
    (app if page == "overview" else app.switch_page(f"pages/{page}.py")).run()
    app.segmented_control(key="source").set_value("Upload").run()
    bytes_of = [png(number) for number in range(2)]
    files = [(f"{number}{NAME}.png", data, "image/png") for number, data in enumerate(bytes_of)]
    return app.file_uploader(key="upload").set_value([*files, (f"{NAME}.png", b"broken", "image/png")]).run()


def png(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 255, (80, 80, 3)).astype(np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("page", ui.PAGES)
@pytest.mark.usefixtures("served")
def test_no_name_of_a_network_of_its_classes_or_of_a_picture_is_markup_on_any_page(page):
    first = opened(page, {})
    for tab in [tab.label for tab in first.tabs] or [""]:  # the first is open
        app = opened(page, {TABS[page]: tab}) if tab and tab != first.tabs[0].label else first
        assert "Zq" in check(app)
        for key in [button.key for button in app.button if re.match("start_|measure", button.key or "")]:
            check(finished(app.button(key=key).click().run()))


@pytest.mark.parametrize("page", ui.PAGES)
def test_no_word_of_an_address_is_markup_on_any_page(page):
    app = AppTest.from_file(serving.APP, default_timeout=180)
    for key in presenting.KEYS - {"cards", "shown"}:
        app.query_params[key] = NAME
    check((app if page == "overview" else app.switch_page(f"pages/{page}.py")).run())
    assert any("Zq" in each.value for each in (*app.caption, *app.error))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> survey.Result:
    pictures = folder(tmp_path_factory.mktemp("p") / FILE, {f"{number}{FILE}": 6 for number in range(3)}, side=40)
    (pictures / f"0{FILE}" / f"{FILE}.png").write_bytes(b"broken")
    made = survey.run(network(), survey.list_pictures(pictures))
    gates = tuple(dataclasses.replace(gate, name=f"{gate.name}{ODD}") for gate in made.gates)
    paths = {number: f"{path}{ODD}" for number, path in made.paths.items()}
    made = dataclasses.replace(made, classes=tuple(f"{name}{ODD}" for name in made.classes), gates=gates, paths=paths)
    return survey.with_root(made, f"{FILE}{ODD}")


@pytest.mark.parametrize("part", PARTS)
def test_no_word_of_a_survey_is_markup_on_its_page(result, tmp_path, part):
    survey.write(result, tmp_path / "r.parquet")
    app = AppTest.from_file(serving.APP, default_timeout=120)
    app.session_state["survey_from"] = "Open a file"
    app.query_params["part"] = part
    app.switch_page("pages/survey.py").run()
    upload = (f"{NAME}.parquet", (tmp_path / "r.parquet").read_bytes(), "application/octet-stream")
    app.file_uploader(key="survey_file").set_value(upload).run()
    app.session_state["survey_facts"] = True
    assert "Zq" in check(app.run())
    check(app.file_uploader(key="survey_file").set_value((f"{NAME}.parquet", b"PAR1", "")).run())


def test_no_word_of_a_survey_is_markup_in_its_report(result):
    page = html(survey_report(LoadedSurvey(result, "key")))
    figures = [documents.unpacked(each) for each in re.findall(r'<script type="application/gzip">(.*?)</script>', page)]
    assert "Zq" in page and any("Zq" in figure for figure in figures)
    for text in (page, *figures):
        assert not re.search(r"<b>Zq|<a href=y|\\u003ca href", text)
        assert not PRIVATE.search(text.encode())


@pytest.mark.parametrize("state", [{NAME: torch.ones(3)}, {f"layer1.0.{NAME}{ODD}": torch.ones(2, 2)}])
def test_no_key_of_a_weight_file_is_markup(state):
    app = AppTest.from_file(serving.APP, default_timeout=120).run()
    app.segmented_control(key="origin").set_value("Your weights").run()
    uploader = next(each for each in app.file_uploader if each.key.startswith("weights_"))
    app = uploader.set_value((f"{NAME}.pth", attacks.saved(state), "application/octet-stream")).run()
    assert "Zq" in check(app) and app.error


@pytest.mark.parametrize("view", [views.SavedView(NAME, "overview", ""), views.SavedView("a", NAME, ""),
                                  views.SavedView("a", "overview", f"{NAME}=1")])  # fmt: skip
def test_no_title_page_or_key_of_a_list_of_views_is_markup(view):
    app = AppTest.from_file(serving.APP, default_timeout=120)
    app.session_state["takeaway"] = True
    app.run()
    app.file_uploader(key="views_file").set_value(("v.json", views.write([view]).encode(), "application/json")).run()
    assert "Zq" in check(app)


class Broken(nn.Module):
    """A network that lacks a file, and says where."""

    def __init__(self, missing: Path) -> None:
        super().__init__()
        self.head, self.missing = nn.Linear(3, 3), missing

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] == 64:
            self.missing.read_bytes()
        return self.head((x * torch.sigmoid(x.mean((2, 3), keepdim=True))).mean((2, 3)))


@pytest.mark.parametrize("page", ui.PAGES)
def test_no_page_names_a_folder_of_the_server_whatever_goes_wrong(page, tmp_path, monkeypatch):
    card = ModelCard("package.module:factory", "Mine", "", "code", "", 0, 64, (0.5,) * 3, (0.2,) * 3)
    monkeypatch.setattr(current, "_current", [])
    serving.set_network(Network(card, Broken(tmp_path / "Zq lies here.pt").eval()))
    monkeypatch.setattr(current, "_allowed", [folder(tmp_path / "holidays", {"a": 2}), tmp_path / "gone" / "away"])
    app = AppTest.from_file(serving.APP, default_timeout=180)
    app.session_state["survey_from"], app.session_state["survey_pictures"] = "Start one", "holidays"
    app.session_state["takeaway"] = True
    app = (app if page == "overview" else app.switch_page(f"pages/{page}.py")).run()
    if not page.startswith("lesson"):
        said = check(app)
        assert page == "survey" or "Zq lies here" in said.replace("\\", "")
    for key in [button.key for button in app.button if re.match("start_|survey_start|measure", button.key or "")]:
        check(finished(app.button(key=key).click().run()))
    app.segmented_control(key="source").set_value("Upload").run()
    bad = [("broken.png", b"\x89PNG"), (f"{tmp_path}/empty.jpg", b""), ("x.webp", b"RIFF1234WEBP")]
    check(app.file_uploader(key="upload").set_value([(*each, "image/png") for each in bad]).run())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names of files")
def test_names_of_files_that_are_no_text_end_no_page(tmp_path, monkeypatch):
    odd = "odd\udcff"
    pictures = folder(tmp_path / odd, {odd: 2})
    next((pictures / odd).iterdir()).rename(pictures / odd / f"{odd}.png")
    (pictures / odd / f"{odd} broken.png").write_bytes(b"broken")
    assert observe.read_picture(pictures / odd / f"{odd}.png").name == r"odd\udcff.png"
    monkeypatch.setattr(current, "_allowed", [pictures])
    app = AppTest.from_file(serving.APP, default_timeout=180)
    app.session_state["survey_from"], app.session_state["survey_pictures"] = "Start one", r"odd\udcff"
    app.switch_page("pages/survey.py").run()
    app = finished(app.button(key="survey_start").click().run())
    app.session_state["survey_facts"] = True
    assert "udcff" in check(app.run()) and not app.error


def test_no_sentence_of_a_page_names_a_folder_of_the_server():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/notes.txt", "no picture")
    app = AppTest.from_file(serving.APP, default_timeout=120)
    app.session_state["survey_from"], app.session_state["survey_pictures"] = "Start one", "Your pictures"
    app.switch_page("pages/survey.py").run()
    uploader = next(each for each in app.file_uploader if each.key.startswith("survey_files"))
    uploader.set_value(("mine.zip", file.getvalue(), "application/zip")).run()
    app.button(key="survey_start").click().run()
    (said,) = (each.value for each in app.error)
    assert "mine" in said and "no picture among them" in said
    assert tempfile.gettempdir() not in said.replace("\\", "")
