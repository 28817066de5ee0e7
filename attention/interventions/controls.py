"""Random controls: what an edit would do if it did not matter which channel or place gets which value.

The control of an edit of chosen values ("set", "top", "top-off") makes the same edit at random ones. An edit of the
whole gate leaves nothing to choose: its control deals the gate's own values out anew, and the edit is compared with a
gate that would have done as well. Either way every value stays in the gate's range. Values of a map are moved together,
by a shift that comes in again on the other side, a flip and a turn, so that a patch stays a patch and a smooth map
smooth.
"""

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attention.interventions.applying import Function, Given, by_gate, dealt, function_of, opened, shut, strongest
from attention.interventions.edits import Edit, number_of_values
from attention.kinds import KINDS
from attention.records import Floats, Gate

if TYPE_CHECKING:
    from torch import Tensor

CHOSEN = ("set", "top", "top-off")
"""Actions on chosen values."""


def random_control(
    edits: Sequence[Edit], gates: Sequence[Gate], given: Given | None = None, *, seed: int, draw: int
) -> dict[str, Function]:
    """The random control of these edits in one draw, the same for the same seed and draw, as `trace` takes edits.

    Where some of the edits are of chosen values, these alone are random, and the others stand as they are.
    """

    def make(edit: Edit, gate: Gate) -> Function:
        order = _order(gate, seed, draw)
        if edit.action in CHOSEN:
            return _elsewhere(edit, order)
        if _of_chosen_values(edits):
            return function_of(edit, gate, gates, given=given or {})
        return lambda values: dealt(values, order)

    return by_gate(edits, gates, make)


def null_changes(edits: Sequence[Edit], change: Floats, controls: Floats) -> Floats:
    """What the edits would change under the null, (draws, classes), of what they change, (classes,), and what the
    controls do, (draws, classes): the controls' own changes, or the way from each dealt gate to the edited one."""
    return controls if _of_chosen_values(edits) else change - controls


def _of_chosen_values(edits: Sequence[Edit]) -> bool:
    return any(edit.action in CHOSEN for edit in edits)


def _order(gate: Gate, *seeds: int) -> NDArray[np.intp]:
    """For each value the number of another one, at random; values of a map are moved together."""
    random = np.random.default_rng([*seeds, zlib.crc32(gate.name.encode())])
    if not KINDS[gate.kind].is_map:
        return random.permutation(number_of_values(gate))
    height, width = gate.values.shape[1:]
    places = np.arange(height * width).reshape(height, width)
    places = np.roll(places, (int(random.integers(height)), int(random.integers(width))), (0, 1))
    if random.integers(2):
        places = places[:, ::-1]
    turns = int(random.integers(4))
    return np.rot90(places, turns if height == width else 2 * (turns // 2)).ravel()


def _elsewhere(edit: Edit, order: NDArray[np.intp]) -> Function:
    if edit.action == "set":
        points = [(int(order[place]), value) for place, value in edit.points]
        return lambda values: opened(values, points)

    def elsewhere(values: "Tensor") -> "Tensor":
        import torch

        moved = torch.as_tensor(order.copy(), device=values.device)[strongest(values, edit.count)]
        return shut(values, moved, others=edit.action == "top")

    return elsewhere
