"""The network drawn in depth order, one card a block."""

from collections import Counter

import streamlit as st

from attention import analysis
from attention.analysis import Block
from attention.figures import overlay
from attention.records import Gate
from attention.ui.view import View

ACROSS = 4


def draw_network(view: View) -> None:
    """Every block with its gates, four in a row."""
    names = analysis.short_names([block.name for block in view.blocks])
    for start in range(0, len(names), ACROSS):
        for offset, place in enumerate(st.columns(ACROSS)[: len(names) - start]):
            with place.container(border=True, height="stretch"):
                _draw_block(view, view.blocks[start + offset], names[start + offset])


def say_others(view: View) -> None:
    """The gates that the pass applied and no page draws, by their kind."""
    kinds = Counter(gate.kind for gate in view.trace.gates if gate.kind not in ("channel", "spatial"))
    if kinds:
        found = ", ".join(f"{count} of the kind “{kind}”" for kind, count in kinds.items())
        st.info(f"Gates that were found here and that no page draws: {found}.", icon=":material/info:")


def draw_cost(view: View) -> None:
    """Parameters and MACs of the network, the share of its attention, and the picture as the network sees it."""
    st.subheader("What does it cost?", anchor=False)
    cost = view.cost
    figures = {"Parameters": f"{cost.parameters / 1e6:.2f} M", "MACs, one picture": f"{cost.macs / 1e6:,.0f} M"}
    if view.blocks:
        figures["Attention parameters"] = f"{cost.attention_parameters / cost.parameters:.1%}"
        figures["Attention MACs"] = f"{cost.attention_macs / cost.macs:.2%}"
    seen, *places = st.columns([2, *[3] * len(figures)], vertical_alignment="center")
    seen.image(view.seen, width="stretch", alt=f"The central square of {view.picture_name}, as the network sees it.")
    for place, (label, value) in zip(places, figures.items(), strict=True):
        place.metric(label, value, border=True)
    st.caption(
        f"For the picture as the network sees it, {view.card.input_size} × {view.card.input_size} px. MACs are the "
        "multiply-accumulates of convolutions and matrix products; the products with the gates are not counted."
    )


def answer(view: View) -> str:
    """What attention does in this network with this picture, in one sentence."""
    channel = [block.channel for block in view.blocks if block.channel]
    spatial = [block.spatial for block in view.blocks if block.spatial]
    parts = []
    if channel:
        parts.append(f"{len(channel)} channel gates pass {_mean(channel):.0%} of what reaches them on average")
    if spatial:
        parts.append(f"{len(spatial)} spatial gates pass {_mean(spatial):.0%}")
    return f"With this picture, {' and '.join(parts)}; 100% would be no gate at all."


def _draw_block(view: View, block: Block, name: str) -> None:
    _, channels, height, width = _any_gate(block).feature_shape
    st.markdown(f"**{name}**  \n:small[{channels} channels at {height} × {width}]")
    if block.spatial:
        _draw_spatial(view, block.spatial)
    if block.channel:
        _draw_channels(block.channel)
    with st.container(horizontal=True):
        if block.spatial:
            _open("Where", "cbam", block)
        if block.channel:
            _open("Channels", "excitation", block)


def _draw_spatial(view: View, gate: Gate) -> None:
    st.image(
        overlay.overlay(view.picture, gate.values[0], view.box, colour_map="viridis", opacity=0.6),
        width="stretch",
        alt=f"Spatial gate of {gate.name} on the picture, from {gate.minimum:.2f} to {gate.maximum:.2f}.",
        caption=f"Spatial gate, {gate.minimum:.2f} to {gate.maximum:.2f}",
    )


def _draw_channels(gate: Gate) -> None:
    saturated = analysis.share_saturated(gate.values)
    span = f"from {gate.minimum:.2f} to {gate.maximum:.2f}"
    st.image(
        overlay.cells(gate.values[0]),
        width="stretch",
        alt=f"Channel gate of {gate.name}, {gate.values.shape[1]} channels {span}.",
        caption=f"Channel gate, {gate.minimum:.2f} to {gate.maximum:.2f}; {saturated:.0%} saturated",
    )


def _open(label: str, page: str, block: Block) -> None:
    if st.button(label, key=f"open_{page}_{block.name}", icon=":material/arrow_forward:", type="tertiary"):
        st.session_state.block = block.name
        st.switch_page(f"pages/{page}.py")


def _any_gate(block: Block) -> Gate:
    gate = block.channel or block.spatial
    assert gate is not None
    return gate


def _mean(gates: list[Gate]) -> float:
    return sum(float(gate.values.mean()) for gate in gates) / len(gates)
