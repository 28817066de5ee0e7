"""All convolutions of a network, from one pass that computes nothing, with what grouping saves in each."""

from dataclasses import dataclass, replace

from attention.cost import Measured
from attention.grouped.counting import Cost, cost_of
from attention.records import Convolution


@dataclass(frozen=True)
class GroupedLayer:
    """One convolution as a network runs it, and the same with one group."""

    name: str
    """Dotted path of the module that holds its weight; empty where no parameter of the network is the weight."""
    convolution: Convolution
    cost: Cost
    ungrouped: Cost


def convolutions(measured: Measured) -> tuple[GroupedLayer, ...]:
    """Every two-dimensional convolution that a picture passes, in the order of execution."""
    return tuple(
        GroupedLayer(name, convolution, cost_of(convolution), cost_of(replace(convolution, groups=1)))
        for name, convolution in measured.convolutions
    )
