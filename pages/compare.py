"""Do they look at the same thing?"""

from attention import ui

observation = ui.open_page()

from attention.ui import compare, compare_pictures

SIDES = {"Several networks": compare.draw, "Two pictures": compare_pictures.draw}

side = ui.choose("Compare", SIDES, key="side", look="row")
with ui.errors():
    SIDES[side](observation)
