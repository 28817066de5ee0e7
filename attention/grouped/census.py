"""All convolutions of a network, from one forward pass, with what grouping saves in each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attention.grouped.counting import Convolution, Cost, GroupingError, of


@dataclass(frozen=True)
class Layer:
    """One convolution as a network runs it, and the same with one group."""

    name: str
    """Dotted path of the module that holds its weight; empty where no parameter of the network is the weight."""
    convolution: Convolution
    cost: Cost
    ungrouped: Cost


def convolutions(module: nn.Module, input_size: tuple[int, int, int]) -> tuple[Layer, ...]:
    """Every two-dimensional convolution that a picture of `input_size` (C, H, W) passes, in the order of execution.

    Watches the calling thread alone and puts nothing on the module, so visitors can share it.

    Raises GroupingError where the module is in training mode: a pass would change its running statistics.
    """
    if module.training:
        raise GroupingError("The network is in training mode, where a forward pass changes it; call eval() first.")
    first = next(module.parameters(), torch.zeros(()))
    picture = torch.zeros(1, *input_size, device=first.device, dtype=first.dtype)
    names = {id(weight): name.removesuffix(".weight") for name, weight in module.named_parameters()}
    with torch.inference_mode(), _Watch(names) as watch:
        module(picture)
    return tuple(watch.layers)


class _Watch(TorchFunctionMode):
    def __init__(self, names: dict[int, str]) -> None:
        super().__init__()
        self.names = names
        self.layers: list[Layer] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.conv2d:
            self.layers.append(self._layer(result, *args, **(kwargs or {})))
        return result

    def _layer(
        self,
        result: Tensor,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Layer:
        """The parameters are those of torch.conv2d, whose call this is."""
        out_channels, _, h1, w1 = weight.shape
        height, width = result.shape[-2:]
        convolution = Convolution(input.shape[-3], out_channels, (h1, w1), groups, height, width, bias is not None)
        name = self.names.get(id(weight), "")
        return Layer(name, convolution, of(convolution), of(replace(convolution, groups=1)))
