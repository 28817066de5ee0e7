"""The role of excitation: what each class makes of the channels, stage by stage."""

import numpy as np
import streamlit as st

from attention import survey
from attention.charts.surveys import excitation
from attention.survey.result import GateSurvey
from attention.ui import parts, presenting
from attention.ui.survey import held
from attention.ui.survey.focus import Focus, select

MOST_PANELS = 8
SAMPLES = ["50", "200", "1000"]
SCALES = ["0 to 1", "Its own"]
SHARE = "Share between classes"


def draw(focus: Focus) -> None:
    """A panel for the last gate of each stage, and one for the block that is selected."""
    blocks = panels(focus)
    if not blocks:
        st.info("This network has no gates by channel. “Where it looks” shows its maps.", icon=":material/info:")
        return
    settings, view = presenting.places()
    with settings.container(horizontal=True, vertical_alignment="bottom"):
        most = int(_choose("Channels, at most", SAMPLES, "sampled"))
        own = _choose("Scale", SCALES, "scale") == SCALES[1]
        band = st.toggle("One standard deviation", key="band", bind="query-params")
    found = [_panel(focus, block, most) for block in blocks]

    def click() -> None:
        point = parts.clicked("role")
        if point and "customdata" in point:
            place, channel = point["customdata"]
            select(focus.held, blocks[int(place)], int(channel))

    finding = _finding(focus, blocks)
    figure = excitation.role(found, focus.class_names, band=band, own_scale=own)
    with view:
        st.markdown(f"##### {finding}")
        parts.chart(figure, key="role", alt=finding, on_select=click)
        st.caption(_caption(focus, blocks))
        _draw_data(focus, blocks, found)


def panels(focus: Focus) -> list[str]:
    """The blocks that are drawn, in depth order."""
    gates = {name: place.channel for name, place in focus.held.places.items() if place.channel}
    names = list(gates)
    wanted = {names[place] for place in survey.profiles.last_of_stages(list(gates.values()))[-MOST_PANELS:]}
    wanted |= {focus.block} & set(names)
    return [name for name in names if name in wanted]


def _choose(label: str, options: list[str], key: str) -> str:
    parts.note_link(key, options, f"a setting that there is not: here it is “{options[0]}”")
    return str(st.segmented_control(label, options, default=options[0], required=True, key=key, bind="query-params"))


def _gate(focus: Focus, block: str) -> GateSurvey:
    gate = focus.held.places[block].channel
    assert gate is not None
    return gate


def _panel(focus: Focus, block: str, most: int) -> excitation.Panel:
    gate = _gate(focus, block)
    channels = survey.profiles.sampled(gate.shape[0], most)
    classes = np.array(focus.classes, np.int64)
    return excitation.Panel(
        title=f"{focus.short[block]}, {len(channels)} of {gate.shape[0]:,} channels",
        channels=channels,
        means=gate.classes.mean[np.ix_(classes, channels)],
        deviations=gate.classes.std[np.ix_(classes, channels)],
        average=survey.profiles.mean_over_classes(gate)[channels],
        chosen=focus.channel if block == focus.block else None,
    )


def _finding(focus: Focus, blocks: list[str]) -> str:
    shares = []
    for block in blocks:
        index, shuffled = held.selectivity(focus.held.key, _gate(focus, block).name, SHARE, focus.held)
        if np.isfinite(index).any():
            shares.append((focus.short[block], float(np.nanmean(index)), float(np.nanmean(shuffled))))
    if not shares:
        return "There are not two classes with pictures here, so nothing can be said of classes."
    said = ", ".join(f"{index:.1%} in {name}" for name, index, _ in shares)
    chance = max(shuffled for *_, shuffled in shares)
    return (
        f"Of the variance over the pictures, so much lies between the classes: {said} (mean over the channels; at most "
        f"{chance:.2%} with shuffled classes)."
    )


def _caption(focus: Focus, blocks: list[str]) -> str:
    n = [f"{parts.literal(focus.held.names[number])} n = {focus.held.counts[number]:,}" for number in focus.classes]
    classes = int((focus.held.counts > 0).sum())
    return (
        f"Mean gate of the pictures of a class: {'; '.join(n) or 'no class is chosen'}; dashed the mean over all "
        f"{classes:,} classes, n = {focus.held.result.pictures:,}. Channels are spread evenly over all of a gate. The "
        "panels are the last block of each stage, a run of gates with equally many channels, and the selected block. "
        "The standard deviation is that within a class. After figure 5 of arXiv 1709.01507. Click a point to select it."
    )


def _draw_data(focus: Focus, blocks: list[str], found: list[excitation.Panel]) -> None:
    """A row for each class, channel and block of the figure."""
    rows: list[tuple[object, ...]] = []
    for block, panel in zip(blocks, found, strict=True):
        for number, name in enumerate(focus.class_names):
            values = zip(
                panel.channels.tolist(), panel.means[number].tolist(), panel.deviations[number].tolist(), strict=True
            )
            rows += [(block, name, *value) for value in values]
        rows += [
            (block, "all", channel, mean, None)
            for channel, mean in zip(panel.channels.tolist(), panel.average.tolist(), strict=True)
        ]
    names = ("block", "class", "channel", "mean", "std")
    parts.data(role=dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
