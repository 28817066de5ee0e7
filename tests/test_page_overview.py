"""The overview says what a trace of the same picture says."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from attention import capture, images, numbers, observe
from attention.models import own, zoo
from attention.records import Trace
from attention.ui import cache

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]
EVERY = pytest.mark.parametrize("network", own.NAMES)


def opened(**parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    for key, value in parameters.items():
        app.query_params[key] = value
    return app.run()


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


def traced(network: str, title: str) -> Trace:
    sample = next(sample for sample in images.samples() if sample.title == title)
    loaded = zoo.load(network)
    with torch.inference_mode():
        return capture.trace(loaded.module, loaded.transform(images.read(sample.path.read_bytes()))[None])


@EVERY
def test_every_network_opens_with_its_gates_and_its_cost(network):
    cache.STORE.clear()
    app = sound(opened(network=network))
    assert not app.metric  # the end of the page comes once somebody is near it
    sound(app.run())
    assert app.title[0].value == "What does attention do here?"
    assert app.metric[0].value == numbers.magnitude(zoo.card(network).parameters)
    assert len(app.metric) == (2 if network == "plain" else 4)


def test_the_answer_is_the_mean_of_the_gates():
    title = images.samples()[0].title
    app = sound(opened(network="se", picture=title))
    mean = np.mean([gate.values.mean() for gate in traced("se", title).gates])
    assert any(f"8 channel gates have a mean of {mean:.3f}" in text.value for text in app.header)


def test_the_prediction_is_the_softmax_of_the_logits():
    title = images.samples()[1].title
    app = sound(opened(network="cbam", picture=title))
    expected = torch.softmax(traced("cbam", title).output[0], 0)
    best = zoo.card("cbam").labels[int(expected.argmax())]
    assert f"{best} {float(expected.max()):.1%}" in [bar.proto.text for bar in app.get("progress")]


def test_a_network_without_gates_says_so_and_offers_one_that_has_them():
    app = sound(opened(network="plain"))
    assert "has no gates" in app.info[0].value
    sound(app.button(key="instead_cbam").click().run())
    assert app.selectbox(key="network").value == "cbam" and not app.info


def test_a_block_opens_on_its_page():
    app = sound(opened(network="cbam"))
    app.button(key="open_excitation_layer2.0.attention").click().run()
    assert app.session_state["block"] == "layer2.0.attention"


def test_what_a_link_names_and_is_not_there_is_said_below_the_title_for_a_phone_hides_the_sidebar():
    app = opened(network="resnet51", picture="Nobody", bands="red, green, violet")
    network, bands = (error.value for error in app.main.error)
    assert not app.exception and len(app.error) == 2 and "violet" in bands
    assert "no classifier" in network and "Until another is chosen, this is cbam-b0" in network
    assert any("CBAM-B0" in caption.value.replace("\\", "") for caption in app.caption)
    assert app.pills(key="picture").value == images.samples()[0].title
    assert [caption for caption in app.main.caption if "The link asks for picture “Nobody”" in caption.value]


def test_an_address_of_a_picture_of_ones_own_says_that_it_is_not_here_until_another_is_chosen():
    app = sound(opened(network="se", uploaded="1"))
    (said,) = [caption.value for caption in app.main.caption if "picture of a person's own" in caption.value]
    assert f"Shown is the sample “{images.samples()[0].title}”." in said
    app = sound(app.run())
    assert [caption for caption in app.main.caption if "picture of a person's own" in caption.value]
    app = sound(app.pills(key="picture").set_value(images.samples()[3].title).run())
    assert not [caption for caption in app.main.caption if "picture of a person's own" in caption.value]
    assert "uploaded" not in app.query_params
    bring_a_picture(app)
    assert app.query_params["uploaded"] == "1"


def test_an_uploaded_picture_replaces_the_sample_and_a_bad_one_is_named():
    app = sound(opened(network="se"))
    sound(app.segmented_control(key="source").set_value("Upload").run())
    assert any("Until there is one" in caption.value for caption in app.caption)
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), (10, 120, 200)).save(picture, "PNG")
    files = [("blue.png", picture.getvalue(), "image/png"), ("broken.png", b"no picture", "image/png")]
    sound(app.file_uploader(key="upload").set_value(files).run())
    assert app.error[0].value.startswith(r"broken\.png: ")  # as markdown, so that a name cannot be a picture
    assert [caption for caption in app.caption if "Classes it knows: 10;" in caption.value]


@pytest.mark.parametrize("size", [(2048, 256), (300, 2000)])
def test_a_large_picture_has_the_answer_on_the_page_that_it_has_in_python(size):
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    app = sound(opened(network="se"))
    sound(app.segmented_control(key="source").set_value("Upload").run())
    sound(app.file_uploader(key="upload").set_value([("large.png", file.getvalue(), "image/png")]).run())
    same = observe.observe(zoo.load("se"), observe.picture_of("large.png", file.getvalue()))
    np.testing.assert_array_equal(app.session_state["_view"].probabilities, same.probabilities)


def test_the_last_upload_is_the_one_that_is_shown_and_what_is_no_picture_gets_the_sentence_with_the_formats():
    app = bring_a_picture(sound(opened()))
    levels = Image.fromarray(np.full((30, 20), 4000, np.uint16))
    file = io.BytesIO()
    levels.save(file, "PNG")
    files = [("twelve.png", file.getvalue(), "image/png"), ("phone.heic", b"\0\0\0\x18ftypheic" + bytes(20), "")]
    app = sound(app.file_uploader(key="upload").set_value(files).run())
    said = [error.value.replace("\\", "") for error in app.error]
    assert [text for text in said if "HEIC" in text and "choose a JPEG, PNG" in text]
    captions = " ".join(element.proto.imgs[0].caption for element in app.get("image"))
    assert "twelve" in captions and "its values are of 12 bits in 16" in captions


def bring_a_picture(app):
    picture = io.BytesIO()
    Image.new("RGB", (300, 200), (10, 120, 200)).save(picture, "PNG")
    sound(app.segmented_control(key="source").set_value("Upload").run())
    return sound(app.file_uploader(key="upload").set_value([("blue.png", picture.getvalue(), "image/png")]).run())


def test_a_picture_of_a_persons_own_is_named_out_of_a_thousand_classes():
    app = bring_a_picture(sound(opened()))
    assert app.selectbox(key="network").value == "cbam-b0"
    assert [caption for caption in app.caption if "Classes it knows: 1,000;" in caption.value]
    (about,) = [caption for caption in app.caption if r"CBAM\-B0" in caption.value]
    assert "accuracy not measured here" in about.value and "not stated for the weights" in about.value


def test_a_page_opens_on_the_network_that_suits_it_until_a_person_chooses_one():
    app = sound(opened())
    seen = [app.selectbox(key="network").value]
    for page in ("excitation", "overview"):
        seen.append(sound(app.switch_page(f"pages/{page}.py").run()).selectbox(key="network").value)
    assert seen == ["cbam-b0", "efficientnet-b0", "cbam-b0"]
    sound(app.selectbox(key="network").set_value("cbam").run())
    assert sound(app.switch_page("pages/excitation.py").run()).selectbox(key="network").value == "cbam"


def test_a_page_opened_alone_runs_the_router_first():
    app = AppTest.from_file(ROOT / "pages" / "overview.py", default_timeout=60).run()
    assert sound(app).title[0].value == "What does attention do here?"


@pytest.mark.parametrize("network", ["se", "cbam"])
def test_a_block_opens_from_a_link_and_the_network_stays(network):
    app = sound(opened(network=network, picture=images.samples()[2].title))
    sound(app.button(key="open_excitation_layer2.0.attention").click().run())
    assert app.title[0].value == "SE: which channels get through?"
    assert app.selectbox(key="network").value == network
    assert app.pills(key="picture").value == images.samples()[2].title
    assert app.select_slider(key="block").value == "layer2.0.attention"
