"""Copies of a network that share its weights. What is hooked or replaced on a copy, no other pass ever meets."""

import copy
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from attention.attribution.layers import AttributionError
from attention.records import in_rows


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
