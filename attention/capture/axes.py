"""What the axes of a tensor mean: sample (N), branch (B), channel (C), neighbour (K), depth (D), height (H), width (W),
or a place in a row (L).

An axis is a tuple of factors (letter, extent): an image flattened to tokens has the axis H·W, groups folded into
the batch have N·C. Reshapes regroup the factors, so the meaning survives them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from attention.kinds import KINDS, Kind

Factor = tuple[str, int]
Axes = tuple[tuple[Factor, ...], ...]

# Five axes are stacked branches (selective kernels), six windows or neighbourhoods by nobody's rule.
_LAYOUTS = {2: "NC", 3: "NCL", 4: "NCHW", 5: "NBCHW"}
_PLACES = frozenset("DHWL")
_ORDER = "NBCKDHWL"
_KINDS: dict[frozenset[str], Kind] = {frozenset(row.axes): kind for kind, row in KINDS.items()}


def standard_axes(shape: Sequence[int]) -> Axes:
    """The axes as PyTorch's layers lay them out, by the number of dimensions."""
    letters = _LAYOUTS.get(len(shape), "N" + "L" * (len(shape) - 1))
    return tuple(((letter, size),) for letter, size in zip(letters, shape, strict=False))


def volume_axes(shape: Sequence[int]) -> Axes:
    """The axes of 3-D features, which their number would take for stacked branches."""
    return tuple(((letter, size),) for letter, size in zip("NCDHW", shape, strict=True))


def fit_axes(axes: Axes | None, shape: Sequence[int]) -> Axes:
    """The axes followed so far, with the extents of this shape; the standard one where nothing is known."""
    if axes is None or len(axes) != len(shape):
        return standard_axes(shape)
    return tuple(map(_resized, axes, shape, standard_axes(shape)))


def _resized(axis: tuple[Factor, ...], size: int, default: tuple[Factor, ...]) -> tuple[Factor, ...]:
    if math.prod(extent for _, extent in axis) == size:
        return axis
    letters = frozenset(letter for letter, _ in axis)
    if len(merge_branches(letters)) == 1:
        return (((*merge_branches(letters),)[0], size),)
    return (("L", size),) if letters else default


def runs(old: Sequence[int], new: Sequence[int]) -> list[tuple[range, range]]:
    """The shortest runs of dimensions, before and after a reshape, that hold equally many numbers."""
    pairs, i, j = [], 0, 0
    while i < len(old) or j < len(new):
        first, second = i, j
        left, right = math.prod(old[i : i + 1]), math.prod(new[j : j + 1])
        i, j = min(i + 1, len(old)), min(j + 1, len(new))
        while left != right:
            if left < right:
                left, i = left * old[i], i + 1
            else:
                right, j = right * new[j], j + 1
        pairs.append((range(first, i), range(second, j)))
    return pairs


def reshape_axes(axes: Axes | None, old: Sequence[int], new: Sequence[int]) -> Axes:
    """The axes after a reshape from the old shape to the new one."""
    before = fit_axes(axes, old)
    after: list[tuple[Factor, ...]] = []
    for left, right in runs(old, new):
        after += _deal_factors([factor for i in left for factor in before[i]], [new[j] for j in right])
    return tuple(after)


