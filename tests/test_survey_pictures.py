"""What pictures there are, whoever made them: folders, zip files, tables, uploaded bytes; and those of a result."""

import csv
import errno
import gc
import io
import os
import pickle
import socket
import stat
import zipfile
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from attention import files, images, survey
from attention.survey.pictures import picture_file
from attention.ui.survey import gates
from tests.surveys import folder, network


def test_the_classes_are_the_sub_folders_in_the_order_of_their_names(tmp_path):
    pictures = survey.list_pictures(folder(tmp_path, {"dog": 2, "cat": 1}))
    assert pictures.classes == ("cat", "dog") and pictures.labels.tolist() == [0, 1, 1]
    assert pictures.paths == ("cat/00000.png", "dog/00000.png", "dog/00001.png")
    assert pictures.read(2) == (tmp_path / "dog/00001.png").read_bytes()


def test_a_flat_folder_is_one_class_of_its_own_name(tmp_path):
    pictures = survey.list_pictures(folder(tmp_path, {"cat": 3}) / "cat")
    assert pictures.classes == ("cat",) and len(pictures) == 3


def test_folders_around_the_class_folders_and_below_them_are_no_classes(tmp_path):
    folder(tmp_path / "all" / "val", {"cat/indoors": 1, "cat/outdoors": 1, "dog": 1})
    assert survey.list_pictures(tmp_path).classes == ("cat", "dog")


def test_a_single_class_folder_is_a_class(tmp_path):
    assert survey.list_pictures(folder(tmp_path, {"cat": 2})).classes == ("cat",)


def test_pictures_beside_the_class_folders_are_a_class_too(tmp_path):
    folder(tmp_path / "mine", {"cat": 1, "dog": 1})
    Image.new("RGB", (4, 4)).save(tmp_path / "mine" / "loose.png")
    assert survey.list_pictures(tmp_path / "mine").classes == ("cat", "dog", "mine")


def test_hidden_files_are_passed_over_and_other_files_are_counted(tmp_path):
    folder(tmp_path, {"cat": 1, ".hidden": 1})
    (tmp_path / "cat" / "notes.txt").touch()
    (tmp_path / "cat" / "._00000.png").touch()
    pictures = survey.list_pictures(tmp_path)
    assert pictures.paths == ("cat/00000.png",) and pictures.left_out == 1


def zipped_folder(source, file, prefix=""):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*.png")):
            archive.write(path, prefix + path.relative_to(source).as_posix())
    return file


@pytest.mark.parametrize("prefix", ["", "pictures/"])
def test_a_zip_file_is_as_good_as_its_folder(tmp_path, prefix):
    source = folder(tmp_path / "source", {"cat": 2, "dog": 1})
    plain, packed = (
        survey.list_pictures(source),
        survey.list_pictures(zipped_folder(source, tmp_path / "p.zip", prefix)),
    )
    assert packed.classes == plain.classes and packed.labels.tolist() == plain.labels.tolist()
    assert [packed.read(n) for n in range(3)] == [plain.read(n) for n in range(3)]
    assert pickle.loads(pickle.dumps(packed)).read(0) == plain.read(0)


def test_a_zip_file_is_read_where_it_lies_and_nothing_is_written(tmp_path):
    file = tmp_path / "p.zip"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../../escaped.png", b"outside")
        archive.writestr("/absolute.png", b"outside")
        archive.writestr("cat/__MACOSX/1.png", b"hidden")
    pictures = survey.list_pictures(file)
    assert [pictures.read(number) for number in range(len(pictures))] == [b"outside"] * len(pictures)
    assert list(tmp_path.iterdir()) == [file]


def test_no_member_of_a_zip_file_is_unpacked_beyond_what_a_picture_may_have(tmp_path, monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_BYTES", "1000")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/bomb.png", bytes(10**7))
    data = survey.list_pictures(tmp_path / "bomb.zip").read(0)
    assert len(data) == 1001
    with pytest.raises(images.PictureError, match="more than the"):
        images.read(data)


def test_a_zip_file_whose_list_is_damaged_is_one_sentence(tmp_path):
    file = zipped_folder(folder(tmp_path / "source", {"cat": 2}), tmp_path / "p.zip")
    file.write_bytes(file.read_bytes().replace(b"PK\1\2", b"PK\1\0"))
    with pytest.raises(survey.SurveyError, match=r"^p\.zip is a damaged zip file; .* is allowed\.$"):
        survey.list_pictures(file)


