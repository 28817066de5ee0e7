"""What the edits change: probabilities, and the logit of one class beside what chance does to it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from attention import analysis, interventions
from attention.analysis import predictions
from attention.charts import interventions as figures
from attention.interventions import Edit, NullRange
from attention.observe import Observation
from attention.records import Floats, Trace
from attention.ui import widgets
from attention.ui.intervene import passes

TOP = 5
MOST_SEED = 9999


class Effect(NamedTuple):
    """The logits before and after the edits, (classes,), and the class that the page is about."""

    before: Floats
    after: Floats
    number: int
    label: str

    @property
    def change(self) -> float:
        """Of the logit of the class."""
        return float(self.after[self.number] - self.before[self.number])

    @property
    def nothing(self) -> bool:
        """Whether not one logit changed in a single bit."""
        return bool(np.array_equal(self.before, self.after))


def choose_class(observation: Observation) -> int:
    """The class that the page is about: the network's first guess, until another is chosen."""
    labels = observation.labels
    options = [f"{label} ({number})" for number, label in enumerate(labels)]
    first = int(observation.probabilities.argmax())
    hint = f"{labels[first]}, the first guess"
    asked = widgets.choose("Class", options, key="class", default=options[first], optional=True, placeholder=hint)
    return first if asked is None else options.index(asked)


def choose_seed() -> int:
    """Of all that is random on this page but shuffles."""
    return widgets.choose_number("Seed of the random edits", 0, MOST_SEED, 0, key="seed", width=200)


def effect(observation: Observation, trace: Trace, number: int) -> Effect:
    """Of an edited pass."""
    return Effect(observation.logits, predictions.scores(trace.output), number, observation.labels[number])


def draw_probabilities(observation: Observation, found: Effect) -> None:
    """The five most probable classes before and after, and the chosen one."""
    before, after = analysis.probabilities(found.before), analysis.probabilities(found.after)
    most = analysis.by_strength(np.maximum(before, after).astype(np.float32))[:TOP]
    shown = [int(number) for number in most]
    shown += [found.number] if found.number not in shown else []
    widgets.chart(
        figures.probabilities([observation.labels[one] for one in shown], before[shown], after[shown]),
        key="probabilities",
        alt=f"P({found.label}) {before[found.number]:.1%} before, {after[found.number]:.1%} after the edits.",
    )
    st.caption("Full bars after the edits, hollow ones before; the five classes that are or were the most probable.")
    columns = {"before": before[shown], "after": after[shown]}
    widgets.data(probabilities={"class": [observation.labels[one] for one in shown], **columns})


def say(observation: Observation, found: Effect, edits: Sequence[Edit]) -> None:
    """What the edits did, in one sentence, before chance is asked."""
    if not edits:
        st.subheader("Nothing is edited: choose what to do with a gate, and see what the network says.", anchor=False)
        return
    before, after = (analysis.probabilities(logits)[found.number] for logits in (found.before, found.after))
    if found.nothing:
        st.subheader("This edit changed nothing: every logit is the same to the last bit.", anchor=False)
        return
    guess = observation.labels[int(found.after.argmax())]
    turned = f", and its first guess is now {guess}" if int(found.after.argmax()) != int(found.before.argmax()) else ""
    st.subheader(
        f"P({widgets.literal(found.label)}) goes from {before:.1%} to {after:.1%}{widgets.literal(turned)}; "
        f"its logit moves by {found.change:+.3f}.",
        anchor=False,
    )


def draw_chance(observation: Observation, found: Effect, edits: Sequence[Edit], seed: int) -> None:
    """The change beside the same edit at random places; what can be said of it."""
    place = st.empty()
    draws: list[float] = []
    for some in passes.draws(observation, edits, seed):
        draws += some[:, found.number].tolist()
        place.progress(len(draws) / interventions.DRAWS, f"Random edits of the same size, {len(draws)} so far")
    with place.container():
        band = interventions.null_range(draws)
        finding = verdict(found, band)
        st.markdown(f":material/{'casino' if band.holds(found.change) else 'check_circle'}: {finding}")
        widgets.chart(figures.against_chance(found.change, draws), key="chance", alt=finding)
        st.caption(
            f"Diamond: these edits. Grey: {band.draws} draws of as many channels or cells at random, seed {seed}; an "
            "edit of a whole gate makes the same changes there, dealt to random places, whose values may leave 0 to "
            f"1. An edit without meaning lies outside all {band.draws} draws about once in ten times."
        )
        numbers = {"edit": ["these edits", *[f"draw {number}" for number in range(len(draws))]]}
        widgets.data(chance={**numbers, "change of the logit": [found.change, *draws]})


def verdict(found: Effect, band: NullRange) -> str:
    """What may be claimed."""
    chance = f"{band.draws} random edits of the same size move it by {band.low:+.3f} to {band.high:+.3f}"
    if found.nothing:
        return f"No effect: the logit of {found.label} stays where it was; {chance}."
    moved = f"The logit of {found.label} moves by {found.change:+.3f}; {chance}"
    if band.holds(found.change):
        return f"{moved}: no more than chance does, so nothing is claimed for these channels and places."
    return f"{moved}: outside what chance does, so it matters here which channels and places get which value."


def draw_later(observation: Observation, edits: Sequence[Edit]) -> None:
    """How far every gate of the pass moved, by hand or on its own."""
    after = passes.put_in_place(observation, edits, passes.edited(observation, edits))
    by_hand = {gate.name for edit in edits for gate in interventions.targets(edit, observation.trace.gates)}
    gates = observation.trace.gates
    moved = [float(np.abs(after[gate.name] - gate.values[0]).mean()) for gate in gates]
    names = analysis.short_names([gate.name for gate in gates])
    own = [number for number, gate in enumerate(gates) if gate.name not in by_hand]
    most = max(own, key=moved.__getitem__, default=None)
    finding = f"{sum(moved[number] > 0 for number in own)} of {len(own)} gates that nobody edited moved" + (
        f", most of all {names[most]}, by {moved[most]:.3f} on average." if most is not None else "."
    )
    st.markdown(finding)
    widgets.chart(figures.moved_gates(names, moved, [gate.name in by_hand for gate in gates]), key="later", alt=finding)
    st.caption(
        "Mean absolute change of the values of each gate, in depth order; orange gates were edited by hand, blue ones "
        "follow because their features changed. Gates before the first edit cannot move."
    )
    columns: dict[str, list[Any]] = {"gate": [gate.name for gate in gates], "mean absolute change": moved}
    columns["mean before"] = [float(gate.values.mean()) for gate in gates]
    columns["mean after"] = [float(after[gate.name].mean()) for gate in gates]
    widgets.data(later=columns)
