"""Do they look at the same thing?"""

from attention import ui

observation = ui.open_page()

from attention.ui.compare import columns, pictures

SIDES = {"Several networks": columns.draw, "Two pictures": pictures.draw}

side = ui.choose("Compare", SIDES, key="side", look="row")
with ui.errors():
    SIDES[side](observation)
