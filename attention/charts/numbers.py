"""Numbers as a person reads them: three significant digits, thousands apart, units, one minus sign."""

import math
from typing import Any

import numpy as np

from attention.records import Inventory

MINUS = "−"


def number(value: Any) -> str:
    """Three significant digits, or all of a whole number with its thousands apart; a dash where there is none."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}".replace("-", MINUS, 1) if value < 0 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def magnitude(count: int) -> str:
    """Three significant digits with a unit: 28.1 M, 4.12 G, 612 k."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:#.3g} {unit}".replace(". ", " ")
    return str(count)


def small(value: float) -> str:
    """Three decimals of a number from 0 on; of one that would be none of them, what it is less than."""
    return f"{value:.3f}" if value >= 0.0005 or value == 0 else "less than 0.001"


def percent(share: float) -> str:
    """A share of 0 to 1 with a decimal, or with two significant digits where it is below one percent."""
    return f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"


def attention_share(inventory: Inventory, count: str) -> str:
    """How much of the parameters, or of the MACs, is attention; a bound where a gate's module does other work too.

    Where that module is the network itself, any of it may make the gate.
    """
    whole = inventory.network
    share = getattr(whole, f"attention_{count}") / max(getattr(whole, count), 1)
    if any(not each.gate.partition("#")[0] for each in inventory.unlisted):
        share = 1.0
    return f"≤ {percent(share)}" if inventory.unlisted else percent(share)


def span(low: float, high: float) -> str:
    """From the least to the greatest."""
    return f"{number(low)} to {number(high)}"
