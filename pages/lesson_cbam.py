"""Lesson: what does CBAM do?"""

from attention import ui

observation = ui.open_page()

from attention.ui.lessons import cbam, gated

gated.teach(
    observation,
    lambda block: block.channel and block.spatial,
    cbam.STEPS,
    then=("cbam", "the map on the picture, the usual gate"),
    missing=("blocks with CBAM's two gates", "cbam"),
)
