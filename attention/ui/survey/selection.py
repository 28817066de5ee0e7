"""What of a survey is looked at: a block, a channel and some classes, the same in all views."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from attention import analysis
from attention.survey.result import GateSurvey
from attention.ui import widgets
from attention.ui.survey import loading
from attention.ui.survey.loading import LoadedSurvey

MOST_CLASSES = 6
"""Lines of more classes could not be told apart."""
FIRST_CLASSES = 3


@dataclass(frozen=True, eq=False)
class Selection:
    """What is selected."""

    survey: LoadedSurvey
    block: str
    channel: int | None
    """None where the block has no gate by channel."""
    classes: tuple[int, ...]

    @property
    def gate(self) -> GateSurvey | None:
        """The block's gate by channel."""
        return self.survey.blocks[self.block].channel

    @property
    def spatial(self) -> GateSurvey | None:
        """The block's map."""
        return self.survey.blocks[self.block].spatial

    @cached_property
    def short(self) -> dict[str, str]:
        """What the blocks are called for short."""
        return dict(zip(self.survey.blocks, analysis.short_names(list(self.survey.blocks)), strict=True))

    @property
    def block_name(self) -> str:
        """What the block is called for short."""
        return self.short[self.block]

    @property
    def pictures(self) -> int:
        """How many pictures the survey used."""
        return self.survey.result.pictures

    @property
    def gate_names(self) -> list[str]:
        """What the gates are called for short, in depth order."""
        return analysis.short_names([gate.name for gate in self.survey.gates])

    @property
    def gate_number(self) -> int:
        """The number of the block's first gate among all gates, in depth order."""
        first = self.gate or self.spatial
        return next(number for number, gate in enumerate(self.survey.gates) if gate is first)

    @property
    def class_names(self) -> list[str]:
        """The names of the classes that are selected."""
        return [self.survey.names[number] for number in self.classes]


def choose(survey: LoadedSurvey) -> Selection:
    """The depth strip, the channel, and the classes."""
    blocks = survey.blocks
    means = [float(np.nan_to_num((each.channel or each.spatial).overall.mean.mean())) for each in blocks.values()]  # type: ignore[union-attr]
    block = widgets.depth_strip(list(blocks), means, label="Mean gate over all pictures")
    left, right = st.columns([1, 4], vertical_alignment="bottom")
    with right:
        classes = _choose_classes(survey)
    with left:
        gate = blocks[block].channel
        channel = _choose_channel(survey, block, gate) if gate else None
    return Selection(survey, block, channel, classes)


def _choose_channel(survey: LoadedSurvey, block: str, gate: GateSurvey) -> int:
    """The channel that tells the classes apart best, until another is chosen."""

    def best() -> int:
        index, _ = loading.selectivity(survey.key, gate.name, "Share between classes", survey)
        return int(np.nan_to_num(index, nan=-1).argmax())

    return widgets.choose_channel(f"{survey.key} {block}", gate.shape[0], best, key="unit")


def _choose_classes(survey: LoadedSurvey) -> tuple[int, ...]:
    usable = {survey.names[number]: int(number) for number in np.flatnonzero(survey.counts)}
    names = list(usable)
    if "classes" in st.session_state and not set(st.session_state.classes) <= usable.keys():
        del st.session_state["classes"]
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
        st.session_state.unit = channel
        st.session_state["_unit_of"] = f"{survey.key} {block}"


def select_gate(survey: LoadedSurvey, number: int) -> None:
    """Go to the block of a gate, by its number in depth order."""
    gate = survey.gates[number]
    select(survey, next(name for name, each in survey.blocks.items() if gate in each))


def toggle_class(selection: Selection, name: str) -> None:
    """Select a class, or leave it; of too many the first one goes."""
    names = selection.class_names
    kept = [each for each in names if each != name] if name in names else [*names, name]
    st.session_state.classes = kept[-MOST_CLASSES:]
