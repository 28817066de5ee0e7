"""Where does it look?"""

from attention import ui
from attention.ui import cbam, usual
from attention.ui.pages import pages_of

observation = ui.open_page()

with ui.errors():
    blocks = [block for block in observation.blocks if "cbam" in pages_of(block)]
    if blocks:
        block = cbam.choose_block(observation, blocks)
        name = observation.names[block.name]
        with usual.headline(observation, lambda found: cbam.headline(block, name, found)):
            cbam.say_health(observation, block)
            cbam.look(observation, block)
    else:
        ui.no_gates(observation, "spatial gates", "cbam")
