"""The proof by experiment: disturb one input channel of real convolutions and see which outputs answer."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from attention.grouped.counting import cost_of
from attention.layers import ChannelShuffle
from attention.records import Convolution

Answers = NDArray[np.bool_]
SIDE = 5
"""Side of the picture of noise, in pixels."""


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
    cost_of(convolution)
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


def expected(convolution: Convolution, *, layers: int, shuffle: bool) -> Answers:
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
