"""The command line: each block off in turn, or a file of edits, as JSON and PNG."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from attention import capture, images, interventions
from attention.analysis import evidence
from attention.cli import ablation, main
from attention.interventions import Edit, EditedPasses, EditFile, files
from attention.models import own, zoo
from attention.numbers import signed
from attention.observe import observe, read_picture
from attention.records import GatescopeError
from tests.documents import document, in_one_line
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


def test_each_block_is_off_in_turn_beside_its_null_range(tmp_path):
    result = run("--model", "se", "--seed", 3, "--draws", 19, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    report, one = written(tmp_path), subject("se")
    first = int(one.before.output.argmax())
    assert [row["name"] for row in report["results"]] == BLOCKS
    assert report["class"] == zoo.card("se").labels[first] and report["seed"] == 3
    assert (
        report["note"] == interventions.WITHOUT
        and report["off"] == "their neutral value"
        and not report["random_weights"]
    )
    effects = [interventions.effect(one, block, [Edit("off", block=block)], seed=3, draws=19) for block in BLOCKS]
    adjusted = evidence.holm([evidence.p_value(one.change[first], one.null[:, first]) for one in effects])
    for row, effect, p in zip(report["results"], effects, adjusted, strict=True):
        assert row["change"] == pytest.approx(effect.change[first], abs=1e-4) and row["draws"] == 19
        assert (row["low"], row["high"]) == pytest.approx(evidence.null_range(effect.null[:, first]), abs=1e-4)
        assert (row["before"], row["after"]) == pytest.approx(effect.probability(first), abs=1e-4)
        assert row["p_adjusted"] == pytest.approx(p)
        assert row["p"] <= row["p_adjusted"]
        span = f"{row['before']:.1%} → {row['after']:.1%} (logit {signed(row['change'])}); "
        said = "here it matters" if row["p_adjusted"] <= evidence.LEVEL else "no evidence that it matters"
        assert f"without {row['name']}: {span}{said} which value stands where" in result.output
    assert "no effect" not in result.output


def test_a_file_of_edits_is_measured_as_one(tmp_path):
    edits = (Edit("off", block=BLOCKS[7]), Edit("mean", block=BLOCKS[0]))
    (tmp_path / "edits.json").write_text(files.write(EditFile(edits, "se")))
    result = run("--edits", tmp_path / "edits.json", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "edits.json: These edits were made for se; here they are those of cbam.\n" in result.output
    (row,), one = written(tmp_path)["results"], subject("cbam")
    logits = one.edited(interventions.applied(edits, one.before.gates)).output[0]
    first = int(one.before.output.argmax())
    assert row["change"] == pytest.approx(float((logits - one.before.output[0])[first]), abs=1e-4)
    assert row["after"] == pytest.approx(float(logits.softmax(0)[first]), abs=1e-4) and row["draws"] == 99


@pytest.mark.parametrize("other", [None, images.samples()[3].path])
def test_off_can_be_the_mean_over_the_samples_or_another_pictures_gate(tmp_path, other):
    given = ("--off", "resample", "--other", other) if other else ("--off", "mean")
    result = run(*given, "--draws", 19, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    report, one = written(tmp_path), subject("cbam")
    paths = [other] if other else [sample.path for sample in images.samples()]
    means = {gate.name: np.zeros_like(gate.values) for gate in one.before.gates}
    for path in paths:
        for gate in observe(zoo.load("cbam"), read_picture(path)).trace.gates:
            means[gate.name] += gate.values / len(paths)
    first = int(one.before.output.argmax())
    for row in report["results"][::3]:
        mine = {name: torch.from_numpy(value) for name, value in means.items() if name.startswith(f"{row['name']}.")}
        assert len(mine) == 2
        edits = {name: lambda values, put=put: put.expand_as(values) for name, put in mine.items()}
        moved = (one.edited(edits).output - one.before.output)[0, first]
        assert row["change"] == pytest.approx(float(moved), abs=1e-3)
    said = f"those of “{other.name}”" if other else f"their mean over {len(paths)} pictures"
    assert report["off"] == said and f"Off: the gates are put to {said}." in result.output


@pytest.mark.parametrize("at", [0, -1])
def test_the_pictures_that_stand_in_are_the_samples_or_the_first_that_is_another(at):
    samples = [read_picture(sample.path) for sample in images.samples()]
    seen, every = SimpleNamespace(picture=samples[at]), [picture.key for picture in samples]
    asked = [{"off": "neutral"}, {"off": "mean"}, {"off": "resample"}, {"off": "resample", "other": PICTURE}]
    found = [ablation._donors(seen, SimpleNamespace(**{"other": None} | request)) for request in asked]
    first = every[1] if at == 0 else every[0]
    assert [[picture.key for picture in pictures] for pictures in found] == [[], every, [first], [every[0]]]


def test_a_weight_file_is_a_network_too(tmp_path):
    weights = own.WEIGHTS / "se.safetensors"
    assert run("--model", weights, "--draws", 19, "--out", tmp_path).exit_code == 0
    assert [row["name"] for row in written(tmp_path)["results"]] == BLOCKS


@pytest.mark.parametrize("out", ["taken", "taken/inside"])
def test_where_no_folder_can_be_is_said_before_anything_is_computed(tmp_path, monkeypatch, out):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setattr(zoo, "load", lambda *_, **__: pytest.fail("a network was loaded"))
    for result in (run("--out", tmp_path / out), CliRunner().invoke(main, [*COMPARE, "--out", str(tmp_path / out)])):
        assert result.exit_code == 2 and "is no folder that can be written to" in " ".join(result.output.split())


def test_the_example_in_the_documents_is_what_the_command_says(tmp_path):
    picture = ROOT / "assets" / "samples" / "cathedral.jpg"
    arguments = ["ablate", str(picture), "--model", "se", "--out", str(tmp_path)]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    report = written(tmp_path)
    example = in_one_line(document("evidence").split("With this picture of")[1])
    last, third = (next(row for row in report["results"] if row["name"] == name) for name in (BLOCKS[7], BLOCKS[4]))
    for row, end in ((last, ".2f"), (third, ".3f")):
        moved = f"the logit moves by {row['change']:+{end}}"
        span = f"by {row['low']:+{end}} to {row['high']:+{end}}"
        assert f"{percent(row['after'])}: {moved}" in example and span in example
        assert f"(p = {row['p_adjusted']:.2g}" in example
    assert f'says "{report["class"]}" with {percent(report["probability"])}. Without its last gate, layer4.1' in example
    assert f"{last['draws']} draws" in example and f"over {len(BLOCKS)} blocks" in example
    assert last["p_adjusted"] <= evidence.LEVEL < third["p_adjusted"]


def percent(share):
    return f"{share:.1%}"


@pytest.mark.usefixtures("home")
def test_random_weights_are_called_so(tmp_path):
    assert run("--model", "timm/test_byobnet", "--random", "--draws", 19, "--out", tmp_path).exit_code == 0
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
