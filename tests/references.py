"""Slow, obvious twins of the layers: loops over numbers, in float64, close to the papers' text. They share no code
with `attention.layers`; a gate's weights come in as plain arrays."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Mlp(NamedTuple):
    """C -> C/r -> C, with biases."""

    inward: Array
    inward_bias: Array
    outward: Array
    outward_bias: Array


class Response(NamedTuple):
    """What the spatial gate does with its pooled maps: a kernel (maps, k, k), then scale and shift."""

    kernel: Array
    scale: float
    shift: float


def channel_gate(features: Array, mlp: Mlp, squeeze: str) -> Array:
    """(N, C, H, W) -> (N, C), one channel of one picture at a time."""
    pictures, channels, _, _ = features.shape
    gate = np.empty((pictures, channels))
    for picture in range(pictures):
        average = [float(np.mean(features[picture, channel])) for channel in range(channels)]
        strongest = [float(np.max(features[picture, channel])) for channel in range(channels)]
        branches = {"average": [average], "max": [strongest], "both": [average, strongest]}[squeeze]
        for channel in range(channels):
            gate[picture, channel] = _sigmoid(sum(_excite(branch, mlp, channel) for branch in branches))
    return gate


def spatial_gate(features: Array, response: Response, squeeze: str) -> Array:
    """(N, C, H, W) -> (N, H, W), one place at a time; the pooled maps are zero outside the picture."""
    pictures, _, height, width = features.shape
    gate = np.empty((pictures, height, width))
    for picture in range(pictures):
        maps = _pooled(features[picture], squeeze)
        for row in range(height):
            for column in range(width):
                value = _correlate(maps, response.kernel, row, column)
                gate[picture, row, column] = _sigmoid(response.scale * value + response.shift)
    return gate


def weigh_channels(features: Array, gate: Array) -> Array:
    """x = diag(s) u: the gate as an explicit C x C matrix for each picture."""
    pictures, channels, height, width = features.shape
    flat = [np.diag(gate[picture]) @ features[picture].reshape(channels, -1) for picture in range(pictures)]
    return np.stack(flat).reshape(pictures, channels, height, width)


def weigh_places(features: Array, gate: Array) -> Array:
    """Every channel of every place times the gate (N, H, W) of that place."""
    weighed = np.empty_like(features)
    for picture, channel, row, column in np.ndindex(*features.shape):
        weighed[picture, channel, row, column] = features[picture, channel, row, column] * gate[picture, row, column]
    return weighed


def shuffle(features: Array, groups: int) -> Array:
    """Channel i of group j moves to place i * groups + j."""
    channels = features.shape[1]
    size = channels // groups
    shuffled = np.empty_like(features)
    for group in range(groups):
        for index in range(size):
            shuffled[:, index * groups + group] = features[:, group * size + index]
    return shuffled


def _excite(squeezed: list[float], mlp: Mlp, channel: int) -> float:
    hidden = [
        max(0.0, sum(w * z for w, z in zip(row, squeezed, strict=True)) + bias)
        for row, bias in zip(mlp.inward, mlp.inward_bias, strict=True)
    ]
    return float(sum(w * h for w, h in zip(mlp.outward[channel], hidden, strict=True)) + mlp.outward_bias[channel])


def _pooled(features: Array, squeeze: str) -> list[Array]:
    _, height, width = features.shape
    average, strongest = np.empty((height, width)), np.empty((height, width))
    for row in range(height):
        for column in range(width):
            average[row, column] = sum(features[:, row, column]) / len(features)
            strongest[row, column] = max(features[:, row, column])
    return {"average": [average], "max": [strongest], "both": [average, strongest]}[squeeze]


def _correlate(maps: list[Array], kernel: Array, row: int, column: int) -> float:
    height, width = maps[0].shape
    reach = kernel.shape[-1] // 2
    total = 0.0
    for index, down, right in np.ndindex(*kernel.shape):
        y, x = row + down - reach, column + right - reach
        if 0 <= y < height and 0 <= x < width:
            total += kernel[index, down, right] * maps[index][y, x]
    return total


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
