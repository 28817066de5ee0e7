"""Lesson: what does CBAM do?"""

from attention import ui

observation = ui.open_page()

import streamlit as st

from attention.ui.lessons import cbam, gated
from attention.ui.lessons.steps import teach

LABEL = "the map on the picture, the usual gate"

step, below = st.container(), st.container()
with ui.errors():
    blocks = [block for block in observation.blocks if block.channel and block.spatial]
    if blocks:
        with below:
            lesson = gated.choose(observation, blocks, "cbam", LABEL)
        with step:
            teach(cbam.steps(lesson), lesson.where)
    else:
        ui.no_gates(observation, "blocks with CBAM's two gates", "cbam")
