"""What squeeze-and-excitation costs by its reduction ratio, and what its paper published (arXiv 1709.01507)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


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


class Trained(NamedTuple):
    """A network that was trained with SE in these stages; its top-1 error on ImageNet in percent, as published."""

    gates: str
    top1: float


SE_SOURCE = "Hu et al., arXiv 1709.01507, ResNet-50: SE by stage"
SE_BY_STAGE = (
    Trained("none", 23.30),
    Trained("stage 2 alone", 23.03),
    Trained("stage 3 alone", 23.04),
    Trained("stage 4 alone", 22.68),
    Trained("all", 22.28),
)
