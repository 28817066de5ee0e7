"""Which calls multiply two tensors number by number, which of these products apply a gate, and why others do not."""

import string
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor

from attention.capture import axes
from attention.capture.axes import Layout
from attention.capture.calls import UNKNOWN, Call, TensorInfo
from attention.capture.propagation import FUSED_ATTENTION, MATRICES, NORMALISED, PARTIAL
from attention.kinds import Kind


class Product(NamedTuple):
    """A call that multiplies two tensors."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    positions: tuple[int | str, int | str]
    """Where the two operands stand among the arguments: a position or a keyword."""
    operands: tuple[Tensor, Tensor]
    """As the call got them."""
    aligned: tuple[Tensor, Tensor]
    """With their dimensions in the order of the product's, so that they broadcast."""
    restore: Callable[[int, Tensor], Tensor] | None = None
    """From an aligned gate back to the form of that operand."""

    def replaced(self, which: int, gate: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the gate instead of one operand."""
        gate = self.restore(which, gate) if self.restore else gate
        position = self.positions[which]
        if isinstance(position, str):
            return self.args, self.kwargs | {position: gate}
        return (*self.args[:position], gate, *self.args[position + 1 :]), self.kwargs


def _parse_pair(args: tuple[Any, ...], kwargs: dict[str, Any], *, first: int, names: tuple[str, str]) -> Product | None:
    """The operands stand at the position `first` and the next one, or under these names."""
    positions = (first if len(args) > first else names[0], first + 1 if len(args) > first + 1 else names[1])
    left, right = (args[each] if isinstance(each, int) else kwargs.get(each) for each in positions)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return Product(args, kwargs, positions, (left, right), (left, right))
    return None


def _parse_einsum(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    """`nchw,nc->nchw`: no index is summed, one operand has all of them."""
    if len(args) != 3 or not isinstance(args[0], str) or args[0].count("->") != 1 or args[0].count(",") != 1:
        return None
    *subscripts, output = _subscripts(args[0], args[1:])
    if output not in subscripts or any(not _is_gate_subscript(given, output) for given in subscripts):
        return None

    def align(given: str, operand: Tensor) -> Tensor:
        ordered = operand.permute([given.index(letter) for letter in output if letter in given])
        return ordered[tuple(slice(None) if letter in given else None for letter in output)]

    def restore(which: int, gate: Tensor) -> Tensor:
        given = subscripts[which]
        dense = gate[tuple(slice(None) if letter in given else 0 for letter in output)]
        kept = [letter for letter in output if letter in given]
        return dense.permute([kept.index(letter) for letter in given])

    aligned = (align(subscripts[0], args[1]), align(subscripts[1], args[2]))
    return Product(args, kwargs, (1, 2), (args[1], args[2]), aligned, restore)


def _subscripts(equation: str, operands: Sequence[Tensor]) -> list[str]:
    """The subscripts of the operands and of the output, with letters for the dots."""
    inputs, output = equation.replace(" ", "").split("->")
    named = inputs.replace("...", "").split(",")
    widths = [tensor.dim() - len(letters) for tensor, letters in zip(operands, named, strict=True)]
    unused = [letter for letter in string.ascii_letters if letter not in equation][: max(widths)]
    widths.append(max(widths))
    return [
        given.replace("...", "".join(unused[len(unused) - width :]))
        for given, width in zip([*inputs.split(","), output], widths, strict=True)
    ]


def _is_gate_subscript(given: str, output: str) -> bool:
    """Whether an operand has the samples' index and none that is repeated or summed."""
    return output[:1] in given and len(set(given)) == len(given) and set(given) <= set(output)


PRODUCTS: dict[str, Callable[[tuple[Any, ...], dict[str, Any]], Product | None]] = {
    "mul": partial(_parse_pair, first=0, names=("input", "other")),
    "addcmul": partial(_parse_pair, first=1, names=("tensor1", "tensor2")),
    "einsum": _parse_einsum,
}


_LEARNED_KINDS: tuple[Kind, ...] = ("channel", "spatial", "channel-height", "channel-width")
"""What a gate without a bounded activation may vary over, if it was learned from pooled features."""

ACTIVATION = "an activation: both sides come from the same tensor"
HALVES = "a GLU: two parts of one tensor"
PROJECTIONS = "a GLU: two projections of one tensor"
BOUNDED = "both sides are bounded: neither is a plain feature map"
STEP = "one step of an activation that is written by hand"
MASK = "a mask of the same axes, from comparing what is not bounded"
VECTORS = "two vectors: there is no map to gate"
WIDER = "the bounded side varies over axes that the other does not"
POOLED = "pooled features without a learned layer, as in a normalisation"
BOTH_POOLED = "both sides are pooled features"
UNBOUNDED = "neither side is bounded, and none is made of the other by several layers"
UNLEARNED = "the side of fewer axes is neither bounded nor learned from pooled features"
NEIGHBOURS = "weights over a neighbourhood, as in local attention"
MATRIX = "attention weights in a matrix product"
SCORES = "a matrix product of features"


class Operand(NamedTuple):
    """One side of a product."""

    info: TensorInfo
    varying: frozenset[int]


class GateMatch(NamedTuple):
    """A product that applies a gate: which operand is the gate, and over what it varies."""

    which: int
    kind: Kind
    activation: str
    """The gate's bounded one, or `"none"`."""
    axes: axes.Axes
    """What the axes of the product mean."""
    varying: frozenset[int]
    """The dimensions of the product over which the gate varies."""
    shape: tuple[int, ...]
    """Shape of the product."""
    layout: Layout
    position: int | None
    """Where the gate stands among the positional arguments, in the product's own form; None where it does not."""
    samples: tuple[int, int] | None
    """Which pictures of the batch it belongs to, the first and how many, where a loop took a part of the batch."""
    layers: frozenset[int]
    """The layers whose output it is, if for an activation, by the identity of their weights."""


class Rejection(NamedTuple):
    """A product that came close: the activation of the side that might have been the gate, and why it is none."""

    activation: str
    reason: str


OUT_OF_SIGHT = Rejection("none", "a tensor made out of sight: by scripted code or numpy, or before the pass")
"""Said of what reads a tensor that no torch function of the pass made, and that no module holds."""


def match_gate(product: Product, infos: tuple[TensorInfo, TensorInfo]) -> GateMatch | Rejection | None:
    """Whether one operand gates the other, or why not; None where only one of them depends on the input."""
    left, right = product.aligned
    if not (infos[0].depends and infos[1].depends and (left.is_floating_point() or right.is_floating_point())):
        return None
    shape = axes.broadcast_shape(left.shape, right.shape)
    if shape is None or len(shape) < 2:
        return None
    reordered = product.restore is not None
    sides = [
        Operand(info, axes.varying_dimensions(tensor, frozenset() if reordered else info.constant, shape))
        for tensor, info in zip(product.aligned, infos, strict=True)
    ]
    first = _match(product, 0, sides, shape)
    if isinstance(first, GateMatch):
        return first
    second = _match(product, 1, sides, shape)
    if isinstance(second, GateMatch):
        return second
    if any(info is UNKNOWN for info in infos):
        return OUT_OF_SIGHT
    return second if first is None or (second is not None and first.activation == "none") else first


def _match(product: Product, which: int, sides: list[Operand], shape: tuple[int, ...]) -> GateMatch | Rejection | None:
    gate, feature = sides[which], sides[1 - which]
    meaning = axes.fit_axes(feature.info.axes, shape)
    everywhere = frozenset(d for d, size in enumerate(shape) if size > 1)
    letters = axes.letters_of(meaning, gate.varying)
    new = gate.varying - feature.varying
    spans = new and feature.varying | new == everywhere and _is_repeated(meaning, gate.varying, new)
    if spans and gate.info.activation:
        meaning = tuple((("B", shape[d]),) if d in new else axis for d, axis in enumerate(meaning))
        letters, reason = axes.letters_of(meaning, gate.varying), None
    elif gate.varying < feature.varying == everywhere:
        letters = axes.with_narrow_places(letters, meaning, shape)
        reason = _broadcast(gate.info, feature.info, letters, len(shape))
    elif gate.varying == feature.varying:
        inside = [size for d, size in enumerate(shape) if "N" not in dict(meaning[d]) or len(meaning[d]) > 1]
        reason = _elementwise(gate.info, feature.info, inside)
    else:
        reason = WIDER if gate.info.activation and gate.info.activation not in PARTIAL else ""
    activation = gate.info.activation or "none"
    if reason is None and "K" in letters:
        reason = NEIGHBOURS
    if reason is not None:
        return Rejection(activation, reason) if reason else None
    position = product.positions[which]
    plain = position if isinstance(position, int) and product.restore is None else None
    kind, layout = axes.kind_of(letters), Layout(meaning, letters)
    samples = gate.info.samples or feature.info.samples
    return GateMatch(which, kind, activation, meaning, gate.varying, shape, layout, plain, samples, gate.info.layers)


def _is_repeated(meaning: axes.Axes, varying: frozenset[int], new: frozenset[int]) -> bool:
    """Whether a side that spans new axes gates the channels several times over, as the lines of a dynamic relu do.

    One over the places is a weight of attention, summed afterwards.
    """
    return axes.letters_of(meaning, varying - new) == {"C"} and len(varying) < len(meaning)


def _broadcast(gate: TensorInfo, feature: TensorInfo, letters: frozenset[str], rank: int) -> str | None:
    """None for a gate over fewer axes: bounded, or learned from pooled features, or a learned map. Else why it is none.

    A query that is multiplied by all keys is one projection, over the channels, and no gate.
    """
    if gate.activation:
        return None if letters or rank > 2 else VECTORS
    if gate.pooled == 1:
        return POOLED
    if gate.pooled and feature.pooled:
        return BOTH_POOLED
    if not letters:
        return UNLEARNED
    kind = axes.kind_of(letters)
    learned = kind in _LEARNED_KINDS if gate.pooled == 2 else gate.projected_from and kind == "spatial"
    return None if learned else UNLEARNED


def _elementwise(gate: TensorInfo, feature: TensorInfo, sizes: list[int]) -> str | None:
    """None for a gate over all axes, the samples aside of these sizes: bounded on this side only, and neither an
    activation nor a GLU, or made of the features by several layers. Else why it is none."""
    if gate.preactivations == feature.preactivations or (
        len(gate.preactivations) == 1 and gate.preactivations <= feature.preactivations
    ):
        return ACTIVATION
    if gate.part and feature.part and gate.part[0] == feature.part[0] and gate.part != feature.part:
        return HALVES
    parts = [side.part and side.part[1] for side in (gate, feature)]
    one_layer = len(gate.layers) == 1 and gate.layers == feature.layers and parts[0] == parts[1]
    if gate.projected_from and gate.projected_from == feature.projected_from and not one_layer:
        return PROJECTIONS
    places = sum(size > 1 for size in sizes)
    one_place = gate.pooled and not feature.pooled and places and all(size == 1 for size in sizes[1:])
    if places < 2 and not one_place:
        return VECTORS if gate.activation else UNBOUNDED
    if not gate.activation:
        return None if _made_by_layers(gate, feature) else UNBOUNDED
    if gate.activation in PARTIAL:
        return MASK if gate.activation == "threshold" else STEP
    return BOUNDED if feature.activation not in ("", NORMALISED, *PARTIAL) else None


def _made_by_layers(gate: TensorInfo, feature: TensorInfo) -> bool:
    """Whether two or more learned layers made the gate of the very features that it multiplies."""
    return bool(feature.preactivations) and any(feature.preactivations <= level for level in gate.ancestors[2:])


def multiplies_inside(call: Call) -> Rejection | None:
    """Why a call that multiplies two tensors of the pass, but not as a product, shows no gate; None where none does."""
    reason = _INSIDE.get(call.name)
    return reason(call) if reason is not None else None


def _in_a_matrix(call: Call) -> Rejection | None:
    bounded = next((info.activation for info in call.dependent if info.activation not in ("", *PARTIAL)), "")
    if bounded:
        return Rejection(bounded, MATRIX)
    return Rejection("none", SCORES) if len(call.dependent) > 1 else None


def _in_a_weight(call: Call) -> Rejection | None:
    """A layer whose weight is a function of the input: a gate by a depthwise convolution, or a dynamic convolution."""
    if len(call.dependent) < 2 or len(call.inputs) < 2 or not call.infos[1].depends:
        return None
    return Rejection(call.infos[1].activation or "none", "a layer's weight that is computed from the input")


def _in_a_blend(call: Call) -> Rejection | None:
    weight = call.infos[-1]
    return Rejection(weight.activation or "none", "a blend of two tensors by torch.lerp") if weight.depends else None


def _in_a_quotient(call: Call) -> Rejection | None:
    """Division by something learned is a gate below the line, by the own sum a softmax, by a deviation a norm."""
    above, below = call.infos[0], call.infos[-1]
    if len(call.dependent) < 2 or (below.reduced_from and below.reduced_from <= above.preactivations):
        return None
    if below.pooled == 1:
        return Rejection("none", POOLED)
    activation = "sigmoid" if below.activation == "exp" else below.activation or "none"
    return Rejection(activation, "a quotient: features are divided by something computed from the input")


def _in_a_choice(call: Call) -> Rejection | None:
    """`where` and `masked_fill` by a mask that is made of something else than the features: a hard gate."""
    masks = [i for i, tensor in enumerate(call.inputs) if not tensor.is_floating_point() and call.infos[i].depends]
    chosen = [info for tensor, info in zip(call.inputs, call.infos, strict=True) if tensor.is_floating_point()]
    chosen = [info for info in chosen if info.depends]
    if not masks or not chosen or any(call.infos[masks[0]].preactivations & info.preactivations for info in chosen):
        return None
    return Rejection(call.infos[masks[0]].activation or "none", "a choice by a mask that is computed from the input")


def _in_a_reduction(call: Call) -> Rejection | None:
    """All numbers along an axis, multiplied: of tensors that were stacked before."""
    return Rejection(call.info.activation or "none", "a product along an axis by torch.prod") if call.depends else None


def _always(activation: str, reason: str) -> Callable[[Call], Rejection | None]:
    """Said of a call that gates out of sight, whatever its tensors are."""
    return lambda call: Rejection(activation, reason) if call.depends else None


_INSIDE: dict[str, Callable[[Call], Rejection | None]] = {
    **dict.fromkeys(MATRICES, _in_a_matrix),
    **dict.fromkeys(FUSED_ATTENTION, _always("softmax", MATRIX)),
    **dict.fromkeys(
        (*(f"conv{kind}{rank}d" for kind in ("", "_transpose") for rank in (1, 2, 3)), "linear"), _in_a_weight
    ),
    **dict.fromkeys(["where", "masked_fill"], _in_a_choice),
    **dict.fromkeys(
        ["lstm", "gru", "lstm_cell", "gru_cell"],
        _always("sigmoid", "a recurrent cell, whose gates stand inside one call"),
    ),
    "lerp": _in_a_blend,
    "div": _in_a_quotient,
    "glu": _always("sigmoid", HALVES),
    "prod": _in_a_reduction,
    "cumprod": _in_a_reduction,
}
