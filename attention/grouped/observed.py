"""One convolution of a network as one picture runs it: what a kernel reads at a place, its weights, and its answer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attention.records import Floats

PARAMETERS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
"""What a convolution is given, in torch's order."""
USUAL = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}


@dataclass(frozen=True, eq=False)
class Observed:
    """A two-dimensional convolution of a pass, N = 1."""

    features: Floats
    """What it reads, (C1, H, W)."""
    weights: Floats
    """(C2, C1 / g, h1, w1)."""
    biases: Floats
    """(C2,), 0 where it has none."""
    output: Floats
    """What it gives, (C2, H, W)."""
    groups: int
    place: tuple[int, int]
    """Row and column of the output where its values are largest in the mean of their sizes."""
    window: Floats
    """What all kernels read there, (C1, h1, w1): 0 beyond the border."""


class _Seen(TorchFunctionMode):
    """Sees the calls of the calling thread, and keeps that of the convolution with one weight."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight
        self.call: dict[str, Any] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (F.conv2d, torch.conv2d):
            call = {**USUAL, **dict(zip(PARAMETERS, args, strict=False)), **(kwargs or {})}
            if call["weight"] is self.weight:
                self.call = call | {"input": call["input"].clone(), "output": result.clone()}
        return result


def observe(module: nn.Module, name: str, batch: Tensor) -> Observed:
    """What the convolution of this dotted name reads and gives in one pass of a batch of one picture.

    It sees the calling thread alone, and leaves nothing on the module. Raises LookupError where the pass runs no
    convolution with that weight.
    """
    seen = _Seen(module.get_submodule(name).weight)  # type: ignore[arg-type]
    with torch.no_grad(), seen:
        module(batch)
    if not seen.call:
        raise LookupError(f"this pass runs no convolution {name}")
    call, weight, output = seen.call, seen.call["weight"], seen.call["output"][0]
    row, column = divmod(int(output.abs().mean(0).argmax()), output.shape[-1])
    stride, dilation = _pair(call["stride"]), _pair(call["dilation"])
    reach = [gap * (size - 1) for gap, size in zip(dilation, weight.shape[2:], strict=True)]
    named = {"valid": (0, 0), "same": (reach[0] // 2, reach[1] // 2)}
    above, left = named[call["padding"]] if isinstance(call["padding"], str) else _pair(call["padding"])
    features = call["input"][0]
    bordered = F.pad(features, (left, left + reach[1], above, above + reach[0]))
    rows, columns = (
        slice(at * step, at * step + far + 1, gap)
        for at, step, far, gap in zip((row, column), stride, reach, dilation, strict=True)
    )
    bias = call["bias"]
    biases = weight.new_zeros(len(weight)) if bias is None else bias
    window = bordered[:, rows, columns]
    read, weights, offsets, given, seen_there = map(_array, (features, weight, biases, output, window))
    return Observed(read, weights, offsets, given, call["groups"], (row, column), seen_there)


def _pair(given: Any) -> tuple[int, int]:
    return (given, given) if isinstance(given, int) else tuple(given) * (2 // len(given))


def _array(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().float().cpu().numpy())
