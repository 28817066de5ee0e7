"""The lesson of squeeze-and-excitation: one gate for each channel, from the maps to the gates and back."""

import inspect
from collections.abc import Callable
from textwrap import dedent

import numpy as np
import streamlit as st

from attention import changes, numbers
from attention.charts import channels, gates, signs, spatial
from attention.charts.chart import Chart, Columns
from attention.numbers import attention_share, extent, fixed, signed
from attention.observe import Picture
from attention.records import Floats
from attention.ui import widgets
from attention.ui.excitation import USAGE
from attention.ui.lessons import gated as shared
from attention.ui.lessons.gated import Gated
from attention.ui.lessons.steps import OtherFormError, Prediction, Step

SHARES = {0.01: "less than 1%", 0.05: "1 to 5%", 0.2: "5 to 20%", 1.0: "more than 20%"}
"""What to guess of a share, by its upper end."""
NONE, SOME, ALL = "none", "fewer than half", "at least half"


def _features(lesson: Gated) -> Step:
    count, height, width = lesson.steps.before.shape[1:]
    chart = channels_shown(lesson, shared.candidates(lesson.order))
    return Step(
        f"Inside the network the picture is {count:,} maps, the channels: each is bright where it found what it has "
        f"learned to look for. Here are four of them, {height} × {width} values each.",
        lambda: widgets.show(chart),
        f"What reaches `{lesson.gate.name}`.",
    )


def channels_shown(lesson: Gated, some: list[int]) -> Chart:
    """The maps of some channels before the gate, side by side."""
    return spatial.features(
        {f"channel {each}": lesson.steps.before[0, each] for each in some}, "Four channels", gates=[lesson.values]
    )


def _guess(lesson: Gated) -> Step:
    some, values = shared.candidates(lesson.order), lesson.values
    best = max(some, key=lambda channel: abs(values[channel]))
    gates_in_words = ", ".join(f"channel {channel} {fixed(values[channel])}" for channel in some)
    bars = gates.channel_bars(lesson.gate, "gate", gates.passing_in_words(lesson.gate, lesson.name), best)[0]
    return Step(
        "The block opens some channels and closes others, anew for each picture.",
        lambda: widgets.show(bars),
        f"The gates of `{lesson.gate.name}`.",
        Prediction(
            "Which of these four stays most open for this picture?",
            tuple(f"channel {channel}" for channel in some),
            f"channel {best}",
            f"The gates are: {gates_in_words}.{signs.size_note(values)}",
        ),
        lambda: widgets.show(channels_shown(lesson, some)),
    )


def _squeeze(lesson: Gated) -> Step:
    inner, channel = lesson.steps, lesson.order[0]
    height, width = inner.before.shape[2:]
    branch, squeezed = next(iter(inner.squeezed.items()))
    chart = channels.squeezed(squeezed[0], branch, channel)
    what = channels.MEANING[branch]
    return Step(
        f"Each map of {height} × {width} = {height * width} values is squeezed to one number, its {what}: how much of "
        f"it there is, and no longer where. Channel {channel} has {fixed(squeezed[0, channel])}.",
        lambda: widgets.show(chart),
        rf"`{lesson.gate.name}`: $z_c = \frac{{1}}{{HW}} \sum_{{i,j}} u_c(i, j)$."
        if branch == "average"
        else rf"`{lesson.gate.name}`: $z_c = \max_{{i,j}} u_c(i, j)$.",
    )


def _global(lesson: Gated) -> Step:
    changed = _gates_with_corner_covered(lesson)
    difference = changed - lesson.values
    moved, count = int((difference != 0).sum()), len(difference)
    right = NONE if not moved else SOME if 2 * moved < count else ALL
    most = int(np.abs(difference).argmax())
    squeezed = next(iter(lesson.steps.squeezed.values()))[0]
    return Step(
        "The mean reads every place of its map, so each gate may depend on the whole picture: its receptive field, the "
        "part of the picture that it can see, is global.",
        lambda: widgets.show(channels.difference(lesson.values, changed)),
        f"`{lesson.gate.name}`, two passes: this picture (first), and with its corner grey (second).",
        Prediction(
            f"The upper left quarter of the picture turns grey. How many of the {count} gates change?",
            (NONE, SOME, ALL),
            right,
            f"{moved} of {count} gates change, channel {most} most, by {signed(difference[most])}.",
        ),
        lambda: widgets.show(channels.squeezed(squeezed, "average", lesson.order[0])),
    )


