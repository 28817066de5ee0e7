"""Networks of the libraries on the pages: fetched, or with random weights that are called so everywhere."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from attention import zoo

APP = Path(__file__).parents[1] / "app.py"
pytestmark = pytest.mark.usefixtures("home")  # where nobody has fetched any weights


def opened(page="overview", **link):
    app = AppTest.from_file(APP, default_timeout=120)
    for key, value in link.items():
        app.query_params[key] = value
    app.run()
    return app.switch_page(f"pages/{page}.py").run() if page != "overview" else app


def test_weights_that_are_not_here_are_offered_with_their_size():
    app = opened(network="torchvision/mobilenet_v3_small")
    assert not app.exception and not app.subheader
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
    assert [error.value for error in app.error] == ["The weights could not be fetched."] and not app.exception
    app.button(key="go_random").click().run()
    assert app.segmented_control(key="weights").value == "Random"
    assert not app.exception and not app.error and app.subheader


@pytest.mark.parametrize("page", ["overview", "excitation", "cbam", "grouped"])
def test_random_weights_are_called_so_on_every_page(page):
    app = opened(page, network="torchvision/mobilenet_v3_small", weights="Random")
    assert not app.exception and not app.error
    assert "torchvision/mobilenet_v3_small has random weights here" in app.warning[0].value


def test_the_projects_own_networks_are_not_called_random():
    app = opened(network="se", weights="Random")
    assert not app.exception and not app.warning


def test_gates_that_no_page_draws_are_counted():
    name = "pytorchcv/bam_resnet18"
    kinds = zoo.card(name).gates
    app = opened(network=name, weights="Random")
    assert not app.exception and not app.error
    assert "channel" not in kinds and f"{kinds['full']} of the kind “full”" in app.info[0].value


def test_any_name_of_a_library_opens():
    name = "torchvision/shufflenet_v2_x1_5"
    assert name not in zoo.names()
    app = opened(network=name, weights="Random")
    assert not app.exception and not app.error
    assert any("shufflenet_v2_x1_5" in caption.value for caption in app.caption)
