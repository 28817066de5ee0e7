"""Each block switched off in turn, over one picture or several."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from attention import analysis
from attention.analysis import excitation
from attention.charts import interventions as figures
from attention.observe import Observation
from attention.records import Floats
from attention.ui import cache, frame, widgets
from attention.ui.intervene import passes

DRAWS = 10
"""Random edits for each block."""


def draw(observation: Observation, number: int, seed: int) -> None:
    """The curve, and beside it networks that were trained without their gates."""
    left, right = st.columns([3, 1], gap="large")
    with left:
        views = _choose_pictures(observation)
        classes = [number if other is observation else int(other.probabilities.argmax()) for other in views]
        _draw_curve(views, classes, seed)
    with right:
        _draw_published()


def answer(names: Sequence[str], changes: Floats, draws: Floats) -> str:
    """Which block matters most, and how many change no more than chance does."""
    mean = changes.mean(1)
    inside = [bool(one.min() <= change <= one.max()) for one, change in zip(draws, mean, strict=True)]
    most = int(np.abs(mean).argmax())
    return (
        f"Switching off {names[most]} moves the logit the most, by {mean[most]:+.3f}. "
        f"{sum(inside)} of {len(names)} blocks do no more than chance does."
    )


def _choose_pictures(observation: Observation) -> list[Observation]:
    others = [name for name in frame.pictures() if name != observation.picture.name]
    st.session_state.along = [name for name in st.session_state.get("along", []) if name in others]
    chosen = st.multiselect("Over further pictures", others, key="along", placeholder="this picture alone")
    at_hand = frame.pictures()
    return [observation, *(observation.of(at_hand[name] or cache.sample(name)) for name in chosen)]


def _draw_curve(views: Sequence[Observation], classes: Sequence[int], seed: int) -> None:
    blocks = [block.name for block in views[0].blocks]
    place = st.empty()
    turns = []
    for done, block in enumerate(blocks, start=1):
        turns.append([passes.ablate_block(observation, block, seed, DRAWS) for observation in views])
        place.progress(done / len(blocks), f"Switching off {widgets.literal(block)}, {done} of {len(blocks)}")
    changes = np.array([[turn.change[one] for turn, one in zip(row, classes, strict=True)] for row in turns])
    draws = np.array(
        [np.mean([turn.draws[:, one] for turn, one in zip(row, classes, strict=True)], axis=0) for row in turns]
    )
    names = analysis.short_names(blocks)
    with place.container():
        finding = answer(names, changes, draws)
        st.markdown(finding)
        widgets.chart(figures.in_turn(names, changes, draws), key="turns", alt=finding)
        label = views[0].labels[classes[0]]
        what = (
            f"{label}, for this picture"
            if len(views) == 1
            else f"{label} here and of the first guess for the others, mean of n = {len(views)} pictures (ticks: each)"
        )
        st.caption(
            f"**Switched off at inference, not retrained.** Diamonds: the change of the logit of {what}, when all "
            "gates of that block have their neutral value. Grey bars: from the lowest to the highest of "
            f"{DRAWS} draws in which the same changes are dealt to random channels and places, seed {seed}."
        )
        each = {
            f"change for {observation.picture.name}": one for observation, one in zip(views, changes.T, strict=True)
        }
        columns = {"change": changes.mean(1), **each, "low": draws.min(1), "high": draws.max(1)}
        widgets.data(turns={"block": blocks, **columns})


def _draw_published() -> None:
    st.markdown("**Trained without, as published**")
    rows = [f"| {one.gates} | {one.top1:.2f} % |" for one in excitation.SE_BY_STAGE]
    st.markdown("\n".join(["| SE gates in | top-1 error |", "|:--|--:|", *rows]))
    st.caption(
        f"{excitation.SE_SOURCE}, on ImageNet. These networks learned to do without; the ones on the left did not, and "
        "miss a gate that their other layers count on. The two are not to be compared number by number."
    )
