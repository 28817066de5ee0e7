"""What one pass of a network would take, found without a number being computed: a small file can name a large one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


class Pass(NamedTuple):
    """Of one picture."""

    largest: int
    """Bytes of the largest tensor on the way."""
    macs: int
    """Multiply-accumulates of convolutions and matrix products."""


class _Watch(TorchDispatchMode):
    """Sees every operation and its result. torch's own FlopCounterMode hooks into the modules of all threads."""

    largest = flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        sizes = [leaf.numel() * leaf.element_size() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
        self.largest = max([self.largest, *sizes])
        if formula := flop_registry.get(func._overloadpacket):
            self.flops += formula(*args, **kwargs, out_val=result)
        return result


def cost_of_pass(build: Callable[[], nn.Module], size: int) -> Pass:
    """What a network takes for a picture of (size, size) pixels. Raises RuntimeError where it cannot see such a one."""
    # Inference mode would let operations through that are made of others, which have no formula of their own.
    with torch.device("meta"), torch.inference_mode(mode=False), torch.no_grad():
        module, picture = build().eval(), torch.empty(1, 3, size, size)
        with _Watch() as watch:
            module(picture)
    return Pass(watch.largest, watch.flops // 2)
