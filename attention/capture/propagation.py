"""What is known of the output of a call, from what is known of its inputs: a rule a family of operations.

The first half has the operations that compute, the second those that move numbers: reshapes, permutations, slices.
"""

import math
import re
from collections.abc import Callable

from attention.capture.axes import Axes, fitted, regrouped, runs
from attention.capture.calls import Call, TensorInfo, new_preactivation

Rule = Callable[[Call], TensorInfo]

ACTIVATIONS = {
    "sigmoid": "sigmoid",
    "hardsigmoid": "hardsigmoid",
    "softmax": "softmax",
    "softmin": "softmax",
    "gumbel_softmax": "softmax",
    "tanh": "tanh",
    "softsign": "softsign",
    "exp": "exp",
}
PARTIAL = ("exp", "relu6")
"""Steps of a sigmoid or hardsigmoid written by hand. They bound one side only, or are used on features too."""

MATRICES = frozenset(("matmul", "bmm", "mm", "mv"))
_POOLINGS = ("max", "avg", "lp", "adaptive_avg", "adaptive_max", "fractional_max")
_SELECTIONS = frozenset(("max", "min", "amax", "amin", "mean", "median"))
_FACTORY = re.compile(r"new_|zeros|ones|empty|rand|full|arange|eye|linspace|bernoulli|normal|tensor$|as_tensor$|scalar")


def bounded(call: Call) -> TensorInfo:
    return call.info._replace(activation=ACTIVATIONS[call.name])


def clamped(call: Call) -> TensorInfo:
    """A clamp within -1..1 bounds like a sigmoid does; one to 0..6 is half of a hardsigmoid by hand."""
    if call.name == "relu6":
        low, high = 0.0, 6.0
    else:
        low, high = _bounds(call)
    activation = "clamp" if low >= -1 and high <= 1 else "relu6" if (low, high) == (0, 6) else ""
    return call.info._replace(activation=activation)


def _bounds(call: Call) -> tuple[float, float]:
    if call.name == "hardtanh":
        return call.argument(1, "min_val", -1.0), call.argument(2, "max_val", 1.0)
    low, high = call.argument(1, "min"), call.argument(2, "max")
    numbers = isinstance(low, int | float) and isinstance(high, int | float)
    return (low, high) if numbers else (-math.inf, math.inf)


def affine(call: Call) -> TensorInfo:
    """Sums, differences and quotients: a bounded tensor stays bounded, if all that depends on the batch is."""
    if len(call.dependent) == 1:
        activation = _by_hand(call, call.info.activation)
        return call.info._replace(activation=activation, axes=_axes(call), constant=joint(call))
    return combined(call)


def _by_hand(call: Call, activation: str) -> str:
    """exp, then 1 / (1 + .) is a sigmoid; relu6, then . / 6 a hardsigmoid."""
    if activation == "relu6" and call.name in ("div", "mul"):
        factor = call.scalar()
        sixth = factor is not None and math.isclose(factor, 6 if call.name == "div" else 1 / 6, rel_tol=1e-6)
        return "hardsigmoid" if sixth else activation
    inverse = call.name == "pow" and call.argument(1, "exponent") == -1
    if inverse or call.name in ("reciprocal", "rdiv") or (call.name == "div" and call.main == 1):
        return "sigmoid" if activation == "exp" else ""
    return activation


def combined(call: Call) -> TensorInfo:
    """An elementwise function of several tensors that depend on the batch."""
    dependent = call.dependent
    shaped = [n for t, n in zip(call.inputs, call.infos, strict=True) if n.depends and t.shape == call.output.shape]
    return TensorInfo(
        preactivations=frozenset().union(*(info.preactivations for info in dependent)),
        axes=next((info.axes for info in shaped if info.axes), None),
        constant=joint(call),
        activation=dependent[0].activation if all(info.activation for info in dependent) else "",
        pooled=min(info.pooled for info in dependent),
        projected_from=_projected_from(dependent),
    )


def _projected_from(infos: list[TensorInfo]) -> frozenset[int]:
    """A sum of projections is one of all their tensors; of anything else, none."""
    parents = [info.projected_from for info in infos]
    return frozenset().union(*parents) if all(parents) else frozenset()


def joint(call: Call) -> frozenset[int]:
    """The dimensions over which no input varies."""
    rank = call.output.dim()
    constant = {d for d, size in enumerate(call.output.shape) if size > 1}
    for tensor, info in zip(call.inputs, call.infos, strict=True):
        offset, shape = rank - tensor.dim(), tensor.shape
        constant &= {d for d in constant if d < offset or shape[d - offset] == 1 or d - offset in info.constant}
    return frozenset(constant)


def elementwise(call: Call) -> TensorInfo:
    preactivations = (
        call.info.preactivations
        if len(call.dependent) == 1
        else frozenset().union(*(n.preactivations for n in call.dependent))
    )
    return call.info._replace(activation="", axes=_axes(call), preactivations=preactivations)


def root(call: Call) -> TensorInfo:
    """A division by a standard deviation is a normalisation, whatever it was pooled from."""
    return elementwise(call)._replace(pooled=min(call.info.pooled, 1))


