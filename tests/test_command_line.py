"""Whatever is asked of the command line, what goes wrong is one sentence, and no traceback."""

import contextlib
import dataclasses
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Event

import click
import numpy as np
import pytest
import torch
from PIL import Image

from attention import __main__ as entry
from attention import cli, images, survey
from attention.cli import ablation, main
from attention.files import FileError
from attention.models import zoo
from tests.surveys import folder, network

ROOT = Path(__file__).parents[1]
PICTURE = images.samples()[0].path


@pytest.fixture
def said(monkeypatch, capsys):
    """Runs a command in this process: its exit status, and what it said on both streams."""
    monkeypatch.delenv(entry.DEBUG, raising=False)
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["attention", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            entry.run()
        return ended.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def stranger(tmp_path):
    """Files of every kind that is not the one that is meant."""
    (tmp_path / "empty").touch()
    (tmp_path / "nothing").mkdir()
    (tmp_path / "noise").write_bytes(np.random.default_rng(0).bytes(5000))
    for name in (
        "picture.png",
        "weights.safetensors",
        "weights.pth",
        "result.parquet",
        "pictures.zip",
        "t.csv",
        "e.json",
    ):
        (tmp_path / name).write_bytes(b"\x00{broken")
    (tmp_path / "list.json").write_text("[[[")
    (tmp_path / "numbers.json").write_text("[1, null]")
    torch.save({"a": torch.ones(3)}, tmp_path / "three.pth")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as here:
        here.bind(os.path.relpath(tmp_path / "socket"))
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    Image.new("RGB", (30, 30)).save(tmp_path / "small.png")
    return tmp_path


OUT = ("--out", "@/out")
NO_FILES = ("@/pipe.png", "/dev/null", "@/socket")
BROKEN = [
    [],
    ["no-such-command"],
    ["survey"],
    *(["survey", source, "--model", "se", "--out", "@/r.parquet"]
      for source in ("@/none", "@/nothing", "@/noise", "@/pictures.zip", "@/t.csv", "@/pipe.png", "@/loop.png",
                     "/dev/null")),
    ["survey", "@", "--model", "nonsense", "--out", "@/r.parquet"],
    ["survey", "@", "--model", "@/weights.pth", "--out", "@/r.parquet"],
    ["survey", "@", "--model", "se", "--out", "@/small.png/r.parquet"],
    ["survey", "@", "--model", "se", "--out", "@/nothing"],
    *([*command, "--out", f"@/{'n' * 300}"] for command in (
        ["survey", "@", "--model", "se"], ["ablate", PICTURE, "--model", "se"], ["report", PICTURE, "--model", "se"])),
    *(["survey", "@", "--model", "se", "--out", f"@/{'n' * length}"] for length in (240, 247)),
    ["survey", "@", "--model", "se", "--out", "@/r.parquet", "--batch-size", "0"],
    *(["survey", "@", "--model", "se", "--out", "@/r.parquet", "--workers", number] for number in ("-3", "100000")),
    ["survey", "@", "--model", "se", "--out", "@/r.parquet", "--gpus", "nan"],
    ["survey", "@", "--model", "se", "--out", "@/r.parquet", "--device", "cuda:99999999999999999999"],
    *([command, picture, "--model", "se", *more, *OUT]
      for command, more in (("compare", ["--model", "plain"]), ("ablate", []))
      for picture in ("@/none.png", "@/picture.png", "@/empty", "@/pipe.png", "@/loop.png", "/dev/zero", "@")),
    *(["compare", PICTURE, "--model", "se", "--model", model, *OUT]
      for model in ("", "timm/", "/", "timm/nonsense", "x" * 5000, "\0", "@/three.pth", "@/weights.safetensors",
                    "@/pipe.png")),
    ["compare", PICTURE, "--model", "se", *OUT],
    *(["many", "@/p", "--model", model, *OUT] for model in (":", "os:getcwd", "tests.factories:failing", "x.py:y")),
    ["compare", PICTURE, "--model", "se", "--model", "plain", "--class", "no class", *OUT],
    ["compare", PICTURE, "--model", "se", "--model", "plain", "--method", "no method", *OUT],
    ["compare", PICTURE, "--model", "se", "--model", "plain", "--layer", "no layer", *OUT],
    *(["ablate", PICTURE, "--model", "se", "--edits", file, *OUT]
      for file in ("@/none", "@/list.json", "@/numbers.json", "@/noise", "@/pipe.png", "@", "/dev/zero")),
    ["ablate", PICTURE, "--model", "se", "--off", "resample", "--other", "@/noise", *OUT],
    ["ablate", PICTURE, "--model", "plain", *OUT],
    ["ablate", PICTURE, "--model", "se", "--other", PICTURE, *OUT],
    *(["ablate", PICTURE, "--model", "se", "--edits", "@/e.json", *more, *OUT]
      for more in (["--off", "mean"], ["--other", PICTURE])),
    ["many", "@/p", "--model", "cbam", "--measure", "agreement", "--off", "mean", *OUT],
    *([*command, "--out", ""] for command in (
        ["survey", "@/p", "--model", "se"], ["report", PICTURE, "--model", "se"], ["fold", "@/r.parquet"],
        ["many", "@/p", "--model", "se"], ["ablate", PICTURE, "--model", "se"])),
    *([command, "", "--model", "se", *OUT] for command in ("survey", "report", "many", "compare", "ablate")),
    ["fold", ROOT / "assets/surveys/se.parquet", "--model", "", "--out", "@/f.safetensors"],
    *(["compare", PICTURE, "--model", "se", "--model", "plain", option, "x" * 5000, *OUT]
      for option in ("--class", "--method", "--layer")),
    *(["serve", "--model", "tests.factories:classifier", option, "x" * 5000]
      for option in ("--model", "--output", "--labels", "--weights", "--adapter", "--data")),
    *(["ablate", PICTURE, "--model", "se", option, number, *OUT]
      for option, number in (("--draws", "100001"), ("--draws", "18"), ("--seed", str(2**63)), ("--seed", "-1"))),
    *(["report", source, "--out", "@/r.html"]
      for source in (PICTURE, "@/none", "@/result.parquet", "@/pipe.png", "@")),
    ["report", "@/result.parquet", "--model", "se", "--out", "@/r.html"],
    ["report", PICTURE, "--model", "@/three.pth", "--out", "@/r.html"],
    ["report", PICTURE, "--model", "se", "--out", "@/nothing"],
    *(["many", source, "--model", "se", *OUT] for source in ("@/none", "@/nothing", "@/noise", "@/pipe.png")),
    ["many", "@", "--model", "se", "--measure", "agreement", *OUT],
    *(["fold", file, "--out", "@/f.safetensors"] for file in ("@/none", "@/result.parquet", "@/pipe.png", "@/noise")),
    *(["train", name, "--data", data, "--checkpoint", "@/c.pt"]
      for name in ("se", "nonsense", "cbam-b0") for data in ("@/nothing", "@/noise", "@/pipe.png", "@")),
    *(["train", "se", "--data", "@", "--checkpoint", "@/c.pt", "--threads", number]
      for number in ("0", "100000", "9" * 20)),
    *(["export", name, "--data", "@", "--checkpoint", file]
      for name in ("se", "nonsense", "cbam-b0") for file in ("@/none", "@/noise", "@/three.pth", "@/pipe.png")),
    ["export", "se", "--data", "@", "--checkpoint", "@/none", "--labels", "@/list.json"],
    ["export", "se", "--data", "@", "--checkpoint", "@/none", "--input-size", "-1"],
    ["export", "se", "--data", "@", "--checkpoint", "@/none", "--input-size", "1025"],
    *(["evaluate", name, "--data", "@"] for name in ("se", "nonsense", "@/three.pth", "plain")),
    ["evaluate", "se", "--data", "/dev/null"],
    *(["serve", "--headless", *options] for options in (
        ["--port", "0"], *(["--address", one, *port] for one in ("", " ", "\udcff", "999.1.1.1", "a" * 300, "::zz")
                           for port in ([], ["--port", "9"])),
        *(["--host", name] for name in ("", "http://a.example", "a.example:80", "a b", "..", "\u00e9")),
        ["--model", ""], ["--weights", ""], ["--output", ""],
        *(["--model", "tests.factories:classifier", "--output", path] for path in (".", "0.", ".x")),
        *(["--model", "tests.factories:classifier", "--bands", bands] for bands in ("red,,blue", "red,green,blue,")),
        ["--model", "nonsense"], ["--model", "os:getcwd"], ["--model", "os:"], ["--model", ":"],
        ["--model", "tests.factories:failing"], ["--model", "tests.factories:classifier", "--weights", "@/noise"],
        ["--model", "tests.factories:classifier", "--labels", "@/numbers.json"], ["--image-size", "0x-1"],
        ["--weights", "@/three.pth"], ["--mean", "a", "b", "c"], ["--data", "@/none"], ["--data", "@/small.png"],
        ["--model", "tests.factories:classifier", "--image-size", "64", "--address", "nowhere.invalid", "--port", "1"],
        *(["--model", "tests.factories:classifier", option, file] for option in ("--weights", "--labels")
          for file in NO_FILES),
        *(["--data", file] for file in NO_FILES),
    )),
    *([*command, "--out", file] for file in NO_FILES for command in (
        ["survey", "@/p", "--model", "se"], ["report", PICTURE, "--model", "se"], ["fold", "@/r.parquet"],
        ["many", "@/p", "--model", "se"], ["ablate", PICTURE, "--model", "se"],
        ["compare", PICTURE, "--model", "se", "--model", "plain"])),
    *(["train", name, "--data", "@/p", "--checkpoint", file] for file in NO_FILES for name in ("se", "cbam-b0")),
    *(["export", "se", "--data", "@", "--checkpoint", "@/c.pt", "--labels", file] for file in NO_FILES),
    *(["evaluate", "se", "--data", file] for file in NO_FILES),
    *(["survey", "@/p", "--model", file, "--out", "@/r.parquet"] for file in NO_FILES),
    ["ablate", PICTURE, "--model", "se", "--off", "resample", "--other", "@/socket", *OUT],
    ["fold", "@/socket", "--out", "@/f.safetensors"],
]  # fmt: skip


@pytest.mark.parametrize("arguments", BROKEN, ids=lambda each: " ".join(map(str, each))[:70])
def test_bad_input_is_one_sentence(said, stranger, arguments):
    status, output, error = said(*(str(each).replace("@", str(stranger)) for each in arguments))
    assert status in (1, 2) and "Traceback" not in output + error
    if "Usage" not in error:
        assert error.startswith("Error: ") and error.count("\n") == 1, error
    assert entry.DEBUG not in error, error
    assert len(error) < 3000


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["ablate", "@/noise", "--model", "se", *OUT], "@/noise"),
        (["ablate", PICTURE, "--model", "se", "--off", "resample", "--other", "@/noise", *OUT], "@/noise"),
        (["ablate", PICTURE, "--model", "se", "--edits", "@/list.json", *OUT], "@/list.json"),
        (["compare", PICTURE, "--model", "se", "--model", "@/weights.pth", *OUT], "@/weights.pth"),
        (["compare", PICTURE, "--model", "se", "--model", "@/three.pth", *OUT], "@/three.pth"),
        (["serve", "--model", "tests.factories:classifier", "--weights", "@/noise"], "@/noise"),
    ],
)
def test_of_several_files_the_one_that_is_refused_is_named(said, stranger, arguments, refused):
    _, _, error = said(*(str(each).replace("@", str(stranger)) for each in arguments))
    assert error.startswith(f"Error: {refused.replace('@', str(stranger))}: "), error


