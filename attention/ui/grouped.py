"""The page of grouped convolution: its numbers, the diagram, the derivation, and what follows from it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from attention import grouped, images
from attention.charts import grouped as figures
from attention.charts import partition
from attention.grouped import Convolution, Cost, DerivationStep, papers
from attention.models import zoo
from attention.numbers import amount
from attention.observe import Observation
from attention.ui import cache, widgets
from attention.ui.choosing import zoo_choice

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from attention.grouped.experiments import Answers


class Number(NamedTuple):
    """One of the numbers to choose."""

    label: str
    first: int
    most: int
    help: str


NUMBERS = {
    "c1": Number("C₁", 32, 2048, "Input channels"),
    "c2": Number("C₂", 32, 2048, "Output channels, which is also the number of kernels"),
    "h1": Number("h₁", 3, 11, "Height of a kernel"),
    "w1": Number("w₁", 3, 11, "Width of a kernel"),
    "h": Number("H", 28, 512, "Height of the output"),
    "w": Number("W", 28, 512, "Width of the output"),
}
FIRST_GROUPS = 4
WITH_GROUPS = "se-resnext"
"""A network with grouped convolutions, for those that have none."""
EXAMPLES = {
    "Small": Convolution(12, 12, (3, 3), 3, 28, 28, False),
    "AlexNet conv2": Convolution(96, 256, (5, 5), 2, 27, 27, True),
    "ResNeXt 32 × 4": Convolution(128, 128, (3, 3), 32, 56, 56, False),
    "256 channels": Convolution(256, 256, (3, 3), 8, 14, 14, False),
    "Depthwise": Convolution(64, 64, (3, 3), 64, 56, 56, False),
}


def choose() -> Convolution:
    """The groups, then sizes and examples, and what there is to say of a wish that was not met."""
    notes = _read_link()
    place_of_groups = st.container()
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        with st.popover("Sizes", icon=":material/straighten:", key="sizes"):
            numbers = {
                key: st.number_input(
                    number.label, 1, number.most, number.first, key=key, help=number.help, bind="query-params"
                )
                for key, number in NUMBERS.items()
            }
            bias = st.toggle("bias", key="bias", bind="query-params")
        st.markdown("Try", width="content")
        for name, example in EXAMPLES.items():
            st.button(
                name,
                key=f"example_{name}",
                on_click=_take_example,
                args=(example,),
                icon=":material/arrow_forward:",
                type="tertiary",
            )
    with place_of_groups:
        groups = _choose_groups(numbers["c1"], numbers["c2"])
    if refused := st.session_state.pop("_refused_groups", ""):
        notes.append(f"{_asked('g', refused)}; it can be what divides both C₁ and C₂, and is {groups} here.")
    if groups != (wish := st.session_state["_wished_groups"]):
        notes.append(f"g = {wish} does not divide both C₁ and C₂; this is g = {groups}, the nearest that does.")
    if notes:
        widgets.info("\n\n".join(notes))
    kernel = numbers["h1"], numbers["w1"]
    return Convolution(numbers["c1"], numbers["c2"], kernel, groups, numbers["h"], numbers["w"], bias)


def _choose_groups(c1: int, c2: int) -> int:
    """Only what divides both: the nearest to what the person wished last, by a click, a link or the browser's Back.

    The state is written only where it has to move: writing it always would undo what Back restores.
    """
    state = st.session_state
    if state.get("g") not in (None, state.get("_shown_groups")):
        state["_wished_groups"] = state.g
    nearest = grouped.nearest_groups(state["_wished_groups"], in_channels=c1, out_channels=c2)
    if state.get("g") != nearest:
        state.g = nearest
    valid, usual = grouped.valid_groups(c1, c2), grouped.nearest_groups(FIRST_GROUPS, in_channels=c1, out_channels=c2)
    label = "Groups g: what divides both C₁ and C₂"
    groups = st.pills(label, valid, default=usual, required=True, key="g", bind="query-params")
    if groups != nearest:
        state["_wished_groups"] = groups
    state["_shown_groups"] = groups
    return groups


def _read_link() -> list[str]:
    """On the first visit: what the link asks for and cannot have. It leaves the link, and the first value stands.

    The widgets must not see it, since streamlit's own reading of a number stumbles over infinity; they read the link
    as it was when the run began, hence another run.
    """
    if "g" in st.session_state:
        return []
    asked = st.query_params.to_dict()
    wish = asked.get("g", str(FIRST_GROUPS))
    st.session_state["_wished_groups"] = int(wish) if _is_count(wish) else FIRST_GROUPS
    if not _is_count(wish):
        st.session_state["_refused_groups"] = wish or "nothing"
    given = {key: text for key, text in asked.items() if key in NUMBERS}
    wrong = {key: text for key, text in given.items() if not _is_count(text) or int(text) > NUMBERS[key].most}
    if wrong:
        for key in wrong:
            del st.query_params[key]
        st.session_state["_link_notes"] = [_refusal(text, NUMBERS[key]) for key, text in wrong.items()]
        st.rerun()
    return st.session_state.pop("_link_notes", [])


def _refusal(text: str, number: Number) -> str:
    return f"{_asked(number.label, text)}; it can be 1 to {number.most:,}, and is {number.first} here."


def _asked(label: str, text: str) -> str:
    return f"The link asks for {label} = {widgets.literal(text[:20])}"


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0


def _take_example(example: Convolution) -> None:
    h1, w1 = example.kernel
    values = (example.in_channels, example.out_channels, h1, w1, example.height, example.width)
    st.session_state.update(zip(NUMBERS, values, strict=True), bias=example.bias, _wished_groups=example.groups)


MOST_DISTURBED = 128
"""Input channels that the proof disturbs one after another."""


def answer(convolution: Convolution, cost: Cost) -> str:
    """What grouping saves here, in one sentence."""
    g, c1 = convolution.groups, convolution.in_channels
    if g == 1:
        return f"With one group nothing is saved: every kernel reads all {c1:,} channels, {cost.weights:,} weights."
    kind = " (depthwise)" if g == c1 == convolution.out_channels else ""
    return (
        f"In {g} groups{kind}, a kernel reads {c1 // g:,} of {c1:,} channels: "
        f"{cost.weights:,} weights instead of {cost.weights * g:,}."
    )


@st.fragment
def draw_partition(convolution: Convolution, cost: Cost) -> None:
    """The diagram; a click on it, or the slider below it, lights the path of one group."""
    g = convolution.groups
    options = ["all", *map(str, range(1, g + 1))]

    def light() -> None:
        if point := widgets.clicked("partition"):
            chosen = str(point["customdata"] + 1)
            st.session_state.light = "all" if chosen == st.session_state.light else chosen

    place = widgets.room("partition")
    if g > 1:
        widgets.choose("Light the path of one group", options, key="light", look="slider")
    lit = None if g == 1 or st.session_state.light == "all" else int(st.session_state.light) - 1
    with place:
        chart = partition.chart(convolution, cost, lit)
        click = f"{chart.caption} Click a group to light its path."
        widgets.show(replace(chart, caption=click), on_select=light)


def as_derivation(steps: Sequence[DerivationStep]) -> str:
    """Lines of a derivation as a table in markdown."""
    rows = [(step.what, f"${step.formula}$", f"**{step.value:,}**") for step in steps]
    return widgets.as_table(("What", "How", "Number"), rows, words=2)


def draw_derivation(convolution: Convolution, cost: Cost) -> None:
    """The rules and the derivation with the numbers filled in, and the line of code."""
    g, c1, c2 = convolution.groups, convolution.in_channels, convolution.out_channels
    beside = st.container(horizontal=True, gap="medium")
    widgets.say(as_derivation(cost.steps), "derivation", at=beside.container(width="content"))
    beside.container(width=420).markdown(
        f"- Input channels = kernel channels × g: **{c1} = {c1 // g} × {g}**\n"
        f"- Number of kernels = output channels: **{c2} = {c2}**\n"
        f"- g divides both C₁ and C₂: here it can be **{', '.join(map(str, grouped.valid_groups(c1, c2)))}**"
    )
    st.code(f"nn.Conv2d({c1}, {c2}, {convolution.kernel}, groups={g}, bias={convolution.bias})", language="python")


def draw_curves(convolution: Convolution) -> None:
    """Parameters and MACs at every valid number of groups."""
    widgets.show(figures.curves(convolution))


def draw_times(convolution: Convolution) -> None:
    """Measured time beside the theory, when asked for."""
    widgets.say("Fewer parameters is not the same as faster. How long does this convolution take here?", "speed")
    if st.button("Measure on this machine", icon=":material/timer:", key="measure_times"):
        with st.spinner("Running the convolution at every number of groups"):
            from attention.grouped.experiments import measure

            st.session_state["_times"] = measure(convolution)
    times = st.session_state.get("_times")
    if times is None or times.convolution != replace(convolution, groups=1):
        st.caption("Takes about a second. Nothing has been measured with these numbers yet.")
        return
    widgets.show(figures.times(times, convolution.groups))
    published = ", ".join(f"{name} {speed:,}" for name, speed in papers.THROUGHPUT.items())
    st.caption(f"On a GPU, images a second at about equal MACs, as timm publishes them for an RTX 4090: {published}.")


def draw_proof(convolution: Convolution) -> None:
    """Which outputs answer when one input channel is disturbed."""
    left, right = st.columns([2, 3], gap="large")
    with left:
        layers = widgets.choose("Layers", [1, 2], key="layers", look="row")
        shuffle = st.toggle("Shuffle channels in between", key="shuffle", bind="query-params", disabled=layers == 1)
        response, matches, part = proof(convolution, layers, shuffle and layers > 1)
        g, outputs = part.groups, part.out_channels
        answered, reached = figures.reach_of_first(response, g)
        widgets.say(
            f"Input channel 1 is disturbed and **{answered} of {outputs}** output channels answer, in "
            f"**{reached} of {g}** group{'s' * (g > 1)}"
            + ("; the others do not change by a single bit." if answered < outputs else "."),
            "has",
        )
        st.markdown(_why(part, layers, shuffle))
        verdict = "as the theory says" if matches else "not as the theory says"
        st.caption(
            f"{amount(layers, 'real 3 × 3 convolution')} with random weights, a picture of noise, each of "
            f"{part.in_channels} input channels disturbed in turn: all {response.size:,} answers are {verdict}."
        )
        if part != convolution:
            st.caption(f"Of {convolution.in_channels} → {convolution.out_channels} channels, the first {g} groups.")
    with right:
        widgets.show(figures.answers(response, groups=g))


def draw_papers() -> None:
    """The equal-budget view of ResNeXt, ShuffleNet's groups, and AlexNet counted."""
    widgets.say("The same number of weights, spent on ever more and ever thinner paths: the error falls.", "paths")
    widgets.show(figures.equal_budget())
    shuffle, alexnet = st.columns(2, gap="large")
    with shuffle:
        st.markdown("**ShuffleNet: more groups at one budget, shuffled in between**")
        rows = {"groups": list(papers.SHUFFLENET_ERRORS), "top-1 error, %": list(papers.SHUFFLENET_ERRORS.values())}
        st.dataframe(rows, hide_index=True, alt="More groups at one budget lower the error from 33.6 to 32.4%.")
        unshuffled = "; ".join(
            f"g = {g} has {without}% without the shuffle, {with_it}% with it"
            for g, (without, with_it) in papers.SHUFFLE_ERRORS.items()
        )
        st.caption(f"ImageNet, the 1× budget, as published in {papers.SHUFFLENET}: {unshuffled}.")
    with alexnet:
        st.markdown("**AlexNet: parameters with its two groups, and with one**")
        _draw_alexnet()


