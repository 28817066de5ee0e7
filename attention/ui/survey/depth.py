"""Views through depth: how class-specific the gates are, and whether they do anything."""

from collections.abc import Callable

import numpy as np
import streamlit as st

from attention import analysis
from attention.charts.surveys import depth
from attention.survey.statistics import CONSTANT, HIGH, LOW, Health
from attention.ui import parts
from attention.ui.survey import held
from attention.ui.survey.focus import Focus, select_gate

DEFINITIONS = {
    "Share between classes": (
        r"\eta^2 = \frac{\sum_k n_k (m_k - m)^2}{\sum_i (x_i - m)^2}",
        "The share of a channel's variance over the pictures that lies between the classes: the correlation ratio "
        "squared, R. A. Fisher, Statistical Methods for Research Workers, 1925, section 45. It asks how well the class "
        "tells the gate, however little the gate moves.",
    ),
    "Class selectivity": (
        r"\frac{m_{\max} - m_{\mathrm{others}}}{m_{\max} + m_{\mathrm{others}}}",
        "The highest class mean against the mean of the other class means, A. S. Morcos et al., arXiv 1803.06959, "
        "section 2.3. It asks how far one class stands out: a gate that stays near one half comes to little.",
    ),
}


def draw_selectivity(focus: Focus) -> None:
    """The index of each gate's channels or places, and what it comes to with shuffled classes."""
    options = list(DEFINITIONS)
    parts.note_link("index", options, f"an index that there is not: here it is “{options[0]}”")
    index = str(
        st.segmented_control("Index", options, default=options[0], required=True, key="index", bind="query-params")
    )
    gates, names = focus.held.gates, focus.gate_names
    pairs = [depth.Pair(*held.selectivity(focus.held.key, gate.name, index, focus.held)) for gate in gates]
    means = [(_mean(pair.seen), _mean(pair.null), name) for pair, name in zip(pairs, names, strict=True)]
    known = [each for each in means if np.isfinite(each[0])]
    if not known:
        st.info("An index of classes needs two classes with pictures; here they are fewer.", icon=":material/info:")
        return
    most, least, chance = max(known), min(known), max(null for _, null, _ in known)
    finding = (
        f"{most[2]} is the most class-specific gate, {most[0]:.3f} in the mean over its channels or places, and "
        f"{least[2]} the least, {least[0]:.3f}; with shuffled classes it is {chance:.3f} at most."
    )
    _draw_boxes(focus, names, pairs, index, finding)
    with st.expander("How the index is defined", icon=":material/function:"):
        formula, words = DEFINITIONS[index]
        st.latex(formula)
        st.markdown(words)
    st.caption(
        f"A box holds the middle half of a gate's channels or places, its dot and line are the median, "
        f"its whiskers are the ends; grey with the classes shuffled once among the pictures. n = "
        f"{focus.held.result.pictures:,} pictures. Click the dot on a median to select its block."
    )
    seen, null, _ = (list(column) for column in zip(*means, strict=True))
    columns = {"mean": seen, **analysis.spread([pair.seen for pair in pairs]), "mean, shuffled": null}
    shuffled = {f"{name}, shuffled": each for name, each in analysis.spread([pair.null for pair in pairs]).items()}
    parts.data(selectivity={"gate": [gate.name for gate in gates], **columns, **shuffled})


def draw_health(focus: Focus) -> None:
    """What share of each gate is saturated, dead or constant, and how much it says."""
    gates, names = focus.held.gates, focus.gate_names
    found = [held.health(focus.held.key, gate.name, focus.held) for gate in gates]
    rows = [
        depth.Row(f"share of the values below {LOW}", [each.low for each in found], 1.0),
        depth.Row(f"share of the values of {HIGH} and above", [each.high for each in found], 1.0),
        depth.Row(f"share of the channels that never reach {LOW} (dead)", [each.dead for each in found], 1.0),
        depth.Row(f"share of the channels that never leave {HIGH} to 1", [each.open for each in found], 1.0),
        depth.Row(
            f"share of the channels that are constant (deviation below {CONSTANT})",
            [each.constant for each in found],
            1.0,
        ),
        depth.Row("standard deviation over the pictures, mean over the channels", [each.deviation for each in found]),
        depth.Row("entropy of a channel over the pictures, in bits (bins of 0.05)", [each.entropy for each in found]),
    ]
    finding = _health_finding(focus, found)
    st.markdown(f"##### {finding}")
    parts.chart(depth.bars(names, rows, focus.place), key="health", alt=finding, on_select=_clicker(focus, "health"))
    st.caption(
        f"Each bar is one gate over n = {focus.held.result.pictures:,} pictures; of a map its places take the part of "
        "the channels. The weights after a constant channel could take its factor in: the gate would then be one "
        "channel smaller, and the output nearly the same. Click a bar to select its block."
    )
    columns = {name: [getattr(each, name) for each in found] for name in vars(found[0])}
    parts.data(health={"gate": [gate.name for gate in gates], **columns})


def _health_finding(focus: Focus, found: list[Health]) -> str:
    gates = focus.held.gates
    by_channel = [number for number, gate in enumerate(gates) if gate.by_channel]
    if not by_channel:
        return "There are no gates by channel; the bars are of maps and their places."
    constant = [round(found[number].constant * gates[number].shape[0]) for number in by_channel]
    channels = sum(gates[number].shape[0] for number in by_channel)
    worst = max(by_channel, key=lambda number: found[number].constant)
    return (
        f"{sum(constant):,} of {channels:,} channels of {len(by_channel)} gates hardly change from picture to picture "
        f"and could be folded into the weights; in {focus.gate_names[worst]} they are {found[worst].constant:.0%}."
    )


def _draw_boxes(focus: Focus, names: list[str], pairs: list[depth.Pair], index: str, finding: str) -> None:
    st.markdown(f"##### {finding}")
    figure = depth.boxes(names, pairs, focus.place, index.lower())
    parts.chart(figure, key="selectivity", alt=finding, on_select=_clicker(focus, "selectivity"))


def _clicker(focus: Focus, key: str) -> Callable[[], None]:
    def click() -> None:
        if point := parts.clicked(key):
            select_gate(focus.held, round(float(point["x"])))

    return click


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
