"""Does a gate do anything? Saturated, dead and constant, each defined once and with one set of boundaries.

Values are compared in float64: the nearest float32 to 0.95 lies below it, and so is not high.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from attention.records import GateHealth

LOW = 0.05
"""A gate value below it is low."""
HIGH = 0.95
"""A gate value of it or above is high."""
CONSTANT = 0.02
"""A channel or place is constant where its standard deviation over the pictures is below it."""
MOST = 0.5
"""A gate is saturated where more than this share of its values is low or high."""


def is_low(values: ArrayLike) -> NDArray[np.bool_]:
    """Which values are below 0.05: the gate shuts off what it multiplies."""
    return np.asarray(values, np.float64) < LOW


def is_high(values: ArrayLike) -> NDArray[np.bool_]:
    """Which values are 0.95 or above: the gate changes next to nothing."""
    return np.asarray(values, np.float64) >= HIGH


def is_dead(minimum: ArrayLike, maximum: ArrayLike) -> NDArray[np.bool_]:
    """Which channels are nearly 0 for every picture, by their ends over the pictures: one of -1 passes on as much."""
    return is_low(maximum) & is_low(-np.asarray(minimum))


def is_open(minimum: ArrayLike) -> NDArray[np.bool_]:
    """Which channels are high for every picture, by their minimum over the pictures."""
    return is_high(minimum)


def is_constant(deviation: ArrayLike) -> NDArray[np.bool_]:
    """Which channels are nearly the same for every picture, by their standard deviation over the pictures."""
    return np.asarray(deviation, np.float64) < CONSTANT


def share_low(values: ArrayLike) -> float:
    """Share of the values that are low, 0 to 1."""
    return float(is_low(values).mean())


def share_high(values: ArrayLike) -> float:
    """Share of the values that are high, 0 to 1."""
    return float(is_high(values).mean())


def in_unit(values: ArrayLike) -> bool:
    """Whether all values of a gate lie from 0 to 1, its ends: one of 1 + tanh, or 2 sigmoid, is not saturated at 1."""
    return bool(np.min(values) >= 0 and np.max(values) <= 1)


def share_saturated(values: ArrayLike) -> float:
    """Share of the values that are low or high, 0 to 1."""
    return float((is_low(values) | is_high(values)).mean())


def hardly_varies(health: GateHealth) -> bool:
    """Whether the gate does nearly the same to every picture: a mean deviation that a constant channel could have."""
    return bool(is_constant(health.deviation))


def saturates(health: GateHealth) -> bool:
    """Whether more than half of the gate's values over the pictures are low or high."""
    return health.low + health.high > MOST
