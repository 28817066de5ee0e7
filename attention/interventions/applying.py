"""Records -> the functions that `capture.trace(..., edits=...)` applies to the values of gates; and random controls.

Controls are what an edit would do if it did not matter which channel or place gets which value. That of an edit of
chosen values ("set", "top", "top-off") makes the same edit at random ones. An edit of the whole gate leaves nothing to
choose: its control deals the gate's own values out anew, and the edit is compared with a gate that would have done as
well. Either way every value stays in the gate's range. Values of a map are moved together, by a shift that comes in
again on the other side, a flip and a turn, so that a patch stays a patch and a smooth map smooth.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from attention.analysis import neutral_value
from attention.interventions.edits import Edit, EditError, check, number_of_values
from attention.kinds import KINDS
from attention.records import Floats, Gate

if TYPE_CHECKING:  # tensors bring their own methods: records are turned into functions without torch
    from torch import Tensor

Function = Callable[["Tensor"], "Tensor"]
"""From the values of a gate, N first, to those that the pass goes on with, in the same precision."""
Given = Mapping[tuple[str, ...], Mapping[str, Floats]]
"""For pictures, the gates to put in place by their names, each without N."""
CHOSEN = ("set", "top", "top-off")
"""Actions on chosen values."""


def applied(edits: Sequence[Edit], gates: Sequence[Gate], given: Given | None = None) -> dict[str, Function]:
    """What `trace` takes as `edits`; several edits of one gate run one after another, in their order.

    `gates` are those of a trace of the same network over a picture of the same size; `given` has the values for
    the action "replace". Raises EditError where an edit does not fit the gates, or lacks its values.
    """
    return by_gate(edits, gates, lambda edit, gate: function_of(edit, gate, gates, given=given or {}))


def by_gate(
    edits: Sequence[Edit], gates: Sequence[Gate], make: Callable[[Edit, Gate], Function]
) -> dict[str, Function]:
    """For each gate what `make` gives for its edits, one after another. Raises EditError where one does not fit."""
    functions: dict[str, Function] = {}
    for edit in edits:
        for gate in check(edit, gates):
            before, function = functions.get(gate.name), make(edit, gate)
            functions[gate.name] = _chained(before, function) if before else function
    return functions


def _chained(first: Function, second: Function) -> Function:
    return lambda values: second(first(values))


def function_of(edit: Edit, gate: Gate, gates: Sequence[Gate], *, given: Given) -> Function:
    """What the edit does to one of its gates."""
    if edit.action == "off":
        value = neutral_value(gate, gates)
        return lambda values: values.new_full(values.shape, value)
    if edit.action == "replace":
        return _replace(edit, gate, given)
    return _FUNCTIONS[edit.action](edit)


def flat(values: "Tensor") -> "Tensor":
    """The values of each sample in a row, (N, values); a gate of one number a sample has one."""
    return values.reshape(len(values), -1)


def strongest(values: "Tensor", count: int | None) -> "Tensor":
    """The numbers of the `count` values farthest from 0 of each sample, (N, count); of equal ones the first."""
    return flat(values).abs().argsort(dim=1, descending=True, stable=True)[:, :count]


def permute_values(values: "Tensor", order: Sequence[int] | np.ndarray) -> "Tensor":
    """Each place takes the value of another: `order` has the other's number for each of the places."""
    return flat(values)[:, np.array(order)].reshape(values.shape)


def set_values(values: "Tensor", points: Sequence[tuple[int, float]]) -> "Tensor":
    """The values with those of some places set."""
    edited = flat(values).clone()
    edited[:, [point for point, _ in points]] = values.new_tensor([value for _, value in points])
    return edited.reshape(values.shape)


def zero_values(values: "Tensor", chosen: "Tensor", *, others: bool) -> "Tensor":
    """Zero at the chosen places, (N, k) numbers of them, or at all the others."""
    rows = flat(values)
    mask = rows.new_zeros(rows.shape).scatter(1, chosen, 1.0)
    return rows.masked_fill(mask == (0.0 if others else 1.0), 0.0).reshape(values.shape)


def _replace(edit: Edit, gate: Gate, given: Given) -> Function:
    array = given.get(edit.pictures, {}).get(gate.name)
    if array is None:
        raise EditError(
            f"The gate {gate.name} of {', '.join(edit.pictures)} was asked for, and its values are not at hand."
        )
    if array.shape != gate.values.shape[1:]:
        shapes = f"the shape {array.shape}, and the gate has {gate.values.shape[1:]}"
        raise EditError(f"The values to put in place of {gate.name} have {shapes}.")
    return lambda values: values.new_tensor(array).expand_as(values)


def _mean(edit: Edit) -> Function:
    return lambda values: flat(values).mean(1).reshape(-1, *[1] * (values.dim() - 1)).expand_as(values)


def _shuffle(edit: Edit) -> Function:
    def shuffle(values: "Tensor") -> "Tensor":
        return permute_values(values, np.random.default_rng(edit.seed).permutation(values[0].numel()))

    return shuffle


def _top(edit: Edit) -> Function:
    def keep(values: "Tensor") -> "Tensor":
        return zero_values(values, strongest(values, edit.count), others=edit.action == "top")

    return keep


_FUNCTIONS: dict[str, Callable[[Edit], Function]] = {
    "mean": _mean,
    "shuffle": _shuffle,
    "top": _top,
    "top-off": _top,
    "set": lambda edit: lambda values: set_values(values, edit.points),
    "invert": lambda edit: lambda values: 1 - values,
    "move": lambda edit: lambda values: values.roll(edit.shift[::-1], (-2, -1)),  # (right, down) -> (down, right)
}


def random_control(
    edits: Sequence[Edit], gates: Sequence[Gate], given: Given | None = None, *, seed: int, draw: int
) -> dict[str, Function]:
    """The random control of these edits in one draw, the same for the same seed and draw, as `trace` takes edits.

    Where some of the edits are of chosen values, these alone are random, and the others stand as they are.
    """

    def make(edit: Edit, gate: Gate) -> Function:
        order = _order(gate, seed, draw)
        if edit.action in CHOSEN:
            return _at_random_places(edit, order)
        if chooses_values(edits):
            return function_of(edit, gate, gates, given=given or {})
        return lambda values: permute_values(values, order)

    return by_gate(edits, gates, make)


def null_changes(edits: Sequence[Edit], change: Floats, controls: Floats) -> Floats:
    """What the edits would change under the null, (draws, classes), of what they change, (classes,), and what the
    controls do, (draws, classes): the controls' own changes, or the way from each dealt gate to the edited one."""
    return controls if chooses_values(edits) else change - controls


def chooses_values(edits: Sequence[Edit]) -> bool:
    """Whether these edits tell some channels or places from others, so that chance can do the same to others."""
    return any(edit.action in CHOSEN for edit in edits)


def _order(gate: Gate, *seeds: int) -> NDArray[np.intp]:
    """For each value the number of another one, at random; values of a map are moved together."""
    # A draw of its own for each gate, the same in every process: Python's own hash of text is another in each.
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


def _at_random_places(edit: Edit, order: NDArray[np.intp]) -> Function:
    if edit.action == "set":
        points = [(int(order[place]), value) for place, value in edit.points]
        return lambda values: set_values(values, points)

    def elsewhere(values: "Tensor") -> "Tensor":
        import torch

        moved = torch.as_tensor(order, device=values.device)[strongest(values, edit.count)]
        return zero_values(values, moved, others=edit.action == "top")

    return elsewhere
