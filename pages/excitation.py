"""Which channels get through?"""

import streamlit as st

from attention import analysis, ui
from attention.ui import excitation, excitation_steps, excitation_tabs

observation = ui.open_page()

PARTS = {
    "Three steps": excitation_steps.draw,
    "Through depth": excitation_tabs.draw_depth,
    "Reduction ratio": excitation_tabs.draw_ratio,
    "Second picture": excitation_tabs.draw_second,
    "Code": excitation_tabs.draw_code,
}


@st.fragment
def explore() -> None:
    """Everything on this page: a change here leaves the sidebar as it is."""
    with ui.errors():
        focus = excitation.choose(observation)
        excitation.draw_gate(focus)
        excitation.draw_channel(focus)
        ui.tabs("part", PARTS, focus)


with ui.errors():
    if any(map(analysis.channel_view, observation.blocks)):
        explore()
    else:
        ui.no_gates(observation, "channel gates", "se")
