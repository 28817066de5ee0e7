"""The page of the channel gates: what is chosen, the answer, the gate, and the chosen channel's map."""

import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import streamlit as st

from attention import analysis
from attention.charts import channels, explorable, gates, overlay, signs
from attention.charts import usual as charts
from attention.charts.chart import Chart, Columns, by_place
from attention.charts.colours import FEATURE_ENDS
from attention.charts.overlay import Tile, sheet
from attention.kinds import CHANNEL
from attention.numbers import attention_share, extent, fixed, magnitude, number, signed, small
from attention.observe import Observation
from attention.records import ChannelSteps, Floats, Gate
from attention.ui import frame, presenting, usual, widgets
from attention.ui import gates as gate_pages
from attention.ui.exploring import explore

ORDERS = ["Sorted", "By channel"]
SYMBOL = {"average": r"z^\mathrm{avg}", "max": r"z^\mathrm{max}"}
SQUASH = {
    "sigmoid": ("sigmoid σ", r"\sigma"),
    "tanh": ("hyperbolic tangent", r"\tanh"),
    "hardsigmoid": ("hard sigmoid", r"\mathrm{hardsigmoid}"),
}
"""What turns a sum into a gate, in words and in an equation."""
MAPS = 4
MAP_SIDE = 240
"""Height of a map on the picture, in pixels."""
MOST_NAMED = 5
"""Channels that are named of those that differ between two pictures."""
USUAL = 16
"""The ratio that the paper settles on."""
USAGE = """\
self.attention = SE(channels, reduction=16)  # in __init__ of a residual block
return self.relu(self.attention(self.branch(x)) + self.shortcut(x))  # in its forward"""


@dataclass(frozen=True, eq=False)
class ChannelSelection:
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

    @property
    def name(self) -> str:
        """What the block is called for short."""
        return self.observation.names[self.block]

    @property
    def values(self) -> Floats:
        """The gate for this picture, (C,)."""
        return self.gate.values[0]

    @cached_property
    def steps(self) -> ChannelSteps | None:
        """How the gate came about; None where it has neither SE's nor CBAM's form."""
        steps = self.observation.steps(self.gate.name)
        return steps if isinstance(steps, ChannelSteps) else None


def choose_block(observation: Observation) -> tuple[dict[str, Gate], str]:
    """The channel gates by the name of their block, and the block that is chosen on the depth strip."""
    by_block = {block.name: gate for block in observation.blocks if (gate := analysis.channel_view(block))}
    return by_block, gate_pages.choose_block(observation, by_block, "the mean channel gate")


def headline(gate: Gate, block: str, name: str, found: usual.Found) -> tuple[str, str]:
    """What a channel gate does to this picture against what is usual, as far as that is known, and what passes;
    `name` is what its block is called."""
    passing, against = gates.passing_in_words(gate, name), found.get((block, CHANNEL))
    if not against:
        return passing, ""
    more = passing.removeprefix(f"{analysis.block_called(name, first=True)}: ")
    return charts.headline(against, name, CHANNEL), f"{more[0].upper()}{more[1:]} {charts.details(against, CHANNEL)}"


def choose(observation: Observation, gates: dict[str, Gate], block: str) -> ChannelSelection:
    """The channel of a block: the strongest, until one is chosen; and what there is to beware of."""
    values = gates[block].values[0]
    notes = st.container()
    with st.container(horizontal=True):
        order = widgets.choose("Order", ORDERS, key="order", look="row")
        channel = widgets.choose_channel(
            f"{observation.choice.key} {block}", len(values), int(np.abs(values).argmax()), key="channel", width=140
        )
    selection = ChannelSelection(observation, gates, block, channel, order == "Sorted")
    with notes:
        gate_pages.say_notes(observation, selection.gate)
    for sentence in complaints(selection, block):
        notes.caption(f":material/warning: {widgets.literal(sentence)}")
    return selection


def draw_gate(selection: ChannelSelection) -> None:
    """The gate as bars, and as a strip of all channels where there are too many; a click chooses a channel."""
    order = channels.drawn_channels(selection.values, by_size=selection.by_size)

    def click() -> None:
        if point := widgets.clicked("gate"):
            st.session_state.channel = int(order[point["point_index"]])

    finding = gates.passing_in_words(selection.gate, selection.name)
    bars, *strip = gates.channel_bars(selection.gate, "gate", finding, selection.channel, by_size=selection.by_size)
    widgets.show(replace(bars, table={}, numbers="gate"), on_select=click)
    st.caption("Click a bar to see its channel's map." if selection.steps else "Click a bar to choose its channel.")
    for chart in strip:
        widgets.show(chart)


