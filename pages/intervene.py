"""Does the gate matter?"""

from attention import ui

view = ui.open_page()

from collections.abc import Callable

import streamlit as st

from attention.ui.intervene import answer, bench, controls, depth, heatmaps, passes, sheet, turning

Sections = dict[str, Callable[[], None]]


@st.fragment
def turn() -> None:
    """Everything on this page: a change here leaves the sidebar as it is."""
    history = bench.history(view)
    said = st.container()
    here = controls.choose(view, history)
    controls.choose_edit(here)
    bench.say_complaints()
    bench.link(history.now)
    with ui.errors():
        trace = passes.edited(view, history.now)
        left, right = st.columns([3, 2], gap="large")
        with left:
            turning.draw(here, passes.put_in_place(view, history.now, trace)[here.gate.name])
        sections: Sections = {
            "Later gates": lambda: answer.draw_later(view, history.now),
            "All edits": lambda: sheet.draw(here),
        }
        with ui.errors():  # a network without classes has the rest of the page
            with right:
                found = answer.effect(view, trace, answer.choose_class(view))
                answer.draw_probabilities(view, found)
            with said:
                answer.say(view, found, history.now)
            seed = answer.choose_seed()
            if history.now:
                answer.draw_chance(view, found, history.now, seed)
            sections = {
                "Each block off": lambda: depth.draw(view, found.number, seed),
                "Class heatmap": lambda: heatmaps.draw(view, found, history.now),
            } | sections
        ui.tabs("section", sections)


with ui.errors():
    if view.blocks:
        turn()
    else:
        ui.no_gates(view, "gates that this page can turn", "cbam")
