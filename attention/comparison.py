"""Several networks on one picture: which class is meant, what their heatmaps have in common, what they cost."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from attention import analysis
from attention.analysis import agreement
from attention.analysis.agreement import Agreement, Window
from attention.kinds import KINDS
from attention.models.network import on_host
from attention.observe import Observation, Picture
from attention.records import Floats, Gate, GatescopeError, Heatmap, ModelCard

if TYPE_CHECKING:  # a page reads this before torch is loaded
    from attention.attribution import Method

GRID = (32, 32)
"""Where heatmaps of different grids and crops are compared."""
BUDGET = 0.4
"""Seconds of timing a network."""
FEWEST = 5
"""Passes of each, on a machine that is slower than that."""
TIMED = f"Time is the shortest of the passes of one picture: the networks in turns, {BUDGET} s for each."


class ComparisonError(GatescopeError):
    """A class that none of the networks knows."""


@dataclass(frozen=True, eq=False)
class Compared:
    """One network on the picture, with what is asked of all of them."""

    observation: Observation
    target: int | None
    """The class that is asked about; None where the network does not know it."""
    heatmap: Heatmap | None
    """None where the class is not known, or not computed."""
    seconds: float
    """Seconds of one pass of the picture, as `times` has it."""
    elsewhere: Observation | None = None
    """The network on a picture of something else, where there is one."""

    @property
    def card(self) -> ModelCard:
        """The card of the network as it was loaded: with its labels, and with random weights where they are."""
        return self.observation.network.card

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls the classes."""
        return self.observation.labels

    @property
    def probabilities(self) -> NDArray[np.float64] | None:
        """The probability of each class; None where the network gives no score for each class."""
        return self.observation.probabilities_or_none

    @property
    def probability(self) -> float | None:
        """The probability of the class that is asked about; None where it is not known."""
        return None if self.target is None or self.probabilities is None else float(self.probabilities[self.target])

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one picture."""
        return self.observation.inventory.network.macs

    @property
    def spatial(self) -> list[Gate]:
        """The spatial gates, in depth order."""
        return [gate for gate in self.observation.trace.gates if KINDS[gate.kind].is_map]

    @property
    def channel(self) -> list[Gate]:
        """The channel gates, in depth order."""
        return [gate for gate in self.observation.trace.gates if KINDS[gate.kind].is_vector]


def meaning(label: str) -> str:
    """A label's first name in lower case: what the libraries' lists of ImageNet's classes agree in."""
    return label.partition(",")[0].strip().lower()


def place(labels: Sequence[str], wanted: str) -> int | None:
    """Where a class stands in a network's labels; None where it has no such label, or more than one."""
    found = [index for index, label in enumerate(labels) if meaning(label) == meaning(wanted)]
    return found[0] if len(found) == 1 else None


def by_stage(gates: Sequence[Gate]) -> list[Gate]:
    """From spatial gates the last of each size, in depth order."""
    last = {gate.values.shape[1:]: gate for gate in gates}
    return [gate for gate in gates if gate is last[gate.values.shape[1:]]]


def shared(columns: Sequence[Compared]) -> tuple[float, float] | None:
    """Mean overlap of the heatmaps' top fifths over the pairs of networks, and of each with a blob in the middle.

    Where the networks see different squares, of the part that both see. None for fewer than two heatmaps.
    """
    drawn = [(column.observation.box, column.heatmap.values) for column in columns if column.heatmap]
    if len(drawn) < 2:
        return None
    pairs = [_overlap(*one, *other) for one, other in combinations(drawn, 2)]
    blob = agreement.centre_blob(GRID)
    middle = [agreement.overlap(blob, agreement.sampled(values, GRID)) for _, values in drawn]
    return float(np.mean(pairs)), float(np.mean(middle))


def against_heatmap(column: Compared, gates: Sequence[Gate]) -> list[Agreement]:
    """Each spatial gate, (1, H, W), against the network's heatmap."""
    assert column.heatmap is not None
    return [agreement.agreement(gate.values[0], column.heatmap.values) for gate in gates]


def blob_against_heatmap(column: Compared) -> Agreement:
    """What a blob in the middle reaches against the network's heatmap."""
    assert column.heatmap is not None
    return agreement.agreement(agreement.centre_blob(GRID), column.heatmap.values)


def differences(cards: Sequence[ModelCard]) -> list[str]:
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


def classes(columns: Sequence[Compared]) -> list[str]:
    """What has to be known of the networks' classes before they are compared, a sentence each."""
    notes = []
    if without := [column.card.name for column in columns if column.probabilities is None]:
        notes.append(
            f"{' and '.join(without)}: no score for each class, so no class heatmap, no P and no top five; "
            "gates, size and time are compared all the same."
        )
    known = [frozenset(map(meaning, column.labels)) for column in columns if column.labels]
    if len(set(known)) > 1:
        each = ", ".join(f"{len(column.labels):,} in {column.card.name}" for column in columns if column.labels)
        notes.append(
            f"They know different classes ({each}; {len(frozenset.intersection(*known)):,} in all of them): P is "
            "shared out over a network's own classes, and it is easier to be sure among few."
        )
    return notes


