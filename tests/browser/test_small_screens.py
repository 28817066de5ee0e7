"""On a phone and on a tablet: a title of two lines, a figure on the first screen, and nothing beyond its edge."""

from collections.abc import Iterable
from urllib.parse import quote_plus

import pytest

from tests.browser.dashboard import PAGES, Visitor
from tests.browser.test_presented import TABS

SIZES = {"phone": (390, 844), "tablet": (820, 1180)}
LEAST = 80
"""Pixels of a figure that are seen at least."""
BLOCKS = [
    "/lesson_cbam?network=cbam&step=4",
    "/lesson_cbam?network=cbam&step=12",
    "/lesson_se?network=se&step=12",
    "/lesson_grouped?network=se-resnext&step=11",
]
"""Blocks to explore, of each kind."""
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
    + "[data-testid=stMain] :is(.stButton, .stPageLink, .stCheckbox) *";
  const cut = part => part.clientWidth && part.getBoundingClientRect().right > 0
    && part.scrollWidth > part.clientWidth + 1 && getComputedStyle(part).textOverflow === "ellipsis";
  const choices = [...document.querySelectorAll("[data-testid=stMain] [role=radiogroup]")];
  return [
    ...[...document.querySelectorAll(texts)].filter(cut).map(part => part.innerText),
    ...[...document.querySelectorAll(".katex-display")].filter(part => part.scrollWidth > part.clientWidth + 1)
      .map(part => part.textContent),
    ...choices.filter(part => part.scrollWidth > part.clientWidth + 1).map(part => part.ariaLabel),
  ];
}"""
"""Numbers, titles, equations, switches and choices that are not seen whole."""
FIGURES = "[data-testid=stPlotlyChart] .main-svg, [data-testid=stImage] img, canvas, table, [data-testid=stDataFrame]"
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


FITTED = """() => [...document.querySelectorAll("[data-testid=stMain] .js-plotly-plot")].every(figure =>
  Math.abs(figure._fullLayout.width - figure.parentElement.clientWidth) < 2)"""
"""Whether the figures have the width of their places, which they take a little later."""


def wrong(visitor: Visitor, widths: Iterable[int]) -> dict[int, list[str]]:
    """By the width of the window: what is cut or lies over something else."""
    found = {}
    for width in widths:
        visitor.page.set_viewport_size({"width": width, "height": visitor.page.viewport_size["height"]})
        visitor.page.wait_for_function(FITTED)
        visitor.settle()
        found[width] = [*visitor.page.evaluate(CUT), *visitor.page.evaluate(RUN_TOGETHER)]
    return {width: cut for width, cut in found.items() if cut}


WRITTEN = """
  window.written = [];
  const own = CanvasRenderingContext2D.prototype, {scale, fillText, clearRect} = own;
  const placed = (pen, left, top, right, bottom) => {
    const corners = [[left, top], [right, bottom]].map(([x, y]) => pen.getTransform().transformPoint({x, y}));
    const [across, down] = ["x", "y"].map(axis => corners.map(corner => corner[axis]));
    return {left: Math.min(...across), right: Math.max(...across), top: Math.min(...down), bottom: Math.max(...down)};
  };
  own.scale = function (...by) { window.written = []; scale.apply(this, by); };
  own.clearRect = function (x, y, width, height) {
    const gone = placed(this, x, y, x + width, y + height);
    const across = box => box.left >= gone.left && box.right <= gone.right;
    const down = box => box.top >= gone.top && box.bottom <= gone.bottom;
    window.written = window.written.filter(box => !across(box) || !down(box));
    clearRect.call(this, x, y, width, height);
  };
  own.fillText = function (text, x, y) {
    const size = this.measureText(text);
    const [left, top] = [x - size.actualBoundingBoxLeft, y - size.actualBoundingBoxAscent];
    const [right, bottom] = [x + size.actualBoundingBoxRight, y + size.actualBoundingBoxDescent];
    window.written.push({text, ...placed(this, left, top, right, bottom)});
    fillText.call(this, text, x, y);
  };
"""
"""Keeps the boxes of what a block to explore has written since it was last drawn."""
WRITTEN_OVER = """canvas => {
  const texts = window.written;
  return [
    ...texts.filter(box => box.left < -1 || box.right > canvas.width + 1).map(box => `${box.text} leaves it`),
    ...texts.flatMap((a, at) => texts.slice(at + 1).filter(b => Math.min(a.right, b.right) > Math.max(a.left, b.left)
      && Math.min(a.bottom, b.bottom) > Math.max(a.top, b.top)).map(b => `${a.text} / ${b.text}`)),
  ];
}"""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("size", SIZES)
def test_each_page_shows_its_title_and_a_figure_at_once_and_nothing_is_cut(contexts, server, name, size):
    width, height = SIZES[size]
    visitor = Visitor(contexts["light"], server, width=width, height=height)
    link = f"{PAGES[name]}?network=se" if name == "survey" else PAGES[name]
    visitor.open(link)
    lines, top, beyond = visitor.page.evaluate(LOOK, FIGURES)
    assert (lines <= 2, top <= height - LEAST, beyond) == (True, True, 0), (lines, top)
    found = {"": wrong(visitor, [width, 1000, 1280])}
    parts = visitor.page.get_by_role("tab").all_text_contents() if name in TABS and size == "phone" else []
    for part in parts[1:]:
        visitor.open(f"{link}{'&' if '?' in link else '?'}{TABS[name]}={quote_plus(part)}")
        found[part] = wrong(visitor, [width, 820, 1280])
    visitor.check()
    visitor.page.close()
    assert {part: cut for part, cut in found.items() if cut} == {}


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


@pytest.mark.parametrize("link", BLOCKS)
def test_a_block_to_explore_writes_nothing_over_anything_else(contexts, server, link):
    visitor = Visitor(contexts["light"], server, width=390, height=844)
    visitor.page.add_init_script(WRITTEN)
    visitor.open(link)
    canvas, found = visitor.page.locator(".explorable canvas"), {}
    for level in range(4):
        visitor.page.wait_for_function("window.written.length")
        found[level] = canvas.evaluate(WRITTEN_OVER)
        canvas.press("Enter")
        visitor.page.wait_for_timeout(100)
    visitor.check()
    visitor.page.close()
    assert {level: over for level, over in found.items() if over} == {}


@pytest.mark.parametrize("link", ["/lesson_se?network=se&step=10", "/cbam?network=cbam&tab=Code"])
def test_what_says_that_a_diagram_goes_on_stands_above_its_boxes(contexts, server, link):
    visitor = Visitor(contexts["light"], server, width=390, height=844)
    visitor.open(link)
    place = visitor.page.locator("[class*='st-key-wide_']:has([data-testid=stMermaidChart])")
    picture = place.get_by_test_id("stMermaidChart").locator("img")
    top, above = (part.evaluate("part => part.getBoundingClientRect().top") for part in (picture, place))
    letters = place.evaluate("place => parseFloat(getComputedStyle(place.firstElementChild, '::before').fontSize)")
    assert top - above >= 1.5 * letters
    visitor.check()
    visitor.page.close()
