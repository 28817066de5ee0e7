"""Right and wrong: the gates of the pictures that the network names right, against the others."""

import numpy as np
import streamlit as st

from attention import survey
from attention.charts.surveys import channel as figures
from attention.charts.surveys import depth
from attention.survey.profiles import Effect
from attention.ui import parts
from attention.ui.survey.focus import Focus, select, select_gate

MOST_CHANNELS = 24


def draw(focus: Focus) -> None:
    """The difference through depth, and the channels of the selected block in which it is largest."""
    counts = [int(getattr(focus.held.gates[0], verdict).count) for verdict in ("right", "wrong")]
    if not min(counts):
        _say_why(focus, counts)
        return
    effects = [survey.profiles.right_and_wrong(gate) for gate in focus.held.gates]
    sizes = [_mean_size(effect) for effect in effects]
    names = focus.gate_names
    most = int(np.nanargmax(sizes)) if np.isfinite(sizes).any() else 0
    finding = (
        f"Right and wrong predictions differ most in {names[most]}: {sizes[most]:.3f} standard deviations in the mean "
        f"over its channels or places, where {effects[most].chance:.3f} is to be expected of chance."
    )
    row = depth.Row(
        "|wrong − right| in standard deviations, mean over channels or places", sizes, null=effects[0].chance
    )

    def click() -> None:
        if point := parts.clicked("verdicts"):
            select_gate(focus.held, round(float(point["x"])))

    st.markdown(f"##### {finding}")
    parts.chart(depth.bars(names, [row], focus.place), key="verdicts", alt=finding, on_select=click)
    st.caption(
        f"n = {counts[0]:,} right, {counts[1]:,} wrong. Grey: what no difference at all comes to (Cohen's d, normal "
        "approximation). Classes that are hard have more wrong pictures, so part of this is a difference of classes."
    )
    _draw_channels(focus)
    parts.data(verdicts={"gate": [gate.name for gate in focus.held.gates], "mean |d|": sizes})


def _say_why(focus: Focus, counts: list[int]) -> None:
    if focus.held.result.accuracy is None:
        said = "The network knows none of these classes by name, so nothing here is right or wrong."
    else:
        known = f"Of {sum(counts):,} pictures whose class the network knows"
        said = f"{known} it names {counts[1]:,} wrong: there is nothing to compare."
    st.info(said, icon=":material/info:")


def _mean_size(effect: Effect) -> float:
    known = np.abs(effect.size[np.isfinite(effect.size)])
    return float(known.mean()) if len(known) else float("nan")


def _draw_channels(focus: Focus) -> None:
    gate, chosen = focus.gate, focus.channel
    if gate is None or chosen is None:
        return
    effect = survey.profiles.right_and_wrong(gate)
    channels = np.argsort(-np.abs(effect.difference), kind="stable")[:MOST_CHANNELS].astype(np.int64)

    def click() -> None:
        point = parts.clicked("verdict_channels")
        if point and "customdata" in point:
            select(focus.held, focus.block, int(point["customdata"]))

    first = int(channels[0])
    finding = (
        f"{focus.short[focus.block]}: the largest difference is that of channel {first}, {gate.right.mean[first]:.3f} "
        f"for right predictions and {gate.wrong.mean[first]:.3f} for wrong ones."
    )
    figure = figures.right_and_wrong(channels, gate.right.mean[channels], gate.wrong.mean[channels], chosen)
    parts.chart(figure, key="verdict_channels", alt=finding, on_select=click)
    st.markdown(finding)
    st.caption(
        f"The {len(channels)} of {gate.shape[0]:,} channels with the largest differences. Click a dot to select."
    )
    columns = {verdict: getattr(gate, verdict).mean[channels] for verdict in ("right", "wrong")}
    parts.data(verdict_channels={"channel": channels, **columns})
