"""Views of the gates of a survey: the role of excitation, selectivity and health by depth, maps, correct and wrong."""

from collections.abc import Callable, Mapping

import numpy as np
import streamlit as st

from attention import images
from attention.charts import surveys
from attention.charts.surveys import Selection
from attention.models import own, zoo
from attention.numbers import amount
from attention.survey import LoadedSurvey
from attention.survey.statistics import INDICES
from attention.ui import jobs, presenting, widgets
from attention.ui.survey.selection import select, select_gate

SAMPLES = ["50", "200", "1000"]
SCALES = ["0 to 1", "Its own"]
FOLD = "python -m attention fold RESULT.parquet --out FOLDED.safetensors"


def missing(survey: LoadedSurvey) -> dict[str, str]:
    """The parts that a survey has nothing for, each with what it needs."""
    blocks, first = survey.blocks.values(), survey.gates[0]
    compared = (each.index for index in INDICES for each in survey.selectivity(index).values())
    known = amount(int(first.correct.count + first.wrong.count), "picture")
    by_channel, by_place = any(block.channel for block in blocks), any(block.spatial for block in blocks)
    needs = {
        "Role of excitation": (by_channel, "gates by channel"),
        "Selectivity by depth": (
            any(np.isfinite(index).any() for index in compared),
            "gates that vary, and a folder for each of two classes, with more pictures than classes",
        ),
        "One channel": (by_channel, "gates by channel"),
        "Where it looks": (by_place, "gates that vary over places, as those of cbam"),
        "Right and wrong": (
            bool(first.correct.count and first.wrong.count),
            f"pictures in folders named after the network's classes, some named right by it and some wrong (here "
            f"{known}, {first.wrong.count:,} wrong)",
        ),
    }
    return {part: need for part, (there, need) in needs.items() if not there}


def say_missing(missing: Mapping[str, str]) -> None:
    """What `missing` found, below the parts that are there."""
    if missing:
        st.caption("Left out here: " + "; ".join(f"“{part}” needs {need}" for part, need in missing.items()) + ".")


def draw_role(selection: Selection) -> None:
    """What each class makes of the channels, a panel for each stage."""
    few = presenting.is_bare()
    blocks = surveys.role_blocks(selection, few=few)
    settings, view = presenting.slots("role")
    with settings.container(horizontal=True, vertical_alignment="bottom"):
        most = int(widgets.choose("Channels, at most", SAMPLES, key="sampled", look="row"))
        own_scale = widgets.choose("Scale", SCALES, key="scale", look="row") == SCALES[1]
        band = st.toggle("One standard deviation", key="band", bind="query-params")

    def click() -> None:
        point = widgets.clicked("role")
        if point and "customdata" in point:
            panel, channel = point["customdata"]
            select(selection.survey, blocks[int(panel)], int(channel))

    with view:
        widgets.show(surveys.role(selection, most=most, own_scale=own_scale, band=band, few=few), on_select=click)
        st.caption("Click a point to select its channel.")


def draw_selectivity(selection: Selection) -> None:
    """How class-specific each gate is, and what that comes to with shuffled classes."""
    index = widgets.choose("Index", list(INDICES), key="index", look="row")
    chart = surveys.selectivity(selection, index)
    if chart is None:
        widgets.info("Here this index says nothing; another one does.")
        return
    widgets.show(chart, on_select=_select_gate_of(selection, chart.key))
    st.caption("Click the dot on a median to select its block.")
    with st.expander("How the index is defined", icon=":material/function:"):
        st.latex(INDICES[index].formula)
        st.markdown(INDICES[index].words)


def draw_health(selection: Selection) -> None:
    """What share of each gate is saturated, dead or constant, and how much it says."""
    widgets.show(surveys.health(selection, few=presenting.is_bare()), on_select=_select_gate_of(selection, "health"))
    st.caption("Click a bar to select its block.")
    box = st.expander("Fold the constant channels into the weights", key="folding", on_change="rerun")
    if box.open:
        with box:
            _draw_folding(selection)


def _draw_folding(selection: Selection) -> None:
    """The network without the gates' constant channels, where that is exact: what changes, and the file."""
    survey = selection.survey
    name = str(survey.result.provenance["network"]["name"])
    widgets.say(
        "A channel whose gate is the same for every picture needs no gate: its factor can stand in the convolution "
        "that reads the product alone, or in the norm before the gate, with the excitation's first weights divided by "
        "it. Which of the two a block allows is tried, and kept where it is exact.",
        "folding",
    )
    if survey.random or name not in own.names():
        st.info(f"Here it is offered for the networks that come with Gatescope; for others, `{FOLD}` does it.")
        return

    def work(report: jobs.Report) -> tuple[str, bytes]:
        from attention.interventions import folding

        network = zoo.load(name)
        survey.check_network(network.module, name)
        pictures = [network.transform(images.read(each.path.read_bytes()))[None] for each in images.samples()]
        report(0, 2 * len(pictures))
        folded, done = folding.fold(network.module, pictures[0], survey.constant_channels())
        return folding.in_words(done, folding.check(network.module, folded, pictures)), folding.as_file(folded)

    said = f"{2 * len(images.samples())} forward passes compare the folded network with {widgets.literal(name)}."
    done = jobs.result_of("folding", (survey.key,), said, work)
    if done is not None:
        st.markdown(widgets.literal(done[0]))
        st.download_button("Folded weights", done[1], f"{name}-folded.safetensors", on_click="ignore")


def draw_maps(selection: Selection) -> None:
    """Where the network looks: the mean maps of the block that is selected."""
    for chart in surveys.mean_maps(selection):
        widgets.show(chart)
    if selection.spatial is None:
        _say_no_map(selection)


def _say_no_map(selection: Selection) -> None:
    survey = selection.survey
    others = [survey.block_names[name] for name, each in survey.blocks.items() if each.spatial]
    widgets.info(f"{widgets.literal(selection.called)} has no map; {widgets.literal(', '.join(others))} have one.")


def draw_correctness(selection: Selection) -> None:
    """The gates of the pictures that the network names right, against those of the others."""
    charts = surveys.correctness(selection)

    def click() -> None:
        point = widgets.clicked("correctness_channels")
        if point and "customdata" in point:
            select(selection.survey, selection.block, int(point["customdata"]))

    for chart, on_select in zip(charts, (_select_gate_of(selection, "correctness"), click), strict=False):
        widgets.show(chart, on_select=on_select)
    st.caption("Click a bar to select its block, and a dot to select its channel.")


def _select_gate_of(selection: Selection, key: str) -> Callable[[], None]:
    """Goes to the gate at the x of the point that was clicked in the chart of this key."""

    def click() -> None:
        if point := widgets.clicked(key):
            select_gate(selection.survey, round(float(point["x"])))

    return click