def draw_network(observation: Observation) -> None:
    """The grouped convolutions of the loaded network, or of one that has some, with what they save."""
    if not any(layer.convolution.groups > 1 for layer in grouped.convolutions(observation.cost)):
        title = widgets.literal(observation.card.title)
        widgets.info(f"{title} has no grouped convolutions. These are another network's:")
        observation = cache.observe(zoo_choice(zoo.card(WITH_GROUPS), random=False), observation.picture)
    layers = grouped.convolutions(observation.cost)
    inside = [layer for layer in layers if layer.convolution.groups > 1]
    parameters = sum(layer.cost.parameters for layer in inside)
    ordinary = sum(layer.ungrouped.parameters for layer in inside)
    widgets.say(
        f"**{len(inside)} of {len(layers)}** convolutions of {widgets.literal(observation.card.title)} are grouped: "
        f"**{parameters:,}** parameters, where ordinary ones would have **{ordinary:,}**.",
        "model",
    )
    widgets.show(figures.savings(layers))
    st.caption(f"The picture has {images.size_in_words(observation.card.input_size)} px as the network sees it.")


@st.cache_data(max_entries=32, show_spinner="Disturbing one channel after the other")
def proof(convolution: Convolution, layers: int, shuffle: bool) -> "tuple[Answers, bool, Convolution]":
    """The answers, whether they are the expected ones, and the convolution that fits the page."""
    from attention.grouped import experiments

    part = experiments.excerpt(convolution, MOST_DISTURBED)
    response = experiments.response(experiments.stack(part, layers=layers, shuffle=shuffle), part.in_channels)
    return response, bool((response == experiments.expected_response(part, layers=layers, shuffle=shuffle)).all()), part