def draw_channel(selection: ChannelSelection) -> None:
    """The chosen channel's map on the picture, before and after its gate, on one scale; then all numbers."""
    steps, channel = selection.steps, selection.channel
    gate: Columns = {"channel": range(len(selection.values)), "gate": selection.values}
    if steps is None:
        widgets.data(gate=gate)
        st.info("This gate has another form than SE's and CBAM's, so only its values can be shown.")
        return
    before, after = steps.before[0, channel], steps.after[0, channel]
    maps = {"before": before, "after": after}
    width, height = selection.observation.image.size
    narrow = min(1.0, max(0.4, width / height))  # of a portrait: its maps are higher, and stand closer together
    left, right, *_ = st.columns([0.5, 2 * narrow, *([2 - 2 * narrow] * (narrow < 1))], vertical_alignment="center")
    with left:
        st.metric(f"Gate of channel {channel}", f"× {fixed(selection.values[channel])}")
    with right:
        where = f"{selection.observation.key} {selection.gate.name} {channel}"
        called = analysis.block_called(selection.name)
        alt = f"Channel {channel} of {called} on the picture, before and after its gate"
        widgets.show(
            Chart(
                "channel_maps",
                sheet({"": _on_picture(where, selection.observation, maps)}, side=round(MAP_SIDE / narrow**0.5)),
                f"{alt}: from {extent(before)}, and from {extent(after)}.",
                f"{alt}, {len(before)} × {before.shape[1]} values on one scale, {FEATURE_ENDS}; below each its "
                "smallest and its largest.",
                numbers="channel_map",
            )
        )
    squeezed = {f"squeezed ({branch})": vectors[0] for branch, vectors in steps.squeezed.items()}
    widgets.data(gate={**gate, **squeezed}, channel_map=by_place(maps))


def complaints(selection: ChannelSelection, block: str) -> Iterator[str]:
    """What the validation pictures say against a block's gate, from the network's card."""
    card = selection.observation.card
    called = analysis.block_called(selection.observation.names[block], first=True)
    over = f"over {card.health_pictures}"
    for health in card.gate_health:
        if health.name != selection.gates[block].name:
            continue
        if analysis.hardly_varies(health):
            yield (
                f"{called}: these gates hardly change from picture to picture (a standard deviation of "
                f"{small(health.deviation)} {over})."
            )
        if analysis.saturates(health):
            yield (
                f"{called}: most of these gates are saturated ({health.low:.0%} below 0.05, {health.high:.0%} of "
                f"0.95 and above, {over})."
            )


@st.cache_data(max_entries=64, show_spinner=False)
def _on_picture(where: str, _observation: Observation, _maps: dict[str, Floats]) -> list[Tile]:
    """The maps by what they are called, on one scale, over the picture."""
    # Known by `where` alone: Streamlit tells large arrays and pictures apart by a sample of their values.
    picture, box = overlay.close_up(_observation.image, _observation.box, 2 * MAP_SIDE)
    look: dict[str, Any] = {"colour_map": "features", "scale": overlay.own_range(np.stack(list(_maps.values())))}
    return [
        Tile(name, overlay.overlay(picture, values, box, opacity=0.8, **look), [values])
        for name, values in _maps.items()
    ]


def draw_steps(selection: ChannelSelection) -> None:
    """Each step with one or two sentences, its figure, and its equation for the chosen channel."""
    steps = selection.steps
    if steps is None:
        st.info("This gate has another form than SE's and CBAM's, so its steps cannot be shown.")
        return
    if presenting.is_bare():
        values, activation, name = selection.values, selection.gate.activation, selection.name
        explore(
            lambda whole: explorable.channel(steps, values, activation, name, whole=whole),
            f"{selection.observation.key} {selection.block}",
        )
        return
    _draw_squeeze(selection, steps)
    _draw_excite(selection, steps)
    _draw_reweight(selection, steps)
    if len(steps.squeezed) > 1:
        st.markdown("CBAM sums two branches here. How each of them arrives at the gate is on its own page:")
        st.page_link(
            "pages/cbam.py",
            label="CBAM's two branches",
            icon=":material/visibility:",
            query_params=st.query_params.to_dict(),
        )


def _draw_squeeze(selection: ChannelSelection, steps: ChannelSteps) -> None:
    height, width = steps.before.shape[2:]
    st.subheader("1. Squeeze", anchor=False)
    names = " and its ".join(channels.MEANING[branch] for branch in steps.squeezed)
    widgets.say(
        f"Each channel's map of {height} × {width} values becomes its {names}: what it found, and not where.", "squeeze"
    )
    for branch, squeezed in steps.squeezed.items():
        widgets.show(channels.squeezed(squeezed[0], branch, selection.channel))
        st.latex(_pooled(branch, selection.channel, (height, width)) + f" = {fixed(squeezed[0, selection.channel])}")


