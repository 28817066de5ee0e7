"""The browser's Back, Forward and Reload: what they come to is as it was left, and no page fails over it."""

import re

import pytest
from playwright.sync_api import expect

from attention import images, views
from tests.browser.dashboard import PAGES
from tests.browser.test_journey import asked, main, sidebar

SAMPLE = images.samples()[0].path
TWO = ("overview", "cbam")


@pytest.mark.parametrize(
    ("name", "chosen"), [*((name, "") for name in PAGES), *((name, "?network=cbam&picture=Salmon") for name in TWO)]
)
def test_back_forward_and_reload_find_each_page_as_it_was_left(visit, server, name, chosen):
    visitor = visit(server)
    page, heading = visitor.page, main(visitor.page).get_by_role("heading", level=1)
    visitor.open(f"{PAGES[name]}{chosen}")
    left, title, picture = asked(page), heading.inner_text(), sidebar(page).get_by_role("radio", checked=True)
    picked = picture.all_inner_texts()
    other = "models" if name == "overview" else "overview"
    page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES[other]}']").click()
    expect(heading).not_to_have_text(title)
    visitor.settle()
    there = asked(page), heading.inner_text()
    page.go_back()
    expect(heading).to_have_text(title)
    visitor.settle()
    assert (asked(page), picture.all_inner_texts()) == (left, picked)
    visitor.check()
    page.go_forward()
    expect(heading).to_have_text(there[1])
    visitor.settle()
    assert asked(page) == there[0]
    page.go_back()
    expect(heading).to_have_text(title)
    visitor.settle()
    page.reload()
    visitor.settle()
    assert (asked(page), heading.inner_text(), picture.all_inner_texts()) == (left, title, picked)


def test_back_brings_the_edits_that_stood_before_and_a_saved_view_its_own(visit, server):
    visitor = visit(server)
    page, headline = visitor.page, main(visitor.page).get_by_role("heading", level=2).first
    saved = page.get_by_role("button", name="Does the gate matter?")
    visitor.open("/intervene?network=cbam&edits=none")
    nothing = headline.inner_text()

    def undone() -> None:
        main(page).get_by_role("button", name="Undo").click()
        expect(headline).to_have_text(nothing)
        visitor.settle()

    main(page).get_by_text("Switch off", exact=True).click()
    expect(headline).to_contain_text("switched off")
    visitor.settle()
    off = asked(page)["edits"]
    for name in ("overview", "intervene"):
        page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES[name]}']").click()
        expect(headline).not_to_contain_text("channel gates have" if name == "intervene" else "switched off")
        visitor.settle()
    sidebar(page).get_by_text("Figures and views", exact=True).click()
    sidebar(page).get_by_role("button", name="Save this view").click()
    expect(saved).to_be_visible()
    undone()
    page.go_back()
    expect(headline).to_contain_text("channel gates have")
    visitor.settle()
    page.go_back()
    expect(headline).to_contain_text("switched off")
    visitor.settle()
    assert asked(page)["edits"] == off
    undone()
    saved.click()
    expect(headline).to_contain_text("switched off")
    visitor.settle()
    assert asked(page)["edits"] == off
    undone()


def test_what_is_chosen_on_a_page_is_no_step_of_the_history_and_no_wish_of_a_link(visit, server):
    visitor = visit(server)
    page, headline = visitor.page, main(visitor.page).get_by_role("heading", level=2).first
    visitor.open("/?network=cbam")
    page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES['intervene']}']").click()
    expect(headline).to_contain_text("switched off")
    visitor.settle()
    steps = page.evaluate("history.length")
    main(page).get_by_test_id("stSlider").first.get_by_role("slider").press("ArrowLeft")
    expect(page).to_have_url(re.compile("block=layer3.1.attention"))
    main(page).get_by_text("Shuffle", exact=True).click()
    expect(headline).to_contain_text("With 2 edits")
    visitor.settle()
    sidebar(page).get_by_role("combobox").first.click()
    page.get_by_role("option", name="se", exact=True).click()
    expect(page).to_have_url(re.compile("network=se(&|$)"))
    visitor.settle()
    expect(main(page)).not_to_contain_text("The link asks")
    assert page.evaluate("history.length") == steps
    page.go_back()
    expect(headline).to_contain_text("channel gates have")
    visitor.settle()
    assert asked(page)["network"] == "cbam"


def test_back_finds_the_block_of_each_page_though_both_have_one_in_their_address(visit, server):
    visitor = visit(server)
    page, slider = visitor.page, main(visitor.page).get_by_test_id("stSlider").first.get_by_role("slider")
    headline = main(page).get_by_role("heading", level=2).first
    visitor.open("/cbam?network=cbam&block=layer2.0.attention")
    page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES['excitation']}']").click()
    expect(page).to_have_url(re.compile("/excitation"))
    visitor.settle()
    expect(headline).to_contain_text("layer2.0")
    slider.press("ArrowRight")
    expect(page).to_have_url(re.compile("/excitation.*block=layer2.1.attention"))
    visitor.settle()
    page.go_back()
    expect(page).to_have_url(re.compile("/cbam.*block=layer2.0.attention"))
    visitor.settle()
    expect(headline).to_contain_text("layer2.0")
    page.go_forward()
    expect(page).to_have_url(re.compile("/excitation.*block=layer2.1.attention"))
    visitor.settle()
    expect(headline).to_contain_text("layer2.1")


