"""The network drawn in depth order, one card a block."""

from collections.abc import Sequence

import numpy as np
import streamlit as st

from attention import analysis, images
from attention.analysis import Block
from attention.charts import colours, overlay, signs
from attention.charts import gates as charts
from attention.charts.chart import by_map
from attention.kinds import KINDS
from attention.numbers import attention_share, fixed, magnitude
from attention.observe import Observation
from attention.records import ChannelSteps, Floats, Gate
from attention.ui import usual, widgets
from attention.ui.lessons import gated
from attention.ui.pages import open_block, pages_of

ACROSS = 4
MOST_CARDS, MOST_MAPS = 16, 8
"""More than these at a time, the latter where they have maps, take long to draw and longer to read."""
LINKS = {"cbam": "Where", "excitation": "Channels"}
"""What leads from a card to the pages of its block."""
MAP_SIDE = 512
"""Side of the picture in a card, in pixels."""


def draw_network(observation: Observation) -> None:
    """Every block with its gates, four in a row, so many at a time."""
    names = list(observation.names.values())
    drawn: dict[str, Floats] = {}
    numbers = _choose_cards(names, MOST_MAPS if any(map(analysis.spatial_view, observation.blocks)) else MOST_CARDS)
    for start in range(numbers.start, numbers.stop, ACROSS):
        row = range(start, min(start + ACROSS, numbers.stop))
        for place, number in zip(st.columns(ACROSS), row, strict=False):
            with place.container(border=True, height="stretch"):
                drawn |= _draw_block(observation, observation.blocks[number], names[number])
    widgets.data(gates=by_map(drawn))


def draw_gate(observation: Observation) -> None:
    """What a gate is, by one block of this network with this picture, where one has the papers' form."""
    blocks = [block for block in observation.blocks if block.channel]
    what, ends = signs.dial(gate.values for gate in observation.trace.gates)
    widgets.say(
        f"**A gate is {what} that multiplies features**, the numbers that the network has found in the picture: {ends}"
        f". A channel gate has {'a dial' if 'dial' in what else 'one'} for each kind of feature, a spatial gate one "
        "for each place.",
        "gate",
    )
    if blocks:
        chosen = gated.Gated(observation, gated.usual_block(observation, blocks))
        if isinstance(steps := observation.steps(chosen.gate.name), ChannelSteps):
            widgets.show(gated.dials(chosen, steps))


@st.fragment
def draw_rest(observation: Observation) -> None:
    """What takes passes of its own, once somebody is near: how unlike other pictures this one is, and the cost."""
    with widgets.errors():
        if observation.has_usual_gates or widgets.is_near("rest", observation.key):
            if observation.blocks:
                st.subheader("How unlike other pictures is this one?", anchor=False)
                usual.draw_depth(observation)
            _draw_cost(observation)


def _draw_cost(observation: Observation) -> None:
    """Parameters and MACs of the network, the share of its attention, and the picture as the network sees it."""
    st.subheader("What does it cost?", anchor=False)
    network = observation.inventory.network
    figures = {"Parameters": magnitude(network.parameters), "MACs, one picture": magnitude(network.macs)}
    if observation.blocks:
        figures["Attention parameters"] = attention_share(observation.inventory, "parameters")
        figures["Attention MACs"] = attention_share(observation.inventory, "macs")
    seen, *places = st.columns([2, *[3] * len(figures)], vertical_alignment="center")
    seen.image(
        overlay.jpeg(observation.square),
        width="stretch",
        alt=f"The central square of {observation.picture.name}, as the network sees it.",
    )
    for place, (label, value) in zip(places, figures.items(), strict=True):
        place.metric(label, value, border=True)
    seen_at = images.size_in_words(observation.card.input_size)
    widgets.say(
        f"For the picture as the network sees it, {seen_at} px. MACs are the multiply-accumulates of "
        "convolutions and matrix products; the products with the gates are not counted.",
        "cost",
        "caption",
    )


