"""Where a spatial gate lets features through: the map on the picture."""

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from attention import analysis
from attention.analysis import Block
from attention.charts import overlay, spatial
from attention.charts.colours import SPATIAL_GATE
from attention.charts.overlay import UNIT, Scale, own_range
from attention.observe import Observation
from attention.records import Floats, Gate
from attention.report import by_map, by_place
from attention.ui import cbam_steps, parts
from attention.ui.cbam_steps import say_fallback, spatial_gate
from attention.ui.gates import say_notes

COLOUR_MAPS = ("viridis", "cividis", "magma", "grey")
SCALES = ("0 to 1", "own range")
HEIGHT = 600
"""Of the picture, in pixels, where its place is wide enough: what stays above the fold of a projected page."""
FRAME_SIDE = 360
"""Of a picture in the filmstrip, in pixels."""
ACROSS = 4


class Style(NamedTuple):
    """How maps are coloured."""

    colour_map: str
    own: bool

    def scale(self, values: Floats) -> Scale:
        """The values that the ends of the colour map stand for."""
        return own_range(values) if self.own else UNIT


def choose_block(blocks: Sequence[Block]) -> Block:
    """The depth strip, coloured by the mean of each block's spatial gate."""
    by_name = {block.name: block for block in blocks}
    say_fallback("block", by_name.__contains__, f"{blocks[0].name} to {blocks[-1].name}")
    means = [float(_shown(block)[0].values.mean()) for block in blocks]
    return by_name[parts.depth_strip(list(by_name), means, label="Mean of the spatial gate", colours=SPATIAL_GATE)]


def answer(block: Block, name: str) -> str:
    """What the block's spatial gate does to this picture, in one or two sentences; `name` is what it is called."""
    if sides := analysis.profiles(block):
        passed = " and ".join(f"{_range(gate)} along the {side}" for side, gate in sides.items())
        return f"{name} passes {passed}, on average over its channels."
    found = analysis.look(spatial_gate(block).values[0])
    numbers = f"passes {found.minimum:.2f} to {found.maximum:.2f} of the features, {found.mean:.2f} on average"
    if found.nearly_constant:
        return f"{name} {numbers}. This map is nearly constant: it says little about the picture."
    return f"{name} looks most at the {found.place}: from place to place it {numbers}."


def say_health(observation: Observation, block: Block) -> None:
    """Said where the gate is of another kind, and where it did little over the validation pictures."""
    for gate in _shown(block):
        say_notes(observation, gate)
    over = f"over the {observation.card.validation_pictures:,} validation pictures"
    for health in observation.card.gate_health:
        if health.name not in [gate.name for gate in _shown(block)]:
            continue
        if analysis.hardly_varies(health):
            st.warning(
                f"This gate hardly changes from picture to picture: {over}, a place has a standard deviation of "
                f"{parts.small(health.deviation)}.",
                icon=":material/info:",
            )
        if analysis.saturates(health):
            st.warning(
                f"Most values of this gate are saturated {over}: {health.low:.0%} are below 0.05, {health.high:.0%} "
                "of 0.95 and above.",
                icon=":material/info:",
            )


@st.fragment
def look(observation: Observation, block: Block) -> None:
    """The map on the picture, and below it, in tabs, what explains it; of a block without a map, its profiles."""
    if profiles := analysis.profiles(block):
        _draw_profiles(profiles)
        return
    place, side = st.columns([5, 3], gap="medium")
    with side:
        style = _choose_style()
        _draw_legend(spatial_gate(block).values[0], style)
    with place:
        _draw_overlay(observation, block, style)
    parts.tabs(
        "tab",
        {
            "How the map came about": lambda: cbam_steps.draw_derivation(observation, block),
            "Channel attention": lambda: cbam_steps.draw_channel(observation, block),
            "Through depth": lambda: _draw_film(observation, block, style),
            "Before and after": lambda: cbam_steps.draw_features(observation, block),
            "Code": cbam_steps.draw_code,
        },
    )


def _draw_profiles(profiles: dict[str, Gate]) -> None:
    for place, (side, gate) in zip(st.columns(len(profiles), gap="medium"), profiles.items(), strict=True):
        with place:
            parts.chart(
                spatial.profile(gate.values[0], side),
                key=f"profile_{side}",
                alt=f"The gate along the {side}, {gate.values.shape[1]} values from {_range(gate)}.",
                table="profiles",
            )
            st.caption(f"Along the {side}, {_range(gate)}: the average over the channels. Bars are drawn from 0.")
    st.markdown(
        "This block weighs rows and columns apart, so it has no map, no pooled maps and no kernel. Each row and each "
        "column passes its share of the features."
    )
    numbers = {side: gate.values[0].tolist() for side, gate in profiles.items()}
    longest = max(map(len, numbers.values()))
    columns = {side: values + [None] * (longest - len(values)) for side, values in numbers.items()}
    parts.data(profiles={"position": range(longest), **columns})