@pytest.mark.parametrize("command", [["ablate", "@", "--model", "se"], ["many", "@", "--model", "se"]])
def test_a_name_of_a_file_is_no_order_to_the_terminal(said, tmp_path, command):
    odd = tmp_path / "a\x1b[2J\nb.png"
    odd.write_bytes(b"none")
    _, _, error = said(*(each.replace("@", str(odd)) for each in command), "--out", tmp_path / "out")
    assert "a\\x1b[2J\\nb.png" in error and error.count("\n") == 1 and "\x1b" not in error


def test_the_names_of_pictures_in_what_a_survey_says_are_none_either(said, tmp_path):
    source = folder(tmp_path / "pictures", {"cat": 2})
    (source / "cat" / "a\x1b[2J\nb.png").write_bytes(b"none")
    _, output, _ = said("survey", source, "--model", "se", "--workers", "1", "--out", tmp_path / "out.parquet")
    assert "\n  cat/a\\x1b[2J\\nb.png: " in output and "\x1b" not in output


def test_ctrl_c_is_one_sentence_and_130(said, monkeypatch, stranger):
    with monkeypatch.context() as patch:
        patch.setattr(cli.main, "invoke", raising(KeyboardInterrupt()))
        assert said("cards") == (130, "", "Stopped.\n") or said("cards")[2].strip() == "Stopped."
    stopped = Event()
    stopped.set()
    monkeypatch.setattr(ablation, "stop_on_ctrl_c", lambda: contextlib.nullcontext(stopped))
    status, _, error = said("many", folder(stranger / "p", {"a": 2}), "--model", "se", "--out", stranger / "out")
    assert status == 130 and error == "Error: Stopped after 0 of 2 pictures; the same command goes on.\n"


