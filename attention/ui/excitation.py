"""The page of the channel gates: what is chosen, the answer, the gate, and the chosen channel's map."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import streamlit as st

from attention import analysis
from attention.charts import channels, overlay
from attention.observe import Observation
from attention.records import ChannelSteps, Floats, Gate
from attention.report import Columns, by_place
from attention.ui import parts
from attention.ui.gates import say_notes

ORDERS = ["Sorted", "By channel"]


@dataclass(frozen=True, eq=False)
class Focus:
    """What the page is about: one channel of one block's channel gate, among all of the network."""

    observation: Observation
    gates: dict[str, Gate]
    """The channel gates in depth order, by the name of their block; another kind's is averaged to one."""
    block: str
    channel: int
    by_size: bool
    """Whether the bars stand in the order of their size."""

    @property
    def gate(self) -> Gate:
        """The channel gate of the block."""
        return self.gates[self.block]

    @cached_property
    def names(self) -> dict[str, str]:
        """What the blocks are called for short, by their names."""
        return dict(zip(self.gates, analysis.short_names(list(self.gates)), strict=True))

    @property
    def name(self) -> str:
        """What the block is called for short."""
        return self.names[self.block]

    @property
    def values(self) -> Floats:
        """The gate for this picture, (C,)."""
        return self.gate.values[0]

    @cached_property
    def steps(self) -> ChannelSteps | None:
        """How the gate came about; None where it has neither SE's nor CBAM's form."""
        steps = self.observation.steps(self.gate.name)
        return steps if isinstance(steps, ChannelSteps) else None

    @property
    def ratio(self) -> int | None:
        """The gate's reduction ratio r, C over the number of its hidden units."""
        if self.steps is None:
            return None
        hidden = next(iter(self.steps.hidden.values()))
        return len(self.values) // hidden.shape[1]


def choose(observation: Observation) -> Focus:
    """The depth strip, the answer for the block chosen there, and the channel: the strongest, until one is chosen."""
    gates = {block.name: gate for block in observation.blocks if (gate := analysis.channel_view(block))}
    parts.note_link("block", gates, "a block that this network does not have: here is another")
    block = parts.depth_strip(list(gates), [float(gate.values.mean()) for gate in gates.values()], label="Mean gate")
    values = gates[block].values[0]
    said = st.container()
    possible = [str(channel) for channel in range(len(values))]
    parts.note_link("order", ORDERS, f"an order that there is not: here it is “{ORDERS[0]}”")
    parts.note_link("channel", possible, f"a channel that is not in 0 to {possible[-1]}: here is the strongest")
    with st.container(horizontal=True):
        order = st.segmented_control(
            "Order", ORDERS, default=ORDERS[0], required=True, key="order", bind="query-params"
        )
        channel = _choose_channel(f"{observation.choice.key} {block}", values)
    focus = Focus(observation, gates, block, channel, order == "Sorted")
    said.subheader(answer(focus), anchor=False)
    with said:
        say_notes(observation, focus.gate)
    for sentence in complaints(focus, block):
        said.caption(f":material/warning: {sentence}")
    return focus


def answer(focus: Focus) -> str:
    """What the gate does with this picture, in one sentence."""
    found = analysis.passing(focus.values)
    return (
        f"{focus.name}: {found.open} of {found.channels} channels {_are(found.open)} let through above 0.9, "
        f"{found.held} {_are(found.held)} held below 0.1; the strongest is channel {found.strongest} "
        f"at {focus.values[found.strongest]:.3f}."
    )


