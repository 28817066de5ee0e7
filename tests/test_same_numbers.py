"""What has one meaning has one value: on every page, in the report, and in what the commands write."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from streamlit.testing.v1 import AppTest

from attention import cli as command
from attention import images, numbers
from attention.analysis import top
from attention.charts.chart import Chart
from attention.numbers import fixed, percent
from attention.observe import Observation, load_network, observe, read_picture
from attention.report import Table, report_of
from attention.ui import widgets

ROOT = Path(__file__).parents[1]
NETWORKS = ("se", "cbam", "se-resnext", "efficientnet-b0", "cbam-b0")
SAMPLE = images.samples()[0]


@pytest.fixture(scope="module", params=NETWORKS)
def observation(request, sparing) -> Observation:
    return observe(load_network(request.param), read_picture(SAMPLE.path))


@pytest.fixture(scope="module")
def written(observation, tmp_path_factory) -> dict:
    """What `compare` and `ablate` write of the same network and picture."""
    out = tmp_path_factory.mktemp("written")
    (out / "edits.json").write_text(json.dumps({"format": "gatescope edits 1", "edits": [{"action": "off"}]}))
    name = observation.card.name
    for arguments in (
        ["compare", "--model", name, "--model", "plain"],
        ["ablate", "--model", name, "--draws", "19", "--edits", out / "edits.json"],
    ):
        done = CliRunner().invoke(
            command.main, [arguments[0], str(SAMPLE.path), *map(str, arguments[1:]), "--out", str(out)]
        )
        assert done.exit_code == 0, done.output
    compared = json.loads((out / "compare.json").read_text())["networks"][0]
    return compared | {"ablation": json.loads((out / "ablation.json").read_text())}


@pytest.fixture(autouse=True)
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of the overview is drawn at once, as for somebody who has scrolled there."""
    monkeypatch.setattr(widgets, "is_near", lambda part, where: True)


def opened(page: str, observation: Observation, **parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.query_params.update({"network": observation.card.name, "picture": SAMPLE.title, **parameters})
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception and not app.error
    return app


def text(app: AppTest) -> str:
    return "\n".join(each.value for kind in (app.header, app.markdown, app.caption) for each in kind).replace("\\", "")


def table(observation: Observation, key: str) -> dict:
    """A table of the report, or the numbers of one of its charts."""
    items = [item for section in report_of(observation).sections for item in section.items]
    return next(
        item.columns if isinstance(item, Table) else item.table
        for item in items
        if (isinstance(item, Table) and item.name == key) or (isinstance(item, Chart) and item.key == key)
    )


def metrics(app: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in app.metric}


def test_parameters_macs_and_the_share_of_attention(observation, written):
    whole = observation.inventory.network
    parameters, macs = numbers.magnitude(whole.parameters), numbers.magnitude(whole.macs)
    share, of_macs = (numbers.attention_share(observation.inventory, what) for what in ("parameters", "macs"))
    overview, models = metrics(opened("overview", observation)), metrics(opened("models", observation))
    assert overview["Attention MACs"] == of_macs
    for shown in (overview, models):
        assert (shown["Parameters"], shown["MACs, one picture"], shown["Attention parameters"]) == (
            parameters,
            macs,
            share,
        )
    ratio = text(opened("excitation", observation, part="Reduction ratio"))
    assert f"attention holds {whole.attention_parameters:,} parameters, {share} of its" in ratio
    rows = text(opened("compare", observation, beside="plain", about="Cost and training"))
    cells = {row.split(" | ")[0].strip("| "): row.split(" | ")[1] for row in rows.splitlines() if row.startswith("| ")}
    assert (cells["parameters"], cells["MACs"]) == (parameters, macs)
    assert (cells["parameters in attention"], cells["MACs in attention"]) == (share, of_macs)
    reported = table(observation, "cost")
    assert reported["network"] == [whole.parameters, whole.macs]
    assert list(map(percent, reported["share"])) == [share, of_macs]
    assert (written["parameters"], written["MACs"]) == (whole.parameters, whole.macs)
    assert observation.card.parameters == whole.parameters


def test_the_first_guess_and_its_probability(observation, written):
    ((label, share),) = top(observation.probabilities, observation.labels, 1)
    for page in ("overview", "cbam", "excitation", "grouped", "intervene", "survey", "models", "compare"):
        shown = opened(page, observation).get("progress")
        assert shown[0].proto.text.replace("\\", "") == f"{label} {share:.1%}", page
    reported = table(observation, "prediction")
    assert reported["class"][0] == label and reported["probability"][0] == pytest.approx(share, rel=1e-5)
    assert written["class"] == written["ablation"]["class"] == label
    assert written["probability"] == pytest.approx(share, rel=1e-5)
    assert [each["before"] for each in written["ablation"]["results"]] == pytest.approx([share], rel=1e-4)


def test_the_means_of_the_gates(observation, written):
    means = {gate.name: float(gate.values.mean()) for gate in observation.trace.gates}
    reported = dict(zip(*(table(observation, "gates")[key] for key in ("gate", "mean")), strict=True))
    assert reported == pytest.approx(means, rel=1e-5)
    kinds = ("channel", "spatial")
    by_kind = {kind: [name for name, gate in gates(observation) if gate.kind == kind] for kind in kinds}
    headline = text(opened("overview", observation)).splitlines()
    said = next(line for line in headline if line.startswith("With this picture"))
    for kind, names in by_kind.items():
        if names:
            mean = np.mean([means[name] for name in names])
            assert f"{len(names)} {kind} gates have a mean of {fixed(mean)}" in said
    assert written["channel gates"] == pytest.approx({name: means[name] for name in by_kind["channel"]}, rel=1e-4)
    for each in written["spatial gates"]:
        gate = next(gate for name, gate in gates(observation) if name == each["name"])
        assert (each["minimum"], each["maximum"]) == pytest.approx((gate.minimum, gate.maximum), rel=1e-4)


def gates(observation: Observation):
    return [(gate.name, gate) for gate in observation.trace.gates]


def test_the_number_of_other_pictures(observation, written):
    """The samples but the picture at hand, wherever they are a yardstick."""
    count = len(images.samples()) - 1
    said = [text(opened(*where)) for where in (("overview", observation), ("excitation", observation))]
    assert all(set(re.findall(r"\d+ of (\d+) other", each)) == {str(count)} for each in said)
    assert all(each.count == count for each in observation.against_usual.values())
    assert {each["rank correlation"]["pictures"] for each in written["spatial gates"]} <= {count + 1}
