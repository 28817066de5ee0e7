"""Do they look at the same thing?"""

from attention import ui

observation = ui.open_page()

import streamlit as st

from attention.ui import compare, compare_pictures

SIDES = {"Several networks": compare.draw, "Two pictures": compare_pictures.draw}

ui.note_link("side", SIDES, "a comparison that this page does not have: here are several networks")
side = st.segmented_control(
    "Compare", list(SIDES), default="Several networks", required=True, key="side", bind="query-params"
)
with ui.errors():
    SIDES[side](observation)
