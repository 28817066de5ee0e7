"""The router: which page is open, and the frame that all pages share."""

from pathlib import Path

import streamlit as st

from attention import ui

HERE = Path(__file__).parent

# Before the navigation, or the browser would ask others for the icon of the page.
st.set_page_config(page_title="Gatescope", page_icon=str(HERE / "assets" / "icon.png"), layout="wide")
page = st.navigation(ui.navigation(HERE / "pages"), expanded=True)
st.set_page_config(page_title=f"{page.title} · Gatescope")
ui.draw_frame(page.title)
page.run()
