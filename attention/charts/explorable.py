"""A block that answers: the numbers of one gate or convolution, for the script that lights up what is linked.

The same script, style and numbers stand on a page and in a report; neither asks a server for anything.
"""

import base64
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from plotly.colors import hex_to_rgb, sample_colorscale

from attention.analysis import block_called, by_openness
from attention.charts import signs
from attention.charts.chart import Chart, Explorable, by_place
from attention.charts.colours import CHANGE, CHANNEL_GATE, FEATURE_ENDS, FEATURES, OKABE_ITO, SPATIAL_GATE
from attention.numbers import extent
from attention.records import ChannelSteps, Floats, SpatialSteps

if TYPE_CHECKING:  # it needs torch
    from attention.grouped.experiments import ObservedConvolution

HERE = Path(__file__).parent
FIRST_VALUES = 2**17
"""Values of feature maps, or weights of kernels, that are sent at first: those of evenly spaced channels."""
NAMES = {"average": "mean", "max": "largest"}
BORDERS = {"zeros": "constant", "reflect": "reflect"}
"""What stands beyond the edge of the pooled maps, with numpy's word for it."""
KEYS = "Point, tap, or use the keys: Enter goes into it, Escape comes back, arrows move."


HTML = """<div class="explorable"><div class="finding" aria-live="polite"></div>
<canvas tabindex="0" role="application"></canvas>
<div class="tools"><button type="button" data-do="in">Go into it</button>
<button type="button" data-do="out">Come back</button>
<button type="button" data-do="all" hidden></button></div>
<div class="arithmetic" aria-live="polite"></div></div>"""
"""What the script fills."""


@cache
def script() -> str:
    """The figure's program: `explorable(place, data, all)` draws into an element, `all` asks for what was left out."""
    parts = [(HERE / name).read_text(encoding="utf-8") for name in ("explorable.js", "explorable_kinds.js")]
    return "\n".join(["const explorable = (() => {", *parts, "return mount;", "})();"])


@cache
def style() -> str:
    """The figure's style sheet."""
    return (HERE / "explorable.css").read_text(encoding="utf-8")


def as_json(figure: Explorable) -> str:
    """The numbers for a script element: without `<`, so that no text of them ends it."""
    return json.dumps(figure).replace("<", "\\u003c")


def channel(steps: ChannelSteps, gate: Floats, activation: str, name: str, *, whole: bool = False) -> Chart:
    """From maps over squeeze and hidden units to the gate (C,) and the maps after it; `activation` makes the gate.

    Without `whole`, the maps are those of some channels, spread evenly over the gates from the most open to the least.
    """
    channels, units = len(gate), next(iter(steps.hidden.values())).shape[1]
    order = by_openness(gate)
    branches = [
        {"name": NAMES[key], "squeezed": _pack(values[0]), "hidden": _pack(steps.hidden[key][0])}
        | {"output": _pack(steps.branches[key][0])}
        for key, values in steps.squeezed.items()
    ]
    data: dict[str, Any] = {
        "kind": "channel",
        "name": block_called(name, first=True),
        "channels": channels,
        "units": units,
    }
    data |= {"size": list(steps.before.shape[2:]), "gate": _pack(gate), "order": order.tolist(), "branches": branches}
    data |= {"activation": steps.activation, "normalised": steps.normalised, "squash": _squash(activation)}
    if steps.first and steps.second and steps.first.weights.shape == (units, channels):
        data |= {"first": _pack_layer(steps.first), "second": _pack_layer(steps.second)}
    data["maps"] = _sample(steps.before[0], order, whole=whole)
    strongest = int(order[0])
    return Chart(
        "explore_channel",
        data | {"colours": _colours()},
        f"{block_called(name, first=True)}: {channels:,} channels, {units} hidden units, the gates from "
        f"{extent(gate)}; the most open channel is {strongest}.",
        f"From left to right: a channel's map, the {'numbers' if len(branches) > 1 else 'number'} that it is squeezed "
        f"to, the {units} hidden units, its gate, and its map times the gate. Maps are grey, "
        f"{FEATURE_ENDS}. Lines are products: red adds, blue takes off. {KEYS}",
        table={"channel": range(channels), "gate": gate},
    )


def _squash(activation: str) -> dict[str, str]:
    """What makes a gate of a sum: its name, and how a formula writes it."""
    return {"name": signs.called(activation), "symbol": "σ" if activation == "sigmoid" else activation}


