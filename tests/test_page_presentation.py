"""Presentation and saved views, on every page."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from attention.report import Table
from attention.ui import page_style, presenting
from attention.ui.pages import PAGES
from attention.ui.presenting import PAGE, PART
from tests.charts import sent_chart

pytestmark = pytest.mark.usefixtures("sparing")
ROOT = Path(__file__).parents[1]


def opened(page: str = "overview", **parameters: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=100)
    for key, value in parameters.items():
        app.query_params[key] = value
    return sound((app if page == "overview" else app.switch_page(f"pages/{page}.py")).run())


def sound(app: AppTest) -> AppTest:
    assert not app.exception, app.exception
    return app


@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_presented_and_left(page):
    app = opened(page, present="1")
    assert hides_controls(app)
    place = list(PAGES).index(page)
    assert f"{place + 1} of {len(PAGES)}: {PAGES[page]['title']}" in [text.value for text in app.text]
    assert app.button(key="Previous_view").disabled == (place == 0)
    assert app.button(key="Next_view").disabled == (place == len(PAGES) - 1)
    assert not [box for box in app.expander if box.label == "The data"]
    sound(app.button(key="leave").click().run())
    assert not hides_controls(app) and "present" not in app.query_params


def hides_controls(app: AppTest) -> bool:
    return any(presenting.STYLE.read_text(encoding="utf-8") in each.proto.body for each in app.get("html"))


def test_figures_are_larger_when_presented():
    small, large = (sent_chart(opened("excitation", **asked), "gate")["layout"] for asked in ({}, {"present": "1"}))
    assert large["height"] > small["height"]
    assert large["xaxis"]["tickfont"]["size"] > small["xaxis"]["tickfont"]["size"]


def test_names_within_a_presented_figure_shrink_to_no_less_than_its_other_text():
    layout = sent_chart(opened("models", present="1"), "to_scale")["layout"]
    assert layout["uniformtext"]["minsize"] >= 11 * page_style.FACTOR


def views(app: AppTest) -> AppTest:
    """The app with the part of the sidebar open that holds the views."""
    app.session_state["takeaway"] = True
    return sound(app.run())


def test_a_saved_view_has_the_page_the_network_and_the_picture():
    app = views(opened("cbam", network="cbam"))
    app.text_input(key="view_title").set_value("  Where\tit looks ")
    sound(app.button(key="save_view").click().run())
    (saved,) = app.session_state["_views"]
    assert (saved.title, saved.page) == ("Where it looks", "cbam")
    assert saved.asked["network"] == ["cbam"] and saved.asked["picture"] == [app.pills(key="picture").value]
    assert any("as long as this page is open" in caption.value for caption in app.caption)


def test_that_an_address_holds_no_upload_is_said_when_one_is_saved():
    app = opened()
    sound(app.segmented_control(key="source").set_value("Upload").run())
    sound(views(app).button(key="save_view").click().run())
    assert any("cannot hold a picture of your own" in caption.value for caption in app.caption)


def test_a_list_is_opened_put_in_order_and_emptied():
    app = views(opened())
    listed = [{"title": name, "page": "cbam", "query": ""} for name in ("first", "second")]
    sound(app.file_uploader(key="views_file").set_value([("v.json", json.dumps({"views": listed}).encode(), "")]).run())
    sound(app.button(key="earlier_1").click().run())
    assert [view.title for view in app.session_state["_views"]] == ["second", "first"]
    sound(app.button(key="forget_0").click().run())
    assert [view.title for view in app.session_state["_views"]] == ["first"]


def test_a_list_that_is_none_is_refused_and_the_one_at_hand_stays():
    app = views(opened())
    sound(app.button(key="save_view").click().run())
    sound(app.file_uploader(key="views_file").set_value([("v.json", b'{"views": 1}', "")]).run())
    assert any("no list of 1 to 100 views" in caption.value for caption in app.caption)
    assert len(app.session_state["_views"]) == 1


@pytest.mark.parametrize(("kind", "scale"), [("PNG", 3), ("SVG", 1)])
def test_figures_become_files_of_the_kind_that_was_chosen(kind, scale):
    app = views(opened("excitation"))
    sound(app.segmented_control(key="figures_as").set_value(kind).run())
    chart = next(chart for chart in app.get("plotly_chart") if chart.proto.id.endswith("-gate"))
    asked = json.loads(chart.proto.config)["toImageButtonOptions"]
    assert asked == {"format": kind.lower(), "filename": "gate", "scale": scale}


@pytest.mark.parametrize(("chosen", "ground"), [(None, "light"), ("Dark", "dark"), ("Light", "light")])
def test_figures_become_files_on_light_ground_until_another_is_chosen(chosen, ground):
    app = views(opened("excitation"))
    if chosen:
        sound(app.segmented_control(key="figures_on").set_value(chosen).run())
    assert app.segmented_control(key="figures_on").value == ground.title()
    asked = [json.loads(each.proto.json or "null") for each in app.get("bidi_component")]
    assert [data for data in asked if isinstance(data, dict) and "ground" in data] == [{"ground": ground}]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_offers_its_report(page):
    app = opened(page)
    assert "Report, HTML" in [button.proto.label for button in app.get("download_button")]


@pytest.mark.parametrize("page", ["overview", "excitation", "cbam", "compare", "intervene"])
def test_the_report_holds_every_captioned_picture_and_chart_of_a_page(page):
    app = opened(page, network="cbam")
    items = app.session_state["_recorder"].items.values()
    held = [item.alt for item in items if not isinstance(item, Table)]
    shown = {picture.alt for each in app.get("image") for picture in each.proto.imgs if picture.caption}
    shown |= {chart.proto.alt for chart in app.get("plotly_chart")}
    drawn = (json.loads(each.proto.json or "null") for each in app.get("bidi_component"))
    shown |= {data["alt"] for data in drawn if isinstance(data, dict) and "alt" in data}
    shown = {alt for alt in shown if "the part that the network sees lit" not in alt}  # the report has its own
    assert shown and shown == set(held)


@pytest.mark.parametrize(("page", "figure", "choice"), [("survey", "role", "unit"), ("grouped", "partition", "c1")])
def test_a_presented_page_shows_its_figure_before_what_is_chosen(page, figure, choice):
    def order(**asked: str) -> list[str]:
        keys = [getattr(each, "key", None) for each in opened(page, network="cbam", **asked).main]
        return [key for key in keys if key in (figure, choice)]

    assert order() == [choice, figure]
    assert order(present="1") == [figure, choice]


def test_one_figure_is_left_of_the_part_that_is_open_or_else_of_the_page():
    rule = ' [data-testid="stVerticalBlock"]:not('
    for part, scope, other in ((True, PART, PAGE), (False, PAGE, PART)):
        style = presenting._bare_style("excitation", part=part)
        assert f"\n{scope}{rule}" in style and f"\n{other}{rule}" not in style


def test_the_part_that_opens_unasked_can_be_had_alone_too():
    app = opened("excitation", present="1")
    assert not shows_part(app) and "part_alone" not in [each.key for each in app.toggle]
    sound(app.button(key="controls").click().run())
    (alone,) = [each for each in app.main.toggle if "“Three steps” alone" in each.label]
    sound(alone.set_value(True).run())
    sound(app.button(key="controls").click().run())
    assert hides_controls(app) and shows_part(app)
    sound(app.switch_page("pages/intervene.py").run())
    assert not shows_part(app)
    sound(app.switch_page("pages/excitation.py").run())
    sound(app.button(key="controls").click().run())
    sound(app.toggle(key="part_alone").set_value(False).run())
    sound(app.button(key="controls").click().run())
    assert not shows_part(app)


def test_a_part_that_the_address_names_is_alone_and_nothing_is_asked():
    app = opened("excitation", present="1", part="Code")
    assert shows_part(app)
    sound(app.button(key="controls").click().run())
    assert not [each for each in app.toggle if each.key == "part_alone"]


def shows_part(app: AppTest) -> bool:
    return any(f"\n{PART} " in each.proto.body for each in app.get("html"))


def test_a_presented_part_that_waits_for_a_start_says_where_that_is():
    where = "The controls, by the key T, have the button that starts it."
    app = opened("intervene", present="1", section="Over many pictures")
    assert any(where in each.value for each in app.markdown)
    sound(app.button(key="controls").click().run())
    assert not any(where in each.value for each in app.markdown)
