"""Every page, in both appearances, on the narrowest screen that it is made for: nothing scrolls sideways, and axe-core
finds no violation but those of Streamlit's own parts, each named here."""

import itertools
from importlib import resources

import pytest

from tests.browser.dashboard import PAGES, Visitor

AXE = resources.files("axe_playwright_python").joinpath("axe.min.js")
RUN = """() => axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations.flatMap(
    ({id, nodes}) => nodes.map(node => [id, document.querySelector(node.target[0]), node]).map(
        ([id, element, node]) => ({
            id, at: element.dataset.testid ?? element.tagName, in: element.closest("[data-testid]").dataset.testid,
            html: node.html.slice(0, 200), why: node.failureSummary,
        }))))"""
LEVELS = """[...document.querySelectorAll("[data-testid=stMain] :is(h1, h2, h3, h4, h5, h6)")]
    .filter(each => each.checkVisibility()).map(each => Number(each.tagName[1]))"""
NOT_OURS = {
    (
        "list",
        "stSidebarNavItems",
    ): "Streamlit puts each group of the navigation into a div between the list and its items",
    ("listitem", "stSidebarNavItems"): "the same list, said of each of its items",
}
"""What cannot be mended from outside Streamlit: the rule, the part of the page, and why."""
SIDEWAYS = """() => [...document.querySelectorAll("*")].filter(element => {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
    return (scrolls || element === document.scrollingElement) && element.scrollWidth > element.clientWidth + 1;
}).map(element => `${element.tagName} ${element.dataset.testid ?? element.className}: ${element.innerText}`)"""


def sideways(visitor: Visitor) -> list[str]:
    """What scrolls sideways, and the page where it is wider than the screen."""
    wider = visitor.page.evaluate("document.scrollingElement.scrollWidth > innerWidth")
    return [*visitor.page.evaluate(SIDEWAYS), *["the page"] * wider]


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_no_page_scrolls_sideways_or_has_a_violation_of_ours(visit, server, appearance):
    visitor, found, titles = visit(server, appearance=appearance), {}, []
    for name, path in PAGES.items():
        visitor.open(path)
        # The table of layers of a network with depthwise convolutions is wider, and scrolls within itself.
        if name != "models" and (beyond := sideways(visitor)):
            found[f"{name}, sideways"] = beyond
        visitor.page.evaluate(AXE.read_text(encoding="utf-8"))
        if ours := [each for each in visitor.page.evaluate(RUN) if (each["id"], each["in"]) not in NOT_OURS]:
            found[name] = ours
        levels = visitor.page.evaluate(LEVELS)
        if levels[0] != 1 or any(below > level + 1 for level, below in itertools.pairwise(levels)):
            found[f"{name}, headings"] = levels
        titles.append(visitor.page.title())
    visitor.open("/models?network=cbam")
    if beyond := sideways(visitor):
        found["models, sideways"] = beyond
    assert not found
    assert len(set(titles)) == len(PAGES) and all(title.endswith(" · Gatescope") for title in titles)
