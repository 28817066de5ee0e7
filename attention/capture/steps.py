"""How a gate came about, step by step, where its form is SE's (arXiv 1709.01507) or CBAM's (arXiv 1807.06521).

A lineage follows the small tensors from a pooling to the gate: vectors and maps are copied on their device when they
are made, since a module may write over them, and come to the host after the pass. Any operation that the papers' forms
do not have ends a lineage.
"""

import itertools
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from attention.capture import axes
from attention.capture.calls import Call, TensorTable
from attention.capture.gates import own_copy, possible_names, to_host
from attention.capture.moves import CASTS, EXPANSIONS, PERMUTATIONS, RESHAPES
from attention.capture.propagation import ACTIVATIONS
from attention.records import ChannelSteps, Floats, Gate, Layer, SpatialSteps, Steps

Form = Literal["channel", "spatial"]
Stage = Literal["squeezed", "reduced", "hidden", "restored"]

_POOLINGS = {
    "mean": "average",
    "avg_pool2d": "average",
    "adaptive_avg_pool2d": "average",
    "amax": "max",
    "max": "max",
    "max_pool2d": "max",
    "adaptive_max_pool2d": "max",
}
GATE_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "hardsigmoid": torch.nn.functional.hardsigmoid,
    "tanh": torch.tanh,
}
"""What makes a gate of the numbers before it, in the forms whose steps are known."""


@dataclass(frozen=True, eq=False)
class Lineage:
    """From one or several poolings to here, by the name of the pooling. A spatial gate has one convolution."""

    form: Form
    stage: Stage
    serial: int
    squeezed: dict[str, Tensor]
    hidden: dict[str, Tensor] = field(default_factory=dict)
    output: dict[str, Tensor] = field(default_factory=dict)
    kernel: Tensor | None = None
    layers: tuple[tuple[Tensor, Tensor | None], ...] = ()
    summed: Tensor | None = None
    logits: Tensor | None = None
    activation: str = ""
    normalised: bool = False
    own_eps: float | None = None

    def is_at(self, form: Form, stage: Stage) -> bool:
        return self.form == form and self.stage == stage


class AllKept(BaseException):
    """Ends a pass of which nothing more is wanted; no module's own handling of an Exception takes it."""


class StepRecorder:
    """Follows the lineages of one pass, and keeps those of the gates that were asked for.

    With `until_kept` it raises AllKept once it has them all.
    """

    def __init__(self, asked: Collection[str], *, until_kept: bool = False) -> None:
        self._asked = frozenset(asked)
        self._until_kept = until_kept
        self._lineages: TensorTable[Lineage | None] = TensorTable()
        self._serial = itertools.count()
        self._kept: dict[str, _GateSteps] = {}

    def follow(self, call: Call) -> None:
        """Writes down the lineage of the output of a call; an old one ends where it was overwritten."""
        lineage = self._next(call)
        if lineage is not None or self._lineages.get(call.output) is not None:
            self._lineages.put(call.output, lineage)

    def _next(self, call: Call) -> Lineage | None:
        if call.name in _POOLINGS:
            return _squeezed(call, next(self._serial))
        transition = _TRANSITIONS.get(call.name)
        lineages = [self._lineages.get(tensor) for tensor in call.inputs]
        known = [lineage for lineage in lineages if lineage is not None]
        if transition is None or not known or len(known) != len(call.dependent):
            return None
        return transition(call, known)

    def asked(self, owner: str, number: int) -> tuple[str, ...]:
        """The names under which this gate's steps were asked for."""
        return tuple(name for name in possible_names(owner, number) if name in self._asked)

    def keep(
        self, names: tuple[str, ...], gate: Tensor, before: Tensor | None, after: Tensor | None, *, turn: bool
    ) -> None:
        """Keeps how the gate came about, beside the feature map before and after it; a `turn` of a loop over the
        pictures may not be its last."""
        coarse = gate.dtype in (torch.float16, torch.bfloat16)  # below 1 a bfloat16 is up to 2^-8 from the next
        for name in names:
            self._kept[name] = _GateSteps(self._lineages.get(gate), before, after, 2e-2 if coarse else 1e-4)
        if self._until_kept and not turn and self._asked == self._kept.keys():
            raise AllKept

    def steps(self, name: str, gate: Gate) -> Steps | None:
        """The steps of a gate of this pass, by the name under which they were asked for; None where its form is
        another."""
        return self._kept[name].steps(gate)


def features(tensor: Tensor, meaning: axes.Axes) -> Tensor | None:
    """A feature map as (N, C, H, W), however the module lays it out; None where it has other axes."""
    if axes.letters_of(meaning, range(len(meaning))) != {"C", "H", "W"}:
        return None
    return _float_copy(axes.Layout(meaning, frozenset("CHW")).values(tensor))


