"""The effects over many pictures: what is measured, over which pictures, how far that is, and what comes of it."""

import json
from collections.abc import Callable
from threading import Event
from typing import cast

import streamlit as st

from attention import interventions, many
from attention.charts import many as charts
from attention.numbers import amount
from attention.observe import Observation
from attention.store import Store
from attention.survey import PictureList
from attention.ui import jobs, widgets
from attention.ui.survey import loading

KEPT = {"trace": 2, "resume": 1, "heatmap": 4, "usual": 1, "network": 1, "tracer": 1, "attributor": 1}
"""Results that a job keeps for itself, so that its pictures do not push out those that others look at."""


def draw(observation: Observation) -> None:
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
    measured = jobs.result_of("many", key, _cost(pictures), work, counted=("picture", "pictures"))
    if measured is not None:
        _show(observation, measure, explained, measured)


def _cost(pictures: PictureList) -> str:
    return (
        f"{amount(len(pictures), 'picture')}, one after another. It runs on the server while you look at other pages."
    )


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
        for row in many.rows(own, pictures, measure, off=off, cancel=Event()):
            found.append(row)
            report(len(found), len(pictures))
        return found

    return work


def _show(observation: Observation, measure: many.Name, explained: str, measured: list[many.PictureRow]) -> None:
    found, left_out = many.concluded(measured), [row for row in measured if "error" in row]
    if not found:
        st.info(f"None of the pictures could be used; the first: {widgets.literal(left_out[0]['error'])}")
        return
    most = max(found, key=lambda row: abs(found[row].median))
    finding = f"{many.in_words(measure, most, found[most], observation.measure)}."
    finding = f"Over the pictures, {finding}"
    note = f" {interventions.WITHOUT}" if measure == "ablation" else ""
    widgets.show(charts.medians(found, explained + note, finding, len(left_out)))
    lines = "".join(json.dumps(row) + "\n" for row in measured)
    st.download_button("Every picture, JSON lines", lines, f"{measure}.jsonl", on_click="ignore", key="many_jsonl")
