"""What a network costs, and how much of it is attention: parameters and multiply-accumulates (MACs)."""

import copy
from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from attention.records import Gate, NetworkCost


def macs(module: nn.Module, shape: Sequence[int]) -> int:
    """Multiply-accumulates of one pass over an input of this shape, counted without computing anything."""
    shadow = copy.deepcopy(module).to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        shadow(torch.empty(tuple(shape), device="meta"))
    return counter.get_total_flops() // 2


def network_cost(module: nn.Module, input_size: int, gates: Sequence[Gate]) -> NetworkCost:
    """The cost for one square picture; attention is the modules that the gates are named after."""
    owners = {gate.name.partition("#")[0]: gate for gate in gates}
    attention = [(module.get_submodule(name), gate.feature_shape) for name, gate in owners.items()]
    return NetworkCost(
        parameters=_parameters(module),
        macs=macs(module, (1, 3, input_size, input_size)),
        attention_parameters=sum(_parameters(owner) for owner, _ in attention),
        attention_macs=sum(macs(owner, shape) for owner, shape in attention),
    )


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
