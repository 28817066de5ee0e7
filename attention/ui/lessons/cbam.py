"""The lesson of CBAM: a gate for each channel, then a gate for each place."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from textwrap import dedent

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from attention import analysis
from attention.analysis.gates import NINTHS, ninths
from attention.charts import comparing, explorable, gates, overlay, signs, spatial
from attention.charts.chart import Chart, by_place
from attention.charts.survey_figures import gate_map, map_grid
from attention.models import zoo
from attention.numbers import fixed
from attention.observe import Observation
from attention.records import Floats, SpatialSteps
from attention.ui import cache, presenting, widgets
from attention.ui.cbam import USAGE
from attention.ui.choosing import zoo_choice
from attention.ui.exploring import explore
from attention.ui.lessons import gated as shared
from attention.ui.lessons.gated import Gated
from attention.ui.lessons.steps import OtherFormError, Prediction, Step

PLACES = tuple(name for row in NINTHS for name in row)
BESIDE = ("se", "cbam")
"""Networks that were trained alike, but for their gates."""
SEVEN, ONE = "7 × 7, as it was trained", "1 × 1, of the same weights"
ALIKE = "neither, they are alike"


def _poolings(lesson: Gated) -> Step:
    chart, read = spatial.channel_pooling(lesson.steps, lesson.order[0]), lesson.order_of_gates.read_by_channel
    return Step(
        "CBAM asks each channel twice: what is the mean of its places, and what is the largest of them? A small bright "
        "spot hardly moves the mean, but sets the largest.",
        lambda: widgets.show(chart),
        f"`{lesson.gate.name}`: AvgPool({read}) and MaxPool({read}), (1, {len(lesson.values)}) each.",
    )


def _shared_mlp(lesson: Gated) -> Step:
    inner, channel, values = lesson.steps, lesson.order[0], lesson.values
    branches = [float(branch[0, channel]) for branch in inner.branches.values()]
    added = " + ".join(f"({fixed(value)})" if value < 0 else fixed(value) for value in branches).replace("-", "−")
    total, read = fixed(sum(branches)), lesson.order_of_gates.read_by_channel
    return Step(
        "The same small network, with the same weights, reads the means and then the largest values; its two answers "
        f"are added and pressed {signs.bounds(lesson.gate)}. For channel {channel}: {added} = {total}, gate "
        f"**{fixed(values[channel])}**.",
        lambda: widgets.show(spatial.branches(inner, values, channel)),
        rf"`{lesson.gate.name}`: $M_c = \sigma(\mathrm{{MLP}}(\mathrm{{AvgPool}}({read})) + "
        rf"\mathrm{{MLP}}(\mathrm{{MaxPool}}({read})))$; {signs.sigma(lesson.gate)}.",
    )


def _pooled(lesson: Gated) -> Step:
    inner, read = lesson.spatial_steps, lesson.order_of_gates.read_by_spatial
    return Step(
        f"Now the other way round: at each place {inner.before.shape[1]} channels become their mean and the "
        "largest of them. What is lost is which channel; what is kept is where.",
        lambda: widgets.show(spatial.spatial_pooling(inner)),
        f"What reaches `{lesson.spatial_gate.name}`: [AvgPool({read}); MaxPool({read})], a map each.",
    )


def _guess(lesson: Gated) -> Step:
    found, seen, gate = analysis.map_stats(np.abs(lesson.map)), lesson.observation, lesson.spatial_gate
    near = PLACES.index(found.place)
    options = tuple(PLACES[place] for place in sorted({near, (near + 2) % 9, (near + 4) % 9, (near + 7) % 9}))
    (_, brightest), *rest = sorted(ninths(np.abs(lesson.map)).items(), key=lambda each: -each[1])
    near_it = f"next is the {NINTHS[rest[0][0][0]][rest[0][0][1]]}, {fixed(rest[0][1])}; " if rest else ""
    answer = gates.map_on_picture(seen, gate, "guessed_map", "The spatial gate", side=300)
    return Step(
        "From these two maps the block makes one gate for each place of the picture.",
        lambda: _narrow(answer),
        f"`{gate.name}`. Yellow is open, violet is shut. How much of it is a habit, whatever the picture is, the CBAM "
        "page tells.",
        Prediction(
            "The picture is cut into ninths. In which of them are the gates most open, on average?",
            options,
            found.place,
            f"The mean gate there is {fixed(brightest)}; {near_it}over the whole picture it is {fixed(found.mean)}.",
        ),
        lambda: _narrow(_picture(seen)),
    )


def _picture(seen: Observation) -> Chart:
    return Chart("guessed_picture", overlay.jpeg(seen.square), f"{seen.picture.name}, as the network sees it.")


def _narrow(chart: Chart) -> None:
    with st.container(width="stretch" if presenting.is_bare() else 300):
        widgets.show(chart)


def _kernel(lesson: Gated) -> Step:
    inner = lesson.spatial_steps
    size, count = inner.kernel.shape[-1], inner.kernel.size
    chart, gate = spatial.derivation(inner, lesson.map), lesson.spatial_gate
    return Step(
        f"A place is judged with its neighbours: a window of {size} × {size} places on both maps is multiplied by "
        f"{count} learned weights, the products are added, and the sum is {_normalised(inner)}pressed "
        f"{signs.bounds(gate)}.",
        lambda: widgets.show(chart),
        _equation(lesson),
    )


def _normalised(inner: SpatialSteps) -> str:
    """What is done to a sum before it is pressed, in words that go on with "and"; nothing where nothing is."""
    if not inner.normalised:
        return ""
    by = "by the mean and the spread over this picture's places" if inner.own_eps is not None else "by learned numbers"
    return f"normalised {by}, and "


def _equation(lesson: Gated) -> str:
    inner = lesson.spatial_steps
    size, read = inner.kernel.shape[-1], lesson.order_of_gates.read_by_spatial
    sigma = signs.sigma(lesson.spatial_gate)
    return (
        rf"`{lesson.spatial_gate.name}`: $M_s = \sigma(f^{{{size} \times {size}}}([\mathrm{{AvgPool}}({read}); "
        rf"\mathrm{{MaxPool}}({read})]))$" + ", f with its normalisation" * inner.normalised + f"; {sigma}."
    )


def _sizes(lesson: Gated) -> Step:
    maps = both_sizes(lesson.spatial_steps, lesson.spatial_gate.activation)
    rough = {name: float(np.abs(np.diff(values)).mean()) for name, values in maps.items()}
    alike = len({fixed(value, 4) for value in rough.values()}) == 1
    smooth = ALIKE if alike else min(rough, key=lambda name: rough[name])
    figure = map_grid([gate_map(name, values.astype(np.float64)) for name, values in maps.items()])
    changes, told = "; ".join(f"{name}: {fixed(value, 4)}" for name, value in rough.items()), ", so alike" * alike
    chart = Chart("sizes", figure, f"Neighbours in a row differ by {changes}.", table=by_place(maps))
    return Step(
        "The paper found 7 × 7 best; some write 1 × 1, which judges each place alone. No 1 × 1 was trained here: this "
        "one has the sum of each map's 7 × 7 weights as its weight.",
        lambda: widgets.show(chart),
        f"`SpatialGate(7)` and `SpatialGate(1)` of `attention/layers.py`, run on the pooled maps of "
        f"`{lesson.spatial_gate.name}`"
        + "; each is normalised as in that block" * lesson.spatial_steps.normalised
        + ".",
        Prediction(
            "Which map is smoother, with smaller steps from a place to the next?",
            (SEVEN, ONE, ALIKE),
            smooth,
            f"From a place to the next in its row the gate changes on average by: {changes}{told}.",
        ),
        lambda: widgets.show(spatial.spatial_pooling(lesson.spatial_steps)),
    )


def both_sizes(inner: SpatialSteps, activation: str) -> dict[str, Floats]:
    """The gate (H, W) by the kernel as it is, and by one place whose weight for each map is the sum of the kernel's;
    `activation` makes the gate of the sum.

    Raises OtherFormError where the kernel on the pooled maps does not give what the pass computed.
    """
    import torch

    from attention.capture.steps import GATE_ACTIVATIONS
    from attention.layers import SpatialGate

    found = explorable.border_and_bias(inner)
    if found is None or inner.logits is None or inner.summed is None or inner.kernel.shape[-1] != 7:
        raise OtherFormError("This block has no kernel of 7 × 7 to compare with. Another block below may have one.")
    border, bias = found
    # What normalises the sums is a scale and a shift, which the line through both has; without it they are 1 and 0.
    scale, shift = np.polyfit(_standard(inner.summed, inner.own_eps).ravel(), inner.logits.ravel(), 1)
    pooled = torch.from_numpy(np.stack([values[0] for values in inner.pooled.values()])[None])
    squeeze = "both" if len(inner.pooled) == 2 else next(iter(inner.pooled))
    maps: dict[str, Floats] = {}
    for name, size, kernel in ((SEVEN, 7, inner.kernel), (ONE, 1, inner.kernel.sum((1, 2), keepdims=True))):
        gate = SpatialGate(size, squeeze, normalise=None, border=border if size > 1 else "zeros").eval()  # type: ignore[arg-type]
        with torch.no_grad():
            gate.conv.weight.copy_(torch.from_numpy(kernel[None]))
            gate.conv.bias.fill_(bias)  # type: ignore[union-attr]
            logits = scale * _standard(gate.conv(pooled)[0, 0].numpy(), inner.own_eps) + shift
            maps[name] = GATE_ACTIVATIONS[activation](torch.from_numpy(logits)).float().numpy()
    return maps


def _standard(summed: Floats, eps: float | None) -> NDArray[np.float64]:
    """The sums, by their own mean and spread where the block's normalisation is by these."""
    wide = summed.astype(np.float64)
    return wide if eps is None else (wide - wide.mean()) / np.sqrt(wide.var() + eps)


