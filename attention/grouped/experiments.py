"""What real convolutions do: how long one takes here and now, which outputs answer when one input is disturbed, and
what one of a network reads and answers on a picture.

Fewer multiplications are not as many times faster, so time is measured; which channels groups keep apart is proved.
"""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from attention.grouped.counting import GroupingError, cost_of, curve
from attention.layers import ChannelShuffle
from attention.numbers import fixed
from attention.process import one_thread_each
from attention.records import Convolution, Floats

BUDGET = 0.35
"""Seconds of measuring."""
FEWEST_RUNS = 3
MAC_LIMIT = 10**9
NUMBER_LIMIT = 5 * 10**7
_ONE_AT_A_TIME = Lock()
Answers = NDArray[np.bool_]
SIDE = 5
"""Side of the picture of noise, in pixels."""


@dataclass(frozen=True, eq=False)
class Times:
    """The shortest of several runs, in seconds on a processor, for every valid number of groups."""

    convolution: Convolution
    """What was timed, at one group."""
    seconds: dict[int, float]
    runs: int
    """How often each number of groups was run."""
    threads: int

    def theory(self, groups: int) -> float:
        """What g groups would take if the time followed the multiplications: t(1)/g, in seconds."""
        return self.seconds[1] / groups

    def speed(self, groups: int) -> float:
        """Arithmetic done per second, in GFLOP/s, two operations a multiply-accumulate."""
        return 2 * cost_of(replace(self.convolution, groups=groups)).macs / self.seconds[groups] / 1e9


def measure(convolution: Convolution) -> Times:
    """Time one picture, float32, on one thread, at every valid number of groups.

    The minimum over single runs in a shuffled, interleaved order, in seconds of this thread on a processor: on a busy
    machine a run waits for its turn far longer than it takes.

    Raises GroupingError where one run would be too long for a page, or the tensors too large.
    """
    _check_size(convolution)
    with _ONE_AT_A_TIME, one_thread_each() as first, ThreadPoolExecutor(1, initializer=first) as worker:
        return worker.submit(_race, convolution).result()


@torch.inference_mode()
def _race(convolution: Convolution) -> Times:
    picture, variants = _tensors(convolution)
    seconds = dict.fromkeys(variants, float("inf"))
    order, runs, end = list(variants), 0, time.perf_counter() + BUDGET
    while runs < FEWEST_RUNS or time.perf_counter() < end:
        random.shuffle(order)
        for groups in order:
            start = time.thread_time()
            F.conv2d(picture, *variants[groups], groups=groups)
            seconds[groups] = min(seconds[groups], time.thread_time() - start)
        runs += 1
    return Times(replace(convolution, groups=1), seconds, runs, torch.get_num_threads())


