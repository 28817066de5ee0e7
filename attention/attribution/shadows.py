"""Copies of a network that share its weights. What is hooked or replaced on a copy, no other pass ever meets.

One of them has its weights shuffled from the top down: a map that stays the same says nothing about them. Adebayo et
al., Sanity Checks for Saliency Maps, arXiv 1810.03292, with each tensor's own numbers in a random order in place of new
ones, so that the sizes of features and gates stay what they were.
"""

import copy
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn

from attention.attribution.layers import AttributionError, Layers
from attention.records import in_rows

HEAD = "head"


def shadow(module: nn.Module) -> nn.Module:
    """A copy in eval mode whose parameters and buffers are the module's own memory, and ask for no gradient.

    In eval mode nothing writes into that memory, so any number of copies can run beside the module itself.
    Raises AttributionError where the module cannot be copied.
    """
    shared: dict[int, object] = {id(p): nn.Parameter(p.detach(), requires_grad=False) for p in module.parameters()}
    shared |= {id(buffer): buffer.detach() for buffer in module.buffers()}
    try:
        return copy.deepcopy(module, shared).eval()
    except (RuntimeError, TypeError) as error:  # a tensor with a history, a lock, an open file
        raise AttributionError(f"Heatmaps are made on a copy, and this network cannot be copied: {error}.") from error


Score = Callable[[Any], Tensor]
"""From what a module returns for N pictures to what heatmaps are of: (N,), or (N, numbers)."""


class Shadows:
    """The copies of one network; each is lent to one pass at a time, and kept for the next.

    Where there is a `score`, a copy returns (N, numbers) of it in place of its own output. A lone number of each
    picture is (N, 1).
    """

    def __init__(self, module: nn.Module, score: Score | None = None) -> None:
        self._module, self._score = module, score
        self._free: deque[nn.Module] = deque()

    @contextmanager
    def lent(self) -> Iterator[nn.Module]:
        """A copy that nobody else has. After an error it may still carry hooks, and is thrown away."""
        try:
            one = self._free.pop()
        except IndexError:
            one = self._made()
        yield one
        self._free.append(one)

    def _made(self) -> nn.Module:
        one, score = shadow(self._module), self._score

        def scored(module: nn.Module, inputs: Any, output: Any) -> Any:
            return in_rows(output if score is None else score(output), inputs)

        one.register_forward_hook(scored)
        return one


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
