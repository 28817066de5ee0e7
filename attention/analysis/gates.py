"""Gates in blocks, in simpler views, and in the numbers that are said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from attention.analysis.health import in_unit
from attention.kinds import CHANNEL, KINDS, SIDES, SPATIAL, Kind
from attention.numbers import amount
from attention.records import Floats, Gate, GateHealth, owner_of


@dataclass(frozen=True, eq=False)
class Block:
    """One place in the network where attention stands: a channel gate, a spatial gate, gates of other kinds."""

    name: str
    channel: Gate | None
    spatial: Gate | None
    others: tuple[Gate, ...] = ()

    @property
    def gates(self) -> tuple[Gate, ...]:
        """All of its gates."""
        return tuple(gate for gate in (self.channel, self.spatial, *self.others) if gate)

    @property
    def title(self) -> str:
        """What it is called where it is read: where its name is a mere number, after what made its gates, `ca + sa`."""
        owner, *others = dict.fromkeys(owner_of(gate.name) for gate in self.gates)
        if others or "#" not in self.name or not all(gate.maker for gate in self.gates):
            return self.name
        before = f"{owner}." if owner else ""
        return before + " + ".join(gate.maker.removeprefix(before) for gate in self.gates)


def blocks(gates: Sequence[Gate]) -> tuple[Block, ...]:
    """Every gate in a block, in depth order; neighbours of different kinds in one attention module share theirs, where
    they weigh features of one shape.

    A block is called after its only gate, or after the module of its gates where that name is free, else after all of
    them: `ca + sa`.
    """
    found: list[list[Gate]] = []
    for gate in gates:
        if found and _belongs_to(gate, found[-1]):
            found[-1].append(gate)
        else:
            found.append([gate])
    taken = {gate.name for gate in gates}
    return tuple(_block(group, taken) for group in found)


def most_varied(blocks: Mapping[str, Sequence[Gate]], health: Sequence[GateHealth]) -> str:
    """The name of the block whose gates vary most from picture to picture, on average: where a page opens.

    By the health that the network's card has of each gate; where it has not, by how far the values of this picture
    differ.
    """
    deviations = {each.name: each.deviation for each in health}
    known = all(gate.name in deviations for gates in blocks.values() for gate in gates)

    def varied(name: str) -> float:
        gates = blocks[name]
        return float(np.mean([deviations[gate.name] if known else gate.values.std() for gate in gates]))

    return max(blocks, key=varied)


def _belongs_to(gate: Gate, group: Sequence[Gate]) -> bool:
    kinds = {other.kind for other in group}
    if gate.kind in kinds or gate.feature_shape != group[-1].feature_shape:
        return False
    if owner_of(gate.name) == owner_of(group[0].name):
        return True
    if any("#" in each.name for each in (gate, group[0])):  # a module that applies several is a block of its own
        return False
    return _parent(gate) == _parent(group[0]) and all(KINDS[kind].shares_block for kind in kinds | {gate.kind})


def _block(group: Sequence[Gate], taken: set[str]) -> Block:
    """The block of these gates; its name is taken from then on."""
    first = group[0]
    several = len(group) > 1
    common = owner_of(first.name) if several and owner_of(first.name) == owner_of(group[1].name) else _parent(first)
    name = common if several and common and common not in taken else " + ".join(gate.name for gate in group)
    taken.add(name)
    by_kind = {gate.kind: gate for gate in group}
    others = tuple(gate for gate in group if gate.kind not in (CHANNEL, SPATIAL))
    return Block(name, by_kind.get(CHANNEL), by_kind.get(SPATIAL), others)


def titles(blocks: Sequence[Block]) -> dict[str, str]:
    """What each block is called where it is read, without what all of them have, by its name; no two alike."""
    given = [block.title for block in blocks]
    alone = [
        title if given.count(title) == 1 else f"{title} {block.name}"
        for title, block in zip(given, blocks, strict=True)
    ]
    return dict(zip([block.name for block in blocks], short_names(alone), strict=True))


def block_called(name: str, *, first: bool = False) -> str:
    """A block in a sentence, by its short name: "block layer4.0", or "Block layer4.0" where it is the first word."""
    return f"{'Block' if first else 'block'} {name}"


def gate_titles(gates: Sequence[Gate]) -> list[str]:
    """What the gates are called where they are read: after what made them, where their names are mere numbers."""
    makers = [gate.maker or gate.name for gate in gates]
    titles = (gate.name if makers.count(maker) > 1 else maker for gate, maker in zip(gates, makers, strict=True))
    return short_names(list(titles))


def averaged_gate(gate: Gate, kind: Kind) -> Gate | None:
    """The gate as one of another kind, averaged over all else; None where it does not vary over what those do."""
    axes, kept = KINDS[gate.kind].axes_of(gate.values.ndim), set(KINDS[kind].axes)
    if not kept <= set(axes) or gate.values.ndim != len(axes) + 1:
        return None
    values = gate.values.mean(tuple(place for place, axis in enumerate(axes, start=1) if axis not in kept))
    return replace(gate, kind=kind, values=values, minimum=float(values.min()), maximum=float(values.max()))


def channel_view(block: Block) -> Gate | None:
    """A number for each channel: the channel gate, or the first other gate that has channels, averaged."""
    return block.channel or _first_averaged(block, CHANNEL)


def spatial_view(block: Block) -> Gate | None:
    """A number for each place: the spatial gate, or the first other gate that has a map, averaged over channels."""
    return block.spatial or _first_averaged(block, SPATIAL)


def profiles(block: Block) -> dict[str, Gate]:
    """A number for each row, `"height"`, and each column, `"width"`, of a block that has no map."""
    if spatial_view(block):
        return {}
    return {side: gate for side in SIDES if (gate := _first_averaged(block, side))}


def _first_averaged(block: Block, kind: Kind) -> Gate | None:
    return next((view for gate in block.others if (view := averaged_gate(gate, kind))), None)


def gates_not_finite(gates: Sequence[Gate]) -> list[str]:
    """The names of those with a value that is NaN or infinite."""
    return [gate.name for gate in gates if not np.isfinite(gate.values).all()]


def features(gate: Gate) -> str:
    """What the gate multiplies, in words: `64 channels at 40 × 40`."""
    shape = gate.feature_shape[1:]
    if len(shape) == 4:
        return f"{amount(shape[0], 'branch', 'branches')} of {amount(shape[1], 'channel')} at {shape[2]} × {shape[3]}"
    if len(shape) == 3:
        last = KINDS[gate.kind].is_vector and gate.values.shape[1] == shape[2] != shape[0]
        channels, height, width = (shape[2], *shape[:2]) if last else shape
        return f"{amount(channels, 'channel')} at {height} × {width}"
    return "features of " + " × ".join(map(str, shape))


ROUNDED = 2**-8
"""By how much positive numbers that add up to 1 can miss it where each is a bfloat16, the coarsest of the types."""


def branch_count(gate: Gate) -> int:
    """How many branches a softmax of a channel gate weighs against each other, adding up to 1 over them; else 1."""
    count, channels = gate.feature_shape[1:3] if len(gate.feature_shape) == 5 else (1, 0)
    if gate.activation != "softmax" or not KINDS[gate.kind].is_vector or gate.values.shape[1] != count * channels:
        return 1
    sums = gate.values.reshape(-1, count, channels).sum(1)
    return count if np.abs(sums - 1).max() <= ROUNDED else 1


def deals_out(gate: Gate) -> bool:
    """Whether a softmax makes the gate's numbers shares of 1 over all of them, as one over the channels does."""
    rows = gate.values.reshape(len(gate.values), -1)
    return gate.activation == "softmax" and rows.shape[1] > 1 and bool(np.abs(rows.sum(1) - 1).max() <= ROUNDED)


