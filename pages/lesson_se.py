"""Lesson: what does SE do?"""

from attention import ui

observation = ui.open_page()

from attention.ui.lessons import gated, se

gated.teach(
    observation,
    lambda block: block.channel,
    se.STEPS,
    then=("excitation", "every channel, through depth, a second picture"),
    missing=("channel gates of SE's form", "se"),
)
