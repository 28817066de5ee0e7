"""The chosen gate before and after the edits, to click, to frame, to paint; and what the class depends on."""

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from attention import analysis
from attention.analysis import agreement
from attention.charts import interventions as figures
from attention.charts import overlay
from attention.charts.chart import Chart, by_place
from attention.charts.overlay import Scale
from attention.interventions import Edit
from attention.kinds import KINDS
from attention.numbers import amount, extent, fixed, number
from attention.observe import Observation
from attention.records import Floats, Gate, Heatmap
from attention.ui import widgets
from attention.ui.intervene import passes
from attention.ui.intervene.controls import brush_value, chosen_places, set_places
from attention.ui.intervene.effects import Outcome
from attention.ui.intervene.session import EditSession

PICKS = {"Click": None, "Frame": "select", "Loop": "lasso"}
"""How places are picked in a figure, and plotly's names for it."""


def draw(session: EditSession, after: Floats) -> None:
    """The gate of the block that is shown; `after` is what multiplies the features, without N."""
    gate = session.gate
    if KINDS[gate.kind].is_vector and after.ndim == 1:
        _draw_channels(session, gate, after)
    elif KINDS[gate.kind].is_map and after.ndim == 2:
        _draw_map(session, gate, after)
    else:
        _write_values(gate, after)


def _draw_channels(session: EditSession, gate: Gate, after: Floats) -> None:
    before = gate.values[0]
    order = figures.drawn_channels(before, chosen_places(session))

    def pick() -> None:
        _set_picked(session, {int(order[number]) for number in widgets.selected("turned")})

    left_out = (
        f" Drawn: the {len(order):,} that were most open before, and the chosen, of {amount(len(before), 'channel')}."
    ) * (len(order) < len(before))
    chart = Chart(
        "turned",
        _with_picking(session, figures.channels(before, after, order, chosen_places(session))),
        f"The gate of {amount(len(before), 'channel')} after the edits, {extent(after)}; before, {extent(before)}.",
        f"Bars: after the edits, over all channels {extent(after)}; grey ticks: before, {extent(before)}.{left_out} "
        + (f"Channels that you pick are set to {fixed(brush_value())}." * _can_set(session)),
        table={"channel": range(len(before)), "gate before": before, "gate after": after},
    )
    widgets.show(chart, on_select=pick, area=True)


def _draw_map(session: EditSession, gate: Gate, after: Floats) -> None:
    before = gate.values[0]
    height, width = after.shape
    cells = figures.patches((height, width))

    def paint() -> None:
        _set_picked(session, {cell for number in widgets.selected("painted") for cell in cells[number]})

    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        alt = f"The map of {height} by {width} cells after the edits, {extent(after)}; before, {extent(before)}."
        figure = _with_picking(session, figures.map_to_paint(after, chosen_places(session)))
        side = figures.patch((height, width))
        cell = "Cells" if side == 1 else f"Patches of {side} × {side} cells"
        caption = f"After the edits {extent(after)}, before {extent(before)}."
        caption += f" {cell} that you pick are set to {fixed(brush_value())}." * _can_set(session)
        widgets.show(Chart("painted", figure, alt, caption, numbers="edited"), on_select=paint, area=True)
    with right:
        observation = session.observation
        laid = overlay.overlay(observation.image, after, observation.box, colour_map="viridis", opacity=0.6)
        alt = f"The map after the edits on {observation.picture.name}."
        widgets.show(Chart("edited_map", laid, alt, f"After the edits: {extent(after)}", numbers="edited"))
    widgets.data(edited=by_place({"gate before": before, "gate after": after}))


def _write_values(gate: Gate, after: Floats) -> None:
    """Gates of other kinds: in numbers."""
    widgets.info(
        f"This gate is of the kind “{gate.kind}”, which this page edits and does not draw: "
        f"{amount(after.size, 'value')}, after the edits {extent(after)} with the mean {fixed(after.mean())}; before "
        f"{extent(gate.values)} with the mean {fixed(gate.values.mean())}."
    )


def _with_picking(session: EditSession, figure: go.Figure) -> go.Figure:
    """The figure with the way to pick places in it that the person chooses, where they can be picked."""
    if not _can_set(session):
        return figure
    drag = st.segmented_control("Pick by", list(PICKS), default=next(iter(PICKS)), required=True, key="pick")
    return figure.update_layout(dragmode=PICKS[drag])


def _set_picked(session: EditSession, places: set[int]) -> None:
    if places and _can_set(session):
        set_places(session, tuple(sorted(places)), brush_value())


def _can_set(session: EditSession) -> bool:
    """Whether a click in the figure sets values: of one gate, where no other edit stands."""
    return len(session.gates) == 1 and (session.edit is None or session.edit.action == "set")


SIDE = 720


def draw_heatmaps(observation: Observation, outcome: Outcome, edits: Sequence[Edit]) -> None:
    """Grad-CAM of the class that is asked about, at the last block, on one scale."""
    maps = [passes.heatmap(observation, [], outcome.number), passes.heatmap(observation, edits, outcome.number)]
    same = bool((maps[0].values == maps[1].values).all())
    scale = Scale(0.0, max(found.maximum for found in maps) or 1.0)  # or nothing in them speaks for the class
    widgets.say(widgets.literal(_finding(outcome.label, *maps, edited=bool(edits))), "heatmaps")
    titles = ("Before and after",) if same else ("Before", "After")
    for column, title, one in zip(st.columns(2), titles, maps, strict=False):
        with column:
            _draw_heatmap(observation, title, one, scale)
    where = widgets.literal(f"Grad-CAM of {outcome.label} at {maps[0].layer}")
    widgets.say(
        f"{where}, the last block with a map; colours run from 0 to {number(scale.high)}. It shows which places "
        "speak for this class, not what a gate does.",
        "layer",
        "caption",
    )
    widgets.data(heatmaps=by_place({"heatmap before": maps[0].values, "heatmap after": maps[1].values}))


def _draw_heatmap(observation: Observation, title: str, one: Heatmap, scale: Scale) -> None:
    picture, box = overlay.close_up(*observation.view, SIDE)
    span = f"{number(one.minimum)} to {number(one.maximum)}"
    laid = overlay.overlay(picture, one.values, box, colour_map="inferno", scale=scale, opacity=0.6)
    alt = f"{title} the edits, the class depends most on the {analysis.map_stats(one.values).place}; values {span}."
    widgets.show(Chart(f"heatmap_{title}", laid, alt, f"{title}: {span}", numbers="heatmaps"))
    if not one.maximum:
        st.caption(":material/block: Nothing in this map speaks for the class.")


def _finding(label: str, before: Heatmap, after: Heatmap, *, edited: bool) -> str:
    if not before.maximum and not after.maximum:
        when = ", before the edits or after them" * edited
        return f"Nothing in the map speaks for {label}{when}: there is no place to name."
    if not edited:
        return f"Nothing is edited: this is the map of {label} as it is."
    if (before.values == after.values).all():
        return f"The edits leave the map of {label} as it was."
    alike = agreement.agreement(before.values, after.values)
    ranks = (
        "cannot be ranked, since one map is the same everywhere"
        if alike.correlation is None
        else f"rank the places alike by {fixed(alike.correlation, 2)} (1: in the same order; a rank correlation)"
    )
    return (
        f"The maps of {label} before and after {ranks}; of the fifth of the picture that matters most, "
        f"{alike.overlap:.0%} is the same (by chance {agreement.TOP:.0%})."
    )