def can_saturate(gate: Gate) -> bool:
    """Whether each of the gate's numbers may be 0 or 1 by itself, so that near these ends it is saturated."""
    return in_unit(gate.values) and not deals_out(gate)


def neutral_value(gate: Gate, gates: Sequence[Gate]) -> float:
    """The value with which the gate does nothing: 1, or 1/K for a softmax over K branches, which are averaged then.

    `gates` are all of the pass: branches that are multiplied one by one are gates of one module. A softmax over places
    or channels is no mean of branches, so its neutral value is 1. A tanh with negative values is met as x + x * tanh,
    where the neutral value is 0.
    """
    if gate.activation == "tanh" and gate.minimum < 0:
        return 0.0
    owner = owner_of(gate.name)
    alike = [other for other in gates if owner_of(other.name) == owner and other.activation == "softmax"]
    of_branches = len(alike) > 1 or "B" in KINDS[gate.kind].axes or branch_count(gate) > 1
    if gate.activation != "softmax" or not of_branches:
        return 1.0
    return 1 / round(1 / float(np.mean([other.values.mean() for other in alike])))


def short_names(names: Sequence[str]) -> list[str]:
    """Dotted names without the parts that all of them have, such as `attention`; a lone name is its last part."""
    parts = [name.split(".") for name in names]
    shared = set.intersection(*map(set, parts)) if len(parts) > 1 else set(parts[0][:-1]) if parts else set()
    return [
        ".".join(part for part in each if part not in shared) or name for each, name in zip(parts, names, strict=True)
    ]


