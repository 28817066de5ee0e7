"""The page of the network itself says what the network has, and opens what is in it."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from attention import capture, inventory, numbers
from attention.models import own, zoo
from attention.observe import NetworkChoice, Observation
from attention.records import Gate, KnownBlock, Part
from attention.ui import cache, models, widgets
from tests import coordinate

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]
SE_50 = "timm/seresnet50"
STAGES_50 = [(stage + 1, block) for stage, blocks in enumerate((3, 4, 6, 3)) for block in range(blocks)]


def opened(**parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    for key, value in ({"weights": "Random"} | parameters).items():
        app.query_params[key] = value
    app.switch_page("pages/models.py").run()
    return sound(app)


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    assert not app.error, app.error
    return app


def rows(app: AppTest) -> dict[str, list]:
    """The table of layers, as columns."""
    return app.dataframe[0].value.to_dict("list")


def of(network: str) -> Part:
    """The layers as the page has them."""
    choice = NetworkChoice(zoo.card(network), network, lambda: zoo.load(network, random=True))
    return Observation(choice, cache.sample(next(iter(cache.samples())))).inventory.network


@pytest.mark.parametrize("network", own.names())
def test_every_network_opens_with_its_layers_and_its_cost(network):
    app = opened(network=network)
    assert app.title[0].value == "What is in this network?"
    assert app.metric[0].value == numbers.magnitude(zoo.card(network).parameters)
    table = rows(app)
    assert table["parameters"][0] == zoo.card(network).parameters
    assert table["MACs"][0] == of(network).macs
    assert any("depthwise" not in what and "3 × 3 convolution" in what for what in table["what"])


@pytest.mark.parametrize(
    ("network", "headline"),
    [
        ("plain", "No gates, and no block that is known for one"),
        ("se", "Found 8 of 8 SE blocks"),
        ("cbam", "Found 8 of 8 CBAM blocks"),
        ("se-resnext", "Found 8 of 8 SE blocks"),
    ],
)
def test_the_report_counts_the_blocks(network, headline):
    assert headline in [subheader.value for subheader in opened(network=network).subheader]


@pytest.mark.parametrize(
    ("network", "headline", "said"),
    [
        (SE_50, "Found 16 of 16 SE blocks", ""),
        ("timm/efficientnet_b4", "Found 32 of 32 SE blocks", ""),
        ("pytorchcv/bam_resnet50", "Found 3 of 3 BAM blocks", "it lies between 1 and 2"),
        ("pytorchcv/cbam_resnet18", "Found 8 of 8 CBAM blocks", ""),
        ("timm/ecaresnet50d", "Found 16 of 16 ECA blocks", "no hidden units and no reduction ratio"),
        ("torchvision/mobilenet_v3_small", "Found 9 of 9 SE blocks", ""),
        (coordinate.NAME, "Found 8 of 8 coordinate attention blocks", "as a profile along the height"),
        ("timm/gcresnet50t", "Found 0 of 16 global context blocks", "may add its context instead of multiplying"),
        ("timm/resnest14d", "Found 4 of 4 split attention blocks", "add up to 1 over them"),
    ],
)
def test_a_network_of_a_zoo_is_reported_with_what_does_not_apply(network, headline, said, monkeypatch):
    coordinate.offer(monkeypatch)
    app = sound(opened(network=network))
    assert headline in [subheader.value for subheader in app.subheader]
    assert said in "\n".join(text.value for text in app.markdown)
    assert len(app.dataframe[0].value) < 120


def test_the_table_of_a_zoo_network_is_the_folded_tree():
    app = sound(opened(network=SE_50, depth="2"))
    network = of(SE_50)
    wanted = list(inventory.folded_rows(network, deepest=2))
    table = rows(app)
    assert [text.strip(models.INDENT) for text in table["layer"]] == [row.label or "ResNet" for row in wanted]
    assert table["parameters"] == [row.total("parameters") for row in wanted]
    assert "5 blocks, alike: Bottleneck" in table["what"]
    assert table["gates"][0] == "16 gates"


def test_without_folding_every_layer_has_a_row():
    app = sound(opened(network=SE_50, depth="3", fold="false"))
    assert len(rows(app)["layer"]) == len([row for row in inventory.all_rows(of(SE_50)) if row.depth <= 3])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("layer4.1.conv2", ["layer4.1.conv2"]), ("se", [f"layer{stage}.{block}.se" for stage, block in STAGES_50])],
)
def test_a_search_finds_by_name_and_form_and_gives_whole_names(wanted, found):
    table = rows(sound(opened(network=SE_50, find=wanted)))
    assert table["layer"] == found
    parameters = {row.part.name: row.part.parameters for row in inventory.all_rows(of(SE_50))}
    assert table["parameters"] == [parameters[name] for name in found]


@pytest.mark.parametrize(("wanted", "what", "count"), [("3 × 3", "convolution", 16), ("bottleneck", "Bottleneck", 16)])
def test_a_search_finds_by_what_a_layer_is(wanted, what, count):
    found = rows(sound(opened(network=SE_50, find=wanted)))["what"]
    assert len(found) == count and all(what in each for each in found)


def test_a_search_without_a_hit_says_so():
    assert "No layer has this" in sound(opened(network=SE_50, find="no such layer")).info[0].value


def test_the_csv_has_every_row_of_the_tree_with_its_numbers():
    network = of("se-resnext")
    gates = {name: Gate(name, "channel", "sigmoid", np.zeros((1, 1), np.float32), (), 0, 1) for name in network.gates}
    everything = list(inventory.all_rows(network))
    text = widgets.as_csv(models.columns(everything, gates))
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["layer"] for line in lines] == [row.part.name for row in everything]
    for line, row in zip(lines, everything, strict=True):
        for count in inventory.COUNTS:
            assert int(line[count.replace("_", " ")]) == getattr(row.part, count)
        assert line["groups"] == (str(row.part.groups) if row.part.kernel else "")
        assert line["output"] == "x".join(map(str, row.part.output))
    assert sum(line["gates"] == "channel, sigmoid" for line in lines) == 8


@pytest.mark.parametrize(
    ("network", "name", "page"), [("se", "layer2.0.attention", "excitation"), ("cbam", "layer2.0.attention", "cbam")]
)
def test_a_row_with_one_block_opens_it_on_its_page(network, name, page, monkeypatch):
    """A click in a table cannot be made in this kind of test: the selection is given as the table would give it."""
    app = opened(network=network, fold="false")
    place = [text.strip(models.INDENT) for text in rows(app)["layer"]].index("layer2.0")
    monkeypatch.setattr("streamlit.dataframe", _selecting(place))
    app.run()
    assert app.session_state["block"] == name
    assert (
        app.title[0].value
        == {"excitation": "SE: which channels get through?", "cbam": "CBAM: where does it look?"}[page]
    )


def test_a_row_with_several_blocks_asks_which_and_one_without_says_so(monkeypatch):
    app = opened(network="se", fold="false")
    layers = [text.strip(models.INDENT) for text in rows(app)["layer"]]
    monkeypatch.setattr("streamlit.dataframe", _selecting(layers.index("layer2")))
    sound(app.run())
    assert app.selectbox(key="open_one").options == ["layer2.0.attention", "layer2.1.attention"]
    monkeypatch.setattr("streamlit.dataframe", _selecting(layers.index("stem")))
    sound(app.run())
    assert any("There is no gate in stem" in caption.value for caption in app.caption)


def _selecting(row: int):
    import streamlit

    own = streamlit.dataframe

    def dataframe(*args, **kwargs):
        event = own(*args, **kwargs)
        return (
            {"selection": {"rows": [row], "columns": [], "cells": []}}
            if str(kwargs.get("key")).startswith("layers")
            else event
        )

    return dataframe


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (999, "999"), (1_000, "1.00 k"), (28_088_024, "28.1 M"), (612_345, "612 k"), (4_120_000_000, "4.12 G")],
)
def test_numbers_have_three_digits_and_a_unit(count, text):
    assert numbers.magnitude(count) == text


@pytest.mark.parametrize("network", ["torchvision/resnet50", "timm/vit_tiny_patch16_224"])
def test_a_network_without_gates_is_told_what_counts_as_attention(network):
    app = opened(network=network)
    assert app.subheader[0].value == "No gates, and no block that is known for one"
    assert any("Self-attention" in caption.value for caption in app.caption)
    assert "gates" not in rows(app)


def test_gates_in_a_class_that_is_not_listed_are_named_and_their_share_is_a_bound():
    name = "pytorchcv/menet108_8x1_g3"
    app = opened(network=name)
    assert "Found 16 gates, in no known attention block" in [subheader.value for subheader in app.subheader]
    assert any("in MEUnit, a class that is not listed" in text.value for text in app.markdown)
    network = of(name)
    share = numbers.percent(network.attention_parameters / network.parameters)
    assert [metric.value for metric in app.metric if metric.label == "Attention parameters"] == [f"≤ {share}"]


def test_what_is_no_gate_is_listed_with_the_reason():
    app = opened(network="timm/gcresnet50t")
    judged = app.dataframe[-1].value
    with torch.inference_mode():
        rejected = capture.trace(zoo.load("timm/gcresnet50t", random=True).module, torch.rand(1, 3, 64, 64)).rejected
    assert set(judged["why it is no gate"]) == {each.reason for each in rejected} != set()
    assert judged["products"].sum() == sum(each.count for each in rejected)
    assert sorted(name for names in judged["modules"] for name in names) == sorted(each.name for each in rejected)


@pytest.mark.parametrize(
    ("network", "name"), [("se", "se_layers.csv"), (SE_50, "timm_seresnet50_layers-random-weights.csv")]
)
def test_random_weights_are_said_in_the_name_of_the_file(network, name, monkeypatch):
    names = []
    monkeypatch.setattr("streamlit.download_button", lambda label, data, name, *_, **__: names.append(name))
    opened(network=network)
    assert [given for given in names if given.endswith(".csv")] == [name]


def test_the_known_blocks_are_counted_by_form_and_the_silent_ones_named():
    blocks = [KnownBlock(f"a{number}", "SEModule", "SE", ("g",) * (number < 2)) for number in range(9)]
    blocks.append(KnownBlock("c", "GlobalContext", "global context", ()))
    assert models.report_headline(blocks, 2) == "Found 2 of 9 SE blocks and 0 of 1 global context block"
    silent = models.missing(blocks)
    assert "a2, a3, a4, a5, a6, a7 and 1 more (SE)" in silent[0]
    assert "may add its context" in silent[1]
    assert models.report_headline([], 3) == "Found 3 gates, in no known attention block"


@pytest.mark.usefixtures("home")
def test_what_a_pass_was_seen_to_do_is_said_of_any_network():
    told = "\n".join(each.value for each in opened(network="se").markdown).replace("\\", "")
    assert "8 gates with a number for each channel, from sigmoid" in told
    told = "\n".join(each.value for each in opened(network="plain").markdown).replace("\\", "")
    assert "Nothing here multiplies features by something computed from them." in told
