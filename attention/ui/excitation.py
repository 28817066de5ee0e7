"""The page of the channel gates, part by part."""

import inspect
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np
import streamlit as st

from attention import analysis
from attention.figures import channels, overlay
from attention.records import ChannelSteps, Floats, Gate, GateHealth
from attention.ui import cache, frame, parts
from attention.ui.view import View

ORDERS = ["Sorted", "By channel"]
RATIOS = (1, 2, 4, 8, 16, 32)
USAGE = """\
self.attention = SE(channels, reduction=16)  # in __init__ of a residual block
return self.relu(self.attention(self.branch(x)) + self.shortcut(x))  # in its forward"""


@dataclass(frozen=True, eq=False)
class Focus:
    """What the page is about: one channel of one block's channel gate, among all of the network."""

    view: View
    gates: dict[str, Gate]
    """The channel gates in depth order, by the name of their block."""
    block: str
    channel: int
    by_size: bool
    """Whether the bars stand in the order of their size."""

    @property
    def gate(self) -> Gate:
        """The channel gate of the block."""
        return self.gates[self.block]

    @property
    def values(self) -> Floats:
        """The gate for this picture, (C,)."""
        return self.gate.values[0]

    @property
    def steps(self) -> ChannelSteps | None:
        """How the gate came about; None where it has neither SE's nor CBAM's form."""
        steps = self.view.steps(self.gate.name)
        return steps if isinstance(steps, ChannelSteps) else None

    @property
    def ratio(self) -> int | None:
        """The gate's reduction ratio r, C over the number of its hidden units."""
        return len(self.values) // next(iter(self.steps.hidden.values())).shape[1] if self.steps else None


def short(block: str) -> str:
    """The block's name without the word that all of them share."""
    return block.removesuffix(".attention")


def choose(view: View) -> Focus:
    """The depth strip, the answer for the block chosen there, and the channel: the strongest, until one is chosen."""
    gates = {block.name: block.channel for block in view.blocks if block.channel}
    _note_link("block", gates, "a block that this network does not have")
    block = parts.depth_strip(list(gates), [float(gate.values.mean()) for gate in gates.values()], label="Mean gate")
    values = gates[block].values[0]
    st.subheader(answer(short(block), values), anchor=False)
    for sentence in _complaints(view, block, gates[block]):
        st.caption(f":material/warning: {sentence}")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        order = _choose_order()
        channel = _choose_channel(f"{view.card.name} {block}", values)
    return Focus(view, gates, block, channel, order == "Sorted")


def answer(name: str, values: Floats) -> str:
    """What a gate (C,) does with this picture, in one sentence."""
    found = analysis.passing(values)
    are = "is" if found.open == 1 else "are"
    return (
        f"{name}: {found.open} of {found.channels} channels {are} let through above 0.9, {found.held} "
        f"{'is' if found.held == 1 else 'are'} held below 0.1; the strongest is channel {found.strongest} "
        f"at {values[found.strongest]:.2f}."
    )


def draw_gate(focus: Focus) -> None:
    """The gate as bars, and as a strip of all channels where there are too many; a click chooses a channel."""
    values, channel = focus.values, focus.channel
    order = channels.shown(values, by_size=focus.by_size)

    def click() -> None:
        point = parts.clicked("gate")
        if point:
            st.session_state.channel = int(order[point["point_index"]])

    finding = answer(short(focus.block), values)
    parts.chart(channels.gate_bars(values, order, channel), key="gate", alt=finding, on_select=click)
    if len(order) < len(values):
        st.caption(f"The {len(order)} most open channels above; all {len(values)} below, {channels.STRIP_WIDTH} a row.")
        parts.chart(channels.gate_strip(values, channel), key="gate_strip", alt=finding)
    st.caption(
        f"One bar for each of {len(values)} channels, counted from 0; height and colour are its gate, from 0 (pale) "
        f"to 1 (deep); this picture: {values.min():.3f} to {values.max():.3f}. Click a bar to see its channel."
    )


def draw_channel(focus: Focus) -> None:
    """The chosen channel's map on the picture, before and after its gate, on one scale."""
    steps, channel = focus.steps, focus.channel
    if steps is None:
        st.info("This gate has another form than SE's and CBAM's, so only its values can be shown.")
        return
    before, after = steps.before[0, channel], steps.after[0, channel]
    scale = overlay.own_range(np.stack([before, after]))
    width = min(focus.view.picture.width / focus.view.picture.height, 1.5)
    left, middle, right, _ = st.columns([width, 0.7, width, 3.01 - 2 * width], vertical_alignment="center")
    with left:
        _draw_map(focus, "before", before, scale)
    with middle:
        st.metric(f"Gate of channel {channel}", f"× {focus.values[channel]:.3f}")
        st.caption("One scale for both maps: dark is the lowest value of the two, bright the highest.")
    with right:
        _draw_map(focus, "after", after, scale)
    named = {f"z ({branch})": vector[0] for branch, vector in steps.squeezed.items()}
    parts.data({"channel": range(len(focus.values)), "gate": focus.values, **named}, name="gate")


