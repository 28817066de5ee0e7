"""What the edits change: probabilities, and the logit of one class beside what chance does; over many pictures too."""

import json
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any, NamedTuple, cast

import numpy as np
import streamlit as st

from attention import analysis, interventions, many
from attention.analysis import evidence, predictions
from attention.analysis.evidence import FEWEST_DRAWS, Test
from attention.charts import interventions as figures
from attention.charts.chart import Chart
from attention.interventions import ANY, Edit
from attention.interventions.edits import size_in_words
from attention.kinds import Action, unit_in_words
from attention.numbers import amount, fixed, p_value, signed
from attention.observe import Observation
from attention.records import Doubles, Floats, Outputs, Trace, non_defaults
from attention.report import Table
from attention.store import Store
from attention.survey import PictureList
from attention.ui import jobs, recorder, widgets
from attention.ui.intervene import passes
from attention.ui.survey import loading

DONE: dict[Action, str] = {
    "off": "switched off",
    "mean": "at their mean everywhere",
    "shuffle": "shuffled",
    "top": "shut but for the {count} most open",
    "top-off": "shut where the {count} most open are",
    "set": "set by hand ({points} of them)",
    "replace": "taken from other pictures",
    "invert": "inverted",
    "move": "moved",
}
"""What was done to gates."""
MOST_SEED = 9999


class Outcome(NamedTuple):
    """The logits before and after the edits, (classes,), and the class that the page is about."""

    before: Floats
    after: Floats
    number: int
    label: str
    outputs: Outputs
    """What the network returns."""

    @property
    def measure(self) -> str:
        """What the numbers of a class are called."""
        return predictions.MEASURE[self.outputs]

    @property
    def probabilities(self) -> tuple[Doubles, Doubles]:
        """The probability of every class, before and after."""
        return analysis.probabilities(self.before, self.outputs), analysis.probabilities(self.after, self.outputs)

    @property
    def change(self) -> float:
        """How far the logit of the class moves."""
        return float(self.after[self.number] - self.before[self.number])

    @property
    def unchanged(self) -> bool:
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
    """The seed of all that is random on this page but shuffles."""
    return widgets.choose_number("Seed of the random edits", 0, MOST_SEED, 0, key="seed", width=200)


def outcome_of(observation: Observation, trace: Trace, number: int) -> Outcome:
    """What an edited pass comes to."""
    outputs = observation.outputs
    after = predictions.logits(trace.output, outputs)[0]
    return Outcome(observation.logits, after, number, observation.labels[number], outputs)


def draw_probabilities(observation: Observation, outcome: Outcome) -> None:
    """The most probable classes before and after, and the chosen one."""
    before, after = outcome.probabilities
    most = analysis.by_strength(np.maximum(before, after).astype(np.float32))[: analysis.TOP_CLASSES]
    classes = [int(number) for number in most]
    classes += [outcome.number] if outcome.number not in classes else []
    figure = figures.probabilities([observation.labels[one] for one in classes], before[classes], after[classes])
    alt = f"P({outcome.label}) {before[outcome.number]:.1%} before, {after[outcome.number]:.1%} after the edits."
    caption = "Full bars after the edits, hollow ones before; the classes that are or were the most probable."
    widgets.show(Chart("probabilities", figure, alt, caption, numbers="probabilities"))
    columns = {"probability before": before[classes], "probability after": after[classes]}
    widgets.data(probabilities={"class": [observation.labels[one] for one in classes], **columns})


def headline(observation: Observation, outcome: Outcome, edits: Sequence[Edit], test: Test | None = None) -> str:
    """What the edits are and did and, once it is tested, whether it matters which value stands where; markdown."""
    if not edits:
        return "Nothing is edited: choose what to do with a gate, and see what the network says."
    what = f"With {widgets.literal(edits_in_words(edits, observation.names))}"
    before, after = (each[outcome.number] for each in outcome.probabilities)
    if outcome.unchanged:
        return f"{what}, nothing changes: every output is the same to the last bit."
    guess = observation.labels[int(outcome.after.argmax())]
    turned = int(outcome.after.argmax()) != int(outcome.before.argmax())
    now = f", and its first guess is now {guess}" if turned else ""
    effect = (
        f"{what}, P({widgets.literal(outcome.label)}) goes from {before:.1%} to {after:.1%}{widgets.literal(now)}; "
        f"its {outcome.measure} moves by {signed(outcome.change)}."
    )
    if test is None:
        return effect
    edited = (gate.kind for edit in edits for gate in interventions.targets(edit, observation.trace.gates))
    return f"{effect} {verdict(test, unit_in_words(edited))}"


