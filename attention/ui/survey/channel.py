"""One channel: the pictures that open it most and least, its values, and what each class makes of it."""

from zipfile import BadZipFile

import streamlit as st

from attention import images, survey
from attention.charts import overlay, surveys
from attention.charts.chart import Chart, Columns
from attention.charts.surveys import Selection
from attention.foreign import readable
from attention.numbers import fixed
from attention.survey.result import Exemplars, GateSurvey
from attention.ui import presenting, widgets
from attention.ui.survey import loading
from attention.ui.survey.selection import toggle_class

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
    if not len(selection.survey.told_apart):
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
        zip(st.columns(max(len(numbers), 6)), numbers, values, strict=False)
    ):
        path = selection.survey.result.paths[int(number)]
        small = _small(selection.survey.key, str(pictures.root), int(number), pictures)
        if small is None:
            column.caption(f"{widgets.literal(path)} cannot be read any more: {fixed(value)}")
        else:
            with column:
                caption = fixed(value)
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
