"""What the class depends on, before and after the edits."""

from collections.abc import Sequence

import streamlit as st

from attention import analysis
from attention.analysis import agreement
from attention.charts import overlay
from attention.charts.chart import by_place
from attention.charts.overlay import Scale
from attention.interventions import Edit
from attention.numbers import fixed, number
from attention.observe import Observation
from attention.records import Heatmap
from attention.ui import widgets
from attention.ui.intervene import passes
from attention.ui.intervene.effects import Outcome

SIDE = 720


def draw(observation: Observation, outcome: Outcome, edits: Sequence[Edit]) -> None:
    """Grad-CAM of the class that is asked about, at the last block, on one scale."""
    maps = [passes.heatmap(observation, [], outcome.number), passes.heatmap(observation, edits, outcome.number)]
    same = bool((maps[0].values == maps[1].values).all())
    scale = Scale(0.0, max(found.maximum for found in maps) or 1.0)
    widgets.say(widgets.literal(_finding(outcome.label, *maps, edited=bool(edits))), "heatmaps")
    titles = ("Before and after",) if same else ("Before", "After")
    for column, title, one in zip(st.columns(2), titles, maps, strict=False):
        with column:
            _draw_map(observation, title, one, scale)
    where = widgets.literal(f"Grad-CAM of {outcome.label} at {maps[0].layer}")
    widgets.say(
        f"{where}, the last block with a map; colours run from 0 to {number(scale.high)}. It shows which places "
        "speak for this class, not what a gate does.",
        "layer",
        "caption",
    )
    widgets.data(heatmaps=by_place({"heatmap before": maps[0].values, "heatmap after": maps[1].values}))


def _draw_map(observation: Observation, title: str, one: Heatmap, scale: Scale) -> None:
    picture, box = overlay.close_up(*observation.view, SIDE)
    span = f"{number(one.minimum)} to {number(one.maximum)}"
    widgets.picture(
        overlay.overlay(picture, one.values, box, colour_map="inferno", scale=scale, opacity=0.6),
        key=f"heatmap_{title}",
        alt=f"{title} the edits, the class depends most on the {analysis.look(one.values).place}; values {span}.",
        caption=f"{title}: {span}",
        table="heatmaps",
    )
    if not one.maximum:
        st.caption(":material/block: Nothing in this map speaks for the class.")


def _finding(label: str, before: Heatmap, after: Heatmap, *, edited: bool) -> str:
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
