"""What is in this network?"""

from attention import ui

observation = ui.open_page()

import streamlit as st

from attention.ui import models

with ui.errors():
    st.header(models.headline(observation), anchor=False)
    models.draw_totals(observation)
    models.draw_layers(observation)
    models.draw_report(observation)
