"""Each block off over many pictures: what single passes say, resumed where it was left."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from attention import images, interventions
from attention.analysis import evidence
from attention.cli import main, many
from attention.interventions import Edit
from attention.models import zoo
from attention.observe import observe, read_picture
from attention.records import GatescopeError


@pytest.fixture
def folder(tmp_path):
    for number, sample in enumerate(images.samples()[:3]):
        (tmp_path / "pictures" / f"class{number}").mkdir(parents=True)
        shutil.copy(sample.path, tmp_path / "pictures" / f"class{number}" / sample.path.name)
    (tmp_path / "pictures" / "class0" / "broken.jpg").write_bytes(b"none")
    return tmp_path / "pictures"


def run(folder, out, *arguments):
    return CliRunner().invoke(main, ["ablate-many", str(folder), "--model", "se", "--out", str(out), *arguments])


def test_every_picture_has_a_line_and_the_median_is_theirs(folder, tmp_path):
    done = run(folder, tmp_path / "out")
    assert done.exit_code == 0, done.output
    head, *rows = map(json.loads, (tmp_path / "out" / "pictures.jsonl").read_text().splitlines())
    assert head["network"] == "se" and [row["picture"] for row in rows if "error" in row] == ["class0/broken.jpg"]
    used = [row for row in rows if "change" in row]
    for row in used:
        one = observe(zoo.load("se"), read_picture(folder / row["picture"]))
        target = int(one.logits.argmax())
        for block, change in row["change"].items():
            edit = [Edit("off", block=block)]
            effect = interventions.effect(interventions.passes_of(one), "", edit, seed=0, draws=0)
            assert change == pytest.approx(float(effect.change[target]), abs=1e-4)
    told = json.loads((tmp_path / "out" / "ablation.json").read_text())
    assert told["used"] == 3 and told["of"] == 4 and "3 of 4 pictures, 1 could not be used" in done.output
    for each in told["results"]:
        found = evidence.over_pictures([row["change"][each["name"]] for row in used])
        assert each["median"] == pytest.approx(np.median([row["change"][each["name"]] for row in used]))
        assert (each["low"], each["high"], each["alike"]) == (found.low, found.high, found.alike)


def test_it_goes_on_where_it_was_left_and_not_with_another_network(folder, tmp_path):
    out = tmp_path / "out"
    assert run(folder, out, "--off", "mean").exit_code == 0
    whole = (out / "pictures.jsonl").read_text()
    (out / "pictures.jsonl").write_text("".join(whole.splitlines(keepends=True)[:3]))
    assert run(folder, out, "--off", "mean").exit_code == 0
    assert (out / "pictures.jsonl").read_text() == whole
    refused = run(folder, out)
    assert isinstance(refused.exception, GatescopeError) and "of another run (other off)" in str(refused.exception)
    (out / "pictures.jsonl").write_text("{")
    with pytest.raises(GatescopeError, match="no file of this command"):
        many._begun(out / "pictures.jsonl", {})
