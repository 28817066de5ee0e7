"""One network on two pictures, or on a picture and a changed copy: which gates moved, and how far."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st
from PIL import Image

from attention import analysis, changes
from attention.analysis.predictions import PredictionError
from attention.changes import STRENGTHS
from attention.charts import comparing, overlay
from attention.charts.chart import Chart, by_map
from attention.kinds import KINDS
from attention.numbers import amount, extent, fixed, number, small
from attention.observe import Observation, Picture
from attention.records import Floats, Gate
from attention.ui import widgets
from attention.ui.compare.tabs import YARDSTICK, choose_other

CHANGES = ("flip", *STRENGTHS, "patch")
SMALLEST = 5
"""Side of a patch, in % of the square that the network sees."""
PATCH = {
    "patch_x": ("Centre of the patch, % from the left", 0, 50),
    "patch_y": ("% from the top", 0, 50),
    "patch_wide": ("Its width, % of the square", SMALLEST, 30),
    "patch_high": ("Its height, % of the square", SMALLEST, 30),
}
"""What the sliders of the patch are called, where they begin, and where they stand at first."""
SECONDS = ("a changed copy", "another picture")
SHOWN = 3
"""Spatial gates that are drawn before and after, those that moved most."""


class Move(NamedTuple):
    """One gate for both pictures."""

    gate: Gate
    before: Floats
    after: Floats
    elsewhere: Floats
    """For a picture of something else."""

    @property
    def change(self) -> float:
        """Mean absolute change of its values."""
        return float(np.abs(self.after - self.before).mean())

    @property
    def yardstick(self) -> float:
        """The same for the picture of something else."""
        return float(np.abs(self.elsewhere - self.before).mean())


def draw(observation: Observation) -> None:
    """The two pictures with their predictions, then the gates, those that moved most first."""
    if not observation.blocks:
        widgets.no_gates(observation, "gates", "cbam")
        return
    answer = st.empty()
    kind = widgets.choose("Second picture", SECONDS, key="second_kind", look="row")
    copied, flipped = kind == SECONDS[0], False
    other = second = observation.of(choose_other(observation, YARDSTICK if copied else "The second picture"))
    if copied:
        change = widgets.choose("Change", CHANGES, key="change", look="row")
        second, flipped = observation.of(_changed_copy(observation, change)), change == "flip"
    moves = sorted(_moves(observation, second, other, mirrored=flipped), key=lambda move: -move.change)
    widgets.say(widgets.literal(_headline(observation, second, moves)), "headline", "header", answer)
    pictures, chart = st.columns([2, 5], gap="medium")
    with pictures:
        _draw_pictures(observation, second)
    with chart:
        _draw_moves(moves, other.picture.name if copied else "")
        st.caption(_how_compared(kind, flipped=flipped))
    _draw_spatial(observation, second, moves)


def _changed_copy(observation: Observation, change: str) -> Picture:
    """The changed copy, of the square that the network sees where a place is meant."""
    if change == "patch":
        return _patched_copy(observation)
    if change == "flip":
        return _copy(observation, changes.flip(observation.image), "mirrored")
    known = STRENGTHS[change]
    value = st.slider(
        known.label, known.low, known.high, known.usual, known.step, key=f"by_{change}", bind="query-params"
    )
    return _copy(observation, known.change(observation.image, value), f"{change} {number(value)}")


def _patched_copy(observation: Observation) -> Picture:
    """With a patch where the person draws a frame on what the network sees, or where the sliders say."""
    drawing, sliders = st.columns([2, 3], gap="medium")
    with sliders:
        x, y, wide, high = (
            st.slider(label, low, 100, usual, key=key, bind="query-params")
            for key, (label, low, usual) in PATCH.items()
        )
        st.caption("Draw a frame on the picture, or move the sliders: the patch hides what lies in it.")
    edges = (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)
    with drawing:
        alt = f"The square that the network sees, with a patch of {wide} by {high}% at {x}%, {y}%."
        figure = comparing.picture_with_frame(overlay.jpeg(observation.square), edges)
        widgets.show(Chart("patch", figure, alt), on_select=_take_frame, area=True)
    left, above, right, below = observation.box
    across, down = (right - left) / 100, (below - above) / 100
    box = (left + edges[0] * across, above + edges[1] * down, left + edges[2] * across, above + edges[3] * down)
    return _copy(observation, changes.patch(observation.image, box), f"patch of {wide} × {high}% at {x}%, {y}%")


def _take_frame() -> None:
    """A callback: the patch is the frame that was drawn."""
    if drawn := widgets.frame("patch"):
        for (low, high), centre, length in zip(
            drawn, ("patch_x", "patch_y"), ("patch_wide", "patch_high"), strict=True
        ):
            low, high = max(low, 0.0), min(high, 100.0)
            st.session_state[centre] = round((low + high) / 2)
            st.session_state[length] = max(round(high - low), SMALLEST)


def _copy(observation: Observation, image: Image.Image, what: str) -> Picture:
    return Picture(f"{observation.picture.name}, {what}", image, f"{observation.picture.key} {what}")


def _moves(observation: Observation, second: Observation, other: Observation, *, mirrored: bool) -> list[Move]:
    """How every gate moved; those that vary over the width are mirrored back for a mirrored picture."""
    after = {gate.name: gate for gate in second.trace.gates}
    elsewhere = {gate.name: gate for gate in other.trace.gates}
    found = []
    for gate in observation.trace.gates:
        values = after[gate.name].values[0]
        if mirrored and KINDS[gate.kind].along_width(gate.values.ndim):
            values = values[..., ::-1]
        found.append(Move(gate, gate.values[0], values, elsewhere[gate.name].values[0]))
    return found


def _headline(observation: Observation, second: Observation, moves: Sequence[Move]) -> str:
    most = f"The gate {_names(moves)[0]} moved most, by {fixed(moves[0].change)} on average"
    before, after = _guesses(observation)[:1], _guesses(second)[:1]
    if not before or not after:
        return f"{most}."
    (label, probability), (other, now) = *before, *after
    if label == other:
        return f"{most}; the prediction is still {label}, P {probability:.1%} before and {now:.1%} after."
    return f"{most}; {label} ({probability:.1%}) becomes {other} ({now:.1%})."


def _guesses(observation: Observation) -> list[tuple[str, float]]:
    """The two best; none where the network does not answer with a score for each class."""
    try:
        return [
            (label.partition(",")[0], share)
            for label, share in analysis.top(observation.probabilities, observation.labels, 2)
        ]
    except PredictionError:
        return []


def _draw_pictures(observation: Observation, second: Observation) -> None:
    for title, each in {"First": observation, "Second": second}.items():
        caption = f"{title}: {each.picture.name}"
        widgets.show(Chart(title, overlay.jpeg(each.square), f"{caption}.", caption))
        for label, probability in _guesses(each):
            st.progress(probability, f"{widgets.literal(label)} {probability:.1%}")


def _draw_moves(moves: Sequence[Move], other: str) -> None:
    names, shown = _names(moves), [move.change for move in moves]
    yardsticks = [move.yardstick for move in moves] if other else []
    more = sum(move.change > move.yardstick for move in moves)
    finding = f"The gate {names[0]} moved most, by {fixed(shown[0])}, {names[-1]} least, by {small(shown[-1])}."
    if other:
        finding += (
            f" {more} of {amount(len(moves), 'gate')} moved further than for “{other}”, a picture of something else."
        )
    st.markdown(widgets.literal(finding))
    figure = comparing.move_bars(names, shown, yardsticks, f"for “{other}”")
    caption = f"How far each gate moved, the most at the top{f'; grey, how far for “{other}”' * bool(other)}."
    widgets.show(Chart("moved", figure, finding, caption, numbers="moved"))
    table: dict[str, Sequence[object]] = {
        "gate": [move.gate.name for move in moves],
        "kind": [move.gate.kind for move in moves],
        "mean absolute change": shown,
    }
    widgets.data(moved={**table, f"mean absolute change for {other}": yardsticks} if other else table)


def _names(moves: Sequence[Move]) -> list[str]:
    return analysis.gate_titles([move.gate for move in moves])


def _how_compared(kind: str, *, flipped: bool) -> str:
    text = (
        "Change of a gate: the mean over its channels, or over its places, of the absolute difference; n = 1 picture. "
    )
    if kind == SECONDS[1]:
        return (
            text
            + "The two pictures' places do not correspond, so spatial gates are compared place by place as they lie."
        )
    if flipped:
        return text + "The spatial gates of the mirrored copy are mirrored back before they are compared."
    return text + "Spatial gates are compared place by place; a crop moves what was in a place to another."


def _draw_spatial(observation: Observation, second: Observation, moves: Sequence[Move]) -> None:
    spatial = [move for move in moves if KINDS[move.gate.kind].is_map][:SHOWN]
    if not spatial:
        return
    st.markdown("**The spatial gates that moved most, before and after**")
    names = dict(zip((move.gate.name for move in moves), _names(moves), strict=True))
    maps: dict[str, Floats] = {}
    for place, move in zip(st.columns(SHOWN), spatial, strict=False):
        with place.container(border=True):
            st.markdown(f"{widgets.literal(names[move.gate.name])}: {fixed(move.change)}")
            after = next(gate.values[0] for gate in second.trace.gates if gate.name == move.gate.name)
            maps |= {f"{move.gate.name} before": move.before, f"{move.gate.name} after": after}
            for side, each, values in zip(st.columns(2), (observation, second), (move.before, after), strict=True):
                _draw_map(side, each, values, name=names[move.gate.name])
    widgets.data(moved_maps=by_map(maps))


def _draw_map(place: st.delta_generator.DeltaGenerator, observation: Observation, values: Floats, *, name: str) -> None:
    picture, box = overlay.close_up(observation.image, observation.box, 320)
    span = extent(values)
    with place:
        laid = overlay.overlay(picture, values, box, colour_map="viridis", opacity=0.6)
        alt = f"Spatial gate {name} over {observation.picture.name}, {span}."
        widgets.show(Chart(f"{name} over {observation.key}", laid, alt, span, numbers="moved_maps"))