def raising(error):
    def raises(*_, **__):
        raise error

    return raises


def test_what_nobody_expected_is_one_sentence_that_says_how_to_see_more(said, monkeypatch):
    monkeypatch.setattr(cli.main, "invoke", raising(RuntimeError("of torch\nand more")))
    status, _, error = said("cards")
    assert status == 1
    assert error == "Error: RuntimeError: of torch (with GATESCOPE_DEBUG=1 in the environment, it is said where).\n"
    monkeypatch.setenv(entry.DEBUG, "1")
    with pytest.raises(RuntimeError):
        entry.run()


@pytest.mark.parametrize(("error", "sentence"), [
    (MemoryError(), "Error: There is too little memory; a smaller network or picture takes less.\n"),
    (OSError(28, "No space left on device", "f"), "Error: f cannot be read or written: No space left on device.\n"),
    (BrokenPipeError(), ""),
])  # fmt: skip
def test_what_the_machine_lacks_is_one_sentence(said, monkeypatch, error, sentence):
    monkeypatch.setattr(cli, "run", raising(error))
    assert said("cards") == (1, "", sentence)


def test_output_that_cannot_be_written_is_one_sentence():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "attention", "--help"]
        done = subprocess.run(command, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr == "Error: A file cannot be read or written: No space left on device.\n"


@contextlib.contextmanager
def full_disk(most=2000):
    """No file can have more bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("arguments", [
    ["report", PICTURE, "--model", "se", "--out", "@/made/r.html"],
    ["survey", "@/p", "--model", "se", "--out", "@/made/r.parquet"],
    ["many", "@/p", "--model", "se", "--out", "@/made"],
], ids=lambda each: each[0])  # fmt: skip
def test_a_full_disk_is_one_sentence_and_leaves_nothing_half(said, tmp_path, arguments):
    folder(tmp_path / "p", {"a": 2})
    (tmp_path / "made").mkdir()
    with full_disk(100):
        status, _, error = said(*(str(each).replace("@", str(tmp_path)) for each in arguments))
    assert status == 1 and re.search("Error: .* cannot be written: File too large; what .* stays", error)
    assert [path.name for path in (tmp_path / "made").iterdir()] in ([], ["pictures.jsonl"])


def test_what_a_survey_has_counted_survives_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(survey.running, "SAVE_SECONDS", 0)
    pictures, stopped = survey.list_pictures(folder(tmp_path / "p", {"a": 3, "b": 3})), Event()
    stopped.set()
    settings = survey.Settings(out=tmp_path / "r.parquet", batch_size=1, workers=1)
    with pytest.raises(survey.CancelledError):
        survey.run(network(), pictures, settings=settings, cancel=stopped)
    kept = (tmp_path / "r.parquet.partial").read_bytes()
    resumed = dataclasses.replace(settings, resume=True)
    with full_disk(), pytest.raises(FileError, match="what was there stays"):
        survey.run(network(), pictures, settings=resumed)
    assert (tmp_path / "r.parquet.partial").read_bytes() == kept
    survey.run(network(), pictures, settings=resumed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "r.parquet"]


@pytest.mark.parametrize("damaged", [b"{", b"[]", b'{"a": {}}', b"\xff", None])
def test_a_damaged_file_of_the_package_is_named(tmp_path, monkeypatch, damaged):
    for name in ("samples/samples.json", "labels/imagenet.json"):
        (tmp_path / name).parent.mkdir()
        if damaged is not None:
            (tmp_path / name).write_bytes(damaged)
    monkeypatch.setattr(images, "ASSETS", tmp_path)
    monkeypatch.setattr(zoo, "FILE", tmp_path / "samples" / "samples.json")
    for made in (images.samples, zoo.curated_entries.__wrapped__):
        with pytest.raises(FileError, match=r"samples.json(, which comes with Gatescope, is damaged| cannot be read)"):
            made()


def test_what_a_command_does_by_default_is_within_its_own_bounds():
    commands, checked = [main], 0
    for command in commands:
        commands += getattr(command, "commands", {}).values()
        for option in command.params:
            ranged = isinstance(option.type, click.types.IntRange | click.types.FloatRange)
            if ranged and isinstance(option.default, int | float):
                assert option.type.convert(option.default, option, None) == option.default, option.name
                checked += 1
            assert option.name != "seed" or option.default == 0, "a figure says seed 0 where none was asked for"
    assert checked >= 2
