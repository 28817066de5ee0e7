"""The page of the spatial gates: the map on the picture, and how a CBAM block's two gates came about."""

import inspect
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from attention import analysis
from attention.analysis import Block, Order
from attention.charts import gates, signs, spatial
from attention.charts import usual as charts
from attention.charts.chart import by_map, by_place
from attention.charts.colours import SPATIAL_GATE
from attention.charts.gates import MapStyle
from attention.kinds import SPATIAL
from attention.numbers import extent, fixed, small
from attention.observe import Observation
from attention.records import ChannelSteps, Floats, Gate, SpatialSteps
from attention.ui import gates as gate_pages
from attention.ui import presenting, tinted, usual, widgets

HEIGHT = 600
"""Height of the picture, in pixels, where its place is wide enough: what stays above the fold of a projected page."""
FRAME_SIDE = 360
"""Side of a picture in the filmstrip, in pixels."""
ACROSS, ACROSS_SCREEN = 4, 8
AVERAGED = ("mean over channels", "most open channel")
PLACEMENT = """flowchart LR
    x((x)) --> b["two 3×3<br>convolutions"] -- F --> c["channel<br>gate"]
    c -- F' --> d["spatial<br>gate"] -- F'' --> p(("+")) --> r([ReLU])
    x -- shortcut --> p
"""
USAGE = """\
self.attention = CBAM(channels, reduction=16, kernel=7)  # in __init__ of a residual block
return relu(self.attention(self.branch(x)) + self.shortcut(x))  # in its forward"""


def choose_block(observation: Observation, blocks: Sequence[Block]) -> Block:
    """The depth strip, coloured by the mean of each block's spatial gate."""
    gate_of = {block.name: _shown_gates(block)[0] for block in blocks}
    name = gate_pages.choose_block(observation, gate_of, "the mean of the spatial gate", SPATIAL_GATE)
    return next(block for block in blocks if block.name == name)


def headline(block: Block, name: str, found: usual.Found) -> tuple[str, str]:
    """What the block's spatial gate does to this picture against what is usual, as far as that is known, and its
    numbers; `name` is what the block is called."""
    called = analysis.block_called(name, first=True)
    if sides := analysis.profiles(block):
        passed = " and ".join(f"{extent(gate.values)} along the {side}" for side, gate in sides.items())
        return f"{called} has gates of {passed}, on average over its channels.", ""
    values = spatial_gate(block).values[0]
    seen = analysis.map_stats(values)
    numbers = f"Its gates run from {fixed(seen.minimum)} to {fixed(seen.maximum)}, {fixed(seen.mean)} on average."
    if analysis.deals_out(spatial_gate(block)):
        seen = analysis.map_stats(values * values.size)
        numbers = (
            f"Its {values.size:,} places share out 1: they get {fixed(seen.minimum)} to {fixed(seen.maximum)} times an "
            "even share."
        )
    against = found.get((block.name, SPATIAL))
    placed = not seen.nearly_shut and not seen.nearly_constant
    more = f" {charts.details(against, SPATIAL, placed=placed)}" if against else ""
    if seen.nearly_shut:
        return f"{called} is nearly shut everywhere: little of the features gets through.", numbers + more
    if seen.nearly_constant:
        return f"{called} is nearly constant: it says little about the picture.", numbers + more
    if against:
        return charts.headline(against, name, SPATIAL), numbers + more
    place = analysis.most_open_ninth(values)
    size = " size" * (seen.minimum < 0)
    return f"{called} is most open at the {place}, in the mean{size} of that ninth.", numbers


