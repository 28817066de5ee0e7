"""Networks that were trained without some of their gates, as the papers published them. Top-1 errors on ImageNet."""

from typing import NamedTuple


class Trained(NamedTuple):
    """A network as it was trained; its error is in percent."""

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
