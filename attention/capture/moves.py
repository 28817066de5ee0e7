"""What is known of tensors whose numbers an operation only moves: reshapes, permutations, slices, casts."""

from collections.abc import Callable
from typing import Any

from attention.capture.axes import Axes, fit_axes, reshape_axes, runs
from attention.capture.calls import Call, TensorInfo, in_one_storage, new_preactivation

Rule = Callable[[Call], TensorInfo]


def unchanged(call: Call) -> TensorInfo:
    if call.name in ("abs", "neg"):
        return call.info._replace(positive=call.name == "abs")
    return call.info if call.same_shape else call.info._replace(axes=None, constant=frozenset())


def reshaped(call: Call) -> TensorInfo:
    info, old, new = call.info, call.tensor.shape, call.output.shape
    if not call.tensor.numel() or call.tensor.numel() != call.output.numel():  # empty, or viewed as another dtype
        return info._replace(axes=None, constant=frozenset())
    constant = [
        d for left, right in runs(old, new) if all(i in info.constant or old[i] == 1 for i in left) for d in right
    ]
    axes = reshape_axes(info.axes, old, new)
    return info._replace(axes=axes, constant=frozenset(constant) if info.constant else info.constant)


def expanded(call: Call) -> TensorInfo:
    info, old, new = call.info, call.tensor.shape, call.output.shape
    offset = len(new) - len(old)
    repeated = {d for d, size in enumerate(new) if d < offset or old[d - offset] == 1 < size}
    kept = {d + offset for d in info.constant}
    return info._replace(axes=None if offset else info.axes, constant=frozenset(repeated | kept))


def permuted(call: Call) -> TensorInfo:
    order = _ORDERS[call.name](call)
    info, axes = call.info, fit_axes(call.info.axes, call.tensor.shape)
    constant = frozenset(i for i, d in enumerate(order) if d in info.constant)
    return info._replace(axes=tuple(axes[d] for d in order), constant=constant)


def attribute(call: Call) -> TensorInfo:
    """`x.T`, `x.mT`, `x.H` and `x.mH` permute; `x.data` does not."""
    if call.tensor.dim() < 2 or call.output.stride() == call.tensor.stride():
        return unchanged(call)
    axes, rank = fit_axes(call.info.axes, call.tensor.shape), call.tensor.dim()
    order = [*range(rank - 2), rank - 1, rank - 2]
    return call.info._replace(axes=tuple(axes[d] for d in order), constant=frozenset())


def sliced(call: Call) -> TensorInfo:
    """A part of a tensor is a pre-activation of its own, and remembers which part of which tensor it is."""
    if call.same_shape:
        return call.info
    whole, axes = min(call.info.preactivations, default=0), _axes_of_part(call)
    constant = call.info.constant if call.output.dim() == call.tensor.dim() else frozenset[int]()
    return call.info._replace(
        preactivations=new_preactivation(),
        part=(whole, _identity(call)),
        axes=axes,
        constant=constant,
        samples=_pictures(call, axes),
    )


def _identity(call: Call) -> tuple[Any, ...]:
    """Equal for the same part of one tensor, however it was cut out; a part that was copied equals no other."""
    output, tensor = call.output, call.tensor
    if not in_one_storage(output, tensor):
        return (new_preactivation(),)
    return (output.storage_offset() - tensor.storage_offset(), output.shape, output.stride())


def _axes_of_part(call: Call) -> Axes | None:
    """An index drops an axis, None adds one, a slice and a list of indices keep it."""
    axes, rank = list(fit_axes(call.info.axes, call.tensor.shape)), call.tensor.dim()
    if call.name in ("select", "unbind"):
        del axes[call.argument(1, "dim", 0) % rank]
        return tuple(axes)
    if call.name != "__getitem__":
        return call.info.axes
    given = call.args[1]
    indices = list(given) if isinstance(given, tuple) else [given]
    taken = sum(index is not None and index is not Ellipsis for index in indices)
    if Ellipsis not in [each for each in indices if each is None or each is Ellipsis]:
        indices.append(Ellipsis)
    left: list[tuple[tuple[str, int], ...]] = []
    for index in indices:
        if index is None:
            left.append(())
        elif index is Ellipsis:
            left += [axes.pop(0) for _ in range(rank - taken)]
        else:
            axis = axes.pop(0)
            left += [] if isinstance(index, int) else [axis]
    return tuple(left) if len(left) == call.output.dim() else None


def _pictures(call: Call, axes: Axes | None) -> tuple[int, int] | None:
    """Which pictures of the batch a part holds: the first, and how many; None where it holds them all."""
    before = fit_axes(call.info.axes, call.tensor.shape)
    dims = [d for d, axis in enumerate(before) if axis == (("N", call.tensor.shape[d]),) and len(axis) == 1]
    if len(dims) != 1 or axes is None or not in_one_storage(call.output, call.tensor):
        return call.info.samples
    stride, number = call.tensor.stride(dims[0]), call.tensor.shape[dims[0]]
    kept = [size for axis, size in zip(axes, call.output.shape, strict=True) if "N" in dict(axis)]
    count = kept[0] if kept else 1
    if not stride or count == number:
        return call.info.samples
    first = int(call.output.storage_offset() - call.tensor.storage_offset()) // int(stride)
    return ((call.info.samples or (0, 0))[0] + first, count)


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


def _movement(call: Call) -> list[int]:
    rank = call.tensor.dim()
    ends = [call.argument(1, "source"), call.argument(2, "destination")]
    sources, targets = ([d % rank for d in ([end] if isinstance(end, int) else end)] for end in ends)
    rest = iter(d for d in range(rank) if d not in sources)
    taken = dict(zip(targets, sources, strict=True))
    return [taken[d] if d in taken else next(rest) for d in range(rank)]


_ORDERS: dict[str, Callable[[Call], list[int]]] = {
    "permute": _permutation,
    "transpose": _transposition,
    "t": lambda call: list(reversed(range(call.tensor.dim()))),
    "movedim": _movement,
}
RESHAPES = "view reshape flatten unflatten unsqueeze squeeze view_as reshape_as ravel"
EXPANSIONS = "expand expand_as repeat tile"
PERMUTATIONS = " ".join(_ORDERS)
SLICES = "chunk split split_with_sizes tensor_split hsplit vsplit dsplit unbind __getitem__ narrow select index_select"
CASTS = "contiguous clone to float half double bfloat16 long int bool detach type type_as alias cpu cuda requires_grad"
SIGNS = "abs neg positive"
DROPOUTS = "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout"

FAMILIES: list[tuple[Rule, str]] = [
    (unchanged, f"{CASTS} {SIGNS} {DROPOUTS}"),
    (reshaped, RESHAPES),
    (expanded, EXPANSIONS),
    (permuted, PERMUTATIONS),
    (sliced, SLICES),
    (attribute, "__get__"),
]
