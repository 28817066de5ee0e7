"""Lesson: what does SE do?"""

from attention import ui

observation = ui.open_page()

import streamlit as st

from attention.ui.lessons import gated, se
from attention.ui.lessons.steps import teach

LABEL = "every channel, through depth, a second picture"

step, below = st.container(), st.container()
with ui.errors():
    blocks = [block for block in observation.blocks if block.channel]
    if blocks:
        with below:
            lesson = gated.choose(observation, blocks, "excitation", LABEL)
        with step:
            teach(se.steps(lesson), lesson.where)
    else:
        ui.no_gates(observation, "channel gates of SE's form", "se")
