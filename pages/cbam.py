"""Where does it look?"""

import streamlit as st

from attention import analysis, ui
from attention.ui import cbam

view = ui.open_page()

with ui.errors():
    blocks = [block for block in view.blocks if analysis.spatial_view(block) or analysis.profiles(block)]
    if blocks:
        block = cbam.choose_block(blocks)
        st.subheader(cbam.answer(block, view.names[block.name]), anchor=False)
        cbam.say_health(view, block)
        cbam.look(view, block)
    else:
        ui.no_gates(view, "spatial gates", "cbam")
