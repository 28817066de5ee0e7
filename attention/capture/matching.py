"""Which calls multiply two tensors number by number, which of these products apply a gate, and why others do not."""

import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from attention.capture import axes
from attention.capture.axes import Layout
from attention.capture.calls import TensorInfo
from attention.capture.propagation import PARTIAL
from attention.records import Kind


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


def _plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    positions = ("input" if not args else 0, "other" if len(args) < 2 else 1)
    return _pair(args, kwargs, positions)


def _addition(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    positions = ("tensor1" if len(args) < 2 else 1, "tensor2" if len(args) < 3 else 2)
    return _pair(args, kwargs, positions)


def _pair(args: tuple[Any, ...], kwargs: dict[str, Any], positions: tuple[int | str, int | str]) -> Product | None:
    left, right = (args[each] if isinstance(each, int) else kwargs.get(each) for each in positions)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return Product(args, kwargs, positions, (left, right), (left, right))
    return None


def _einsum(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    """`nchw,nc->nchw`: no index is summed, one operand has all of them."""
    if len(args) != 3 or not isinstance(args[0], str) or args[0].count("->") != 1 or args[0].count(",") != 1:
        return None
    *subscripts, output = _spelled(args[0], args[1:])
    if output not in subscripts or any(not _within(given, output) for given in subscripts):
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


def _spelled(equation: str, operands: Sequence[Tensor]) -> list[str]:
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


def _within(given: str, output: str) -> bool:
    """Whether an operand has the samples' index and none that is repeated or summed."""
    return output[:1] in given and len(set(given)) == len(given) and set(given) <= set(output)


PRODUCTS: dict[str, Callable[[tuple[Any, ...], dict[str, Any]], Product | None]] = {
    "mul": _plain,
    "addcmul": _addition,
    "einsum": _einsum,
}


_UNBOUNDED: tuple[Kind, ...] = ("channel", "spatial", "channel-height", "channel-width")
_ACTIVATION = "an activation: both sides come from the same tensor"
_HALVES = "a GLU: two parts of one tensor"
_PROJECTIONS = "a GLU: two projections of one tensor"
_BOUNDED = "both sides are bounded: neither is a plain feature map"
_STEP = "one step of an activation that is written by hand"
_VECTORS = "two vectors: there is no map to gate"
_WIDER = "the bounded side varies over axes that the other does not"
_POOLED = "pooled features without a learned layer, as in a normalisation"
_BOTH_POOLED = "both sides are pooled features"
MATRIX = "attention weights in a matrix product"


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
    """Of the product."""
    layout: Layout
    position: int | None
    """Where the gate stands among the positional arguments, in the product's own form; None where it does not."""


class Rejection(NamedTuple):
    """A product that came close: the activation of the side that might have been the gate, and why it is none."""

    activation: str
    reason: str


def match_gate(product: Product, infos: tuple[TensorInfo, TensorInfo]) -> GateMatch | Rejection | None:
    """Whether one operand gates the other; None where neither comes close."""
    left, right = product.aligned
    if not (infos[0].depends and infos[1].depends and left.is_floating_point() and right.is_floating_point()):
        return None
    shape = axes.broadcast(left.shape, right.shape)
    if shape is None or len(shape) < 2:
        return None
    reordered = product.restore is not None
    sides = [
        Operand(info, axes.varying(tensor, frozenset() if reordered else info.constant, shape))
        for tensor, info in zip(product.aligned, infos, strict=True)
    ]
    first = _match(product, 0, sides, shape)
    if isinstance(first, GateMatch):
        return first
    second = _match(product, 1, sides, shape)
    return second if isinstance(second, GateMatch) else first or second


def _match(product: Product, which: int, sides: list[Operand], shape: tuple[int, ...]) -> GateMatch | Rejection | None:
    gate, feature = sides[which], sides[1 - which]
    meaning = axes.fitted(feature.info.axes, shape)
    everywhere = frozenset(d for d, size in enumerate(shape) if size > 1)
    letters = axes.letters(meaning, gate.varying)
    if gate.varying < feature.varying == everywhere:
        letters = axes.widened(letters, meaning, shape)
        reason = _broadcast(gate.info, feature.info, letters, len(shape))
    elif gate.varying == feature.varying:
        reason = _elementwise(gate.info, feature.info, shape)
    else:
        reason = _WIDER if gate.info.activation and gate.info.activation not in PARTIAL else ""
    activation = gate.info.activation or "none"
    if reason is not None:
        return Rejection(activation, reason) if reason else None
    position = product.positions[which]
    plain = position if isinstance(position, int) and product.restore is None else None
    kind, layout = axes.kind(letters), Layout(meaning, letters)
    return GateMatch(which, kind, activation, meaning, gate.varying, shape, layout, plain)


def _broadcast(gate: TensorInfo, feature: TensorInfo, letters: frozenset[str], rank: int) -> str | None:
    """None for a gate over fewer axes: bounded, or learned from pooled features, or a learned map. Else why it is none.

    "" is far off: a query that is multiplied by all keys is one projection, over the channels, and no gate.
    """
    if gate.activation:
        return None if letters or rank > 2 else _VECTORS
    if gate.pooled == 1:
        return _POOLED
    if gate.pooled and feature.pooled:
        return _BOTH_POOLED
    if not letters:
        return ""
    kind = axes.kind(letters)
    learned = kind in _UNBOUNDED if gate.pooled == 2 else gate.projected_from and kind == "spatial"
    return None if learned else ""


def _elementwise(gate: TensorInfo, feature: TensorInfo, shape: tuple[int, ...]) -> str | None:
    """A gate over all axes is bounded on this side only, and neither an activation nor a GLU."""
    if not gate.activation:
        return ""
    if gate.preactivations == feature.preactivations or (
        len(gate.preactivations) == 1 and gate.preactivations <= feature.preactivations
    ):
        return _ACTIVATION
    if gate.sliced_from and gate.sliced_from == feature.sliced_from:
        return _HALVES
    if gate.projected_from and gate.projected_from == feature.projected_from:
        return _PROJECTIONS
    if gate.activation in PARTIAL:
        return _STEP
    if feature.activation and feature.activation not in PARTIAL:
        return _BOUNDED
    places = sum(size > 1 for size in shape[1:])
    one_place = gate.pooled and not feature.pooled and places and all(size == 1 for size in shape[2:])
    return None if one_place or places >= 2 else _VECTORS
