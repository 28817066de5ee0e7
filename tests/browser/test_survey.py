"""What a person does with a survey: start one, watch it, look at it; open the file of another."""

import contextlib
import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import expect

from tests.browser.dashboard import PATIENCE, ROOT, Visitor
from tests.browser.test_journey import asked, main


def test_a_survey_of_the_samples_is_started_watched_and_looked_at(visit, server):
    visitor = visit(server)
    visitor.open("/survey?network=se")
    content = main(visitor.page)
    expect(content).to_contain_text("SE-ResNet over 3,925 pictures in 10 classes")
    content.get_by_text("Start one", exact=True).click()
    content.get_by_role("button", name="Survey them with SE-ResNet").click()
    expect(content).to_contain_text("SE-ResNet over 25 pictures in 1 class: The samples")
    visitor.settle()
    content.get_by_role("tab", name="One channel").click()
    expect(visitor.page).to_have_url(re.compile("part=One"))
    expect(content).to_contain_text("Most open")
    expect(content.get_by_test_id("stImage").locator("img")).to_have_count(18)


def test_a_result_file_is_opened_and_another_file_is_refused(visit, server):
    visitor = visit(server)
    visitor.open("/survey?network=se&part=Gate+health")
    content = main(visitor.page)
    content.get_by_text("Open a file", exact=True).click()
    upload = content.get_by_test_id("stFileUploader").locator("input[type=file]")
    upload.set_input_files({"name": "odd.parquet", "mimeType": "application/octet-stream", "buffer": b"PAR1 odd"})
    expect(content).to_contain_text("is no result of a survey")
    upload.set_input_files(ROOT / "assets" / "surveys" / "cbam.parquet")
    expect(content).to_contain_text("CBAM-ResNet over 3,925 pictures")
    expect(content).to_contain_text("426 of 960 channels of 8 gates hardly change")


class Survey:
    """The Survey page of the SE network, and what a person does in its charts."""

    def __init__(self, visitor: Visitor) -> None:
        visitor.open("/survey?network=se&part=Gate+health")
        self.visitor, self.page, self.content = visitor, visitor.page, main(visitor.page)

    def click(self, chart: str, number: int) -> None:
        """A point of a chart. Plotly's own layer takes the mouse, and a click goes to what it has found below it."""
        self.visitor.settle()
        point = self.page.locator(f".st-key-{chart} .points .point").nth(number)
        words = self.page.locator(".hoverlayer .hovertext").first
        for _ in range(10):  # a chart that is drawn anew in between has forgotten where the mouse is
            self.page.mouse.move(0, 0)
            point.hover(force=True)
            with contextlib.suppress(AssertionError):
                expect(words).to_be_visible(timeout=PATIENCE / 10)
                break
        expect(words).to_be_visible()
        point.click(force=True)

    def turn_to(self, part: str) -> None:
        self.visitor.settle()
        tab = self.content.get_by_role("tab", name=part)
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        self.visitor.settle()

    def asked(self, key: str) -> str:
        self.visitor.settle()
        return asked(self.page)[key]


def test_a_block_that_is_clicked_in_one_chart_is_what_the_others_show(visit, server):
    survey = Survey(visit(server))
    survey.click("health", 5 * 8 + 6)  # the deviation: a bar of 0 has nothing to click on
    expect(survey.page).to_have_url(re.compile("block=layer4.0.attention"))
    survey.turn_to("One channel")
    expect(survey.content).to_contain_text(re.compile(r"Channel \d+ of block layer4\.0:"))
    survey.turn_to("Selectivity by depth")
    survey.click("selectivity", 2)
    expect(survey.page).to_have_url(re.compile("block=layer2.0.attention"))


def test_a_channel_that_is_clicked_in_one_chart_is_what_the_others_show(visit, server):
    survey = Survey(visit(server))
    survey.turn_to("Role of excitation")
    expect(survey.page.locator(".st-key-role")).to_contain_text("layer4.1, 50 of 256 channels")
    survey.click("role", 5)  # of the first panel
    expect(survey.page).to_have_url(re.compile("block=layer1.1.attention"))
    survey.turn_to("One channel")
    expect(survey.content).to_contain_text("Channel 5 of block layer1.1:")
    survey.turn_to("Right and wrong")
    survey.click("correctness_channels", 3)
    chosen = survey.asked("unit")
    survey.turn_to("One channel")
    expect(survey.content).to_contain_text(f"Channel {chosen} of block layer1.1:")


def test_a_class_that_is_clicked_in_one_chart_is_what_the_others_show(visit, server):
    survey = Survey(visit(server))
    survey.turn_to("One channel")
    assert "classes=" not in survey.page.url
    survey.click("channel_classes", 0)
    expect(survey.page).to_have_url(re.compile("classes="))
    names = parse_qs(urlsplit(survey.page.url).query)["classes"]
    survey.turn_to("Role of excitation")
    for name in names:
        expect(survey.page.locator(".st-key-role .js-plotly-plot")).to_contain_text(name)