def draw_depth(focus: Focus) -> None:
    """The distribution of every block's gate, and what the validation pictures say about it."""
    names, gates = list(focus.gates), [gate.values[0] for gate in focus.gates.values()]
    low = [analysis.share_saturated(gate, high=np.inf) for gate in gates]
    high = [analysis.share_saturated(gate, low=-np.inf) for gate in gates]
    widest = max(range(len(gates)), key=lambda place: float(np.ptp(gates[place])))
    finding = (
        f"The gates spread most in {short(names[widest])}, from {gates[widest].min():.2f} to {gates[widest].max():.2f}; "
        f"over all blocks {np.average(low, weights=[len(gate) for gate in gates]):.1%} of the gates are below 0.05 "
        f"and {np.average(high, weights=[len(gate) for gate in gates]):.1%} above 0.95."
    )
    st.markdown(finding)
    figure = channels.through_depth([short(name) for name in names], gates, names.index(focus.block))
    parts.chart(figure, key="depth", alt=finding)
    st.caption("Boxes hold the middle half of a block's channels, the line is the median, whiskers reach all.")
    sentences = [sentence for name, gate in focus.gates.items() for sentence in _complaints(focus.view, name, gate)]
    for sentence in sentences or ["Over the validation pictures, every block's gates vary and none is saturated."]:
        st.markdown(f"- {sentence}")
    columns = {"block": names, "channels": [len(gate) for gate in gates], "mean": [gate.mean() for gate in gates]}
    parts.data({**columns, "below 0.05": low, "above 0.95": high}, name="depth")


def draw_ratio(focus: Focus) -> None:
    """What the gates cost over the reduction ratio: the formula, this network's curve, the paper's table."""
    sizes = [gate.values.shape[1] for gate in focus.gates.values()]
    ratios = tuple(ratio for ratio in RATIOS if ratio <= min(sizes))
    weights = tuple(analysis.excitation_parameters(sizes, ratio, biases=False) for ratio in ratios)
    whole = tuple(analysis.excitation_parameters(sizes, ratio, biases=True) for ratio in ratios)
    current = focus.ratio
    left, right = st.columns([3, 2], gap="large")
    with left:
        _draw_formula(sizes, current or 16, focus.view.card.parameters)
        figure = channels.ratio_curve(channels.RatioCurve(ratios, weights, whole), current)
        parts.chart(figure, key="ratio", alt=f"From {whole[0]:,} parameters at r = 1 to {whole[-1]:,} at {ratios[-1]}.")
        parts.data({"r": ratios, "weights": weights, "with biases": whole}, name="ratio")
    with right:
        _draw_published()


def draw_second(focus: Focus) -> None:
    """The same gate for a second picture, and the channels that differ most."""
    others = {name: own for name, own in frame.pictures().items() if name != focus.view.picture_name}
    _note_link("second", others, "a second picture that is not at hand")
    name = st.selectbox("Second picture", list(others), key="second", bind="query-params")
    second = focus.view.beside(others[name] or cache.sample(name))
    gate = next(gate for gate in second.trace.gates if gate.name == focus.gate.name).values[0]
    change = gate - focus.values
    most = analysis.by_strength(np.abs(change))[:5]
    finding = (
        f"{int((np.abs(change) > 0.1).sum())} of {len(change)} channels differ by more than 0.1; most of all channel "
        f"{most[0]}: {focus.values[most[0]]:.2f} for the first picture, {gate[most[0]]:.2f} for the second."
    )
    st.markdown(finding)
    pictures, chart = st.columns([1, 4])
    for place, view in (("First", focus.view), ("Second", second)):
        pictures.image(view.seen, width="stretch", caption=place, alt=f"{place} picture: {view.picture_name}.")
    with chart:
        parts.chart(channels.difference(change, focus.channel), key="difference", alt=finding)
        st.caption(
            f"Second minus first, from {change.min():.3f} to {change.max():.3f}; the scale is symmetric about 0."
        )
        rows = [f"| {c} | {focus.values[c]:.3f} | {gate[c]:.3f} | {change[c]:+.3f} |" for c in most]
        st.markdown("\n".join(["| channel | first | second | change |", "|--:|--:|--:|--:|", *rows]))
    columns = {"channel": range(len(change)), "first": focus.values, "second": gate, "change": change}
    parts.data(columns, name="second")


