"""Each block switched off in turn, over one picture or several."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from attention import analysis, interventions, kinds
from attention.analysis import evidence, excitation
from attention.analysis.evidence import OverPictures, Test, draws_for
from attention.charts import interventions as figures
from attention.charts.chart import Chart
from attention.interventions import Edit, Effect
from attention.numbers import amount, fixed, signed
from attention.observe import Observation
from attention.records import Floats, Gate
from attention.ui import frame, jobs, widgets
from attention.ui.intervene import controls, passes

OFF_HELP = (
    "What the gates of a block that is off are put to. Neutral: as if they were not there. Mean: their mean over all "
    "pictures at hand. Resample: those of another picture."
)
MOST_SAID = 3
"""Blocks whose effects are said in the sentence; the table has all."""


def draw(observation: Observation, number: int, seed: int) -> None:
    """The curve, and beside it networks that were trained without their gates."""
    left, right = st.container(key="stacked_blocks").columns([3, 1], gap="large")
    with left:
        observations = _choose_pictures(observation)
        classes = [number if other is observation else int(other.probabilities.argmax()) for other in observations]
        _draw_curve(observations, classes, _choose_off(observation), seed)
    with right:
        _draw_published()


def finding(names: Sequence[str], tests: Sequence[Test], unit: str, measure: str = "logit") -> str:
    """Which block does most, and in how many it matters which channel, or what else one is for, gets which value."""
    most = max(range(len(tests)), key=lambda number: abs(tests[number].observed))
    holding = [name for name, test in zip(names, tests, strict=True) if test.holds]
    which = f": {', '.join(holding)}" if holding else ""
    return (
        f"Without {analysis.block_called(names[most])} the {measure} moves the most, by "
        f"{signed(tests[most].observed)}. In {len(holding)} of {len(names)} blocks there is evidence that it "
        f"matters which {unit} gets which value{which}."
    )


def _unit(observation: Observation) -> str:
    return kinds.unit_in_words(gate.kind for gate in observation.trace.gates)


def _choose_pictures(observation: Observation) -> list[Observation]:
    others = frame.other_pictures(observation)
    st.session_state.along = [name for name in st.session_state.get("along", []) if name in others]
    chosen = st.multiselect("Over further pictures", others, key="along", placeholder="this picture alone")
    return [observation, *(observation.of(frame.named_picture(name)) for name in chosen)]


def _choose_off(observation: Observation) -> tuple[str, ...]:
    """The pictures whose gates stand in for those of a block that is off; none where these are neutral."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        meaning = widgets.choose("Off means", interventions.OFF, key="off", look="row", help=OFF_HELP)
        if meaning == "resample":
            return (widgets.choose("The gates of", frame.other_pictures(observation), key="from"),)
    if meaning == "mean":
        return tuple(frame.pictures())
    _say_neutral(observation.trace.gates)
    return ()


def _say_neutral(gates: Sequence[Gate]) -> None:
    """What the gates are put to, where that is not 1 for all."""
    if any(analysis.neutral_value(gate, gates) != 1 for gate in gates):
        widgets.say(controls.neutral_in_words(gates, gates), "neutral of all", "caption")


def _draw_curve(
    observations: Sequence[Observation], classes: Sequence[int], pictures: tuple[str, ...], seed: int
) -> None:
    blocks = [block.name for block in observations[0].blocks]
    names, draws = list(observations[0].names.values()), draws_for(len(blocks))
    edits = [interventions.block_off(block, pictures) for block in blocks]
    values = passes.given_gates(observations[0], [Edit("replace", pictures=pictures)]) if pictures else {}
    with st.spinner("Switching off one block after another"):  # the effects alone: chance is asked about below
        effects = [
            [passes.block_off(each, edit, values, seed=seed, draws=0) for each in observations] for edit in edits
        ]
    widgets.say(_say_effects(names, [row[0] for row in effects], classes[0], observations[0].measure), "effects")
    place = st.empty()
    number = (draws + 1) * len(blocks) * len(observations)
    question = f"**Does it matter which {_unit(observations[0])} gets which value?**"
    key = (seed, draws, pictures, *(each.key for each in observations))

    def measure(report: jobs.Report) -> list[list[Effect]]:
        each_one = draws + 1

        def one(place: int, edit: Edit, of: Observation) -> Effect:
            def follow(done: int) -> None:
                report(place * each_one + done, number)

            follow(0)
            return passes.block_off(of, edit, values, seed=seed, draws=draws, follow=follow)

        places = itertools.count()
        return [[one(next(places), edit, each) for each in observations] for edit in edits]

    measured = jobs.result_of(
        "blocks", key, f"{question} {amount(number, 'pass', 'passes')}, {draws} random draws a block.", measure
    )
    null = None
    if measured is not None:
        null = [np.mean(_logits_of_classes([one.null.T for one in row], classes), axis=0) for row in measured]
    with place.container():
        widgets.show(_chart(observations, classes, effects, null, pictures, seed))


