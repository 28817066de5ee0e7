"""What pictures there are: folders, zip files and tables, whoever made them."""

import csv
import pickle
import zipfile

import numpy as np
import pytest
from PIL import Image

from attention import images, survey
from tests.surveys import folder


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


def zipped(source, file, prefix=""):
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(source.rglob("*.png")):
            archive.write(path, prefix + path.relative_to(source).as_posix())
    return file


@pytest.mark.parametrize("prefix", ["", "pictures/"])
def test_a_zip_file_is_as_good_as_its_folder(tmp_path, prefix):
    source = folder(tmp_path / "source", {"cat": 2, "dog": 1})
    plain, packed = survey.list_pictures(source), survey.list_pictures(zipped(source, tmp_path / "p.zip", prefix))
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
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cat/bomb.png", bytes(10**7))
    data = survey.list_pictures(tmp_path / "bomb.zip").read(0)
    assert len(data) == 1001
    with pytest.raises(images.PictureError, match="at most"):
        images.read(data)


def test_a_zip_file_of_too_many_members_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(survey.pictures, "MAX_MEMBERS", 1)
    file = zipped(folder(tmp_path / "source", {"cat": 2}), tmp_path / "p.zip")
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


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xff\xfe,a\n")
    with pytest.raises(survey.SurveyError, match="no table of text in UTF-8"):
        survey.list_pictures(tmp_path / "t.csv")


def test_what_holds_no_pictures_is_refused_with_what_it_holds(tmp_path):
    with pytest.raises(survey.SurveyError, match="holds no files; pictures named "):
        survey.list_pictures(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(survey.SurveyError, match="holds 1 files and no picture among them"):
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
