"""The command line: each block off in turn, or a file of edits, as JSON and PNG."""

import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from attention import capture, images, interventions, zoo
from attention.__main__ import main
from attention.interventions import DRAWS, Edit, Sheet, Subject, files
from attention.records import GatescopeError
from tests.own import BLOCKS

PICTURE = images.samples()[0].path


def run(*arguments):
    return CliRunner().invoke(main, ["ablate", str(PICTURE), *map(str, arguments)], catch_exceptions=True)


def written(folder):
    with Image.open(folder / "ablation.png") as picture:
        assert picture.format == "PNG" and len(picture.convert("L").getcolors()) > 8
    return json.loads((folder / "ablation.json").read_text())


def subject(name):
    loaded = zoo.load(name)
    tracer = capture.Tracer(loaded.module)
    with torch.inference_mode():
        batch = loaded.transform(images.read(PICTURE.read_bytes()))[None]
        return Subject(tracer, batch, tracer(batch))


def test_each_block_is_off_in_turn_beside_its_random_band(tmp_path):
    result = run("--model", "se", "--seed", 3, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    report, one = written(tmp_path), subject("se")
    first = int(one.before.output.argmax())
    assert [row["name"] for row in report["results"]] == BLOCKS
    assert report["class"] == zoo.card("se").labels[first] and report["seed"] == 3 and report["draws"] == DRAWS
    assert report["note"] == "Switched off or edited at inference, not retrained." and not report["random_weights"]
    for row in report["results"]:
        turn = interventions.turn(one, row["name"], seed=3, draws=DRAWS)
        draws = turn.draws[:, first]
        assert row["change"] == pytest.approx(turn.change[first], abs=1e-4)
        assert (row["low"], row["high"]) == pytest.approx((draws.min(), draws.max()), abs=1e-4)
        assert row["beyond_chance"] == (not row["low"] <= row["change"] <= row["high"])
        assert f"{row['name']}: {row['change']:+.3f}" in result.output


def test_a_file_of_edits_is_measured_as_one(tmp_path):
    edits = (Edit("off", block=BLOCKS[7]), Edit("mean", block=BLOCKS[0]))
    (tmp_path / "edits.json").write_text(files.write(Sheet(edits, "cbam")))
    result = run("--edits", tmp_path / "edits.json", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    (row,), one = written(tmp_path)["results"], subject("cbam")
    logits = one.edited(interventions.applied(edits, one.before.gates)).output[0]
    first = int(one.before.output.argmax())
    assert row["change"] == pytest.approx(float((logits - one.before.output[0])[first]), abs=1e-4)
    assert row["probability"] == pytest.approx(float(logits.softmax(0)[first]), abs=1e-4)


@pytest.mark.usefixtures("home")
def test_random_weights_are_called_so(tmp_path):
    assert run("--model", "timm/test_byobnet", "--random", "--out", tmp_path).exit_code == 0
    report = written(tmp_path)
    assert report["random_weights"] and np.isfinite([row["change"] for row in report["results"]]).all()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "plain"], "plain applies no gates"),
        (["--model", "nothing"], "no classifier 'nothing'"),
        (["--edits", "missing.json"], "missing.json cannot be read"),
    ],
)
def test_what_cannot_be_is_an_error_of_one_sentence_and_nothing_is_written(tmp_path, arguments, said):
    result = run(*arguments, "--out", tmp_path / "out")
    assert isinstance(result.exception, GatescopeError) and said in str(result.exception)
    assert not (tmp_path / "out").exists()
