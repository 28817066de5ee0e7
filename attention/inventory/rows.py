"""The tree of a network's layers as rows of a table, blocks that are alike folded into one row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import groupby

from attention.records import Part

COUNTS = (
    "parameters",
    "macs",
    "ungrouped_parameters",
    "ungrouped_macs",
    "attention_parameters",
    "attention_macs",
)
"""The counts of a part, which add up over parts."""


@dataclass(frozen=True)
class Row:
    """One line of the table: a part, or several alike ones in a row of which the first is shown for all."""

    depth: int
    """0 is the network itself."""
    parts: tuple[Part, ...]
    label: str
    """Its name without that of the part that holds it."""

    @property
    def part(self) -> Part:
        """The part, or the first of those that are alike."""
        return self.parts[0]

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates in all of them."""
        return tuple(gate for part in self.parts for gate in part.gates)

    def total(self, count: str) -> int:
        """One of the counts of a part, summed over the alike ones."""
        return sum(getattr(part, count) for part in self.parts)


def every(part: Part, depth: int = 0, holder: str = "") -> Iterator[Row]:
    """Every part of the tree, in depth-first order, each in a row of its own."""
    yield Row(depth, (part,), _label([part], holder))
    for inner in part.parts:
        yield from every(inner, depth + 1, part.name)


def folded(part: Part, *, deepest: int, depth: int = 0, holder: str = "") -> Iterator[Row]:
    """The tree down to a depth, with neighbours that hold the same in one row, and that row not unfolded further."""
    yield Row(depth, (part,), _label([part], holder))
    if depth < deepest:
        # A single convolution is like no other, so that each has its row.
        keys = [_signature(each, each.name) if each.parts or each.form else id(each) for each in part.parts]
        for _, group in groupby(zip(keys, part.parts, strict=True), lambda pair: pair[0]):
            alike = tuple(each for _, each in group)
            if len(alike) > 1:
                yield Row(depth + 1, alike, _label(alike, part.name))
            else:
                yield from folded(alike[0], deepest=deepest, depth=depth + 1, holder=part.name)


def alike(one: Part, other: Part) -> bool:
    """Whether two parts differ in nothing but their place: class, numbers, shapes, and all that is in them."""
    return _signature(one, one.name) == _signature(other, other.name)


def _signature(part: Part, root: str) -> tuple[object, ...]:
    own = tuple(getattr(part, field.name) for field in fields(part) if field.name not in ("name", "gates", "parts"))
    gates = tuple(gate.removeprefix(root) for gate in part.gates)
    return (part.name.removeprefix(root), *own, gates, *(_signature(inner, root) for inner in part.parts))


def _label(parts: Sequence[Part], holder: str) -> str:
    """`layer3.1 to layer3.5`, without what the holder's name says; a bare number keeps the name it counts in."""
    names = [part.name.removeprefix(f"{holder}.") if holder else part.name for part in (parts[0], parts[-1])]
    if holder and names[0][:1].isdigit():
        names = [f"{holder.rpartition('.')[2]}.{name}" for name in names]
    return names[0] if len(parts) == 1 else f"{names[0]} to {names[1]}"
