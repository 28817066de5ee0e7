"""Copies of a network that share its weights. What is hooked or replaced on a copy, no other pass ever meets."""

import copy
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from attention.attribution.layers import AttributionError


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


class Shadows:
    """The copies of one network; each is lent to one pass at a time, and kept for the next."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._free: deque[nn.Module] = deque()

    @contextmanager
    def lent(self) -> Iterator[nn.Module]:
        """A copy that nobody else has. After an error it may still carry hooks, and is thrown away."""
        try:
            one = self._free.pop()
        except IndexError:
            one = shadow(self._module)
        yield one
        self._free.append(one)