def say_health(observation: Observation, block: Block) -> None:
    """Said where the gate is of another kind, and where it did little over the validation pictures."""
    for gate in _shown_gates(block):
        gate_pages.say_notes(observation, gate)
    over = f"over {observation.card.health_pictures}"
    for health in observation.card.gate_health:
        if health.name not in [gate.name for gate in _shown_gates(block)]:
            continue
        if analysis.hardly_varies(health):
            st.warning(
                f"This gate hardly changes from picture to picture: {over}, a place has a standard deviation of "
                f"{small(health.deviation)}.",
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
        style = tinted.choose_style()
        _draw_legend(spatial_gate(block), style)
    with place:
        _draw_overlay(observation, block, style)
    widgets.tabs(
        "tab",
        {
            "How the map came about": lambda: _draw_derivation(observation, block),
            "Against the usual gate": lambda: usual.draw(
                observation, (block.name, SPATIAL), observation.names[block.name]
            ),
            "Channel attention": lambda: _draw_channel(observation, block),
            "Through depth": lambda: _draw_film(observation, block, style),
            "Before and after": lambda: _draw_features(observation, block),
            "Code": _draw_code,
        },
    )


def _draw_profiles(profiles: dict[str, Gate]) -> None:
    for place, (side, gate) in zip(st.columns(len(profiles), gap="medium"), profiles.items(), strict=True):
        with place:
            widgets.show(gates.profile(gate, side, numbers="profiles"))
    widgets.say(
        "This block weighs rows and columns apart, so it has no map, no pooled maps and no kernel. Each row and each "
        "column passes its share of the features.",
        "profiles",
    )
    numbers = {side: gate.values[0].tolist() for side, gate in profiles.items()}
    longest = max(map(len, numbers.values()))
    columns = {side: values + [None] * (longest - len(values)) for side, values in numbers.items()}
    widgets.data(profiles={"position": range(longest), **columns})


@st.fragment
def _draw_overlay(observation: Observation, block: Block, style: MapStyle) -> None:
    shown, _ = observation.view
    slot = st.container(width=round(HEIGHT * shown.width / shown.height))
    opacity = tinted.choose_opacity()
    gate = spatial_gate(block)
    chart = gates.map_on_picture(
        observation,
        gate,
        "map_over_picture",
        analysis.block_called(observation.names[block.name], first=True),
        style=style,
        opacity=opacity,
        side=None,
        numbers="spatial_gate",
    )
    with slot:
        dimmed = "" if observation.as_seen else " What is dimmed it does not see."
        captioned = replace(chart, caption=f"{chart.caption}{dimmed}")
        tinted.show_map(captioned, observation, gate.values[0], style, opacity)


def _draw_legend(gate: Gate, style: MapStyle) -> None:
    summary = analysis.map_stats(gate.values[0])
    numbers = {"Minimum": summary.minimum, "Mean": summary.mean, "Maximum": summary.maximum}
    for place, (name, value) in zip(st.columns(3), numbers.items(), strict=True):
        place.metric(name, fixed(value))
    tinted.show_legend(gates.colour_scale(gate, "legend", style, numbers="spatial_gate"), gate.values[0], style)
    widgets.data(spatial_gate=by_place({"gate": gate.values[0]}))


def _draw_film(observation: Observation, block: Block, style: MapStyle) -> None:
    blocks = [other for other in observation.blocks if analysis.spatial_view(other)]
    scale = "each on its own range" if style.own_range else "all on the scale 0 to 1"
    widgets.say(f"The {len(blocks)} spatial gates from the first block to the last, {scale}.", "depth")
    across = ACROSS_SCREEN if presenting.is_bare() else ACROSS
    film = st.container(key="film")
    for start in range(0, len(blocks), across):
        for place, other in zip(film.columns(across), blocks[start : start + across], strict=False):
            called = analysis.block_called(observation.names[other.name], first=True)
            chart = gates.map_on_picture(
                observation,
                spatial_gate(other),
                f"film_map_{other.name}",
                called,
                style=style,
                side=FRAME_SIDE,
                numbers="film",
            )
            with place:
                widgets.show(replace(chart, caption=called) if presenting.is_bare() else chart)
            _offer_block(place, other.name, observation.names[other.name], chosen=other.name == block.name)
    widgets.data(film=by_map({other.name: spatial_gate(other).values[0] for other in blocks}))


def _offer_block(place: DeltaGenerator, block: str, name: str, *, chosen: bool) -> None:
    def go_to() -> None:
        st.session_state.block = block

    called = widgets.literal(analysis.block_called(name, first=chosen))
    label = f"{called}, shown above" if chosen else f"Open {called}"
    if place.button(label, key=f"film_{block}", on_click=go_to, disabled=chosen, width="stretch"):
        st.rerun()


def _shown_gates(block: Block) -> list[Gate]:
    """What the page shows of a block: its map, or its profiles along the height and the width."""
    return list(analysis.profiles(block).values()) or [spatial_gate(block)]


def spatial_gate(block: Block) -> Gate:
    """The spatial gate of a block that has a map; another kind's is averaged to one."""
    gate = analysis.spatial_view(block)
    assert gate is not None
    return gate


def _draw_derivation(observation: Observation, block: Block) -> None:
    """The spatial gate from left to right, as the paper draws it."""
    gate = spatial_gate(block)
    steps = observation.steps(gate.name)
    if not isinstance(steps, SpatialSteps):
        st.info("This gate is not of CBAM's form: it has no pooled maps and no kernel to show, only the map above.")
        return
    order = gate_pages.order(observation, block)
    if order.relation == "read alike" and not order.spatial_first and block.channel:
        read = observation.steps(block.channel.name)
        assert read
        steps = replace(steps, before=read.before)  # both gates read what the first is given
    size, chart = steps.kernel.shape[-1], spatial.derivation(steps, gate.values[0])
    widgets.show(chart, fold_table=False)
    symbol, sentences = order.read_by_spatial, derivation_in_words(steps, gate, order)
    for place, sentence in zip(st.columns(4, gap="medium"), sentences, strict=True):
        widgets.say(sentence, sentence.split("**")[1], at=place)
    f = rf"f^{{{size} \times {size}}}"
    st.latex(rf"M_s = \sigma\left({f}\left([\mathrm{{AvgPool}}({symbol});\ \mathrm{{MaxPool}}({symbol})]\right)\right)")
    widgets.say(
        f"f is the convolution{' and the normalisation after it, as the authors have it' * steps.normalised}; "
        f"{signs.sigma(gate)}.",
        "functions",
        "caption",
    )
    widgets.fold(**{chart.key: chart.table})


def derivation_in_words(steps: SpatialSteps, gate: Gate, order: Order) -> tuple[str, ...]:
    """What is done to the features from left to right, a sentence each."""
    symbol, normalised = order.read_by_spatial, ", normalised" * steps.normalised
    weighed = " that the channel gate has weighed" * (symbol == "F'")
    channels, size = steps.before.shape[1], steps.kernel.shape[-1]
    return (
        f"**1 Features** {symbol}: {channels:,} channels{weighed}; here those of the largest values.",
        "**2 Pool**: each place keeps the mean of its channels and the largest of them.",
        f"**3 Kernel**, {size} × {size}, learned: red weights add a pooled value to the answer, blue ones take it off.",
        f"**4 Gate**: the answers of the kernel are summed{normalised}, and squashed {signs.bounds(gate)}.",
    )


def _draw_channel(observation: Observation, block: Block) -> None:
    """The channel gate, split into the branches of its MLP up to their sum and the sigmoid."""
    steps = observation.steps(block.channel.name) if block.channel else None
    if not block.channel or not isinstance(steps, ChannelSteps):
        st.info("This block has no channel gate of CBAM's form: the gate above stands alone.")
        return
    gate = block.channel.values[0]
    widgets.say(
        "One small network, the MLP, reads the mean of every channel and, once more, the maximum of every channel. "
        f"Its two answers are summed and squashed {signs.bounds(block.channel)}: a gate for each channel.",
        "branches",
    )
    where = f"{observation.choice.key} {block.name}"
    channel = widgets.choose_channel(where, len(gate), int(np.abs(gate).argmax()), key="unit", width=140)
    widgets.show(spatial.branches(steps, gate, channel))
    read = gate_pages.order(observation, block).read_by_channel
    pooled = [rf"\mathrm{{MLP}}(\mathrm{{{pooling}}}({read}))" for pooling in ("AvgPool", "MaxPool")]
    st.latex(rf"M_c = \sigma\big({' + '.join(pooled)}\big)")
    st.latex(numbers_of_channel(steps, gate, channel))
    widgets.say(f"{signs.sigma(block.channel)}.", "sigma", "caption")


def numbers_of_channel(steps: ChannelSteps, gate: Floats, channel: int) -> str:
    """The equation of the channel gate with one channel's numbers, in LaTeX."""
    values = [float(branch[0, channel]) for branch in steps.branches.values()]
    summed = " + ".join(f"({fixed(value)})" if value < 0 else fixed(value) for value in values)
    total = f"= \\sigma({fixed(sum(values))}) " if len(values) > 1 else ""
    return rf"M_c[{channel}] = \sigma({summed}) {total}= {fixed(gate[channel])}"


def _draw_features(observation: Observation, block: Block) -> None:
    """The feature map before and after each of the two gates, in their order, on one scale."""
    stages = _stages(observation, block)
    if not stages:
        st.info("This gate is not of CBAM's form: the features before and after it are not at hand.")
        return
    what = widgets.choose("Shown", AVERAGED, key="shown", look="row")
    channel = int(np.abs(block.channel.values[0]).argmax()) if block.channel else 0
    maps = {name: values.mean(0) if what == AVERAGED[0] else values[channel] for name, values in stages.items()}
    which = "The mean over all channels" if what == AVERAGED[0] else f"Channel {channel}"
    widgets.show(spatial.features(maps, which, gates=[gate.values for gate in block.gates]))


def _draw_code() -> None:
    """CBAM as this project's own code, and its place in a residual block."""
    from attention.layers import CBAM, SpatialGate

    st.markdown("Where CBAM's paper has it: on the residual branch, before the addition.")
    widgets.diagram(
        PLACEMENT, "Two convolutions, then the channel gate, then the spatial gate, then the shortcut is added."
    )
    st.code(inspect.getsource(SpatialGate), language="python", wrap_lines=True)
    widgets.code(CBAM, USAGE)


def _stages(observation: Observation, block: Block) -> dict[str, Floats]:
    """The feature maps (C, H, W) by what has happened to them; empty where the gates are not of CBAM's form."""
    channel = observation.steps(block.channel.name) if block.channel else None
    last = observation.steps(spatial_gate(block).name)
    if not isinstance(last, SpatialSteps):
        return {}
    both: list[tuple[str, ChannelSteps | SpatialSteps]] = [("the spatial gate", last)]
    order = gate_pages.order(observation, block)
    if isinstance(channel, ChannelSteps):
        both.insert(order.spatial_first, ("the channel gate", channel))
    stages = {"before": both[0][1].before[0]}
    for number, (gate, steps) in enumerate(both):
        if number and order.relation == "apart":
            stages[f"before {gate}"] = steps.before[0]
        stages[f"after {gate}"] = steps.after[0]
    return stages
