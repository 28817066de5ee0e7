"""What a person does with the dashboard, done in a real browser."""

import io
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from attention.interventions import Edit, files
from tests.browser.dashboard import PAGES

EDITS = files.to_code([Edit("off", "channel", "layer2.0.attention"), Edit("shuffle", size=(5, 5), seed=1)])


def asked(page: Page) -> dict[str, str]:
    """What the page's address asks for."""
    return {key: values[-1] for key, values in parse_qs(urlsplit(page.url).query).items()}


def main(page: Page) -> Locator:
    return page.get_by_test_id("stMain")


def sidebar(page: Page) -> Locator:
    return page.get_by_test_id("stSidebar")


def noise() -> dict[str, object]:
    """A picture that no visitor has uploaded before, as a file to upload."""
    file = io.BytesIO()
    pixels = np.random.default_rng().integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((300, 200)).save(file, "PNG")
    return {"name": "my noise.png", "mimeType": "image/png", "buffer": file.getvalue()}


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
def test_a_deep_link_as_the_first_request_of_a_server_opens_that_page_in_its_frame(fresh_server, visit, path):
    visitor = visit(fresh_server)
    visitor.open(f"{path}?network=se-resnext&picture=Golf+ball+(drawing)")
    expect(main(visitor.page).get_by_role("heading", level=1)).to_have_text(re.compile(r"\?$"))
    expect(sidebar(visitor.page).get_by_role("link")).to_have_count(len(PAGES))
    expect(sidebar(visitor.page)).to_contain_text("SE-ResNeXt")
    expect(sidebar(visitor.page)).to_contain_text("Golf ball (drawing): the network sees the lit part")


def test_an_uploaded_picture_is_predicted_and_stays_chosen_on_every_page(visit, server):
    visitor = visit(server)
    visitor.open("/?network=cbam")
    page = visitor.page
    sidebar(page).get_by_text("Upload", exact=True).click()
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(noise())
    expect(sidebar(page)).to_contain_text("my noise.png: the network sees the lit part")
    expect(sidebar(page).get_by_test_id("stProgress")).to_have_count(5)
    for number in range(1, len(PAGES)):
        sidebar(page).get_by_role("link").nth(number).click()
        expect(page).to_have_url(re.compile(list(PAGES.values())[number]))
        visitor.settle()
        expect(sidebar(page)).to_contain_text("my noise.png: the network sees the lit part")
        expect(
            main(page).locator('.js-plotly-plot .main-svg, [data-testid="stDataFrame"], [data-testid="stImage"]').first
        ).to_be_visible()


def test_of_many_pictures_the_newest_is_shown_and_seen_at_once(visit, server):
    visitor = visit(server)
    page = visitor.page
    page.set_viewport_size({"width": 1280, "height": 800})
    visitor.open("/?network=cbam")
    sidebar(page).get_by_text("Upload", exact=True).click()
    visitor.settle()
    files = [noise() | {"name": f"noise {number}.png"} for number in range(8)]
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(files)
    expect(sidebar(page)).to_contain_text("noise 7.png: the network sees the lit part")
    visitor.settle()
    thumbnail = sidebar(page).get_by_role("radio", name="noise 7.png")
    expect(thumbnail).to_be_checked()
    expect(thumbnail).to_be_in_viewport(ratio=1)
    chip = sidebar(page).get_by_test_id("stFileChip").filter(has_text="noise 7.png")
    seen = """chip => {
        const box = chip.getBoundingClientRect(), list = chip.parentElement.parentElement.getBoundingClientRect();
        return box.top >= list.top - 1 && box.bottom <= list.bottom + 1;
    }"""
    assert chip.evaluate(seen)


def test_why_a_file_is_not_taken_is_seen(visit, server):
    visitor = visit(server)
    visitor.open("/lesson_se")
    page = visitor.page
    sidebar(page).get_by_text("Upload", exact=True).click()
    large = {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": bytes(21 * 2**20)}
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(large)
    said = sidebar(page).get_by_text("File must be 20.0MB or smaller.")
    expect(said).to_be_visible()
    assert said.bounding_box()["height"] > 10


def test_frames_of_focus_stand_around_what_has_it_and_not_in_the_page(visit, server):
    visitor = visit(server)
    visitor.open("/lesson_se?network=se")
    page = visitor.page
    main(page).locator("h1").click()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("step=2"))
    styles = "element => getComputedStyle(element).outlineStyle"
    assert main(page).evaluate(styles) == "none"
    field = sidebar(page).locator(".stSelectbox input").first
    field.focus()
    assert field.evaluate(styles) == "none" and field.locator("..").evaluate(styles) == "solid"


def test_a_list_shows_what_the_page_shows_where_another_page_or_network_has_another_choice(visit, server):
    visitor = visit(server)
    page, network = visitor.page, sidebar(visitor.page).get_by_role("combobox", name="Network by name")
    visitor.open("/excitation")
    for path, name, title in (
        ("/cbam", "cbam-b0", "CBAM-B0"),
        ("/lesson_se", "efficientnet-b0", "EfficientNet-B0"),
        ("/compare", "cbam-b0", "CBAM-B0"),
    ):
        sidebar(page).locator(f"a[href$='{path}']").click()
        expect(page).to_have_url(re.compile(path))
        visitor.settle()
        expect(sidebar(page)).to_contain_text(f"{title}: ")
        expect(network).to_have_value(name)
    network.click()
    page.get_by_role("option", name="se", exact=True).click()
    expect(main(page)).to_contain_text("Grad-CAM, at layer4.1")
    visitor.settle()
    expect(main(page).get_by_role("combobox", name="Block of se")).to_have_value("layer4.1")
    expect(main(page)).not_to_contain_text("The link asks for")


