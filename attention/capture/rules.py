"""How notes pass through operations that compute: one rule a family, one table from operation to rule."""

import math
import re
from collections.abc import Callable

from attention.capture import shapes
from attention.capture.axes import Axes, fitted
from attention.capture.calls import Call
from attention.capture.notes import Note, fresh

Rule = Callable[[Call], Note]

SQUASHES = {
    "sigmoid": "sigmoid",
    "hardsigmoid": "hardsigmoid",
    "softmax": "softmax",
    "softmin": "softmax",
    "gumbel_softmax": "softmax",
    "tanh": "tanh",
    "softsign": "softsign",
    "exp": "exp",
}
PENDING = ("exp", "relu6")
"""Steps of a sigmoid or hardsigmoid written by hand. They bound one side only, or are used on features too."""

MATRICES = frozenset(("matmul", "bmm", "mm", "mv"))
_POOLINGS = ("max", "avg", "lp", "adaptive_avg", "adaptive_max", "fractional_max")
_SELECTIONS = frozenset(("max", "min", "amax", "amin", "mean", "median"))
_FACTORY = re.compile(r"new_|zeros|ones|empty|rand|full|arange|eye|linspace|bernoulli|normal|tensor$|as_tensor$|scalar")


def squashed(call: Call) -> Note:
    return call.note._replace(squash=SQUASHES[call.name])


def clamped(call: Call) -> Note:
    """A clamp within -1..1 bounds like a sigmoid does; one to 0..6 is half of a hardsigmoid by hand."""
    if call.name == "relu6":
        low, high = 0.0, 6.0
    else:
        low, high = _bounds(call)
    squash = "clamp" if low >= -1 and high <= 1 else "relu6" if (low, high) == (0, 6) else ""
    return call.note._replace(squash=squash)


def _bounds(call: Call) -> tuple[float, float]:
    if call.name == "hardtanh":
        return call.argument(1, "min_val", -1.0), call.argument(2, "max_val", 1.0)
    low, high = call.argument(1, "min"), call.argument(2, "max")
    numbers = isinstance(low, int | float) and isinstance(high, int | float)
    return (low, high) if numbers else (-math.inf, math.inf)


def affine(call: Call) -> Note:
    """Sums, differences and quotients: a squashed tensor stays bounded, if all that depends on the batch is."""
    if len(call.dependent) == 1:
        squash = _by_hand(call, call.note.squash)
        return call.note._replace(squash=squash, axes=_axes(call), constant=joint(call))
    return combined(call)


def _by_hand(call: Call, squash: str) -> str:
    """exp, then 1 / (1 + .) is a sigmoid; relu6, then . / 6 a hardsigmoid."""
    if squash == "relu6" and call.name in ("div", "mul"):
        factor = call.scalar()
        sixth = factor is not None and math.isclose(factor, 6 if call.name == "div" else 1 / 6, rel_tol=1e-6)
        return "hardsigmoid" if sixth else squash
    inverse = call.name == "pow" and call.argument(1, "exponent") == -1
    if inverse or call.name in ("reciprocal", "rdiv") or (call.name == "div" and call.main == 1):
        return "sigmoid" if squash == "exp" else ""
    return squash


def combined(call: Call) -> Note:
    """An elementwise function of several tensors that depend on the batch."""
    dependent = call.dependent
    shaped = [n for t, n in zip(call.inputs, call.notes, strict=True) if n.depends and t.shape == call.output.shape]
    return Note(
        roots=frozenset().union(*(note.roots for note in dependent)),
        axes=next((note.axes for note in shaped if note.axes), None),
        constant=joint(call),
        squash=dependent[0].squash if all(note.squash for note in dependent) else "",
        pooled=min(note.pooled for note in dependent),
        parent=_parents(dependent),
    )


def _parents(notes: list[Note]) -> frozenset[int]:
    """A sum of projections is one of all their tensors; of anything else, none."""
    parents = [note.parent for note in notes]
    return frozenset().union(*parents) if all(parents) else frozenset()


def joint(call: Call) -> frozenset[int]:
    """The dimensions over which no input varies."""
    rank = call.output.dim()
    constant = {d for d, size in enumerate(call.output.shape) if size > 1}
    for tensor, note in zip(call.inputs, call.notes, strict=True):
        offset, shape = rank - tensor.dim(), tensor.shape
        constant &= {d for d in constant if d < offset or shape[d - offset] == 1 or d - offset in note.constant}
    return frozenset(constant)


def elementwise(call: Call) -> Note:
    roots = call.note.roots if len(call.dependent) == 1 else frozenset().union(*(n.roots for n in call.dependent))
    return call.note._replace(squash="", axes=_axes(call), roots=roots)


def root(call: Call) -> Note:
    """A division by a standard deviation is a normalisation, whatever it was pooled from."""
    return elementwise(call)._replace(pooled=min(call.note.pooled, 1))


def power(call: Call) -> Note:
    exponent = call.argument(1, "exponent")
    if isinstance(exponent, float) and not exponent.is_integer():
        return root(call)
    return affine(call)


def extreme(call: Call) -> Note:
    """torch.max(a, b) is elementwise, torch.max(a) and torch.max(a, dim) reduce."""
    return combined(call) if len(call.inputs) > 1 else reduced(call)


def reduced(call: Call) -> Note:
    """The greatest, least, middle and mean of bounded numbers are bounded."""
    axes = call.note.axes if call.output.dim() == call.tensor.dim() else None
    squash = call.note.squash if call.name in _SELECTIONS else ""
    return Note(fresh(), axes, squash=squash, pooled=max(1, call.note.pooled))


def convolved(call: Call) -> Note:
    return Note(fresh(), _new_channels(call), pooled=2 if call.note.pooled else 0, parent=call.note.roots)


