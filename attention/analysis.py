"""Numbers out of arrays: what the pages say about a trace."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attention.records import Floats, Gate, GatescopeError, GateHealth


@dataclass(frozen=True, eq=False)
class Block:
    """One place in the network where attention stands: a channel gate, a spatial gate, or both."""

    name: str
    channel: Gate | None
    spatial: Gate | None


def blocks(gates: Sequence[Gate]) -> tuple[Block, ...]:
    """The gates in depth order, a channel gate and the spatial gate of the same attention module in one block."""
    found: list[Block] = []
    for gate in gates:
        if gate.kind not in ("channel", "spatial"):
            continue
        parent = gate.name.rpartition(".")[0]
        last = found[-1] if found else None
        if (
            last
            and gate.kind == "spatial"
            and last.spatial is None
            and last.channel
            and _parent(last.channel) == parent
        ):
            found[-1] = Block(parent, last.channel, gate)
        elif (
            last
            and gate.kind == "channel"
            and last.channel is None
            and last.spatial
            and _parent(last.spatial) == parent
        ):
            found[-1] = Block(parent, gate, last.spatial)
        else:
            found.append(Block(gate.name, *((gate, None) if gate.kind == "channel" else (None, gate))))
    return tuple(found)


def short_names(names: Sequence[str]) -> list[str]:
    """Dotted names without the parts that all of them have, such as `attention`; a lone name is its last part."""
    parts = [name.split(".") for name in names]
    shared = set.intersection(*map(set, parts)) if len(parts) > 1 else set(parts[0][:-1]) if parts else set()
    return [
        ".".join(part for part in each if part not in shared) or name for each, name in zip(parts, names, strict=True)
    ]


class AnswerError(GatescopeError):
    """A network that does not answer with a score for each class; the message says with what."""


def scores(output: Any) -> Floats:
    """A network's answer to the first picture, (classes,), where it is a tensor (N, classes) of at least two classes.

    Raises AnswerError where it is anything else, or where a score is not finite.
    """
    shape = getattr(output, "shape", ())
    if len(shape) != 2 or shape[1] < 2:
        raise AnswerError(f"The network returns {returned(output)}, not a score for each class: it predicts none.")
    values = np.asarray(output)[0]
    if not np.isfinite(values).all():
        raise AnswerError("The network's scores are not all finite numbers, so it predicts no class.")
    return values


def returned(output: Any, most: int = 3) -> str:
    """What a network returns, in words: `a dict of out (a tensor of 1 × 21 × 56 × 56)`."""
    if hasattr(output, "shape"):
        return f"a tensor of {' × '.join(map(str, output.shape))}" if output.shape else "one number"
    kind = "dict" if isinstance(output, Mapping) else "list" if isinstance(output, list) else "tuple"
    if isinstance(output, Mapping):
        parts = [f"{key} ({returned(value, 0)})" for key, value in list(output.items())[:most]]
    elif isinstance(output, list | tuple):
        parts = [returned(value, 0) for value in output[:most]]
    else:
        return f"an object of the type {type(output).__name__}"
    if not parts:
        return f"a {kind} of {len(output)}"
    return f"a {kind} of {', '.join(parts)}{' and others' * (len(output) > most)}"


def probabilities(logits: Floats) -> NDArray[np.float64]:
    """Softmax of the logits, (..., classes)."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def top(probability: NDArray[np.float64], labels: Sequence[str], count: int = 5) -> list[tuple[str, float]]:
    """The most probable classes of one picture, (classes,), with their probabilities, the most probable first."""
    return [(labels[index], float(probability[index])) for index in np.argsort(-probability, kind="stable")[:count]]


def share_saturated(values: Floats, low: float = 0.05, high: float = 0.95) -> float:
    """Share of gate values below `low` or above `high`, 0 to 1."""
    return float(((values < low) | (values > high)).mean())


NINTHS = (
    ("upper left", "upper middle", "upper right"),
    ("left", "centre", "right"),
    ("lower left", "lower middle", "lower right"),
)


@dataclass(frozen=True)
class Look:
    """Where one spatial gate is open: the map's extremes and mean, and the ninth of it that is most open."""

    minimum: float
    maximum: float
    mean: float
    place: str
    """One of `NINTHS`, the parts of a 3 x 3 grid: the one with the highest mean."""

    @property
    def nearly_constant(self) -> bool:
        """Whether the map treats all places nearly alike: a range below 0.1."""
        return self.maximum - self.minimum < 0.1


def look(spatial: Floats) -> Look:
    """The summary of one picture's spatial gate, (H, W)."""
    rows, columns = (((np.arange(size) + 0.5) * 3 // size).astype(int) for size in spatial.shape)
    ninths = {
        (row, column): float(spatial[np.ix_(rows == row, columns == column)].mean())
        for row in np.unique(rows)
        for column in np.unique(columns)
    }
    row, column = max(ninths, key=lambda ninth: ninths[ninth])
    place = NINTHS[row][column]
    return Look(float(spatial.min()), float(spatial.max()), float(spatial.mean()), place)


@dataclass(frozen=True)
class Passing:
    """What one channel gate lets through: how many channels stand above 0.9 and below 0.1, and the strongest."""

    channels: int
    open: int
    held: int
    strongest: int


def passing(gate: Floats) -> Passing:
    """The summary of one picture's channel gate, (C,); of equal channels the first is named."""
    opened, held = int((gate > 0.9).sum()), int((gate < 0.1).sum())
    return Passing(len(gate), opened, held, int(gate.argmax()))


def by_strength(values: Floats) -> NDArray[np.intp]:
    """The channels of (C,) values, the largest first; equal ones in the order of the channels."""
    return np.argsort(-values, kind="stable")


def hardly_varies(health: GateHealth) -> bool:
    """Whether the gate does nearly the same to every picture: a deviation over the pictures below 0.02."""
    return health.deviation < 0.02


def saturates(health: GateHealth) -> bool:
    """Whether more than half of the gate's values over the pictures are below 0.05 or above 0.95."""
    return health.low + health.high > 0.5


def excitation_parameters(channels: Sequence[int], reduction: int, *, biases: bool) -> int:
    """Parameters of one SE gate for each of the blocks' numbers of channels: C -> C // r -> C.

    Without biases, and where r divides every C, this is (2 / r) sum N_s C_s^2 (arXiv 1709.01507, eq. 5).
    """
    return sum(2 * c * (c // reduction) + biases * (c // reduction + c) for c in channels)


@dataclass(frozen=True)
class PublishedRatio:
    """SE-ResNet-50 on ImageNet at one reduction ratio; None is ResNet-50 without SE. Errors in percent."""

    reduction: int | None
    top1: float
    top5: float
    parameters: float
    """Million."""


PUBLISHED_RATIOS = (
    PublishedRatio(4, 22.25, 6.09, 35.7),
    PublishedRatio(8, 22.26, 5.99, 30.7),
    PublishedRatio(16, 22.28, 6.03, 28.1),
    PublishedRatio(32, 22.72, 6.20, 26.9),
    PublishedRatio(None, 23.30, 6.55, 25.6),
)
"""As Hu et al. published them, arXiv 1709.01507, the table on the reduction ratio."""


def _parent(gate: Gate) -> str:
    return gate.name.rpartition(".")[0]
