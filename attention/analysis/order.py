"""In which order a block applies its two gates, and which of them reads what the other has weighed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from attention.analysis.gates import Block
from attention.records import ChannelSteps, Floats, Gate, SpatialSteps, Steps

POOLED_ALIKE = 1e-2
"""How far a pooled map may be from that of the features that it is of, in units of their largest: a bfloat16's."""


@dataclass(frozen=True)
class Order:
    """Which of a block's two gates comes first, and what each reads; a single gate comes first."""

    spatial_first: bool
    parallel: bool
    """Whether the second gate reads what the first was given, and not what it has weighed."""

    @property
    def read_by_channel(self) -> str:
        """What the channel gate reads, as the paper writes it: F, or F' behind the other gate."""
        return "F'" if self.spatial_first and not self.parallel else "F"

    @property
    def read_by_spatial(self) -> str:
        """What the spatial gate reads."""
        return "F" if self.spatial_first or self.parallel else "F'"


def order_of(block: Block, gates: Sequence[Gate], channel: Steps | None, spatial: Steps | None) -> Order:
    """By the order of the `gates` of the pass, and what the inner steps of the second gate read, where they are known:
    where not, it is taken to read what it weighs."""
    names = [gate.name for gate in gates]
    if block.channel is None or block.spatial is None:
        return Order(block.channel is None, parallel=True)
    spatial_first = names.index(block.spatial.name) < names.index(block.channel.name)
    if spatial_first:
        own = isinstance(channel, ChannelSteps) and _reads(channel.squeezed, channel.before, (2, 3))
        return Order(True, isinstance(channel, ChannelSteps) and not own)
    own = isinstance(spatial, SpatialSteps) and _reads(spatial.pooled, spatial.before, (1,))
    return Order(False, isinstance(spatial, SpatialSteps) and not own)


def _reads(pooled: dict[str, Floats], features: Floats, over: tuple[int, ...]) -> bool:
    """Whether these are pooled from these features (N, C, H, W)."""
    branch, values = next(iter(pooled.items()))
    expected = features.mean(over) if branch == "average" else features.max(over)
    return bool(np.abs(expected - values).max() <= POOLED_ALIKE * max(float(np.abs(expected).max()), 1e-9))