def draw_gate(focus: Focus) -> None:
    """The gate as bars, and as a strip of all channels where there are too many; a click chooses a channel."""
    values, channel = focus.values, focus.channel
    order = channels.shown(values, by_size=focus.by_size)

    def click() -> None:
        point = parts.clicked("gate")
        if point:
            st.session_state.channel = int(order[point["point_index"]])

    finding = answer(focus)
    parts.chart(channels.gate_bars(values, order, channel), key="gate", alt=finding, on_select=click)
    if len(order) < len(values):
        st.caption(f"The {len(order)} most open channels above; all {len(values)} below, {channels.STRIP_WIDTH} a row.")
        parts.chart(channels.gate_strip(values, channel), key="gate_strip", alt=finding, table="gate")
    st.caption(
        f"Height and colour are the gate, 0 (pale) to 1 (deep); here {values.min():.3f} to {values.max():.3f}. "
        "Channels count from 0; click one to see its map."
    )


def draw_channel(focus: Focus) -> None:
    """The chosen channel's map on the picture, before and after its gate, on one scale; then all numbers."""
    steps, channel = focus.steps, focus.channel
    gate: Columns = {"channel": range(len(focus.values)), "gate": focus.values}
    if steps is None:
        parts.data(gate=gate)
        st.info("This gate has another form than SE's and CBAM's, so only its values can be shown.")
        return
    before, after = steps.before[0, channel], steps.after[0, channel]
    scale = overlay.own_range(np.stack([before, after]))
    width = min(focus.observation.image.width / focus.observation.image.height, 1)
    left, middle, right, _ = st.columns([width, 0.55, width, 2.01 - 2 * width], vertical_alignment="center")
    with left:
        _draw_map(focus, "before", before, scale)
    with middle:
        st.metric(f"Gate of channel {channel}", f"× {focus.values[channel]:.3f}")
        st.caption(f"Maps of {len(before)} × {before.shape[1]} values on one scale, dark low, bright high.")
    with right:
        _draw_map(focus, "after", after, scale)
    squeezed = {f"squeezed ({branch})": vectors[0] for branch, vectors in steps.squeezed.items()}
    parts.data(gate={**gate, **squeezed}, channel_map=by_place({"before": before, "after": after}))


def complaints(focus: Focus, block: str) -> Iterator[str]:
    """What the validation pictures say against a block's gate, from the network's card."""
    name, over = focus.names[block], f"over {focus.observation.card.validation_pictures:,} validation pictures"
    for health in focus.observation.card.gate_health:
        if health.name == focus.gates[block].name and analysis.hardly_varies(health):
            yield (
                f"{name}: these gates hardly change from picture to picture (a standard deviation of "
                f"{parts.small(health.deviation)} {over})."
            )
        if health.name == focus.gates[block].name and analysis.saturates(health):
            yield (
                f"{name}: most of these gates are saturated ({health.low:.0%} below 0.05, {health.high:.0%} of 0.95 "
                f"and above, {over})."
            )


def _choose_channel(where: str, values: Floats) -> int:
    """The strongest channel, until another is chosen; its number means nothing in another block."""
    moved = st.session_state.get("_channel_of", where) != where
    asked = str(st.session_state.get("channel", st.query_params.get("channel")))
    if moved or asked not in map(str, range(len(values))):
        st.session_state.channel = int(values.argmax())
    st.session_state["_channel_of"] = where
    st.number_input("Channel", 0, len(values) - 1, None, key="channel", bind="query-params", width=140)
    return int(st.session_state.channel)


def _draw_map(focus: Focus, when: str, features: Floats, scale: overlay.Scale) -> None:
    extent = f"{features.min():.2f} to {features.max():.2f}"
    where = f"{focus.observation.key} {focus.gate.name} {focus.channel} {when}"
    parts.picture(
        _on_picture(where, focus.observation, features, _scale=scale),
        key=f"map_{when}",
        alt=f"Channel {focus.channel} of {focus.name} {when} its gate, on the picture, from {extent}.",
        caption=f"{when.capitalize()}: {extent}",
        table="channel_map",
    )


@st.cache_data(max_entries=64, show_spinner=False)
def _on_picture(where: str, _observation: Observation, _features: Floats, *, _scale: overlay.Scale) -> bytes:
    return overlay.overlay(
        _observation.image, _features, _observation.box, colour_map=channels.FEATURES, scale=_scale, opacity=0.7
    )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
