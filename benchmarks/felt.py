"""How long a person waits, in a real browser: python -m benchmarks.felt.

A fresh server and one visitor. Milliseconds from the click or the address to what was asked for: something to read and
the whole of the first page, a page's first figure, another block's headline, the map's other opacity and colours, the
first comparison. What is warm is done once before it is timed; the median counts, and its least and largest are said.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from playwright.sync_api import Page, expect, sync_playwright

from attention.ui.pages import PAGES as TITLES
from tests.browser.dashboard import PAGES, Server, Visitor, find_chromium, launch, serve_own

FIGURE = "[data-testid=stPlotlyChart] .main-svg, [data-testid=stImage] img, .stBidiComponent, table, iframe"
"""What counts as the figure of a page."""
MAP = "document.querySelector('.st-key-map_over_picture [data-testid=stBidiComponentIsolated]')?.shadowRoot.firstChild"
"""What the map of a page is drawn in."""
COLOUR = """() => {
  const canvas = MAP.querySelector("canvas");
  return canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data.join();
}""".replace("MAP", MAP)
"""The middle of the map, as it is drawn."""
SHOWN = """figure => {
  const main = document.querySelector("[data-testid=stMain]");
  const fresh = part => part.offsetParent !== null || part.getBoundingClientRect().width > 0;
  return [...main.querySelectorAll(figure)].some(part => fresh(part) && !part.closest("[data-stale=true]"));
}"""
HEADLINE = "() => document.querySelector('[data-testid=stMain] h2')?.textContent"
NAMED = {
    "cbam": f"() => {MAP}?.querySelector('canvas')?.ariaLabel",
    "excitation": "() => document.querySelector('[data-testid=stMain] .st-key-gate [aria-label]')?.ariaLabel",
}
"""What the main figure of a page says in words."""


class Clock:
    """What was timed, in milliseconds by what it is called."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.times.setdefault(what, []).append(1000 * (time.perf_counter() - start))

    def lines(self) -> Iterator[str]:
        """A line of JSON for each."""
        for what, times in self.times.items():
            whole = [round(time) for time in (statistics.median(times), min(times), max(times))]
            yield json.dumps({"what": what, "median, least, largest, ms": whole, "n": len(times)})


def first_open(visitor: Visitor, clock: Clock) -> None:
    """The first page of a server that nobody has visited."""
    with clock("first open: something to read"):
        visitor.page.goto(visitor.server.origin + "/")
        expect(visitor.page.get_by_test_id("stMain").locator("h1")).to_be_visible()
    with clock("first open: and then its figure"):
        visitor.page.wait_for_function(SHOWN, arg=FIGURE)
    with clock("first open: and then all of it"):
        visitor.settle()


def first_compare(visitor: Visitor, clock: Clock) -> None:
    """The first comparison of a server."""
    with clock("first Compare"):
        go_to(visitor.page, "compare")
    visitor.settle()


def pages(visitor: Visitor, clock: Clock, rounds: int) -> None:
    """Every page in turn, the first round untimed."""
    for round_ in range(rounds + 1):
        for name in PAGES:
            with (clock if round_ else Clock())(f"page {name}"):
                go_to(visitor.page, name)
            visitor.settle()


def go_to(page: Page, name: str) -> None:
    """Click a page in the navigation, and wait for its figure."""
    page.get_by_test_id("stSidebarNav").locator(f"a[href$='{PAGES[name]}']").click()
    page.wait_for_function("path => location.pathname === path", arg=PAGES[name])
    expect(page.locator('[data-testid="stMain"] h1')).to_have_text(TITLES[name]["title"])
    page.wait_for_function(SHOWN, arg=FIGURE)


def blocks(visitor: Visitor, clock: Clock, page: str, rounds: int) -> None:
    """Another block, to its headline and its figure: by the arrow key on the strip's slider, whose steps Streamlit
    gathers for a fifth of a second before it tells the server, and by a click on a cell."""
    go_to(visitor.page, page)
    main = visitor.page.get_by_test_id("stMain")
    thumb, cells = main.get_by_test_id("stSlider").first.get_by_role("slider"), main.locator(".st-key-strip .point")
    thumb.press("Home")
    visitor.settle()
    ready: dict[str, Callable[[int], None]] = {
        "key": lambda _: thumb.focus(),
        "click": lambda number: cells.nth(1 - number % 2).hover(force=True),
    }
    actions: dict[str, Callable[[int], None]] = {
        "key": lambda number: visitor.page.keyboard.press("ArrowLeft" if number % 2 else "ArrowRight"),
        "click": lambda _: press(visitor.page),
    }
    for way, act in actions.items():
        for number in range(2 * rounds + 2):
            ready[way](number)
            before = [visitor.page.evaluate(text) for text in (HEADLINE, NAMED[page])]
            what = f"another block on {page}, by a {way}"
            with (clock if number > 1 else Clock())(what):
                act(number)
                for text, old in zip((HEADLINE, NAMED[page]), before, strict=True):
                    visitor.page.wait_for_function(f"before => ({text})() !== before", arg=old)
            with (clock if number > 1 else Clock())(f"{what}: and then all of it"):
                visitor.settle()


def press(page: Page) -> None:
    """A click where the pointer is."""
    page.mouse.down()
    page.mouse.up()


def looks(visitor: Visitor, clock: Clock, rounds: int) -> None:
    """Opacity and colours of the map on the picture."""
    page = visitor.page
    go_to(page, "cbam")
    visitor.settle()
    slider = page.get_by_test_id("stMain").get_by_role("slider", name="Opacity of the map")
    # A person's pointer is there already: to look for the option and to wait until it stands still is the tool's own.
    ready: dict[str, Callable[[int], None]] = {
        "opacity": lambda _: slider.focus(),
        "colours": lambda number: page.get_by_role("radio", name="magma" if number % 2 else "cividis").hover(),
    }
    actions: dict[str, Callable[[int], None]] = {
        "opacity": lambda number: page.keyboard.press("ArrowLeft" if number % 2 else "ArrowRight"),
        "colours": lambda _: press(page),
    }
    for what, act in actions.items():
        for number in range(2 * rounds + 2):
            ready[what](number)
            before = page.evaluate(COLOUR)
            with (clock if number > 1 else Clock())(what):
                act(number)
                page.wait_for_function(f"before => ({COLOUR})() !== before", arg=before)
            visitor.settle()


def visit(server: Server, page: Visitor, rounds: int) -> Clock:
    """Everything that is timed, in order."""
    clock = Clock()
    first_open(page, clock)
    first_compare(page, clock)
    pages(page, clock, rounds)
    for name in NAMED:
        blocks(page, clock, name, rounds)
    looks(page, clock, rounds)
    return clock


@click.command()
@click.option("--rounds", default=5, show_default=True)
def main(rounds: int) -> None:
    """Print the milliseconds that a person waits."""
    program = find_chromium()
    if program is None:
        raise click.ClickException("There is no Chromium on this machine.")
    with serve_own() as server, sync_playwright() as playwright:
        browser = launch(playwright, program)
        visitor = Visitor(browser.new_context(), server)
        for line in visit(server, visitor, rounds).lines():
            click.echo(line)
        browser.close()


if __name__ == "__main__":
    main()
