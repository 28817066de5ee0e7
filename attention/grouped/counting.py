"""Parameters and multiply-accumulates of a grouped convolution, and of all in a network, by arithmetic alone."""

from dataclasses import dataclass, replace
from math import gcd
from typing import TYPE_CHECKING

from attention.records import Convolution, GatescopeError

if TYPE_CHECKING:  # counting needs no torch
    from attention.cost import PassCost


class GroupingError(GatescopeError):
    """A convolution that cannot be: the sentence says which of its numbers, and what would do."""


@dataclass(frozen=True)
class DerivationStep:
    """One line of the derivation."""

    what: str
    formula: str
    """LaTeX: the symbols, then the same with the numbers filled in; the value follows it."""
    value: int


@dataclass(frozen=True)
class Cost:
    """What one convolution stores and computes, for one picture."""

    weights: int
    """Without the bias: Q/g."""
    parameters: int
    """With the bias, where there is one."""
    macs: int
    """Multiply-accumulates; adding a bias is not one."""
    steps: tuple[DerivationStep, ...]


def cost_of(convolution: Convolution) -> Cost:
    """The cost of a convolution, with its derivation.

    Raises GroupingError where a number is not a positive integer, or the groups do not divide both channel counts.
    """
    _check(convolution)
    h1, w1 = convolution.kernel
    kernel = h1 * w1 * (convolution.in_channels // convolution.groups)
    weights = kernel * convolution.out_channels
    parameters = weights + (convolution.out_channels if convolution.bias else 0)
    macs = weights * convolution.height * convolution.width
    return Cost(weights, parameters, macs, _derivation(convolution, kernel, parameters, macs))


def valid_groups(in_channels: int, out_channels: int) -> tuple[int, ...]:
    """The numbers that divide both channel counts, ascending.

    Raises GroupingError where a channel count is not a positive integer.
    """
    _check_positive({"C1": in_channels, "C2": out_channels})
    shared = gcd(in_channels, out_channels)
    return tuple(groups for groups in range(1, shared + 1) if shared % groups == 0)


def nearest_groups(groups: int, *, in_channels: int, out_channels: int) -> int:
    """The valid number of groups closest to the one wanted; of two equally close ones, the smaller."""
    return min(valid_groups(in_channels, out_channels), key=lambda valid: (abs(valid - groups), valid))


def curve(convolution: Convolution) -> dict[int, Cost]:
    """The cost at every valid number of groups, ascending, all else equal."""
    valid = valid_groups(convolution.in_channels, convolution.out_channels)
    return {groups: cost_of(replace(convolution, groups=groups)) for groups in valid}


@dataclass(frozen=True)
class GroupedLayer:
    """One convolution as a network runs it, and the same with one group."""

    name: str
    """Dotted path of the module that holds its weight; empty where no parameter of the network is the weight."""
    convolution: Convolution
    cost: Cost
    ungrouped: Cost


def convolutions(measured: "PassCost") -> tuple[GroupedLayer, ...]:
    """Every two-dimensional convolution that a picture passes, in the order of execution; one that runs several times,
    as in CBAM's shared MLP, once, with the MACs of all its runs."""
    found: dict[object, GroupedLayer] = {}
    for number, (name, convolution) in enumerate(measured.convolutions):
        layer = GroupedLayer(name, convolution, cost_of(convolution), cost_of(replace(convolution, groups=1)))
        if before := found.get(name):
            cost, ungrouped = before.cost, before.ungrouped
            layer = replace(
                before,
                cost=replace(cost, macs=cost.macs + layer.cost.macs),
                ungrouped=replace(ungrouped, macs=ungrouped.macs + layer.ungrouped.macs),
            )
        found[name or number] = layer
    return tuple(found.values())


def _derivation(convolution: Convolution, kernel: int, parameters: int, macs: int) -> tuple[DerivationStep, ...]:
    """From the weights of one kernel to Q/g, the parameters and the MACs."""
    h1, w1 = convolution.kernel
    c1, c2, g = convolution.in_channels, convolution.out_channels, convolution.groups
    per_group, ordinary = c2 // g, h1 * w1 * c1 * c2
    weights = ordinary // g
    bias = rf"\tfrac{{Q}}{{g}} + C_2 = {_tex(weights)} + {_tex(c2)}" if convolution.bias else r"\tfrac{Q}{g}"
    places = rf"{convolution.height} \cdot {convolution.width}"
    return (
        DerivationStep(
            "An ordinary convolution, Q", rf"h_1 w_1 C_1 C_2 = {h1} \cdot {w1} \cdot {c1} \cdot {c2}", ordinary
        ),
        DerivationStep(
            "One kernel", rf"h_1 w_1 \tfrac{{C_1}}{{g}} = {h1} \cdot {w1} \cdot \tfrac{{{c1}}}{{{g}}}", kernel
        ),
        DerivationStep("Kernels in a group", rf"\tfrac{{C_2}}{{g}} = \tfrac{{{c2}}}{{{g}}}", per_group),
        DerivationStep(
            "Weights of a group",
            rf"h_1 w_1 \tfrac{{C_1}}{{g}} \cdot \tfrac{{C_2}}{{g}} = {_tex(kernel)} \cdot {per_group}",
            kernel * per_group,
        ),
        DerivationStep(
            "All groups, Q/g",
            rf"h_1 w_1 \tfrac{{C_1}}{{g}} \tfrac{{C_2}}{{g}} \cdot g = {_tex(kernel * per_group)} \cdot {g}"
            rf" = \tfrac{{{_tex(ordinary)}}}{{{g}}}",
            weights,
        ),
        DerivationStep(
            "Parameters with the bias" if convolution.bias else "Parameters, without a bias", bias, parameters
        ),
        DerivationStep("Multiply-accumulates", rf"\tfrac{{Q}}{{g}} H W = {_tex(weights)} \cdot {places}", macs),
    )


def _tex(number: int) -> str:
    return f"{number:,}".replace(",", "{,}")


def _check(convolution: Convolution) -> None:
    h1, w1 = convolution.kernel
    c1, c2, g = convolution.in_channels, convolution.out_channels, convolution.groups
    sizes = {"H": convolution.height, "W": convolution.width}
    _check_positive({"h1": h1, "w1": w1, "C1": c1, "C2": c2, "g": g, **sizes})
    if c1 % g or c2 % g:
        allowed = ", ".join(map(str, valid_groups(c1, c2)))
        raise GroupingError(f"{g} groups do not divide both C1 = {c1} and C2 = {c2}; these do: {allowed}.")


def _check_positive(numbers: dict[str, int]) -> None:
    for name, number in numbers.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise GroupingError(f"{name} is {number!r}; it must be a whole number of at least 1.")