def _reweight(lesson: Gated) -> Step:
    inner = lesson.spatial_steps
    read = lesson.order_of_gates.read_by_spatial
    maps = {"before": inner.before[0].mean(0), "after the spatial gate": inner.after[0].mean(0)}
    count, height, width = inner.before.shape[1:]
    return Step(
        f"The one map is multiplied into all {count:,} channels: it is broadcast over them, as the channel gate is "
        "over the places. Where the map is near 0, features come closer to 0.",
        lambda: widgets.show(spatial.features(maps, "The mean over all channels", gates=[lesson.map])),
        f"`{lesson.spatial_gate.name}`: shapes (1, {count}, {height}, {width}) × (1, 1, {height}, {width}); "
        + ("$F' = M_s F$." if read == "F" else "$F'' = M_s F'$."),
    )


def _against_se(lesson: Gated) -> Step:
    picture = lesson.observation.picture
    seen = {name: cache.observe(zoo_choice(zoo.card(name), random=False), picture) for name in BESIDE}
    guesses = {name: analysis.top(each.probabilities, each.labels, 1)[0] for name, each in seen.items()}
    channel_gates = {
        each.card.title: [block.channel.values[0] for block in each.blocks if block.channel] for each in seen.values()
    }
    spatial_gates = [block.spatial for block in seen["cbam"].blocks if block.spatial]
    low = min(gate.minimum for gate in spatial_gates)
    high = max(gate.maximum for gate in spatial_gates)
    shares = "; ".join(f"{seen[name].card.title}: {label}, {share:.1%}" for name, (label, share) in guesses.items())
    surer = max(guesses, key=lambda name: guesses[name][1])
    rows = [(title, depth, gate) for title, found in channel_gates.items() for depth, gate in enumerate(found, start=1)]
    titles, depths, values = zip(*rows, strict=True)
    caption = "Each block's channel gates in depth order: the line is the median, the band the middle half."
    table = {"network": titles, "block": depths, **analysis.five_numbers(values)}
    chart = Chart("se_and_cbam", comparing.profiles(channel_gates), caption, caption, table=table)
    return Step(
        "Two networks of this project were trained alike: one with SE, one with CBAM. CBAM has channel gates too, and "
        f"{len(spatial_gates)} maps, here from {fixed(low)} to {fixed(high)}; SE treats all places alike.",
        lambda: widgets.show(chart),
        "`zoo.load('se')` and `zoo.load('cbam')` on this picture; both know ten classes. One picture does not say "
        "which is better.",
        Prediction(
            "Which of the two gives its first guess the higher probability?",
            tuple(seen[name].card.title for name in BESIDE),
            seen[surer].card.title,
            f"{widgets.literal(shares)}.",
        ),
        lambda: _narrow(_picture(lesson.observation)),
    )


