"""Filters of warnings, set for a while by threads that may overlap.

`warnings.catch_warnings` puts back the filters of the whole process: two threads that enter and leave it crosswise
leave a filter behind. Here the first of all who are within opens it, and the last closes it.
"""

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Literal, NamedTuple

_changing = threading.Lock()
# What the first of those who are within has opened, once for each of them.
_within: list[warnings.catch_warnings] = []


class Filter(NamedTuple):
    """The arguments of `warnings.filterwarnings`."""

    action: Literal["ignore", "error"]
    message: str = ""
    category: type[Warning] = Warning
    module: str = ""


@contextlib.contextmanager
def filtered(*filters: Filter) -> Iterator[None]:
    """Warnings go by these filters, the last before the others, in all threads of the process.

    They go until nobody is within any more: so that each must name what it alone causes.
    """
    with _changing:
        scope = _within[0] if _within else warnings.catch_warnings()
        if not _within:
            scope.__enter__()
        _within.append(scope)
        for each in filters:
            warnings.filterwarnings(*each)
    try:
        yield
    finally:
        with _changing:
            _within.pop()
            if not _within:
                scope.__exit__(None, None, None)
