"""What answers before the server has: colours, an answer that has become old."""

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from attention import images, observe
from attention.charts import overlay
from attention.models import zoo
from attention.ui import cache
from tests.browser.test_journey import asked, main, sidebar

SAMPLE, BLOCK = images.samples()[0], "layer2.1.attention"
PIXELS = """canvas => {
    const {width, height} = canvas, {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
    return [width, height, Array.from(data)];
}"""


def drawn(page):
    """The map on the picture as it is on the screen, (H, W, 3)."""
    width, height, values = page.locator(".st-key-map_over_picture canvas").evaluate(PIXELS)
    return np.array(values, float).reshape(height, width, 4)[..., :3]


def reported(colour_map, opacity, *, own):
    """The same as a report has it, (H, W, 3)."""
    seen = observe.observe(zoo.load("cbam"), cache.sample(SAMPLE.title))
    values = next(block for block in seen.blocks if block.name == BLOCK).spatial.values[0]
    scale = overlay.own_range(values) if own else overlay.UNIT
    laid = overlay.overlay(seen.image, values, seen.box, colour_map=colour_map, scale=scale, opacity=opacity)
    return np.asarray(Image.open(io.BytesIO(laid)), float)


def test_opacity_and_colours_change_before_the_server_hears_of_it_and_are_those_of_a_report(visit, server):
    visitor = visit(server)
    page, hold = visitor.page, visitor.hold()
    visitor.open(f"/cbam?network=cbam&picture={SAMPLE.title}&block={BLOCK}")
    expect(page.locator(".st-key-legend canvas")).to_be_visible()
    assert np.abs(drawn(page) - reported("viridis", 0.5, own=False)).mean() < 3
    before = drawn(page)
    hold(True)
    main(page).get_by_role("radio", name="magma").click()
    main(page).get_by_role("radio", name="own range").click()
    page.get_by_role("slider", name="Opacity of the map").press("ArrowRight")
    now = drawn(page)
    assert np.abs(now - reported("magma", 0.55, own=True)).mean() < 3 < np.abs(now - before).mean()
    kept = sidebar(page).get_by_test_id("stImage").locator("img").first.get_attribute("src")
    hold(False)
    page.wait_for_url("**scale=own+range**")
    visitor.settle()
    assert {name: asked(page)[name] for name in ("opacity", "colours")} == {"opacity": "0.55", "colours": "magma"}
    assert np.array_equal(drawn(page), now)
    expect(sidebar(page).get_by_test_id("stImage").locator("img").first).to_have_attribute("src", kept)


@pytest.mark.parametrize("name", ["cbam", "excitation"])
def test_no_answer_stands_under_another_position_than_its_own(visit, server, name):
    visitor = visit(server)
    page, hold = visitor.page, visitor.hold()
    visitor.open(f"/{name}?network=cbam&picture={SAMPLE.title}&block={BLOCK}")
    answer = main(page).get_by_role("heading", level=2).first
    expect(answer).to_contain_text("layer2.1")
    thumb = main(page).get_by_test_id("stSlider").first.get_by_role("slider")
    hold(True)
    thumb.press("ArrowRight")
    expect(main(page).locator("h2").filter(has_text="layer2.1")).to_be_hidden()
    thumb.press("ArrowLeft")
    expect(answer).to_be_visible()
    thumb.press("ArrowRight")
    expect(answer).to_be_hidden()
    hold(False)
    expect(answer).to_contain_text("layer3.0")
    expect(answer).to_be_visible()
    visitor.settle()
    # The server has let go of the pictures of answers that were held back until the next one was asked for.
    visitor.problems[:] = [problem for problem in visitor.problems if "/media/" not in problem]
