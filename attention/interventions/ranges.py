"""Places of a gate as a person writes them: 3, 8-12."""

import re
from collections.abc import Sequence

from attention.interventions.edits import EditError

_PART = re.compile(r"\s*(\d{1,9})\s*(?:[-–]\s*(\d{1,9})\s*)?")


def written(numbers: Sequence[int]) -> str:
    """Neighbours as one range."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)


def read(text: str, count: int) -> tuple[int, ...]:
    """The numbers, sorted, each once. Raises EditError where the text names none, or one that is not below `count`."""
    matches = [_PART.fullmatch(part) for part in text.split(",")]
    ranges = [(int(match[1]), int(match[2] or match[1])) for match in matches if match]
    if len(ranges) < len(matches) or any(not first <= last < count for first, last in ranges):
        raise EditError(
            f"{text[:40]!r} names no places of this gate; numbers from 0 to {count - 1} do, such as 0, 2-3."
        )
    return tuple(sorted({number for first, last in ranges for number in range(first, last + 1)}))
