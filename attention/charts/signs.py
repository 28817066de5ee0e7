"""What is said of gates that leave 0 to 1: a dial turns signs below 0, and amplifies above 1."""

from collections.abc import Iterable, Sequence

import numpy as np

from attention import analysis
from attention.numbers import amount, extent, number
from attention.records import Floats, Gate

BOUNDS = {"sigmoid": (0, 1), "hardsigmoid": (0, 1), "tanh": (-1, 1)}
"""Between which numbers an activation presses."""
NAMES = {"sigmoid": "sigmoid", "hardsigmoid": "hard sigmoid", "tanh": "hyperbolic tangent"}
MOST_NAMED = 3
"""Gates that are named of those that leave 0 to 1."""


def bounds(gate: Gate) -> str:
    """Between which numbers its activation presses a sum, in words; those of its values where these lie beyond."""
    low, high = BOUNDS.get(gate.activation, (0, 1))
    if gate.minimum < low or gate.maximum > high:
        return f"from {extent(gate.values)}"
    return f"between {number(low)} and {number(high)}"


def called(activation: str) -> str:
    """What an activation is called in a sentence."""
    return NAMES.get(activation, activation)


def sigma(gate: Gate) -> str:
    """Which function the σ of a formula is in this gate."""
    return f"σ is the {called(gate.activation)}"


def dial(gates: Iterable[Floats]) -> tuple[str, str]:
    """What a gate is, and what its values mean, where these are the gates that are spoken of."""
    below, above = _reach(gates)
    what = "a number" if below or above else "a dial from 0 to 1"
    ends = [
        "at 1 they pass unchanged",
        "at 0 they are shut off",
        *["below 0 their sign is turned"] * below,
        *["above 1 they grow"] * above,
    ]
    return what, ", ".join(ends)


def moves(gates: Iterable[Floats]) -> str:
    """What gates do to features that may be negative, in words that go on a sentence."""
    below, above = _reach(gates)
    if not below and not above:
        return "and a gate only moves them towards 0"
    parts = ["below 0 turns their sign"] * below + ["above 1 moves them away from 0"] * above
    return f"and a gate {' and one '.join(parts)}"


def size_note(values: Floats) -> str:
    """How a gate with negative values is read; nothing where it has none."""
    return " Below 0 a gate turns signs: the farther from 0, the more open." * bool(values.min() < 0)


def in_size(values: Floats) -> str:
    """Said after a bound that holds for sizes, whatever their sign."""
    return " in size" * bool(values.min() < 0)


def turned(value: float | np.floating) -> str:
    """Said after a gate that turns the sign of what it multiplies."""
    return ", which turns signs" * bool(value < 0)


def in_no_mean(gates: Sequence[Gate]) -> list[str]:
    """What gates do whose mean says nothing of a picture, and which, with their ends; of many the first. Of a softmax
    over channels or places the mean is one through their number."""
    groups = {
        "leave 0 to 1": [gate for gate in gates if not analysis.in_unit(gate.values)],
        "share out 1 with any picture": [gate for gate in gates if analysis.deals_out(gate)],
    }
    return [f"{what}: {_named(those)}" for what, those in groups.items() if those]


def _named(gates: Sequence[Gate]) -> str:
    named = [f"{gate.name or 'the network'}, {extent(gate.values)}" for gate in gates[:MOST_NAMED]]
    rest = len(gates) - len(named)
    return "; ".join(named + [f"and {amount(rest, 'other')}"] * bool(rest))


def _reach(gates: Iterable[Floats]) -> tuple[bool, bool]:
    """Whether any of them goes below 0, and any above 1."""
    ends = [(float(values.min()), float(values.max())) for values in gates]
    return any(low < 0 for low, _ in ends), any(high > 1 for _, high in ends)
