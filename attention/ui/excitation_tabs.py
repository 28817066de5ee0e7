"""The further parts of the page of the channel gates: depth, reduction ratio, a second picture, code."""

import inspect
from collections import Counter

import numpy as np
import streamlit as st

from attention import analysis
from attention.charts import channels, overlay
from attention.ui import cache, frame, parts
from attention.ui.excitation import Focus, complaints

RATIOS = (1, 2, 4, 8, 16, 32)
USUAL = 16
"""The ratio that the paper settles on."""
USAGE = """\
self.attention = SE(channels, reduction=16)  # in __init__ of a residual block
return self.relu(self.attention(self.branch(x)) + self.shortcut(x))  # in its forward"""


def draw_depth(focus: Focus) -> None:
    """The distribution of every block's gate, and what the validation pictures say about it."""
    names, gates = list(focus.names.values()), [gate.values[0] for gate in focus.gates.values()]
    low = [analysis.share_low(gate) for gate in gates]
    high = [analysis.share_high(gate) for gate in gates]
    widest = max(range(len(gates)), key=lambda place: float(np.ptp(gates[place])))
    finding = f"The gates spread most in {names[widest]}, from {gates[widest].min():.3f} to {gates[widest].max():.3f}."
    st.markdown(f"{finding} The shares of saturated gates, below 0.05 or of 0.95 and above, stand under each block.")
    shares = [f"{name}<br>{below:.0%} · {above:.0%}" for name, below, above in zip(names, low, high, strict=True)]
    parts.chart(channels.through_depth(shares, gates, names.index(focus.name)), key="depth", alt=finding)
    st.caption(
        "This picture. A box holds the middle half of a block's channels, its line is the median, its whiskers reach "
        "the lowest and the highest gate."
    )
    _draw_health(focus)
    columns: dict[str, list[object]] = {"block": list(focus.gates), "channels": [len(gate) for gate in gates]}
    columns["mean"] = [float(gate.mean()) for gate in gates]
    parts.data(depth={**columns, **analysis.spread(gates), "below 0.05": low, "0.95 and above": high})


def draw_ratio(focus: Focus) -> None:
    """What the gates cost over the reduction ratio: the formula, this network's curve, the paper's table."""
    sizes = [gate.values.shape[1] for gate in focus.gates.values()]
    ratios = tuple(ratio for ratio in RATIOS if ratio <= min(sizes))
    weights = tuple(analysis.excitation_parameters(sizes, ratio, biases=False) for ratio in ratios)
    whole = tuple(analysis.excitation_parameters(sizes, ratio, biases=True) for ratio in ratios)
    current = focus.ratio
    if current is None:
        st.info(f"This gate has another form than SE's; the formula is for SE gates in its place, with r = {USUAL}.")
    _draw_formula(sizes, current or USUAL, focus.observation.card.parameters)
    left, right = st.columns([3, 2], gap="large")
    with left:
        figure = channels.ratio_curve(channels.RatioCurve(ratios, weights, whole), current)
        parts.chart(figure, key="ratio", alt=f"From {whole[0]:,} parameters at r = 1 to {whole[-1]:,} at {ratios[-1]}.")
        parts.data(ratio={"r": ratios, "weights": weights, "with biases": whole})
    with right:
        _draw_published()


def draw_second(focus: Focus) -> None:
    """The same gate for a second picture, and the channels that differ most."""
    others = {name: own for name, own in frame.pictures().items() if name != focus.observation.picture.name}
    parts.note_link("second", others, "a second picture that is not at hand: here is another")
    parts.settle("second", list(others))
    name = st.selectbox("Second picture", list(others), key="second", bind="query-params")
    second = focus.observation.of(others[name] or cache.sample(name))
    same = next(gate for gate in second.trace.gates if gate.name == focus.gate.name)
    averaged = analysis.averaged(same, "channel")
    assert averaged is not None
    gate = averaged.values[0]
    change = gate - focus.values
    most = analysis.by_strength(np.abs(change))[:5]
    finding = (
        f"{int((np.abs(change) > 0.1).sum())} of {len(change)} channels differ by more than 0.1; most of all channel "
        f"{most[0]}: {focus.values[most[0]]:.3f} for the first picture, {gate[most[0]]:.3f} for the second."
    )
    st.markdown(finding)
    pictures, chart = st.columns([1, 4])
    for place, observation in (("First", focus.observation), ("Second", second)):
        with pictures:
            alt = f"{place} picture: {observation.picture.name}."
            parts.picture(overlay.jpeg(observation.square), key=place, caption=place, alt=alt, table=None)
    with chart:
        parts.chart(channels.difference(change), key="difference", alt=finding, table="second")
        st.caption(
            f"Second minus first, from {change.min():.3f} to {change.max():.3f}; the scale is symmetric about 0."
        )
        rows = [f"| {c} | {focus.values[c]:.3f} | {gate[c]:.3f} | {change[c]:+.3f} |" for c in most]
        st.markdown("\n".join(["| channel | first | second | change |", "|--:|--:|--:|--:|", *rows]))
    columns = {"first": focus.values, "second": gate, "change": change}
    parts.data(second={"channel": range(len(change)), **columns})


def draw_code(focus: Focus) -> None:
    """The gate and the block as this project's own code, and the line that goes into a residual block."""
    from attention import layers

    st.markdown("The gate: squeeze, then a small network with a sigmoid.")
    st.code(inspect.getsource(layers.ChannelGate), language="python", wrap_lines=True)
    st.markdown("The block multiplies the features by it.")
    parts.code(layers.SE, USAGE)


def _draw_health(focus: Focus) -> None:
    measured = {health.name for health in focus.observation.card.gate_health}
    sentences = [sentence for block in focus.gates for sentence in complaints(focus, block)]
    if not sentences and all(gate.name in measured for gate in focus.gates.values()):
        sentences = ["Over the validation pictures every block's gates vary, and in none are most of them saturated."]
    for sentence in sentences:
        st.markdown(f":material/monitor_heart: {sentence}")


def _draw_formula(sizes: list[int], ratio: int, network: int) -> None:
    """Eq. 5 of the paper with the numbers of this network's stages."""
    stages = Counter(sizes)
    terms = " + ".join(rf"{count} \cdot {size}^2" for size, count in stages.items())
    result = f"{2 / ratio * sum(count * size**2 for size, count in stages.items()):,.0f}".replace(",", "{,}")
    whole = analysis.excitation_parameters(sizes, ratio, biases=True)
    st.markdown(
        "A gate is two small matrices, from C channels to C/r and back. All of them together, for stages s of "
        "$N_s$ blocks with $C_s$ channels, have so many weights:"
    )
    st.latex(rf"\frac{{2}}{{r}} \sum_s N_s C_s^2 = \frac{{2}}{{{ratio}}} \left({terms}\right) = {result}")
    st.markdown(f"With biases {whole:,}: {whole / network:.1%} of the network's {network / 1e6:.2f} M parameters.")


def _draw_published() -> None:
    st.markdown("**SE-ResNet-50 on ImageNet, as published**")
    rows = [
        f"| {row.reduction or 'none'} | {row.top1:.2f} | {row.top5:.2f} | {row.parameters:.1f} M |"
        for row in analysis.PUBLISHED_RATIOS
    ]
    st.markdown("\n".join(["| r | top-1 | top-5 | parameters |", "|--:|--:|--:|--:|", *rows]))
    st.caption("Errors in percent. Hu et al., arXiv 1709.01507, the table on the reduction ratio.")
