"""Views of the gates of a survey: the role of excitation, selectivity and health by depth, maps, correct and wrong;
one channel, and the pictures that open it most and least.
"""

from collections.abc import Callable, Mapping
from zipfile import BadZipFile

import numpy as np
import streamlit as st

from attention import images, survey
from attention.charts import overlay, surveys
from attention.charts.chart import Chart, Columns
from attention.charts.surveys import Selection
from attention.foreign import readable
from attention.models import own, zoo
from attention.numbers import amount, fixed
from attention.survey import LoadedSurvey
from attention.survey.result import Exemplars, GateSurvey
from attention.survey.statistics import INDICES
from attention.ui import jobs, presenting, widgets
from attention.ui.survey import loading
from attention.ui.survey.selection import select, select_gate, toggle_class

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
        if (point := widgets.clicked("role")) and "customdata" in point:
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

    cost = f"{2 * len(images.samples())} forward passes compare the folded network with {widgets.literal(name)}."
    done = jobs.result_of("folding", (survey.key,), cost, work)
    if done is not None:
        st.markdown(widgets.literal(done[0]))
        st.download_button("Folded weights", done[1], f"{name}-folded.safetensors", on_click="ignore")


def draw_maps(selection: Selection) -> None:
    """Where the network looks: the mean maps of the block that is selected."""
    for chart in surveys.mean_maps(selection):
        widgets.show(chart)
    if selection.spatial is None:
        survey = selection.survey
        others = [survey.block_names[name] for name, each in survey.blocks.items() if each.spatial]
        widgets.info(f"{widgets.literal(selection.called)} has no map; {widgets.literal(', '.join(others))} have one.")


def draw_correctness(selection: Selection) -> None:
    """The gates of the pictures that the network names right, against those of the others."""
    charts = surveys.correctness(selection)

    def click() -> None:
        if (point := widgets.clicked("correctness_channels")) and "customdata" in point:
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


SIDE = 160
"""Longer side of a small picture, in pixels."""
AtHand = survey.PictureList | survey.LocatedPictures
NAMES_ONLY = (
    "By name only: the pictures of this survey are not at hand. The page shows them where whoever starts the server "
    "allows the folder that was surveyed, with `--data FOLDER`."
)
SAME = "All pictures of the survey are there with the same path, class and size; what is in the files is not compared."
ALIKE = "Only their names are those of the survey: the pictures may be others, or other copies of the same."

ROWS_ON_SCREEN = 6


def draw_channel(selection: Selection) -> None:
    """The channel that is selected."""
    gate, channel = selection.gate, selection.channel
    if gate is None or channel is None:
        widgets.info("This block has no gate by channel. “Where it looks” shows its map.")
        return
    widgets.say(widgets.literal(surveys.channel_headline(selection, gate, channel)), "headline", "header")
    _draw_exemplars(selection, gate, channel)
    widgets.data(exemplars=_exemplars(selection, gate, channel))
    left, right = st.container(key="stacked_channel").columns([2, 3], gap="large")

    def click() -> None:
        if point := widgets.clicked("channel_classes"):
            toggle_class(selection, int(point["customdata"][0]))

    with left:
        widgets.show(surveys.channel_values(gate, channel))
    if not len(selection.survey.distinct_classes):
        return
    with right:
        widgets.show(surveys.channel_classes(selection, gate, channel), on_select=click)
        st.caption("Click a dot to select its class.")


def _ends(gate: GateSurvey) -> dict[str, Exemplars]:
    both = {"Most open": gate.top, "Least open": gate.bottom}
    return {label: ends for label, ends in both.items() if ends is not None}


def _exemplars(selection: Selection, gate: GateSurvey, channel: int) -> Columns:
    """A row for each picture of either end."""
    ends = _ends(gate).items()
    numbers = [int(number) for _, each in ends for number in each.pictures[:, channel]]
    return {
        "end": [label for label, each in ends for _ in each.pictures],
        "gate": [float(value) for _, each in ends for value in each.values[:, channel]],
        "picture": [selection.survey.result.paths[number] for number in numbers],
    }


def _draw_exemplars(selection: Selection, gate: GateSurvey, channel: int) -> None:
    both_ends = _ends(gate)
    pictures = loading.pictures_at_hand(selection.survey)
    if pictures is None:
        st.caption(NAMES_ONLY)
        for column, (label, ends) in zip(st.columns(2, gap="large"), both_ends.items(), strict=False):
            with column:
                _draw_paths(selection, label, ends, channel)
    else:
        for label, ends in both_ends.items():
            _draw_pictures(selection, pictures, label, ends, channel)
        if isinstance(pictures, survey.LocatedPictures):
            name = widgets.literal(pictures.root.resolve().name)
            st.caption(f"From {name}. {SAME if pictures.same else ALIKE}")


def _draw_paths(selection: Selection, label: str, ends: Exemplars, channel: int) -> None:
    """By name alone: the pictures are not at hand."""
    most = ROWS_ON_SCREEN if presenting.is_bare() else None
    paths = [readable(selection.survey.result.paths[int(number)]) for number in ends.pictures[:most, channel]]
    values = ends.values[:most, channel]
    st.markdown(f"**{label}**")
    st.dataframe(
        {"gate": values, "picture": paths},
        hide_index=True,
        column_config={"gate": st.column_config.NumberColumn(format="%.3f", width=80)},
        alt=f"{label}: {paths[0]}, {fixed(values[0])}.",
    )


def _draw_pictures(selection: Selection, pictures: AtHand, label: str, ends: Exemplars, channel: int) -> None:
    st.markdown(f"**{label}**")
    numbers, values = ends.pictures[:, channel], ends.values[:, channel]
    for rank, (column, number, value) in enumerate(
        zip(st.columns(max(len(numbers), 6)), numbers, values, strict=False)  # fewer are no larger
    ):
        path = selection.survey.result.paths[int(number)]
        small = _thumbnail(selection.survey.key, str(pictures.root), int(number), pictures)
        if small is None:
            column.caption(f"{widgets.literal(path)} cannot be read any more: {fixed(value)}")
        else:
            with column:
                caption = fixed(value)
                widgets.show(Chart(f"{label} {rank}", small, f"{path}, gate {caption}.", caption))


@st.cache_data(max_entries=512, show_spinner=False)
def _thumbnail(key: str, where: str, number: int, _pictures: AtHand) -> bytes | None:
    """A picture of the survey, small, as JPEG; None where it is not there any more."""
    try:
        picture = images.read(_pictures.read(number))
    except (images.PictureError, OSError, BadZipFile, IndexError):
        return None
    picture.thumbnail((SIDE, SIDE))
    return overlay.jpeg(picture)
