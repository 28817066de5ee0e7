"""How a CBAM block's two gates came about, in the tabs below the map."""

import inspect
from collections.abc import Callable

import numpy as np
import streamlit as st

from attention import analysis
from attention.analysis import Block
from attention.charts import spatial
from attention.charts.overlay import own_range
from attention.observe import Observation
from attention.records import ChannelSteps, Floats, Gate, SpatialSteps
from attention.report import by_map, by_place
from attention.ui import parts

AVERAGED = ("mean over channels", "most open channel")
PLACEMENT = """%%{init: {"flowchart": {"rankSpacing": 12, "nodeSpacing": 10, "padding": 6}}}%%
flowchart LR
    x((x)) --> b["two 3×3<br>convolutions"] -- F --> c["channel<br>gate"]
    c -- F' --> d["spatial<br>gate"] -- F'' --> p(("+")) --> r([ReLU])
    x -- shortcut --> p
"""
USAGE = """self.attention = CBAM(channels, reduction=16, kernel=7)  # in the block's __init__
return relu(self.attention(self.branch(x)) + self.shortcut(x))  # in its forward"""


def draw_derivation(observation: Observation, block: Block) -> None:
    """The spatial gate from left to right, as the paper draws it."""
    gate = spatial_gate(block)
    steps = observation.steps(gate.name)
    if not isinstance(steps, SpatialSteps):
        st.info("This gate is not of CBAM's form: it has no pooled maps and no kernel to show, only the map above.")
        return
    channels, size = steps.before.shape[1], steps.kernel.shape[-1]
    parts.chart(
        spatial.derivation(steps, gate.values[0]),
        key="derivation",
        table="map",
        alt=f"From left to right: {channels} channels of features, their pooled maps, the {size} by {size} kernel, and "
        f"the gate from {gate.minimum:.2f} to {gate.maximum:.2f}.",
    )
    sentences = (
        f"**1 Features** F': {channels} channels that the channel gate has weighed; here those of the largest values.",
        "**2 Pool**: each place keeps the mean of its channels and the largest of them.",
        f"**3 Kernel**, {size} × {size}, learned: red weights add a pooled value to the answer, blue ones take it off.",
        "**4 Gate**: the answers of the kernel are summed, normalised, and squashed between 0 and 1.",
    )
    for place, sentence in zip(st.columns(4, gap="medium"), sentences, strict=True):
        place.markdown(sentence)
    f = rf"f^{{{size} \times {size}}}"
    st.latex(rf"M_s = \sigma\left({f}\left([\mathrm{{AvgPool}}(F');\ \mathrm{{MaxPool}}(F')]\right)\right)")
    st.caption(_at_the_most_open_place(steps, gate.values[0]))
    parts.data(map=by_map(spatial.derived(steps, gate.values[0])))


def draw_channel(observation: Observation, block: Block) -> None:
    """The channel gate, split into the branches of its MLP up to their sum and the sigmoid."""
    steps = observation.steps(block.channel.name) if block.channel else None
    if not block.channel or not isinstance(steps, ChannelSteps):
        st.info("This block has no channel gate of CBAM's form: the gate above stands alone.")
        return
    gate = block.channel.values[0]
    channel = _choose_channel(gate)
    parts.chart(
        spatial.branches(steps, gate, channel),
        key="branches",
        table="channel_gate",
        alt=f"The branches of the channel MLP, their sum, and the gate of {len(gate)} channels; channel {channel} is "
        f"marked, its gate is {gate[channel]:.2f}.",
    )
    st.latex(r"M_c = \sigma\left(\mathrm{MLP}(\mathrm{AvgPool}(F)) + \mathrm{MLP}(\mathrm{MaxPool}(F))\right)")
    st.latex(numbers_of_channel(steps, gate, channel))
    pooled = " and ".join(f"{name} {values[0, channel]:.2f}" for name, values in steps.squeezed.items())
    st.caption(f"Channel {channel} over all places: {pooled}. σ is the sigmoid. arXiv 1807.06521, equation 2.")
    branches = {f"MLP of the {name}": values[0] for name, values in steps.branches.items()}
    total = {"sum": sum(branches.values())} if len(branches) > 1 else {}
    parts.data(channel_gate={"channel": range(len(gate)), **branches, **total, "gate": gate})