def _chart(
    observations: Sequence[Observation],
    classes: Sequence[int],
    effects: Sequence[Sequence[Effect]],
    null: Sequence[Floats] | None,
    pictures: Sequence[str],
    seed: int,
) -> Chart:
    """Each block off by the gates of these pictures, and, once they are drawn with the seed, what chance does."""
    blocks = [row[0].name for row in effects]
    names, label = list(observations[0].names.values()), observations[0].labels[classes[0]]
    count = len(observations)
    measure = observations[0].measure
    changes = np.array([_logits_of_classes([one.change for one in row], classes) for row in effects])
    tests = None if null is None else evidence.tests(changes.mean(1).tolist(), null)
    others = f" here and of the first guess for the others, mean of n = {count} pictures (ticks)" * (count > 1)
    caption = (
        f"{interventions.WITHOUT} Diamonds: the change of the {measure} of {label}{others or ', for this picture'}, "
        f"when all gates of that block are put to {interventions.off_in_words(pictures)}."
    )
    probabilities = [row[0].probability(classes[0]) for row in effects]
    change = f"change of the {measure}"
    table: dict[str, Any] = {"block": blocks, change: changes.mean(1)}
    table |= {f"{change} for {each.picture.name}": one for each, one in zip(observations, changes.T, strict=True)}
    for when, side in (("before", 0), ("after", 1)):
        table[f"probability of {label} {when}"] = [each[side] for each in probabilities]
    if tests:
        caption += (
            f" Grey: the middle 95% of {tests[0].draws} draws in which the gate's values are dealt out anew, seed "
            f"{seed}. Full where p, two-sided and with Holm's correction over the {amount(len(blocks), 'block')}, is "
            f"at most {evidence.LEVEL}."
        )
        columns = {"low": "low by chance", "high": "high by chance", "p": "p", "p_adjusted": "p, adjusted"}
        table |= {name: [getattr(test, key) for test in tests] for key, name in columns.items()}
    headline = finding(names, tests, _unit(observations[0]), measure) if tests else ""
    if count > 1:
        found = [evidence.over_pictures(row) for row in changes]
        headline = f"{_over_pictures_in_words(names, found, measure)} {headline}".strip()
        caption += f" In brackets {evidence.INTERVAL}."
        for name in ("median", "low", "high", "alike"):
            table[f"{name} over the pictures"] = [getattr(each, name) for each in found]
    figure = figures.turns(names, changes, tests, measure)
    alt = headline or f"The change of the {measure} of {label} without each of {amount(len(blocks), 'block')}."
    return Chart("turns", figure, alt, caption, headline, table)


def _over_pictures_in_words(names: Sequence[str], found: Sequence[OverPictures], measure: str) -> str:
    """The block whose absence moves the most over the pictures, in the median."""
    most = max(range(len(found)), key=lambda number: abs(found[number].median))
    one = found[most]
    return (
        f"Over n = {amount(one.count, 'picture')}, without {analysis.block_called(names[most])} the {measure} moves by "
        f"{signed(one.median)} in the median ({one.interval}), with the same sign in {one.alike} of {one.count}."
    )


def _logits_of_classes(values: Sequence[Floats], classes: Sequence[int]) -> list[Floats]:
    """From each picture's logits those of its class."""
    return [each[number] for each, number in zip(values, classes, strict=True)]


def _say_effects(names: Sequence[str], effects: Sequence[Effect], label: int, measure: str) -> str:
    """The blocks whose absence moves the probability here the most, from and to, as far as that can be read; and the
    one that moves the measure of the figure the most, where that is another."""
    called = [widgets.literal(name) for name in names]
    pairs = [effect.probability(label) for effect in effects]
    written = [(f"{before:.1%}", f"{after:.1%}") for before, after in pairs]
    moved = [block for block, (before, after) in enumerate(written) if before != after]
    most = sorted(moved, key=lambda block: -abs(pairs[block][1] - pairs[block][0]))[:MOST_SAID]
    effects_in_words = "; ".join(f"without block **{called[block]}**: {' → '.join(written[block])}" for block in most)
    changes = [float(effect.change[label]) for effect in effects]
    far = max(range(len(names)), key=lambda block: abs(changes[block]))
    other = f" The {measure} moves most without block **{called[far]}**, by {signed(changes[far])}."
    if not most:
        return f"Whichever block is off, the probability stays {written[0][0]}." + other * bool(changes[far])
    return f"The probability moves most {effects_in_words}." + other * (far != most[0])


def _draw_published() -> None:
    st.markdown("**Trained without, as published**")
    rows = [(one.gates, f"{fixed(one.top1, 2)}%") for one in excitation.SE_BY_STAGE]
    widgets.say(widgets.as_table(("SE gates in", "top-1 error"), rows), "published")
    st.caption(
        f"{excitation.SE_SOURCE}, on ImageNet. These networks learned to do without; the one of the curve did not, and "
        "misses a gate that its other layers count on. The two are not to be compared number by number."
    )
