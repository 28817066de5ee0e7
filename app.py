"""The router: which page is open, and the frame that all pages share."""

import streamlit as st

from attention import ui

st.set_page_config(page_title="Gatescope", page_icon="assets/icon.png", layout="wide")
page = st.navigation([st.Page(f"pages/{name}.py", **settings) for name, settings in ui.PAGES.items()])
ui.draw_frame(page.title)
page.run()