def edits_in_words(edits: Sequence[Edit], names: Mapping[str, str]) -> str:
    """What is done to which gates; `names` are the short ones of blocks. Of several edits, only how many they are."""
    if len(edits) > 1:
        return amount(len(edits), "edit")
    (edit,) = edits
    kind = "gates" if edit.kind == ANY else f"{edit.kind} gates"
    where = size_in_words(edit.size) if edit.size else "all blocks"
    if edit.block:
        where = analysis.block_called(names.get(edit.block, edit.block))
    return f"the {kind} of {where} {DONE[edit.action].format(count=edit.count, points=len(edit.points))}"


def keep_for_report(edits: Sequence[Edit], names: Mapping[str, str]) -> None:
    """Let a report say what is edited, in words and as a file of edits does; `names` are the short ones of blocks."""
    columns = {
        "edit": [edits_in_words([edit], names) for edit in edits],
        "in a file of edits": [json.dumps(non_defaults(edit)) for edit in edits],
    }
    recorder.note(
        "edits",
        Table("edits", "What is edited; the blocks below are of the pass without edits", columns, open=True)
        if edits
        else None,
    )


def draw_evidence(observation: Observation, outcome: Outcome, edits: Sequence[Edit], seed: int) -> Test:
    """The change beside what the edits would change if it did not matter which value stands where."""
    place = st.empty()
    draws = np.empty(0)
    for null in passes.null_changes(observation, edits, outcome.after - outcome.before, seed):
        draws = null[:, outcome.number].astype(np.float64)
        place.progress(len(draws) / FEWEST_DRAWS, f"Random draws, {len(draws)} of {FEWEST_DRAWS}")
    (test,) = evidence.tests([outcome.change], [draws])
    by_chance = (
        "the same values elsewhere in the gate"
        if interventions.chooses_values(edits)
        else "what these edits change of a gate whose own values were dealt out anew"
    )
    numbers = ["these edits", *[f"draw {number}" for number in range(len(draws))]]
    with place.container():
        widgets.show(
            Chart(
                "chance",
                figures.against_chance(outcome.change, draws.tolist(), outcome.measure),
                f"{signed(outcome.change)}; 95% of {test.draws} draws lie from {signed(test.low)} to "
                f"{signed(test.high)}.",
                f"Diamond: these edits. Grey: {test.draws} draws by chance, for comparison: {by_chance}, at random; "
                "those of a map are moved together. If it did not matter which gets which, the diamond would lie among "
                f"them. 95% lie from {signed(test.low)} to "
                f"{signed(test.high)}; {p_value(test.p)}, two-sided, one test, seed {seed}.",
                table={"edit": numbers, f"change of the {outcome.measure}": [outcome.change, *draws]},
            )
        )
    return test


def verdict(test: Test, unit: str) -> str:
    """What may be claimed about which channel, or what else a value is for, gets which value, for this picture."""
    question = f"it matters which {unit} gets which value ({p_value(test.p_adjusted)})."
    if test.holds:
        return f"Here {question}"
    return f"That is the effect of the edit; there is no evidence that {question}"


