"""Every page, in both appearances, by axe-core: no violation but those of Streamlit's own parts, each named here."""

import itertools
from importlib import resources

import pytest

from tests.browser.dashboard import PAGES

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


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_no_page_has_a_violation_of_ours(visit, server, appearance):
    visitor, found, titles = visit(server, appearance=appearance), {}, []
    for name, path in PAGES.items():
        visitor.open(path)
        visitor.page.evaluate(AXE.read_text(encoding="utf-8"))
        if ours := [each for each in visitor.page.evaluate(RUN) if (each["id"], each["in"]) not in NOT_OURS]:
            found[name] = ours
        levels = visitor.page.evaluate(LEVELS)
        if levels[0] != 1 or any(below > level + 1 for level, below in itertools.pairwise(levels)):
            found[f"{name}, headings"] = levels
        titles.append(visitor.page.title())
    assert not found
    assert len(set(titles)) == len(PAGES) and all(title.endswith(" · Gatescope") for title in titles)
