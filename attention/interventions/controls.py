"""What edits of the same size do at random places: the null range without which no effect is claimed.

The random control of an edit of chosen places is at as many random ones: "set" with the same values, "top" and
"top-off" with as many kept or shut. That of an edit of the whole gate makes the same changes of the values, dealt to
random places; its values may leave the range of the gate.
"""

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from attention.interventions.applying import Function, Given, chained, dealt, function_of, opened, shut
from attention.interventions.edits import Edit, check, number_of_values
from attention.records import Gate

if TYPE_CHECKING:
    from torch import Tensor

DRAWS = 20
"""Random controls of an edit. Where it means nothing, its change lies outside all of them in 2 of 21 cases."""


class NullRange(NamedTuple):
    """The lowest and the highest change of a number over the draws."""

    low: float
    high: float
    draws: int

    def holds(self, change: float) -> bool:
        """Whether chance does as much."""
        return self.low <= change <= self.high


def null_range(changes: Sequence[float] | np.ndarray) -> NullRange:
    """The range of the changes in all draws."""
    return NullRange(float(np.min(changes)), float(np.max(changes)), len(changes))


def random_control(
    edits: Sequence[Edit], gates: Sequence[Gate], given: Given | None = None, *, seed: int, draw: int
) -> dict[str, Function]:
    """The random control of these edits in one draw, the same for the same seed and draw, as `trace` takes edits."""
    functions: dict[str, Function] = {}
    for number, edit in enumerate(edits):
        for gate in check(edit, gates):
            order = _order(gate, seed, draw, number)
            function = _control(edit, function_of(edit, gate, gates, given=given or {}), order)
            before = functions.get(gate.name)
            functions[gate.name] = chained(before, function) if before else function
    return functions


def _order(gate: Gate, *seeds: int) -> np.ndarray:
    return np.random.default_rng([*seeds, zlib.crc32(gate.name.encode())]).permutation(number_of_values(gate))


def _control(edit: Edit, function: Function, order: np.ndarray) -> Function:
    if edit.action == "set":
        points = [(int(place), value) for place, (_, value) in zip(order, edit.points, strict=False)]
        return lambda values: opened(values, points)
    if edit.action in ("top", "top-off"):
        return lambda values: shut(values, _rows(values, order[: edit.count]), others=edit.action == "top")
    return lambda values: values + dealt(function(values) - values, order)


def _rows(values: "Tensor", chosen: np.ndarray) -> "Tensor":
    """The same places in every sample, as `scatter` takes them."""
    import torch

    return torch.as_tensor(chosen, device=values.device).expand(len(values), -1)
