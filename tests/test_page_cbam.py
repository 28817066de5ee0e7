"""The page of the spatial gates says what a trace of the same picture says, and takes every link."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from plotly.colors import sample_colorscale
from streamlit.testing.v1 import AppTest

from attention import capture, images
from attention.analysis import Block
from attention.charts import overlay
from attention.charts.colours import COLOUR_MAPS, SPATIAL_GATE
from attention.models import own, zoo
from attention.numbers import extent, fixed
from attention.observe import Observation
from attention.records import Gate, GateHealth, Trace
from attention.store import Store
from attention.ui import cache, cbam, jobs, tinted, usual
from attention.ui.jobs import Count
from tests.charts import check_colours, numbers, sent_chart
from tests.jobs import finished
from tests.pages import filled

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]
BLOCKS = [f"layer{stage}.{index}.attention" for stage in range(1, 5) for index in range(2)]
BLOCK = "layer2.1.attention"
TITLE = images.samples()[0].title
USUAL = "Against the usual gate"
TABS = ["How the map came about", USUAL, "Channel attention", "Through depth", "Before and after", "Code"]


def opened(**parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    for key, value in parameters.items():
        app.query_params[key] = value
    app.switch_page("pages/cbam.py").run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert not app.error, app.error
    return app


def traced(title: str = TITLE, *steps: str) -> Trace:
    sample = next(sample for sample in images.samples() if sample.title == title)
    loaded = zoo.load("cbam")
    with torch.inference_mode():
        batch = loaded.transform(images.read(sample.path.read_bytes()))[None]
        return capture.trace(loaded.module, batch, steps=steps)


def map_of(trace: Trace, block: str) -> np.ndarray:
    return next(gate.values[0] for gate in trace.gates if gate.name == f"{block}.spatial")


def said(app: AppTest) -> str:
    kinds = (app.header, app.markdown, app.caption, app.latex, app.info, app.warning)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def block_of(values: np.ndarray) -> Block:
    values = np.asarray(values, np.float32)[None]
    gate = Gate("layer1.0.attention.spatial", "spatial", "sigmoid", values, (1, 4, *values.shape[1:]), 0.0, 1.0)
    return Block("layer1.0.attention", None, gate)


@pytest.mark.parametrize("network", [name for name in own.NAMES if not name.startswith("cbam")])
def test_a_network_without_spatial_gates_says_so_and_offers_one_that_has_them(network):
    app = opened(network=network)
    assert "has no spatial gates" in app.info[0].value
    sound(app.button(key="instead_cbam").click().run())
    assert app.selectbox(key="network").value == "cbam"
    assert not app.info
    assert app.header[0].value.startswith("Block layer")


@pytest.mark.parametrize("sample", images.samples(), ids=lambda sample: sample.name)
def test_every_sample_picture_opens(sample):
    assert opened(network="cbam", picture=sample.title).header


@pytest.mark.parametrize("block", BLOCKS)
def test_the_answer_has_the_numbers_of_the_trace(block):
    values = map_of(traced(), block)
    app = opened(network="cbam", picture=TITLE, block=block)
    assert app.header[0].value.replace("\\", "").startswith(f"Block {block.removesuffix('.attention')}")
    answer = f"Its gates run from {extent(values)}, {fixed(values.mean())} on average"
    assert answer in said(app)
    shown = {metric.label: metric.value for metric in app.metric}
    wanted = {"Minimum": values.min(), "Mean": values.mean(), "Maximum": values.max()}
    assert shown == {name: fixed(value) for name, value in wanted.items()}


def test_the_map_stands_beside_the_usual_one_and_that_of_a_grey_card():
    app = opened(network="cbam", picture=TITLE, tab=USUAL, block=BLOCKS[4])
    assert "other pictures" in app.header[0].value and "For a grey card" in said(app)
    assert len(sent_chart(app, "usual")["data"]) == 4


def test_a_network_that_costs_much_is_run_on_other_pictures_where_it_is_asked_to(monkeypatch):
    heard: list[Count] = []
    monkeypatch.setattr(jobs, "Count", lambda *count: heard.append(Count(*count)) or heard[-1])
    monkeypatch.setattr(usual, "AT_ONCE", 0)
    monkeypatch.setattr(cache, "STORE", Store())
    app = opened(network="cbam", picture=TITLE, tab=USUAL, block=BLOCKS[4])
    assert "other pictures" not in app.header[0].value
    sound(finished(app.button(key="start_usual").click().run()))
    sound(app.run())
    assert "other pictures" in app.header[0].value and len(sent_chart(app, "usual")["data"]) == 4
    assert heard and [each.done for each in heard] == list(range(heard[0].total))


def test_a_nearly_constant_map_is_called_so():
    answer, _ = cbam.headline(block_of([[0.50, 0.52], [0.51, 0.55]]), "layer1.0", {})
    assert answer == "Block layer1.0 is nearly constant: it says little about the picture."
    assert "most open" not in answer


def test_a_map_that_is_low_everywhere_is_called_nearly_shut():
    answer, _ = cbam.headline(block_of([[0.002, 0.099], [0.03, 0.01]]), "layer4.1", {})
    assert "nearly shut everywhere" in answer and "constant" not in answer


@pytest.mark.parametrize(
    ("spread", "says"),
    [(0.0, "is nearly constant"), (0.5, "is most open at the lower right, in the mean of that ninth.")],
)
def test_a_map_that_shares_out_1_is_measured_by_an_even_share(spread, says):
    values = np.full((8, 8), 1 / 64)
    values[-1, -1] += spread
    block = block_of(values / values.sum())
    block = replace(block, spatial=replace(block.spatial, activation="softmax"))
    answer, numbers = cbam.headline(block, "layer1.0", {})
    assert says in answer and "shut" not in answer
    assert numbers.startswith(f"Its 64 places share out 1: they get {1 / (1 + spread):.3f} to ")


def test_a_map_that_varies_is_said_to_look_somewhere():
    answer, numbers = cbam.headline(block_of([[0.1, 0.2], [0.1, 0.9]]), "layer1.0", {})
    assert answer == "Block layer1.0 is most open at the lower right, in the mean of that ninth."
    assert numbers.startswith("Its gates run from 0.100 to 0.900")


def test_the_strip_has_the_mean_of_every_spatial_gate_in_their_colours():
    trace = traced()
    marker = sent_chart(opened(network="cbam", picture=TITLE), "strip")["data"][0]["marker"]
    check_colours(marker["color"], [map_of(trace, block).mean() for block in BLOCKS], SPATIAL_GATE)


@pytest.mark.parametrize("colour_map", tinted.COLOUR_MAPS)
@pytest.mark.parametrize("scale", tinted.SCALES)
def test_the_browser_is_given_the_map_and_its_colours_and_follows_the_link(colour_map, scale):
    values = map_of(traced(), BLOCK)
    app = opened(network="cbam", picture=TITLE, block=BLOCK, colours=colour_map, scale=scale, opacity="0.3")
    for key, opacity in (("map_over_picture", 0.3), ("legend", 1)):
        given = given_to(app, key)
        assert given["look"] == {"opacity": opacity, "colours": colour_map, "scale": scale}
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(given["values"]), "<f4"), values.ravel())
        assert given["scales"]["own range"] == pytest.approx([values.min(), values.max()])
        assert given["scales"]["0 to 1"] == [0, 1]
        palette = np.frombuffer(base64.b64decode(given["palettes"][colour_map]), np.uint8).reshape(256, 3)
        ends = [[round(255 * part) for part in colour] for colour in ends_of(COLOUR_MAPS[colour_map])]
        assert palette[[0, -1]].tolist() == ends


def ends_of(scale: Any) -> list[tuple[float, float, float]]:
    """The two end colours, each part from 0 to 1."""
    return sample_colorscale(scale, [0, 1], colortype="tuple")


def test_a_report_of_the_page_has_the_map_and_the_legend_in_the_colours_of_the_link():
    app = opened(network="cbam", picture=TITLE, block=BLOCK, colours="magma", scale="own range", opacity="0.3")
    items, values = app.session_state["_recorder"].items, map_of(traced(), BLOCK)
    bars = items["legend"].figure.data[0]
    check_colours(bars.marker.color, bars.x, COLOUR_MAPS["magma"], values.min(), values.max())
    picture = images.read(next(sample for sample in images.samples() if sample.title == TITLE).path.read_bytes())
    box = zoo.preprocessing(zoo.card("cbam")).box(picture.size)
    own = overlay.own_range(values)
    laid = overlay.overlay(picture, values, box, colour_map="magma", scale=own, opacity=0.3)
    assert items["map_over_picture"].figure == laid


def given_to(app: AppTest, key: str) -> dict[str, Any]:
    """What the script is given that draws the chart of this key."""
    found = [each.proto for each in app.get("bidi_component") if each.proto.id.endswith(f"-{key}")]
    return json.loads(found[0].json)


def test_the_derivation_ends_in_the_map_of_the_trace():
    trace = traced(TITLE, f"{BLOCK}.spatial")
    steps, values = trace.steps[f"{BLOCK}.spatial"], map_of(trace, BLOCK)
    panels = sent_chart(opened(network="cbam", picture=TITLE, block=BLOCK), "derivation")["data"]
    for panel, wanted in ((1, steps.pooled["average"][0]), (3, steps.pooled["max"][0]), (5, values)):
        np.testing.assert_allclose(numbers(panels[panel]["z"]), wanted, rtol=1e-5)
    np.testing.assert_allclose([numbers(panels[panel]["z"]) for panel in (2, 4)], steps.kernel)


def test_the_most_open_place_is_told_with_its_numbers():
    trace = traced(TITLE, f"{BLOCK}.spatial")
    values, pooled = map_of(trace, BLOCK), trace.steps[f"{BLOCK}.spatial"].pooled
    row, column = max(np.ndindex(*values.shape), key=lambda place: values[place])
    average, strongest = (pooled[name][0, row, column] for name in ("average", "max"))
    told = said(opened(network="cbam", picture=TITLE, block=BLOCK))
    assert f"(row {row}, column {column}, counted from 0)" in told
    assert f"average {fixed(average)} and max {fixed(strongest)}, and the gate is {fixed(values.max())}" in told


@pytest.mark.parametrize("unit", [None, 5])
def test_the_numbers_of_a_channel_are_those_of_the_trace(unit):
    name = f"{BLOCK}.channel"
    trace = traced(TITLE, name)
    gate = next(gate.values[0] for gate in trace.gates if gate.name == name)
    channel = int(np.argmax(gate)) if unit is None else unit
    average, strongest = (float(trace.steps[name].branches[key][0, channel]) for key in ("average", "max"))
    link = {} if unit is None else {"unit": str(unit)}
    app = opened(network="cbam", picture=TITLE, block=BLOCK, tab="Channel attention", **link)
    equation = app.latex[1].value
    assert f"M_c[{channel}]" in equation
    for number in (average, strongest, average + strongest, gate[channel]):
        assert fixed(number) in equation
    assert gate[channel] == pytest.approx(1 / (1 + np.exp(-average - strongest)), rel=1e-5)


def test_a_channel_that_another_block_does_not_have_gives_way_to_the_most_open_one():
    app = opened(network="cbam", block="layer4.1.attention", tab="Channel attention", unit="200")
    assert "Channel 200 over all places" in said(app)
    sound(app.select_slider(key="block").set_value("layer1.0.attention").run())
    found = next(gate.values[0] for gate in traced().gates if gate.name == "layer1.0.attention.channel")
    assert app.number_input(key="unit").value == int(found.argmax())


@pytest.mark.parametrize("averaged", cbam.AVERAGED)
def test_features_before_and_after_are_those_of_the_trace(averaged):
    channel, spatial = f"{BLOCK}.channel", f"{BLOCK}.spatial"
    trace = traced(TITLE, channel, spatial)
    strongest = int(np.argmax(next(gate.values[0] for gate in trace.gates if gate.name == channel)))
    stages = (trace.steps[channel].before, trace.steps[channel].after, trace.steps[spatial].after)
    wanted = [maps[0].mean(0) if averaged == "mean over channels" else maps[0, strongest] for maps in stages]
    link = {"block": BLOCK, "tab": "Before and after", "shown": averaged}
    panels = sent_chart(opened(network="cbam", picture=TITLE, **link), "features")["data"]
    for panel, values in zip(panels, wanted, strict=True):
        np.testing.assert_allclose(numbers(panel["z"]), values, rtol=1e-4, atol=1e-6)
        assert panel["zmin"] == pytest.approx(min(values.min() for values in wanted))
        assert panel["zmax"] == pytest.approx(max(values.max() for values in wanted))


def test_the_film_shows_every_block_and_opens_it():
    trace = traced()
    app = opened(network="cbam", picture=TITLE, block=BLOCK, tab="Through depth")
    captions = [image.proto.imgs[0].caption.replace("\\", "") for image in app.get("image")]
    for block in BLOCKS:
        values = map_of(trace, block)
        size = f"{values.shape[0]} × {values.shape[1]}"
        assert any(f"{extent(values)}: {size} places" in caption for caption in captions)
    assert app.button(key=f"film_{BLOCK}").disabled
    sound(app.button(key="film_layer4.0.attention").click().run())
    assert app.session_state["block"] == "layer4.0.attention"


def test_the_code_is_that_of_the_layers():
    blocks = [code.value for code in opened(network="cbam", tab="Code").code]
    assert any(code.startswith("class CBAM(nn.Module)") for code in blocks)
    assert any(code.startswith("class SpatialGate(nn.Module)") for code in blocks)
    assert any("self.attention = CBAM(" in code for code in blocks)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("block", "layer9", f"{BLOCKS[0]} to {BLOCKS[-1]}"),
        ("colours", "jet", "viridis, cividis, magma"),
        ("scale", "log", "0 to 1, own range"),
        ("opacity", "7", "0 to 1"),
        ("opacity", "half", "0 to 1"),
        ("unit", "99999", "0 to 127"),
        ("shown", "median", "mean over channels, most open channel"),
    ],
)
def test_a_link_with_a_value_that_there_is_not_says_what_there_is(key, value, allowed):
    tab = {"unit": "Channel attention", "shown": "Before and after"}.get(key, "Code")
    told = said(opened(**{"network": "cbam", "tab": tab, "block": "layer3.0.attention", key: value}))
    assert f"The link asks for {key} “{value}”; there is {allowed}. This is shown instead." in told


@pytest.mark.parametrize("tab", TABS)
def test_a_good_link_is_not_complained_about(tab):
    link = {"opacity": "0.3", "colours": "magma", "scale": "own range", "unit": "3", "block": BLOCK}
    app = opened(network="cbam", tab=tab, **link)
    assert "The link asks" not in said(app) and filled(app) == [tab]


@pytest.mark.parametrize("tab", TABS)
def test_a_gate_of_another_form_leaves_the_map_and_says_why_there_is_no_more(tab, monkeypatch):
    monkeypatch.setattr(Observation, "steps", lambda observation, gate: None)
    app = opened(network="cbam", tab=tab)
    assert app.header[0].value.startswith("Block layer")
    assert len(app.info) == (0 if tab in (USUAL, "Through depth", "Code") else 1)


@pytest.mark.parametrize(
    ("health", "told"),
    [
        (GateHealth("", "spatial", low=0.1, high=0.1, deviation=0.3), []),
        (GateHealth("", "spatial", low=0.1, high=0.1, deviation=0.001), ["standard deviation of 0.001"]),
        (GateHealth("", "spatial", low=0.5, high=0.4, deviation=0.3), ["50% are below 0.05, 40% of 0.95 and above"]),
    ],
)
def test_a_gate_that_does_little_over_the_validation_pictures_is_told(health, told, monkeypatch):
    card = replace(zoo.card("cbam"), gate_health=(replace(health, name=f"{BLOCK}.spatial"),))
    monkeypatch.setattr(zoo, "card", lambda name: card)
    warnings = [warning.value for warning in opened(network="cbam", block=BLOCK).warning]
    assert len(warnings) == len(told)
    for warning, sentence in zip(warnings, told, strict=True):
        assert sentence in warning


@pytest.mark.parametrize("size", [(900, 60), (60, 900), (1, 400), (400, 1)])
def test_an_uploaded_picture_of_any_shape_gets_its_map(size):
    file = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(file, "PNG")
    app = opened(network="cbam", tab="Through depth")
    sound(app.segmented_control(key="source").set_value("Upload").run())
    sound(app.file_uploader(key="upload").set_value([("strip.png", file.getvalue(), "image/png")]).run())
    assert any("strip.png" in image.proto.imgs[0].alt for image in app.get("image"))