def _gates_with_corner_covered(lesson: Gated) -> Floats:
    """The channel gate for the picture with a quarter of what the network sees covered."""
    seen, picture = lesson.observation, lesson.observation.picture
    left, top, right, bottom = seen.box
    image = changes.patch(picture.image, (left, top, (left + right) / 2, (top + bottom) / 2))
    second = seen.of(Picture(f"{picture.name}, a corner covered", image, f"{picture.key} corner {seen.box}"))
    return next(gate for gate in second.trace.gates if gate.name == lesson.gate.name).values[0]


def _hidden(lesson: Gated) -> Step:
    inner = lesson.steps
    branch, units = next(iter(inner.hidden.items()))
    chart = channels.hidden(units[0], branch, inner.activation)
    count, hidden = len(lesson.values), units.shape[1]
    return Step(
        f"All {count:,} numbers are mixed into only {hidden}, the hidden units, each with weights of its own that were "
        f"learned: so channels can take each other into account, with {numbers.number(count / hidden)} times fewer "
        "numbers between.",
        lambda: widgets.show(chart),
        f"`{lesson.gate.name}`: h = {inner.activation}(W₁ z + b₁). C by the hidden units is the reduction ratio r.",
    )


def _products(lesson: Gated) -> Step:
    inner, channel = lesson.steps, lesson.order[0]
    if inner.second is None or inner.second.weights.shape != (len(lesson.values), _units(lesson)):
        raise OtherFormError(shared.OTHER_FORM)
    # The second layer is linear: the sum of the branches' hidden units gives the sum of its answers to them.
    hidden = sum((values[0] for values in inner.hidden.values()), np.zeros(_units(lesson), np.float32))
    products = inner.second.weights[channel] * hidden
    logit = float(sum(values[0, channel] for values in inner.branches.values()))
    figure = channels.vector(products, None, "weight × hidden unit", "hidden unit")
    finding = f"The {len(products)} products of channel {channel}: {extent(products)}."
    table: Columns = {"hidden unit": range(len(products)), "product": products}
    chart = Chart("products", figure, finding, finding, table=table)
    squash = signs.called(lesson.gate.activation)
    bias = logit - float(products.sum())
    return Step(
        f"A gate is a weighted sum of the hidden units, pressed {signs.bounds(lesson.gate)} by a {squash}; its "
        f"weights are learned as in the gates of recurrent networks. For channel {channel}: products "
        f"{fixed(products.sum())}, bias {fixed(bias)}, together {fixed(logit)}, gate "
        f"**{fixed(lesson.values[channel])}**.",
        lambda: widgets.show(chart),
        rf"`{lesson.gate.name}`: $s_{{{channel}}} = \sigma(W_2 h + b_2)_{{{channel}}} = "
        rf"\sigma({fixed(logit)}) = {fixed(lesson.values[channel])}$; {signs.sigma(lesson.gate)}.",
    )


def _units(lesson: Gated) -> int:
    return next(iter(lesson.steps.hidden.values())).shape[1]


