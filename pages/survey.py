"""What holds over many pictures?"""

import streamlit as st

from attention import ui
from attention.ui.survey import gates, loading, selection

observation = ui.open_page()

PARTS = {
    "Role of excitation": gates.draw_role,
    "Selectivity by depth": gates.draw_selectivity,
    "Gate health": gates.draw_health,
    "One channel": gates.draw_channel,
    "Where it looks": gates.draw_maps,
    "Right and wrong": gates.draw_correctness,
}


@st.fragment
def explore(loaded: loading.LoadedSurvey) -> None:
    """All views of one survey; a change here leaves the rest as it is."""
    choice, views = ui.slots("selection")
    with ui.errors():
        with choice:
            chosen = selection.choose(loaded)
        with views:
            missing = gates.missing(loaded)
            shown = [part for part in PARTS if part not in missing]
            if not len(loaded.distinct_classes):
                shown.sort(key="Role of excitation".__eq__)  # last what has less to say without classes
            ui.tabs("part", {part: PARTS[part] for part in shown}, chosen)
            gates.say_missing(missing)


choice, views = ui.slots("survey")
with ui.errors():
    with choice:
        loaded = loading.choose_survey(observation)
    if loaded:
        with views:
            loading.draw_header(loaded)
            if loaded.blocks and loaded.result.pictures:
                explore(loaded)
            else:
                loading.say_empty(loaded)
