"""The lesson of grouped convolution: what is divided, what that saves, and what it cuts apart."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from attention import grouped
from attention.charts import explorable, partition, spatial
from attention.charts import grouped as figures
from attention.charts.chart import Chart
from attention.grouped import Convolution, Cost, GroupedLayer
from attention.numbers import amount
from attention.observe import Observation
from attention.records import GatescopeError
from attention.ui import widgets
from attention.ui.exploring import explore
from attention.ui.grouped import as_derivation, proof
from attention.ui.lessons.steps import Prediction, Step

if TYPE_CHECKING:  # these need torch
    from attention.grouped.experiments import ObservedConvolution

USUAL_GROUPS = 4
TIMED = ("fewer", "about as many", "more")
"""How many times as fast it runs, beside how many times less arithmetic it has."""
NEAR = 0.15
"""A share by which a time may differ and still be called the same."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """One convolution of a network on a picture, and the number of groups that is asked about."""

    observation: Observation
    layer: GroupedLayer

    @property
    def where(self) -> str:
        """The same for the same network, picture and layer, and for no others."""
        return f"{self.observation.key} {self.layer.name}"

    @property
    def convolution(self) -> Convolution:
        """The layer in groups: its own where it has several that are no single channels, else the fewest from 4 on."""
        shape = self.layer.convolution
        if 1 < shape.groups < shape.in_channels:
            return shape
        valid = [g for g in grouped.valid_groups(shape.in_channels, shape.out_channels) if g > 1]
        return replace(shape, groups=min(valid, key=lambda g: (g < USUAL_GROUPS, abs(g - USUAL_GROUPS))))

    @property
    def ordinary(self) -> Convolution:
        """The layer in one group."""
        return replace(self.layer.convolution, groups=1)

    @property
    def cost(self) -> Cost:
        """What it costs in groups."""
        return grouped.cost_of(self.convolution)

    @cached_property
    def seen(self) -> "ObservedConvolution":
        """What the layer reads and gives for this picture."""
        from attention.grouped.experiments import convolution_at

        seen = self.observation
        return seen.keep(
            "convolution",
            (self.layer.name,),
            lambda: convolution_at(seen.network.module, self.layer.name, seen.batch),
        )

    @property
    def own(self) -> str:
        """What the network itself does with this layer."""
        g = self.layer.convolution.groups
        return f"In this network `{self.layer.name}` has {amount(g, 'group')}."


def choose(observation: Observation) -> Lesson | None:
    """The convolution that the lesson is about, and the way on to the page of grouping; below the step. None where the
    network has none that can be divided."""
    _ = observation.trace  # first: where the pass fails, that is the reason to be said
    layers = {layer.name: layer for layer in grouped.convolutions(observation.cost) if _suits(layer.convolution)}
    if not layers:
        return None
    usual = max(layers, key=lambda name: _merit(layers[name].convolution))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = widgets.choose("Layer of the network", layers, key="layer", default=usual, width=300)
        lesson = Lesson(observation, layers[name])
        c = lesson.convolution
        numbers = {"c1": c.in_channels, "c2": c.out_channels, "h1": c.kernel[0], "w1": c.kernel[1]}
        st.page_link(
            "pages/grouped.py",
            label="Go on with this layer: other numbers, curves, time",
            icon=":material/arrow_forward:",
            query_params={key: text for key, text in st.query_params.items() if key not in ("step", "layer")}
            | {key: str(n) for key, n in (numbers | {"h": c.height, "w": c.width, "g": c.groups}).items()},
        )
    return lesson


def _suits(shape: Convolution) -> bool:
    divisible = len(grouped.valid_groups(shape.in_channels, shape.out_channels)) > 1
    return divisible and shape.kernel != (1, 1) and max(shape.in_channels, shape.out_channels) <= 2048


def _merit(shape: Convolution) -> tuple[bool, bool, int]:
    """Groups of several channels first, then any but single channels, and of those the smallest, which can be drawn."""
    several = 1 < shape.groups < shape.in_channels
    return several, shape.groups < shape.in_channels, -shape.in_channels * shape.out_channels


def _kernel(lesson: Lesson) -> Step:
    shape, seen = lesson.ordinary, lesson.seen
    h1, w1 = shape.kernel
    row, column = seen.place
    best = int(np.abs(seen.output[:, row, column]).argmax())
    reads = lesson.layer.convolution.in_channels // lesson.layer.convolution.groups
    first = best // (len(seen.output) // seen.groups) * reads
    loud = first + np.argsort(-np.abs(seen.features[first : first + reads]).mean((1, 2)), kind="stable")[:3]
    maps = {f"input {channel}": seen.features[channel] for channel in loud.tolist()} | {
        f"output {best}": seen.output[best]
    }
    what = f"{len(loud)} of the {reads} channels" if reads > 1 else "The one channel"
    chart = spatial.features(maps, f"{what} that kernel {best} reads, and the channel that it makes", gates=None)
    return Step(
        f"A kernel is a small stack of weights, {h1} × {w1} for each input channel that it reads. It slides over "
        f"the maps; at each place it adds up {h1} · {w1} · {reads} = {h1 * w1 * reads:,} products, and writes one "
        "number of one output channel.",
        lambda: widgets.show(chart),
        f"{lesson.own} The numbers are those of this picture.",
    )


def _count(lesson: Lesson) -> Step:
    shape, cost = lesson.ordinary, grouped.cost_of(lesson.ordinary)
    q = cost.weights
    (h1, w1), c1, c2 = shape.kernel, shape.in_channels, shape.out_channels
    return Step(
        f"An ordinary convolution of this size reads C₁ = {c1} channels with each of its C₂ = {c2} kernels of "
        f"h₁ × w₁ = {h1} × {w1}.",
        lambda: widgets.show(partition.chart(shape, cost)),
        rf"$Q = h_1 w_1 C_1 C_2 = {h1} \cdot {w1} \cdot {c1} \cdot {c2}$ = {q:,}, counted by `attention/grouped/`. "
        + lesson.own,
        Prediction(
            "How many weights has it in one group?",
            tuple(f"{count:,}" for count in sorted({c1 * c2, h1 * w1 * c1, q, h1 * w1 * (c1 + c2)})),
            f"{q:,}",
            f"Q = {h1} · {w1} · {c1} · {c2} = {q:,}: every kernel reads every channel.",
        ),
        lambda: widgets.show(partition.chart(shape, cost, counted=False)),
    )


def _why(lesson: Lesson) -> Step:
    return Step(
        "Groups were first a way to share work: AlexNet had two graphics cards, each computing half of the channels. "
        "What stayed is that each kernel reads fewer channels, so there are fewer weights to learn and to multiply.",
        lambda: widgets.show(figures.curves(lesson.ordinary)),
        f"Counted for this layer at every number of groups that divides its channels. {lesson.own}",
    )


def _divided(lesson: Lesson) -> Step:
    shape = lesson.convolution
    return Step(
        "The input channels are divided into g groups, and so are the kernels. Not divided are the height and width of "
        "the maps, nor those of a kernel: each group sees the whole picture, in some of its channels.",
        lambda: widgets.show(partition.chart(shape, lesson.cost, counted=False)),
        f"Here g = {shape.groups}. {lesson.own}",
    )


def _remain(lesson: Lesson) -> Step:
    shape, cost = lesson.convolution, lesson.cost
    g, q = shape.groups, cost.weights * shape.groups
    options = sorted({q, q // g, q // (g * g), q // 2})[::-1]
    return Step(
        f"Now g = {g}: each kernel reads C₁/g = {shape.in_channels // g} channels, and each group has C₂/g = "
        f"{shape.out_channels // g} kernels.",
        lambda: st.markdown(as_derivation(cost.steps[:5])),
        f"Counted by `attention/grouped/counting.py`, line by line from Q to Q/g. {lesson.own}",
        Prediction(
            f"In one group there are Q = {q:,} weights. How many remain in {g} groups?",
            tuple(f"{count:,}" for count in options),
            f"{cost.weights:,}",
            f"Q/g = {q:,} / {g} = {cost.weights:,}: each of {g} groups has Q/g² weights.",
        ),
        lambda: widgets.show(partition.chart(shape, cost, counted=False)),
    )


def _rules(lesson: Lesson) -> Step:
    shape = lesson.convolution
    g, c1, c2 = shape.groups, shape.in_channels, shape.out_channels

    def draw() -> None:
        widgets.show(partition.chart(shape, lesson.cost, 0))
        weights = (c2, c1 // g, *shape.kernel)
        st.code(f"nn.Conv2d({c1}, {c2}, {shape.kernel}, groups={g}).weight.shape  # {weights}")

    return Step(
        f"Input channels = channels of a kernel × g: {c1} = {c1 // g} × {g}. Kernels = output channels: {c2} = {c2}. "
        "So g has to divide both.",
        draw,
        f"Group 1 is lit. Possible here: g = {', '.join(map(str, grouped.valid_groups(c1, c2)))}.",
    )


def _response(lesson: Lesson, layers: int, shuffle: bool) -> tuple[Chart, Convolution, int, int]:
    """Who answers, the part of the layer that fits, and how many outputs and groups answer to the first input."""
    response, matches, part = proof(lesson.convolution, layers, shuffle)
    if not matches:
        raise GatescopeError("The outputs that answered are not those that the theory names.")
    return figures.answers(response, groups=part.groups), part, *figures.reach_of_first(response, part.groups)


def _apart(lesson: Lesson) -> Step:
    chart, part, answered, _ = _response(lesson, 1, False)
    outputs = part.out_channels
    return Step(
        "A group is a small convolution of its own, with input channels of its own and kernels that read no others.",
        lambda: widgets.show(chart),
        f"A real 3 × 3 convolution of {part.in_channels} → {outputs} channels in {part.groups} groups with random "
        "weights on noise; each input channel was disturbed in turn.",
        Prediction(
            f"Input channel 1 is disturbed. How many of {outputs} outputs change?",
            tuple(str(count) for count in sorted({1, outputs // part.groups, outputs})),
            str(answered),
            f"{answered} of {outputs} outputs change, those of its own group; the others not by one bit.",
        ),
        lambda: widgets.show(partition.chart(lesson.convolution, lesson.cost, 0)),
    )


def _deep(lesson: Lesson) -> Step:
    chart, part, answered, reached = _response(lesson, 2, False)
    return Step(
        f"Two grouped layers in a row stay apart, too: input 1 reaches {answered} of {part.out_channels} outputs, in "
        f"{reached} of {part.groups} groups. Nothing in one group ever learns what the others saw.",
        lambda: widgets.show(chart),
        "Two real 3 × 3 convolutions with random weights on noise.",
    )


def _shuffled(lesson: Lesson) -> Step:
    from attention.layers import ChannelShuffle

    chart, part, answered, reached = _response(lesson, 2, True)

    def draw() -> None:
        left, right = st.columns(2)
        with left:
            widgets.show(chart)
        right.code(inspect.getsource(ChannelShuffle.forward), wrap_lines=True)

    return Step(
        "ShuffleNet mixes the channels between two layers, so that each group of the second reads some of every group "
        "of the first. It costs no weights.",
        draw,
        "The same two convolutions, `ChannelShuffle` of `attention/layers.py` between them (arXiv 1707.01083).",
        Prediction(
            f"With the shuffle, how many of the {part.groups} groups does input channel 1 reach?",
            tuple(str(count) for count in sorted({1, max(reached // 2, 1), reached, part.groups})),
            str(reached),
            f"{reached} of {part.groups} groups, {answered} of {part.out_channels} outputs.",
        ),
        lambda: widgets.show(_response(lesson, 2, False)[0]),
    )


def _faster(lesson: Lesson) -> Step:
    from attention.grouped.experiments import measure

    shape = lesson.convolution
    g = shape.groups
    times = lesson.observation.store.get("seconds", ("convolution", shape), lambda: measure(shape))
    faster = times.seconds[1] / times.seconds[g]
    right = TIMED[1] if abs(faster / g - 1) <= NEAR else TIMED[2 * (faster > g)]
    return Step(
        f"In {g} groups there is 1/{g} of the arithmetic. But small groups use a processor less well, so time has to "
        "be measured.",
        lambda: widgets.show(figures.times(times, g)),
        f"This layer's size, timed on this machine when the step was opened first. {lesson.own}",
        Prediction(
            f"Is it {g} times as fast in {g} groups, fewer times, or more?",
            tuple(f"{word} than {g}" if word != TIMED[1] else f"about {g}" for word in TIMED),
            f"{right} than {g}" if right != TIMED[1] else f"about {g}",
            "Measured on this machine; another takes other times.",
        ),
        lambda: widgets.show(figures.curves(shape)),
    )


def _whole(lesson: Lesson) -> Step:
    def make(whole: bool) -> Chart:
        return explorable.kernels(lesson.seen, lesson.layer.name, whole=whole)

    return Step(
        "Point at a kernel: the input channels that it reads light up, and what each of them adds at one place of this "
        "picture.",
        lambda: explore(make, f"{lesson.where} kernels"),
        lesson.own,
    )


STEPS: dict[str, Callable[[Lesson], Step]] = {
    "What a kernel does": _kernel,
    "Count the weights": _count,
    "Why group?": _why,
    "What is divided, and what is not": _divided,
    "How many weights remain?": _remain,
    "Two rules": _rules,
    "Groups do not talk": _apart,
    "Not even two layers on": _deep,
    "Shuffle the channels": _shuffled,
    "Is it faster, too?": _faster,
    "Every kernel of this layer": _whole,
}
"""The steps by title, in their order."""
