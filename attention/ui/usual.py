"""This picture's gates against the usual ones, on a page: at once where that is cheap, else when asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from attention import images
from attention.analysis.usual import AgainstUsual, View
from attention.charts import usual
from attention.observe import Observation
from attention.ui import jobs, presenting, widgets

AT_ONCE = 30e9
"""Multiply-accumulates that a page spends on other pictures without being asked."""
Found = dict[View, AgainstUsual]
HABIT = "Much of a gate may be a habit, the same for any picture, a grey card included."


def _passes() -> int:
    return len(images.samples()) + 1


def find(observation: Observation, *, make: bool = False) -> Found:
    """Each view of the gates against the usual one; nothing where it is not known. `make` computes it, if cheap."""
    cheap = make and observation.inventory.network.macs * _passes() <= AT_ONCE
    return observation.against_usual if observation.has_usual_gates or cheap else {}


@contextmanager
def headline(observation: Observation, words: Callable[[Found], tuple[str, str]]) -> Iterator[None]:
    """The answer of a page and a sentence below it, from what is known; once the page stands, from what comes then."""

    def say(found: Found) -> None:
        answer, more = words(found)
        with place.container():
            widgets.say(widgets.literal(answer), "headline", "header")
            widgets.say(widgets.literal(more), "more")

    before = find(observation, make=presenting.is_on())  # a presented part keeps its place on the screen
    with widgets.answer() as place:
        say(before)
    yield
    if not before and (found := find(observation, make=True)):
        say(found)


def draw(observation: Observation, view: View, name: str) -> None:
    """The gate, the usual gate, the difference, and that of a grey card."""
    found = _find_or_offer(observation)
    if found is None:
        return
    if view in found:
        widgets.show(usual.chart(found[view], name, view[1]))
    else:
        st.info("The network applies this gate to too few of the samples to say what is usual.")


def draw_depth(observation: Observation) -> None:
    """How far all of them are from usual, from the first block to the last."""
    if found := _find_or_offer(observation):
        widgets.show(usual.through_depth(found, observation.names))


def _find_or_offer(observation: Observation) -> Found | None:
    """What is known, or comes of a job that the person starts."""
    if found := find(observation, make=True):
        return found
    cost = f"{HABIT} {_passes()} forward passes tell: the samples, and a grey card."

    def learn(report: jobs.Report) -> Found:
        observation.learn_usual(report)
        return observation.against_usual

    return jobs.result_of("usual", (observation.key,), cost, learn)
