"""Where does it look?"""

import streamlit as st

from attention import analysis, ui
from attention.ui import cbam

observation = ui.open_page()

with ui.errors():
    blocks = [block for block in observation.blocks if analysis.spatial_view(block) or analysis.profiles(block)]
    if blocks:
        block = cbam.choose_block(blocks, observation.card.gate_health)
        st.subheader(cbam.headline(block, observation.names[block.name]), anchor=False)
        cbam.say_health(observation, block)
        cbam.look(observation, block)
    else:
        ui.no_gates(observation, "spatial gates", "cbam")
