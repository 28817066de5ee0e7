"""Several networks on one picture: which class is meant, and what their heatmaps have in common."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attention import agreement, analysis
from attention.agreement import Agreement, Window
from attention.records import Card, Floats, Gate, GatescopeError, Heatmap

if TYPE_CHECKING:  # a page reads this before torch is loaded
    from attention.attribution import Method
    from attention.zoo import Network

GRID = (32, 32)
"""Where heatmaps of different grids and crops are compared."""


class ComparisonError(GatescopeError):
    """A class that none of the networks knows."""


@dataclass(frozen=True, eq=False)
class Column:
    """What one network makes of the picture."""

    card: Card
    labels: tuple[str, ...]
    probabilities: NDArray[np.float64]
    gates: tuple[Gate, ...]
    box: Window
    """The square that the network sees, in pixels of the picture."""
    target: int | None
    """The class that is asked about; None where the network does not know it."""
    heatmap: Heatmap | None
    """None where the class is not known, or not computed."""
    elsewhere: tuple[Gate, ...] = ()
    """The gates for a picture of something else, where there is one."""

    @property
    def spatial(self) -> list[Gate]:
        """The spatial gates, in depth order."""
        return [gate for gate in self.gates if gate.kind == "spatial"]

    @property
    def channel(self) -> list[Gate]:
        """The channel gates, in depth order."""
        return [gate for gate in self.gates if gate.kind == "channel"]


def meaning(label: str) -> str:
    """A label's first name in lower case: what the libraries' lists of ImageNet's classes agree in."""
    return label.partition(",")[0].strip().lower()


def place(labels: Sequence[str], wanted: str) -> int | None:
    """Where a class stands in a network's labels; None where it has no such label, or more than one."""
    found = [index for index, label in enumerate(labels) if meaning(label) == meaning(wanted)]
    return found[0] if len(found) == 1 else None


def by_stage(gates: Sequence[Gate]) -> list[Gate]:
    """Of spatial gates, the last of each size, in depth order."""
    last = {gate.values.shape[1:]: gate for gate in gates}
    return [gate for gate in gates if gate is last[gate.values.shape[1:]]]


def shared(columns: Sequence[Column]) -> tuple[float, float] | None:
    """Mean overlap of the heatmaps' top fifths over the pairs of networks, and of each with a blob in the middle.

    Where the networks see different squares, of the part that both see. None for fewer than two heatmaps.
    """
    drawn = [(column.box, column.heatmap.values) for column in columns if column.heatmap]
    if len(drawn) < 2:
        return None
    pairs = [_overlap(*one, *other) for one, other in combinations(drawn, 2)]
    blob = agreement.centre_blob(GRID)
    middle = [agreement.overlap(blob, agreement.sampled(values, GRID)) for _, values in drawn]
    return float(np.mean(pairs)), float(np.mean(middle))


def against_heatmap(column: Column, gates: Sequence[Gate]) -> list[Agreement]:
    """Each spatial gate, (1, H, W), against the network's heatmap."""
    assert column.heatmap is not None
    return [agreement.agreement(gate.values[0], column.heatmap.values) for gate in gates]


def blob_against_heatmap(column: Column) -> Agreement:
    """What a blob in the middle reaches against the network's heatmap."""
    assert column.heatmap is not None
    return agreement.agreement(agreement.centre_blob(GRID), column.heatmap.values)


def differences(cards: Sequence[Card]) -> list[str]:
    """What a person has to know before two networks' numbers are compared, a sentence each."""
    notes = []
    if random := [card.name for card in cards if card.random]:
        notes.append(f"{' and '.join(random)}: random weights, which have learned nothing.")
    if all(card.source == "own" for card in cards):
        notes.append("All were trained by one recipe, with one seed each: a small difference may be chance.")
    else:
        notes.append(
            "Their training recipes differ, and may make more of a difference than their gates do: "
            + "; ".join(f"{card.name} {_recipe(card)}" for card in cards)
            + "."
        )
    return notes


def classes(columns: Sequence[Column]) -> str:
    """Said where the networks' probabilities are over different numbers of classes; "" where they are not."""
    numbers = {column.card.name: len(column.labels) for column in columns}
    if len(set(numbers.values())) < 2:
        return ""
    each = ", ".join(f"{number:,} in {name}" for name, number in numbers.items())
    return f"P is shared out over different numbers of classes ({each}): it is easier to be sure among few."


