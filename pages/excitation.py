"""Which channels get through?"""

import streamlit as st

from attention import analysis, ui
from attention.ui import excitation, usual

observation = ui.open_page()

PARTS = {
    "Three steps": excitation.draw_steps,
    "Against the usual gate": excitation.draw_usual,
    "Through depth": excitation.draw_depth,
    "Reduction ratio": excitation.draw_ratio,
    "Second picture": excitation.draw_second,
    "Code": excitation.draw_code,
}


@st.fragment
def explore() -> None:
    """Everything on this page: a change here leaves the sidebar as it is."""
    with ui.errors():
        gates, block = excitation.choose_block(observation)
        name = observation.names[block]
        with usual.headline(observation, lambda found: excitation.headline(gates[block], block, name, found)):
            selection = excitation.choose(observation, gates, block)
            excitation.draw_gate(selection)
            excitation.draw_channel(selection)
            ui.tabs("part", PARTS, selection)


with ui.errors():
    if any(map(analysis.channel_view, observation.blocks)):
        explore()
    else:
        ui.no_gates(observation, "channel gates", "se")
