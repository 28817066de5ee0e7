"""In which order a block applies its two gates, and which of them reads what the other has weighed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from attention.analysis.gates import Block
from attention.records import ChannelSteps, Floats, Gate, Steps

ALIKE = 1e-2
"""How far features may be from those that they are taken for, in units of their largest: a bfloat16's."""

Relation = Literal["in turn", "read alike", "apart", "unknown"]
"""The second gate weighs what the first has weighed, and reads that too; or reads what the first was given; or it
weighs other features, as where two products are added; or the steps of one of them are not known."""


@dataclass(frozen=True)
class Order:
    """Which of a block's two gates comes first, and what the second has to do with it; a single gate comes first."""

    spatial_first: bool
    relation: Relation

    @property
    def in_chain(self) -> bool:
        """Whether the features are multiplied by both gates."""
        return self.relation in ("in turn", "read alike")

    @property
    def read_by_channel(self) -> str:
        """What the channel gate reads, as the paper writes it: F, or F' behind the other gate."""
        return "F'" if self.spatial_first and self.relation == "in turn" else "F"

    @property
    def read_by_spatial(self) -> str:
        """What the spatial gate reads."""
        return "F'" if not self.spatial_first and self.relation == "in turn" else "F"


def order_of(block: Block, gates: Sequence[Gate], channel: Steps | None, spatial: Steps | None) -> Order:
    """By the order of the `gates` of the pass, and by the inner steps of both, where they are known."""
    names = [gate.name for gate in gates]
    if block.channel is None or block.spatial is None:
        return Order(block.channel is None, "unknown")
    spatial_first = names.index(block.spatial.name) < names.index(block.channel.name)
    if channel is None or spatial is None:
        return Order(spatial_first, "unknown")
    first, second = (spatial, channel) if spatial_first else (channel, spatial)
    if not _alike(first.after, second.before):
        return Order(spatial_first, "apart")
    return Order(spatial_first, "in turn" if _reads(second) else "read alike")


def _reads(steps: Steps) -> bool:
    """Whether the gate pools the features that it weighs."""
    pooled, over = (steps.squeezed, (2, 3)) if isinstance(steps, ChannelSteps) else (steps.pooled, (1,))
    branch, values = next(iter(pooled.items()))
    return _alike(steps.before.mean(over) if branch == "average" else steps.before.max(over), values)


def _alike(expected: Floats, values: Floats) -> bool:
    most = ALIKE * max(float(np.abs(expected).max()), 1e-9)
    return expected.shape == values.shape and bool(np.abs(expected - values).max() <= most)
