"""A presentation on a lecturer's screen: the title, the answer and the figure, whole, and in large type."""

import re
from urllib.parse import quote_plus

import pytest
from playwright.sync_api import expect

from tests.browser.dashboard import PAGES, Visitor
from tests.browser.test_journey import asked, main, noise, sidebar
from tests.test_page_lessons import EVERY_STEP, NETWORK

SIZES = ((1280, 720), (1920, 1080), (1024, 768))
TABS = {"excitation": "part", "cbam": "tab", "grouped": "section", "compare": "about", "intervene": "section"}
TABS |= {"survey": "part"}
"""By which the address of a page names its part."""
WITH = {"survey": "network=cbam&"}
LEAST = 0.1
"""Least height of the largest figure, as a share of the screen's."""
SMALLEST = 0.018
"""Least height of a figure's letters, as a share of the screen's: 13 points on a slide of 7.5 inches."""
MEASURED = """() => {
    const end = document.querySelector('[data-testid="stBottom"]').getBoundingClientRect().top;
    const page = document.querySelector('[data-testid="stMainBlockContainer"]');
    const seen = selector => [...page.querySelectorAll(selector)].filter(part => part.checkVisibility())
        .map(part => [part, part.getBoundingClientRect()]).filter(([part, box]) => box.width && box.height);
    const figures = seen(
        ".js-plotly-plot .main-svg, .stImage img, [data-testid=stMermaidChart], .stBidiComponent, canvas, table, pre");
    const whole = box => box.top >= -1 && box.left >= -1 && box.bottom <= end + 1 && box.right <= innerWidth + 1;
    const parts = [...seen("h1, h2, h3, .stMarkdown"), ...figures];
    const letters = seen(".js-plotly-plot text").map(([part]) => parseFloat(getComputedStyle(part).fontSize));
    return {
        title: seen("h1").length,
        figures: figures.length,
        largest: Math.max(0, ...figures.map(([, box]) => box.height)) / innerHeight,
        cut: parts.filter(([, box]) => !whole(box)).map(([part, box]) =>
            `${part.tagName} ${part.getAttribute("alt") ?? part.innerText ?? ""}`.slice(0, 60)
            + ` from ${[box.left, box.top]} to ${[box.right, box.bottom]}, where ${end} is the end`),
        hidden: figures.filter(([part]) => part.scrollHeight > part.clientHeight + 2 && part.tagName === "PRE").length,
        scrolls: page.parentElement.scrollHeight - page.parentElement.clientHeight,
        letters: Math.min(...letters, innerHeight) / innerHeight,
        controls: seen("input, button, [role=slider], [role=tab]").length,
    };
}"""
AT_THE_START = {
    "Time, measured",
    "Gates against heatmap",
    "Heatmaps against heatmaps",
    "Deletion and insertion",
    "Shuffled weights",
    "Over many pictures",
}
"""Parts whose figure takes a start, by a control that is asked for."""
AS_LONG_AS_THEY_ARE = {"All edits"}
"""Parts that are a list, which is as high as it has lines."""


def settled(visitor: Visitor) -> dict[str, float]:
    """What the screen comes to, once its figures have the height that is theirs."""
    visitor.settle()
    before = None
    while (now := visitor.page.evaluate(MEASURED)) != before:
        before = now
        visitor.page.wait_for_timeout(100)
    return now


def wrong(visitor: Visitor, *, figures: bool = True) -> list[object]:
    """What is not as it should be on screens of each size."""
    found: list[object] = []
    for width, height in SIZES:
        visitor.page.set_viewport_size({"width": width, "height": height})
        expect(visitor.page.locator("html")).to_have_attribute("data-screen", f"{width}x{height}")
        seen = settled(visitor)
        small = seen["letters"] < SMALLEST or (figures and seen["largest"] < LEAST)
        if seen["cut"] or seen["hidden"] or seen["scrolls"] or seen["title"] != 1 or small:
            found.append(((width, height), seen))
    visitor.page.set_viewport_size(dict(zip(("width", "height"), SIZES[0], strict=True)))
    return found


