"""Networks compared in a real browser: three heatmaps on one scale."""

import re

from playwright.sync_api import expect

from tests.browser.test_journey import asked, main, sidebar


def test_three_networks_are_chosen_and_their_heatmaps_have_one_scale(visit, server):
    visitor = visit(server)
    visitor.open("/compare?network=cbam&picture=Reims+cathedral&beside=plain")
    page = visitor.page
    heatmaps = main(page).get_by_text(re.compile(r"Grad-CAM, at layer4\.1"))
    expect(heatmaps).to_have_count(2)
    page.locator(".st-key-beside input").fill("se-resnext")
    page.locator(".st-key-beside input").press("Enter")
    page.keyboard.press("Escape")  # the list stays open for a further choice, and hides the page from readers
    expect(heatmaps).to_have_count(3)
    visitor.settle()
    scales = {re.search(r"colours run from (.+)$", text).group(1) for text in heatmaps.all_inner_texts()}
    assert len(scales) == 1
    expect(main(page).get_by_role("heading", level=2).first).to_contain_text(
        re.compile("^The 3 heatmaps of .+ share .+ by chance 20%")
    )
    assert "beside=plain&beside=se-resnext" in page.url
    again = visit(server)
    again.open(page.url)
    expect(main(again.page).get_by_text(re.compile(r"Grad-CAM, at layer4\.1"))).to_have_count(3)


def test_the_networks_stay_chosen_while_another_page_is_open(visit, server):
    visitor = visit(server)
    visitor.open("/compare?network=cbam&picture=Reims+cathedral&beside=se-resnext")
    page = visitor.page
    for title, there in {"CBAM: where does it look?": "/cbam", "Do they look at the same thing?": "/compare"}.items():
        sidebar(page).get_by_role("link", name=title).click()
        expect(page).to_have_url(re.compile(there))
        visitor.settle()
    expect(main(page).get_by_text(re.compile(r"Grad-CAM, at layer4\.1"))).to_have_count(2)
    expect(main(page)).to_contain_text("P(church)")
    assert "beside=se-resnext" in page.url and "plain" not in page.url


def test_a_job_is_cancelled_and_started_anew(visit, fresh_server):
    """Occlusion: 452 passes of two networks, which take far longer than the way to the button."""
    visitor = visit(fresh_server)
    visitor.open("/compare?network=timm/seresnet50&weights=Random&beside=cbam&method=Occlusion&class=church")
    page, waiting = visitor.page, main(visitor.page).get_by_text("No heatmap yet")
    start, cancel = (main(page).get_by_role("button", name=name) for name in ("Start", "Stop it"))
    for _ in range(2):
        expect(waiting).to_have_count(2)
        start.dispatch_event("click")
        expect(main(page).get_by_text(re.compile(r"[1-9]\d* of 452 passes"))).to_be_visible()
        expect(start.locator("visible=true")).to_have_count(0)
        expect(waiting).to_have_count(2)
        cancel.dispatch_event("click")
        expect(main(page).get_by_text("Stopped before it was done")).to_be_visible()
        visitor.settle()
        expect(main(page).get_by_text(re.compile("Mean channel gate"))).to_have_count(2)


def test_a_patch_that_a_person_draws_or_moves_moves_the_gates(visit, server):
    visitor = visit(server)
    visitor.open("/compare?network=cbam&side=Two+pictures&change=patch")
    page = visitor.page
    answer = main(page).get_by_role("heading", level=2).first
    before = answer.inner_text()
    photo = page.locator(".st-key-patch .imagelayer image").bounding_box()
    assert photo

    def at(x: float, y: float) -> tuple[float, float]:
        return photo["x"] + x * photo["width"], photo["y"] + y * photo["height"]

    page.mouse.move(*at(0.2, 0.1))
    page.mouse.down()
    page.mouse.move(*at(0.4, 0.3), steps=4)
    page.mouse.move(*at(0.6, 0.7), steps=4)
    page.mouse.up()
    expect(answer).not_to_have_text(before)
    visitor.settle()
    drawn = asked(page)
    for key, share in {"patch_x": 40, "patch_y": 40, "patch_wide": 40, "patch_high": 60}.items():
        assert abs(int(drawn[key]) - share) <= 2
    page.get_by_role("slider", name="Centre of the patch, % from the left").press("ArrowLeft")
    expect(page).to_have_url(re.compile(f"patch_x={int(drawn['patch_x']) - 1}"))
    assert asked(page)["patch_high"] == drawn["patch_high"]