def _tensors(convolution: Convolution) -> tuple[Tensor, dict[int, tuple[Tensor, Tensor | None]]]:
    """A picture of noise whose convolution has the wanted output size, and the weights of every variant."""
    h1, w1 = convolution.kernel
    c1, c2 = convolution.in_channels, convolution.out_channels
    picture = torch.rand(1, c1, convolution.height + h1 - 1, convolution.width + w1 - 1)
    full = torch.rand(c2, c1, h1, w1)
    bias = torch.rand(c2) if convolution.bias else None
    return picture, {groups: (full[:, : c1 // groups].contiguous(), bias) for groups in curve(convolution)}


def _check_size(convolution: Convolution) -> None:
    ordinary = cost_of(replace(convolution, groups=1))
    if ordinary.macs > MAC_LIMIT:
        raise GroupingError(
            f"One ordinary run takes {fixed(ordinary.macs / 1e9, 1)} G MACs, and this page times up to "
            f"{MAC_LIMIT / 1e9:.0f} G: choose a smaller H, W, C1 or C2."
        )
    h1, w1 = convolution.kernel
    inputs = convolution.in_channels * (convolution.height + h1 - 1) * (convolution.width + w1 - 1)
    outputs = convolution.out_channels * convolution.height * convolution.width
    if (numbers := inputs + outputs + 2 * ordinary.weights) > NUMBER_LIMIT:
        raise GroupingError(
            f"The tensors hold {numbers / 1e6:,.0f} M numbers, and this page times up to "
            f"{NUMBER_LIMIT / 1e6:.0f} M: choose a smaller H, W, C1 or C2."
        )


def excerpt(convolution: Convolution, limit: int) -> Convolution:
    """The same with `limit` channels at most: the first of its groups, and of one large group the first channels."""
    g = convolution.groups
    inputs, outputs = (min(c // g, limit) for c in (convolution.in_channels, convolution.out_channels))
    kept = min(g, limit // max(inputs, outputs))
    return replace(convolution, in_channels=inputs * kept, out_channels=outputs * kept, groups=kept)


def stack(convolution: Convolution, *, layers: int, shuffle: bool, seed: int = 0) -> nn.Sequential:
    """`layers` grouped 3x3 convolutions with random weights, C1 -> C2 -> C2, a channel shuffle between or not.

    Raises GroupingError where the groups do not divide both channel counts.
    """
    cost_of(convolution)  # for its check alone
    widths = [convolution.in_channels] + [convolution.out_channels] * layers
    modules: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        if modules and shuffle:
            modules.append(ChannelShuffle(convolution.groups))
        modules.append(nn.Conv2d(inputs, outputs, 3, padding=1, groups=convolution.groups))
    stacked = nn.Sequential(*modules)
    generator = torch.Generator().manual_seed(seed)
    for parameter in stacked.parameters():
        nn.init.normal_(parameter, generator=generator)
    return stacked


@torch.inference_mode()
def response(module: nn.Module, in_channels: int) -> Answers:
    """(outputs, inputs): does output j change, by as little as one bit, when input channel i is disturbed?

    One pass for each channel, all of one shape, so that the same arithmetic runs and equal means equal.
    """
    generator = torch.Generator().manual_seed(0)
    picture = torch.randn(1, in_channels, SIDE, SIDE, generator=generator)
    calm = module(picture)
    columns = []
    for channel in range(in_channels):
        disturbed = picture.clone()
        disturbed[0, channel] += torch.randn(SIDE, SIDE, generator=generator)
        columns.append((module(disturbed) != calm)[0].any(dim=(1, 2)))
    return torch.stack(columns, dim=1).numpy()


def expected_response(convolution: Convolution, *, layers: int, shuffle: bool) -> Answers:
    """(outputs, inputs): the answer in theory, a product of block-diagonal matrices and the shuffle's permutation."""
    g, c1, c2 = convolution.groups, convolution.in_channels, convolution.out_channels
    reached = _blocks(c1, c2, g)
    for _ in range(layers - 1):
        if shuffle:
            reached = reached.reshape(g, c2 // g, c1).swapaxes(0, 1).reshape(c2, c1)
        reached = _blocks(c2, c2, g) @ reached
    return reached


def _blocks(inputs: int, outputs: int, groups: int) -> Answers:
    return np.kron(np.eye(groups, dtype=bool), np.ones((outputs // groups, inputs // groups), dtype=bool))


PARAMETERS = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
"""What a convolution is given, in torch's order."""
DEFAULTS = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}


@dataclass(frozen=True, eq=False)
class ObservedConvolution:
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


class _ConvolutionWatch(TorchFunctionMode):
    """Sees the calls of the calling thread, and keeps that of the convolution with one weight."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight
        self.call: dict[str, Any] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (F.conv2d, torch.conv2d):
            call = {**DEFAULTS, **dict(zip(PARAMETERS, args, strict=False)), **(kwargs or {})}
            if call["weight"] is self.weight:
                self.call = call | {"input": call["input"].clone(), "output": result.clone()}
        return result


def convolution_at(module: nn.Module, name: str, batch: Tensor) -> ObservedConvolution:
    """What the convolution of this dotted name reads and gives in one pass of a batch of one picture.

    It sees the calling thread alone, and leaves nothing on the module. Raises LookupError where the pass runs no
    convolution with that weight.
    """
    seen = _ConvolutionWatch(module.get_submodule(name).weight)  # type: ignore[arg-type]
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
    biases = weight.new_zeros(len(weight)) if call["bias"] is None else call["bias"]
    window = bordered[:, rows, columns]
    read, weights, offsets, given, seen_there = map(_array, (features, weight, biases, output, window))
    return ObservedConvolution(read, weights, offsets, given, call["groups"], (row, column), seen_there)


def _pair(given: Any) -> tuple[int, int]:
    return (given, given) if isinstance(given, int) else tuple(given) * (2 // len(given))


def _array(tensor: Tensor) -> Floats:
    return tensor.detach().float().cpu().numpy()
