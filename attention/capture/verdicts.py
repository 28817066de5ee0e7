"""Which products multiply a feature map by a gate, and why others that look like it do not."""

from typing import NamedTuple

from attention.capture import axes
from attention.capture.notes import Note
from attention.capture.products import Product
from attention.capture.rules import PENDING
from attention.records import Kind

_UNSQUASHED: tuple[Kind, ...] = ("channel", "spatial", "channel-height", "channel-width")
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


class Refusal(NamedTuple):
    """A product that came close: which operand might have been the gate, and why it is none."""

    which: int
    reason: str


def judged(product: Product, notes: tuple[Note, Note]) -> Verdict | Refusal | None:
    """Whether one operand gates the other; None where neither comes close."""
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
    first = _judge(0, sides, shape)
    if isinstance(first, Verdict):
        return first
    second = _judge(1, sides, shape)
    return second if isinstance(second, Verdict) else first or second


def _judge(which: int, sides: list[Operand], shape: tuple[int, ...]) -> Verdict | Refusal | None:
    gate, feature = sides[which], sides[1 - which]
    meaning = axes.fitted(feature.note.axes, shape)
    everywhere = frozenset(d for d, size in enumerate(shape) if size > 1)
    letters = axes.letters(meaning, gate.varying)
    if gate.varying < feature.varying == everywhere:
        letters = axes.widened(letters, meaning, shape)
        reason = _broadcast(gate.note, feature.note, letters, len(shape))
    elif gate.varying == feature.varying:
        reason = _elementwise(gate.note, feature.note, shape)
    else:
        reason = _WIDER if gate.note.squash and gate.note.squash not in PENDING else ""
    if reason is not None:
        return Refusal(which, reason) if reason else None
    return Verdict(which, axes.kind(letters), meaning, letters, gate.varying, shape)


def _broadcast(gate: Note, feature: Note, letters: frozenset[str], rank: int) -> str | None:
    """None for a gate over fewer axes: bounded, or learned from pooled features, or a learned map. Else why it is none.

    "" is far off: a query that is multiplied by all keys is one projection, over the channels, and no gate.
    """
    if gate.squash:
        return None if letters or rank > 2 else _VECTORS
    if gate.pooled == 1:
        return _POOLED
    if gate.pooled and feature.pooled:
        return _BOTH_POOLED
    if not letters:
        return ""
    kind = axes.kind(letters)
    learned = kind in _UNSQUASHED if gate.pooled == 2 else gate.parent and kind == "spatial"
    return None if learned else ""


def _elementwise(gate: Note, feature: Note, shape: tuple[int, ...]) -> str | None:
    """A gate over all axes is bounded on this side only, and neither an activation nor a GLU."""
    if not gate.squash:
        return ""
    if gate.roots == feature.roots or (len(gate.roots) == 1 and gate.roots <= feature.roots):
        return _ACTIVATION
    if gate.source and gate.source == feature.source:
        return _HALVES
    if gate.parent and gate.parent == feature.parent:
        return _PROJECTIONS
    if gate.squash in PENDING:
        return _STEP
    if feature.squash and feature.squash not in PENDING:
        return _BOUNDED
    places = sum(size > 1 for size in shape[1:])
    one_place = gate.pooled and not feature.pooled and places and all(size == 1 for size in shape[2:])
    return None if one_place or places >= 2 else _VECTORS
