"""A report in a real browser, opened from disk: unpacked, drawn, taken apart again into files that stand alone."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from attention.charts.chart import Chart
from attention.report import Document, html, report_of
from tests.test_report import observation

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def document() -> Document:
    return report_of(observation("cbam", called="a <b> cat.jpg"))


@pytest.fixture(scope="module")
def file(document: Document, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html(document), encoding="utf-8")
    return path


@contextmanager
def opened(browser: Browser, file: Path, *, before: str = "", **look: str) -> Iterator[Page]:
    """The report without a network; nothing may go wrong in it, and nothing may be asked of anybody."""
    context = browser.new_context(offline=True, **look)
    page, problems = context.new_page(), []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or problems.append(request.url)
    )
    page.add_init_script(before)
    page.goto(f"file://{file}")
    yield page
    context.close()
    assert problems == []


# Plotly's own check ends in an error of its own at `autotickangles`, which is known to it.
VALIDATED = """charts.flatMap(({figure: {data, layout}}) => Plotly.validate(data,
    JSON.parse(JSON.stringify(layout, (key, value) => key === "autotickangles" ? undefined : value))) ?? [])"""


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_every_figure_is_one_that_the_packed_plotly_draws(browser, file, document, appearance):
    """Whichever release of plotly wrote it: nothing in its traces or its layout is unknown to the script."""
    charts = [item for section in document.sections for item in section.items if isinstance(item, Chart)]
    drawn = [chart for chart in charts if not isinstance(chart.figure, bytes)]
    with opened(browser, file, color_scheme=appearance) as page:
        page.evaluate("ready.then(drawAll)")
        expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
        assert page.locator(".js-plotly-plot").count() == len(drawn)
        unknown = page.evaluate(VALIDATED)
        # numbers in base64, as plotly writes arrays, are none before they are drawn; "unused" is drawn without
        assert [problem["msg"] for problem in unknown if problem["code"] not in ("array", "unused", "invisible")] == []


def test_a_table_is_unpacked_where_it_is_taken_away(browser, file, document):
    with opened(browser, file) as page:
        page.evaluate("ready")
        with page.expect_download() as download:
            page.locator('a.csv[download^="gates."]').evaluate("link => link.click()")
        text = download.value.path().read_text()
    assert download.value.suggested_filename == "gates.csv"
    rows = list(csv.DictReader(io.StringIO(text)))
    charts = [item for section in document.sections for item in section.items if isinstance(item, Chart)]
    (table,) = [chart.table for chart in charts if chart.key == "gates"]
    assert [row["gate"] for row in rows] == list(table["gate"])


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_a_figure_in_a_file_has_its_font_its_title_and_the_ground_that_was_asked_for(browser, file, ground):
    taken = {}
    with opened(browser, file, color_scheme="dark") as page:
        assert page.locator("#ground").input_value() == "light"
        page.locator("#ground").select_option(ground)
        for kind in ("SVG", "PNG"):
            with page.expect_download() as download:
                page.get_by_role("button", name=kind).nth(1).click()
            taken[kind] = download.value.path().read_bytes()
    svg = taken["SVG"].decode()
    assert "@font-face" in svg and "data:font/woff;base64," in svg
    assert "Gatescope Sans" in svg.partition("</defs>")[2], "its texts are set in the font that it has"
    assert "a <b> cat.jpg" in unescape(svg)
    pixels = np.asarray(Image.open(io.BytesIO(taken["PNG"])).convert("L"))
    assert (np.median(pixels) > 200) == (ground == "light")
    width, height = map(float, re.match(r'<svg[^>]*width="([\d.]+)"[^>]*height="([\d.]+)"', svg).groups())
    assert pixels.shape == (round(3 * height), round(3 * width))


def test_a_browser_that_cannot_unpack_says_so_and_shows_the_rest(browser, file):
    with opened(browser, file, before="delete self.DecompressionStream") as page:
        expect(page.get_by_text("this browser is too old to unpack them")).to_be_visible()
        assert page.locator("img").count() > 4 and page.locator(".js-plotly-plot").count() == 0
        assert page.locator("a.csv").first.get_attribute("download").endswith(".csv.gz")


ON_PAPER = """() => {
    const ink = getComputedStyle(document.body).color, plots = [...document.querySelectorAll(".js-plotly-plot")];
    return {
        ink,
        inks: plots.flatMap(plot => [...plot.querySelectorAll(".xtick text")].map(text => text.style.fill)),
        beyond: plots.filter(plot => plot.getBoundingClientRect().right > innerWidth
            || [...plot.querySelectorAll(".main-svg")].some(drawn => drawn.getBoundingClientRect().right > innerWidth))
            .map(plot => plot.closest("figure").dataset.name),
        undrawn: charts.filter(chart => !chart.drawn).length,
        wide: Math.max(...plots.map(plot => plot.getBoundingClientRect().width)) / innerWidth,
    };
}"""
AS_WIDE_AS_ITS_PLACE = """async () => {
    const fits = () => charts.every(({plot}) => Math.abs(plot._fullLayout.width - plot.clientWidth) < 2);
    for (let frame = 0; frame < 600 && !fits(); frame++) await new Promise(requestAnimationFrame);
    return fits();
}"""
"""It waits in the page, since Playwright's own waiting is `eval`, which a report forbids."""
PAPER = (703, 1040)
"""A sheet of A4 without its margins, in CSS pixels."""


@pytest.mark.parametrize("appearance", ["light", "dark"])
@pytest.mark.parametrize("least", [0, 1400])
def test_on_paper_each_figure_is_whole_and_dark_on_light(browser, file, appearance, least):
    with opened(browser, file, color_scheme=appearance) as page:
        page.evaluate("ready")
        page.evaluate("least => { charts[0].plot.style.minWidth = `${least}px`; }", least)
        before = page.evaluate("getComputedStyle(document.body).color")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.set_viewport_size(dict(zip(("width", "height"), PAPER, strict=True)))
        page.emulate_media(media="print")
        seen = page.evaluate(ON_PAPER)
        assert (seen["beyond"], seen["undrawn"]) == ([], 0) and seen["wide"] > 0.9
        assert {max(map(int, re.findall(r"\d+", ink)[:3])) < 128 for ink in [seen["ink"], *seen["inks"]]} == {True}
        page.emulate_media(media="screen")
        page.set_viewport_size({"width": 1280, "height": 800})
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.evaluate("getComputedStyle(document.body).color") == before
        assert page.evaluate(AS_WIDE_AS_ITS_PLACE)
