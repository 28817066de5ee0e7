"""The survey on the command line: what it says, and what it says when something is wrong."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from torch import nn

from attention import survey
from attention.charts import surveys
from attention.charts.surveys import Selection
from attention.cli import surveys as command_line
from attention.cli.surveys import headlines, summary
from tests.surveys import folder, network

ROOT = Path(__file__).parents[1]


def command(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = [sys.executable, "-m", "attention", "survey", *map(str, arguments)]
    return subprocess.Popen(
        started, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def source(tmp_path):
    source = folder(tmp_path / "pictures", {"parachute": 30, "pug": 30}, side=170)
    (source / "pug" / "00000.png").write_bytes(b"broken")
    (source / "pug" / "notes.txt").touch()
    return source


def test_a_survey_says_what_came_of_it_and_goes_on_after_ctrl_c(source, tmp_path):
    out = tmp_path / "r.parquet"
    arguments = [source, "--model", "cbam", "--out", out, "--limit", "40", "--batch-size", "2", "--workers", "1"]
    process = command(*arguments)
    first = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=120)
    assert "of 40 pictures" in first and process.returncode == 130
    assert error.splitlines()[-1].startswith("Error: The survey was stopped after ")
    assert error.splitlines()[-1].endswith(f"{out}.partial holds them, and --resume goes on.")
    process = command(*arguments, "--resume")
    output, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    first, *_, last = output.splitlines()
    assert first.startswith("39 of 40 pictures, 2 classes, 16 gates of cbam; top-1 ")
    assert "  pug/00000.png: The file is not a picture in an allowed format" in output
    assert (
        "The network knows no class named as 1 of these are" in output
        and "1 file was left out: no pictures by" in output
    )
    assert last == f"The result is in {out}." and error.splitlines()[-1].startswith("40 of 40 pictures")
    assert survey.read(out).provenance["run"]["resumed_at"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--model", "cbam"], "Error: nowhere is not there; a folder of pictures, a zip file"),
        ([".", "--model", "cbamm"], "Error: There is no classifier 'cbamm'"),
        ([".", "--model", "runs/gone.pth:D as CBAM"], "Error: There is no file 'runs/gone.pth'"),
        ([".", "--model", "cbam", "--batch-size", "0"], "Error: The batch size is 0; 1 to 255 are allowed."),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments, message, tmp_path):
    process = command(*arguments, "--out", tmp_path / "r.parquet")
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1 and error.startswith(message) and error.count("\n") == 1


def test_progress_has_a_rate_and_the_time_left():
    at = survey.Progress(done=1000, total=4000, failed=2, rate=20.0)
    assert str(at) == "1,000 of 4,000 pictures, 2 could not be read, 20.0 a second, 2:30 left"


def test_a_summary_names_the_first_failures_and_counts_the_others(tmp_path):
    source = folder(tmp_path, {"a": 13})
    for path in sorted((source / "a").iterdir())[:12]:
        path.write_bytes(b"")
    lines = summary(survey.run(network(), survey.list_pictures(source)))
    assert "12 pictures could not be used:" in lines and lines[-1] == "  and 2 more, which the result names."
    assert sum("The file is empty" in line for line in lines) == 10


def test_a_summary_that_names_every_failure_counts_no_others(tmp_path):
    source = folder(tmp_path, {"a": 11})
    for path in sorted((source / "a").iterdir())[:10]:
        path.write_bytes(b"")
    lines = summary(survey.run(network(), survey.list_pictures(source)))
    assert sum("The file is empty" in line for line in lines) == 10 and "more" not in lines[-1]


def test_a_summary_counts_the_files_that_were_left_out(tmp_path):
    source = folder(tmp_path, {"a": 2})
    (source / "a" / "notes.txt").touch()
    assert summary(survey.run(network(), survey.list_pictures(source)))[1:] == [
        "1 file was left out: no pictures by their name, no plain files, or folders that cannot be read."
    ]


def test_there_are_no_headlines_of_gates_that_are_not_there(tmp_path):
    plain = nn.Sequential(nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    result = survey.run(network(plain), survey.list_pictures(folder(tmp_path, {"a": 2, "b": 1})))
    assert result.pictures == 3 and headlines(result) == []


def test_the_command_prints_what_the_charts_say(tmp_path):
    result = survey.run(network(), survey.list_pictures(folder(tmp_path, {"a": 9, "b": 8, "c": 7})))
    selection = Selection(survey.LoadedSurvey(result))
    charts = [surveys.selectivity(selection), surveys.health(selection), surveys.maps_by_depth(selection.survey)]
    assert headlines(result) == [chart.headline for chart in (*charts, *surveys.correctness(selection))]
    assert "; with the classes shuffled once the highest is " in headlines(result)[0] and len(headlines(result)) == 4


def test_the_command_puts_the_handler_of_ctrl_c_back():
    before = signal.getsignal(signal.SIGINT)
    with command_line.stop_on_ctrl_c() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.is_set() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is before
