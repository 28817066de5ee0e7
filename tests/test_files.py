"""Files are whole or not there, pipes are not waited for, and no command ends in a traceback."""

import os
import re
import resource
import socket
import subprocess
import sys
import tarfile
from types import SimpleNamespace

import pytest

from attention import evaluation, files, survey
from attention.files import FileError
from attention.images import ROOT
from attention.models import checkpoints
from attention.models.downloads import hash_of
from tests.surveys import folder


def test_what_fails_in_the_middle_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "a.json"
    files.write(path, "before")

    def fill_the_disk():
        with files.replacing(path) as file:
            file.write(b"half")
            raise OSError(28, "No space left")

    with pytest.raises(FileError, match="cannot be written: No space left; what was there stays"):
        fill_the_disk()
    assert path.read_text() == "before" and os.listdir(path.parent) == ["a.json"]


def test_why_is_said_in_the_words_of_the_system_or_of_whoever_raised_it(tmp_path):
    said = [
        files.reason_of(error)
        for error in (OSError(28, "No space left", "f"), OSError("it is odd"), EOFError("it ends"))
    ]
    assert said == ["No space left", "it is odd", "it ends"]
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"file/below cannot be made: Not a directory\."):
        files.write(tmp_path / "file" / "below" / "a.json", "text")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="cannot be read: it is no plain file"):
        files.read(tmp_path / "pipe")


def growing(path, monkeypatch, piece=b"more"):
    """From now on the file grows each time that it is opened, after its size was asked for."""
    before = os.fstat

    def told(descriptor):
        facts = before(descriptor)
        if path.exists() and os.path.samestat(facts, path.stat()):
            with path.open("ab") as file:
                file.write(piece)
        return facts

    monkeypatch.setattr(files, "os", SimpleNamespace(**{**vars(os), "fstat": told}))
    return path


