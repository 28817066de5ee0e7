"""A lesson as a person goes through it, its block to explore, and how it stands on a lecturer's screen."""

import re

import pytest
from playwright.sync_api import expect

from attention import images, observe
from attention.models import zoo
from tests.browser.dashboard import PAGES, Visitor
from tests.browser.test_journey import asked, main
from tests.test_page_lessons import EVERY_STEP, NETWORK

SAMPLE = images.samples()[0]
BLOCK = "layer2.1.attention"
RECORD = """
window.drawn = {numbers: [], bars: []};
const {scale, fillText, fillRect} = CanvasRenderingContext2D.prototype;
Object.assign(CanvasRenderingContext2D.prototype, {
    scale(...ratios) { window.drawn = {numbers: [], bars: []}; scale.apply(this, ratios); },
    fillText(text, x, y) {
        if (this.textAlign === "right" && /^[0-9]+$/.test(text)) window.drawn.numbers.push([text, y]);
        fillText.call(this, text, x, y);
    },
    fillRect(...box) {
        if (this.fillStyle === "#0b131b") window.drawn.bars.push(box);
        fillRect.apply(this, box);
    },
});
"""
"""Writes down what was drawn last in the colour of text: the numbers of channels, and the bars of their means."""


def test_a_lesson_is_gone_through_by_the_arrow_keys_with_a_guess_and_on_to_the_page(visit, server):
    visitor = visit(server)
    visitor.open(f"/lesson_se?network=se&picture={SAMPLE.title}&block={BLOCK}")
    page, heading = visitor.page, main(visitor.page).get_by_role("heading", level=2).first
    expect(heading).to_have_text("1. A gate is a dial")
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("2. What a channel is")
    visitor.settle()
    page.keyboard.press("ArrowRight")
    expect(heading).to_have_text("3. Guess the strongest")
    visitor.settle()
    assert asked(page)["step"] == "3"
    main(page).get_by_text("Just show me", exact=True).click()
    expect(main(page)).to_contain_text("The gates are: channel")
    visitor.settle()
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text("2. What a channel is")
    visitor.settle()
    main(page).get_by_role("link", name=re.compile("Go on with this block")).click()
    expect(main(page).get_by_role("heading", level=1)).to_have_text("SE: which channels get through?")
    visitor.settle()
    assert asked(page)["block"] == BLOCK and asked(page)["network"] == "se"


def test_the_block_says_the_numbers_of_the_trace_by_pointer_and_keys(visit, server):
    seen = observe.observe(zoo.load("cbam"), observe.read_picture(SAMPLE.path))
    block = next(block for block in seen.blocks if block.name == BLOCK)
    values, steps = block.channel.values[0], seen.steps(block.channel.name)
    visitor = visit(server)
    visitor.open(f"/lesson_cbam?network=cbam&picture={SAMPLE.title}&block={BLOCK}&step=4")
    box, finding = visitor.page.locator(".explorable"), visitor.page.locator(".finding")
    canvas, arithmetic = box.locator("canvas"), visitor.page.locator(".arithmetic")
    expect(finding).to_contain_text("64 maps become 128 numbers")
    expect(main(visitor.page)).to_contain_text("s = σ(W₂ relu(W₁ mean) + W₂ relu(W₁ largest))")
    canvas.focus()
    canvas.press("Enter")
    best = int(values.argmax())
    expect(finding).to_have_text(f"Channel {best}: gate {values[best]:.3f}.")
    mean, largest = (steps.squeezed[branch][0, best] for branch in ("average", "max"))
    expect(arithmetic).to_contain_text(f"mean {mean:.3f}, largest {largest:.3f}".replace("-", "−"))
    logit = sum(branch[0, best] for branch in steps.branches.values())
    expect(arithmetic).to_contain_text(f"σ({logit:.3f}) = {values[best]:.3f}".replace("-", "−"))
    canvas.press("Enter")
    expect(arithmetic).to_contain_text(f"one of {steps.hidden['max'].shape[1]} products")
    canvas.press("Enter")
    top = steps.before[0, best].max()
    expect(finding).to_contain_text(f"{top:.3f} × {values[best]:.3f} = {steps.after[0, best].max():.3f}")
    for level in ("2", "1", "0"):
        canvas.press("Escape")
        expect(box).to_have_attribute("data-level", level)
    place = canvas.bounding_box()
    visitor.page.mouse.move(place["x"] + 0.7 * place["width"], place["y"] + 0.15 * place["height"])
    expect(finding).to_have_text(f"Channel {best}: gate {values[best]:.3f}.")
    assert asked(visitor.page)["step"] == "4"  # its keys are its own


