"""A person's own code on every page, as `streamlit run app.py -- --model ...` opens it."""

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from attention import serving, ui
from attention.bands import parse_bands
from attention.interventions import Edit, files
from attention.models import code
from attention.serving import current
from attention.ui.compare import columns
from tests import factories
from tests.pictures import tiff

pytestmark = pytest.mark.usefixtures("sparing")
SMALL = ("--image-size", "64")
EVERY_PAGE = pytest.mark.parametrize("page", ui.PAGES)


@pytest.fixture
def start(monkeypatch):
    """`start(*arguments, page=...)` opens a page of a dashboard that was started with these arguments."""

    def opened(*arguments, page="overview", **link):
        monkeypatch.setattr(current, "ARGUMENTS", arguments)
        app = AppTest.from_file(serving.APP, default_timeout=120)
        for key, value in link.items():
            app.query_params[key] = value
        return (app if page == "overview" else app.switch_page(f"pages/{page}.py")).run()

    return opened


def texts(app):
    kinds = ("caption", "markdown", "header", "info")
    return " ".join(element.value for kind in kinds for element in app.get(kind))


@EVERY_PAGE
def test_a_classifier_of_a_persons_own_opens_on_every_page_as_the_first_network(start, page):
    app = start("--model", "tests.factories:classifier", *SMALL, page=page)
    assert not app.exception and not app.error and not app.warning
    choice = app.selectbox(key="network")
    assert choice.value == choice.options[0] == "tests.factories:classifier" and len(choice.options) > 1
    assert len(app.get("progress")) == factories.CLASSES
    assert "Gated" in texts(app) and "your own code" in texts(app)


@EVERY_PAGE
@pytest.mark.parametrize("factory", ["Segmenting", "Twofold"])
def test_a_network_of_another_answer_opens_on_every_page_and_says_what_it_returns(start, page, factory):
    app = start("--model", f"tests.factories:{factory}", *SMALL, page=page)
    assert not app.exception and not app.error
    assert not app.get("progress")
    said = {"Segmenting": "a dict of out (a tensor of 1 × 5 × 32 × 32)", "Twofold": "a list of a tensor of 1 × 8"}
    assert said[factory] in texts(app).replace("\\", "")


def test_its_gates_are_on_the_overview_and_its_grouped_convolution_is_counted(start):
    app = start("--model", "tests.factories:Segmenting", *SMALL)
    assert "1 channel gate" in texts(app) and "1 spatial gate" in texts(app)
    app = start("--model", "tests.factories:Segmenting", *SMALL, page="grouped", section="In this network")
    assert not app.exception and not app.error
    assert "**1 of 3** convolutions" in texts(app)


@pytest.mark.parametrize("section", ["Later gates", "All edits"])
def test_the_gates_of_a_network_without_classes_are_edited_too(start, section):
    edit = Edit("off", "channel", "channel", name="no excitation")
    link = {"edits": files.to_code([edit]), "section": section}
    app = start("--model", "tests.factories:Segmenting", *SMALL, page="intervene", **link)
    assert not app.exception and not app.error
    assert "a dict of out" in texts(app) and "needs classes" in texts(app) and not app.header
    if section == "All edits":
        assert app.text_input(key="name_0").value == "no excitation"
    else:
        assert "that nobody edited moved" in texts(app)


def test_what_is_assumed_is_said(start):
    assert "pictures of 224 px" in texts(start("--model", "tests.factories:classifier"))
    assert "pictures of 224 px" not in texts(start("--model", "tests.factories:classifier", *SMALL))


def test_another_network_can_be_chosen_by_a_link(start):
    app = start("--model", "tests.factories:classifier", *SMALL, network="se")
    assert not app.exception and app.selectbox(key="network").value == "se"
    app.selectbox(key="network").select("tests.factories:classifier").run()
    assert not app.exception and "Gated" in texts(app)


def test_it_stands_beside_another_network(start):
    app = start("--model", "tests.factories:classifier", *SMALL, page="compare", network="se")
    app.multiselect(key="beside").set_value(["tests.factories:classifier"]).run()
    assert not app.exception and not app.error
    assert "**tests.factories:classifier**" in texts(app).replace("\\", "") and "472 parameters" in texts(app)
    assert "The classes of tests.factories:classifier have no names" in texts(app).replace("\\", "")


OWN_WAY = "tests.factories:Segmenting"
WITHOUT = f"{OWN_WAY}: no score for each class, so no class heatmap, no P and no best guesses"


@pytest.mark.parametrize(("network", "beside"), [(OWN_WAY, ["se", "cbam"]), ("se", [OWN_WAY, "cbam"])])
def test_what_needs_no_classes_is_compared_without_them(start, network, beside):
    app = start("--model", OWN_WAY, *SMALL, page="compare", network=network, about="Channel gates")
    app.multiselect(key="beside").set_value(beside).run()
    assert not app.exception and not app.error
    told = texts(app).replace("\\", "")
    assert WITHOUT in told and told.count("It gives no score for each class.") == 1
    first, second = (metric.label for metric in app.metric)  # of the two that have classes
    assert first == second and first.startswith("P(")
    assert "The 2 heatmaps of" in app.header[0].value
    assert told.count("MACs; ") == 3 and "Spatial gates, the last of each size, 0 to 1** · se: none" in told
    assert f"the mean gate of {OWN_WAY} is" in told and "the mean gate of se is" in told


