"""Grouped convolution: what it costs, how fast it runs, which channels it keeps apart.

counting   parameters and MACs, line by line; no torch
papers     AlexNet, ResNeXt, ShuffleNet: what they published, and what follows from counting; no torch
clock      measured time on this machine
reach      which outputs answer when one input channel is disturbed
census     all convolutions of a network, with what grouping saves in each

The rooms that need torch are opened by name: `from attention.grouped.clock import measure`.
"""

from attention.grouped.counting import (
    Cost,
    DerivationStep,
    GroupingError,
    cost,
    cost_of,
    curve,
    nearest_groups,
    valid_groups,
)
from attention.records import Convolution

__all__ = [
    "Convolution",
    "Cost",
    "DerivationStep",
    "GroupingError",
    "cost",
    "cost_of",
    "curve",
    "nearest_groups",
    "valid_groups",
]
