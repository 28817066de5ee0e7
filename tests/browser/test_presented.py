"""A presentation as it stands on a lecturer's screen: the title, the answer and the figure, whole, and in large type."""

from playwright.sync_api import Page

from tests.browser.dashboard import PAGES, Visitor
from tests.browser.test_journey import main
from tests.test_page_lessons import EVERY_STEP, NETWORK

SIZES = ((1280, 720), (1920, 1080), (1024, 768))
TABS = {"excitation": "part", "cbam": "tab", "grouped": "section", "compare": "about", "intervene": "section"}
TABS |= {"survey": "part"}
"""By which the address of a page names its part."""
WITH = {"survey": "network=cbam&"}
SMALLEST = 0.018
"""Least height of a figure's letters, as a share of the screen's: 13 points on a slide of 7.5 inches."""
MEASURED = """() => {
    const end = document.querySelector('[data-testid="stBottom"]').getBoundingClientRect().top;
    const page = document.querySelector('[data-testid="stMainBlockContainer"]');
    const seen = selector => [...page.querySelectorAll(selector)].filter(part => part.checkVisibility())
        .map(part => [part, part.getBoundingClientRect()]).filter(([part, box]) => box.width && box.height);
    const figures = seen(".js-plotly-plot .main-svg, .stImage img, [data-testid=stMermaidChart], .stBidiComponent, canvas, table, pre");
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


def settled(visitor: Visitor) -> dict[str, object]:
    """What the screen comes to, once its figures have the height that is theirs."""
    visitor.settle()
    before = None
    while (now := visitor.page.evaluate(MEASURED)) != before:
        before = now
        visitor.page.wait_for_timeout(100)
    return now