def test_a_zip_file_of_too_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(survey.pictures, "MAX_MEMBERS", 1)
    file = zipped_folder(folder(tmp_path / "source", {"cat": 2}), tmp_path / "p.zip")
    with pytest.raises(survey.SurveyError, match="2 members; at most 1 are allowed"):
        survey.list_pictures(file)


def table(path, rows, header=("path", "label")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_a_table_names_pictures_beside_it_or_anywhere_in_the_order_of_its_rows(tmp_path):
    source = folder(tmp_path / "source", {"x": 2})
    elsewhere = str(source / "x" / "00001.png")
    pictures = survey.list_pictures(table(tmp_path / "t.csv", [(elsewhere, "dog"), ("source/x/00000.png", "cat")]))
    assert pictures.classes == ("cat", "dog") and pictures.labels.tolist() == [1, 0]
    assert [pictures.read(n) for n in (1, 0)] == [path.read_bytes() for path in sorted((source / "x").iterdir())]


@pytest.mark.parametrize(
    ("rows", "header", "said"),
    [
        ([("a.png", "cat")], ("file", "class"), "t.csv has file, class; rows under the columns path and label"),
        ([], ("path", "label"), "t.csv has no rows"),
        ([("a.png", "cat"), ("b.png", "")], ("path", "label"), "lacks a path or a label in line 3"),
    ],
)
def test_tables_that_lack_something_are_refused(tmp_path, rows, header, said):
    with pytest.raises(survey.SurveyError, match=said):
        survey.list_pictures(table(tmp_path / "t.csv", rows, header))


@pytest.mark.parametrize("name", ["a\0.png", "x" * 5000 + ".png", "pipe.png", "/dev/zero", "nothing.png", "."])
def test_what_a_table_names_that_is_no_file_fails_alone(tmp_path, name):
    os.mkfifo(tmp_path / "pipe.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    pictures = survey.list_pictures(table(tmp_path / "t.csv", [("a.png", "a"), (name, "a")]))
    assert pictures.sizes[1] == -1
    result = survey.run(network(), pictures)
    assert result.pictures == 1 and [each.reason for each in result.failures] == ["there is no such file"]


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xff\xfe,a\n")
    with pytest.raises(survey.SurveyError, match="no table of text in UTF-8"):
        survey.list_pictures(tmp_path / "t.csv")


def test_what_holds_no_pictures_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(survey.SurveyError, match="holds no files; pictures named "):
        survey.list_pictures(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(survey.SurveyError, match="holds 1 file and no picture among them"):
        survey.list_pictures(tmp_path)
    with pytest.raises(survey.SurveyError, match="is another file; a folder of pictures, a zip file"):
        survey.list_pictures(tmp_path / "notes.txt")
    with pytest.raises(survey.SurveyError, match="is not there"):
        survey.list_pictures(tmp_path / "nowhere")


def test_a_limit_spreads_over_all_classes(tmp_path):
    pictures = survey.list_pictures(folder(tmp_path, {"a": 6, "b": 3}))
    assert np.bincount(pictures.limited(3).labels).tolist() == [2, 1]
    assert pictures.limited(3).classes == ("a", "b") and len(pictures.limited(3).sizes) == 3
    assert pictures.limited(100) is pictures


def test_the_fingerprint_changes_with_names_sizes_and_classes_alone(tmp_path):
    source = folder(tmp_path / "one", {"a": 2, "b": 1})
    first = survey.list_pictures(source).fingerprint
    assert first == survey.list_pictures(folder(tmp_path / "two", {"a": 2, "b": 1})).fingerprint
    assert first != survey.list_pictures(source).limited(2).fingerprint
    (source / "a" / "00000.png").write_bytes(b"other")
    assert first != survey.list_pictures(source).fingerprint
    (source / "a").rename(source / "c")
    assert first != survey.list_pictures(source).fingerprint


def png(colour: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 6), (colour, 0, 0)).save(file, "PNG")
    return file.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


HOSTILE = [
    "../../up.png",
    "/etc/abs.png",
    "C:\\windows\\drive.png",
    "..png",
    ".hidden.png",
    "a" * 300 + ".png",
    "nul\0.png",
]


def test_files_are_kept_under_their_last_name_alone():
    found = survey.uploaded_pictures([(name, png(number)) for number, name in enumerate(HOSTILE)], 100)
    names = ["up.png", "abs.png", "drive.png", "hidden.png", "a" * 96 + ".png", "nul.png"]  # "png" is no picture's
    assert sorted(found.paths) == sorted(names) and found.left_out == 1
    assert all("/" not in path and "\\" not in path for path in found.paths)
    assert {path.parent for path in found.root.iterdir()} == {found.root}


def test_equal_names_are_kept_apart():
    found = survey.uploaded_pictures([("a.png", png(1)), ("a.png", png(2)), ("x/a.png", png(3))], 100)
    assert sorted(found.paths) == ["2 a.png", "3 a.png", "a.png"]
    assert sorted(found.read(number) for number in range(3)) == sorted(map(png, (1, 2, 3)))


def test_a_zip_file_has_the_classes_of_its_folders_and_gives_a_share():
    files = {f"{name}/{number}.png": png(number) for name in ("cat", "dog") for number in range(10)}
    found = survey.uploaded_pictures([("pets.zip", zipped(files))], 10)
    assert found.classes == ("cat", "dog") and len(found) == 10
    assert found.labels.tolist() == [0] * 5 + [1] * 5
    assert found.read(0) == png(0)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("a.zip", zipped({"a.png": png(0)})), ("b.png", png(1))], "one zip file, or pictures alone"),
        ([("a.txt", b"text")], "no picture among them"),
        ([("a.zip", b"PK broken")], "a damaged zip file"),
        ([], "no files"),
    ],
)
def test_what_holds_no_pictures_is_refused_and_leaves_nothing(files, said, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(survey.SurveyError, match=said):
        survey.uploaded_pictures(files, 10)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_goes_with_the_pictures():
    found = survey.uploaded_pictures([("a.png", png(1))], 10)
    root = found.root
    assert root.is_dir()
    del found
    gc.collect()
    assert not root.exists()


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
    assert picture_file(root, asked) is None
    number = next(iter(result.paths))
    hostile = replace(result, paths=result.paths | {number: asked})
    assert survey.locate_pictures(hostile, root) is None
    with pytest.raises(FileNotFoundError):
        survey.LocatedPictures(root, hostile.paths, same=True).read(number)


def test_a_folder_may_itself_be_a_link_and_links_inside_it_may_stay_inside(root, result, tmp_path):
    (tmp_path / "data").symlink_to(root, target_is_directory=True)
    (root / "again.png").symlink_to(root / "a" / "00000.png")
    assert survey.locate_pictures(result, tmp_path / "data") is not None
    assert picture_file(tmp_path / "data", "again.png") == root / "a" / "00000.png"


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
    assert f"From holidays. {gates.SAME if same else gates.ALIKE}" in said


@pytest.mark.parametrize("allowed", [False, True])
def test_without_such_a_folder_there_are_names_and_the_way_to_the_pictures(result, allowed, tmp_path, monkeypatch):
    monkeypatch.setattr("attention.serving.current._allowed", [tmp_path] * allowed)
    app = opened(result, tmp_path)
    assert gates.NAMES_ONLY in [caption.value for caption in app.caption] and not exemplars(app)


def test_an_opened_survey_of_the_samples_shows_them(tmp_path):
    samples = survey.list_pictures(images.ASSETS / "samples").limited(3)
    app = opened(survey.run(network(classes=("a",)), samples), tmp_path)
    assert len(exemplars(app)) == 6 and f"From samples. {gates.SAME}" in [caption.value for caption in app.caption]


def test_the_small_picture_is_the_picture(root, result):
    found = survey.locate_pictures(result, root)
    number, path = next(iter(result.paths.items()))
    small = np.asarray(Image.open(io.BytesIO(gates._thumbnail("k", str(root), number, found))), float)
    assert np.abs(small - np.asarray(Image.open(root / path).convert("RGB"), float)).mean() < 40


def endless(root: Path, outside: Path) -> int:
    """Puts what never ends or lies elsewhere under the names of pictures into a folder; how many of them."""
    os.mkfifo(root / "pipe.png")
    Image.new("RGB", (4, 4)).save(outside)
    (root / "out.png").symlink_to(outside)
    (root / "zero.png").symlink_to("/dev/zero")
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "nowhere.png").symlink_to(root / "missing.png")
    (root / "up").symlink_to(outside.parent, target_is_directory=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket.png"))
    return 7


def test_pipes_sockets_devices_and_links_out_of_the_folder_are_left_out_and_counted(root, tmp_path):
    before = survey.list_pictures(root)
    (root / "inside.png").symlink_to(root / "a" / "00000.png")
    count = endless(root, tmp_path / "secret.png")
    found = survey.list_pictures(root)
    assert set(found.paths) - set(before.paths) == {"inside.png"} and found.left_out == count
    result = survey.run(network(), found)
    assert result.pictures == len(before) + 1 and not result.failures
    assert result.provenance["pictures"]["left_out"] == count


def test_what_became_a_pipe_after_it_was_listed_is_a_failure_and_nothing_waits_for_it(root):
    pictures = survey.list_pictures(root)
    (root / "a" / "00000.png").unlink()
    os.mkfifo(root / "a" / "00000.png")
    result = survey.run(network(), pictures)
    assert result.failures == (("a/00000.png", "the file cannot be read: it is no plain file"),)


def test_a_link_that_took_the_place_of_a_picture_is_not_followed_out_of_the_folder(root, tmp_path):
    pictures, first = survey.list_pictures(root), root / "a" / "00000.png"
    first.rename(tmp_path / "secret.png")  # so large as what was listed
    first.symlink_to(tmp_path / "secret.png")
    failed = ("a/00000.png", "the file cannot be read: it leads out of the folder")
    assert survey.run(network(), pictures).failures == (failed,)
    first.unlink()
    first.symlink_to("00001.png")
    with files.open_inside(root, "a/00000.png") as file:
        assert file.read() == (root / "a" / "00001.png").read_bytes()


def test_a_pipe_is_no_source(tmp_path):
    os.mkfifo(tmp_path / "pictures.zip")
    with pytest.raises(survey.SurveyError, match="is another file; a folder of pictures"):
        survey.list_pictures(tmp_path / "pictures.zip")


def test_a_file_that_grows_is_read_to_the_limit_alone(root, monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_PICTURE_BYTES", "1000")
    pictures = survey.list_pictures(root)
    with (root / "a" / "00000.png").open("ab") as file:
        file.write(bytes(10_000))
    assert len(pictures.read(0)) == 1001
    assert survey.run(network(), pictures).failures[0].path == "a/00000.png"


def test_a_folder_that_cannot_be_read_is_counted_or_said(tmp_path, monkeypatch):
    source, scan = folder(tmp_path / "pictures", {"cat": 2, "dog": 2}), os.scandir
    lacking = mock.Mock(side_effect=PermissionError(errno.EACCES, "Permission denied", str(source / "dog")))
    monkeypatch.setattr(os, "scandir", lambda path: (lacking if Path(path).name == "dog" else scan)(path))
    assert survey.list_pictures(source).paths == ("cat/00000.png", "cat/00001.png")
    assert survey.list_pictures(source).left_out == 1
    with pytest.raises(survey.SurveyError, match="dog cannot be read: Permission denied"):
        survey.list_pictures(source / "dog")


@pytest.mark.parametrize("change", [b"more", None])
def test_a_file_that_is_not_as_it_was_listed_is_counted_and_left_out(root, change):
    pictures = survey.list_pictures(root)
    first = root / "a" / "00000.png"
    first.write_bytes(first.read_bytes() + change if change else first.read_bytes()[:-1])
    failed = ("a/00000.png", "the file cannot be read: its size has changed since it was listed")
    assert survey.run(network(), pictures).failures == (failed,)


def test_members_of_a_zip_file_that_are_no_plain_files_or_have_a_name_twice_are_left_out_and_counted(tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("a/plain.png", png(1))
        for name, kind in (("a/link.png", stat.S_IFLNK), ("a/pipe.png", stat.S_IFIFO), ("a/regular.png", stat.S_IFREG)):
            member = zipfile.ZipInfo(name)
            member.external_attr = (kind | 0o644) << 16
            archive.writestr(member, png(2))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a/plain.png", png(3))
    found = survey.list_pictures(tmp_path / "p.zip")
    assert found.paths == ("a/plain.png", "a/regular.png") and found.left_out == 3
    assert found.read(0) == png(3)


@pytest.mark.parametrize("where", ["tempfile.mkdtemp", "pathlib.Path.write_bytes"])
def test_a_disk_without_room_for_uploaded_pictures_is_one_sentence_without_a_path(where, tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/of/the/server")

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(where, full)
    with pytest.raises(survey.SurveyError) as error:
        survey.uploaded_pictures([("a.png", png(1))], 10)
    assert str(error.value) == "The server cannot keep these pictures: No space left on device; try fewer, or later."
    assert not list(tmp_path.iterdir())
