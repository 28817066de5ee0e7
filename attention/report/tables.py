"""Columns of numbers: as the text of a CSV file, and in the digits that a person reads."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

Columns = Mapping[str, Sequence[Any]]


def as_csv(columns: Columns) -> str:
    """A table as the text of a CSV file, its columns' names in the first row."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([columns, *zip(*columns.values(), strict=True)])
    return text.getvalue()


def said(value: Any) -> str:
    """A number with three significant digits, or its thousands apart; a dash where there is none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}".replace("-", "−", 1)
    return f"{value:,}" if isinstance(value, int) else str(value)
