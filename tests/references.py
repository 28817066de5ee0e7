"""Slow, obvious twins: loops over numbers, in float64, close to the papers' text. They share no code with the package;
a gate's weights come in as plain arrays, a network as a function of its features or of its picture."""

import math
from collections.abc import Callable
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


def spatial_gate_by_picture(features: Array, kernel: Array, gain: float, offset: float, epsilon: float) -> Array:
    """(N, C, H, W) -> (N, H, W): mean and maximum, mirrored at the edge; the response has mean 0 and variance 1 in each
    picture before it is scaled and shifted."""
    pictures, _, height, width = features.shape
    gate = np.empty((pictures, height, width))
    for picture in range(pictures):
        maps = _pooled(features[picture], "both")
        response = np.empty((height, width))
        for row, column in np.ndindex(height, width):
            response[row, column] = _correlate(maps, kernel, row, column, mirrored=True)
        response = (response - response.mean()) / np.sqrt(response.var() + epsilon)
        for row, column in np.ndindex(height, width):
            gate[picture, row, column] = _sigmoid(gain * response[row, column] + offset)
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


def grad_cam(features: Array, logit: Callable[[Array], float], step: float = 1e-4) -> Array:
    """(C, H, W) -> (H, W): relu(sum_k a_k A_k), a_k the mean over the places of dy/dA_k, by central differences."""
    channels, height, width = features.shape
    weights = []
    for channel in range(channels):
        total = 0.0
        for row, column in np.ndindex(height, width):
            above, below = features.copy(), features.copy()
            above[channel, row, column] += step
            below[channel, row, column] -= step
            total += (logit(above) - logit(below)) / (2 * step)
        weights.append(total / (height * width))
    heatmap = np.zeros((height, width))
    for row, column in np.ndindex(height, width):
        value = sum(weights[channel] * features[channel, row, column] for channel in range(channels))
        heatmap[row, column] = max(0.0, value)
    return heatmap


def integrated_gradients(picture: Array, gradient: Callable[[Array], Array], steps: int = 400) -> Array:
    """(C, H, W) -> (H, W): the picture times its mean gradient on the straight way from 0, added over the colours."""
    total = np.zeros_like(picture)
    for step in range(steps):
        total += gradient(picture * (step + 0.5) / steps) / steps
    return (picture * total).sum(0)


def occlusion(picture: Array, logit: Callable[[Array], float], window: int, stride: int) -> Array:
    """(C, H, W) -> (H, W): the mean fall of the logit over the squares that cover a place; the last may be cut."""
    _, height, width = picture.shape
    falls, covered = np.zeros((height, width)), np.zeros((height, width))
    whole = logit(picture)
    for number_down in range(math.ceil((height - window) / stride) + 1):
        for number_across in range(math.ceil((width - window) / stride) + 1):
            down, across = number_down * stride, number_across * stride
            hidden = picture.copy()
            hidden[:, down : down + window, across : across + window] = 0
            falls[down : down + window, across : across + window] += whole - logit(hidden)
            covered[down : down + window, across : across + window] += 1
    return falls / covered


def rank_correlation(one: Array, other: Array) -> float:
    """Pearson's correlation of the ranks; a value's rank is one more than half of what equals it and all below it."""
    ranks = []
    for values in (one.ravel(), other.ravel()):
        ranks.append([sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values])
    means = [sum(rank) / len(rank) for rank in ranks]
    both = [(first - means[0], second - means[1]) for first, second in zip(*ranks, strict=True)]
    product = sum(first * second for first, second in both)
    return product / math.sqrt(sum(first**2 for first, _ in both) * sum(second**2 for _, second in both))


def enlarged(values: Array, height: int, width: int) -> Array:
    """Bilinear, place by place: between the centres of the four old places around each new one."""
    result = np.empty((height, width))
    for row, column in np.ndindex(height, width):
        y = min(max((row + 0.5) * values.shape[0] / height - 0.5, 0), values.shape[0] - 1)
        x = min(max((column + 0.5) * values.shape[1] / width - 0.5, 0), values.shape[1] - 1)
        top, left = int(y), int(x)
        bottom, right = min(top + 1, values.shape[0] - 1), min(left + 1, values.shape[1] - 1)
        upper = values[top, left] * (1 - x + left) + values[top, right] * (x - left)
        lower = values[bottom, left] * (1 - x + left) + values[bottom, right] * (x - left)
        result[row, column] = upper * (1 - y + top) + lower * (y - top)
    return result


def removal(
    picture: Array, order: list[tuple[int, int]], predict: Callable[[Array], float], counts: list[int], *, insert: bool
) -> list[float]:
    """The probability after each of these numbers of pixels, taken away or put back one at a time."""
    found = []
    for count in counts:
        shown = np.zeros_like(picture) if insert else picture.copy()
        for row, column in order[:count]:
            shown[:, row, column] = picture[:, row, column] if insert else 0
        found.append(predict(shown))
    return found


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


def _correlate(maps: list[Array], kernel: Array, row: int, column: int, *, mirrored: bool = False) -> float:
    height, width = maps[0].shape
    reach = kernel.shape[-1] // 2
    total = 0.0
    for index, down, right in np.ndindex(*kernel.shape):
        y, x = row + down - reach, column + right - reach
        if mirrored:
            y, x = (min(abs(place), 2 * (size - 1) - abs(place)) for place, size in ((y, height), (x, width)))
        if 0 <= y < height and 0 <= x < width:
            total += kernel[index, down, right] * maps[index][y, x]
    return total


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