def _deal_factors(factors: Iterable[Factor], sizes: Sequence[int]) -> list[tuple[Factor, ...]]:
    rest = [factor for factor in factors if factor[1] > 1]
    dealt = []
    for size in sizes:
        axis: list[Factor] = []
        while size > 1:
            letter, extent = rest.pop(0)
            taken = math.gcd(size, extent)
            if taken < min(size, extent):
                return [() for _ in sizes]  # the reshape cuts across the factors: nothing is known
            if extent > taken:
                rest.insert(0, (letter, extent // taken))
            size //= taken
            axis.append((letter, taken))
        dealt.append(_join_neighbours(axis))
    return dealt


def _join_neighbours(axis: list[Factor]) -> tuple[Factor, ...]:
    """Neighbours of one letter are one factor again; without this, windowed attention grows its axes without end."""
    joined: list[Factor] = []
    for letter, extent in axis:
        if joined and joined[-1][0] == letter:
            extent *= joined.pop()[1]
        joined.append((letter, extent))
    return tuple(joined)


def letters_of(axes: Axes, dimensions: Iterable[int]) -> frozenset[str]:
    """What these dimensions mean, the samples aside."""
    return frozenset(letter for d in dimensions for letter, _ in axes[d]) - {"N"}


def kind_of(letters: frozenset[str]) -> Kind:
    """The kind of a gate that varies over these axes: with channels and several axes of places it is a full one."""
    letters = merge_branches(letters)
    if "L" in letters:
        return "full" if "C" in letters else "token"
    return _KINDS.get(letters, "full")


def merge_branches(letters: frozenset[str]) -> frozenset[str]:
    """Channels of branches are channels: only a gate over the branches alone has the axis of branches."""
    return letters - {"B"} | {"C"} if "B" in letters and letters - {"N", "B"} else letters


def axes_after_unfold(axes: Axes, shape: Sequence[int], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Axes | None:
    """The axes after `Tensor.unfold`, which puts windows last, or `F.unfold`, which puts them beside the channels."""
    if len(shape) == len(axes) + 1:
        return (*axes, (("K", shape[-1]),))
    if len(axes) != 4 or len(shape) != 3:
        return None
    usual = {"kernel_size": 1, "dilation": 1, "padding": 0, "stride": 1}
    given = [kwargs.get(name, args[i] if len(args) > i else usual[name]) for i, name in enumerate(usual, start=1)]
    kernel, dilation, padding, stride = ((each, each) if isinstance(each, int) else tuple(each) for each in given)
    window = math.prod(kernel)
    places = tuple(
        (letter, (size + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1)
        for i, axis in enumerate(axes[2:])
        for letter, size in axis[:1]
    )
    return (axes[0], (("C", shape[1] // window), ("K", window)), places)


def with_narrow_places(letters: frozenset[str], axes: Axes, shape: Sequence[int]) -> frozenset[str]:
    """A gate over all places of a map is one over its height and width too where the map is one pixel high or wide."""
    narrow = {letter for axis, size in zip(axes, shape, strict=True) if size == 1 for letter, _ in axis} & _PLACES
    wide = {letter for axis, size in zip(axes, shape, strict=True) if size > 1 for letter, _ in axis} & _PLACES
    if "C" in letters or letters != wide:
        return letters
    return letters | narrow


class Layout:
    """Between a gate as the product has it and its values, in the order N, C, H, W.

    `axes` are those of the product, `kept` the letters besides N over which the gate varies.
    """

    def __init__(self, axes: Axes, kept: frozenset[str]) -> None:
        in_order = [letter for axis in axes for letter, _ in axis]
        if merge_branches(kept) != kept:  # the channels of one branch after those of another
            axes = tuple(tuple(("C" if letter == "B" else letter, size) for letter, size in axis) for axis in axes)
        self._kept = merge_branches(kept) | {"N"}
        self._axes = axes
        factors = [factor for axis in axes for factor in axis]
        self._letters = [letter for letter, _ in factors]
        self._extents = [extent if letter in self._kept else 1 for letter, extent in factors]
        self._order = sorted(range(len(factors)), key=lambda i: _ORDER.index(in_order[i]))
        self.shape = tuple(self._extent(letter) for letter in _ORDER if letter in self._kept)
        self.sizes = tuple(math.prod(self._broadcast(axis)) for axis in axes)
        self._ordered = self._order == sorted(self._order)
        self.holds_samples = not axes[0] or "N" in dict(axes[0])
        """Whether the first axis of the product is that of the samples."""

    def values(self, gate: Tensor, *, shaped: bool = True) -> Tensor:
        """The gate, of as many dimensions as the product and of extent 1 where it is constant -> its values.

        Those that are not to be `shaped` yet are in the order of the values, which is a step less.
        """
        if self._ordered and gate.shape == self.sizes:
            return gate.reshape(self.shape) if shaped else gate
        split = [extent if gate.shape[d] > 1 else 1 for d, axis in enumerate(self._axes) for _, extent in axis]
        return gate.reshape(split).expand(self._extents).permute(self._order).reshape(self.shape)

    def gate(self, values: Tensor) -> Tensor:
        """The values -> a gate that broadcasts against the feature map."""
        split = values.reshape([self._extents[i] for i in self._order])
        gate = split.permute(sorted(range(len(self._order)), key=self._order.__getitem__))
        sizes = [extent for axis in self._axes for extent in self._broadcast(axis)]
        return gate.expand(sizes).reshape(self.sizes)

    def _broadcast(self, axis: tuple[Factor, ...]) -> list[int]:
        varies = any(letter in self._kept for letter, _ in axis)
        return [extent if varies else 1 for _, extent in axis]

    def _extent(self, letter: str) -> int:
        return math.prod(extent for own, extent in zip(self._letters, self._extents, strict=True) if own == letter)


def narrow_to(gate: Tensor, varying: frozenset[int], rank: int) -> Tensor:
    """A view of the gate with `rank` dimensions and extent 1 in all that it does not vary over."""
    gate = gate.reshape((1,) * (rank - gate.dim()) + tuple(gate.shape)) if gate.dim() < rank else gate
    for d in range(rank):
        if d not in varying and gate.shape[d] > 1:
            gate = gate.narrow(d, 0, 1)
    return gate


def broadcast_shape(left: Sequence[int], right: Sequence[int]) -> tuple[int, ...] | None:
    """The shape of a product; None where the two do not go together."""
    rank = max(len(left), len(right))
    pairs = list(zip((1,) * (rank - len(left)) + tuple(left), (1,) * (rank - len(right)) + tuple(right), strict=True))
    if any(one != other and 1 not in (one, other) for one, other in pairs):
        return None
    return tuple(other if one == 1 else one for one, other in pairs)


def varying_dimensions(tensor: Tensor, constant: frozenset[int], shape: Sequence[int]) -> frozenset[int]:
    """The dimensions of a product of this shape over which the operand varies."""
    offset = len(shape) - tensor.dim()
    return frozenset(
        d + offset
        for d, (size, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True))
        if size > 1 and stride and d not in constant
    )
