"""Every page, in both appearances, on the narrowest screen that it is made for: nothing scrolls sideways."""

import pytest

from tests.browser.dashboard import PAGES

SIDEWAYS = """() => [...document.querySelectorAll("*")].filter(element => {
    const scrolls = ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
    return (scrolls || element === document.scrollingElement) && element.scrollWidth > element.clientWidth + 1;
}).map(element => `${element.tagName} ${element.dataset.testid ?? element.className}: ${element.innerText}`)"""


# The table of layers of a network with depthwise convolutions is wider, and scrolls within itself.
PATHS = PAGES | {"models": "/models?network=cbam"}


@pytest.mark.parametrize("appearance", ["light", "dark"])
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_nothing_scrolls_sideways_at_1280_pixels(visit, server, path, appearance):
    visitor = visit(server, appearance=appearance)
    visitor.open(path)
    assert visitor.page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert visitor.page.evaluate(SIDEWAYS) == []
