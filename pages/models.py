"""What is in this network?"""

from attention import ui

observation = ui.open_page()


from attention.ui import models

with ui.errors():
    ui.say(models.headline(observation), "headline", "header")
    models.draw_totals(observation)
    models.draw_layers(observation)
    models.draw_report(observation)
