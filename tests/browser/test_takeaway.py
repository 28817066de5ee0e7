"""What a person takes away, in a real browser: a report that works offline, and a presentation."""

import json
import re

import pypdfium2
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.dashboard import Visitor
from tests.browser.test_journey import asked, main, sidebar

VIEWS = [
    {"title": "A cat", "page": "cbam", "query": "network=cbam&picture=Cat&block=layer2.0.attention&opacity=0.8"},
    {"title": "The same page", "page": "cbam", "query": "network=cbam&picture=Dog"},
    {"title": "Grouping", "page": "grouped", "query": "network=se&picture=Cat&g=8"},
    {"title": "Depth", "page": "excitation", "query": "network=se&picture=Cat&part=Through+depth"},
]


@pytest.mark.parametrize("appearance", ["light", "dark"])
def test_a_report_of_a_page_opens_from_disk_without_a_network(visit, server, browser, tmp_path, appearance):
    visitor = visit(server)
    visitor.open("/excitation?network=se&picture=Cat")
    with visitor.page.expect_download() as download:
        sidebar(visitor.page).get_by_role("button", name="Report, HTML").click()
    assert download.value.suggested_filename == "se-Cat.html"
    download.value.save_as(tmp_path / "report.html")
    context = browser.new_context(offline=True, color_scheme=appearance)
    page, problems = context.new_page(), []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request", lambda request: request.url.startswith(("file:", "data:", "blob:")) or problems.append(request.url)
    )
    page.goto(f"file://{tmp_path / 'report.html'}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("“Cat” in SE-ResNet")
    page.evaluate("ready.then(drawAll)")
    expect(page.locator(".plot .main-svg").first).to_be_visible()
    assert page.locator(".plot").count() == page.locator(".js-plotly-plot").count() > 8
    assert "As shown on the page: SE: which channels get through?" in page.inner_text("main")
    with page.expect_download() as figure:
        page.get_by_role("button", name="SVG").first.click()
    assert figure.value.path().read_text().startswith("<svg") and figure.value.suggested_filename == "prediction.svg"
    assert problems == []
    context.close()


def choose_format(visitor: Visitor, kind: str) -> None:
    """What the cameras make from now on; they hear of it with the page's next run."""
    sidebar(visitor.page).get_by_role("radio", name=kind).click()
    heard = """kind => [...document.querySelectorAll(".js-plotly-plot")]
        .every(plot => plot._context.toImageButtonOptions.format === kind)"""
    visitor.page.wait_for_function(heard, arg=kind.lower())
    visitor.settle()


@pytest.mark.parametrize(("ground", "paper"), [("Light", (255, 255, 255)), ("Dark", (16, 21, 27))])
def test_the_camera_over_a_figure_makes_a_file_with_a_title_and_a_font(visit, server, tmp_path, ground, paper):
    visitor = visit(server, appearance="dark")  # a figure is light where the page is not
    visitor.open("/excitation?network=se&picture=Cat")
    page, file = visitor.page, tmp_path / "figure"
    sidebar(page).get_by_text("Figures and views").click()

    def saved(kind):
        choose_format(visitor, kind)
        plot = main(page).locator(".st-key-gate .js-plotly-plot")
        plot.hover()
        with page.expect_download() as download:
            plot.locator(".modebar-btn[data-title^='Download plot']").click()
        assert download.value.suggested_filename == f"gate.{kind.lower()}"
        download.value.save_as(file)

    if ground == "Dark":
        sidebar(page).get_by_role("radio", name=ground).click()
    saved("SVG")
    words = re.sub("<[^>]+>", " ", file.read_text())
    assert "SE: which channels get through?" in words and "the strongest is channel" in words
    assert "@font-face{font-family:'Gatescope Sans';src:url(data:font/woff;base64," in file.read_text()
    saved("PNG")
    with Image.open(file) as image:
        assert image.convert("RGB").getpixel((1, 1)) == paper
    visitor.settle()


BADLY_SET = """() => {
    const svg = document.querySelector("svg"), paper = svg.getBoundingClientRect();
    const of = part => part.getBoundingClientRect(), said = part => part.textContent.trim();
    const texts = [...svg.querySelectorAll("text")].filter(said);
    const level = [...svg.querySelectorAll(".xtick text")].filter(part =>
        said(part) && !/rotate\\((?!0[,)])/.test(part.getAttribute("transform")));
    return [
        ...texts.filter(part => of(part).left < paper.left + 6 || of(part).right > paper.right - 6).map(said),
        ...level.slice(1).filter((part, at) => of(part).left < of(level[at]).right).map(said),
    ];
}"""
"""Texts of a drawing that touch its edge, and names below an axis that lie over the one before."""


@pytest.mark.parametrize(("path", "last"), [("/intervene", ""), ("/", "What does it cost?")])
def test_the_file_of_a_figure_has_its_texts_whole(visit, server, tmp_path, path, last):
    visitor = visit(server)
    visitor.open(f"{path}?network=cbam&picture=Cat")
    page, wrong, file = visitor.page, {}, tmp_path / "figure.svg"
    sidebar(page).get_by_text("Figures and views").click()
    choose_format(visitor, "SVG")
    main(page).evaluate("page => page.scrollTo(0, page.scrollHeight)")
    if last:  # the end comes when somebody is near it
        expect(main(page).get_by_role("heading", name=last)).to_be_visible()
    visitor.settle()
    for plot in main(page).locator(".js-plotly-plot").all():
        plot.hover()
        with page.expect_download() as download:
            plot.locator(".modebar-btn[data-title^='Download plot']").click()
        download.value.save_as(file)
        drawing = page.context.new_page()
        drawing.set_content(file.read_text())
        named = plot.evaluate("plot => plot.layout.xaxis.ticktext?.length")
        badly = drawing.evaluate(BADLY_SET)
        if named and (there := drawing.locator(".xtick text").count()) != named:
            badly.append(f"{there} of {named} names")
        if badly:
            wrong[download.value.suggested_filename] = badly
        drawing.close()
    visitor.check()
    assert wrong == {}


def test_a_list_of_views_is_opened_and_stepped_through_by_the_arrow_keys(visit, server):
    visitor = visit(server)
    visitor.open("/")
    page = visitor.page
    sidebar(page).get_by_text("Figures and views").click()
    file = {"name": "v.json", "mimeType": "application/json", "buffer": json.dumps({"views": VIEWS}).encode()}
    sidebar(page).get_by_test_id("stFileUploader").last.locator("input[type=file]").set_input_files(file)
    expect(sidebar(page)).to_contain_text("The list has 4 views")
    sidebar(page).get_by_role("button", name="Present").click()
    expect(page.get_by_text("1 of 4: A cat")).to_be_visible()
    visitor.settle()
    expect(sidebar(page)).to_be_hidden()
    kept = {"network": "cbam", "picture": "Cat", "block": "layer2.0.attention", "opacity": "0.8", "present": "1"}
    assert asked(page) == kept
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("2 of 4: The same page")).to_be_visible()
    visitor.settle()
    assert asked(page).get("picture") == "Dog" and "opacity" not in asked(page)
    for _ in range(2):
        page.keyboard.press("PageDown")
        expect(page).to_have_url(re.compile("/grouped"))
        expect(page.get_by_text("3 of 4: ")).to_be_visible()
        expect(main(page)).to_contain_text("In 8 groups")
        visitor.settle()
        page.go_back()
        expect(page.get_by_text("2 of 4: The same page")).to_be_visible()
        visitor.settle()
    page.keyboard.press("PageDown")
    expect(main(page)).to_contain_text("In 8 groups")
    visitor.settle()
    page.keyboard.press("Space")
    expect(page.get_by_text("4 of 4: Depth")).to_be_visible()
    visitor.settle()
    expect(main(page).get_by_role("figure")).to_have_count(1)  # the part's own
    page.keyboard.press("PageUp")
    expect(main(page)).to_contain_text("In 8 groups")
    visitor.settle()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("2 of 4: The same page")).to_be_visible()
    visitor.settle()
    page.get_by_role("button", name="Leave").click()
    expect(sidebar(page)).to_be_visible()
    visitor.settle()
    assert "present" not in asked(page)