def draw_later(observation: Observation, edits: Sequence[Edit]) -> None:
    """How far every gate of the pass moved, by hand or on its own."""
    if not edits:
        widgets.info("Nothing is edited, so that no gate moves.")
        return
    after = passes.applied_gates(observation, edits, passes.edited_trace(observation, edits))
    by_hand = {gate.name for edit in edits for gate in interventions.targets(edit, observation.trace.gates)}
    gates = observation.trace.gates
    changes = [float(np.abs(after[gate.name] - gate.values[0]).mean()) for gate in gates]
    names = analysis.gate_titles(gates)
    others = [number for number, gate in enumerate(gates) if gate.name not in by_hand]
    most = max(others, key=changes.__getitem__, default=None)
    finding = "No gate moved that nobody edited."
    if most is not None and changes[most]:
        moved = sum(changes[number] > 0 for number in others)
        finding = (
            f"{moved} of {amount(len(others), 'gate')} that nobody edited moved{', most of all' if moved > 1 else ':'} "
            f"{names[most]}, by {fixed(changes[most])} on average."
        )
    st.markdown(widgets.literal(finding))
    figure = figures.move_bars(names, changes, [gate.name in by_hand for gate in gates])
    caption = (
        "Mean absolute change of the values of each gate, in depth order; orange gates were edited by hand, blue ones "
        "follow because their features changed. Gates before the first edit cannot move."
    )
    widgets.show(Chart("later", figure, finding, caption, numbers="later"))
    columns: dict[str, list[Any]] = {"gate": [gate.name for gate in gates], "mean absolute change": changes}
    columns["mean before"] = [float(gate.values.mean()) for gate in gates]
    columns["mean after"] = [float(after[gate.name].mean()) for gate in gates]
    widgets.data(later=columns)


KEPT = {"trace": 2, "resume": 1, "heatmap": 4, "usual": 1, "network": 1, "tracer": 1, "attributor": 1}
"""Results that a job keeps for itself, so that its pictures do not push out those that others look at."""


def draw_over_pictures(observation: Observation) -> None:
    """One picture is an example: the same over the samples, uploaded pictures, or a folder that the server allows."""
    titles = {each.title: name for name, each in many.MEASURES.items()}
    measure = titles[widgets.choose("Measure", titles, key="measure", look="row")]
    off: many.Off = "neutral"
    if measure == "ablation":
        off = cast(many.Off, widgets.choose("Off means", ("neutral", "mean"), key="off_many", look="row"))
    explained = many.MEASURES[measure].explained.format(measure=observation.measure)
    widgets.say(explained, "measure")
    many.check(observation, measure)
    pictures = loading.choose_pictures("many")
    if pictures is None:
        return
    listed = (str(pictures.root), pictures.fingerprint)  # an upload has a folder of its own
    key = (observation.choice.key, observation.choice.outputs, measure, off, *listed)
    work = _work(observation, pictures, measure, off)
    count = amount(len(pictures), "picture")
    cost = f"{count}, one after another. It runs on the server while you look at other pages."
    measured = jobs.result_of("many", key, cost, work, counted=("picture", "pictures"))
    if measured is not None:
        _show(observation, measure, explained, measured)


def _work(
    observation: Observation, pictures: PictureList, measure: many.Name, off: many.Off
) -> Callable[[jobs.Report], list[many.PictureRow]]:
    """The job: it stops after the picture at hand."""
    network, first = observation.network, observation.picture

    def work(report: jobs.Report) -> list[many.PictureRow]:
        own = Observation(observation.choice, first, Store(KEPT))
        own.store.get("network", observation.choice.key, lambda: network)
        found: list[many.PictureRow] = []
        report(0, len(pictures))
        for row in many.measure_pictures(own, pictures, measure, off=off, cancel=Event()):
            found.append(row)
            report(len(found), len(pictures))
        return found

    return work


def _show(observation: Observation, measure: many.Name, explained: str, measured: list[many.PictureRow]) -> None:
    found, left_out = many.summarise(measured), [row for row in measured if "error" in row]
    if not found:
        st.info(f"None of the pictures could be used; the first: {widgets.literal(left_out[0]['error'])}")
        return
    most = max(found, key=lambda row: abs(found[row].median))
    finding = f"Over the pictures, {many.in_words(measure, most, found[most], observation.measure)}."
    note = f" {interventions.WITHOUT}" if measure == "ablation" else ""
    widgets.show(figures.medians(found, explained + note, finding, len(left_out)))
    lines = "".join(json.dumps(row) + "\n" for row in measured)
    st.download_button("Every picture, JSON lines", lines, f"{measure}.jsonl", on_click="ignore", key="many_jsonl")
