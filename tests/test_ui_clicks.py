"""What a click on a chart does: the point that Streamlit holds becomes the block, the channel or the class."""

import pytest
import streamlit as st

from attention import images, survey
from attention.charts import interventions, surveys
from attention.charts.surveys import Selection
from attention.models import zoo
from attention.observe import Observation, observe, read_picture
from attention.ui import presenting, widgets
from attention.ui.compare import pictures
from attention.ui.intervene import gate_editor
from attention.ui.intervene.session import EditSession, History, Target
from attention.ui.pages import PAGES
from attention.ui.survey import gates, selection
from attention.ui.survey.selection import MOST_CLASSES
from attention.views import SavedView
from tests.surveys import folder, network


@pytest.fixture
def state():
    """The session's state, which is one of the whole process where no page runs."""
    st.session_state.clear()
    widgets.mark_files(random=False)
    yield st.session_state
    st.session_state.clear()


def held(state, key, *points, box=()):
    """What Streamlit holds of a chart in which these points are selected."""
    state[key] = {"selection": {"points": list(points), "box": list(box), "lasso": []}}


def test_the_last_click_is_the_first_point_and_none_where_it_was_taken_back(state):
    held(state, "bars", {"x": 3}, {"x": 4})
    assert widgets.clicked("bars") == {"x": 3}
    held(state, "bars")
    assert widgets.clicked("bars") is None


def test_only_points_of_the_first_trace_are_selected(state):
    points = [{"curve_number": number % 2, "point_index": number} for number in range(5)]
    held(state, "bars", *points)
    assert widgets.selected("bars") == [0, 2, 4]


def test_a_frame_goes_from_the_lower_to_the_higher_end_however_it_was_drawn(state):
    held(state, "map", box=[{"x": [7, 2.5], "y": ["1", 9]}, {"x": [0, 1], "y": [0, 1]}])
    assert widgets.frame("map") == ((2.5, 7.0), (1.0, 9.0))
    held(state, "map")
    assert widgets.frame("map") is None


@pytest.mark.parametrize(
    ("across", "down", "seen"),
    [
        ((10, 30), (40, 90), (10, 30, 40, 90)),
        ((-20, 60), (90, 130), (0, 60, 90, 100)),
        ((7, 2.5), (0, 100), (2.5, 7, 0, 100)),
    ],
)
def test_a_patch_is_the_frame_that_was_drawn_as_far_as_the_picture_goes(state, across, down, seen):
    held(state, "patch", box=[{"x": list(across), "y": list(down)}])
    pictures._take_frame()
    placed = [(state[f"patch_{centre}"], state[f"patch_{length}"]) for centre, length in (("x", "wide"), ("y", "high"))]
    ends = [end for centre, length in placed for end in (centre - length / 2, centre + length / 2)]
    assert ends == pytest.approx(seen, abs=1)


@pytest.mark.parametrize(
    ("across", "down", "seen"),
    [
        ((49, 51), (40, 90), (5, 50)),
        ((20, 20), (10, 14.4), (5, 5)),
        ((0, 5), (0, 6), (5, 6)),
        ((98, 130), (-9, 120), (5, 100)),
    ],
)
def test_a_patch_is_no_thinner_than_its_sliders_allow(state, across, down, seen):
    held(state, "patch", box=[{"x": list(across), "y": list(down)}])
    pictures._take_frame()
    assert (state["patch_wide"], state["patch_high"]) == seen
    assert all(least <= state[key] <= 100 for key, (_, least, _) in pictures.PATCH.items())


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> survey.LoadedSurvey:
    classes = tuple("abcdefgh")
    source = folder(tmp_path_factory.mktemp("pictures"), dict.fromkeys(classes, 3))
    return survey.LoadedSurvey(survey.run(network(classes=classes), survey.list_pictures(source)), "key")


def test_a_click_on_a_gate_goes_to_its_block_and_a_click_beside_it_nowhere(state, loaded):
    go = gates._select_gate_of(Selection(loaded, next(iter(loaded.blocks))), "health")
    for number, gate in enumerate(loaded.gates):
        held(state, "health", {"x": number + 0.3})
        go()
        assert gate in loaded.blocks[state["block"]]
    last = state["block"]
    held(state, "health")
    go()
    assert state["block"] == last and "unit" not in state


def test_a_click_goes_to_the_nearest_gate(state, loaded, monkeypatch):
    chosen = []
    monkeypatch.setattr(gates, "select_gate", lambda _, number: chosen.append(number))
    go = gates._select_gate_of(Selection(loaded, next(iter(loaded.blocks))), "selectivity")
    for beside in (2.7, 2.8, 3, 3.2, 3.3):
        held(state, "selectivity", {"x": beside})
        go()
    assert chosen == [3] * 5


