"""A lesson that is read, not presented: each step is on the screen, from its title to the end of its figure."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_journey import main
from tests.test_page_lessons import NETWORK, STEPS

LOW = """() => {
    const end = document.querySelector('[data-testid="stBottom"]').getBoundingClientRect().top;
    const page = document.querySelector('[data-testid="stMainBlockContainer"]');
    const parts = [...page.querySelectorAll(
        "h1, h2, [class*=st-key-guess_], .stPlotlyChart, .stImage img, [data-testid=stMermaidChart], canvas, table")];
    return parts.filter(each => each.checkVisibility()).map(each => [each, each.getBoundingClientRect()])
        .filter(([each, box]) => box.height && (box.top < 0 || box.bottom > end + 1))
        .map(([each, box]) => `${each.tagName} ${each.className} ${box.top} to ${box.bottom}, ${end}`);
}"""
"""What of a step is cut, by the upper edge or by the bar of its steps; code may go on below."""


@pytest.mark.parametrize("name", NETWORK)
def test_title_question_and_figure_of_each_step_are_whole_on_a_laptop(visit, server, name):
    visitor, found = visit(server), {}
    page = visitor.page
    page.set_viewport_size({"width": 1280, "height": 800})
    visitor.open(f"/{name}?network={NETWORK[name]}")
    for step in range(1, STEPS[name] + 1):
        if step > 1:
            page.keyboard.press("ArrowRight")
            expect(page.get_by_text(f"Step {step} of")).to_be_visible()
            visitor.settle()
        found[f"{step}"] = page.evaluate(LOW)
        show = main(page).get_by_text("Just show me", exact=True)
        if show.count():
            show.click()
            expect(show).to_have_count(0)
            visitor.settle()
            found[f"{step}, answered"] = page.evaluate(LOW)
    assert not {step: cut for step, cut in found.items() if cut}