def times(observations: Sequence[Observation]) -> list[float]:
    """Seconds of each network's shortest pass of the picture; in turns, so that a busy machine slows all alike."""
    import torch

    modules = [each.network.module for each in observations]
    batches = [each.batch for each in observations]
    shortest, turns, end = [float("inf")] * len(modules), 0, time.perf_counter() + BUDGET * len(modules)
    with torch.inference_mode():
        while turns < FEWEST or time.perf_counter() < end:
            for number, (module, batch) in enumerate(zip(modules, batches, strict=True)):
                start = time.perf_counter()
                on_host(module(batch))  # a pass on another device is over when its result is here
                shortest[number] = min(shortest[number], time.perf_counter() - start)
            turns += 1
    return shortest


def compare(
    observations: Sequence[Observation],
    label: str | None,
    *,
    methods: "Sequence[Method]" = (),
    other: Picture | None = None,
) -> list[Compared]:
    """Each network on the picture, one class for all: by its label, or the first guess of the first that has classes.

    `methods` has one for each network, or one for all; Grad-CAM of the last block by default. `other` is a picture of
    something else. Raises ComparisonError where no network knows the label.
    """
    given: list[Method | None] = [*methods] or [None]
    chosen = given * len(observations) if len(given) == 1 else given
    compared: list[Compared] = []
    for observation, seconds, method in zip(observations, times(observations), chosen, strict=True):
        target, probabilities = None, observation.probabilities_or_none
        if probabilities is not None:
            target = int(probabilities.argmax()) if label is None else place(observation.labels, label)
        heatmap = None if target is None else observation.heatmap(target, method)
        elsewhere = observation.of(other) if other else None
        compared.append(Compared(observation, target, heatmap, seconds, elsewhere))
        if label is None and target is not None:
            label = observation.labels[target]
    if label is not None and all(each.target is None for each in compared):
        raise ComparisonError(_unknown(label, compared))
    return compared


def _unknown(label: str, columns: Sequence[Compared]) -> str:
    known = next((column for column in columns if column.labels), None)
    if known is None:
        return f"None of these networks has classes, so none has {label!r}."
    examples = ", ".join(known.labels[:4])
    return f"None of these networks knows one class {label!r}; {known.card.name} knows {examples} and others."


def to_dict(columns: Sequence[Compared]) -> dict[str, Any]:
    """The comparison as plain numbers and lists, for a file."""
    found = shared(columns)
    overlaps = {"pairs of heatmaps": found[0], "blob in the middle": found[1]} if found else None
    cards = [each.card for each in columns]
    return {
        "overlap of the top fifths": overlaps,
        "by chance": agreement.TOP,
        "notes": [*differences(cards), *classes(columns)],
        "time": TIMED,
        "networks": [_to_dict(each) for each in columns],
    }


def _to_dict(column: Compared) -> dict[str, Any]:
    target, heatmap, found = column.target, column.heatmap, column.probabilities
    return {
        "name": column.card.name,
        "random weights": column.card.random,
        "parameters": column.card.parameters,
        "MACs": column.macs,
        "seconds": column.seconds,
        "top five": None if found is None else [list(each) for each in analysis.top(found, column.labels)],
        "class": None if target is None else column.labels[target],
        "probability": column.probability,
        "heatmap": heatmap and {**asdict(heatmap), "values": heatmap.values.tolist()},
        "channel gates": {gate.name: float(gate.values.mean()) for gate in column.channel},
        "spatial gates": [_gate_to_dict(gate, column) for gate in column.spatial],
        "blob in the middle": heatmap and asdict(blob_against_heatmap(column)),
    }


def _gate_to_dict(gate: Gate, column: Compared) -> dict[str, Any]:
    found = {
        "name": gate.name,
        "minimum": gate.minimum,
        "maximum": gate.maximum,
        "nearly constant": analysis.look(gate.values[0]).nearly_constant,
    }
    if column.heatmap:
        same = [other for other in column.elsewhere.trace.gates if other.name == gate.name] if column.elsewhere else []
        maps = {"agreement": [gate], "the same for another picture": same}
        found |= {title: asdict(each) for title, gates in maps.items() for each in against_heatmap(column, gates)}
    return found


def _overlap(box: Window, values: Floats, other_box: Window, other_values: Floats) -> float:
    """The overlap in the part of the picture that both squares show."""
    part = agreement.common(box, other_box)
    assert part is not None  # both hold the picture's centre
    first = agreement.sampled(values, GRID, agreement.inside(part, box))
    return agreement.overlap(first, agreement.sampled(other_values, GRID, agreement.inside(part, other_box)))


def _recipe(card: ModelCard) -> str:
    if card.random:
        return "is not trained"
    if card.source == "own":
        return f"here on {card.training['data']}"
    if card.source == "converted":
        return f"by {card.training['by']} on {card.training['data']}"
    return "elsewhere" if card.source in ("file", "code") else f"by {card.source}'s publisher"
