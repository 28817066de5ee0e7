"""Several networks on one picture, in the layout of CBAM's figure 4: one class, one scale for all heatmaps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from attention import analysis, comparison
from attention.agreement import TOP
from attention.comparison import Column
from attention.figures import comparing, overlay
from attention.figures.overlay import Scale
from attention.records import Card, Floats, Gate, Heatmap
from attention.ui import compare_jobs, compare_tabs, compare_tests, compare_views, parts
from attention.ui.view import View

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from attention.attribution import Method

GRAD_CAM = "Grad-CAM"
METHODS = (GRAD_CAM, "Guided Grad-CAM", "Integrated gradients", "Occlusion")
STAGES = ("last stage", "second last", "third last", "fourth last")
SCALES = ("one for all", "each its own")
FIRST_GUESS = "the first guess"
SIDE = 420
"""Of a picture in a column, in pixels."""
TABS = {
    "Gates against heatmap": compare_tabs.draw_agreement,
    "Channel gates": compare_tabs.draw_channels,
    "Cost and training": compare_tabs.draw_cost,
    "Deletion and insertion": compare_tests.draw_faithfulness,
    "Shuffled weights": compare_tests.draw_sanity,
}


class Asked(NamedTuple):
    """What the controls above the columns say."""

    label: str
    method: str
    back: int
    """The stage whose last block Grad-CAM reads, counted from the end."""
    own_scale: bool


def draw(view: View) -> None:
    """The controls, a column for each network, and what explains them in tabs."""
    views = compare_views.choose(view)
    asked = _ask(views)
    answer = st.empty()
    heatmaps = _heatmaps(views, asked)
    columns = [compare_views.column(each, asked.label, heatmap) for each, heatmap in zip(views, heatmaps, strict=True)]
    answer.subheader(say(columns, asked.label), anchor=False)
    _draw_columns(views, columns, asked)
    for note in [*comparison.differences([each.card for each in columns]), comparison.classes(columns)]:
        if note:
            st.caption(note)
    compare_tabs.explain(columns)
    parts.tabs("about", TABS, views, columns)


def say(columns: Sequence[Column], label: str) -> str:
    """Whether the networks' heatmaps agree, beside what maps reach that know nothing of the picture."""
    if len(columns) < 2:
        return "Choose another network to compare with."
    found = comparison.shared(columns)
    if found is None:
        return f"Fewer than two of these networks have a heatmap of “{label}” so far."
    pairs, middle = found
    heatmaps = sum(column.heatmap is not None for column in columns)
    return (
        f"For “{label}”, the top fifths of the {heatmaps} heatmaps overlap by {pairs:.0%}; a blob in the middle would "
        f"overlap with them by {middle:.0%}, and chance by {TOP:.0%}."
    )


def called(card: Card) -> str:
    """A network's name for markdown, marked where its weights are random."""
    return f"{parts.literal(card.name)}{' (random weights)' * card.random}"


def _ask(views: Sequence[View]) -> Asked:
    first = views[0]
    guess = first.labels[int(first.probabilities.argmax())].partition(",")[0]
    named = {comparison.meaning(label): label.partition(",")[0] for view in views for label in view.labels}
    labels = [FIRST_GUESS, *named.values()]
    target, method, stage, scale = st.columns(4)
    for key, options in {"class": labels, "method": METHODS, "stage": STAGES, "heat": SCALES}.items():
        parts.note_link(key, options, f"a {key} that there is not here: this is “{options[0]}”")
    parts.settle("class", labels)
    label = target.selectbox("Class", labels, key="class", bind="query-params")
    how = method.selectbox("Heatmap", METHODS, key="method", bind="query-params")
    layer = stage.selectbox(
        "Read at the end of", STAGES, key="stage", bind="query-params", disabled=how in METHODS[2:], help=_HELP
    )
    ends = scale.selectbox("Scale of the heatmaps", SCALES, key="heat", bind="query-params")
    return Asked(guess if label == FIRST_GUESS else label, how, STAGES.index(layer), ends == SCALES[1])


_HELP = "Grad-CAM reads the output of a block. A stage is the blocks whose maps have one size."


def _heatmaps(views: Sequence[View], asked: Asked) -> list[Heatmap | None]:
    """Grad-CAM at once; what takes many passes only when it was started."""
    targets = [comparison.place(view.labels, asked.label) for view in views]
    if asked.method == GRAD_CAM:
        found: list[Heatmap | None] = []
        for view, target in zip(views, targets, strict=True):
            layer = compare_views.layer(view, asked.back)
            found.append(None if target is None or layer is None else compare_views.grad_cam(view, target, layer))
            if layer is None:
                name = parts.literal(view.card.name)
                st.caption(f":material/block: {name} has no heatmap here: it has no such stage of maps.")
        return found
    plans = [None if target is None else _method(view, asked) for view, target in zip(views, targets, strict=True)]
    return _computed(views, targets, plans, asked)


def _method(view: View, asked: Asked) -> "Method | None":
    """The method that was asked for; None where it is not valid for the network, which is said."""
    from attention import attribution

    layer = compare_views.layer(view, asked.back)
    methods: dict[str, Method] = {
        METHODS[1]: attribution.GuidedGradCam(layer),
        METHODS[2]: attribution.IntegratedGradients(),
        METHODS[3]: attribution.Occlusion(),
    }
    method = methods[asked.method]
    if reason := compare_views.obstacle(view, method):
        st.caption(f":material/block: {parts.literal(view.card.name)} has no heatmap here. {reason}")
        return None
    return method


