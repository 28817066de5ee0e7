"""The network with its weights shuffled from the top down: a map that stays the same says nothing about them.

Adebayo et al., Sanity Checks for Saliency Maps, arXiv 1810.03292, with each tensor's own numbers in a
random order in place of new ones, so that the sizes of features and gates stay what they were.
"""

from collections.abc import Iterator

import torch
from torch import Generator, nn

from attention.attribution.layers import Layers
from attention.attribution.shadows import shadow

HEAD = "head"


def groups(module: nn.Module, layers: Layers) -> dict[str, list[str]]:
    """The modules with parameters of their own by block, from the head (all after the last block) down to the input.

    What stands between two blocks goes with the one before it, what stands before the first with that.
    """
    found: dict[str, list[str]] = {name: [] for name in layers.blocks}
    block, last = next(iter(layers.blocks), HEAD), layers.blocks[-1:]
    for name in layers.finished:
        inside = next((each for each in layers.blocks if name == each or name.startswith(f"{each}.")), None)
        block = inside or block
        if next(module.get_submodule(name).parameters(recurse=False), None) is not None:
            found.setdefault(block, []).append(name)
        if (name,) == tuple(last):
            block = HEAD
    order = [HEAD, *reversed(layers.blocks)]
    return {name: found[name] for name in order if found.get(name)}


def randomised(module: nn.Module, layers: Layers, seed: int = 0) -> Iterator[tuple[str, nn.Module]]:
    """For each group from the head down: its name, and a copy whose weights are shuffled in it and all above it.

    It is one copy, which goes on changing as the next is asked for; the module's own weights stay.
    """
    copy, generator = shadow(module), Generator().manual_seed(seed)
    for group, names in groups(module, layers).items():
        for name in names:
            for parameter in copy.get_submodule(name).parameters(recurse=False):
                order = torch.randperm(parameter.numel(), generator=generator)
                parameter.data = parameter.data.flatten()[order].view_as(parameter)
        yield group, copy
