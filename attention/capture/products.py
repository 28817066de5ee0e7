"""Which products multiply a feature map by a gate."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from attention.capture import axes
from attention.capture.notes import Note
from attention.capture.rules import PENDING
from attention.records import Kind

_UNSQUASHED: tuple[Kind, ...] = ("channel", "spatial", "channel-height", "channel-width")


class Product(NamedTuple):
    """A call that multiplies two tensors."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    places: tuple[int | str, int | str]
    """Where the two operands stand among the arguments: a position or a keyword."""
    operands: tuple[Tensor, Tensor]
    """As the call got them."""
    aligned: tuple[Tensor, Tensor]
    """With their dimensions in the order of the product's, so that they broadcast."""
    restore: Callable[[int, Tensor], Tensor] | None = None
    """From an aligned gate back to the form of that operand."""

    def replaced(self, which: int, gate: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with the gate in the place of one operand."""
        gate = self.restore(which, gate) if self.restore else gate
        place = self.places[which]
        if isinstance(place, str):
            return self.args, self.kwargs | {place: gate}
        return (*self.args[:place], gate, *self.args[place + 1 :]), self.kwargs


def _plain(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    places = ("input" if not args else 0, "other" if len(args) < 2 else 1)
    return _pair(args, kwargs, places)


def _addition(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    places = ("tensor1" if len(args) < 2 else 1, "tensor2" if len(args) < 3 else 2)
    return _pair(args, kwargs, places)


def _pair(args: tuple[Any, ...], kwargs: dict[str, Any], places: tuple[int | str, int | str]) -> Product | None:
    left, right = (args[place] if isinstance(place, int) else kwargs.get(place) for place in places)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return Product(args, kwargs, places, (left, right), (left, right))
    return None


def _einsum(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product | None:
    """`nchw,nc->nchw`: no index is summed, one operand has all of them."""
    if len(args) != 3 or not isinstance(args[0], str) or args[0].count("->") != 1 or "." in args[0]:
        return None
    inputs, output = args[0].replace(" ", "").split("->")
    subscripts = inputs.split(",")
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


def _within(given: str, output: str) -> bool:
    """Whether an operand has the samples' index and none that is repeated or summed."""
    return output[:1] in given and len(set(given)) == len(given) and set(given) <= set(output)


PRODUCTS: dict[str, Callable[[tuple[Any, ...], dict[str, Any]], Product | None]] = {
    "mul": _plain,
    "addcmul": _addition,
    "einsum": _einsum,
}


class Operand(NamedTuple):
    """One side of a product."""

    note: Note
    varying: frozenset[int]


class Verdict(NamedTuple):
    """A product that is a gate's: which operand is the gate, and over what it varies."""

    which: int
    kind: Kind
    axes: axes.Axes
    letters: frozenset[str]
    varying: frozenset[int]
    shape: tuple[int, ...]


def judged(product: Product, notes: tuple[Note, Note]) -> Verdict | None:
    """Whether one operand gates the other; None where neither does."""
    left, right = product.aligned
    if not (notes[0].depends and notes[1].depends and left.is_floating_point() and right.is_floating_point()):
        return None
    shape = axes.broadcast(left.shape, right.shape)
    if shape is None or len(shape) < 2:
        return None
    restored = product.restore is not None
    sides = [
        Operand(note, axes.varying(tensor, frozenset() if restored else note.constant, shape))
        for tensor, note in zip(product.aligned, notes, strict=True)
    ]
    for which, (gate, feature) in enumerate((sides, sides[::-1])):
        verdict = _judge(which, gate, feature, shape)
        if verdict is not None:
            return verdict
    return None


def _judge(which: int, gate: Operand, feature: Operand, shape: tuple[int, ...]) -> Verdict | None:
    meaning = axes.fitted(feature.note.axes, shape)
    everywhere = frozenset(d for d, size in enumerate(shape) if size > 1)
    if gate.varying < feature.varying == everywhere:
        letters = _broadcast(gate, feature, shape, axes.letters(meaning, gate.varying))
    elif gate.varying == feature.varying:
        letters = _elementwise(gate, feature, shape, axes.letters(meaning, gate.varying))
    else:
        return None
    return Verdict(which, axes.kind(letters), meaning, letters, gate.varying, shape) if letters else None


def _broadcast(gate: Operand, feature: Operand, shape: tuple[int, ...], letters: frozenset[str]) -> frozenset[str]:
    """A gate over fewer axes: bounded, or learned from pooled features while the feature map is not."""
    if gate.note.squash:
        one_place = len(shape) == 4 and shape[2:] == (1, 1)
        return frozenset("HW") if one_place and not letters else letters
    learned = gate.note.pooled == 2 and not feature.note.pooled
    return letters if learned and letters and axes.kind(letters) in _UNSQUASHED else frozenset()


def _elementwise(gate: Operand, feature: Operand, shape: tuple[int, ...], letters: frozenset[str]) -> frozenset[str]:
    """A gate over all axes: bounded on this side only, and neither an activation nor a GLU."""
    squashed, plain = gate.note, feature.note
    if not squashed.squash or squashed.squash in PENDING or plain.squash:
        return frozenset()
    if squashed.roots == plain.roots or (len(squashed.roots) == 1 and squashed.roots <= plain.roots):
        return frozenset()
    if squashed.source and squashed.source == plain.source:
        return frozenset()
    if squashed.pooled and not plain.pooled and all(size == 1 for size in shape[2:]):
        return letters
    return letters if sum(size > 1 for size in shape[1:]) >= 2 else frozenset()