def _placement(lesson: Gated) -> Step:
    from attention import layers

    step = shared.placement(lesson, "channel gate, then spatial gate", USAGE, "arXiv 1807.06521, figure 3.")

    def draw() -> None:
        step.draw()
        for part in (layers.SpatialGate.forward, layers.CBAM.forward):
            st.code(dedent(inspect.getsource(part)), wrap_lines=True)

    return replace(step, draw=draw)


def _whole(lesson: Gated) -> Step:
    inner, activation = lesson.spatial_steps, lesson.spatial_gate.activation

    def make(whole: bool) -> Chart | None:
        return explorable.spatial(inner, lesson.map, activation, lesson.name, whole=whole)

    def draw() -> None:
        if not explore(make, f"{lesson.where} spatial"):
            st.info("The kernel of this block is of another form, so its products cannot be shown.")

    return Step(
        "All of it at once: point at a place and follow it from its channels to its gate, down to one multiplication.",
        draw,
        _equation(lesson),
    )


STEPS: dict[str, Callable[[Gated], Step]] = {
    "Two dials": shared.dial,
    "Two ways to squeeze a channel": _poolings,
    "One small network for both": _shared_mlp,
    "The channel gate, whole": shared.whole_channel,
    "Keep the places, squeeze the channels": _pooled,
    "Guess where it looks": _guess,
    "A window on the neighbours": _kernel,
    "7 × 7 or 1 × 1?": _sizes,
    "One map times every channel": _reweight,
    "SE against CBAM": _against_se,
    "In code, and where it stands": _placement,
    "The spatial gate, whole": _whole,
}
"""The steps by title, in their order."""