def draw_code(focus: Focus) -> None:
    """The gate and the block as this project's own code, and the line that goes into a residual block."""
    from attention import layers

    st.markdown("The gate: squeeze, then a small network with a sigmoid.")
    st.code(inspect.getsource(layers.ChannelGate), language="python")
    st.markdown("The block multiplies the features by it.")
    parts.code(layers.SE, USAGE)


def _note_link(key: str, allowed: Container[str], what: str) -> None:
    """A sentence in place of a value of the URL that cannot be used; Streamlit itself falls back to the default."""
    asked = st.query_params.get(key)
    if asked is not None and asked not in allowed:
        st.caption(f":material/link_off: The link asks for {what}; this is shown instead.")


def _choose_channel(where: str, values: Floats) -> int:
    """The strongest channel, until another is chosen; its number means nothing in another block."""
    possible = {str(channel) for channel in range(len(values))}
    _note_link("channel", possible, f"a channel that is not in 0 to {len(values) - 1}")
    moved = st.session_state.get("_channel_of", where) != where
    asked = st.session_state.get("channel", st.query_params.get("channel"))
    if moved or str(asked) not in possible:
        st.session_state.channel = int(values.argmax())
    st.session_state["_channel_of"] = where
    st.number_input("Channel", 0, len(values) - 1, None, key="channel", bind="query-params", width=140)
    return int(st.session_state.channel)


def _choose_order() -> str:
    _note_link("order", ORDERS, "an order that there is not")
    return st.segmented_control("Order", ORDERS, default=ORDERS[0], required=True, key="order", bind="query-params")


def _complaints(view: View, block: str, gate: Gate) -> Iterator[str]:
    """What the validation pictures say against a gate, from the network's card."""
    over = f"over {view.card.validation_pictures:,} validation pictures"
    for health in view.card.gate_health:
        if health.name == gate.name and analysis.hardly_varies(health):
            yield (
                f"{short(block)}: these gates hardly change from picture to picture (a standard deviation of "
                f"{health.deviation:.3f} {over})."
            )
        if health.name == gate.name and analysis.saturates(health):
            yield (
                f"{short(block)}: most of these gates are saturated ({health.low:.0%} below 0.05, "
                f"{health.high:.0%} above 0.95, {over})."
            )


def _draw_map(focus: Focus, when: str, features: Floats, scale: overlay.Scale) -> None:
    low, high = float(features.min()), float(features.max())
    size = f"{features.shape[0]} × {features.shape[1]} values from {low:.2f} to {high:.2f}"
    view = focus.view
    parts.picture(
        overlay.overlay(view.picture, features, view.box, colour_map="cividis", scale=scale, opacity=0.75),
        alt=f"Channel {focus.channel} of {short(focus.block)} {when} its gate, on the picture: {size}.",
        caption=f"{when.capitalize()}: {size}",
    )


def _draw_formula(sizes: list[int], ratio: int, of: int) -> None:
    """Eq. 5 of the paper with the numbers of this network's stages."""
    stages = Counter(sizes)
    terms = " + ".join(rf"{count} \cdot {size}^2" for size, count in stages.items())
    result = 2 / ratio * sum(count * size**2 for size, count in stages.items())
    whole = analysis.excitation_parameters(sizes, ratio, biases=True)
    st.markdown(
        "A gate is two small matrices, from C channels to C/r and back. All of them together cost, for stages s "
        "of $N_s$ blocks with $C_s$ channels:"
    )
    st.latex(rf"\frac{{2}}{{r}} \sum_s N_s C_s^2 = \frac{{2}}{{{ratio}}} \left({terms}\right) = {result:,.0f}")
    st.markdown(f"With biases {whole:,}: {whole / of:.1%} of the network's {of / 1e6:.2f} M parameters.")


def _draw_published() -> None:
    st.markdown("**SE-ResNet-50 on ImageNet, as published**")
    rows = [
        f"| {row.reduction or 'no SE'} | {row.top1:.2f} | {row.top5:.2f} | {row.parameters:.1f} M |"
        for row in analysis.PUBLISHED_RATIOS
    ]
    st.markdown("\n".join(["| r | top-1 error, % | top-5 error, % | parameters |", "|--:|--:|--:|--:|", *rows]))
    st.caption(
        "Hu et al., arXiv 1709.01507, the table on the reduction ratio. A larger r costs less, and errs little more."
    )
