"""Networks of the libraries on the pages: fetched, or with random weights that are called so everywhere."""

import gc
import threading
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from attention import ui
from attention.models import zoo
from attention.ui import fetching, jobs
from tests import coordinate
from tests.jobs import ended, finished, under_way

APP = Path(__file__).parents[1] / "app.py"
pytestmark = pytest.mark.usefixtures("sparing", "home")  # where nobody has fetched any weights


def opened(page="overview", **link):
    app = AppTest.from_file(APP, default_timeout=120)
    for key, value in link.items():
        app.query_params[key] = value
    return app.switch_page(f"pages/{page}.py").run() if page != "overview" else app.run()


def test_weights_that_are_not_here_are_offered_with_their_size():
    app = opened(network="torchvision/mobilenet_v3_small")
    assert not app.exception and not app.header
    size = zoo.card("torchvision/mobilenet_v3_small").download
    assert f"({size / 1e6:,.0f} MB) are not on this machine" in app.info[0].value


def test_a_download_that_fails_is_said_in_one_sentence_and_random_weights_are_the_other_way(monkeypatch):
    def fail(name, *, random=False, progress=None):
        progress(0, 100)
        raise zoo.DownloadError("The weights could not be fetched.")

    app = opened(network="torchvision/mobilenet_v3_small")
    with monkeypatch.context() as patch:
        patch.setattr(zoo, "load", fail)
        app.button(key="download").click().run()
    said = [error.value.replace("\\", "") for error in app.error]
    assert said == ["The weights could not be fetched."] and not app.exception
    app.button(key="go_random").click().run()
    assert app.segmented_control(key="weights").value == "Random"
    assert not app.exception and not app.error and app.header


class Slow:
    """A download that goes on until it is stopped."""

    def __init__(self):
        self.begun = threading.Event()

    def __call__(self, name, *, random=False, progress=None):
        while True:
            progress(5_000_000, 10_000_000)
            self.begun.set()
            time.sleep(0.01)


@pytest.fixture
def downloading(monkeypatch):
    """A page on which a download is under way."""
    monkeypatch.setattr(jobs, "AT_ONCE", 0)
    monkeypatch.setattr(fetching, "AT_ONCE", 0)
    slow = Slow()
    monkeypatch.setattr(zoo, "load", slow)
    app = opened(network="torchvision/mobilenet_v3_small")
    app.button(key="download").click().run()
    assert slow.begun.wait(60) and under_way() and not app.exception
    yield app
    app.session_state._download.job.stop() if "_download" in app.session_state else None


def test_a_download_is_stopped_without_an_error_and_offered_anew(downloading):
    app = downloading.run()
    assert not [button for button in app.button if button.key == "download"]
    app.button(key="stop_download").click().run()
    app = finished(app)
    assert not app.exception and not app.error
    assert "Stopped before it was done: nothing of it is kept." in [caption.value for caption in app.caption]
    assert app.button(key="download")


def test_a_download_ends_where_another_network_s_weights_are_asked_for(downloading):
    downloading.query_params["network"] = "torchvision/mobilenet_v2"
    app = downloading.selectbox(key="network").set_value("torchvision/mobilenet_v2").run()
    assert ended() and not app.exception and not app.error and app.button(key="download")


def test_the_download_of_a_visitor_who_left_ends(monkeypatch):
    monkeypatch.setattr(fetching, "AT_ONCE", 0)
    monkeypatch.setattr(zoo, "load", slow := Slow())
    app = opened(network="torchvision/mobilenet_v3_small")
    app.button(key="download").click().run()
    assert slow.begun.wait(60) and under_way()
    del app
    gc.collect()
    assert ended()


@pytest.mark.parametrize("page", ui.PAGES)
def test_random_weights_are_called_so_on_every_page(page):
    app = opened(page, network="torchvision/mobilenet_v3_small", weights="Random")
    assert not app.exception and not app.error
    assert "torchvision/mobilenet_v3_small has random weights here" in app.warning[0].value.replace("\\", "")


def test_the_projects_own_networks_are_not_called_random():
    app = opened(network="se", weights="Random")
    assert not app.exception and not app.warning