def spatial(steps: SpatialSteps, gate: Floats, activation: str, name: str, *, whole: bool = False) -> Chart | None:
    """From a place's channels over their mean and largest to the kernel's products, their sum and the gate (H, W);
    `activation` makes the gate.

    None where the kernel on the pooled maps does not give the sum that the pass computed: it has gaps, or strides.
    """
    found = border_and_bias(steps)
    if found is None or steps.summed is None or steps.logits is None:
        return None
    border, bias = found
    pooled = [{"name": NAMES[key], "values": _pack(values[0])} for key, values in steps.pooled.items()]
    data: dict[str, Any] = {
        "kind": "spatial",
        "name": block_called(name, first=True),
        "channels": steps.before.shape[1],
    }
    data |= {"size": list(gate.shape), "pooled": pooled, "kernel": _pack(steps.kernel), "k": steps.kernel.shape[-1]}
    data |= {"border": border, "bias": bias, "summed": _pack(steps.summed[0]), "logits": _pack(steps.logits[0])}
    data |= {"gate": _pack(gate), "normalised": steps.normalised, "squash": _squash(activation)}
    data["maps"] = _sample(steps.before[0], np.arange(steps.before.shape[1]), whole=whole)
    row, column = np.unravel_index(int(np.abs(gate).argmax()), gate.shape)
    k = steps.kernel.shape[-1]
    return Chart(
        "explore_spatial",
        data | {"colours": _colours()},
        f"{block_called(name, first=True)}: {steps.before.shape[1]} channels at {gate.shape[0]} by {gate.shape[1]} "
        f"places, a kernel of {k} by {k}, the gate from {extent(gate)}; its single most open place is in row {row}, "
        f"column {column}.",
        f"From left to right: the channels of one place, their mean and the largest of them, the {k} × {k} window "
        f"around the place, the kernel's products, and the gate. Features are grey, {FEATURE_ENDS}. {KEYS}",
        table=by_place({"gate": gate}),
    )


def kernels(seen: "ObservedConvolution", name: str, *, whole: bool = False) -> Chart:
    """Every kernel of a convolution by the input channels that it reads, and its products at one place."""
    outputs, per_group, *size = seen.weights.shape
    (row, column), inputs = seen.place, len(seen.window)
    at_place = seen.output[:, row, column]
    data: dict[str, Any] = {"kind": "group", "name": name, "inputs": inputs, "outputs": outputs, "size": size}
    data |= {"groups": seen.groups, "place": [row, column], "window": _pack(seen.window), "output": _pack(at_place)}
    data["biases"] = _pack(seen.biases)
    data["weights"] = _sample(seen.weights, np.arange(outputs), whole=whole)
    return Chart(
        "explore_kernels",
        data | {"colours": _colours()},
        f"{name}: {outputs} kernels in {seen.groups} groups; each reads {per_group} of {inputs} input channels.",
        "A row is a kernel, a column an input channel, a dot is as dark as the weights between them are large; where "
        f"there is none, it does not read the channel. Products are those at row {row}, column {column}. {KEYS}",
        table={"kernel": range(outputs), "group": np.arange(outputs) // (outputs // seen.groups), "output": at_place},
    )


def border_and_bias(steps: SpatialSteps) -> tuple[str, float] | None:
    """The border and the bias with which the kernel on the pooled maps gives the sums of the pass; None where none
    does."""
    k = steps.kernel.shape[-1]
    if steps.summed is None or k % 2 == 0:
        return None
    maps = [values[0].astype(np.float64) for values in steps.pooled.values()]
    for border, mode in BORDERS.items():
        total = np.zeros(maps[0].shape)
        for values, kernel in zip(maps, steps.kernel, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, k // 2, mode=mode), (k, k))  # type: ignore[call-overload]
            total += np.einsum("hwij,ij->hw", windows, kernel)
        bias = steps.summed[0] - total
        if np.ptp(bias) <= 1e-4 * max(float(np.abs(steps.summed).max()), 1e-3):
            return border, round(float(bias.mean()), 6)
    return None


@cache
def _colours() -> Mapping[str, list[str]]:
    """The colours of the pages as red, green, blue: so many steps from the low end to the high end of each scale."""
    scales = {"features": FEATURES, "channel": CHANNEL_GATE, "spatial": SPATIAL_GATE, "change": CHANGE}
    steps = np.linspace(0, 1, 33).tolist()
    sampled = {
        name: [
            ",".join(f"{255 * part:.0f}" for part in rgb) for rgb in sample_colorscale(scale, steps, colortype="tuple")
        ]
        for name, scale in scales.items()
    }
    return sampled | {"groups": [",".join(map(str, hex_to_rgb(shade))) for shade in OKABE_ITO]}


def _sample(values: Floats, order: np.ndarray, *, whole: bool) -> Mapping[str, Any]:
    """From (C, ...) values those that are sent, with their channels; all where they are few, or asked for."""
    most = max(1, FIRST_VALUES // values[0].size)
    if whole or len(values) <= most:
        which = np.arange(len(values))
    else:
        which = np.sort(order[np.unique(np.linspace(0, len(order) - 1, most).round().astype(int))])
    return {"which": which.tolist(), "values": _pack(values[which])}


def _pack_layer(layer: Any) -> Mapping[str, str]:
    return {"weights": _pack(layer.weights), "biases": _pack(layer.biases)}


def _pack(values: Any) -> str:
    """Float32 numbers, little-endian, in base64."""
    return base64.b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode()