def test_a_card_opens_its_block_by_its_address_and_one_step_back_are_the_cards(visit, server):
    visitor = visit(server)
    page, headline = visitor.page, main(visitor.page).get_by_role("heading", level=2).first
    visitor.open("/?network=cbam")
    main(page).get_by_role("button", name="Channels").first.click()
    expect(page).to_have_url(re.compile("/excitation.*block=layer1.0.attention"))
    expect(headline).to_contain_text("Block layer1.0")
    visitor.settle()
    page.reload()
    expect(headline).to_contain_text("Block layer1.0")
    visitor.settle()
    page.go_back()
    expect(headline).to_contain_text("channel gates have a mean of")
    visitor.settle()
    assert asked(page) == {"network": "cbam"}


@pytest.mark.parametrize("by", ["link", "slider"])
def test_a_block_chosen_on_one_page_is_shown_and_spoken_of_on_the_next(by, visit, server):
    visitor = visit(server)
    page, slider = visitor.page, main(visitor.page).get_by_test_id("stSlider").first.get_by_role("slider")
    headline = main(page).get_by_role("heading", level=2).first
    visitor.open(f"/cbam?network=cbam&block=layer2.{0 if by == 'slider' else 1}.attention")
    if by == "slider":
        slider.press("ArrowRight")
    expect(headline).to_contain_text("Block layer2.1")
    visitor.settle()
    for name in ("excitation", "intervene", "cbam"):
        page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES[name]}']").click()
        expect(page).to_have_url(re.compile(f"/{name}.*block=layer2.1.attention"))
        visitor.settle()
        expect(headline).to_contain_text("layer2.1")


def test_the_picture_stays_in_the_address_from_page_to_page_that_open_on_different_networks(visit, server):
    visitor = visit(server)
    page = visitor.page
    visitor.open("/")
    sidebar(page).locator(".st-key-picture").get_by_role("radio", name="Dog").click()
    expect(page).to_have_url(re.compile("picture=Dog"))
    visitor.settle()
    for name in ("excitation", "cbam", "excitation"):
        page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES[name]}']").click()
        expect(page).to_have_url(re.compile(f"{PAGES[name]}.*picture=Dog"))
        visitor.settle()


def test_what_a_part_of_a_page_asks_for_after_a_click_that_leaves_the_page_does_not_bring_it_back(visit, fresh_server):
    visitor = visit(fresh_server)
    page, hold = visitor.page, visitor.hold()
    view = views.SavedView("What is in this network?", "models", "network=se-resnext")
    file = {"name": "v.json", "mimeType": "application/json", "buffer": views.write([view]).encode()}
    visitor.open("/cbam?network=cbam")
    sidebar(page).get_by_text("Figures and views", exact=True).click()
    sidebar(page).get_by_test_id("stFileUploader").last.locator("input[type=file]").set_input_files(file)
    button = page.get_by_role("button", name=view.title)
    expect(button).to_be_visible()
    visitor.settle()
    hold(True)
    button.click()
    main(page).locator(".st-key-opacity").get_by_role("slider").press("ArrowRight")
    page.wait_for_timeout(500)
    hold(True, first=1)
    expect(main(page).get_by_role("heading", level=1)).to_have_text(view.title)
    hold(False)  # while that page, whose network is not loaded yet, is still being made
    expect(main(page).get_by_role("heading", level=2).first).to_be_visible()
    page.wait_for_timeout(1000)
    visitor.settle()
    expect(main(page).get_by_role("heading", level=2).first).to_be_visible()


def test_back_shows_the_picture_that_its_address_names_and_keeps_what_was_uploaded(visit, server):
    visitor = visit(server)
    page, heading = visitor.page, main(visitor.page).get_by_role("heading", level=1)
    source, seen = sidebar(page).locator(".st-key-source"), sidebar(page).get_by_test_id("stImage").last
    file = {"name": "my own.png", "mimeType": "image/png", "buffer": SAMPLE.read_bytes()}
    visitor.open("/cbam?network=cbam&picture=Cat")
    title = heading.inner_text()
    page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES['models']}']").click()
    expect(heading).not_to_have_text(title)
    visitor.settle()
    source.get_by_text("Upload", exact=True).click()
    sidebar(page).locator(".st-key-upload input[type=file]").set_input_files(file)
    expect(seen).to_contain_text("my own.png")
    visitor.settle()
    while "/cbam" not in page.url:
        page.go_back()
        visitor.settle()
    expect(heading).to_have_text(title)
    expect(seen).to_contain_text("Cat")
    visitor.settle()
    assert asked(page)["picture"] == "Cat"
    source.get_by_text("Upload", exact=True).click()
    expect(seen).to_contain_text("my own.png")


def test_each_step_of_a_lesson_is_a_step_of_the_history(visit, server):
    visitor = visit(server)
    page, heading = visitor.page, main(visitor.page).get_by_role("heading", level=2).first

    def expect_step(number: int) -> None:
        expect(heading).to_contain_text(f"{number}. ")
        visitor.settle()
        assert asked(page).get("step", "1") == str(number)

    visitor.open("/lesson_se?network=se")
    expect_step(1)
    page.keyboard.press("ArrowRight")
    expect_step(2)
    page.get_by_role("button", name="Next step").click()
    expect_step(3)
    page.locator(".st-key-step_number").get_by_role("button", name="Page 12").click()
    expect_step(12)
    for number in (3, 2, 1):
        page.go_back()
        expect_step(number)
    page.go_forward()
    expect_step(2)
    page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES['lesson_grouped']}']").click()
    expect(main(page).get_by_role("heading", level=1)).to_contain_text("grouped")
    expect_step(1)  # of another lesson
    page.go_back()
    expect(main(page).get_by_role("heading", level=1)).not_to_contain_text("grouped")
    expect_step(2)