def power(call: Call) -> TensorInfo:
    exponent = call.argument(1, "exponent")
    if isinstance(exponent, float) and not exponent.is_integer():
        return root(call)
    return affine(call)


def extreme(call: Call) -> TensorInfo:
    """torch.max(a, b) is elementwise, torch.max(a) and torch.max(a, dim) reduce."""
    return combined(call) if len(call.inputs) > 1 else reduced(call)


def reduced(call: Call) -> TensorInfo:
    """The greatest, least, middle and mean of bounded numbers are bounded."""
    axes = call.info.axes if call.output.dim() == call.tensor.dim() else None
    activation = call.info.activation if call.name in _SELECTIONS else ""
    return TensorInfo(new_preactivation(), axes, activation=activation, pooled=max(1, call.info.pooled))


def convolved(call: Call) -> TensorInfo:
    return TensorInfo(
        new_preactivation(),
        _new_channels(call),
        pooled=2 if call.info.pooled else 0,
        projected_from=call.info.preactivations,
    )


def pooled(call: Call) -> TensorInfo:
    whole = "adaptive" in call.name or all(size == 1 for size in call.output.shape[2:])
    return TensorInfo(new_preactivation(), _new_channels(call), pooled=call.info.pooled or int(whole))


def _new_channels(call: Call) -> Axes | None:
    """The second axis of a convolution is the channel's; the others mean what they meant before it."""
    axes, output = call.info.axes, call.output
    if axes is None or len(axes) != output.dim():
        return None
    return (axes[0], (("C", output.shape[1]),), *axes[2:])


def projected(call: Call) -> TensorInfo:
    """A linear layer makes channels of whatever its last axis was, where that had to do with channels."""
    axes = fitted(call.info.axes, call.tensor.shape)
    if call.output.dim() > 2 and "C" in dict(axes[-1]):
        axes = (*axes[:-1], (("C", call.output.shape[-1]),))
    kept = axes if call.output.dim() > 2 else None
    return TensorInfo(
        new_preactivation(), kept, pooled=2 if call.info.pooled else 0, projected_from=call.info.preactivations
    )


def contracted(call: Call) -> TensorInfo:
    """The rows of the first and the columns of the last: attention's weights times its values are tokens again."""
    first, last = call.inputs[0], call.inputs[-1]
    if len(call.dependent) < 2 or first.dim() != last.dim() or call.output.dim() != first.dim():
        return other(call)
    axes = (*fitted(call.infos[0].axes, first.shape)[:-1], fitted(call.infos[-1].axes, last.shape)[-1])
    return TensorInfo(new_preactivation(), axes, pooled=call.info.pooled)


def weighing_activation(call: Call) -> str:
    """The bounded activation of what is multiplied as a matrix, "" where nothing is bounded."""
    return next((info.activation for info in call.dependent if info.activation not in ("", *PARTIAL)), "")


def normalised(call: Call) -> TensorInfo:
    constant = call.info.constant if call.same_shape else frozenset()
    return call.info._replace(preactivations=new_preactivation(), axes=_axes(call), constant=constant, activation="")


def moved(call: Call) -> TensorInfo:
    """Shifted or padded places are other numbers on the same axes."""
    same = call.output.dim() == call.tensor.dim()
    return TensorInfo(new_preactivation(), call.info.axes if same else None, pooled=call.info.pooled)


def resampled(call: Call) -> TensorInfo:
    old, new = call.tensor.shape, call.output.shape
    constant = frozenset(d for d in range(len(new)) if old[d] == 1 < new[d]) | call.info.constant
    if call.info.activation:
        return call.info._replace(constant=constant)
    return call.info._replace(preactivations=new_preactivation(), constant=constant, sliced_from=0)


def joined(call: Call) -> TensorInfo:
    activation = call.info.activation if all(info.activation for info in call.dependent) else ""
    together = TensorInfo(
        new_preactivation(), call.info.axes, activation=activation, pooled=min(info.pooled for info in call.dependent)
    )
    if call.name == "cat":
        return together
    axes, place = fitted(call.info.axes, call.tensor.shape), call.argument(1, "dim", 0) % call.output.dim()
    letter = "C" if "N" in dict(factor for axis in axes for factor in axis) else "N"  # branches, or the samples again
    return together._replace(axes=(*axes[:place], ((letter, call.output.shape[place]),), *axes[place:]))


def other(call: Call) -> TensorInfo:
    """Whatever has no rule makes something new, which is bounded by nothing."""
    return TensorInfo(new_preactivation(), _axes(call), pooled=call.info.pooled)


def _axes(call: Call) -> Axes | None:
    return call.info.axes if call.same_shape else None


def unchanged(call: Call) -> TensorInfo:
    return call.info if call.same_shape else call.info._replace(axes=None, constant=frozenset())


