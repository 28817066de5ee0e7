"""On a phone and on a tablet: a title of two lines, a figure on the first screen, and nothing beyond its edge."""

import pytest

from tests.browser.dashboard import PAGES, Visitor

SIZES = {"phone": (390, 844), "tablet": (820, 1180)}
LEAST = 80
"""Pixels of a figure that are seen at least."""
LOOK = """figures => {
  const main = document.querySelector("[data-testid=stMain]"), title = main.querySelector("h1");
  const style = getComputedStyle(title), [above, below, line] =
    [style.paddingTop, style.paddingBottom, style.lineHeight].map(parseFloat);
  const lines = (title.clientHeight - above - below) / line;
  const boxes = [...main.querySelectorAll(figures)].map(part => part.getBoundingClientRect());
  const tops = boxes.filter(box => box.width > 40 && box.height > 30).map(box => box.top);
  return [Math.round(lines), Math.min(...tops), main.scrollWidth - main.clientWidth];
}"""
FIGURES = "[data-testid=stPlotlyChart] .main-svg, [data-testid=stImage] img, canvas, table, [data-testid=stDataFrame]"


@pytest.mark.parametrize("size", SIZES)
def test_each_page_shows_its_title_and_a_figure_at_once(contexts, server, size):
    width, height = SIZES[size]
    visitor = Visitor(contexts["light"], server, width=width, height=height)
    wrong = {}
    for name, path in PAGES.items():
        visitor.open(path)
        lines, top, beyond = visitor.page.evaluate(LOOK, FIGURES)
        if lines > 2 or top > height - LEAST or beyond > 0:
            wrong[name] = {"lines of the title": lines, "top of the figure": top, "beyond the edge": beyond}
    visitor.check()
    visitor.page.close()
    assert not wrong, "\n".join(f"{name}: {found}" for name, found in wrong.items())
