"""The pictures of a result are shown from a folder that the server allows, and nothing outside of it ever is."""

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from attention import survey
from attention.survey.pictures import inside
from attention.ui.survey import channel
from tests.surveys import folder, network

APP = Path(__file__).parents[1] / "app.py"


@pytest.fixture
def root(tmp_path) -> Path:
    return folder(tmp_path / "holidays", {"a": 12, "b": 9}, side=40)


@pytest.fixture
def result(root) -> survey.Result:
    return survey.run(network(), survey.list_pictures(root))


def test_the_same_folder_has_the_pictures_and_says_that_all_are_the_same(root, result):
    found = survey.locate_pictures(result, root)
    assert found.same
    assert {found.read(number) for number in result.paths} == {
        (root / path).read_bytes() for path in result.paths.values()
    }


def test_a_share_of_a_folder_is_the_same_share_again(root):
    assert survey.locate_pictures(survey.run(network(), survey.list_pictures(root).limited(7)), root).same


@pytest.mark.parametrize("change", ["a file of another size", "another file beside them", "another class"])
def test_where_anything_differs_only_the_names_agree(root, result, change):
    if change == "a file of another size":
        (root / "a" / "00000.png").write_bytes(b"short")
    elif change == "another file beside them":
        Image.new("RGB", (4, 4)).save(root / "a" / "new.png")
    else:
        result = replace(result, provenance=result.provenance | {"pictures": {"count": "21", "fingerprint": "0"}})
    assert survey.locate_pictures(result, root).same is False


def test_a_folder_that_lacks_one_of_them_has_none(root, result, tmp_path):
    (root / next(iter(result.paths.values()))).unlink()
    assert survey.locate_pictures(result, root) is None
    assert survey.locate_pictures(result, tmp_path / "nowhere") is None
    assert survey.locate_pictures(replace(result, paths={}), root) is None


@pytest.fixture
def outside(tmp_path, root) -> str:
    """A picture beside the folder, and ways to it from inside."""
    Image.new("RGB", (4, 4)).save(tmp_path / "secret.png")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    (root / "up").symlink_to(tmp_path, target_is_directory=True)
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / ".hidden.png").write_bytes((tmp_path / "secret.png").read_bytes())
    (root / "notes.txt").write_text("no picture")
    os.mkfifo(root / "pipe.png")
    return str(tmp_path / "secret.png")


ASKED = [
    "../secret.png",
    "a/../../secret.png",
    "a/../a/00000.png",
    "link.png",
    "up/secret.png",
    "loop.png",
    ".hidden.png",
]
ASKED += ["notes.txt", "pipe.png", "a", "", "a\0.png", "x" * 5000 + ".png", "/etc/passwd.png"]


@pytest.mark.parametrize("asked", [*ASKED, None], ids=lambda asked: str(asked)[:20])
def test_no_other_file_is_ever_read(root, result, outside, asked):
    asked = outside if asked is None else asked
    assert inside(root, asked) is None
    number = next(iter(result.paths))
    hostile = replace(result, paths=result.paths | {number: asked})
    assert survey.locate_pictures(hostile, root) is None
    with pytest.raises(FileNotFoundError):
        survey.LocatedPictures(root, hostile.paths, same=True).read(number)


def test_a_folder_may_itself_be_a_link_and_links_inside_it_may_stay_inside(root, result, tmp_path):
    (tmp_path / "data").symlink_to(root, target_is_directory=True)
    (root / "again.png").symlink_to(root / "a" / "00000.png")
    assert survey.locate_pictures(result, tmp_path / "data") is not None
    assert inside(tmp_path / "data", "again.png") == root / "a" / "00000.png"


def opened(result: survey.Result, tmp_path: Path) -> AppTest:
    """The page of one channel of a result file that somebody opens."""
    survey.write(result, tmp_path / "r.parquet")
    app = AppTest.from_file(APP, default_timeout=120)
    app.query_params["part"] = "One channel"
    app.session_state["survey_from"] = "Open a file"
    app.switch_page("pages/survey.py").run()
    data = (tmp_path / "r.parquet").read_bytes()
    app.file_uploader(key="survey_file").set_value(("r.parquet", data, "application/octet-stream")).run()
    assert not app.exception and not app.error
    return app


def exemplars(app: AppTest) -> list[str]:
    return [each.proto.imgs[0].alt for each in app.get("image") if ", gate " in each.proto.imgs[0].alt]


@pytest.mark.parametrize("same", [True, False])
def test_the_page_of_an_opened_file_shows_them_and_says_what_agrees(root, result, same, tmp_path, monkeypatch):
    monkeypatch.setattr("attention.serving.current._allowed", [tmp_path, root])
    if not same:
        Image.new("RGB", (4, 4)).save(root / "a" / "new.png")
    app = opened(result, tmp_path)
    gate, number = result.gates[0], app.number_input(key="unit").value
    wanted = [result.paths[int(each)] for ends in (gate.top, gate.bottom) for each in ends.pictures[:, number]]
    assert [alt.partition(",")[0] for alt in exemplars(app)] == wanted
    said = [caption.value for caption in app.caption]
    assert f"From holidays. {channel.SAME if same else channel.ALIKE}" in said


@pytest.mark.parametrize("allowed", [False, True])
def test_without_such_a_folder_there_are_names_and_the_way_to_the_pictures(result, allowed, tmp_path, monkeypatch):
    monkeypatch.setattr("attention.serving.current._allowed", [tmp_path] * allowed)
    app = opened(result, tmp_path)
    assert channel.NAMES_ONLY in [caption.value for caption in app.caption] and not exemplars(app)


def test_the_small_picture_is_the_picture(root, result):
    found = survey.locate_pictures(result, root)
    number, path = next(iter(result.paths.items()))
    small = np.asarray(Image.open(io.BytesIO(channel._small("k", str(root), number, found))), float)
    assert np.abs(small - np.asarray(Image.open(root / path).convert("RGB"), float)).mean() < 40