@pytest.mark.parametrize("size", [0, 1, 10**6])
def test_a_file_is_read_whole_and_one_that_grows_meanwhile_is_not_followed(tmp_path, monkeypatch, size):
    (tmp_path / "file").write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    assert files.read(tmp_path / "file") == (tmp_path / "file").read_bytes()
    with files.open_plain(tmp_path / "file") as file:
        assert file.seek(0, os.SEEK_END) == size and file.seek(size // 2) == size // 2
        assert len(file.read()) == size - size // 2
    growing(tmp_path / "file", monkeypatch)
    with pytest.raises(FileError, match=r"file cannot be read: it grew while it was read\."):
        files.read(tmp_path / "file")


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("GATESCOPE_MAX_FILE_BYTES", "1048576")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(FileError, match="it has 1,048,576 MiB; at most 1 MiB are allowed"):
        files.read(tmp_path / "sparse")


def test_a_file_of_just_the_size_that_is_allowed_is_read(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"12345")
    monkeypatch.setenv("GATESCOPE_MAX_FILE_BYTES", "5")
    assert files.read(tmp_path / "file") == b"12345"
    monkeypatch.setenv("GATESCOPE_MAX_FILE_BYTES", "4")
    with pytest.raises(FileError, match="cannot be read: it has 0 MiB; at most 0 MiB are allowed"):
        files.read(tmp_path / "file")


def test_whatever_reads_a_file_stops_where_it_grows(tmp_path, monkeypatch):
    pictures = folder(tmp_path / "p", {"a": 2})
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        archive.add(pictures, "val")
    (tmp_path / "t.csv").write_text("path,label\np/a/00000.png,a\n")
    (tmp_path / "w.safetensors").write_bytes(b"\x02" + bytes(7) + b"{}")
    grown = lambda name: growing(tmp_path / name, monkeypatch)  # noqa: E731
    for read, name in ((survey.list_pictures, "t.csv"), (checkpoints.read, "w.safetensors")):
        with pytest.raises(files.GatescopeError, match="it grew while it was read"):
            read(grown(name))
    with pytest.raises(survey.SurveyError):
        survey.read(grown("t.csv"))
    with pytest.raises(OSError, match="it grew while it was read"):
        hash_of(grown("t.csv"), "sha256")
    unpacked = pytest.raises(files.GatescopeError, match=r"cannot be unpacked into .*: it grew while it was read")
    with unpacked, evaluation.data_folder(grown("t.tar")):
        pass
    listed = survey.list_pictures(pictures)
    grown("p/a/00001.png")
    assert listed.read(0)
    with pytest.raises(OSError, match="it grew while it was read"):
        listed.read(1)


@pytest.fixture
def endless(tmp_path):
    """What no file may replace, and a link to each."""
    os.mkfifo(tmp_path / "pipe")
    here = socket.socket(socket.AF_UNIX)
    here.bind(os.path.relpath(tmp_path / "socket"))
    (tmp_path / "device").symlink_to("/dev/null")
    (tmp_path / "linked").symlink_to(tmp_path / "pipe")
    yield tmp_path
    here.close()


@pytest.mark.parametrize("name", ["pipe", "socket", "device", "linked"])
def test_a_pipe_a_socket_and_a_device_are_not_replaced(endless, name):
    before = (endless / name).lstat().st_ino
    with pytest.raises(FileError, match=f"{name} cannot be written: it is no plain file"):
        files.write(endless / name, "text")
    assert (endless / name).lstat().st_ino == before and not (endless / f"{name}.writing").exists()


@pytest.mark.parametrize("name", ["pipe", "socket", "device", "linked"])
def test_what_lies_where_a_file_is_written_first_is_neither_waited_for_nor_followed(endless, name):
    (endless / name).rename(endless / "r.json.writing")
    files.write(endless / "r.json", "text")
    assert (endless / "r.json").read_text() == "text" and not (endless / "r.json").is_symlink()


def test_a_folder_below_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    files.check_writable(tmp_path / "no" / "such")
    with pytest.raises(FileError, match="is no folder that can be written to"):
        files.check_writable(tmp_path / "file" / "below")


@pytest.mark.parametrize("name", ["n" * 300, "none/" + "n" * 300, "é" * 150])
def test_a_name_that_is_too_long_is_said_before_it_is_written(tmp_path, name):
    with pytest.raises(FileError, match=r"is no folder that can be written to|too long; a shorter name is allowed"):
        files.check_writable(tmp_path / name)
    files.check_writable(tmp_path / "none" / ("n" * 200))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("length", [250, 300])
def test_a_file_s_name_has_room_for_what_it_is_called_while_it_is_written(tmp_path, length):
    with pytest.raises(FileError, match="too long; a shorter name is allowed"):
        files.check_replaceable(tmp_path / ("n" * length))
    files.write(tmp_path / ("n" * 240), "text")


def run(*arguments, most=resource.RLIM_INFINITY):
    command = [sys.executable, "-m", "attention", *map(str, arguments)]
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))  # noqa: E731
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, preexec_fn=limit)


def test_a_disk_that_is_full_is_one_sentence_and_nothing_half_is_left(tmp_path):
    picture = ROOT / "assets" / "samples" / "cathedral.jpg"
    done = run("report", picture, "--model", "se", "--out", tmp_path / "r.html", most=10_000)
    assert (
        done.returncode == 1 and "Traceback" not in done.stderr and "cannot be written: File too large" in done.stderr
    )
    assert os.listdir(tmp_path) == []


def test_a_tar_that_the_disk_has_no_room_for_is_one_sentence(tmp_path):
    (tmp_path / "picture.png").write_bytes(bytes(10_000))
    with tarfile.open(tmp_path / "data.tar", "w") as archive:
        archive.add(tmp_path / "picture.png", "train/a/picture.png")
    done = run("train", "se", "--data", tmp_path / "data.tar", "--checkpoint", tmp_path / "run.pt", most=1_000)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.search(r"data.tar cannot be unpacked into .*: File too large\.", done.stderr)


def test_an_export_without_a_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "val").mkdir()
    done = run("export", "se", "--data", tmp_path, "--checkpoint", tmp_path / "none.pt")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "none.pt cannot be read" in done.stderr