@pytest.mark.parametrize("name", [name for name in PAGES if name not in NETWORK])
def test_each_page_and_part_is_whole_on_a_screen(visit, server, name):
    visitor, found = visit(server), {}
    visitor.page.set_viewport_size(dict(zip(("width", "height"), SIZES[0], strict=True)))
    link = f"{PAGES[name]}?{WITH.get(name, '')}present=1"
    visitor.open(link)
    found[""] = wrong(visitor)
    controls = main(visitor.page).get_by_test_id("stMainBlockContainer").get_by_role("slider")
    assert controls.filter(visible=True).count() == 0
    for part in visitor.page.locator("[role=tab]").all_text_contents():
        visitor.open(f"{link}&{TABS[name]}={quote_plus(part)}")
        found[part] = wrong(visitor, figures=part not in AT_THE_START | AS_LONG_AS_THEY_ARE)
    assert not {part: screens for part, screens in found.items() if screens}


@pytest.mark.parametrize("name", NETWORK)
def test_each_step_of_a_lesson_is_whole_on_a_screen(visit, server, name):
    visitor, found = visit(server), {}
    visitor.open(f"/{name}?network={NETWORK[name]}&present=1&step=1")
    for step in (number for page, number in EVERY_STEP if page == name):
        if step > 1:
            visitor.page.keyboard.press("PageDown")
            expect(visitor.page).to_have_url(re.compile(rf"step={step}\b"))
            visitor.settle()
        show = main(visitor.page).get_by_text("Just show me", exact=True)
        if show.count():
            show.click()
            expect(show).to_have_count(0)
        found[step] = wrong(visitor)
    assert not {step: screens for step, screens in found.items() if screens}


SMALL = """() => [...document.querySelectorAll('[data-testid="stMain"] *')].filter(part => part.checkVisibility()
    && [...part.childNodes].some(each => each.nodeType === 3 && each.data.trim())
    && part.getBoundingClientRect().width > 1 && parseFloat(getComputedStyle(part).fontSize) < 11)
    .map(part => `${part.textContent.slice(0, 40)}: ${getComputedStyle(part).fontSize}`)"""
"""What is written in less than 11 pixels."""


@pytest.mark.parametrize("name", PAGES)
def test_on_a_phone_all_that_is_presented_can_be_read(visit, server, name):
    visitor = visit(server)
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.open(f"{PAGES[name]}?{WITH.get(name, '')}present=1")
    expect(visitor.page.locator("html")).to_have_attribute("data-screen", "390x844")
    seen = settled(visitor)
    assert visitor.page.evaluate(SMALL) == []
    assert seen["figures"] and not seen["hidden"]


def test_presented_pages_open_on_their_own_networks_and_with_a_persons_own_picture(visit, server):
    visitor = visit(server)
    page = visitor.page
    visitor.open("/excitation")
    sidebar(page).get_by_text("Upload", exact=True).click()
    page.get_by_test_id("stFileUploader").locator("input[type=file]").set_input_files(noise())
    expect(sidebar(page)).to_contain_text(f"{noise()['name']}: the network sees")
    visitor.settle()
    sidebar(page).get_by_role("button", name="Present").click()
    page.get_by_role("button", name="Next view").click()
    expect(page).to_have_url(re.compile("/cbam"))
    expect(main(page).get_by_role("heading", level=2).first).to_contain_text("Block")
    visitor.settle()
    assert "network" not in asked(page)
    expect(sidebar(page)).to_contain_text(f"{noise()['name']}: the network sees")


@pytest.mark.parametrize("step", [6, 10])
def test_a_picture_of_few_pixels_is_as_large_as_its_place(visit, server, step):
    visitor = visit(server)
    visitor.page.set_viewport_size({"width": 1920, "height": 1080})
    visitor.open(f"/lesson_cbam?network=cbam&present=1&step={step}")
    settled(visitor)
    box = main(visitor.page).locator(".stImage img").bounding_box()
    assert min(box["width"], box["height"]) > 0.4 * 1080


