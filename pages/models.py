"""What is in this network?"""

from attention import ui

observation = ui.open_page()

import streamlit as st

from attention.ui import models, models_report

with ui.errors():
    st.markdown(f"#### {models.answer(observation)}")
    models.draw_totals(observation)
    models.draw_layers(observation)
    models_report.draw(observation)
