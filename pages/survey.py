"""What holds over many pictures?"""

import streamlit as st

from attention import ui
from attention.ui.survey import channel, depth, focus, header, role, source, verdicts, where

view = ui.open_page()

PARTS = {
    "Role of excitation": role.draw,
    "Selectivity by depth": depth.draw_selectivity,
    "Gate health": depth.draw_health,
    "One channel": channel.draw,
    "Where it looks": where.draw,
    "Right and wrong": verdicts.draw,
}


@st.fragment
def explore(held: source.Held) -> None:
    """All views of one survey; a change here leaves the rest as it is."""
    choice, views = ui.places()
    with ui.errors():
        with choice:
            chosen = focus.choose(held)
        with views:
            ui.tabs("part", PARTS, chosen)


choice, views = ui.places()
with ui.errors():
    with choice:
        held = source.choose(view)
    if held:
        with views:
            header.draw(held)
            if held.places and held.result.pictures:
                explore(held)
            else:
                source.say_empty(held)