@st.fragment
def _draw_overlay(observation: Observation, block: Block, style: Style) -> None:
    gate = spatial_gate(block)
    values, name = gate.values[0], observation.names[block.name]
    slot = st.container(width=round(HEIGHT * observation.image.width / observation.image.height))
    say_fallback("opacity", _is_share, "0 to 1")
    opacity = st.slider("Opacity of the map", 0.0, 1.0, 0.5, 0.05, key="opacity", bind="query-params")
    drawn = overlay.overlay(
        observation.image,
        values,
        observation.box,
        colour_map=style.colour_map,
        scale=style.scale(values),
        opacity=opacity,
    )
    with slot:
        parts.picture(
            drawn,
            key="map_over_picture",
            alt=f"{answer(block, name)} The map lies on {observation.picture.name}, over the square that the network "
            "sees.",
            caption=f"{name}, {_range(gate)}: {_size(values)} places over the square that the network sees. "
            "What is dimmed it does not see.",
            table="spatial_gate",
        )


def _choose_style() -> Style:
    say_fallback("colours", COLOUR_MAPS.__contains__, ", ".join(COLOUR_MAPS))
    colour_map = st.segmented_control(
        "Colours", COLOUR_MAPS, default=COLOUR_MAPS[0], required=True, key="colours", bind="query-params"
    )
    say_fallback("scale", SCALES.__contains__, " or ".join(SCALES))
    scale = st.segmented_control("Scale", SCALES, default=SCALES[0], required=True, key="scale", bind="query-params")
    return Style(colour_map, scale == SCALES[1])


def _draw_legend(values: Floats, style: Style) -> None:
    found = analysis.look(values)
    numbers = {"Minimum": found.minimum, "Mean": found.mean, "Maximum": found.maximum}
    for place, (name, number) in zip(st.columns(3), numbers.items(), strict=True):
        place.metric(name, f"{number:.2f}")
    parts.chart(
        spatial.histogram(values, style.colour_map, style.scale(values)),
        key="legend",
        alt=f"Colour bar with the distribution of the {values.size} gate values: {found.minimum:.2f} to "
        f"{found.maximum:.2f}, mean {found.mean:.2f}.",
        table="spatial_gate",
    )
    st.caption("Gate value of a place: 1 passes its features unchanged, 0 shuts them off.")
    parts.data(spatial_gate=by_place({"gate": values}))


def _draw_film(observation: Observation, block: Block, style: Style) -> None:
    blocks = [other for other in observation.blocks if analysis.spatial_view(other)]
    scale = "each on its own range" if style.own else "all on the scale 0 to 1"
    st.markdown(f"The {len(blocks)} spatial gates from the first block to the last, {scale}.")
    picture, box = overlay.close_up(observation.image, observation.box, FRAME_SIDE)
    for start in range(0, len(blocks), ACROSS):
        for place, other in zip(st.columns(ACROSS), blocks[start : start + ACROSS], strict=False):
            gate = spatial_gate(other)
            values = gate.values[0]
            drawn = overlay.overlay(picture, values, box, colour_map=style.colour_map, scale=style.scale(values))
            with place:
                caption = f"{_size(values)}, {_range(gate)}"
                alt = answer(other, observation.names[other.name])
                parts.picture(drawn, key=f"film_map_{other.name}", alt=alt, caption=caption, table="film")
            _offer_block(place, other.name, observation.names[other.name], chosen=other.name == block.name)
    parts.data(film=by_map({other.name: spatial_gate(other).values[0] for other in blocks}))


def _offer_block(place: DeltaGenerator, block: str, name: str, *, chosen: bool) -> None:
    def go_to() -> None:
        st.session_state.block = block

    label = f"{name}, shown above" if chosen else f"Open {name}"
    if place.button(label, key=f"film_{block}", on_click=go_to, disabled=chosen, width="stretch"):
        st.rerun()


def _shown(block: Block) -> list[Gate]:
    """What the page shows of a block: its map, or its profiles along the height and the width."""
    return list(analysis.profiles(block).values()) or [spatial_gate(block)]


def _range(gate: Gate) -> str:
    return f"{gate.minimum:.2f} to {gate.maximum:.2f}"


def _size(values: Floats) -> str:
    return f"{values.shape[0]} × {values.shape[1]}"


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