KEPT = {
    "cbam": "block=layer2.0.attention&opacity=0.8&colours=cividis&scale=own+range&tab=Through+depth&seen=true",
    "excitation": "order=By+channel&channel=5&part=Through+depth&block=layer3.0.attention",
    "grouped": "c1=64&c2=128&g=8&bias=true&section=Over+the+groups",
    "compare": "heat=each+its+own&about=Channel+gates",
    "intervene": "section=All+edits&edits=none&reach=All+blocks",
    "survey": "band=true&sampled=200&scale=Its+own",
    "models": "depth=2&fold=false",
    "lesson_cbam": "step=3",
}
"""Options of pages that are not the usual ones, as their addresses say them."""


def test_a_saved_view_keeps_every_option(visit, server):
    visitor = visit(server)
    page = visitor.page
    for name, options in KEPT.items():
        visitor.open(f"/{name}?network=cbam&picture=Cat&{options}")
        before = asked(page)
        assert before.items() >= dict(each.split("=") for each in options.replace("+", " ").split("&")).items(), name
        sidebar(page).get_by_text("Figures and views").click()
        sidebar(page).get_by_role("button", name="Save this view").click()
        expect(sidebar(page)).to_contain_text("Saved, for as long as this page is open")
        visitor.settle()
        page.get_by_test_id("stSidebarNav").get_by_role("link").nth(3).click()  # the overview
        visitor.settle()
        sidebar(page).locator(".st-key-view_0 button").click()  # the box is still open
        expect(page).to_have_url(re.compile(f"/{name}"))
        visitor.settle()
        assert asked(page) == before


@pytest.mark.parametrize(
    ("width", "address", "part"),
    [
        (1280, "/cbam?network=cbam", "How the map came about"),
        (1920, "/cbam?network=cbam", "How the map came about"),
        (1280, "/excitation", "3. Reweight"),
    ],
)
def test_on_paper_the_figures_of_a_page_are_whole_and_the_sidebar_is_not_there(visit, server, width, address, part):
    visitor = visit(server)
    visitor.page.set_viewport_size({"width": width, "height": 900})
    visitor.open(address)
    shown = visitor.page.locator("[data-testid=stMain] .main-svg image, [data-testid=stMain] img").count()
    sheets = list(pypdfium2.PdfDocument(visitor.page.pdf(format="A4", print_background=True)))
    boxes = [
        [bound / side for bound, side in zip(drawn.get_bounds(), 2 * sheet.get_size(), strict=True)]
        for sheet in sheets
        for drawn in sheet.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
    ]
    assert len(boxes) >= shown > 2
    assert min(map(min, boxes)) >= 0 and 0.8 < max(map(max, boxes)) <= 1  # none goes on over the edge of a sheet
    text = "".join(sheet.get_textpage().get_text_bounded() for sheet in sheets)
    assert part in text and "Lesson: what does SE do?" not in text
