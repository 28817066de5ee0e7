"""What does attention do here?"""

from attention import ui

view = ui.open_page()

import streamlit as st

from attention.ui import overview

with ui.errors():
    if view.blocks:
        st.markdown(f"#### {overview.answer(view)}")
        overview.draw_network(view)
        st.caption(overview.scale(view))
    else:
        ui.no_gates(view, "gates", "cbam")
    overview.draw_cost(view)
