"""Files are whole or not there, pipes are not waited for, and no command ends in a traceback."""

import os
import resource
import subprocess
import sys

import pytest

from attention import files
from attention.files import FileError
from attention.images import ROOT


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


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="cannot be read: it is no plain file"):
        files.read(tmp_path / "pipe")


def test_a_folder_below_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    files.insist_writable(tmp_path / "no" / "such")
    with pytest.raises(FileError, match="is no folder that can be written to"):
        files.insist_writable(tmp_path / "file" / "below")


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


def test_an_export_without_a_checkpoint_is_one_sentence(tmp_path):
    (tmp_path / "val").mkdir()
    done = run("export", "se", "--data", tmp_path, "--checkpoint", tmp_path / "none.pt")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "none.pt cannot be read" in done.stderr
