"""Grouped convolution: what it costs, how fast it runs, which channels it keeps apart.

counting     parameters and MACs, line by line, and what grouping saves in each convolution of a network; no torch
papers       AlexNet, ResNeXt, ShuffleNet: what they published, and what follows from counting; no torch
experiments  measured time on this machine, which outputs answer when one input channel is disturbed, and one
             convolution of a network as one picture runs it

The rooms that need torch are opened by name: `from attention.grouped.experiments import measure`.
"""

from attention.grouped.counting import (
    Cost,
    DerivationStep,
    GroupedLayer,
    GroupingError,
    convolutions,
    cost_of,
    curve,
    nearest_groups,
    valid_groups,
)
from attention.records import Convolution
