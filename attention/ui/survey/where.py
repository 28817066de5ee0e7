"""Where the network looks: the mean map of each class beside the mean over all, and the pull of the centre."""

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from attention import survey
from attention.charts.surveys import maps
from attention.report import by_place
from attention.ui import parts
from attention.ui.survey.focus import Focus


def draw(focus: Focus) -> None:
    """The mean maps of the block that is selected."""
    gate = focus.spatial
    if gate is None:
        _say_none(focus)
        return
    average = survey.profiles.mean_over_classes(gate)
    by_class = gate.classes.mean[list(focus.classes)]
    finding = _finding(focus, average, by_class)
    close = survey.profiles.closeness((gate.shape[0], gate.shape[1]))
    names = focus.class_names
    shown = [maps.gate("all classes", average), *map(maps.gate, names, by_class)]
    figure = maps.side_by_side([*shown[:1], maps.closeness("closeness to the centre", close), *shown[1:]])
    st.markdown(f"##### {finding}")
    parts.chart(figure, key="maps", alt=finding)
    n = [
        f"{parts.literal(name)} n = {focus.held.counts[number]:,}"
        for name, number in zip(names, focus.classes, strict=True)
    ]
    st.caption(
        f"Mean gate of each place, 0 (dark) to 1 (bright), the least and the greatest above each map: "
        f"{'; '.join(n) or 'no class is chosen'}; all classes, each counted alike, n = {focus.held.result.pictures:,}. "
        "Grey is no measurement: 1 at the very centre, 0 in the corners."
    )
    if names:
        _draw_changes(focus, average, by_class)
    apart = {f"{name} − all": values for name, values in zip(names, by_class - average, strict=True)}
    means = dict(zip(names, by_class, strict=True))
    parts.data(maps=by_place({"all": average, "closeness to the centre": close, **means, **apart}))


def _say_none(focus: Focus) -> None:
    others = [focus.short[name] for name, place in focus.held.places.items() if place.spatial]
    if others:
        st.info(f"{focus.short[focus.block]} has no map; {', '.join(others)} have one.", icon=":material/info:")
    else:
        st.info(
            f"{parts.literal(focus.held.title)} has no gates that vary over places. Try a survey of cbam.",
            icon=":material/info:",
        )


def _finding(focus: Focus, average: NDArray[np.float64], by_class: NDArray[np.float64]) -> str:
    bias = float(survey.profiles.centre_bias(average))
    if not np.isfinite(bias):
        return f"{focus.short[focus.block]}: the mean map is the same at all places."
    said = f"{focus.short[focus.block]}: the mean map and the closeness to the centre correlate with r = {bias:+.2f}"
    pulls = survey.profiles.centre_bias(by_class)
    each = [
        f"{parts.literal(name)} {pull:+.2f}"
        for name, pull in zip(focus.class_names, pulls, strict=True)
        if np.isfinite(pull)
    ]
    return f"{said}{f' ({chr(44).join(each)})' if each else ''}.".replace(",", ", ")


def _draw_changes(focus: Focus, average: NDArray[np.float64], by_class: NDArray[np.float64]) -> None:
    apart = by_class - average
    reach = float(np.abs(apart).max()) or 1.0
    shown = [maps.change(f"{name} − all", values, reach) for name, values in zip(focus.class_names, apart, strict=True)]
    most = focus.class_names[int(np.abs(apart).max((1, 2)).argmax())]
    alt = f"The map of {most} differs most from the mean over all classes, by {reach:.3f}."
    parts.chart(maps.side_by_side(shown), key="changes", alt=alt, table="maps")
    st.caption(f"{parts.literal(alt)} All on one scale symmetric about 0: red more open than the mean, blue less.")
