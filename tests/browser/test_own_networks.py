"""A person comes with a network of their own, a weight file or code, or fetches one of a library's."""

import re

import pytest
import timm
import torch
from playwright.sync_api import Page, expect
from safetensors.torch import save as save_safetensors

from tests import attacks, factories, published, servers
from tests.browser.dashboard import serve, serve_own
from tests.browser.test_journey import main, sidebar


@pytest.fixture
def checkpoint(tmp_path):
    """The published CBAM network, one block a stage, as its training script saves it."""
    torch.manual_seed(0)
    state = published.cbam_resnet(classes=5).state_dict()
    path = tmp_path / "my cbam.pth"
    path.write_bytes(attacks.saved({"state_dict": {f"module.{key}": value for key, value in state.items()}}))
    return path


def upload(page: Page, path) -> None:
    sidebar(page).get_by_text("Your weights", exact=True).click()
    sidebar(page).get_by_test_id("stFileUploader").first.locator("input[type=file]").set_input_files(path)


def test_an_uploaded_cbam_checkpoint_is_recognised_and_its_spatial_maps_open(visit, server, checkpoint):
    visitor = visit(server)
    visitor.open("/")
    page = visitor.page
    upload(page, checkpoint)
    expect(sidebar(page)).to_contain_text("my cbam.pth was recognised as CBAM-ResNet, the published code's layout")
    expect(sidebar(page)).to_contain_text("gates: 4 channel, 4 spatial")
    visitor.settle()
    sidebar(page).get_by_text("How it was recognised").click()
    expect(sidebar(page)).to_contain_text("layer1.0.cbam.ChannelGate.mlp.1.weight")
    main(page).get_by_role("button", name=re.compile("Where")).first.click()
    expect(main(page).get_by_role("heading", level=1)).to_have_text("CBAM: where does it look?")
    visitor.settle()
    expect(main(page).get_by_role("heading", level=2).first).to_contain_text("Block layer1 ")
    expect(main(page).locator(".st-key-map_over_picture canvas").first).to_be_visible()
    expect(main(page)).to_contain_text(re.compile(r"gates run from 0\.\d+ to 0\.\d+|nearly constant|nearly shut"))
    expect(sidebar(page)).to_contain_text("my cbam.pth was recognised")


def test_a_file_that_is_no_weights_is_one_sentence(visit, server, tmp_path):
    (tmp_path / "notes.pt").write_text("no weights")
    visitor = visit(server)
    visitor.open("/")
    upload(visitor.page, tmp_path / "notes.pt")
    expect(sidebar(visitor.page).get_by_test_id("stAlert")).to_have_count(1)
    expect(sidebar(visitor.page).get_by_test_id("stAlert")).to_contain_text("notes.pt")
    visitor.settle()
    expect(main(visitor.page)).to_contain_text("channel gates have a mean")


@pytest.mark.parametrize(("start", "path"), [(serve, "/cbam"), (serve_own, "/")])
def test_a_server_that_was_started_on_a_persons_code_opens_it(visit, afterwards, start, path):
    server = afterwards.enter_context(start("--model", "tests.factories:classifier", "--image-size", "64"))
    visitor = visit(server)
    visitor.open(path)
    expect(sidebar(visitor.page)).to_contain_text("Gated, your own code as this server was started with it")
    expect(sidebar(visitor.page).get_by_test_id("stProgress")).to_have_count(factories.CLASSES)


def test_a_mistake_in_the_arguments_is_said_on_the_page(visit, afterwards):
    server = afterwards.enter_context(serve("--model", "tests.factories:failing"))
    visitor = visit(server)
    visitor.open("/")
    expect(main(visitor.page).get_by_test_id("stAlert")).to_contain_text("failed: KeyError: 'no such data'")
    expect(main(visitor.page)).to_contain_text("channel gates have a mean")


def test_weights_that_are_not_here_are_fetched_when_the_person_says_so(visit, afterwards, tmp_path):
    name = "test_efficientnet"
    hub = afterwards.enter_context(servers.running())
    folders = {variable: str(tmp_path / variable) for variable in ("HOME", "HF_HOME", "TORCH_HOME")}
    server = afterwards.enter_context(
        serve(HF_ENDPOINT=hub.address, HF_HUB_DISABLE_IMPLICIT_TOKEN="1", NO_PROXY="127.0.0.1", **folders)
    )
    visitor = visit(server)
    visitor.open(f"/?network=timm/{name}")
    page = visitor.page
    expect(main(page)).to_contain_text(f"The weights of timm/{name}")
    main(page).get_by_role("button", name="Download them").click()
    expect(main(page)).to_contain_text("404")
    expect(main(page).get_by_role("button", name="Go on with random weights")).to_be_visible()
    state = timm.create_model(name).state_dict()
    repository = timm.models.get_pretrained_cfg(name).hf_hub_id
    hub.files[f"/{repository}/resolve/main/model.safetensors"] = save_safetensors(state)
    main(page).get_by_role("button", name="Download them").click()
    expect(main(page)).to_contain_text("channel gates have a mean")
    visitor.settle()
    expect(main(page)).not_to_contain_text("are not on this machine")
    expect(sidebar(page).get_by_test_id("stProgress")).to_have_count(5)
    assert [path for path, _ in hub.gets()] == [f"/{repository}/resolve/main/model.safetensors"]