@pytest.mark.parametrize("network", ["pytorchcv/bam_resnet18", "timm/resnest14d", coordinate.NAME])
@pytest.mark.parametrize("page", ui.PAGES)
def test_gates_of_other_kinds_are_drawn_or_said_to_be_none_of_the_pages(page, network, monkeypatch):
    coordinate.offer(monkeypatch)
    app = opened(page, network=network, weights="Random")
    assert not app.exception and not app.error
    none = [info for info in app.info if info.value.replace("\\", "").startswith(f"{zoo.card(network).title} has no")]
    shown = {"cbam": network != "timm/resnest14d", "lesson_se": False, "lesson_cbam": False}
    assert bool(none) != shown.get(page, True) and len(none) <= 1


@pytest.mark.parametrize(
    ("network", "blocks", "most"),
    [("pytorchcv/cbam_resnet50", 16, 8), ("timm/seresnet50", 16, 16), ("timm/efficientnet_b4", 32, 16)],
)
def test_the_first_page_draws_so_many_blocks_at_a_time_and_all_of_them_in_turn(network, blocks, most):
    drawn = []
    for page in range(1, blocks // most + 1):
        app = opened(network=network, weights="Random", cards=str(page))
        assert not app.exception and not app.error
        cards = [button.key for button in app.button if str(button.key).startswith("open_excitation_")]
        assert len(cards) == most
        drawn += cards
    assert len(set(drawn)) == blocks


def test_cards_that_there_are_not_fall_back_when_the_network_changes():
    app = opened(network="timm/efficientnet_b4", weights="Random", cards="2")
    app.selectbox(key="network").set_value("pytorchcv/cbam_resnet50").run()
    assert not app.exception and not app.error
    app = opened(network="timm/efficientnet_b4", weights="Random", cards="7")
    assert any("The link asks for cards “7”; there is 1 to 2." in caption.value for caption in app.caption)
    assert any("Blocks 1 to 16 of 32" in caption.value for caption in app.caption)


def test_a_block_of_another_network_is_no_fault_of_a_link():
    app = opened("excitation", network="cbam-b0", block="blocks.3.1.se")
    app.selectbox(key="network").set_value("se").run()
    assert not app.exception and app.select_slider(key="block").value.startswith("layer")
    assert not any("The link asks for" in caption.value for caption in app.caption)


@pytest.mark.parametrize(("network", "leaves"), [("pytorchcv/bam_resnet18", True), ("timm/resnest14d", False)])
def test_the_first_page_says_where_gates_leave_the_scale_of_its_colours(network, leaves):
    app = opened(network=network, weights="Random")
    assert any("Some gates here leave 0 to 1" in caption.value for caption in app.caption) == leaves


@pytest.mark.parametrize("part", ["Three steps", "Through depth", "Reduction ratio", "Second picture", "Code"])
def test_every_part_of_the_channels_page_takes_a_gate_of_another_form(part):
    app = opened("excitation", network="pytorchcv/bam_resnet18", weights="Random", part=part)
    assert not app.exception and not app.error
    assert any("the average" in info.value for info in app.info)


def test_a_gate_over_branches_says_how_they_stand():
    app = opened("excitation", network="timm/resnest14d", weights="Random")
    assert any("weighs 2 branches of" in info.value and "add up to 1" in info.value for info in app.info)


@pytest.mark.parametrize(
    "tab", ["How the map came about", "Channel attention", "Through depth", "Before and after", "Code"]
)
def test_every_part_of_the_places_page_takes_a_gate_of_another_form(tab):
    app = opened("cbam", network="pytorchcv/bam_resnet18", weights="Random", tab=tab)
    assert not app.exception and not app.error
    assert any("runs from" in info.value for info in app.info)


def test_any_name_of_a_library_opens():
    name = "torchvision/shufflenet_v2_x1_5"
    assert name not in zoo.names()
    app = opened(network=name, weights="Random")
    assert not app.exception and not app.error
    assert any("shufflenet_v2_x1_5" in caption.value.replace("\\", "") for caption in app.caption)
