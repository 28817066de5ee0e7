"""Which pages there are, and which of them show a block."""

from typing import Any

import streamlit as st

from attention import analysis
from attention.analysis import Block

PAGES: dict[str, dict[str, Any]] = {
    "lesson_grouped": {"title": "Lesson: why grouped convolution?", "icon": ":material/school:"},
    "lesson_se": {"title": "Lesson: what does SE do?", "icon": ":material/school:"},
    "lesson_cbam": {"title": "Lesson: what does CBAM do?", "icon": ":material/school:"},
    "overview": {"title": "What does attention do here?", "icon": ":material/account_tree:", "default": True},
    "excitation": {"title": "SE: which channels get through?", "icon": ":material/equalizer:"},
    "cbam": {"title": "CBAM: where does it look?", "icon": ":material/visibility:"},
    "grouped": {"title": "Grouped convolution: what does it save?", "icon": ":material/view_column:"},
    "compare": {"title": "Do they look at the same thing?", "icon": ":material/compare:"},
    "intervene": {"title": "Does the gate matter?", "icon": ":material/tune:"},
    "survey": {"title": "What holds over many pictures?", "icon": ":material/photo_library:"},
    "models": {"title": "What is in this network?", "icon": ":material/schema:"},
}
GROUPS = {"lesson_grouped": "Understand", "overview": "Inspect", "survey": "Many pictures", "models": "Network"}
"""The parts of the navigation, by the first page of each."""
LESSON_PAGES = ("lesson_grouped", "lesson_se", "lesson_cbam")


def pages_of(block: Block) -> list[str]:
    """The pages that show a block, that of the maps first; none where no page can show its gates."""
    by_place = analysis.spatial_view(block) or analysis.profiles(block)
    return ["cbam"] * bool(by_place) + ["excitation"] * bool(analysis.channel_view(block))


def open_block(page: str, block: Block) -> None:
    """Go to a page, with this block chosen there; what the sidebar chose, Streamlit adds to the address itself."""
    st.switch_page(f"pages/{page}.py", query_params={"block": block.name})
