"""The picture is shown as a person wants to see it: whole, or as the network sees it; and the newest one first."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from attention.models import zoo
from attention.observe import observe, picture_of
from tests.test_page_data import sound

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]


def panorama(width: int = 600) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((width, 120), 60).convert("RGB").save(file, "PNG")
    return file.getvalue()


def opened(page: str, **link: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.query_params.update({"network": "cbam"} | link)
    return sound(app.switch_page(f"pages/{page}.py").run())


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    sound(app.segmented_control(key="source").set_value("Upload").run())
    return sound(app.file_uploader(key="upload").set_value([(*file, "image/png") for file in files]).run())


def caption(app: AppTest) -> str:
    captions = [image.proto.imgs[0].caption for image in app.get("image")]
    return next(each for each in captions if ": the network sees " in each)


def test_a_panorama_is_shown_as_the_network_sees_it():
    app = upload(opened("cbam"), ("wide.png", panorama()))
    assert "the network sees the lit part" in caption(app)
    sound(app.toggle(key="seen").set_value(True).run())
    assert "the network sees this, at" in caption(app)


@pytest.mark.parametrize(("width", "shown"), [(600, "this, at"), (180, "the lit part")])
def test_presented_a_panorama_is_shown_so_by_itself_and_a_picture_that_is_mostly_seen_is_not(width, shown):
    app = upload(opened("cbam", present="1"), ("wide.png", panorama(width)))
    assert f"the network sees {shown}" in caption(app)
    always = "A panorama is presented as the network sees it, whatever is chosen here."
    assert (always in [each.value for each in app.sidebar.caption]) == (shown == "this, at")


def test_what_is_shown_of_it_is_what_the_network_gets():
    observation = observe(zoo.load("cbam"), picture_of("wide.png", panorama()))
    picture, box = observation.view
    assert picture.size == (600, 120) and box == observation.box
    picture, box = replace(observation, as_seen=True).view
    assert box == (0, 0, *picture.size)
    assert picture.tobytes() == observation.square.convert("RGB").tobytes()


def test_a_picture_that_is_seen_whole_offers_no_choice():
    file = io.BytesIO()
    Image.effect_noise((200, 200), 60).convert("RGB").save(file, "PNG")
    app = upload(opened("cbam"), ("square.png", file.getvalue()))
    assert not [toggle for toggle in app.toggle if toggle.key == "seen"]


def test_the_newest_upload_is_shown_at_once():
    app = upload(opened("overview"), ("first.png", panorama(400)))
    assert "first" in caption(app)
    upload(app, ("first.png", panorama(400)), ("second.png", panorama(500)))
    assert "second" in caption(app)
