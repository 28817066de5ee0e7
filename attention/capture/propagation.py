"""What is known of the output of a call, from what is known of its inputs: a rule a family of operations.

Operations that only move numbers (reshapes, permutations, slices ...) have their rules in `moves`.
"""

import math
import re
from collections.abc import Callable, Iterable

from attention.capture import moves
from attention.capture.axes import Axes, axes_after_unfold, fit_axes
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
    "erf": "erf",
    "atan": "atan",
    "exp": "exp",
    "logsigmoid": "log-sigmoid",
    "log_softmax": "log-softmax",
}
_OF_LOGARITHMS = {"log-sigmoid": "sigmoid", "log-softmax": "softmax"}
PARTIAL = ("exp", "relu6", "threshold", "log-sigmoid", "log-softmax")
"""Steps of an activation written by hand, and masks by comparing what is not bounded: relu is one times its input."""
NORMALISED = "normalised"
"""Divided by its own sum or span: a softmax or a min-max map by hand, or features on their way."""

MATRICES = frozenset(
    word
    for line in (
        "matmul __rmatmul__ bmm mm mv baddbmm addmm addbmm addmv einsum bilinear",
        "tensordot inner outer ger kron multi_dot linalg_multi_dot chain_matmul",
    )
    for word in line.split()
)
FUSED_ATTENTION = frozenset(("scaled_dot_product_attention", "multi_head_attention_forward"))
_POOLINGS = ("max", "avg", "lp", "adaptive_avg", "adaptive_max", "fractional_max")
_SELECTIONS = frozenset(
    ("max", "min", "amax", "amin", "mean", "median", "nanmean", "topk", "kthvalue", "sort", "argmax", "argmin")
)
_EXTREMES = frozenset(["sum", "nansum", "max", "amax", "min", "amin"])
_POSITIVE = frozenset(("exp", "sigmoid", "hardsigmoid", "softmax", "softplus", "relu", "relu6", "abs", "square"))
_FACTORY = re.compile(r"new_|zeros|ones|empty|rand|full|arange|eye|linspace|bernoulli|normal|tensor$|as_tensor$|scalar")


def new_tensor_info(call: Call, axes: Axes | None = None, *, activation: str = "", pooled: int = 0) -> TensorInfo:
    """A tensor that is no elementwise function of what it was made of."""
    return TensorInfo(new_preactivation(), axes, activation=activation, pooled=pooled)


def kept_bounds(activation: str) -> str:
    """The activation after an average or a selection, which keeps the bounds of what is bounded on both sides."""
    return "" if activation in PARTIAL else activation


def bounded(call: Call) -> TensorInfo:
    activation = ACTIVATIONS[call.name]
    if call.name == "exp":
        activation = _OF_LOGARITHMS.get(call.info.activation, activation)
    return call.info._replace(activation=activation, positive=call.name in _POSITIVE)


def clamped(call: Call) -> TensorInfo:
    """A clamp within -1..1 bounds like a sigmoid does; one to 0..6 is half of a hardsigmoid by hand."""
    if call.name == "relu6":
        low, high = 0.0, 6.0
    else:
        low, high = _bounds(call)
    kept = kept_bounds(call.info.activation)
    activation = kept or ("clamp" if low >= -1 and high <= 1 else "relu6" if (low, high) == (0, 6) else "")
    return call.info._replace(activation=activation, positive=low >= 0)


def _bounds(call: Call) -> tuple[float, float]:
    if call.name == "hardtanh":
        return call.argument(1, "min_val", -1.0), call.argument(2, "max_val", 1.0)
    low, high = call.argument(1, "min"), call.argument(2, "max")
    numbers = isinstance(low, int | float) and isinstance(high, int | float)
    return (low, high) if numbers else (-math.inf, math.inf)


def affine(call: Call) -> TensorInfo:
    """Sums, differences and quotients: a bounded tensor stays bounded, if all that depends on the batch is."""
    if len(call.dependent) == 1:
        activation = _activation_by_hand(call, call.info.activation)
        number = call.scalar() if len(call.inputs) == 1 else -1
        stays = call.info.positive and (number or 0) >= 0 and call.name in ("add", "mul", "div")
        positive, constant = stays or call.name == "square", constant_dims(call)
        return call.info._replace(activation=activation, axes=_axes(call), constant=constant, positive=positive)
    info = combined(call)
    return info._replace(activation=_activation_of_quotient(call)) if call.name == "div" else info


