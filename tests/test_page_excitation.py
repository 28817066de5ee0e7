"""The page of the channel gates says what a trace of the same picture says, and takes every link."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from attention import capture, images
from attention.models import zoo
from attention.numbers import fixed, signed
from attention.observe import Observation
from attention.records import GateHealth, Trace
from attention.ui import excitation
from tests.charts import numbers, sent_chart
from tests.pages import filled

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]
GATED = ("se", "cbam", "se-resnext")
PARTS = ("Three steps", "Against the usual gate", "Through depth", "Reduction ratio", "Second picture", "Code")


def opened(**parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    for key, value in parameters.items():
        app.query_params[key] = value
    app.switch_page("pages/excitation.py").run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert not app.error, app.error
    return app


def traced(network: str, title: str, *steps: str) -> Trace:
    sample = next(sample for sample in images.samples() if sample.title == title)
    loaded = zoo.load(network)
    with torch.inference_mode():
        batch = loaded.transform(images.read(sample.path.read_bytes()))[None]
        return capture.trace(loaded.module, batch, steps=steps)


def gate_of(trace: Trace, name: str) -> np.ndarray:
    return next(gate.values[0] for gate in trace.gates if gate.name == name)


def said(app: AppTest) -> str:
    elements = [element for kind in (app.header, app.markdown, app.caption) for element in kind]
    return "\n".join(element.value for element in elements).replace("\\", "")


def equations(app: AppTest) -> list[str]:
    return [element.value.strip("$\n") for element in app.latex]


def chart(app: AppTest, alt: str) -> dict:
    return next(json.loads(each.proto.spec) for each in app.get("plotly_chart") if alt in each.proto.alt)


TITLE = images.samples()[0].title


def test_a_channel_is_the_strongest_of_each_picture_until_one_is_chosen_which_stays():
    titles, block = [sample.title for sample in images.samples()[:6]], "layer2.0.attention"
    strongest = {title: int(gate_of(traced("se", title), block).argmax()) for title in titles}
    first, second = titles[0], next(title for title in titles if strongest[title] != strongest[titles[0]])
    app = opened(network="se", picture=first, block=block)
    assert app.number_input(key="channel").value == strongest[first]
    sound(app.button_group(key="picture").set_value(second).run())
    assert app.number_input(key="channel").value == strongest[second]
    sound(app.number_input(key="channel").set_value(5).run())
    sound(app.button_group(key="picture").set_value(first).run())
    assert app.number_input(key="channel").value == 5


@pytest.mark.parametrize("network", GATED)
def test_every_part_opens_with_every_network(network):
    app = opened(network=network)
    assert app.title[0].value == "SE: which channels get through?"
    for part in PARTS:
        app.session_state["part"] = part
        sound(app.run())
        assert re.search(
            "through (most, .*, and no channel )?more than (is )?usual", app.header[0].value.replace("\\", "")
        )
        assert filled(app) == [part]


@pytest.mark.parametrize(("network", "suffix"), [("se", ""), ("cbam", ".channel"), ("se-resnext", "")])
def test_the_answer_is_counted_from_the_gate(network, suffix):
    app = opened(network=network, picture=TITLE, block="layer3.0.attention")
    values = gate_of(traced(network, TITLE), f"layer3.0.attention{suffix}").tolist()
    above, below = sum(value > 0.9 for value in values), sum(value < 0.1 for value in values)
    strongest = values.index(max(values))
    assert app.header[0].value.replace("\\", "").startswith("Block layer3.0 lets ")
    answer = said(app)
    if above or below:
        assert f"{above} of 128 channels " in answer and f"above 0.9, {below} " in answer
    else:
        assert "ll 128 channels lie between 0.1 and 0.9" in answer
    assert f"the strongest is channel {strongest} at {max(values):.3f}." in answer
    assert app.number_input(key="channel").value == strongest


def test_the_equations_hold_the_numbers_of_the_channel_in_the_link():
    name = "layer2.1.attention"
    app = opened(network="se", picture=TITLE, block=name, channel="17")
    trace = traced("se", TITLE, name)
    steps, gate = trace.steps[name], gate_of(trace, name)[17]
    squeeze, excite, reweight = equations(app)
    assert squeeze.endswith(f"= {fixed(steps.before[0, 17].mean())}")
    logit = steps.branches["average"][0, 17]
    assert excite.endswith(rf"= \sigma({fixed(logit)}) = {1 / (1 + np.exp(-logit)):.3f}")
    assert rf"x_{{17}} = s_{{17}} u_{{17}} = {gate:.3f} \cdot u_{{17}}" in reweight
    assert app.metric[0].value == f"× {gate:.3f}"


def test_the_maps_print_their_own_minimum_and_maximum():
    name = "layer3.1.attention"
    app = opened(network="se", picture=TITLE, block=name, channel="5")
    steps = traced("se", TITLE, name).steps[name]
    notes = [note["text"] for note in chart(app, "Channel 5 of block layer3.1 on the picture")["layout"]["annotations"]]
    for when, features in (("before", steps.before[0, 5]), ("after", steps.after[0, 5])):
        assert when in notes and f"{fixed(features.min())}<br>to {fixed(features.max())}" in notes


def test_another_channel_another_block_and_another_picture_have_maps_of_their_own():
    app, drawn = opened(network="se", picture=TITLE, block="layer3.1.attention", channel="5"), []
    for kind, key, value in (
        (app.number_input, "channel", 6),
        (app.select_slider, "block", "layer3.0.attention"),
        (app.button_group, "picture", images.samples()[1].title),
    ):
        drawn.append(sent_chart(app, "channel_maps")["layout"])
        sound(kind(key=key).set_value(value).run())
        sound(app.number_input(key="channel").set_value(6).run())
    drawn.append(sent_chart(app, "channel_maps")["layout"])
    pictures = [tuple(image["source"] for image in each["images"]) for each in drawn]
    texts = [tuple(note["text"] for note in each["annotations"]) for each in drawn]
    assert len(set(pictures)) == len(set(texts)) == 4


def test_cbams_two_branches_add_up_to_its_gate():
    name = "layer2.0.attention.channel"
    app = opened(network="cbam", picture=TITLE, block="layer2.0.attention", channel="3")
    trace = traced("cbam", TITLE, name)
    average, largest = (trace.steps[name].branches[branch][0, 3] for branch in ("average", "max"))
    expected = rf"\sigma({fixed(average)}{signed(largest)}) = {gate_of(trace, name)[3]:.3f}"
    assert any(expected in equation for equation in equations(app))
    assert app.get("page_link")[0].proto.page == "cbam"


def test_another_channel_and_another_order_change_the_bars_alone():
    app = opened(network="se", block="layer1.0.attention")
    answer = app.header[0].value
    app.number_input(key="channel").set_value(9)
    sound(app.segmented_control(key="order").set_value("By channel").run())
    (bars,) = chart(app, "layer1.0")["data"]
    assert app.header[0].value == answer
    assert bars["marker"]["line"]["width"].index(3) == 9


def test_another_block_begins_with_its_own_strongest_channel():
    app = opened(network="se", picture=TITLE, block="layer1.0.attention", channel="9")
    sound(app.select_slider(key="block").set_value("layer4.1.attention").run())
    assert app.number_input(key="channel").value == gate_of(traced("se", TITLE), "layer4.1.attention").argmax()


def test_a_cleared_channel_is_the_strongest_again():
    app = opened(network="se", block="layer1.0.attention", channel="9")
    strongest = int(said(app).split("the strongest is channel ")[1].split()[0])
    sound(app.number_input(key="channel").set_value(None).run())
    assert app.number_input(key="channel").value == strongest


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("block", "layer9.9.attention", "layer1.0.attention to layer4.1.attention"),
        ("channel", "128", "0 to 127"),
        ("channel", "-1", "0 to 127"),
        ("channel", "![x](x)", "0 to 127"),
        ("order", "Upside down", "Sorted, By channel"),
        ("part", "Everything", ", ".join(PARTS)),
    ],
)
def test_a_wrong_value_in_a_link_falls_back_and_is_named(key, value, allowed):
    app = opened(**{"network": "se", "block": "layer3.0.attention", key: value})
    assert f"The link asks for {key} “{value}”; there is {allowed}. This is shown instead." in said(app)
    # a stranger\'s link must not put a picture of theirs on the page
    assert not any("![x]" in caption.value for caption in app.caption)
    right = opened(network="se") if key == "block" else opened(network="se", block="layer3.0.attention")
    assert app.header[0].value == right.header[0].value
    assert "The link asks for" not in said(right)


def test_a_second_picture_that_is_not_at_hand_is_named():
    app = opened(network="se", part="Second picture", second="nobody.png")
    assert "The link asks for second “nobody.png”; there is" in said(app)


def test_a_network_without_channel_gates_says_so_and_offers_one_that_has_them():
    app = opened(network="plain")
    assert "has no channel gates" in app.info[0].value
    assert not app.get("plotly_chart")
    sound(app.button(key="instead_se").click().run())
    assert app.selectbox(key="network").value == "se"
    assert "channel" in app.header[0].value


def test_a_gate_of_another_form_shows_what_applies_and_says_what_does_not(monkeypatch):
    monkeypatch.setattr(Observation, "steps", lambda *_: None)
    app = opened(network="se")
    for part in PARTS:
        app.session_state["part"] = part
        sound(app.run())
        assert "another form" in app.info[0].value
        assert chart(app, "the strongest is channel")["data"][0]["type"] == "bar"
        assert not app.metric


def test_a_gate_with_more_channels_than_bars_shows_the_top_and_a_strip_of_all(monkeypatch):
    monkeypatch.setattr("attention.charts.channels.MOST_BARS", 100)
    app = opened(network="se", block="layer3.0.attention")
    charts = [json.loads(each.proto.spec) for each in app.get("plotly_chart") if "layer3.0" in each.proto.alt]
    assert [each["data"][0]["type"] for each in charts if each["data"]] == ["bar", "heatmap"]  # the maps are pictures
    assert "The 64 most open of 128 channels." in said(app) and "All 128 channels in their order" in said(app)


def test_the_depth_figure_has_every_block_and_the_shares_that_are_saturated():
    app = opened(network="cbam", picture=TITLE, part="Through depth")
    ticks = chart(app, "The gates spread most")["layout"]["xaxis"]["ticktext"]
    found = [gate for gate in traced("cbam", TITLE).gates if gate.kind == "channel"]
    expected = [
        f"{gate.name.removesuffix('.attention.channel')}<br>"
        f"{np.mean(gate.values < 0.05):.0%} · {np.mean(gate.values.astype(float) >= 0.95):.0%}"
        for gate in found
    ]
    assert ticks == expected


@pytest.mark.parametrize(
    ("health", "sentence"),
    [
        ((0.0, 0.0, 0.001), "these gates hardly change from picture to picture (a standard deviation of 0.001"),
        ((0.2, 0.7, 0.1), "most of these gates are saturated (20% below 0.05, 70% of 0.95 and above"),
        ((0.1, 0.1, 0.1), "every block's gates vary, and in none are most of them saturated"),
    ],
)
def test_the_cards_gate_health_is_said(health, sentence, monkeypatch):
    card, true_card = zoo.card("se"), zoo.card
    object.__setattr__(card, "gate_health", tuple(GateHealth(g.name, g.kind, *health) for g in card.gate_health))
    monkeypatch.setattr(zoo, "card", lambda name: card if name == "se" else true_card(name))
    assert sentence in said(opened(network="se", part="Through depth"))


@pytest.mark.parametrize("network", GATED)
def test_the_formula_is_that_of_the_networks_own_gates(network):
    app = opened(network=network, part="Reduction ratio")
    weights = sum(
        w.numel() for key, w in zoo.load(network).module.named_parameters() if key.endswith("weight") and ".mlp." in key
    )
    whole = sum(w.numel() for key, w in zoo.load(network).module.named_parameters() if ".attention." in key)
    assert equations(app)[0].endswith(f"= {weights:,}".replace(",", "{,}"))
    share = f"{whole / zoo.card(network).parameters:.1%}"
    assert f"attention holds {whole:,} parameters, {share} of its" in said(app)
    assert "All of them together, for stages s of" in said(app)


def test_before_an_audience_the_curve_stands_without_its_formula():
    app = opened(network="se", part="Reduction ratio", present="1")
    assert app.get("plotly_chart")[-1].key == "ratio" and not equations(app) and "attention holds" not in said(app)


def test_where_blocks_have_ratios_of_their_own_their_weights_are_added():
    app = opened(network="efficientnet-b0", part="Reduction ratio")
    module = zoo.load("efficientnet-b0").module
    weights = sum(w.numel() for key, w in module.named_parameters() if ".se." in key and key.endswith("weight"))
    whole = sum(w.numel() for key, w in module.named_parameters() if ".se." in key)
    assert equations(app)[0].endswith(f"= {weights:,}".replace(",", "{,}"))
    assert whole == 636_540 and "attention holds 636,540 parameters, 12.0% of its 5.29 M." in said(app)
    assert "SiLU" in said(opened(network="efficientnet-b0", part="Three steps"))


def test_the_papers_table_stands_beside_the_curve_with_its_source():
    text = said(opened(network="se", part="Reduction ratio"))
    assert "| 16 | 22.28% | 6.03% | 28.1 M |" in text
    assert "| none | 23.30% | 6.55% | 25.6 M |" in text
    assert "arXiv 1709.01507" in text


def test_the_second_picture_is_compared_channel_by_channel():
    first, second = TITLE, images.samples()[2].title
    app = opened(network="se", picture=first, block="layer4.0.attention", part="Second picture", second=second)
    gates = [gate_of(traced("se", title), "layer4.0.attention") for title in (first, second)]
    change = gates[1] - gates[0]
    most = int(np.abs(change).argmax())
    assert f"{int((np.abs(change) > 0.1).sum())} of 256 channels differ by more than 0.1" in said(app)
    assert f"{gates[0][most]:.3f} for the first picture, {gates[1][most]:.3f} for the second." in said(app)
    (drawn,) = sent_chart(app, "difference")["data"]
    np.testing.assert_allclose(numbers(drawn["y"]), change, atol=1e-6)
    assert f"| {most} | {gates[0][most]:.3f} | {gates[1][most]:.3f} | {signed(change[most])} |" in said(app)


def test_a_picture_is_not_compared_with_itself():
    app = opened(network="se", picture=TITLE, part="Second picture")
    assert TITLE not in app.selectbox(key="second").options


def test_the_code_is_the_code_that_runs():
    blocks = [element.value for element in opened(network="se", part="Code").code]
    assert "return features * self.gate(features)" in blocks[1]
    assert "torch.sigmoid(" in blocks[0]
    assert "self.attention = SE(channels, reduction=16)" in blocks[2]


def test_only_the_open_part_is_computed(monkeypatch):
    def closed(_selection):
        raise AssertionError("this part is not open")

    monkeypatch.setattr(excitation, "draw_steps", closed)
    opened(network="se", part="Code")
