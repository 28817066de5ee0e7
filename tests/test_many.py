"""What holds over many pictures: what single passes say, resumed where it was left; the page shows the same."""

import json
import shutil
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from attention import comparison, images, interventions
from attention import many as over
from attention.analysis import agreement, evidence, faithfulness
from attention.charts import interventions as intervention_charts
from attention.cli import ablation, main
from attention.interventions import Edit
from attention.models import zoo
from attention.observe import NetworkChoice, Observation, observe, read_picture
from attention.records import GatescopeError
from attention.survey import list_pictures
from attention.ui.intervene.effects import _work
from tests.charts import numbers, sent_chart
from tests.jobs import finished

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path):
    for number, sample in enumerate(images.samples()[:3]):
        (tmp_path / "pictures" / f"class{number}").mkdir(parents=True)
        shutil.copy(sample.path, tmp_path / "pictures" / f"class{number}" / sample.path.name)
    (tmp_path / "pictures" / "class0" / "broken.jpg").write_bytes(b"none")
    return tmp_path / "pictures"


def run(folder, out, *arguments):
    return CliRunner().invoke(main, ["many", str(folder), "--model", "se", "--out", str(out), *arguments])


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
        ablation._begin(out / "pictures.jsonl", {})


@pytest.mark.parametrize(("model", "said"), [("plain", "applies no gates")])
def test_a_network_without_gates_is_told_so_before_a_file_is_made(folder, tmp_path, model, said):
    refused = CliRunner().invoke(main, ["many", str(folder), "--model", model, "--out", str(tmp_path / "out")])
    assert isinstance(refused.exception, GatescopeError) and said in str(refused.exception)
    assert not (tmp_path / "out" / "pictures.jsonl").exists()


def test_the_command_of_before_measures_the_same(folder, tmp_path):
    arguments = [str(folder), "--model", "se", "--limit", "2", "--out"]
    for name in ("many", "ablate-many"):
        assert CliRunner().invoke(main, [name, *arguments, str(tmp_path / name)]).exit_code == 0
    one, other = ((tmp_path / name / "ablation.json").read_text() for name in ("many", "ablate-many"))
    assert one == other