@pytest.mark.parametrize("about", columns.TABS)
def test_networks_of_which_none_has_classes_are_compared_by_their_gates(start, about, monkeypatch):
    monkeypatch.setattr(columns, "USUAL", ())
    app = start("--model", OWN_WAY, *SMALL, page="compare", about=about)
    assert not app.exception and not app.error and not app.metric
    twin = columns.cache.observe(app.session_state["_view"].choice, app.session_state["_view"].picture)
    monkeypatch.setattr(columns, "choose", lambda observation: [observation, twin])
    app.run()
    assert not app.exception and not app.error and not app.metric
    assert "None of these networks gives a score for each class" in app.header[0].value
    assert "class" not in [box.key for box in app.selectbox]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "tests.nowhere:net"), "There is no module 'tests.nowhere'"),
        (("--model", "tests.factories:failing"), "failed: KeyError: 'no such data' (factories.py, line"),
        (("--modle", "tests.factories:Gated"), "No such option"),
        (("--image-size", "64"), "No network is named"),
    ],
)
def test_what_cannot_be_served_is_one_sentence_and_the_other_networks_are_there(start, arguments, said):
    app = start(*arguments)
    assert not app.exception and len(app.error) == 1
    assert said in app.error[0].value.replace("\\", "")
    assert app.selectbox(key="network").value == "cbam-b0" and app.header


BANDED = ("--model", "tests.factories:six", *SMALL)
ALL_SIX = "1, 2, 3, near infrared, 5, 6"


def six_bands():
    values = np.random.default_rng(0).integers(0, 255, (73, 73, 6), endpoint=True).astype("u1")
    return values, tiff(values, names=("", "", "", "near infrared", "", ""))


def of_six_bands(app):
    app.segmented_control(key="source").set_value("Upload").run()
    uploader = app.file_uploader(key="upload")
    return uploader.set_value([("six.tif", six_bands()[1], "image/tiff")]).run()


def test_the_bands_of_an_uploaded_picture_are_chosen_by_number_and_name(start):
    app = of_six_bands(start(*BANDED))
    assert app.session_state["_view"].image.info["note"] == "its first 3 bands of 6"
    app.text_input(key="bands").set_value(ALL_SIX).run()
    assert not app.exception and not app.error
    network = code.network(factories.six(), "six", code.ModelOptions(image_size=64, bands=parse_bands(ALL_SIX)))
    module = app.session_state["_view"].network.module
    seen = six_bands()[0][4:68, 4:68]  # the central 64 of 73 pixels, so that none is resized
    picture = torch.from_numpy(seen / np.float32(255)).permute(2, 0, 1)
    mean, std = (sum(three) / 3 for three in (network.transform.mean, network.transform.std))
    with torch.inference_mode():
        expected = module(((picture - mean) / std)[None]).softmax(1)[0]
    assert np.abs(app.session_state["_view"].probabilities - expected.numpy()).max() < 1e-4


@EVERY_PAGE
def test_a_picture_without_the_bands_that_a_link_asks_for_is_one_sentence(start, page):
    app = start(*BANDED, page=page, bands=ALL_SIX)
    assert not app.exception and [error.value.replace("\\", "") for error in app.error] == [
        "The network reads the band 'near infrared', and the picture has red, green, blue (1 to 3) and grey."
    ]


@EVERY_PAGE
def test_a_picture_of_six_bands_opens_on_every_page(start, page):
    app = of_six_bands(start(*BANDED, bands=ALL_SIX))
    assert not app.error
    app = app if page == "overview" else app.switch_page(f"pages/{page}.py").run()
    assert not app.exception and not app.error
    assert len(app.get("progress")) == factories.CLASSES


@pytest.mark.parametrize("given", ["1, 2", ","])
def test_bands_that_are_not_as_many_as_the_channels_are_one_sentence(start, given):
    app = start(*BANDED, bands=given)
    said = "2 bands are given, and tests.factories:six reads 6" if given == "1, 2" else "The bands are ','"
    assert not app.exception and len(app.error) == 1 and said in app.error[0].value.replace("\\", "")


def test_a_network_of_the_zoo_reads_other_bands_by_a_link(start):
    app = start(network="plain", bands="grey, 2, red")
    assert not app.exception and not app.error and app.session_state["_view"].card.bands == ("grey", "2", "red")
    assert app.session_state["_view"].network.transform.bands == ("grey", "2", "red")


@EVERY_PAGE
def test_code_that_fails_on_the_picture_alone_is_one_sentence_where_the_result_would_be(start, page):
    app = start("--model", "tests.factories:Picky", *SMALL, page=page)
    assert not app.exception
    assert {error.value for error in app.error} == {
        next(error.value for error in app.error if "no noise (factories.py, line" in error.value.replace("\\", ""))
    }


@EVERY_PAGE
def test_gates_that_are_not_finite_are_one_sentence_that_names_them(start, page):
    app = start("--model", "tests.factories:with_nan", *SMALL, page=page)
    assert not app.exception
    told = "Values of gate channel are NaN or infinite with this picture, as are those of 1 gate after it"
    assert all(told in error.value.replace("\\", "") for error in app.error)
    assert len(app.error) >= 1 or page in ("grouped", "lesson_grouped", "models", "survey")


@pytest.mark.parametrize("typed", ["tests.factories:classifier", "assets/weights/cbam.safetensors"])
def test_code_and_files_cannot_be_named_on_the_page(start, typed, monkeypatch):
    monkeypatch.setattr(factories, "classifier", lambda: pytest.fail("a visitor has run code by its name"))
    app = start(network=typed)
    assert not app.exception and len(app.error) == 1
    assert "no classifier" in app.error[0].value.replace("\\", "")


def test_a_network_that_nobody_described_is_not_described_where_it_lacks_gates(start):
    app = start("--model", "tests.factories:with_channel_gates", *SMALL, page="cbam")
    assert [info.value.replace("\\", "") for info in app.info] == ["WithChannelGates has no spatial gates."]