@dataclass(frozen=True, eq=False)
class _GateSteps:
    lineage: Lineage | None
    before: Tensor | None
    after: Tensor | None
    tolerance: float

    def steps(self, gate: Gate) -> Steps | None:
        lineage, before, after = self.lineage, self.before, self.after
        if lineage is None or before is None or after is None or not self._explains(lineage, gate):
            return None
        host = to_host([before, after])
        if lineage.kernel is not None:
            assert lineage.summed is not None and lineage.logits is not None
            kernel, summed, logits = to_host([lineage.kernel, lineage.summed, lineage.logits])
            form = lineage.normalised, summed, logits, lineage.own_eps
            return SpatialSteps(_arrays(lineage.squeezed), kernel, host[0], host[1], *form)
        squeezed, hidden, output = map(_arrays, (lineage.squeezed, lineage.hidden, lineage.output))
        first, second = [_layer_record(*layer) for layer in lineage.layers] or (None, None)
        how = lineage.activation, lineage.normalised
        return ChannelSteps(squeezed, hidden, output, host[0], host[1], *how, first, second)

    def _explains(self, lineage: Lineage, gate: Gate) -> bool:
        """Whether the activation of the logits is the gate: 1 - sigmoid is another form."""
        activation = GATE_ACTIVATIONS.get(gate.activation)
        if lineage.form != gate.kind or lineage.logits is None or activation is None:
            return False
        (expected,) = to_host([activation(lineage.logits)])
        return expected.shape == gate.values.shape and np.allclose(expected, gate.values, atol=self.tolerance)


def _squeezed(call: Call, serial: int) -> Lineage | None:
    """Pooling over all places is SE's squeeze, over all channels CBAM's."""
    shape, dimensions = call.tensor.shape, _reduced(call)
    if not dimensions or len(call.inputs) > 1 or 0 in dimensions:
        return None
    meaning = axes.fit_axes(call.info.axes, shape)
    rest = [d for d in range(1, len(shape)) if d not in dimensions]
    gone, left = axes.letters_of(meaning, dimensions), axes.letters_of(meaning, rest)
    pooling, pooled = _POOLINGS[call.name], _float_copy(call.output)
    if left == {"C"} and gone and gone <= {"H", "W", "L"}:
        return Lineage("channel", "squeezed", serial, {pooling: pooled.reshape(shape[0], -1)})
    if gone == {"C"} and left == {"H", "W"} and len(rest) == 2:
        return Lineage("spatial", "squeezed", serial, {pooling: pooled.reshape(shape[0], *(shape[d] for d in rest))})
    return None


def _reduced(call: Call) -> set[int]:
    """The dimensions over which the call pools entirely."""
    rank, shape = call.tensor.dim(), call.tensor.shape
    if call.name.endswith("pool2d"):
        whole = call.output.shape[2:] == (1, 1)
        if not call.name.startswith("adaptive"):
            kernel = call.argument(1, "kernel_size")
            whole = whole and tuple(shape[2:]) == ((kernel, kernel) if isinstance(kernel, int) else tuple(kernel))
        return {2, 3} if whole and rank == 4 else set()
    given = call.argument(1, "dim", call.kwargs.get("axis"))
    if given is None:
        return set()
    return {d % rank for d in ((given,) if isinstance(given, int) else given)}


def _moved(call: Call, known: list[Lineage]) -> Lineage | None:
    """Moved, not changed: the arrays are copied already."""
    return known[0] if call.tensor.numel() <= call.output.numel() else None


def _layer(call: Call, known: list[Lineage]) -> Lineage | None:
    """A layer of the MLP, linear or a 1x1 convolution, or the convolution of the pooled maps."""
    lineage, weight = known[0], call.argument(1, "weight")
    if lineage.is_at("spatial", "squeezed"):
        return _convolution(call, lineage, weight)
    if any(size != 1 for size in weight.shape[2:]):
        return None
    layers = (*lineage.layers, (weight, call.argument(2, "bias")))
    if lineage.is_at("channel", "squeezed"):
        return replace(lineage, stage="reduced", layers=layers)
    if not lineage.is_at("channel", "hidden"):
        return None
    output = _vector(call)
    outputs = dict.fromkeys(lineage.squeezed, output)
    return replace(lineage, stage="restored", output=outputs, logits=output, layers=layers)


def _convolution(call: Call, lineage: Lineage, weight: Tensor) -> Lineage | None:
    maps = list(lineage.squeezed.values())
    if tuple(weight.shape[:2]) != (1, len(maps)) or tuple(call.output.shape[2:]) != maps[0].shape[1:]:
        return None
    summed = _float_copy(call.output[:, 0])
    return replace(lineage, stage="restored", kernel=_float_copy(weight[0]), summed=summed, logits=summed)