def _draw_excite(selection: ChannelSelection, steps: ChannelSteps) -> None:
    c, values = selection.channel, selection.values
    hidden = next(iter(steps.hidden.values())).shape[1]
    squash = SQUASH.get(
        selection.gate.activation, (selection.gate.activation, rf"\mathrm{{{selection.gate.activation}}}")
    )
    st.subheader("2. Excite", anchor=False)
    widgets.say(
        f"Two small layers look at all {len(values):,} numbers at once: {len(values):,} → {hidden} hidden units → "
        f"{len(values):,}. The {squash[0]} turns each result into a gate {signs.bounds(selection.gate)}. (The equation "
        "leaves biases out, as the papers' do. SE's authors removed them in the experiments whose table stands under "
        "“Reduction ratio”; this project's own blocks have them.)",
        "excite",
    )
    for branch, units in steps.hidden.items():
        widgets.show(channels.hidden(units[0], branch, steps.activation))
    sums = [float(branch[0, c]) for branch in steps.branches.values()]
    inside = fixed(sums[0]) + "".join("+" * (value >= 0) + fixed(value) for value in sums[1:])
    symbols = ["z"] if len(sums) == 1 else [SYMBOL[branch] for branch in steps.squeezed]
    inner = r"\mathrm{{norm}}(W_1 {})" if steps.normalised else "W_1 {}"
    inputs = " + ".join(rf"W_2\,\mathrm{{{steps.activation}}}({inner.format(symbol)})" for symbol in symbols)
    st.latex(rf"s_{{{c}}} = {squash[1]}\left({inputs}\right)_{{{c}}} = {squash[1]}({inside}) = {fixed(values[c])}")


def _draw_reweight(selection: ChannelSelection, steps: ChannelSteps) -> None:
    c, order = selection.channel, analysis.by_openness(selection.values)
    st.subheader("3. Reweight", anchor=False)
    widgets.say("Each channel's map is multiplied by its gate.", "reweight")
    groups = {"Most open": order[:MAPS].tolist(), "Most closed": order[::-1][:MAPS].tolist()}
    widgets.show(channels.reweighted(groups, steps.before[0], steps.after[0], selection.values))
    largest = float(steps.before[0, c].max())
    st.latex(
        rf"x_{{{c}}} = s_{{{c}}} u_{{{c}}} = {fixed(selection.values[c])} \cdot u_{{{c}}}, "
        rf"\qquad \max u_{{{c}}} = {fixed(largest)} \to \max x_{{{c}}} = {fixed(steps.after[0, c].max())}"
    )


def _pooled(branch: str, channel: int, size: tuple[int, int]) -> str:
    height, width = size
    if branch == "max":
        return rf"z_{{{channel}}} = \max_{{i,j}} u_{{{channel}}}(i, j)"
    return rf"z_{{{channel}}} = \frac{{1}}{{{height} \cdot {width}}} \sum_{{i,j}} u_{{{channel}}}(i, j)"


def draw_usual(selection: ChannelSelection) -> None:
    """The gate against the same gate for the samples and a grey card."""
    usual.draw(selection.observation, (selection.block, CHANNEL), selection.name)


def draw_depth(selection: ChannelSelection) -> None:
    """The distribution of every block's gate, and what the validation pictures say about it."""
    widgets.show(channels.through_depth(selection.gates, selection.block, selection.observation.names))
    _draw_health(selection)