def _reweight(lesson: Gated) -> Step:
    first, last, inner = lesson.order[0], lesson.order[-1], lesson.steps
    maps = {
        f"{channel} {when}": values[0, channel]
        for channel in (first, last)
        for when, values in (("before", inner.before), (f"× {fixed(lesson.values[channel])}", inner.after))
    }
    count, height, width = inner.before.shape[1:]
    return Step(
        f"Each of the {height} × {width} values of a map is multiplied by the one gate of its channel: the gate is "
        f"broadcast over the places. First the most open channel, then the most shut.{signs.size_note(lesson.values)}",
        lambda: widgets.show(spatial.features(maps, f"Channels {first} and {last}", gates=[lesson.values])),
        f"`{lesson.gate.name}`: shapes (1, {count}, {height}, {width}) × (1, {count}, 1, 1) = (1, {count}, {height}, "
        f"{width}); $x_c = s_c u_c$.",
    )


def _code(lesson: Gated) -> Step:
    from attention import layers

    def draw() -> None:
        left, right = st.columns(2)
        own = layers.ChannelGate.forward, layers.SE.forward
        for place, title, parts in (
            (left, "In the fewest words", (layers.PlainSE.__init__, layers.PlainSE.forward)),
            (right, "As the networks here have it", own),
        ):
            place.markdown(f"**{title}**")
            place.code("\n".join(dedent(inspect.getsource(part)) for part in parts), wrap_lines=True)

    return Step(
        "In the fewest words, `view` makes a vector of a map and `expand_as` copies the gate over the places. The "
        "networks here do the same by means and broadcasting, with biases. With the biases at 0 both give the same: "
        f"the largest difference on this picture is {numbers.number(plain_difference(lesson), 1)}.",
        draw,
        f"Measured on what reaches `{lesson.gate.name}`, with random weights. The code is `attention/layers.py`; "
        "`PlainSE(64)` and `SE(64)` both run.",
    )


def plain_difference(lesson: Gated) -> float:
    """The largest difference of the plain layer and this project's own, both with the same random weights."""
    import torch

    from attention import layers

    features = torch.from_numpy(lesson.steps.before)
    count, ratio = features.shape[1], max(1, features.shape[1] // _units(lesson))
    ours, plain = layers.SE(count, ratio).eval(), layers.PlainSE(count, ratio).eval()
    weights = ours.state_dict()
    plain.load_state_dict(
        {"reduce.weight": weights["gate.mlp.0.weight"], "restore.weight": weights["gate.mlp.2.weight"]}
    )
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        return float((ours(features) - plain(features)).abs().max())


def _placement(lesson: Gated) -> Step:
    return shared.placement(lesson, "SE", USAGE, "The block has the shape it was given, so it fits anywhere.")


def _cost(lesson: Gated) -> Step:
    inventory = lesson.observation.inventory
    whole, part = inventory.network.parameters, inventory.network.attention_parameters
    share = part / max(whole, 1)
    right = next(words for end, words in SHARES.items() if share <= end)
    sizes = [block.channel.values.shape[1] for block in lesson.observation.blocks if block.channel]
    count, hidden = len(lesson.values), _units(lesson)
    curve = channels.ratio_curve(sizes, None)
    return Step(
        f"The two layers of this block have 2 · {count} · {hidden} = {2 * count * hidden:,} weights; fewer hidden "
        "units make it cheaper.",
        lambda: widgets.show(curve),
        r"All blocks: $\frac{2}{r} \sum_s N_s C_s^2$ weights. Counted in this network by `attention/cost.py`.",
        Prediction(
            "How much of all that this network has learned is attention?",
            tuple(SHARES.values()),
            right,
            f"{part:,} of {whole:,} parameters, {attention_share(inventory, 'parameters')}.",
        ),
        lambda: widgets.show(curve),
    )


STEPS: dict[str, Callable[[Gated], Step]] = {
    "A gate is a dial": shared.dial,
    "What a channel is": _features,
    "Guess the strongest": _guess,
    "Squeeze: a map becomes a number": _squeeze,
    "The number sees the whole picture": _global,
    "Excite: few numbers in between": _hidden,
    "From the hidden units to one gate": _products,
    "Reweight: one number times a whole map": _reweight,
    "The same in code": _code,
    "Where it stands": _placement,
    "What it costs": _cost,
    "The whole block": shared.whole_channel,
}
"""The steps by title, in their order."""
