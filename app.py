"""The router: which page is open, and the frame that all pages share."""

from pathlib import Path

import streamlit as st

from attention import ui

HERE = Path(__file__).parent

page = st.navigation(ui.navigation(HERE / "pages"), expanded=True)
icon = str(HERE / "assets" / "icon.png")
st.set_page_config(page_title=f"{page.title} · Gatescope", page_icon=icon, layout="wide")
ui.draw_frame(page.title)
page.run()