def headline(observation: Observation) -> str:
    """What attention does in this network with this picture, in one sentence."""
    every = observation.trace.gates
    within = list(filter(analysis.can_saturate, every))
    said, without = [], signs.in_no_mean([gate for block in observation.blocks for gate in block.gates])
    for name in dict.fromkeys(kind.plural for kind in KINDS.values()):
        of_kind = [gate for block in observation.blocks for gate in block.gates if KINDS[gate.kind].plural == name]
        if gates := list(filter(analysis.can_saturate, of_kind)):
            name = name if len(gates) > 1 else name.replace("gates", "gate")
            said.append(f"{len(gates)} {name} {'have' if len(gates) > 1 else 'has'} a mean of {fixed(_mean(gates))}")
    one = all(analysis.neutral_value(gate, every) == 1 for gate in within)
    if not said:
        return f"With this picture, all gates {'; or '.join(without)}."
    left_out = "".join(f" Not in a mean, since they {what}." for what in without)
    return f"With this picture, {' and '.join(said)}{'; 1 would be no gate at all' * one}.{left_out}"


def scale(observation: Observation) -> str:
    """What the colours mean, and whether all gates stay within them."""
    ends = f"{colours.ENDS}. Saturated are gates below 0.05, or of 0.95 and above: nearly shut, or nearly open."
    if any(map(analysis.deals_out, observation.trace.gates)):
        ends += " Gates whose numbers add up to 1 over the channels or the places are not called so."
    if all(analysis.in_unit(gate.values) for gate in observation.trace.gates):
        return ends
    return (
        f"{ends} Some gates here leave 0 to 1: these are not called so, and what lies outside has the colour of the "
        "nearer end."
    )


def _choose_cards(names: Sequence[str], most: int) -> range:
    """The numbers of the blocks that are drawn: all of them, or a page of many."""
    if len(names) <= most:
        return range(len(names))
    page = widgets.choose_number("Cards", 1, -(-len(names) // most), 1, key="cards", look="pages")
    numbers = range((page - 1) * most, min(page * most, len(names)))
    first, last = (widgets.literal(names[place]) for place in (numbers[0], numbers[-1]))
    st.caption(f"Blocks {numbers.start + 1} to {numbers.stop} of {len(names)}: {first} to {last}.")
    return numbers


def _draw_block(observation: Observation, block: Block, name: str) -> dict[str, Floats]:
    """A card; what is drawn in it, by its name."""
    st.markdown(
        f"**{widgets.literal(analysis.block_called(name, first=True))}**  \n:small[{analysis.features(block.gates[0])}]"
    )
    cells, drawn = [], dict[str, Floats]()
    if gate := analysis.spatial_view(block):
        what = "Spatial gate" if block.spatial else "Mean over channels"
        key = f"{what} of {gate.name}"
        drawn[key] = gate.values[0]
        widgets.show(charts.map_on_picture(observation, gate, key, what, side=MAP_SIDE, numbers="gates"))
    for side, gate in analysis.profiles(block).items():
        cells.append((gate, f"Along the {side}", "viridis", ""))
    if gate := analysis.channel_view(block):
        ends = block.channel and analysis.can_saturate(gate)
        saturated = f"; {analysis.share_saturated(gate.values):.0%} saturated" if ends else ""
        cells.append((gate, "Channel gate" if block.channel else "Mean over places", "channel", saturated))
    if not pages_of(block):
        cells += [(gate, f"A number for {KINDS[gate.kind].number_for}", "viridis", "") for gate in block.gates]
    for gate, what, colour_map, note in cells:
        key = f"{what} of {gate.name}"
        drawn[key] = np.ravel(gate.values[0])
        widgets.show(charts.cells(gate, key, what, colour_map=colour_map, note=note, numbers="gates"))
    with st.container(horizontal=True):
        for page in pages_of(block):
            key = f"open_{page}_{block.name}"
            if st.button(LINKS[page], key=key, icon=":material/arrow_forward:", type="tertiary"):
                open_block(page, block)
    return drawn


def _mean(gates: list[Gate]) -> float:
    return sum(float(gate.values.mean()) for gate in gates) / len(gates)
