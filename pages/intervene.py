"""Does the gate matter?"""

from attention import ui

observation = ui.open_page()

from collections.abc import Callable

import streamlit as st

from attention.ui.intervene import controls, depth, effects, gate_editor, passes, session
from attention.ui.widgets import room

Sections = dict[str, Callable[[], None]]


@st.fragment
def edit() -> None:
    """Everything on this page: a change here leaves the sidebar as it is."""
    with room("answer"):
        place = st.empty()
    here = controls.choose(observation)
    history = here.history
    controls.choose_edit(here)
    session.say_complaints(history.now)
    session.put_into_link(history.now)
    effects.keep_for_report(history.now, observation.names)
    with ui.errors():
        trace = passes.edited_trace(observation, history.now)
        left, right = st.container(key="stacked_gate").columns([3, 2], gap="large")
        with left:
            gate_editor.draw(here, passes.applied_gates(observation, history.now, trace)[here.gate.name])
        sections: Sections = {
            "Later gates": lambda: effects.draw_later(observation, history.now),
            "All edits": lambda: controls.draw_all_edits(here),
        }
        with ui.errors():  # a network without classes has the rest of the page
            with right:
                outcome = effects.outcome_of(observation, trace, effects.choose_class(observation))
                effects.draw_probabilities(observation, outcome)
            ui.say(effects.headline(observation, outcome, history.now), "headline", "header", place)
            seed = effects.choose_seed()
            if history.now and not outcome.unchanged:
                test = effects.draw_evidence(observation, outcome, history.now, seed)
                ui.say(effects.headline(observation, outcome, history.now, test), "headline", "header", place)
            sections = {
                "Each block off": lambda: depth.draw(observation, outcome.number, seed),
                "Over many pictures": lambda: effects.draw_over_pictures(observation),
                "Class heatmap": lambda: gate_editor.draw_heatmaps(observation, outcome, history.now),
            } | sections
        ui.tabs("section", sections)


with ui.errors():
    if observation.blocks:
        edit()
    else:
        ui.no_gates(observation, "gates that this page can turn", "cbam")
