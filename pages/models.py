"""What is in this network?"""

from attention import ui

view = ui.open_page()

import streamlit as st

from attention.ui import models, models_report

with ui.errors():
    st.markdown(f"#### {models.answer(view)}")
    models.draw_totals(view)
    models.draw_layers(view)
    models_report.draw(view)