def pooled(call: Call) -> Note:
    whole = "adaptive" in call.name or all(size == 1 for size in call.output.shape[2:])
    return Note(fresh(), _new_channels(call), pooled=call.note.pooled or int(whole))


def _new_channels(call: Call) -> Axes | None:
    """The second axis of a convolution is the channel's; the others mean what they meant before it."""
    axes, output = call.note.axes, call.output
    if axes is None or len(axes) != output.dim():
        return None
    return (axes[0], (("C", output.shape[1]),), *axes[2:])


def projected(call: Call) -> Note:
    """A linear layer makes channels of whatever its last axis was, where that had to do with channels."""
    axes = fitted(call.note.axes, call.tensor.shape)
    if call.output.dim() > 2 and "C" in dict(axes[-1]):
        axes = (*axes[:-1], (("C", call.output.shape[-1]),))
    kept = axes if call.output.dim() > 2 else None
    return Note(fresh(), kept, pooled=2 if call.note.pooled else 0, parent=call.note.roots)


def contracted(call: Call) -> Note:
    """The rows of the first and the columns of the last: attention's weights times its values are tokens again."""
    first, last = call.inputs[0], call.inputs[-1]
    if len(call.dependent) < 2 or first.dim() != last.dim() or call.output.dim() != first.dim():
        return other(call)
    axes = (*fitted(call.notes[0].axes, first.shape)[:-1], fitted(call.notes[-1].axes, last.shape)[-1])
    return Note(fresh(), axes, pooled=call.note.pooled)


def weighing(call: Call) -> str:
    """The bounded activation of what is multiplied as a matrix, "" where nothing is bounded."""
    return next((note.squash for note in call.dependent if note.squash not in ("", *PENDING)), "")


def normalised(call: Call) -> Note:
    constant = call.note.constant if call.same_shape else frozenset()
    return call.note._replace(roots=fresh(), axes=_axes(call), constant=constant, squash="")


def moved(call: Call) -> Note:
    """Shifted or padded places are other numbers on the same axes."""
    same = call.output.dim() == call.tensor.dim()
    return Note(fresh(), call.note.axes if same else None, pooled=call.note.pooled)


def resampled(call: Call) -> Note:
    old, new = call.tensor.shape, call.output.shape
    constant = frozenset(d for d in range(len(new)) if old[d] == 1 < new[d]) | call.note.constant
    if call.note.squash:
        return call.note._replace(constant=constant)
    return call.note._replace(roots=fresh(), constant=constant, source=0)


def joined(call: Call) -> Note:
    squash = call.note.squash if all(note.squash for note in call.dependent) else ""
    together = Note(fresh(), call.note.axes, squash=squash, pooled=min(note.pooled for note in call.dependent))
    if call.name == "cat":
        return together
    axes, place = fitted(call.note.axes, call.tensor.shape), call.argument(1, "dim", 0) % call.output.dim()
    letter = "C" if "N" in dict(factor for axis in axes for factor in axis) else "N"  # branches, or the samples again
    return together._replace(axes=(*axes[:place], ((letter, call.output.shape[place]),), *axes[place:]))


def other(call: Call) -> Note:
    """Whatever has no rule makes something new, which is bounded by nothing."""
    return Note(fresh(), _axes(call), pooled=call.note.pooled)


def _axes(call: Call) -> Axes | None:
    return call.note.axes if call.same_shape else None


def _table() -> dict[str, Rule]:
    families: list[tuple[Rule, str]] = [
        (squashed, " ".join(SQUASHES)),
        (clamped, "clamp hardtanh relu6"),
        (affine, "add sub rsub div rdiv mul square reciprocal"),
        (power, "pow"),
        (root, "sqrt rsqrt"),
        (elementwise, "relu leaky_relu elu selu celu gelu silu mish hardswish softplus logsigmoid prelu threshold"),
        (elementwise, "log log1p erf sin cos where sign floor round nan_to_num clamp_min clamp_max maximum minimum"),
        (extreme, "max min"),
        (reduced, "mean sum amax amin std var norm logsumexp median nanmean nansum prod aminmax std_mean var_mean"),
        (reduced, "vector_norm linalg_vector_norm"),
        (convolved, "conv1d conv2d conv3d conv_transpose1d conv_transpose2d"),
        (pooled, " ".join(f"{kind}_pool{rank}d" for kind in _POOLINGS for rank in (1, 2, 3))),
        (projected, "linear"),
        (contracted, f"{' '.join(MATRICES)} scaled_dot_product_attention"),
        (normalised, "batch_norm group_norm instance_norm layer_norm rms_norm local_response_norm normalize"),
        (moved, "pad constant_pad_nd roll flip"),
        (resampled, "interpolate upsample"),
        (joined, "cat stack"),
        (shapes.unchanged, f"{shapes.CASTS} {shapes.SIGNS} {shapes.DROPOUTS}"),
        (shapes.reshaped, shapes.RESHAPES),
        (shapes.expanded, shapes.EXPANSIONS),
        (shapes.permuted, shapes.PERMUTATIONS),
        (shapes.sliced, shapes.SLICES),
        (shapes.attribute, "__get__"),
    ]
    return {name: rule for rule, names in families for name in names.split()}


RULES = _table()
_factories: dict[str, bool] = {}


def makes(name: str) -> bool:
    """Whether the operation makes new numbers, whatever tensor gave the shape."""
    known = _factories.get(name)
    if known is None:
        known = _factories[name] = _FACTORY.match(name) is not None
    return known


def note(call: Call) -> Note:
    """What is known of the output of a call that read something that depends on the batch."""
    return RULES.get(call.name, other)(call)
