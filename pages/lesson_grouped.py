"""Lesson: why grouped convolution?"""

from attention import ui

observation = ui.open_page()

import streamlit as st

from attention.ui.lessons import grouped
from attention.ui.lessons.steps import go_through
from attention.ui.widgets import room

step, below = room("step"), st.container()
with ui.errors():
    with below:
        lesson = grouped.choose(observation)
    if lesson:
        with step:
            go_through(grouped.STEPS, lesson, lesson.where)
    else:
        ui.no_gates(observation, "convolutions that can be divided", "se-resnext")
