"""Columns of numbers: of maps, as the text of a CSV file, and in the digits that a person reads."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, Sequence[Any] | NDArray[Any]]


def by_place(maps: Mapping[str, NDArray[Any]]) -> Columns:
    """A row for each place of maps (H, W) of one size, and a column for each map."""
    rows, columns = np.indices(next(iter(maps.values())).shape).reshape(2, -1)
    return {"row": rows, "column": columns, **{name: values.ravel() for name, values in maps.items()}}


def by_map(maps: Mapping[str, NDArray[Any]]) -> Columns:
    """A row for each value of maps (H, W) of any sizes; numbers (C,) lie in one row."""
    grids = [np.atleast_2d(values) for values in maps.values()]
    names = np.repeat(np.array(list(maps), object), [grid.size for grid in grids])
    places = [np.indices(grid.shape).reshape(2, -1) for grid in grids]
    rows, columns = np.concatenate([np.empty((2, 0), int), *places], axis=1)
    values = np.concatenate([np.empty(0, np.float32), *(grid.ravel() for grid in grids)])
    return {"map": names, "row": rows, "column": columns, "value": values}


def as_csv(columns: Columns) -> str:
    """A table as the text of a CSV file, its columns' names in the first row."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([columns, *zip(*columns.values(), strict=True)])
    return text.getvalue()


def said(value: Any) -> str:
    """A number with three significant digits, or its thousands apart; a dash where there is none."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}".replace("-", "−", 1)
    return f"{value:,}" if isinstance(value, int) else str(value)
