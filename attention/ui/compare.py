"""Several networks on one picture, in the layout of CBAM's figure 4: one class, one scale for all heatmaps."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from attention import analysis, comparison
from attention.analysis.agreement import TOP
from attention.charts import comparing, numbers, overlay
from attention.charts.overlay import Scale
from attention.comparison import Compared
from attention.observe import Observation
from attention.records import Floats, Gate, ModelCard
from attention.ui import compare_heatmaps, compare_tabs, compare_tests, compare_views, widgets
from attention.ui.compare_heatmaps import Asked

SIDE = 420
"""Of a picture in a column, in pixels."""
TABS = {
    "Gates against heatmap": compare_tabs.draw_agreement,
    "Channel gates": compare_tabs.draw_channels,
    "Cost and training": compare_tabs.draw_cost,
    "Deletion and insertion": compare_tests.draw_faithfulness,
    "Shuffled weights": compare_tests.draw_sanity,
}


def draw(observation: Observation) -> None:
    """The controls, a column for each network, and what explains them in tabs."""
    observations = compare_views.choose(observation)
    with st.container():  # what spins once stands in a place of its own, so that all below it keeps its place
        classifiers = [each for each in observations if each.probabilities_or_none is not None]
        slowest = max(compare_views.seconds(observations))
    asked = compare_heatmaps.ask(classifiers) if classifiers else None
    answer = st.empty()
    with st.container():
        heatmaps = compare_heatmaps.heatmaps(classifiers, asked, slowest) if asked else {}
    label = asked.label if asked else None
    columns = compare_views.compared(observations, label, [heatmaps.get(each.key) for each in observations])
    answer.subheader(say(columns, label), anchor=False)
    _draw_columns(columns, asked)
    for note in [*comparison.differences([each.card for each in columns]), *comparison.classes(columns)]:
        st.caption(widgets.literal(note))
    compare_tabs.explain(columns)
    widgets.tabs("about", TABS, columns)


def say(columns: Sequence[Compared], label: str | None) -> str:
    """Whether the networks' heatmaps agree, beside what maps reach that know nothing of the picture."""
    if len(columns) < 2:
        return "Choose another network to compare with."
    if label is None:
        return "None of these networks gives a score for each class: here are their gates, sizes and times."
    found = comparison.shared(columns)
    if found is None:
        return f"Fewer than two of these networks have a heatmap of “{label}” so far."
    pairs, middle = found
    heatmaps = sum(column.heatmap is not None for column in columns)
    return (
        f"For “{label}”, the top fifths of the {heatmaps} heatmaps overlap by {pairs:.0%}; a blob in the middle would "
        f"overlap with them by {middle:.0%}, and chance by {TOP:.0%}."
    )


def called(card: ModelCard) -> str:
    """A network's name for markdown, marked where its weights are random."""
    return f"{widgets.literal(card.name)}{' (random weights)' * card.random}"


def _draw_columns(columns: Sequence[Compared], asked: Asked | None) -> None:
    shared = comparing.one_scale([column.heatmap.values for column in columns if column.heatmap])
    for place, column in zip(st.columns(len(columns)), columns, strict=True):
        observation = column.observation
        own = column.heatmap and comparing.one_scale([column.heatmap.values])
        with place.container(border=True, height="stretch"):
            st.markdown(f"**{called(column.card)}**")
            if asked and column.probabilities is not None:
                _draw_heatmap(observation, column, asked, own if asked.own_scale and own else shared)
                _draw_guesses(analysis.top(column.probabilities, column.labels))
            else:
                st.info("It gives no score for each class.", icon=":material/help:")
            _draw_spatial(observation, column)
            _draw_channel(column)
            st.caption(_size(column))


def _draw_heatmap(observation: Observation, column: Compared, asked: Asked, scale: Scale) -> None:
    if column.target is None:
        st.info(f"It does not know the class “{asked.label}”: there is no heatmap.", icon=":material/help:")
        return
    st.metric(f"P({column.labels[column.target].partition(',')[0]})", f"{column.probability:.1%}")
    if column.heatmap is None:
        st.info("No heatmap yet, or none of this kind.", icon=":material/hourglass_empty:")
        return
    span = f"{column.heatmap.minimum:.3g} to {column.heatmap.maximum:.3g}"
    if column.heatmap.maximum <= 0:
        st.caption(":material/block: Nothing in this map speaks for the class.")
    rows, across = column.heatmap.values.shape
    where = f", at {column.heatmap.layer}, {rows}\u00a0×\u00a0{across}" if column.heatmap.layer else ""
    widgets.picture(
        _laid(observation, column.heatmap.values, "inferno", scale),
        key=f"heatmap_{column.card.name}",
        alt=f"{asked.method} of {asked.label} in {column.card.name}: highest at the "
        f"{analysis.look(column.heatmap.values).place}, values {span}.",
        caption=f"{asked.method}{where}: {span}; colours run from {scale.low:.3g} to {scale.high:.3g}",
        table="class_heatmaps",
    )


def _draw_guesses(top: Sequence[tuple[str, float]]) -> None:
    rows = [f"| {widgets.literal(label.partition(',')[0])} | {probability:.1%} |" for label, probability in top]
    st.markdown("\n".join(["| top five | P |", "|:--|--:|", *rows]))


def _draw_spatial(observation: Observation, column: Compared) -> None:
    gates = comparison.by_stage(column.spatial)
    if not gates:
        st.caption("No spatial gates.")
        return
    st.caption("Spatial gates, the last of each size, 0 to 1:")
    for start in range(0, len(gates), 2):
        for place, gate in zip(st.columns(2, gap="small"), gates[start : start + 2], strict=False):
            _draw_gate(place, observation, gate)


def _draw_gate(place: st.delta_generator.DeltaGenerator, observation: Observation, gate: Gate) -> None:
    rows, columns = gate.values.shape[1:]
    with place:
        widgets.picture(
            _laid(observation, gate.values[0], "viridis", overlay.UNIT),
            key=f"gate_{observation.card.name}_{gate.name}",
            alt=f"Spatial gate of {gate.name}, from {gate.minimum:.2f} to {gate.maximum:.2f}.",
            caption=f"{rows} × {columns}: {gate.minimum:.2f} to {gate.maximum:.2f}",
            table="stage_gates",
        )


def _draw_channel(column: Compared) -> None:
    means = np.array([gate.values.mean() for gate in column.channel], np.float32)
    if not means.size:
        st.caption("No channel gates.")
        return
    span = f"{means.min():.2f} to {means.max():.2f}"
    widgets.picture(
        overlay.cells(means),
        key=f"means_{column.card.name}",
        alt=f"Mean channel gate of each of {means.size} blocks of {column.card.name} in depth order, {span}.",
        caption=f"Mean channel gate of {means.size} blocks, first to last: {span}",
        table="channel_means",
    )


def _size(column: Compared) -> str:
    return (
        f"{numbers.magnitude(column.card.parameters)} parameters, {numbers.magnitude(column.macs)} MACs, "
        f"{1000 * column.seconds:.3g} ms a picture on this machine"
    )


def _laid(observation: Observation, values: Floats, colour_map: str, scale: Scale) -> bytes:
    picture, box = overlay.close_up(observation.image, observation.box, SIDE)
    return overlay.overlay(picture, values, box, colour_map=colour_map, scale=scale, opacity=0.6)
