"""The command line: each block off in turn, or a file of edits, as JSON and PNG."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from attention import capture, images, interventions
from attention.cli import main
from attention.interventions import DRAWS, Edit, EditedPasses, EditFile, files
from attention.models import own, zoo
from attention.records import GatescopeError
from tests.own import BLOCKS

ROOT = Path(__file__).parents[1]
PICTURE = images.samples()[0].path
COMPARE = ("compare", str(PICTURE), "--model", "se", "--model", "cbam")


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
        return EditedPasses(tracer, batch, tracer(batch))


def test_each_block_is_off_in_turn_beside_its_random_band(tmp_path):
    result = run("--model", "se", "--seed", 3, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    report, one = written(tmp_path), subject("se")
    first = int(one.before.output.argmax())
    assert [row["name"] for row in report["results"]] == BLOCKS
    assert report["class"] == zoo.card("se").labels[first] and report["seed"] == 3 and report["draws"] == DRAWS
    assert report["note"] == "Switched off or edited at inference, not retrained." and not report["random_weights"]
    for row in report["results"]:
        turn = interventions.ablate_block(one, row["name"], seed=3, draws=DRAWS)
        draws = turn.draws[:, first]
        assert row["change"] == pytest.approx(turn.change[first], abs=1e-4)
        assert (row["low"], row["high"]) == pytest.approx((draws.min(), draws.max()), abs=1e-4)
        assert row["beyond_chance"] == (not row["low"] <= row["change"] <= row["high"])
        assert f"{row['name']}: {row['change']:+.3f}" in result.output


def test_a_file_of_edits_is_measured_as_one(tmp_path):
    edits = (Edit("off", block=BLOCKS[7]), Edit("mean", block=BLOCKS[0]))
    (tmp_path / "edits.json").write_text(files.write(EditFile(edits, "cbam")))
    result = run("--edits", tmp_path / "edits.json", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    (row,), one = written(tmp_path)["results"], subject("cbam")
    logits = one.edited(interventions.applied(edits, one.before.gates)).output[0]
    first = int(one.before.output.argmax())
    assert row["change"] == pytest.approx(float((logits - one.before.output[0])[first]), abs=1e-4)
    assert row["probability"] == pytest.approx(float(logits.softmax(0)[first]), abs=1e-4)


def test_a_weight_file_is_a_network_too(tmp_path):
    weights = own.WEIGHTS / "se.safetensors"
    assert run("--model", weights, "--out", tmp_path).exit_code == 0
    assert [row["name"] for row in written(tmp_path)["results"]] == BLOCKS


@pytest.mark.parametrize("out", ["taken", "taken/inside"])
def test_where_no_folder_can_be_is_said_before_anything_is_computed(tmp_path, monkeypatch, out):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(zoo, "load", lambda *_, **__: pytest.fail("a network was loaded"))
    for result in (run("--out", tmp_path / out), CliRunner().invoke(main, [*COMPARE, "--out", str(tmp_path / out)])):
        assert result.exit_code == 2 and "is no folder that can be written to" in " ".join(result.output.split())


def test_the_example_in_the_readme_is_what_the_command_says(tmp_path):
    picture = ROOT / "assets" / "samples" / "cathedral.jpg"
    arguments = ["ablate", str(picture), "--model", "se", "--out", str(tmp_path)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    report = written(tmp_path)
    example = re.sub(r"\s+", " ", (ROOT / "README.md").read_text(encoding="utf-8").split("With this picture of")[1])
    last, third = (next(row for row in report["results"] if row["name"] == name) for name in (BLOCKS[7], BLOCKS[4]))
    assert f'says "{report["class"]}" with {percent(report["probability"])}. Without its last gate, layer4.1' in example
    assert f"says so with {percent(last['probability'])}: the logit rises by {last['change']:.2f}." in example
    assert f"in {DRAWS} draws, raise the logit by {last['low']:.2f} to {last['high']:.2f}," in example
    fall = f"the logit falls by {-third['change']:.3f}, and to {percent(third['probability'])};"
    assert f"The gate of layer3.0 is another case. Without it {fall}" in example
    assert f"the same changes lower it by {-third['high']:.3f} to {-third['low']:.3f}." in example
    assert last["beyond_chance"] and not third["beyond_chance"]


def percent(share):
    return f"{share:.1%}".replace("%", " %")


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