def test_a_mean_below_zero_lies_on_the_other_side_of_it(visit, server):
    seen = observe.observe(zoo.load("efficientnet-b0"), observe.read_picture(SAMPLE.path))
    block = next(block for block in seen.blocks if block.name == "blocks.2.1.se")
    means = seen.steps(block.channel.name).squeezed["average"][0]
    visitor = visit(server)
    visitor.page.add_init_script(RECORD)
    visitor.open(f"/lesson_se?network=efficientnet-b0&picture={SAMPLE.title}&block={block.name}&step=12")
    expect(visitor.page.locator(".finding")).to_contain_text("240 maps become 240 numbers")
    drawn = visitor.page.evaluate("window.drawn")
    rows = {round(y): int(text) for text, y in drawn["numbers"]}
    zeros, sides = set(), set()
    for x, y, width, height in drawn["bars"]:
        row = next((at for at in rows if y < at < y + height), None)
        if row is not None and width > 2:
            below = means[rows[row]] < 0
            sides.add(below)
            zeros.add(round(x + width if below else x))
    assert sides == {True, False} and len(zeros) == 1


def test_the_spatial_gate_says_the_numbers_of_the_trace(visit, server):
    seen = observe.observe(zoo.load("cbam"), observe.read_picture(SAMPLE.path))
    block = next(block for block in seen.blocks if block.name == BLOCK)
    gate, steps = block.spatial.values[0], seen.steps(block.spatial.name)
    row, column = divmod(int(gate.argmax()), gate.shape[1])
    visitor = visit(server)
    visitor.open(f"/lesson_cbam?network=cbam&picture={SAMPLE.title}&block={BLOCK}&step=12")
    canvas, arithmetic = visitor.page.locator(".explorable canvas"), visitor.page.locator(".arithmetic")
    canvas.press("Enter")
    expect(visitor.page.locator(".finding")).to_have_text(f"Row {row}, column {column}: gate {gate[row, column]:.3f}.")
    summed, logit = (f"{values[0, row, column]:.3f}".replace("-", "−") for values in (steps.summed, steps.logits))
    expect(arithmetic).to_contain_text(f"sum to {summed}, normalised {logit}")
    canvas.press("ArrowDown" if row + 1 < gate.shape[0] else "ArrowUp")
    expect(visitor.page.locator(".finding")).not_to_contain_text(f"Row {row}, column {column}:")


@pytest.mark.parametrize("page", NETWORK)
def test_a_lesson_does_not_scroll_sideways_on_a_phone(visit, server, page):
    visitor = visit(server)
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    for step in (number for name, number in EVERY_STEP if name == page):
        visitor.open(f"/{page}?network={NETWORK[page]}&step={step}")
        assert visitor.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth"), step


def test_a_tap_lights_what_is_linked_until_another_tap(browser, server):
    seen = observe.observe(zoo.load("efficientnet-b0"), observe.read_picture(SAMPLE.path))
    block = seen.blocks[-1]
    steps, values = seen.steps(block.channel.name), block.channel.values[0]
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    visitor = Visitor(context, server, width=390, height=844)
    visitor.open(f"/lesson_se?network=efficientnet-b0&picture={SAMPLE.title}&block={block.name}&step=12")
    page, box = visitor.page, visitor.page.locator(".explorable")
    canvas, finding, arithmetic = box.locator("canvas"), box.locator(".finding"), box.locator(".arithmetic")
    box.scroll_into_view_if_needed()
    visitor.settle()
    place, em = canvas.bounding_box(), box.evaluate("box => parseFloat(getComputedStyle(box).fontSize)")

    def tap(x, y):
        page.touchscreen.tap(place["x"] + x, place["y"] + y)

    best, first_row = int(values.argmax()), 3 * em
    tap(0.7 * place["width"], first_row)
    expect(finding).to_have_text(f"Channel {best}: gate {values[best]:.3f}.")
    assert len(values) == 1152 and "left out" not in arithmetic.inner_text()
    tap(0.52 * place["width"], 0.5 * place["height"])
    expect(arithmetic).to_contain_text(f"one of {next(iter(steps.hidden.values())).shape[1]} products")
    expect(box).to_have_attribute("data-level", "2")
    tap(4.6 * em, first_row)  # its map in small, and then a place of it in large
    expect(finding).to_contain_text(f"Channel {best}, row ")
    tap(0.4 * place["width"], 2.4 * em)
    expect(finding).to_contain_text(f"Channel {best}, row 0, column ")
    said = finding.inner_text()
    page.touchscreen.tap(place["x"] + 0.5 * place["width"], place["y"] + place["height"] - 1)  # there is nothing
    visitor.settle()
    assert finding.inner_text() == said
    box.get_by_role("button", name="All 1,152 channels").tap()
    expect(box.get_by_role("button", name="Some channels")).to_be_visible()
    visitor.check()
    context.close()


def test_another_lesson_begins_at_its_first_step_wherever_the_last_was_left(visit, server):
    visitor = visit(server)
    page = visitor.page
    visitor.open("/lesson_se")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("Step 2 of")).to_be_visible()
    page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES['lesson_cbam']}']").click()
    expect(page.get_by_text("Step 1 of")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("Step 2 of")).to_be_visible()
