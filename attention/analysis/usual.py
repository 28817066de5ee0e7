"""A gate against the same gate for other pictures and for a grey card: what is habit, what is this picture's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from attention.analysis.evidence import LEVEL
from attention.analysis.gates import Block, channel_view, highest_ninth, most_open_ninth, profiles, spatial_view
from attention.analysis.health import CONSTANT
from attention.kinds import Kind
from attention.records import Doubles, Floats

View = tuple[str, Kind]
"""One simple view of a block's gates: the name of the block, and what its values vary over."""
Views = Mapping[View, Floats]
"""Values of one picture, without N: (C,) by channel, (H, W) by place, (H,) or (W,) along a side."""


def views(blocks: Sequence[Block]) -> dict[View, Floats]:
    """What the pages show of the blocks of one pass: of each a number a channel, a map or, without one, profiles."""
    found: dict[View, Floats] = {}
    for block in blocks:
        seen = (channel_view(block), spatial_view(block), *profiles(block).values())
        found |= {(block.name, gate.kind): gate.values[0] for gate in seen if gate}
    return found


@dataclass(frozen=True, eq=False)
class UsualGates:
    """The gates of one network for several pictures, and for a grey card."""

    pictures: Mapping[str, Views]
    """By the key of the picture."""
    grey: Views

    def against(self, view: View, values: Floats, picture: str) -> "AgainstUsual | None":
        """A view of the picture of this key against those of all others; None where fewer than two of them have it.

        A gate may be missing, or of another size, where a network does not do the same for every picture.
        """
        others = [each[view] for key, each in self.pictures.items() if key != picture and view in each]
        others = [other for other in others if other.shape == values.shape]
        grey = self.grey.get(view)
        if len(others) < 2 or grey is None or grey.shape != values.shape:
            return None
        return AgainstUsual(values, np.stack(others), grey)


@dataclass(frozen=True, eq=False)
class AgainstUsual:
    """One picture's gate beside the same gate for other pictures, in one view."""

    values: Floats
    """The picture's own."""
    others: Floats
    """(n, ...): those of n other pictures, at least one."""
    grey: Floats
    """That of a grey card."""

    @property
    def count(self) -> int:
        """How many other pictures there are."""
        return len(self.others)

    @property
    def usual(self) -> Doubles:
        """The mean over the other pictures."""
        return self.others.mean(0, dtype=np.float64)

    @property
    def difference(self) -> Doubles:
        """This picture's less the usual."""
        return self.values - self.usual

    @cached_property
    def distances(self) -> Doubles:
        """The root mean square distance of each picture's gate from the mean over all the others': (n + 1,).

        This picture's is the first. Each is measured alike, so that its rank among them is a fair one.
        """
        return np.sqrt((self._from_rest**2).reshape(self.count + 1, -1).mean(1))

    @cached_property
    def _from_rest(self) -> Doubles:
        """Each picture's gate less the mean over all the others': (n + 1, ...), this picture's first."""
        every = np.concatenate([self.values[None], self.others]).astype(np.float64)
        return (every - every.mean(0)) * (len(every) / (len(every) - 1))

    @property
    def nearer_count(self) -> int:
        """How many of the other pictures are nearer to their usual gate than this one."""
        own, *others = self.distances
        return int((np.asarray(others) < own).sum())

    @property
    def same_place(self) -> int:
        """For how many of the other pictures the gate is most open where it is for this one."""
        return sum(most_open(other) == most_open(self.values) for other in self.others)

    @property
    def grey_same_place(self) -> bool:
        """Whether it is most open there for a grey card too."""
        return most_open(self.grey) == most_open(self.values)

    @property
    def most_opened(self) -> tuple[str, float]:
        """Where it is most above the usual gate, in words, and by how much: a channel, or the mean of a ninth."""
        return _highest(self.difference)

    @property
    def as_far(self) -> int:
        """How many of the other pictures are somewhere as far above their usual gate: the highest of many differences
        is seldom 0 or below."""
        own, *others = (_highest(difference)[1] for difference in self._from_rest)
        return sum(other >= own for other in others)

    @property
    def opens_more(self) -> bool:
        """Whether it is somewhere above usual by no less than what is called constant, and so far as next to none of
        the other pictures is anywhere: were it one of them, it would be by chance in one of twenty at most."""
        return self.most_opened[1] >= CONSTANT and (1 + self.as_far) / (1 + self.count) <= LEVEL


def _highest(difference: Doubles) -> tuple[str, float]:
    if difference.ndim == 2:
        return highest_ninth(difference)
    most = int(difference.argmax())
    return str(most), float(difference[most])


def most_open(values: Floats) -> str:
    """Where a gate is most open: the ninth of a map (H, W), one of `NINTHS`, or the number of a channel."""
    return most_open_ninth(values) if values.ndim == 2 else str(int(np.abs(values).argmax()))
