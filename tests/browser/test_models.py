"""What a person does with the layers of a network: look for a block, click on it, look at its gate."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.dashboard import Visitor


def layers(visitor: Visitor) -> Locator:
    return visitor.page.locator("[class*=st-key-layers_] [data-testid=stDataFrame]")


def choose(visitor: Visitor, row: int, name: str) -> None:
    """Click on the box in front of a row, 0 the first below the head, when it is this one's. The table is a canvas
    under a layer that takes the clicks; what it shows is written inside it once it is drawn."""
    expect(layers(visitor).locator("canvas tbody tr").nth(row)).to_contain_text(name)
    layers(visitor).locator("canvas").first.click(force=True, position={"x": 20, "y": 35 * (row + 1) + 17})


def search(visitor: Visitor, text: str) -> None:
    field = visitor.page.get_by_role("textbox", name="Search")
    field.fill(text)
    field.press("Enter")
    visitor.settle()


@pytest.mark.parametrize(
    ("network", "page", "title"),
    [("se", "excitation", "SE: which channels get through?"), ("cbam", "cbam", "CBAM: where does it look?")],
)
def test_a_block_that_is_searched_for_opens_on_its_page(visit, server, network, page, title):
    visitor = visit(server)
    visitor.open(f"/models?network={network}")
    main = visitor.page.get_by_test_id("stMain")
    expect(main).to_contain_text(f"Found 8 of 8 {network.upper()} blocks")
    search(visitor, "layer3.1.attention")
    choose(visitor, 0, "layer3.1.attention")
    expect(visitor.page).to_have_url(re.compile(f"/{page}"))
    expect(main.get_by_role("heading", level=1)).to_have_text(title)
    visitor.settle()
    expect(main.get_by_role("heading", level=2).first).to_contain_text("layer3.1")
    expect(visitor.page.get_by_test_id("stSidebar").get_by_role("combobox", name="Network")).to_have_value(network)


def test_a_tick_does_not_pass_to_another_row_when_the_rows_change(visit, server):
    visitor = visit(server)
    visitor.open("/models?network=se&fold=false")
    choose(visitor, 1, "stem")
    expect(visitor.page.get_by_test_id("stMain")).to_contain_text("There is no gate in stem")
    search(visitor, "attention")
    expect(visitor.page).to_have_url(re.compile("/models"))
    expect(visitor.page.get_by_test_id("stMain")).not_to_contain_text("There is no gate")


def test_a_block_opens_from_the_overview_of_a_linked_network(visit, server):
    visitor = visit(server)
    visitor.open("/?network=se-resnext&picture=Cat")
    visitor.page.locator('[class*="st-key-open_excitation_layer2"]').first.get_by_role("button").click()
    expect(visitor.page).to_have_url(re.compile("/excitation"))
    visitor.settle()
    expect(visitor.page.get_by_test_id("stSidebar")).to_contain_text("SE-ResNeXt")
    expect(visitor.page.get_by_test_id("stSidebar")).to_contain_text("Cat: the network sees the lit part")


def test_the_csv_holds_every_layer(visit, server, tmp_path):
    visitor = visit(server)
    visitor.open("/models?network=se")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="All layers, CSV").click()
    download.value.save_as(tmp_path / "layers.csv")
    lines = (tmp_path / "layers.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("depth,layer,class,kernel")
    assert sum('"channel, sigmoid"' in line for line in lines) == 8
