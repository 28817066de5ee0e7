"""What of a survey is looked at: chosen on the page by widgets, and by clicks on its charts."""

import numpy as np
import streamlit as st

from attention.charts.surveys import Selection
from attention.survey import LoadedSurvey
from attention.survey.statistics import SHARE
from attention.ui import widgets

MOST_CLASSES = 6
"""Lines of more classes could not be told apart."""
FIRST_CLASSES = 3


def choose(survey: LoadedSurvey) -> Selection:
    """The depth strip, the channel, and the classes."""
    blocks = survey.blocks
    values = {name: [gate.overall for gate in filter(None, each)] for name, each in blocks.items()}
    means = [float(np.nan_to_num(each[0].mean.mean())) for each in values.values()]
    parting = survey.selectivity(SHARE)

    def varied(name: str) -> tuple[float, float]:
        """How far its gates part the classes, where there are two, and how far they vary from picture to picture."""
        shares = [float(np.nan_to_num(parting[gate.name].index).mean()) for gate in filter(None, blocks[name])]
        return max(shares), float(np.mean([np.nan_to_num(gate.std).mean() for gate in values[name]]))

    usual = max(values, key=varied)
    block = widgets.depth_strip(survey.block_names, means, usual, label="the mean gate over all pictures")
    left, right = st.columns([1, 4], vertical_alignment="bottom")
    with right:
        classes = _choose_classes(survey)
    with left:
        channel = None
        if gate := blocks[block].channel:
            index = np.nan_to_num(parting[gate.name].index, nan=-1)  # how far each channel tells the classes apart
            channel = widgets.choose_channel(_gate_place(survey, block), gate.shape[0], int(index.argmax()), key="unit")
    return Selection(survey, block, channel, classes)


def _choose_classes(survey: LoadedSurvey) -> tuple[int, ...]:
    usable = {survey.names[number]: int(number) for number in survey.distinct_classes}
    if not usable:
        return ()
    names = list(usable)
    if "classes" in st.session_state and not set(st.session_state.classes) <= usable.keys():
        st.session_state["classes"] = names[:FIRST_CLASSES]
    chosen = st.multiselect(
        "Classes",
        names,
        names[:FIRST_CLASSES],
        key="classes",
        bind="query-params",
        max_selections=MOST_CLASSES,
        placeholder="None: the mean over all of them",
    )
    return tuple(usable[name] for name in chosen)


def select(survey: LoadedSurvey, block: str, channel: int | None = None) -> None:
    """Go to a block, and to a channel of it; for the callbacks of the charts."""
    st.session_state.block = block
    if channel is not None:
        widgets.set_channel(_gate_place(survey, block), channel, key="unit")


def _gate_place(survey: LoadedSurvey, block: str) -> str:
    return f"{survey.key} {block}"


def select_gate(survey: LoadedSurvey, number: int) -> None:
    """Go to the block of a gate, by its number in depth order."""
    gate = survey.gates[number]
    select(survey, next(name for name, each in survey.blocks.items() if gate in each))


def toggle_class(selection: Selection, number: int) -> None:
    """Select a class, or leave it; of too many the first one goes."""
    names, name = selection.class_names, selection.survey.names[number]
    kept = [each for each in names if each != name] if name in names else [*names, name]
    st.session_state.classes = kept[-MOST_CLASSES:]
