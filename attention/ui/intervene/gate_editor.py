"""The chosen gate, before and after the edits: to click, to draw a frame around, to paint."""

import plotly.graph_objects as go
import streamlit as st

from attention.charts import interventions as figures
from attention.charts import overlay
from attention.charts.chart import Chart, by_place
from attention.kinds import KINDS
from attention.numbers import amount, extent, fixed
from attention.records import Floats, Gate
from attention.ui import widgets
from attention.ui.intervene.controls import brush, chosen, set_places
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
        _draw_any(gate, after)


def _draw_channels(session: EditSession, gate: Gate, after: Floats) -> None:
    before = gate.values[0]
    order = figures.shown(before, chosen(session))

    def pick() -> None:
        numbers = tuple(sorted({int(order[number]) for number in widgets.selected("turned")}))
        if numbers and _settable(session):
            set_places(session, numbers, brush())

    many = (
        f" Drawn: the {len(order):,} that were most open before, and the chosen, of {amount(len(before), 'channel')}."
        if len(order) < len(before)
        else ""
    )
    chart = Chart(
        "turned",
        _to_pick(session, figures.channels(before, after, order, chosen(session))),
        f"The gate of {amount(len(before), 'channel')} after the edits, {extent(after)}; before, {extent(before)}.",
        f"Bars: after the edits, over all channels {extent(after)}; grey ticks: before, {extent(before)}.{many} "
        + (f"Channels that you pick are set to {fixed(brush())}." * _settable(session)),
        table={"channel": range(len(before)), "gate before": before, "gate after": after},
    )
    widgets.show(chart, on_select=pick, area=True)


def _draw_map(session: EditSession, gate: Gate, after: Floats) -> None:
    before = gate.values[0]
    height, width = after.shape
    cells = figures.patches((height, width))

    def paint() -> None:
        numbers = tuple(sorted({cell for number in widgets.selected("painted") for cell in cells[number]}))
        if numbers and _settable(session):
            set_places(session, numbers, brush())

    left, right = st.columns([3, 2], vertical_alignment="center")
    with left:
        alt = f"The map of {height} by {width} cells after the edits, {extent(after)}; before, {extent(before)}."
        figure = _to_pick(session, figures.map_to_paint(after, chosen(session)))
        widgets.show(Chart("painted", figure, alt, numbers="edited"), on_select=paint, area=True)
    with right:
        widgets.picture(
            overlay.overlay(
                session.observation.image, after, session.observation.box, colour_map="viridis", opacity=0.6
            ),
            key="edited_map",
            alt=f"The map after the edits on {session.observation.picture.name}.",
            caption=f"After the edits: {extent(after)}",
            table="edited",
        )
    side = figures.patch((height, width))
    cell = "Cells" if side == 1 else f"Patches of {side} × {side} cells"
    st.caption(
        f"After the edits {extent(after)}, before {extent(before)}. "
        + (f"{cell} that you pick are set to {fixed(brush())}." * _settable(session))
    )
    widgets.data(edited=by_place({"gate before": before, "gate after": after}))


def _draw_any(gate: Gate, after: Floats) -> None:
    """Gates of other kinds: in numbers."""
    widgets.info(
        f"This gate is of the kind “{gate.kind}”, which this page edits and does not draw: "
        f"{amount(after.size, 'value')}, after the edits {extent(after)} with the mean {fixed(after.mean())}; before "
        f"{extent(gate.values)} with the mean {fixed(gate.values.mean())}."
    )


def _to_pick(session: EditSession, figure: go.Figure) -> go.Figure:
    """The figure with the way to pick places in it that the person chooses, where they can be picked."""
    if not _settable(session):
        return figure
    drag = st.segmented_control("Pick by", list(PICKS), default=next(iter(PICKS)), required=True, key="pick")
    return figure.update_layout(dragmode=PICKS[drag])


def _settable(session: EditSession) -> bool:
    """Whether a click in the figure sets values: of one gate, where no other edit stands."""
    return len(session.gates) == 1 and (session.edit is None or session.edit.action == "set")