def _why(convolution: Convolution, layers: int, shuffle: bool) -> str:
    """What decides which groups answer."""
    g, kernels = convolution.groups, convolution.out_channels // convolution.groups
    if g == 1:
        return "With one group there is nothing to keep apart."
    if layers == 1:
        return "Each group is a small convolution of its own: the picture is block-diagonal."
    if not shuffle:
        return "Stacked, the groups stay apart for ever: no output knows what the other groups saw."
    if kernels >= g:
        return f"A group has {kernels} output channels, enough for the shuffle to hand one to each of the {g} groups."
    return f"A group has only {amount(kernels, 'output channel')}: the shuffle reaches {kernels} of {g} groups."


def _draw_alexnet() -> None:
    two, one = (papers.alexnet_parameters(grouped=grouped) for grouped in (True, False))
    layers = {name: layer for name, layer in papers.ALEXNET_CONVOLUTIONS.items() if layer.groups > 1}
    columns = {
        "layer": [*layers, "whole network"],
        "two groups": [*(grouped.cost_of(layer).parameters for layer in layers.values()), two],
        "one group": [*(grouped.cost_of(replace(layer, groups=1)).parameters for layer in layers.values()), one],
    }
    numbers = {name: st.column_config.NumberColumn(format="localized") for name in ("two groups", "one group")}
    st.dataframe(columns, hide_index=True, column_config=numbers, alt=f"{two:,} parameters, {one:,} with one group.")
    st.caption(
        f"Counted here from the layers of {papers.ALEXNET}. In every run, they write, one group's filters were largely "
        "colour-agnostic and the other's colour-specific."
    )