def numbers_of_channel(steps: ChannelSteps, gate: Floats, channel: int) -> str:
    """The equation of the channel gate with one channel's numbers, in LaTeX."""
    values = [float(branch[0, channel]) for branch in steps.branches.values()]
    summed = " + ".join(f"({value:.2f})" if value < 0 else f"{value:.2f}" for value in values)
    total = f"= \\sigma({sum(values):.2f}) " if len(values) > 1 else ""
    return rf"M_c[{channel}] = \sigma({summed}) {total}= {gate[channel]:.2f}"


def draw_features(observation: Observation, block: Block) -> None:
    """The feature map before, after the channel gate, and after the spatial gate, on one scale."""
    stages = _stages(observation, block)
    if not stages:
        st.info("This gate is not of CBAM's form: the features before and after it are not at hand.")
        return
    say_fallback("shown", AVERAGED.__contains__, " or ".join(AVERAGED))
    what = st.segmented_control("Shown", AVERAGED, default=AVERAGED[0], required=True, key="shown", bind="query-params")
    channel = int(block.channel.values[0].argmax()) if block.channel else 0
    maps = {name: values.mean(0) if what == AVERAGED[0] else values[channel] for name, values in stages.items()}
    scale = own_range(np.stack(list(maps.values())))
    parts.chart(
        spatial.features(maps, scale),
        key="features",
        alt="; ".join(f"{name}: {values.min():.2f} to {values.max():.2f}" for name, values in maps.items()),
    )
    which = "The mean over all channels" if what == AVERAGED[0] else f"Channel {channel}"
    st.caption(
        f"{which}, on one scale, {scale.low:.2f} black to {scale.high:.2f} white. Features are not gates: they can be "
        "negative, and a gate only moves them towards 0."
    )
    parts.data(features=by_place(maps))


def draw_code() -> None:
    """CBAM as this project's own code, and its place in a residual block."""
    from attention.layers import CBAM, SpatialGate

    st.markdown("Where CBAM's paper has it: on the residual branch, before the addition.")
    st.mermaid_chart(
        PLACEMENT, alt="Two convolutions, then the channel gate, then the spatial gate, then the shortcut is added."
    )
    st.code(inspect.getsource(SpatialGate), language="python", wrap_lines=True)
    parts.code(CBAM, USAGE)


def say_fallback(key: str, possible: Callable[[str], bool], allowed: str) -> None:
    """Said where a link asks for what there is not; the widget itself falls back to what there is."""
    asked = st.query_params.get(key)
    if asked is not None and not possible(asked):
        st.caption(f":material/link_off: The link asks for {key} “{asked}”; there is {allowed}. This is shown instead.")


def spatial_gate(block: Block) -> Gate:
    """The spatial gate of a block that has a map; another kind's is averaged to one."""
    gate = analysis.spatial_view(block)
    assert gate is not None
    return gate


def _at_the_most_open_place(steps: SpatialSteps, gate: Floats) -> str:
    row, column = np.unravel_index(int(gate.argmax()), gate.shape)
    pooled = " and ".join(f"{name} {values[0, row, column]:.2f}" for name, values in steps.pooled.items())
    return (
        f"At the most open place (row {row}, column {column}, counted from 0) the pooled features are {pooled}, "
        f"and the gate is {gate[row, column]:.2f}. f is the convolution and the normalisation after it, as in the "
        "authors' code. arXiv 1807.06521, equation 3."
    )


def _choose_channel(gate: Floats) -> int:
    """The channel that a person asks for, or the most open one."""
    last, strongest = len(gate) - 1, int(gate.argmax())
    say_fallback("unit", [str(channel) for channel in range(last + 1)].__contains__, f"0 to {last}")
    if (st.session_state.get("unit") or 0) > last:
        st.session_state.unit = None
    text, control = st.columns([5, 2], gap="large")
    text.markdown(
        "One small network, the MLP, reads the mean of every channel and, once more, the maximum of every channel. "
        "Its two answers are summed and squashed between 0 and 1: a gate for each channel."
    )
    hint = f"{strongest}, the most open"
    asked = control.number_input("Channel", 0, last, None, key="unit", bind="query-params", placeholder=hint)
    return strongest if asked is None else asked


def _stages(observation: Observation, block: Block) -> dict[str, Floats]:
    """The feature maps (C, H, W) by what has happened to them; empty where the gates are not of CBAM's form."""
    channel = observation.steps(block.channel.name) if block.channel else None
    last = observation.steps(spatial_gate(block).name)
    if not isinstance(last, SpatialSteps):
        return {}
    stages = {"before": last.before[0]}
    if isinstance(channel, ChannelSteps):
        stages = {"before": channel.before[0], "after the channel gate": channel.after[0]}
    return {**stages, "after the spatial gate": last.after[0]}
