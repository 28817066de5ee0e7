"""What does attention do here?"""

from attention import ui

observation = ui.open_page()

import streamlit as st

from attention.ui import overview

with ui.errors():
    if observation.blocks:
        figure, answer = ui.slots("gate")
        with figure:
            overview.draw_gate(observation)
        ui.say(overview.headline(observation), "headline", "header", answer)
        overview.draw_network(observation)
        st.caption(overview.scale(observation))
    else:
        ui.no_gates(observation, "gates", "cbam")
    overview.draw_rest(observation)