def measured(folder, tmp_path, measure):
    out = tmp_path / measure
    done = CliRunner().invoke(
        main, ["many", str(folder), "--model", "cbam", "--measure", measure, "--out", str(out)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    _, *rows = map(json.loads, (out / "pictures.jsonl").read_text().splitlines())
    return [row for row in rows if "change" in row], json.loads((out / f"{measure}.json").read_text()), done.output


def test_agreement_is_that_with_the_own_gate_less_that_with_the_usual_one(folder, tmp_path):
    rows, told, output = measured(folder, tmp_path, "agreement")
    assert told["used"] == len(rows) == 3 and "agrees with its picture's heatmap more" in output
    for row in rows:
        one = observe(zoo.load("cbam"), read_picture(folder / row["picture"]))
        heatmap = one.heatmap(int(one.logits.argmax())).values
        others = [read_picture(sample.path) for sample in images.samples()]
        traces = [one.of(other).trace for other in others if other.key != one.picture.key]
        for block in one.blocks:
            maps = [next(gate for gate in trace.gates if gate.name == block.spatial.name) for trace in traces]
            usual = np.mean([gate.values[0] for gate in maps], axis=0)
            own, habit = (agreement.agreement(each, heatmap).correlation for each in (block.spatial.values[0], usual))
            assert row["change"][block.name] == pytest.approx(own - habit, abs=1e-3)


def test_deletion_is_the_area_that_the_heatmap_is_better_by(folder, tmp_path):
    rows, told, _ = measured(folder, tmp_path, "deletion")
    assert [each["name"] for each in told["results"]] == [
        f"than {other} by {kind}"
        for other in ("a blob in the middle", "that of another picture")
        for kind in ("deletion", "insertion")
    ]
    one = observe(zoo.load("cbam"), read_picture(folder / rows[0]["picture"]))
    target = int(one.logits.argmax())
    heatmap = one.heatmap(target).values
    picture = one.network.transform(one.image).numpy()
    areas = [
        faithfulness.faithfulness(
            picture, values, lambda batch: comparison.probabilities_of(one, batch)[:, target]
        ).areas
        for values in (heatmap, agreement.centre_blob(heatmap.shape))
    ]
    found = rows[0]["change"]
    assert found["than a blob in the middle by deletion"] == pytest.approx(areas[1][0] - areas[0][0], abs=1e-5)
    assert found["than a blob in the middle by insertion"] == pytest.approx(areas[0][1] - areas[1][1], abs=1e-5)


def test_beside_a_heatmap_stands_that_of_another_picture_also_where_it_is_of_the_first_sample(monkeypatch):
    first, second = (observe(zoo.load("cbam"), read_picture(sample.path)) for sample in images.samples()[:2])
    beside = []

    def watched(_one, _target, maps, others, **_how):
        beside.append(others["that of another picture"])
        raise KeyboardInterrupt

    monkeypatch.setattr(over.comparison, "test_maps", watched)
    for one, other in ((first, second), (second, first)):
        with pytest.raises(KeyboardInterrupt):
            over._deletion(one, int(one.logits.argmax()), others=[first, second])
        expected = other.heatmap(int(other.probabilities.argmax())).values
        np.testing.assert_array_equal(beside[-1], expected)


@pytest.mark.parametrize("measure", list(over.MEASURES))
def test_the_page_measures_the_samples_and_shows_the_medians(measure):
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    title = over.MEASURES[measure].title
    app.query_params.update({"network": "cbam", "section": "Over many pictures", "measure": title})
    app.session_state["many_most"] = 3
    app.switch_page("pages/intervene.py").run()
    assert not app.exception and not app.error
    app = finished(app.button(key="start_many").click().run())
    assert not app.exception and not app.error
    network, pictures = zoo.load("cbam"), list_pictures(ROOT / "assets" / "samples").limited(3)
    first = observe(network, read_picture(images.samples()[0].path))
    rows = list(over.measure_pictures(first, pictures, measure, cancel=Event()))
    wanted = [each.median for each in over.summarise(rows).values()]
    assert numbers(sent_chart(app, "many")["data"][0]["x"]) == pytest.approx(wanted, abs=1e-3)
    app.session_state["many_most"] = 2
    assert [each.key for each in app.run().button if each.key == "start_many"]  # of other pictures nothing is known
    app.session_state["many_most"] = 3
    assert sent_chart(app.run(), "many")["data"]


def test_it_stops_where_it_is_told_to():
    cancel = Event()
    first = observe(zoo.load("se"), read_picture(images.samples()[0].path))
    rows = over.measure_pictures(first, list_pictures(ROOT / "assets" / "samples"), "ablation", cancel=cancel)
    assert "change" in next(rows)
    cancel.set()
    assert list(rows) == []


def test_a_line_that_was_cut_off_is_gone_before_others_follow(tmp_path):
    file, whole = tmp_path / "pictures.jsonl", b'{"measure": "ablation"}\n{"picture": "a.png"}\n'
    for cut in (b'{"pict', b""):
        file.write_bytes(whole + cut)
        assert ablation._begin(file, {"measure": "ablation"}) == [{"picture": "a.png"}]
        assert file.read_bytes() == whole


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    refused = r"cannot be written: Is a directory; what is in it stays, and is gone on with\.$"
    with pytest.raises(GatescopeError, match=refused):
        ablation._append_row(tmp_path, {"picture": "a.png"})


def test_the_chart_says_how_many_pictures_could_not_be_used():
    found = {"block": over.OverPictures(0.5, 0.25, 0.75, 3, 4)}
    said = "1 picture could not be used."
    assert intervention_charts.medians(found, "Explained.", "Finding.", 1).caption.endswith(said)
    assert said not in intervention_charts.medians(found, "Explained.", "Finding.", 0).caption


def test_the_job_of_the_page_runs_the_network_that_is_at_hand_and_keeps_its_pictures_to_itself(folder):
    loaded, told = [], []
    choice = NetworkChoice(zoo.card("se"), "se", lambda: loaded.append("se") or zoo.load("se"))
    seen = Observation(choice, read_picture(images.samples()[0].path))
    assert seen.network and loaded == ["se"]
    rows = _work(seen, list_pictures(folder), "ablation", "neutral")(lambda *count: told.append(count))
    assert loaded == ["se"] and not seen.store.find("trace", (seen.key,))
    assert told == [(done, 4) for done in range(5)] and len(rows) == 4