def five_numbers(groups: Sequence[NDArray[np.floating]]) -> dict[str, list[float]]:
    """The ends, the quartiles and the median of each group of numbers; NaN is no number."""
    names = ("minimum", "lower quartile", "median", "upper quartile", "maximum")
    found = [
        np.nanquantile(each, [0, 0.25, 0.5, 0.75, 1]) if np.isfinite(each).any() else [np.nan] * 5 for each in groups
    ]
    return {name: [float(row[place]) for row in found] for place, name in enumerate(names)}


NINTHS = (
    ("upper left", "upper middle", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "lower middle", "lower right"),
)


@dataclass(frozen=True)
class MapStats:
    """Where one spatial gate is open: the map's extremes and mean, and the ninth of it that is most open."""

    minimum: float
    maximum: float
    mean: float
    place: str
    """One of `NINTHS`, the parts of a 3 x 3 grid: the one with the highest mean."""

    @property
    def nearly_shut(self) -> bool:
        """Whether it lets little through anywhere: all of the map is nearer to 0 than 0.1."""
        return max(self.maximum, -self.minimum) < 0.1

    @property
    def nearly_constant(self) -> bool:
        """Whether the map treats all places nearly alike: a range below 0.1."""
        return self.maximum - self.minimum < 0.1


def map_stats(spatial: Floats) -> MapStats:
    """The summary of one picture's spatial gate, (H, W)."""
    return MapStats(float(spatial.min()), float(spatial.max()), float(spatial.mean()), highest_ninth(spatial)[0])


def highest_ninth(values: NDArray[np.floating]) -> tuple[str, float]:
    """The ninth of a map (H, W) with the highest mean, one of `NINTHS`, and that mean."""
    means = ninths(values)
    row, column = max(means, key=lambda ninth: means[ninth])
    return NINTHS[row][column], means[row, column]


def ninths(values: NDArray[np.floating]) -> dict[tuple[int, int], float]:
    """The mean of each part of a 3 x 3 grid of a map (H, W), by its row and column, of those that have a place."""
    rows, columns = (((np.arange(size) + 0.5) * 3 // size).astype(int) for size in values.shape)
    return {
        (int(row), int(column)): float(values[np.ix_(rows == row, columns == column)].mean())
        for row in np.unique(rows)
        for column in np.unique(columns)
    }


@dataclass(frozen=True)
class ChannelStats:
    """What one channel gate lets through: how many channels stand above 0.9 and below 0.1 in size, and the strongest:
    a gate of −0.5 lets as much through as one of 0.5, turned round."""

    channels: int
    open: int
    held: int
    strongest: int


def channel_stats(gate: Floats) -> ChannelStats:
    """The summary of one picture's channel gate, (C,); of equal channels the first is named."""
    size = np.abs(gate)
    return ChannelStats(len(gate), int((size > 0.9).sum()), int((size < 0.1).sum()), int(size.argmax()))


def by_strength(values: Floats) -> NDArray[np.intp]:
    """The channels of (C,) values, the largest first; equal ones in the order of the channels."""
    return np.argsort(-values, kind="stable")


def by_openness(gate: Floats) -> NDArray[np.intp]:
    """The channels of a gate (C,), the most open first: those farthest from 0, whatever their sign."""
    return by_strength(np.abs(gate))


def most_open_ninth(gate: NDArray[np.floating]) -> str:
    """The ninth of a spatial gate (H, W), one of `NINTHS`, where it is farthest from 0 on average."""
    return highest_ninth(np.abs(gate))[0]


def _parent(gate: Gate) -> str:
    return owner_of(gate.name).rpartition(".")[0]