def _computed(
    views: Sequence[View], targets: Sequence[int | None], plans: Sequence["Method | None"], asked: Asked
) -> list[Heatmap | None]:
    work = [(view, target, plan) for view, target, plan in zip(views, targets, plans, strict=True) if plan]
    shapes = [(1, 3, view.card.input_size, view.card.input_size) for view, _, _ in work]
    passes = [plan.passes(shape) for (_, _, plan), shape in zip(work, shapes, strict=True)]
    forward, backward = sum(each.forward for each in passes), sum(each.backward for each in passes)
    slowest = max((compare_views.seconds(view) for view, _, _ in work), default=0.0)
    key = (asked.method, asked.back, *((view.key, target) for view, target, _ in work))

    def run(progress: compare_jobs.Progress) -> dict[str, Heatmap]:
        found, before = {}, 0
        for (view, target, plan), cost in zip(work, passes, strict=True):
            batch = view.network.transform(view.picture)[None]
            attribute = compare_views.attributor(view)
            shift = _shifted(progress, before, forward)
            found[view.key] = attribute(batch, target or 0, method=plan, progress=shift)
            before += cost.forward
        return found

    said = f"**{asked.method}** of {len(work)} networks: {compare_jobs.cost(forward, backward, slowest)}"
    done = compare_jobs.job("heatmap", key, said, run) if work else {}
    return [(done or {}).get(view.key) for view in views]


def _shifted(progress: compare_jobs.Progress, before: int, whole: int) -> compare_jobs.Progress:
    return lambda done, total: progress(before + done, whole)


def _draw_columns(views: Sequence[View], columns: Sequence[Column], asked: Asked) -> None:
    shared = comparing.one_scale([column.heatmap.values for column in columns if column.heatmap])
    for place, view, column in zip(st.columns(len(views)), views, columns, strict=True):
        own = column.heatmap and comparing.one_scale([column.heatmap.values])
        with place.container(border=True, height="stretch"):
            st.markdown(f"**{called(column.card)}**")
            _draw_heatmap(view, column, asked, own if asked.own_scale and own else shared)
            _draw_guesses(column)
            _draw_spatial(view, column)
            _draw_channel(column)
            st.caption(_size(view))


def _draw_heatmap(view: View, column: Column, asked: Asked, scale: Scale) -> None:
    if column.target is None:
        st.info(f"It does not know the class “{asked.label}”: there is no heatmap.", icon=":material/help:")
        return
    st.metric(f"P({column.labels[column.target].partition(',')[0]})", f"{column.probabilities[column.target]:.1%}")
    if column.heatmap is None:
        st.info("No heatmap yet, or none of this kind.", icon=":material/hourglass_empty:")
        return
    span = f"{column.heatmap.minimum:.3g} to {column.heatmap.maximum:.3g}"
    if column.heatmap.maximum <= 0:
        st.caption(":material/block: Nothing in this map speaks for the class.")
    where = f", at {column.heatmap.layer}" if column.heatmap.layer else ""
    parts.picture(
        _laid(view, column.heatmap.values, "inferno", scale),
        key=f"heatmap_{column.card.name}",
        alt=f"{asked.method} of {asked.label} in {column.card.name}: highest at the "
        f"{analysis.look(column.heatmap.values).place}, values {span}.",
        caption=f"{asked.method}{where}: {span}; colours run from {scale.low:.3g} to {scale.high:.3g}",
        table="class_heatmaps",
    )


def _draw_guesses(column: Column) -> None:
    top = analysis.top(column.probabilities, column.labels)
    rows = [f"| {parts.literal(label.partition(',')[0])} | {probability:.1%} |" for label, probability in top]
    st.markdown("\n".join(["| top five | P |", "|:--|--:|", *rows]))


def _draw_spatial(view: View, column: Column) -> None:
    gates = comparison.by_stage(column.spatial)
    if not gates:
        st.caption("No spatial gates.")
        return
    st.caption("Spatial gates, the last of each size, 0 to 1:")
    for start in range(0, len(gates), 2):
        for place, gate in zip(st.columns(2, gap="small"), gates[start : start + 2], strict=False):
            _draw_gate(place, view, gate)


def _draw_gate(place: st.delta_generator.DeltaGenerator, view: View, gate: Gate) -> None:
    rows, columns = gate.values.shape[1:]
    with place:
        parts.picture(
            _laid(view, gate.values[0], "viridis", overlay.UNIT),
            key=f"gate_{view.card.name}_{gate.name}",
            alt=f"Spatial gate of {gate.name}, from {gate.minimum:.2f} to {gate.maximum:.2f}.",
            caption=f"{rows} × {columns}: {gate.minimum:.2f} to {gate.maximum:.2f}",
            table="stage_gates",
        )


def _draw_channel(column: Column) -> None:
    means = np.array([gate.values.mean() for gate in column.channel], np.float32)
    if not means.size:
        st.caption("No channel gates.")
        return
    span = f"{means.min():.2f} to {means.max():.2f}"
    parts.picture(
        overlay.cells(means),
        key=f"means_{column.card.name}",
        alt=f"Mean channel gate of each of {means.size} blocks of {column.card.name} in depth order, {span}.",
        caption=f"Mean channel gate of {means.size} blocks, first to last: {span}",
        table="channel_means",
    )


def _size(view: View) -> str:
    cost = view.inventory.network
    return (
        f"{parts.magnitude(cost.parameters)} parameters, {parts.magnitude(cost.macs)} MACs, "
        f"{1000 * compare_views.seconds(view):.3g} ms a picture on this machine"
    )


def _laid(view: View, values: Floats, colour_map: str, scale: Scale) -> bytes:
    picture, box = overlay.close_up(view.picture, view.box, SIDE)
    return overlay.overlay(picture, values, box, colour_map=colour_map, scale=scale, opacity=0.6)
