"""How notes pass through operations that move numbers and compute nothing: reshapes, permutations, slices."""

from attention.capture.axes import fitted, regrouped, runs
from attention.capture.calls import Call
from attention.capture.notes import Note, fresh


def unchanged(call: Call) -> Note:
    return call.note if call.same_shape else call.note._replace(axes=None, constant=frozenset())


def reshaped(call: Call) -> Note:
    note, old, new = call.note, call.tensor.shape, call.output.shape
    if not call.tensor.numel() or call.tensor.numel() != call.output.numel():  # empty, or viewed as another dtype
        return note._replace(axes=None, constant=frozenset())
    constant = [
        d for left, right in runs(old, new) if all(i in note.constant or old[i] == 1 for i in left) for d in right
    ]
    axes = regrouped(note.axes, old, new)
    return note._replace(axes=axes, constant=frozenset(constant) if note.constant else note.constant)


def expanded(call: Call) -> Note:
    note, old, new = call.note, call.tensor.shape, call.output.shape
    offset = len(new) - len(old)
    repeated = {d for d, size in enumerate(new) if d < offset or old[d - offset] == 1 < size}
    kept = {d + offset for d in note.constant}
    return note._replace(axes=None if offset else note.axes, constant=frozenset(repeated | kept))


def permuted(call: Call) -> Note:
    order = _ORDERS[call.name](call)
    note, axes = call.note, fitted(call.note.axes, call.tensor.shape)
    constant = frozenset(i for i, d in enumerate(order) if d in note.constant)
    return note._replace(axes=tuple(axes[d] for d in order), constant=constant)


def attribute(call: Call) -> Note:
    """`x.T`, `x.mT`, `x.H` and `x.mH` permute; `x.data` does not."""
    if call.tensor.dim() < 2 or call.output.stride() == call.tensor.stride():
        return unchanged(call)
    axes, rank = fitted(call.note.axes, call.tensor.shape), call.tensor.dim()
    order = [*range(rank - 2), rank - 1, rank - 2]
    return call.note._replace(axes=tuple(axes[d] for d in order), constant=frozenset())


def sliced(call: Call) -> Note:
    """A part of a tensor has an origin of its own, and remembers the whole."""
    if call.same_shape:
        return call.note
    note = call.note._replace(roots=fresh(), source=min(call.note.roots, default=0))
    if call.output.dim() != call.tensor.dim():
        return _subscripted(call, note)
    return note


def _subscripted(call: Call, note: Note) -> Note:
    """`x[:, :, None]` adds an axis, select and unbind drop one; the others keep their meaning."""
    if call.tensor.numel() == call.output.numel():
        return reshaped(call)
    if call.name not in ("select", "unbind"):
        return note._replace(axes=None, constant=frozenset())
    axes = list(fitted(note.axes, call.tensor.shape))
    del axes[call.argument(1, "dim", 0)]
    return note._replace(axes=tuple(axes), constant=frozenset())


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