def column(
    network: "Network",
    picture: Image.Image,
    label: str | None,
    *,
    method: "Method | None" = None,
    other: Image.Image | None = None,
) -> Column:
    """One network's column, computed here; of the class `label`, or of its first guess. `other`: a second picture."""
    import torch

    from attention import attribution, capture

    batch = network.transform(picture)[None]
    with torch.inference_mode():
        traced = capture.trace(network.module, batch)
        elsewhere = capture.trace(network.module, network.transform(other)[None]).gates if other else ()
    found = analysis.probabilities(traced.output.float().numpy()[0])
    target = int(found.argmax()) if label is None else place(network.labels, label)
    heatmap = None if target is None else attribution.Attributor(network.module)(batch, target, method=method)
    box = network.transform.box(picture.size)
    return Column(network.card, network.labels, found, traced.gates, box, target, heatmap, elsewhere)


def compare(
    networks: Sequence[Callable[[], "Network"]],
    picture: Image.Image,
    label: str | None,
    *,
    method: "Method | None" = None,
    other: Image.Image | None = None,
) -> list[Column]:
    """A column for each network, one class for all: by its label, or the first network's first guess.

    Raises ComparisonError where no network knows the label.
    """
    found: list[Column] = []
    for load in networks:
        each = column(load(), picture, label, method=method, other=other)
        found.append(each)
        if label is None and each.target is not None:
            label = each.labels[each.target]
    if all(each.target is None for each in found):
        known = ", ".join(found[0].labels[:4])
        raise ComparisonError(
            f"None of these networks knows one class {label!r}; {found[0].card.name} knows {known} and others."
        )
    return found


def told(columns: Sequence[Column]) -> dict[str, Any]:
    """The comparison as plain numbers and lists, for a file."""
    found = shared(columns)
    overlaps = {"pairs of heatmaps": found[0], "blob in the middle": found[1]} if found else None
    cards = [each.card for each in columns]
    return {
        "overlap of the top fifths": overlaps,
        "by chance": agreement.TOP,
        "notes": [*differences(cards), *filter(None, [classes(columns)])],
        "networks": [_told(each) for each in columns],
    }


def _told(column: Column) -> dict[str, Any]:
    target, heatmap = column.target, column.heatmap
    return {
        "name": column.card.name,
        "random weights": column.card.random,
        "parameters": column.card.parameters,
        "top five": [list(each) for each in analysis.top(column.probabilities, column.labels)],
        "class": None if target is None else column.labels[target],
        "probability": None if target is None else float(column.probabilities[target]),
        "heatmap": heatmap and {**asdict(heatmap), "values": heatmap.values.tolist()},
        "channel gates": {gate.name: float(gate.values.mean()) for gate in column.channel},
        "spatial gates": [_told_gate(gate, column) for gate in column.spatial],
        "blob in the middle": heatmap and asdict(blob_against_heatmap(column)),
    }


def _told_gate(gate: Gate, column: Column) -> dict[str, Any]:
    found = {
        "name": gate.name,
        "minimum": gate.minimum,
        "maximum": gate.maximum,
        "nearly constant": analysis.look(gate.values[0]).nearly_constant,
    }
    if column.heatmap:
        same = [other for other in column.elsewhere if other.name == gate.name]
        maps = {"agreement": [gate], "the same for another picture": same}
        found |= {title: asdict(each) for title, gates in maps.items() for each in against_heatmap(column, gates)}
    return found


def _overlap(box: Window, values: Floats, other_box: Window, other_values: Floats) -> float:
    """Of the part of the picture that both squares show."""
    part = agreement.common(box, other_box)
    assert part is not None  # both hold the picture's centre
    first = agreement.sampled(values, GRID, agreement.inside(part, box))
    return agreement.overlap(first, agreement.sampled(other_values, GRID, agreement.inside(part, other_box)))


def _recipe(card: Card) -> str:
    if card.random:
        return "is not trained"
    if card.source == "own":
        return f"here on {card.training['data']}"
    return "elsewhere" if card.source in ("file", "code") else f"by {card.source}'s publisher"