def _activation_by_hand(call: Call, activation: str) -> str:
    """exp, then 1 / (1 + .) is a sigmoid; relu6, then . / 6 a hardsigmoid."""
    if activation == "relu6" and call.name in ("div", "mul"):
        factor = call.scalar()
        sixth = factor is not None and math.isclose(factor, 6 if call.name == "div" else 1 / 6, rel_tol=1e-6)
        return "hardsigmoid" if sixth else activation
    inverse = call.name == "pow" and call.argument(1, "exponent") == -1
    if inverse or call.name in ("reciprocal", "rdiv") or (call.name == "div" and call.main == 1):
        return "sigmoid" if activation == "exp" else ""
    return activation


def _activation_of_quotient(call: Call) -> str:
    """A quotient is bounded by what it is divided by: its own sum, if it has one sign, or its own span."""
    above, below = call.infos[0], call.infos[-1]
    if not below.reduced_from or not below.reduced_from <= above.preactivations:
        return ""
    if above.activation == "exp":
        return "softmax"
    return kept_bounds(above.activation) or (NORMALISED if above.positive or below.spans else "")


def combined(call: Call) -> TensorInfo:
    """An elementwise function of several tensors that depend on the batch."""
    dependent = call.dependent
    shaped = [n for t, n in zip(call.inputs, call.infos, strict=True) if n.depends and t.shape == call.output.shape]
    every = all(info.activation for info in dependent)
    return TensorInfo(
        preactivations=_union(info.preactivations for info in dependent),
        axes=next((info.axes for info in shaped if info.axes), None),
        constant=constant_dims(call),
        activation=dependent[0].activation if every else "",
        pooled=min(info.pooled for info in dependent),
        projected_from=_union_if_all([info.projected_from for info in dependent]),
        layers=_union_if_all([info.layers for info in dependent]),
        reduced_from=_union_if_all([info.reduced_from for info in dependent]),
        positive=call.name in ("add", "mul", "div") and all(info.positive for info in call.infos),
        spans=call.name == "sub" and all(info.reduced_from for info in dependent),
    )


def _info_of_all(call: Call) -> TensorInfo:
    """What is known of all that depends on the batch together, one tensor or several."""
    if len(call.dependent) > 1:
        return combined(call)
    return call.info._replace(axes=_axes(call), constant=constant_dims(call))


def _union(sets: Iterable[frozenset[int]]) -> frozenset[int]:
    return frozenset().union(*sets)


def _union_if_all(sets: list[frozenset[int]]) -> frozenset[int]:
    """A sum of projections is one of all their tensors; of anything else, none."""
    return _union(sets) if all(sets) else frozenset()


def constant_dims(call: Call) -> frozenset[int]:
    """The dimensions over which no input varies."""
    rank = call.output.dim()
    constant = {d for d, size in enumerate(call.output.shape) if size > 1}
    for tensor, info in zip(call.inputs, call.infos, strict=True):
        offset, shape = rank - tensor.dim(), tensor.shape
        constant &= {d for d in constant if d < offset or shape[d - offset] == 1 or d - offset in info.constant}
    return frozenset(constant)


def elementwise(call: Call) -> TensorInfo:
    preactivations = _union(info.preactivations for info in call.dependent)
    positive = call.name in _POSITIVE
    return call.info._replace(activation="", axes=_axes(call), preactivations=preactivations, positive=positive)


def monotonic(call: Call) -> TensorInfo:
    """relu, rounding and cuts keep the bounds of what is bounded, and so do the greater and lesser of such."""
    info = _info_of_all(call)
    return info._replace(activation=kept_bounds(info.activation), positive=call.name == "relu" or info.positive)


def chosen(call: Call) -> TensorInfo:
    """`where` and `masked_fill` keep bounds where all that they choose from has them; the mask chooses only."""
    offered = [info for tensor, info in zip(call.inputs, call.infos, strict=True) if tensor.is_floating_point()]
    numbers = [value for value in (*call.args, *call.kwargs.values()) if isinstance(value, int | float)]
    info, dependent = combined(call), [info for info in offered if info.depends]
    every = dependent and all(kept_bounds(info.activation) for info in dependent) and all(abs(n) <= 1 for n in numbers)
    masked = call.name == "where" and not dependent and all(abs(n) <= 1 for n in numbers)
    return info._replace(activation=dependent[0].activation if every else info.activation if masked else "")


def compared(call: Call) -> TensorInfo:
    """A comparison is 0 or 1: a gate where what it compares is bounded, and else perhaps the half of a relu."""
    every = all(kept_bounds(each.activation) for each in call.dependent)
    return _info_of_all(call)._replace(activation="step" if every else "threshold", positive=True)