def test_heatmaps_fill_their_cards_beside_each_other(visit, server):
    visitor = visit(server)
    visitor.open("/compare?network=cbam&present=1")
    cards = visitor.page.locator(".st-key-heatmaps [data-testid=stColumn]")
    for width, height in SIZES:
        visitor.page.set_viewport_size({"width": width, "height": height})
        expect(visitor.page.locator("html")).to_have_attribute("data-screen", f"{width}x{height}")
        settled(visitor)
        boxes = [card.bounding_box() for card in cards.all()]
        maps = [card.locator(".stImage img").bounding_box() for card in cards.all()]
        assert len({box["y"] for box in boxes}) == 1 < len(boxes)
        assert min(seen["width"] / box["width"] for seen, box in zip(maps, boxes, strict=True)) > 0.9
        assert min(seen["height"] / box["height"] for seen, box in zip(maps, boxes, strict=True)) > 0.7
    expect(cards.get_by_test_id("stImageCaption").filter(visible=True)).to_have_count(0)


def test_the_controls_come_by_a_key_and_go(visit, server):
    visitor = visit(server)
    visitor.open("/cbam?network=cbam&present=1")
    opacity = visitor.page.get_by_role("slider", name="Opacity of the map")
    expect(opacity).to_be_hidden()
    visitor.page.keyboard.press("t")
    expect(opacity).to_be_visible()
    visitor.settle()
    visitor.page.keyboard.press("t")
    expect(opacity).to_be_hidden()


def test_a_key_goes_one_step_after_the_window_was_resized(visit, server):
    visitor = visit(server)
    visitor.open("/lesson_se?network=se&present=1&step=1")
    for width, height in SIZES:
        visitor.page.set_viewport_size({"width": width, "height": height})
        expect(visitor.page.locator("html")).to_have_attribute("data-screen", f"{width}x{height}")
        visitor.settle()
    pressed = "next => { window.pressed = 0; next.addEventListener('click', () => { window.pressed += 1; }); }"
    visitor.page.get_by_test_id("stBottom").get_by_role("button", name="Next step").evaluate(pressed)
    visitor.page.keyboard.press("PageDown")
    expect(visitor.page).to_have_url(re.compile("step=2"))
    assert visitor.page.evaluate("window.pressed") == 1
    visitor.settle()


BAR = """() => [...document.querySelectorAll('[data-testid="stBottom"] button')].filter(each => each.checkVisibility())
    .map(each => [each, each.getBoundingClientRect()]).map(([each, box]) =>
        [each.textContent, Math.round((box.top + box.bottom) / 2), box.left >= 0 && box.right <= innerWidth,
         each.scrollWidth > each.clientWidth])"""
"""Each button below the page: its words, its middle, whether it is on the screen, whether its words are cut."""


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("path", ["/lesson_se?network=se&present=1&step=2", "/cbam?network=cbam&present=1"])
def test_what_leads_on_stands_in_one_row_and_each_says_where_it_leads(visit, server, path, asked):
    visitor = visit(server)
    visitor.open(path)
    if asked:
        visitor.page.keyboard.press("t")
        visitor.settle()
    bottom = visitor.page.get_by_test_id("stBottom")
    ways = [f"{way} {what}" for what in (["step"] * ("lesson" in path) + ["view"]) for way in ("Previous", "Next")]
    for width, height in SIZES:
        visitor.page.set_viewport_size({"width": width, "height": height})
        expect(visitor.page.locator("html")).to_have_attribute("data-screen", f"{width}x{height}")
        visitor.settle()
        words, middles, inside, cut = zip(*visitor.page.evaluate(BAR), strict=True)
        assert max(middles) - min(middles) < 10 and all(inside) and not any(cut), ((width, height), words, middles)
        assert len(words) == len(ways) + 2, words
        for way in ways:
            expect(bottom.get_by_role("button", name=way)).to_have_count(1)