def _activation(call: Call, known: list[Lineage]) -> Lineage | None:
    """After the first layer it makes the hidden activations; after the last it is the gate's own."""
    lineage = known[0]
    if lineage.is_at("channel", "reduced"):
        hidden = dict.fromkeys(lineage.squeezed, _vector(call))
        return replace(lineage, stage="hidden", hidden=hidden, activation=call.name)
    gating = call.name in ACTIVATIONS or call.name in ("relu6", "clamp", "hardtanh")
    return lineage if lineage.stage == "restored" and gating else None


def _norm(call: Call, known: list[Lineage]) -> Lineage | None:
    lineage = known[0]
    if lineage.is_at("spatial", "restored"):
        own, usual = ("training", False) if call.name == "batch_norm" else ("use_input_stats", True)
        own_eps = call.argument(7, "eps", 1e-5) if call.argument(5, own, usual) else None
        return replace(lineage, logits=_float_copy(call.output[:, 0]), normalised=True, own_eps=own_eps)
    return replace(lineage, normalised=True) if lineage.is_at("channel", "reduced") else None


def _arithmetic(call: Call, known: list[Lineage]) -> Lineage | None:
    """The sum of the branches, or a constant in an activation written by hand."""
    if any(lineage.stage != "restored" for lineage in known):
        return None
    if len(known) == 1:
        return known[0]
    if call.name != "add" or not _is_distinct(known) or any(lineage.form != "channel" for lineage in known):
        return None
    known = sorted(known, key=lambda lineage: lineage.serial)
    output = _merge([lineage.output for lineage in known])
    weights = {tuple(id(weight) for weight, _ in lineage.layers) for lineage in known}
    return replace(
        known[0],
        layers=known[0].layers if len(weights) == 1 else (),
        squeezed=_merge([lineage.squeezed for lineage in known]),
        hidden=_merge([lineage.hidden for lineage in known]),
        output=output,
        logits=torch.stack(list(output.values())).sum(0),
    )


def _stacked(call: Call, known: list[Lineage]) -> Lineage | None:
    """The pooled maps side by side, as the convolution reads them."""
    maps = all(lineage.is_at("spatial", "squeezed") for lineage in known)
    if not maps or not _is_distinct(known) or call.argument(1, "dim", 0) not in (1, -3):
        return None
    return replace(known[0], squeezed=_merge([lineage.squeezed for lineage in known]))


def _padded(call: Call, known: list[Lineage]) -> Lineage | None:
    """A border around the pooled maps, which the convolution takes away again."""
    return known[0] if known[0].is_at("spatial", "squeezed") else None


def _float_copy(tensor: Tensor) -> Tensor:
    return own_copy(tensor).float()


def _arrays(tensors: dict[str, Tensor]) -> dict[str, Floats]:
    return dict(zip(tensors, to_host(list(tensors.values())), strict=True))


def _layer_record(weight: Tensor, bias: Tensor | None) -> Layer:
    biases = weight.new_zeros(len(weight)) if bias is None else bias
    return Layer(*to_host([weight.detach().flatten(1), biases.detach()]))


def _vector(call: Call) -> Tensor:
    return _float_copy(call.output).reshape(call.output.shape[0], -1)


def _is_distinct(known: list[Lineage]) -> bool:
    """Whether no pooling occurs twice."""
    return len(_merge([lineage.squeezed for lineage in known])) == sum(len(lineage.squeezed) for lineage in known)


def _merge(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {pooling: array for part in parts for pooling, array in part.items()}


_Transition = Callable[[Call, list[Lineage]], Lineage | None]
_ACTIVATIONS = "relu leaky_relu elu gelu silu mish hardswish prelu relu6 sigmoid hardsigmoid tanh clamp hardtanh exp"
_MOVES = f"{RESHAPES} {EXPANSIONS} {PERMUTATIONS} {CASTS} __getitem__ __get__ interpolate"
_TRANSITIONS: dict[str, _Transition] = {
    **dict.fromkeys(_MOVES.split(), _moved),
    **dict.fromkeys(("linear", "conv1d", "conv2d"), _layer),
    **dict.fromkeys(_ACTIVATIONS.split(), _activation),
    **dict.fromkeys(("add", "sub", "rsub", "mul", "div", "rdiv", "neg", "reciprocal"), _arithmetic),
    **dict.fromkeys(("cat", "stack"), _stacked),
    **dict.fromkeys(("batch_norm", "instance_norm"), _norm),
    "pad": _padded,
}
