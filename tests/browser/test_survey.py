"""What a person does with a survey: start one, watch it, look at it; open the file of another."""

import re

from playwright.sync_api import expect

from tests.browser.dashboard import ROOT


def test_a_survey_of_the_samples_is_started_watched_and_looked_at(visit, server):
    visitor = visit(server)
    visitor.open("/survey?network=se")
    main = visitor.page.get_by_test_id("stMain")
    expect(main).to_contain_text("SE-ResNet over 3,925 pictures in 10 classes")
    main.get_by_text("Start one", exact=True).click()
    main.get_by_role("button", name="Survey them with SE-ResNet").click()
    expect(main).to_contain_text("SE-ResNet over 15 pictures in 1 class: The samples")
    visitor.settle()
    main.get_by_role("tab", name="One channel").click()
    expect(visitor.page).to_have_url(re.compile("part=One"))
    expect(main).to_contain_text("Most open")
    expect(main.get_by_test_id("stImage").locator("img")).to_have_count(18)


def test_a_result_file_is_opened_and_another_file_is_refused(visit, server):
    visitor = visit(server)
    visitor.open("/survey?network=se&part=Gate+health")
    main = visitor.page.get_by_test_id("stMain")
    main.get_by_text("Open a file", exact=True).click()
    upload = main.get_by_test_id("stFileUploader").locator("input[type=file]")
    upload.set_input_files({"name": "odd.parquet", "mimeType": "application/octet-stream", "buffer": b"PAR1 odd"})
    expect(main).to_contain_text("is no result of a survey")
    upload.set_input_files(ROOT / "assets" / "surveys" / "cbam.parquet")
    expect(main).to_contain_text("CBAM-ResNet over 3,925 pictures")
    expect(main).to_contain_text("426 of 960 channels of 8 gates hardly change")
