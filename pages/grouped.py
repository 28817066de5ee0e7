"""What does grouping save?"""

from attention import ui

observation = ui.open_page()


from attention import grouped
from attention.ui import grouped as sections
from attention.ui.widgets import room

answer = room("line")
controls, figure = ui.slots("convolution")
with controls:
    convolution = sections.choose()
with figure:
    cost = grouped.cost_of(convolution)
    sections.draw_partition(convolution, cost)
ui.say(sections.answer(convolution, cost), "headline", "header", answer)
sections.draw_derivation(convolution, cost)

SECTIONS = {
    "The proof": lambda: sections.draw_proof(convolution),
    "Over the groups": lambda: sections.draw_curves(convolution),
    "Time, measured": lambda: sections.draw_times(convolution),
    "Equal budget": sections.draw_papers,
    "In this network": lambda: sections.draw_network(observation),
}
ui.tabs("section", SECTIONS)