def logical(call: Call) -> TensorInfo:
    info = combined(call) if len(call.dependent) > 1 else call.info
    return info._replace(activation="step" if call.info.activation == "step" else "threshold", positive=True)


def marked(call: Call) -> TensorInfo:
    """Ones written where the greatest numbers stand, such as a top-k mask: 0 or 1."""
    every = all(kept_bounds(info.activation) for info in call.dependent)
    return new_tensor_info(call, activation="step" if every else "threshold", pooled=call.info.pooled)


def root(call: Call) -> TensorInfo:
    """A division by a standard deviation is a normalisation, whatever it was pooled from."""
    kept = kept_bounds(call.info.activation) if call.name == "sqrt" else ""
    return elementwise(call)._replace(pooled=min(call.info.pooled, 1), activation=kept, positive=True)


def power(call: Call) -> TensorInfo:
    exponent = call.argument(1, "exponent")
    if isinstance(exponent, float) and not exponent.is_integer():
        kept = kept_bounds(call.info.activation) if exponent > 0 else ""
        return root(call)._replace(activation=kept)
    even = isinstance(exponent, int | float) and exponent % 2 == 0
    return affine(call)._replace(positive=even or call.info.positive)


def extreme(call: Call) -> TensorInfo:
    """torch.max(a, b) is elementwise, torch.max(a) and torch.max(a, dim) reduce."""
    return monotonic(call) if len(call.inputs) > 1 else reduced(call)


def reduced(call: Call) -> TensorInfo:
    """The greatest, least, middle and mean of bounded numbers are bounded."""
    activation = kept_bounds(call.info.activation) if call.name in _SELECTIONS else ""
    info = new_tensor_info(call, _remaining_axes(call), activation=activation, pooled=max(1, call.info.pooled))
    divisor = call.info.preactivations if call.name in _EXTREMES else frozenset()
    return info._replace(reduced_from=divisor, positive=call.info.positive or "norm" in call.name)


def _remaining_axes(call: Call) -> Axes | None:
    """The axes that a reduction leaves, where it says over which it goes."""
    rank, given = call.tensor.dim(), call.argument(1, "dim", call.kwargs.get("axis"))
    if call.output.dim() == rank:
        return call.info.axes
    gone = {given} if isinstance(given, int) else set(given) if isinstance(given, tuple | list) else set()
    if not all(isinstance(d, int) for d in gone) or call.output.dim() != rank - len(gone) or call.name in _NO_DIM:
        return None
    axes = fit_axes(call.info.axes, call.tensor.shape)
    return tuple(axis for d, axis in enumerate(axes) if d not in {each % rank for each in gone})


_NO_DIM = frozenset(["norm", "vector_norm", "linalg_vector_norm", "topk", "kthvalue", "logsumexp"])


def convolved(call: Call) -> TensorInfo:
    return _layer(call, _new_channels(call))


def projected(call: Call) -> TensorInfo:
    """A linear layer makes channels of whatever its last axis was, where that had to do with channels."""
    axes = fit_axes(call.info.axes, call.tensor.shape)
    if call.output.dim() > 2 and {"C", "B"} & dict(axes[-1]).keys():
        axes = (*axes[:-1], (("C", call.output.shape[-1]),))
    return _layer(call, axes if call.output.dim() > 2 else None)


def _layer(call: Call, axes: Axes | None) -> TensorInfo:
    """The output of a learned layer: a projection of its input, told from others by the layer's weight."""
    weight = call.inputs[1] if len(call.inputs) > 1 else None
    learned = weight is not None and call.is_learned(weight)
    layers = frozenset((id(weight),)) if learned else new_preactivation()
    info = new_tensor_info(call, axes, pooled=2 if call.info.pooled else 0)
    return info._replace(projected_from=call.info.preactivations, layers=layers)


def pooled(call: Call) -> TensorInfo:
    whole = "adaptive" in call.name or all(size == 1 for size in call.output.shape[2:])
    kept = kept_bounds(call.info.activation)
    return new_tensor_info(call, call.info.axes, activation=kept, pooled=call.info.pooled or int(whole))


def _new_channels(call: Call) -> Axes | None:
    """The second axis of a convolution is the channel's; the others mean what they meant before it.

    A picture without the axis of the samples has its channels first.
    """
    axes, output = call.info.axes, call.output
    if axes is None or len(axes) != output.dim():
        return None
    place = output.dim() - int(call.name[-2]) - 1  # conv2d, conv_transpose2d
    return (*axes[:place], (("C", output.shape[place]),), *axes[place + 1 :])


