"""Which channels get through?"""

import streamlit as st

from attention import analysis, ui
from attention.ui import excitation

observation = ui.open_page()

PARTS = {
    "Three steps": excitation.draw_steps,
    "Through depth": excitation.draw_depth,
    "Reduction ratio": excitation.draw_ratio,
    "Second picture": excitation.draw_second,
    "Code": excitation.draw_code,
}


@st.fragment
def explore() -> None:
    """Everything on this page: a change here leaves the sidebar as it is."""
    with ui.errors():
        selection = excitation.choose(observation)
        excitation.draw_gate(selection)
        excitation.draw_channel(selection)
        ui.tabs("part", PARTS, selection)


with ui.errors():
    if any(map(analysis.channel_view, observation.blocks)):
        explore()
    else:
        ui.no_gates(observation, "channel gates", "se")
