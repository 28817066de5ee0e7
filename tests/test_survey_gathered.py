"""Pictures that came as bytes: their names cannot leave their folder, and the folder goes when they go."""

import gc
import io
import zipfile

import pytest
from PIL import Image

from attention import survey


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
        ([("a.zip", b"PK broken")], "no picture among them|another file"),
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
