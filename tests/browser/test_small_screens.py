"""On a phone and on a tablet: a title of two lines, a figure on the first screen, and nothing beyond its edge."""

from urllib.parse import quote_plus

import pytest

from tests.browser.dashboard import PAGES, Visitor
from tests.browser.test_presented import TABS

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
CUT = """() => {
  const texts = "[data-testid=stMetric] *, [data-testid=stSidebarNavLink] *, "
    + "[data-testid=stMain] :is(.stButton, .stPageLink) *";
  const cut = part => part.clientWidth && part.getBoundingClientRect().right > 0
    && part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).textOverflow === "ellipsis";
  const choices = [...document.querySelectorAll("[data-testid=stMain] [role=radiogroup]")];
  const boxes = [...document.querySelectorAll(".st-key-derivation .annotation-text")].map(part =>
    [part.textContent, part.getBoundingClientRect()]);
  return [
    ...[...document.querySelectorAll(texts)].filter(cut).map(part => part.innerText),
    ...[...document.querySelectorAll(".katex-display")].filter(part => part.scrollWidth > part.clientWidth + 1)
      .map(part => part.textContent),
    ...choices.filter(part => part.scrollWidth > part.clientWidth + 1).map(part => part.ariaLabel),
    ...boxes.flatMap(([one, a], at) => boxes.slice(at + 1).filter(([, b]) =>
      a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).map(([two]) => `${one} / ${two}`)),
  ];
}"""
"""Numbers, titles, equations and choices that are not seen whole, and titles of maps that lie over one another."""
BEYOND = """() => [...document.querySelectorAll("[data-testid=stMain] [data-testid=stCheckbox] *")]
    .filter(part => part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).textOverflow === "ellipsis")
    .map(part => part.textContent)"""
"""What is switched, where that is not seen whole."""
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


@pytest.mark.parametrize("width", [390, 820, 1000, 1280])
def test_numbers_titles_and_choices_are_seen_whole(contexts, server, width):
    visitor = Visitor(contexts["light"], server, width=width, height=900)
    cut = {}
    for name in ("overview", "excitation", "cbam", "models"):
        visitor.open(PAGES[name])
        if found := visitor.page.evaluate(CUT):
            cut[name] = found
    visitor.check()
    visitor.page.close()
    assert cut == {}


def test_beside_the_sidebar_of_a_tablet_switches_are_seen_whole(contexts, server):
    visitor = Visitor(contexts["light"], server, width=820, height=1180)
    visitor.open(PAGES["models"])
    beyond = visitor.page.evaluate(BEYOND)
    visitor.check()
    visitor.page.close()
    assert beyond == []


RUN_TOGETHER = """() => [...document.querySelectorAll("[data-testid=stMain] .js-plotly-plot")].flatMap(figure => {
  const whole = figure.getBoundingClientRect(), texts = figure.querySelectorAll(".main-svg text");
  const boxes = parts => [...parts].filter(part => part.checkVisibility({opacityProperty: true}))
    .map(part => [part.textContent, part.getBoundingClientRect()]).filter(([, box]) => box.width && box.height);
  const tools = boxes(figure.querySelectorAll(".modebar-btn")).map(([, box]) => ["a tool", box]);
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  const seen = boxes(texts).filter(([text]) => text);
  return [
    ...seen.filter(([, box]) => box.left < whole.left - 1 || box.right > whole.right + 1 || box.top < whole.top - 1
      || box.bottom > whole.bottom + 1).map(([text]) => `${text} leaves its figure`),
    ...seen.flatMap(([one, a], at) => [...seen.slice(at + 1), ...tools].filter(([, b]) => meet(a, b))
      .map(([two]) => `${one} / ${two}`)),
  ];
})"""
"""Texts of figures that lie over one another or under the figure's tools, or that leave it."""


@pytest.mark.parametrize("name", PAGES)
def test_texts_of_figures_are_apart(contexts, server, name):
    visitor, found = Visitor(contexts["light"], server, width=390, height=1000), {}
    link = f"{PAGES[name]}?network=se" if name == "survey" else PAGES[name]
    visitor.open(link)
    parts = visitor.page.get_by_role("tab").all_text_contents() if name in TABS else []
    for part in [None, *parts[1:]]:
        if part:
            visitor.open(f"{link}{'&' if '?' in link else '?'}{TABS[name]}={quote_plus(part)}")
        for width in (390, 820, 1280):
            visitor.page.set_viewport_size({"width": width, "height": 1000})
            visitor.page.wait_for_timeout(500)  # the figures take the width a little later
            visitor.settle()
            if together := visitor.page.evaluate(RUN_TOGETHER):
                found[part, width] = together
    visitor.check()
    visitor.page.close()
    assert found == {}


def test_a_diagram_keeps_letters_that_can_be_read_and_says_that_it_goes_on(contexts, server):
    visitor = Visitor(contexts["light"], server, width=390, height=844)
    visitor.open("/cbam?network=cbam&tab=Code")
    picture = visitor.page.get_by_test_id("stMermaidChart").locator("img")
    shown, drawn = picture.evaluate("picture => [picture.getBoundingClientRect().width, picture.naturalWidth]")
    place = visitor.page.locator("[class*='st-key-wide_']:has([data-testid=stMermaidChart])")
    goes_on, hint = place.evaluate(
        "place => [place.scrollWidth > place.clientWidth, getComputedStyle(place.firstElementChild, '::before').width]"
    )
    assert shown / drawn > 0.65 and goes_on and float(hint.removesuffix("px")) > 100
    assert visitor.page.evaluate(LOOK, FIGURES)[-1] == 0
    visitor.check()
    visitor.page.close()