def test_a_click_on_a_bar_shows_that_channel(visit, server):
    visitor = visit(server)
    visitor.open("/excitation?network=se&order=By+channel&channel=3")
    bars = visitor.page.locator(".st-key-gate .points .point")
    expect(main(visitor.page)).to_contain_text("Gate of channel 3")
    bars.nth(40).click(force=True)  # plotly lays a transparent layer over its bars, which takes the clicks
    expect(main(visitor.page)).to_contain_text("Gate of channel 40")
    visitor.settle()
    assert asked(visitor.page)["channel"] == "40"


def test_a_block_is_switched_off_and_the_probabilities_change_and_come_back(visit, server):
    visitor = visit(server)
    visitor.open("/intervene?network=se&block=layer4.1.attention&edits=none")
    answer = main(visitor.page).get_by_role("heading", level=2).first
    expect(answer).to_contain_text("Nothing is edited")
    bars = main(visitor.page).get_by_role("figure", name=re.compile(r"^P\(.+ before, .+ after the edits\.$"))
    before = bars.get_attribute("aria-label")
    main(visitor.page).get_by_text("Switch off", exact=True).click()
    expect(answer).to_contain_text(
        re.compile(r"^With the channel gates of block layer4.1 switched off, P\(.+\) goes from .+; its logit moves by")
    )
    expect(bars).not_to_have_attribute("aria-label", before)
    expect(main(visitor.page)).to_contain_text("matters which channel gets which value (p = ")
    visitor.settle()
    assert asked(visitor.page)["edits"] != "none"
    main(visitor.page).get_by_role("button", name="Undo").click()
    expect(answer).to_contain_text("Nothing is edited")
    expect(bars).to_have_attribute("aria-label", before)
    visitor.settle()
    assert asked(visitor.page)["edits"] == "none"


def test_channels_and_cells_are_picked_by_a_click_a_frame_and_a_loop(visit, server):
    visitor = visit(server)
    visitor.open("/intervene?network=cbam&block=layer1.0.attention&edits=none")
    page = visitor.page
    page.locator(".st-key-turned .points .point").nth(16).click(force=True)  # plotly's own layer takes the clicks
    channels = page.get_by_role("textbox", name="Channels")
    expect(channels).to_have_value("16")
    visitor.settle()
    main(page).get_by_text("Frame", exact=True).click()
    draw(page, ".st-key-turned", [(0.2, 0.5), (0.8, 0.9)])
    expect(channels).to_have_value(re.compile(r"^\d+-\d+$"))
    visitor.settle()
    main(page).get_by_text("Spatial", exact=True).click()
    expect(page.locator(".st-key-painted .js-plotly-plot")).to_be_visible()
    visitor.settle()
    main(page).get_by_text("Loop", exact=True).click()
    draw(page, ".st-key-painted", [(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.25)], by="lasso")
    expect(page.get_by_role("textbox", name="Places")).to_have_value(re.compile(r"^\d+-\d+, "))
    visitor.settle()


def draw(page: Page, chart: str, places: list[tuple[float, float]], by: str = "select") -> None:
    """Move the mouse with its button down between places of a chart, given in shares of its width and height.

    Plotly's own way of picking is waited for: before it, the drawing would be a click.
    """
    way = "([chart, by]) => document.querySelector(`${chart} .js-plotly-plot`)?._fullLayout?.dragmode === by"
    page.wait_for_function(way, arg=[chart, by])
    area = page.locator(f"{chart} .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = area.bounding_box()
    points = [(box["x"] + across * box["width"], box["y"] + down * box["height"]) for across, down in places]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()


def test_more_groups_leave_fewer_weights(visit, server):
    visitor = visit(server)
    visitor.open("/grouped?c1=64&c2=64&g=4")
    answer = main(visitor.page).get_by_role("heading", level=2).first
    expect(answer).to_contain_text("In 4 groups, a kernel reads 16 of 64 channels: 9,216 weights instead of 36,864.")
    visitor.page.locator(".st-key-g").get_by_text("8", exact=True).click()
    expect(answer).to_contain_text("In 8 groups, a kernel reads 8 of 64 channels: 4,608 weights instead of 36,864.")
    visitor.settle()
    assert asked(visitor.page)["g"] == "8"


@pytest.mark.parametrize(
    "link",
    [
        "/?network=se&picture=Cat",
        "/excitation?network=se-resnext&picture=Cat&block=layer2.1.attention&order=By+channel&channel=7",
        "/cbam?network=cbam&picture=Cat&block=layer2.0.attention&opacity=0.8&scale=own+range&colours=magma",
        "/intervene?network=se&picture=Cat&block=layer2.0.attention&seed=3&edits=" + EDITS,
        "/grouped?network=se-resnext&c1=48&c2=96&g=12&bias=true&light=2",
    ],
)
def test_a_copied_link_opens_the_same_view(visit, server, link):
    first = visit(server)
    first.open(link)
    assert asked(first.page) == {key: values[-1] for key, values in parse_qs(urlsplit(link).query).items()}
    second = visit(server)
    second.open(first.page.url)
    assert main(second.page).inner_text() == main(first.page).inner_text()
    assert sidebar(second.page).inner_text() == sidebar(first.page).inner_text()