def test_a_channel_is_chosen_with_the_block_whose_it_is(state, loaded):
    selection.select(loaded, "#1", 2)
    assert (state["block"], state["unit"], state["_unit_of"]) == ("#1", 2, ("key #1", None))
    selection.select(loaded, "#2")
    assert (state["block"], state["unit"]) == ("#2", 2)


def test_a_class_is_added_or_taken_away_and_of_too_many_the_first_one_goes(state, loaded):
    chosen = Selection(loaded, next(iter(loaded.blocks)), classes=tuple(range(MOST_CLASSES)))
    selection.toggle_class(chosen, 1)
    assert state["classes"] == ["a", "c", "d", "e", "f"]
    selection.toggle_class(chosen, 7)
    assert state["classes"] == ["b", "c", "d", "e", "f", "h"]


@pytest.fixture
def calls(monkeypatch):
    """What each chart calls where a point of it is selected."""
    found = {}
    monkeypatch.setattr(st, "plotly_chart", lambda figure, *, key, on_select, **_: found.update({key: on_select}))
    return found


def test_a_cell_of_the_strip_goes_to_its_block(state, calls):
    widgets.depth_strip({"a": "Stage 1", "b": "Stage 2"}, [0.2, 0.4], "a", label="the mean gate")
    state["strip"] = {"selection": {"points": [{"point_index": 1}]}}
    calls["strip"]()
    assert state["block"] == "b"
    held(state, "strip")
    calls["strip"]()
    assert state["block"] == "b"


def test_a_point_of_a_channel_goes_to_the_channel(state, calls, loaded):
    chosen = Selection(loaded, next(iter(loaded.blocks)), 0, (0, 1))
    gates.draw_role(chosen)
    block = surveys.role_blocks(chosen)[0]
    held(state, "role", {"customdata": [0, 2]})
    calls["role"]()
    assert (state["block"], state["unit"]) == (block, 2)
    held(state, "role", {"x": 1.0})  # a line without a channel
    calls["role"]()
    assert state["unit"] == 2
    gates.draw_correctness(chosen)
    held(state, "correctness_channels", {"customdata": 1})
    calls["correctness_channels"]()
    assert (state["block"], state["unit"]) == (chosen.block, 1)


@pytest.fixture(scope="module")
def seen() -> Observation:
    return observe(zoo.load("cbam"), read_picture(images.samples()[0].path))


@pytest.mark.parametrize("kind", ["channel", "spatial"])
def test_what_is_picked_of_a_gate_is_set_to_the_value_of_the_brush(state, calls, seen, kind):
    block = seen.blocks[0]
    session = EditSession(seen, History(), block.name, Target(block.name, kind=kind))
    gate_editor.draw(session, session.gate.values[0])
    state["brush"] = 0.25
    if kind == "channel":
        (key,), values = calls, session.gate.values[0]
        places = interventions.drawn_channels(values, frozenset())[[3, 5]].tolist()
    else:
        (key,), cells = calls, interventions.patches(session.gate.values[0].shape)
        places = [*cells[3], *cells[5]]
    held(state, key)
    calls[key]()
    assert session.edit is None
    held(state, key, *({"curve_number": 0, "point_index": number} for number in (5, 3)))
    calls[key]()
    assert session.edit.action == "set" and session.edit.kind == kind
    assert session.edit.points == tuple((place, 0.25) for place in sorted(places))


def test_a_presentation_begins_with_the_first_saved_view_or_where_there_is_none_with_the_page(state):
    presenting.start("cbam")
    assert presenting.is_on() and presenting._GOING not in state
    presenting._leave()
    presenting.saved_views().append(SavedView("Maps", "cbam", "block=b"))
    presenting.start("excitation")
    assert presenting.is_on() and state[presenting._GOING] == presenting.saved_views()[0] and state[presenting._AT] == 0


class SwitchedError(Exception):
    """In place of Streamlit's own, which ends a run."""


@pytest.mark.parametrize("page", ["cbam", "excitation"])
def test_a_saved_view_is_opened_by_its_address_alone_after_its_page_was_left(state, monkeypatch, page):
    def switch(path, query_params):
        raise SwitchedError(path, query_params)

    monkeypatch.setattr(st, "switch_page", switch)
    presenting.saved_views().append(SavedView("Maps", "cbam", "block=b"))
    presenting.go(0)
    state["block"] = "a"
    with pytest.raises(SwitchedError) as left:
        presenting.begin(page)
    other = next(iter(PAGES)) if page == "cbam" else "cbam"
    assert left.value.args == (f"pages/{other}.py", {}) and state["block"] == "a"
    with pytest.raises(SwitchedError) as arrived:
        presenting.begin(other)
    assert arrived.value.args == ("pages/cbam.py", {"block": ["b"]}) and "block" not in state
    presenting.begin("cbam")
    assert presenting.has_arrived() and not presenting.has_arrived()
    state[presenting._ARRIVED] = "cbam"
    presenting.begin("excitation")
    assert not presenting.has_arrived()