def reshaped(call: Call) -> TensorInfo:
    info, old, new = call.info, call.tensor.shape, call.output.shape
    if not call.tensor.numel() or call.tensor.numel() != call.output.numel():  # empty, or viewed as another dtype
        return info._replace(axes=None, constant=frozenset())
    constant = [
        d for left, right in runs(old, new) if all(i in info.constant or old[i] == 1 for i in left) for d in right
    ]
    axes = regrouped(info.axes, old, new)
    return info._replace(axes=axes, constant=frozenset(constant) if info.constant else info.constant)


def expanded(call: Call) -> TensorInfo:
    info, old, new = call.info, call.tensor.shape, call.output.shape
    offset = len(new) - len(old)
    repeated = {d for d, size in enumerate(new) if d < offset or old[d - offset] == 1 < size}
    kept = {d + offset for d in info.constant}
    return info._replace(axes=None if offset else info.axes, constant=frozenset(repeated | kept))


def permuted(call: Call) -> TensorInfo:
    order = _ORDERS[call.name](call)
    info, axes = call.info, fitted(call.info.axes, call.tensor.shape)
    constant = frozenset(i for i, d in enumerate(order) if d in info.constant)
    return info._replace(axes=tuple(axes[d] for d in order), constant=constant)


def attribute(call: Call) -> TensorInfo:
    """`x.T`, `x.mT`, `x.H` and `x.mH` permute; `x.data` does not."""
    if call.tensor.dim() < 2 or call.output.stride() == call.tensor.stride():
        return unchanged(call)
    axes, rank = fitted(call.info.axes, call.tensor.shape), call.tensor.dim()
    order = [*range(rank - 2), rank - 1, rank - 2]
    return call.info._replace(axes=tuple(axes[d] for d in order), constant=frozenset())


def sliced(call: Call) -> TensorInfo:
    """A part of a tensor is a pre-activation of its own, and remembers the whole."""
    if call.same_shape:
        return call.info
    info = call.info._replace(preactivations=new_preactivation(), sliced_from=min(call.info.preactivations, default=0))
    if call.output.dim() != call.tensor.dim():
        return _subscripted(call, info)
    return info


def _subscripted(call: Call, info: TensorInfo) -> TensorInfo:
    """`x[:, :, None]` adds an axis, select and unbind drop one; the others keep their meaning."""
    if call.tensor.numel() == call.output.numel():
        return reshaped(call)
    if call.name not in ("select", "unbind"):
        return info._replace(axes=None, constant=frozenset())
    axes = list(fitted(info.axes, call.tensor.shape))
    del axes[call.argument(1, "dim", 0)]
    return info._replace(axes=tuple(axes), constant=frozenset())


def _permutation(call: Call) -> list[int]:
    given = call.args[1:] or (call.kwargs["dims"],)
    dimensions = given[0] if isinstance(given[0], tuple | list) else given
    return [d % call.tensor.dim() for d in dimensions]


def _transposition(call: Call) -> list[int]:
    order = list(range(call.tensor.dim()))
    first = call.argument(1, "dim0", call.kwargs.get("axis0"))
    second = call.argument(2, "dim1", call.kwargs.get("axis1"))
    order[first], order[second] = order[second], order[first]
    return order


def _reversal(call: Call) -> list[int]:
    return list(reversed(range(call.tensor.dim())))


def _movement(call: Call) -> list[int]:
    rank = call.tensor.dim()
    ends = [call.argument(1, "source"), call.argument(2, "destination")]
    sources, targets = ([d % rank for d in ([end] if isinstance(end, int) else end)] for end in ends)
    rest = iter(d for d in range(rank) if d not in sources)
    taken = dict(zip(targets, sources, strict=True))
    return [taken[d] if d in taken else next(rest) for d in range(rank)]


_ORDERS = {"permute": _permutation, "transpose": _transposition, "t": _reversal, "movedim": _movement}
RESHAPES = "view reshape flatten unflatten unsqueeze squeeze view_as reshape_as ravel"
EXPANSIONS = "expand expand_as repeat tile"
PERMUTATIONS = " ".join(_ORDERS)
SLICES = "chunk split split_with_sizes tensor_split hsplit vsplit dsplit unbind __getitem__ narrow select index_select"
CASTS = "contiguous clone to float half double bfloat16 detach type type_as alias cpu cuda requires_grad"
SIGNS = "abs neg positive"
DROPOUTS = "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout"


def _table() -> dict[str, Rule]:
    families: list[tuple[Rule, str]] = [
        (bounded, " ".join(ACTIVATIONS)),
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
        (unchanged, f"{CASTS} {SIGNS} {DROPOUTS}"),
        (reshaped, RESHAPES),
        (expanded, EXPANSIONS),
        (permuted, PERMUTATIONS),
        (sliced, SLICES),
        (attribute, "__get__"),
    ]
    return {name: rule for rule, names in families for name in names.split()}


RULES = _table()
_factories: dict[str, bool] = {}


def makes_new_numbers(name: str) -> bool:
    """Whether the operation makes new numbers, whatever tensor gave the shape."""
    known = _factories.get(name)
    if known is None:
        known = _factories[name] = _FACTORY.match(name) is not None
    return known


def info_of_output(call: Call) -> TensorInfo:
    """What is known of the output of a call that read something that depends on the batch."""
    return RULES.get(call.name, other)(call)