def contracted(call: Call) -> TensorInfo:
    """The rows of the first and the columns of the last: attention's weights times its values are tokens again."""
    first, last = call.inputs[0], call.inputs[-1]
    if len(call.dependent) < 2 or first.dim() != last.dim() or call.output.dim() != first.dim():
        return without_rule(call)
    axes = (*fit_axes(call.infos[0].axes, first.shape)[:-1], fit_axes(call.infos[-1].axes, last.shape)[-1])
    return new_tensor_info(call, axes, activation=_mixed_activation(call), pooled=call.info.pooled)


def _mixed_activation(call: Call) -> str:
    """A softmax's weights mix what is bounded to what is bounded."""
    activations = [kept_bounds(info.activation) for info in call.dependent]
    if not all(activations) or "softmax" not in activations:
        return ""
    return next((activation for activation in activations if activation != "softmax"), "softmax")


def normalised(call: Call) -> TensorInfo:
    """F.normalize divides by a norm, which keeps the bounds of what is bounded; other normalisations do not."""
    constant = call.info.constant if call.same_shape else frozenset()
    activation = kept_bounds(call.info.activation) if call.name == "normalize" else ""
    return call.info._replace(
        preactivations=new_preactivation(), axes=_axes(call), constant=constant, activation=activation, positive=False
    )


def moved(call: Call) -> TensorInfo:
    """Shifted or padded places are other numbers on the same axes."""
    same = call.output.dim() == call.tensor.dim()
    kept = kept_bounds(call.info.activation)
    return new_tensor_info(call, call.info.axes if same else None, activation=kept, pooled=call.info.pooled)


def resampled(call: Call) -> TensorInfo:
    old, new = call.tensor.shape, call.output.shape
    constant = frozenset(d for d in range(len(new)) if old[d] == 1 < new[d]) | call.info.constant
    if call.info.activation:
        return call.info._replace(constant=constant)
    return call.info._replace(preactivations=new_preactivation(), constant=constant, part=None)


def sampled(call: Call) -> TensorInfo:
    """Pixel shuffle, grid sampling, gathering: other places of the same map, or the same ones several times."""
    if call.main:
        return without_rule(call)
    old, new = call.tensor.shape, call.output.shape
    same = len(old) == len(new)
    info = new_tensor_info(call, call.info.axes if same else None, activation=kept_bounds(call.info.activation))
    constant = frozenset(d for d in range(len(new)) if same and (old[d] == 1 < new[d] or d in call.info.constant))
    return info._replace(constant=constant, pooled=call.info.pooled)


def neighbourhoods(call: Call) -> TensorInfo:
    """The places around each place, side by side: an axis K of their own."""
    axes = axes_after_unfold(fit_axes(call.info.axes, call.tensor.shape), call.output.shape, call.args, call.kwargs)
    return new_tensor_info(call, axes, activation=kept_bounds(call.info.activation), pooled=call.info.pooled)


def joined(call: Call) -> TensorInfo:
    activation = call.info.activation if all(info.activation for info in call.dependent) else ""
    pooled = min(info.pooled for info in call.dependent)
    together = new_tensor_info(call, call.info.axes, activation=activation, pooled=pooled)
    rank = call.output.dim()
    dim = call.argument(1, "dim", call.kwargs.get("axis", 0)) % rank
    once = call.name == "stack" or call.tensor.shape[dim] == 1
    if once and len({id(tensor) for tensor in call.inputs}) == 1:  # the same map again and again
        together = together._replace(constant=frozenset((dim,)))
    axes = fit_axes(call.info.axes, call.tensor.shape)
    if call.name == "stack":
        letter = "B" if "N" in dict(factor for axis in axes for factor in axis) else "N"  # branches, or the samples
        return together._replace(axes=(*axes[:dim], ((letter, call.output.shape[dim]),), *axes[dim:]))
    size, count = call.tensor.shape[dim], len(call.inputs)
    alike = count > 1 and len({tensor.shape for tensor in call.inputs}) == 1 and len(call.dependent) == count
    if alike and axes[dim] == (("C", size),):
        return together._replace(axes=(*axes[:dim], (("B", count), ("C", size)), *axes[dim + 1 :]))
    if alike and axes[dim] == () and size == 1 and not any("N" in dict(axis) for axis in axes):
        return together._replace(axes=(*axes[:dim], (("N", count),), *axes[dim + 1 :]))
    return together


def diagonal(call: Call) -> TensorInfo:
    return new_tensor_info(call, activation=call.info.activation, pooled=call.info.pooled)


def without_rule(call: Call) -> TensorInfo:
    """Whatever has no rule makes something new, which is bounded by nothing."""
    return new_tensor_info(call, _axes(call), pooled=call.info.pooled)


