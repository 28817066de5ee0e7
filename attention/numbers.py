"""Numbers as a person reads them: three significant digits, thousands apart, units, one minus sign.

Everything that is read goes through here; files for machines, CSV and JSON, have all digits and an ASCII minus.
"""

import math
from typing import Any

import numpy as np

from attention.records import Inventory, owner_of

MINUS = "−"
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any, digits: int = 3) -> str:
    """So many significant digits, or all of a whole number with its thousands apart; a dash where there is none.

    Below 0.001 and from a million on as a product with a power of ten: 2.27 × 10⁻⁵.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _significant(value, digits)
    return _with_minus(f"{value:,}") if isinstance(value, int) else str(value)


def _significant(value: float, digits: int) -> str:
    if not math.isfinite(value) or value == 0:
        return _with_minus(f"{value:g}") if value else "0"
    rounded = f"{value:.{digits - 1}e}"
    factor, _, power = rounded.partition("e")
    if not -3 <= int(power) < 6:
        return _with_minus(f"{float(factor):g} × 10{str(int(power)).translate(RAISED)}")
    text = f"{float(rounded):,.{max(0, digits - 1 - int(power))}f}"
    return _with_minus(text.rstrip("0").rstrip(".") if "." in text else text)


def fixed(value: float | np.floating[Any], digits: int = 3) -> str:
    """So many decimals; nothing is less than zero by none of them."""
    text = f"{value:,.{digits}f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else _with_minus(text)


def signed(value: float | np.floating[Any], digits: int = 3) -> str:
    """So many decimals of a difference, with its sign; two significant digits where fewer would be left of it."""
    few = 0 < abs(float(value)) < 10.0 ** (1 - digits)
    text = number(value, 2) if few else fixed(value, digits)
    return text if text.startswith(MINUS) or value == 0 else f"+{text}"


def p_value(p: float) -> str:
    """A probability by chance with what is between: `p = 0.031`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def amount(count: int, one: str, several: str = "") -> str:
    """So many of them with their word: 1 picture, 3,925 pictures. More than one have an s, or are called `several`."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def duration(seconds: int) -> str:
    """A time that is allowed, in minutes where there are two at least."""
    return amount(round(seconds / 60), "minute") if seconds >= 120 else amount(seconds, "second")


def magnitude(count: int) -> str:
    """Three significant digits with a unit: 28.1 M, 4.12 G, 612 k."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 0.9995 * size:  # from there on three digits of the smaller unit would be 1000
            return f"{count / size:#.3g} {unit}".replace(". ", " ")
    return str(count)


def small(value: float) -> str:
    """Three decimals of a number from 0 on; of one that would be none of them, what it is less than."""
    return fixed(value) if value >= 0.0005 or value == 0 else "less than 0.001"


def percent(share: float) -> str:
    """A share of 0 to 1 with a decimal, or with two significant digits where it is below one percent."""
    return f"{share:.1%}" if share >= 0.01 else f"{100 * share:.2g}%"


def in_attention(inventory: Inventory, count: str) -> float:
    """Which share of the parameters, or of the MACs, is attention, or at most is, where a gate's module does other work
    too. Where that module is the network itself, any of it may make the gate."""
    network = inventory.network
    if any(not owner_of(each.gate) for each in inventory.unlisted):
        return 1.0
    return getattr(network, f"attention_{count}") / max(getattr(network, count), 1)


def attention_share(inventory: Inventory, count: str) -> str:
    """The same in words; a bound is said to be one."""
    return "≤ " * bool(inventory.unlisted) + percent(in_attention(inventory, count))


def span(low: float, high: float) -> str:
    """From the least to the greatest."""
    return f"{number(low)} to {number(high)}"


def extent(values: Any) -> str:
    """From the least to the greatest of an array."""
    return f"{fixed(values.min())} to {fixed(values.max())}"


def _with_minus(text: str) -> str:
    return text.replace("-", MINUS, 1)
