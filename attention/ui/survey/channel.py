"""One channel: the pictures that open it most and least, its values, and what each class makes of it."""

from zipfile import BadZipFile

import numpy as np
import streamlit as st

from attention import images, survey
from attention.charts import overlay
from attention.charts import surveys as figures
from attention.charts.chart import Chart, Columns
from attention.survey.result import BINS, Exemplars, GateSurvey
from attention.ui import widgets
from attention.ui.survey import loading
from attention.ui.survey.selection import Selection, toggle_class

SIDE = 160
"""Longer side of a small picture, in pixels."""
AtHand = survey.PictureList | survey.LocatedPictures
NAMES_ONLY = (
    "By name only: the pictures of this survey are not at hand. The page shows them where whoever starts the server "
    "allows the folder that was surveyed, with `--data FOLDER`."
)
SAME = "All pictures of the survey are there with the same path, class and size; what is in the files is not compared."
ALIKE = "Only their names are those of the survey: the pictures may be others, or other copies of the same."
MOST_ROWS = 24
"""Classes that are drawn; of more, half of that number of the highest and of the lowest."""


def draw_channel(selection: Selection) -> None:
    """The channel that is selected."""
    gate, channel = selection.gate, selection.channel
    if gate is None or channel is None:
        st.info("This block has no gate by channel. “Where it looks” shows its map.", icon=":material/info:")
        return
    headline = _headline(selection, gate, channel)
    st.markdown(f"##### {headline}")
    _draw_exemplars(selection, gate, channel)
    left, right = st.columns([2, 3], gap="large")
    with left:
        counts = gate.histogram[channel]
        alt = f"Channel {channel}: {int(counts.sum()):,} pictures over 0 to 1, most in bin {int(counts.argmax())}."
        widgets.chart(figures.channel_histogram(counts), key="channel_values", alt=alt)
        low, high = gate.overall.minimum[channel], gate.overall.maximum[channel]
        st.caption(f"n = {int(gate.overall.count):,} pictures, from {low:.3f} to {high:.3f}.")
        edges = ["below 0", *(f"from {number / BINS:.2f}" for number in range(BINS)), "above 1"]
        widgets.data(channel_values={"gate": edges, "pictures": counts}, exemplars=_exemplars(selection, gate, channel))
    with right:
        _draw_classes(selection, gate, channel)


def _headline(selection: Selection, gate: GateSurvey, channel: int) -> str:
    mean, std = gate.overall.mean[channel], gate.overall.std[channel]
    sentence = f"Channel {channel} of {selection.block_name}: {mean:.3f} in the mean, with a deviation of {std:.3f}"
    means = gate.classes.mean[:, channel]
    if np.isfinite(means).sum() < 2:
        return f"{sentence}."
    high, low = int(np.nanargmax(means)), int(np.nanargmin(means))
    names = selection.survey.names
    return (
        f"{sentence}; most open for {widgets.literal(names[high])} ({means[high]:.3f}), least for "
        f"{widgets.literal(names[low])} ({means[low]:.3f})."
    )


def _draw_classes(selection: Selection, gate: GateSurvey, channel: int) -> None:
    usable = np.flatnonzero(selection.survey.counts)
    means = gate.classes.mean[:, channel]
    order = usable[np.argsort(-means[usable], kind="stable")]
    half = MOST_ROWS // 2
    shown = order if len(order) <= MOST_ROWS else np.concatenate([order[:half], order[-half:]])
    by_class = figures.ClassMeans(
        [selection.survey.names[number] for number in shown],
        means[shown],
        gate.classes.std[shown, channel],
        selection.survey.counts[shown],
    )
    figure = figures.class_dots(by_class, float(gate.overall.mean[channel]), selection.class_names)

    def click() -> None:
        point = widgets.clicked("channel_classes")
        if point:
            toggle_class(selection, point["customdata"][0])

    headline = _headline(selection, gate, channel)
    widgets.chart(figure, key="channel_classes", alt=headline, table="channel", on_select=click)
    left_out = (
        f"The {half} highest and the {half} lowest of {len(order):,} classes. " if len(shown) < len(order) else ""
    )
    st.caption(f"{left_out}Dashed: the mean over all pictures. In brackets n. Click a dot to select its class.")
    columns = {"mean": means[order], "std": gate.classes.std[order, channel], "n": selection.survey.counts[order]}
    widgets.data(channel={"class": [selection.survey.names[number] for number in order], **columns})


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
    paths = [selection.survey.result.paths[int(number)] for number in ends.pictures[:, channel]]
    values = ends.values[:, channel]
    st.markdown(f"**{label}**")
    st.dataframe(
        {"gate": values, "picture": paths},
        hide_index=True,
        column_config={"gate": st.column_config.NumberColumn(format="%.3f", width=80)},
        alt=f"{label}: {paths[0]}, {values[0]:.3f}.",
    )


def _draw_pictures(selection: Selection, pictures: AtHand, label: str, ends: Exemplars, channel: int) -> None:
    st.markdown(f"**{label}**")
    numbers, values = ends.pictures[:, channel], ends.values[:, channel]
    for rank, (column, number, value) in enumerate(
        zip(st.columns(max(len(numbers), 6)), numbers, values, strict=False)
    ):
        path = selection.survey.result.paths[int(number)]
        small = _small(selection.survey.key, str(pictures.root), int(number), pictures)
        if small is None:
            column.caption(f"{widgets.literal(path)} cannot be read any more: {value:.3f}")
        else:
            with column:
                caption = f"{value:.3f}"
                widgets.show(Chart(f"{label} {rank}", small, f"{path}, gate {caption}.", caption))


@st.cache_data(max_entries=512, show_spinner=False)
def _small(key: str, where: str, number: int, _pictures: AtHand) -> bytes | None:
    """A picture of the survey, small, as JPEG; None where it is not there any more."""
    try:
        picture = images.read(_pictures.read(number))
    except (images.PictureError, OSError, BadZipFile, IndexError):
        return None
    picture.thumbnail((SIDE, SIDE))
    return overlay.jpeg(picture)