def _axes(call: Call) -> Axes | None:
    return call.info.axes if call.same_shape else None


FAMILIES: list[tuple[Rule, str]] = [
    (bounded, " ".join(ACTIVATIONS)),
    (clamped, "clamp hardtanh relu6"),
    (affine, "add sub rsub div rdiv mul square reciprocal addcmul addcdiv"),
    (power, "pow"),
    (root, "sqrt rsqrt"),
    (elementwise, "leaky_relu elu selu celu gelu silu mish hardswish softplus prelu log log1p sin cos nan_to_num"),
    (monotonic, "relu threshold sign floor ceil round clamp_min clamp_max maximum minimum fmax fmin"),
    (chosen, "where masked_fill"),
    (compared, "gt lt ge le eq ne greater less greater_equal less_equal heaviside"),
    (logical, "logical_and logical_or logical_not bitwise_and bitwise_or bitwise_not"),
    (marked, "scatter scatter_add index_fill index_put one_hot"),
    (extreme, "max min"),
    (reduced, "mean sum amax amin std var norm logsumexp median nanmean nansum prod aminmax std_mean var_mean"),
    (reduced, "vector_norm linalg_vector_norm topk kthvalue argmax argmin"),
    (convolved, "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d"),
    (pooled, " ".join(f"{kind}_pool{rank}d" for kind in _POOLINGS for rank in (1, 2, 3))),
    (projected, "linear"),
    (contracted, "matmul bmm mm mv scaled_dot_product_attention"),
    (normalised, "batch_norm group_norm instance_norm layer_norm rms_norm local_response_norm normalize"),
    (moved, "pad constant_pad_nd roll flip sort argsort cumsum"),
    (resampled, "interpolate upsample"),
    (sampled, "pixel_shuffle pixel_unshuffle grid_sample channel_shuffle repeat_interleave gather take_along_dim"),
    (neighbourhoods, "unfold im2col"),
    (joined, "cat stack"),
    (diagonal, "diag diag_embed"),
    *moves.FAMILIES,
]
RULES = {name: rule for rule, names in FAMILIES for name in names.split()}
LAYERS: tuple[Rule, ...] = (convolved, projected)
NORMS: tuple[Rule, ...] = (normalised,)
_factories: dict[str, bool] = {}


def makes_new_numbers(name: str) -> bool:
    """Whether the operation makes new numbers, whatever tensor gave the shape."""
    known = _factories.get(name)
    if known is None:
        known = _factories[name] = _FACTORY.match(name) is not None and name != "normalize"
    return known


def info_of_output(call: Call) -> TensorInfo:
    """What is known of the output of a call that read something that depends on the batch."""
    rule = RULES.get(call.name, without_rule)
    info = rule(call)
    samples = info.samples or _samples(call)
    if info.preactivations is call.info.preactivations and len(call.dependent) == 1:
        return info if samples == info.samples else info._replace(samples=samples)
    return info._replace(ancestors=_ancestors(call, info, learned=rule in LAYERS), samples=samples)


def _samples(call: Call) -> tuple[int, int] | None:
    """Which pictures of the batch the inputs belong to, where that is one and the same part of it."""
    if len(call.dependent) == 1:
        return call.info.samples
    parts = {info.samples for info in call.dependent}
    return parts.pop() if len(parts) == 1 else None


_MOST_LEVELS = 8
"""Layers that are looked back over: the sets of a deep network would grow with each of its layers."""


def _ancestors(call: Call, info: TensorInfo, *, learned: bool) -> tuple[frozenset[int], ...]:
    levels = _levels(call.dependent)
    if learned:
        return (info.preactivations, *levels[: _MOST_LEVELS - 1])
    return (levels[0] | info.preactivations, *levels[1:])


def _levels(infos: list[TensorInfo]) -> tuple[frozenset[int], ...]:
    """From which pre-activations tensors come, by the number of learned layers between, themselves at none."""
    above = [each.ancestors or (each.preactivations,) for each in infos]
    if len(above) == 1:
        return above[0]
    longest = max(map(len, above))
    return tuple(_union(each[i] for each in above if i < len(each)) for i in range(longest))


def info_of_product(feature: TensorInfo, gate: TensorInfo, samples: tuple[int, int] | None) -> TensorInfo:
    """What is known of the product of features and their gate."""
    first, *further = _levels([feature, gate])
    info = TensorInfo(new_preactivation(), feature.axes, pooled=feature.pooled, samples=samples)
    return info._replace(ancestors=(first | info.preactivations, *further))
