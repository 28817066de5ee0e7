"""What one pass of a network would take, found without a number being computed: a small file can name a large one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


class Pass(NamedTuple):
    """Of one picture."""

    largest: int
    """Bytes of the largest tensor on the way."""
    macs: int
    """Multiply-accumulates of convolutions and matrix products."""


class _Largest(TorchDispatchMode):
    """Sees every result of an operation."""

    bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() * leaf.element_size() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.bytes = max([self.bytes, *sizes])
        return result


def of(build: Callable[[], nn.Module], size: int) -> Pass:
    """Of a picture of (size, size) pixels. Raises RuntimeError where the network cannot see such a one."""
    with torch.device("meta"), torch.inference_mode():
        module, picture = build().eval(), torch.empty(1, 3, size, size)
        with FlopCounterMode(display=False) as counted, _Largest() as largest:
            module(picture)
    return Pass(largest.bytes, counted.get_total_flops() // 2)