def draw_ratio(selection: ChannelSelection) -> None:
    """What the gates cost: the formula with this network's blocks, the curve over the ratio, the paper's table."""
    sizes = [gate.values.shape[1] for gate in selection.gates.values()]
    hidden = _hidden_units(selection)
    common = {size // units for size, units in zip(sizes, hidden, strict=True)} if hidden else {USUAL}
    current = common.pop() if len(common) == 1 and hidden else None
    if not hidden:
        st.info(f"These gates have another form than SE's; the formula is for SE in their place, with r = {USUAL}.")
    if presenting.is_bare():
        pass
    elif current or not hidden:
        _draw_formula(sizes, current or USUAL)
    else:
        _draw_sum(sizes, hidden)
    if hidden and not presenting.is_bare():
        inventory = selection.observation.inventory
        widgets.say(
            "As counted in this network, with what biases it has, attention holds "
            f"{inventory.network.attention_parameters:,} parameters, "
            f"{attention_share(inventory, 'parameters')} of its {magnitude(inventory.network.parameters)}.",
            "counted",
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        widgets.show(channels.ratio_curve(sizes, current))
    with right:
        _draw_published()


def _hidden_units(selection: ChannelSelection) -> list[int]:
    """How many hidden units each block's excitation has; none where one of them has another form than SE's."""
    names = [gate.name for gate in selection.gates.values()]
    steps = selection.observation.all_steps(names)
    found = [each for name in names if isinstance(each := steps[name], ChannelSteps)]
    return [next(iter(each.hidden.values())).shape[1] for each in found] if len(found) == len(names) else []


def draw_second(selection: ChannelSelection) -> None:
    """The same gate for a second picture, and the channels that differ most."""
    name = widgets.choose("Second picture", frame.other_pictures(selection.observation), key="second")
    second = selection.observation.of(frame.named_picture(name))
    same = next(gate for gate in second.trace.gates if gate.name == selection.gate.name)
    averaged = analysis.averaged_gate(same, "channel")
    assert averaged is not None
    gate = averaged.values[0]
    change = gate - selection.values
    chart = channels.difference(selection.values, gate)
    pictures, place_of_chart = st.columns([1, 4])
    for place, observation in (("First", selection.observation), ("Second", second)):
        with pictures:
            alt = f"{place} picture: {observation.picture.name}."
            widgets.show(Chart(place, overlay.jpeg(observation.square), alt, place))
    with place_of_chart:
        widgets.show(chart, fold_table=False)
        most = analysis.by_strength(np.abs(change))[:MOST_NAMED]
        rows = [(str(c), fixed(selection.values[c]), fixed(gate[c]), signed(change[c])) for c in most]
        st.markdown(widgets.as_table(("channel", "first", "second", "change"), rows, words=0))
    widgets.fold(**{chart.key: chart.table})


def draw_code(selection: ChannelSelection) -> None:
    """The gate and the block as this project's own code, and the line that goes into a residual block."""
    from attention import layers

    if presenting.is_bare():
        st.code(inspect.getsource(layers.PlainSE), language="python", wrap_lines=True)
        return
    st.markdown("The gate: squeeze, then a small network with a sigmoid.")
    st.code(inspect.getsource(layers.ChannelGate), language="python", wrap_lines=True)
    st.markdown("The block multiplies the features by it.")
    widgets.code(layers.SE, USAGE)


def _draw_health(selection: ChannelSelection) -> None:
    measured = {health.name for health in selection.observation.card.gate_health}
    sentences = [sentence for block in selection.gates for sentence in complaints(selection, block)]
    if not sentences and all(gate.name in measured for gate in selection.gates.values()):
        sentences = ["Over the validation pictures every block's gates vary, and in none are most of them saturated."]
    for sentence in sentences:
        widgets.say(f":material/monitor_heart: {widgets.literal(sentence)}", "health")


def _draw_formula(sizes: list[int], ratio: int) -> None:
    """Eq. 5 of the paper with the numbers of this network's stages."""
    stages = Counter(sizes)
    terms = " + ".join(rf"{count} \cdot {size}^2" for size, count in stages.items())
    result = f"{2 / ratio * sum(count * size**2 for size, count in stages.items()):,.0f}".replace(",", "{,}")
    widgets.say(
        "A gate is two small matrices, from C channels to C/r and back. All of them together, for stages s of "
        "$N_s$ blocks with $C_s$ channels, have so many weights:",
        "formula",
    )
    st.latex(rf"\frac{{2}}{{r}} \sum_s N_s C_s^2 = \frac{{2}}{{{ratio}}} \left({terms}\right) = {result}")


def _draw_sum(sizes: list[int], hidden: list[int]) -> None:
    """The same where each block has a ratio of its own: a sum over the blocks."""
    ratios = [size / units for size, units in zip(sizes, hidden, strict=True)]
    total = sum(2 * size * units for size, units in zip(sizes, hidden, strict=True))
    widgets.say(
        "A gate is two small matrices, from C channels to H hidden units and back. Here the ratio C/H is not the same "
        f"in all blocks, {number(min(ratios))} to {number(max(ratios))}, so the weights are added block by block:",
        "sum",
    )
    first, *_, last = (rf"2 \cdot {size:,} \cdot {units:,}" for size, units in zip(sizes, hidden, strict=True))
    st.latex(r"\sum_b 2\,C_b H_b = " + rf"{first} + \dots + {last} = {total:,}".replace(",", "{,}"))


def _draw_published() -> None:
    st.markdown("**SE-ResNet-50 on ImageNet, as published**")
    rows = [
        (
            str(row.reduction or "none"),
            f"{fixed(row.top1, 2)}%",
            f"{fixed(row.top5, 2)}%",
            f"{fixed(row.parameters, 1)} M",
        )
        for row in analysis.PUBLISHED_RATIOS
    ]
    table = widgets.as_table(("r", "top-1 error", "top-5 error", "parameters"), rows, words=0)
    widgets.say(table, "published")
    st.caption("Hu et al., arXiv 1709.01507, the table on the reduction ratio.")
