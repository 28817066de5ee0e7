"""Several networks on one picture: which class is meant, what their heatmaps have in common, what they cost."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from attention import analysis
from attention.analysis import agreement, evidence, faithfulness, predictions
from attention.analysis.evidence import Test
from attention.analysis.faithfulness import Faithfulness
from attention.kinds import KINDS
from attention.labels import default as default_labels
from attention.models.network import on_host
from attention.numbers import amount
from attention.observe import Observation, Picture, guarded
from attention.records import Box, Doubles, Floats, Gate, GatescopeError, Heatmap, ModelCard, Report

if TYPE_CHECKING:  # a page reads this before torch is loaded
    from attention.attribution import Method

GRID = (32, 32)
"""Where heatmaps of different grids and crops are compared."""
BUDGET = 0.4
"""Seconds of timing a network."""
FEWEST = 5
"""Passes of each, on a machine that is slower than that."""
TIMED = (
    f"Time is the shortest of the passes of one picture: the networks in turns, {BUDGET} s for each, measured once on "
    "this machine with whatever else it had to do. What holds elsewhere, if anything, is the ratio."
)


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
    """Seconds of one pass of the picture, as `pass_seconds` has it."""
    others: Sequence[Picture] = ()
    """Pictures of something else, whose gates and heatmaps this one's are ranked among."""

    @property
    def card(self) -> ModelCard:
        """The card of the network as it was loaded: with its labels, and with random weights where they are."""
        return self.observation.network.card

    @property
    def labels(self) -> tuple[str, ...]:
        """What a person calls the classes."""
        return self.observation.labels

    @property
    def probabilities(self) -> Doubles | None:
        """The probability of each class; None where the network gives no score for each class."""
        return self.observation.probabilities_or_none

    @property
    def probability(self) -> float | None:
        """The probability of the class that is asked about; None where it is not known."""
        return None if self.target is None or self.probabilities is None else float(self.probabilities[self.target])

    @property
    def speaks_for_class(self) -> bool:
        """Whether there is a heatmap, and a place of it that speaks for the class."""
        return self.heatmap is not None and self.heatmap.maximum > 0

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

    @property
    def averaged(self) -> list[Gate]:
        """The channel gates whose mean says something of the picture; a softmax's is one through its size."""
        return [gate for gate in self.channel if not analysis.deals_out(gate)]


def short_label(label: str) -> str:
    """A label's first name in lower case: what the libraries' lists of ImageNet's classes agree in."""
    return label.partition(",")[0].strip().lower()


def class_index(labels: Sequence[str], wanted: str) -> int | None:
    """Where a class stands in a network's labels; None where it has no such label, or more than one."""
    found = [index for index, label in enumerate(labels) if short_label(label) == short_label(wanted)]
    return found[0] if len(found) == 1 else None


def last_of_stages(gates: Sequence[Gate]) -> list[Gate]:
    """From spatial gates the last of each size, in depth order."""
    last = {gate.values.shape[1:]: gate for gate in gates}
    return [gate for gate in gates if gate is last[gate.values.shape[1:]]]


def mean_overlaps(columns: Sequence[Compared]) -> tuple[float, float] | None:
    """Mean overlap of the heatmaps' top fifths over the pairs of networks, and of each with a blob in the middle.

    Where the networks see different squares, of the part that both see. A map in which nothing speaks for the class has
    no top, and is left out; None for fewer than two others.
    """
    drawn = [(column, column.heatmap.values) for column in columns if column.heatmap and column.speaks_for_class]
    if len(drawn) < 2:
        return None
    pairs = [agreement.overlap(*_common_parts(one, other)) for (one, _), (other, _) in combinations(drawn, 2)]
    blob = agreement.centre_blob(GRID)
    middle = [agreement.overlap(blob, agreement.resampled(values, GRID)) for _, values in drawn]
    return float(np.mean(pairs)), float(np.mean(middle))


def agreements_of(observations: Sequence[Observation], targets: Sequence[int], report: Report) -> dict[str, Doubles]:
    """The rank correlation of each picture's heatmap (a row) with each picture's gate (a column), by spatial gate.

    The observations are of one network; `targets` has the class of each one's heatmap. A map that is the same
    everywhere agrees with nothing: 0. `report` is called with the passes done, three a picture, and all of them.
    """
    heatmaps: list[Floats] = []
    gates: dict[str, list[Floats]] = {}
    for number, (each, target) in enumerate(zip(observations, targets, strict=True)):
        report(3 * number, 3 * len(observations))
        heatmaps.append(each.heatmap(target).values)
        for gate in each.trace.gates:
            if KINDS[gate.kind].is_map:
                gates.setdefault(gate.name, []).append(gate.values[0])
    return {
        name: np.array([[agreement.agreement(one, heatmap).correlation or 0.0 for one in maps] for heatmap in heatmaps])
        for name, maps in gates.items()
    }


def heatmap_agreements(first: Compared, second: Compared, report: Report) -> Doubles:
    """The rank correlation of one network's heatmap of each picture (a row) with another's of each (a column).

    The picture at hand is the first, with the class that is asked about; the first network's `others` follow, each with
    the network's own first guess. Only what both networks see of a picture counts. `report` is called with the passes
    done, six for each of the others, and all of them.
    """
    maps = [_common_parts(first, second)]
    for number, picture in enumerate(first.others):
        report(6 * number, 6 * len(first.others))
        maps.append(_common_parts(_with_first_guess(first, picture), _with_first_guess(second, picture)))
    return np.array([[agreement.rank_correlation(row, column) or 0.0 for _, column in maps] for row, _ in maps])


def shifted_heatmaps(first: Compared, second: Compared) -> Doubles:
    """The same of this picture alone, the second network's heatmap shifted on its own grid in all ways but none."""
    (one, other), (window, other_window) = _maps_and_windows(first, second)
    fixed = agreement.resampled(one, GRID, window)
    moved = (agreement.resampled(each, GRID, other_window) for each in agreement.shifts(other))
    return np.array([agreement.rank_correlation(fixed, each) or 0.0 for each in moved])


def _common_parts(first: Compared, second: Compared) -> tuple[Doubles, Doubles]:
    """The heatmaps of two networks of one picture, of the part that both see, on one grid."""
    (one, other), (window, other_window) = _maps_and_windows(first, second)
    return agreement.resampled(one, GRID, window), agreement.resampled(other, GRID, other_window)


def _with_first_guess(column: Compared, picture: Picture) -> Compared:
    """The network on another picture, with the heatmap of its first guess."""
    seen = column.observation.of(picture)
    target = seen.first_target
    return replace(column, observation=seen, target=target, heatmap=seen.heatmap(target))


def _maps_and_windows(first: Compared, second: Compared) -> tuple[list[Floats], list[Box]]:
    """The heatmaps of two networks of one picture, and of each the part that both networks see, in shares of it."""
    assert first.heatmap is not None and second.heatmap is not None
    boxes = [first.observation.box, second.observation.box]
    part = agreement.intersection(*boxes)
    assert part is not None  # both hold the picture's centre
    return [first.heatmap.values, second.heatmap.values], [agreement.relative_box(part, box) for box in boxes]


class GateAgreement(NamedTuple):
    """A spatial gate, or another network's heatmap, against class heatmaps."""

    name: str
    here: Test
    """The picture at hand against the same gate for the others."""
    rank: int
    """Which number its gate is among all pictures' gates, the one that agrees most being the first."""
    over: Test
    """The mean over all pictures, against heatmaps that are given the gates of pictures drawn at random."""
    pictures: int


def agreement_tests(found: Mapping[str, Doubles]) -> list[GateAgreement]:
    """What `agreements_of` gives, tested: the picture at hand first. The p-values are Holm's over the gates."""
    draws = evidence.draws_for(len(found))
    here = evidence.tests([each[0, 0] for each in found.values()], [each[0, 1:] for each in found.values()])
    means = [float(each.diagonal().mean()) for each in found.values()]
    over = evidence.tests(means, [agreement.own_against_others(each, draws) for each in found.values()])
    ranks = [1 + int((each[0, 1:] > each[0, 0]).sum()) for each in found.values()]
    counts = [len(each) for each in found.values()]
    return [GateAgreement(*row) for row in zip(found, here, ranks, over, counts, strict=True)]


def card_notes(cards: Sequence[ModelCard]) -> list[str]:
    """What a person has to know before two networks' numbers are compared, a sentence each."""
    notes = []
    if random := [card.name for card in cards if card.random]:
        notes.append(f"{' and '.join(random)}: random weights, which have learned nothing.")
    origins = {card.name: str(card.training.get("by", "")).removeprefix("distillation from ") for card in cards}
    for card in cards:
        notes += [
            f"{other.name} is {card.title} with gates added, taught to answer as it does: that the two look alike is "
            "to be expected."
            for other in cards
            if origins[other.name] == card.title
        ]
    if all(card.source == "own" for card in cards):
        notes.append("All were trained by one recipe, with one seed each: a small difference may be chance.")
        return notes
    recipes = {card.name: _recipe(card) for card in cards}
    known = "; ".join(f"{name} {recipe}" for name, recipe in recipes.items() if recipe)
    known = f": {known}." * bool(known) or "."
    if unknown := [name for name, recipe in recipes.items() if not recipe]:
        notes.append(
            f"How {' and '.join(unknown)} {'were' if unknown[1:] else 'was'} trained is not known here, and may make "
            f"more of a difference than the gates do{known}"
        )
    else:
        notes.append(f"Their training recipes differ, and may make more of a difference than their gates do{known}")
    return notes


def class_notes(columns: Sequence[Compared]) -> list[str]:
    """What has to be known of the networks' classes before they are compared, a sentence each."""
    notes = []
    if without := [column.card.name for column in columns if column.probabilities is None]:
        notes.append(
            f"{' and '.join(without)}: no score for each class, so no class heatmap, no P and no best guesses; "
            "gates, size and time are compared all the same."
        )
    named = [column for column in columns if column.labels]
    unnamed = [column for column in named if tuple(column.labels) == default_labels(len(column.labels))]
    if unnamed and len(named) > 1:
        names = " and ".join(column.card.name for column in unnamed)
        notes.append(f"The classes of {names} have no names, so which of them the others know too cannot be told.")
    named = [column for column in named if column not in unnamed]
    known = [frozenset(map(short_label, column.labels)) for column in named]
    if len(set(known)) > 1:
        each = ", ".join(f"{len(column.labels):,} in {column.card.name}" for column in named)
        notes.append(
            f"They know different classes ({each}; {len(frozenset.intersection(*known)):,} in all of them): it is "
            "easier to be sure among few."
        )
    return notes


def without_mean(column: Compared) -> str:
    """How many of a network's channel gates have no mean to speak of, in a sentence; empty where all have one."""
    left_out = len(column.channel) - len(column.averaged)
    if not left_out:
        return ""
    which = f"Of {amount(len(column.channel), 'channel gate')} of {column.card.name}, {left_out} share"
    return f"{which}{'s' * (left_out == 1)} out 1 with any picture: the mean says nothing of this one."


def pass_seconds(observations: Sequence[Observation]) -> list[float]:
    """Seconds of each network's shortest pass of the picture; in turns, so that a busy machine slows all alike."""
    import torch

    timed = [(each.card, each.network.module, each.batch) for each in observations]
    shortest, turns, end = [float("inf")] * len(timed), 0, time.perf_counter() + BUDGET * len(timed)
    with torch.inference_mode():
        while turns < FEWEST or time.perf_counter() < end:
            for number, (card, module, batch) in enumerate(timed):
                start = time.perf_counter()
                with guarded(card):
                    on_host(module(batch))  # a pass on another device is over when its result is here
                shortest[number] = min(shortest[number], time.perf_counter() - start)
            turns += 1
    return shortest


def compare(
    observations: Sequence[Observation],
    label: str | None,
    *,
    methods: "Sequence[Method]" = (),
    others: Sequence[Picture] = (),
) -> list[Compared]:
    """Each network on the picture, one class for all: by its label, or the first guess of the first that has classes.
    Without a label, a network that does not know that class is asked about its own first guess.

    `methods` has one for each network, or one for all; Grad-CAM of the last block by default. `others` are pictures of
    something else. Raises ComparisonError where no network knows the label.
    """
    given: list[Method | None] = [*methods] or [None]
    chosen = given * len(observations) if len(given) == 1 else given
    compared: list[Compared] = []
    own_guess = label is None
    for observation, seconds, method in zip(observations, pass_seconds(observations), chosen, strict=True):
        target = None
        if observation.targets:
            target = None if label is None else class_index(observation.targets, label)
            target = observation.first_target if target is None and own_guess else target
        heatmap = None if target is None else observation.heatmap(target, method)
        compared.append(Compared(observation, target, heatmap, seconds, others))
        if label is None and target is not None:
            label = observation.targets[target]
    if label is not None and all(each.target is None for each in compared):
        raise ComparisonError(_unknown(label, compared))
    return compared


@dataclass(frozen=True, eq=False)
class MapTest:
    """What one map reaches by deletion and insertion, and what random maps like it reach."""

    curves: Faithfulness
    null: tuple[Faithfulness, ...] = ()


def passes_to_test(maps: int, draws: int, beside: int = 0) -> int:
    """How many pictures `test_maps` has the network look at, for so many maps."""
    # Two curves for each map, and a curve has both of its ends.
    return 2 * (faithfulness.STEPS + 1) * (maps * (1 + draws) + beside)


def test_maps(
    observation: Observation,
    target: int,
    maps: Mapping[str, Floats],
    beside: Mapping[str, Floats],
    *,
    baseline: str,
    draws: int,
    report: Report,
) -> dict[str, MapTest]:
    """Deletion and insertion of a class in the order of each map, with so many random maps like it, and in the order of
    those that stand `beside`, without.

    `report` is called with the passes done and all of them.
    """
    picture = observation.network.transform(observation.image).numpy()
    missing = faithfulness.blurred(picture) if baseline == "blur" else None
    total = passes_to_test(len(maps), draws, len(beside))
    done = 0

    def predict(pictures: Floats) -> Doubles:
        nonlocal done
        report(done, total)
        done += len(pictures)
        return probabilities_of(observation, pictures)[:, target]

    def curves(values: Floats) -> Faithfulness:
        return faithfulness.faithfulness(picture, values, predict, missing=missing)

    return {
        name: MapTest(curves(values), tuple(map(curves, faithfulness.random_maps(values, draws))))
        for name, values in maps.items()
    } | {name: MapTest(curves(values)) for name, values in beside.items()}


def probabilities_of(observation: Observation, pictures: Floats) -> Doubles:
    """The probability of every class, (N, classes), of pictures as the network sees them, (N, C, H, W)."""
    import torch

    with guarded(observation.card), torch.inference_mode():
        batch = observation.network.batch(torch.from_numpy(pictures))
        answers = predictions.logits(observation.network.module(batch), observation.outputs)
    return analysis.probabilities(answers, observation.outputs)


def _unknown(label: str, columns: Sequence[Compared]) -> str:
    known = next((column for column in columns if column.labels), None)
    if known is None:
        return f"None of these networks has classes, so none has {label!r}."
    examples = ", ".join(known.labels[:4])
    return f"None of these networks knows one class {label!r}; {known.card.name} knows {examples} and others."


def to_dict(columns: Sequence[Compared]) -> dict[str, Any]:
    """The comparison as plain numbers and lists, for a file."""
    found = mean_overlaps(columns)
    overlaps = {"pairs of heatmaps": found[0], "blob in the middle": found[1]} if found else None
    cards = [each.card for each in columns]
    return {
        "overlap of the top fifths": overlaps,
        "by chance": agreement.TOP,
        "notes": [*card_notes(cards), *class_notes(columns), *filter(None, map(without_mean, columns))],
        "time": TIMED,
        "heatmaps against heatmaps": list(_heatmaps_to_dict(columns)),
        "networks": [_to_dict(each) for each in columns],
    }


def _heatmaps_to_dict(columns: Sequence[Compared]) -> Iterator[dict[str, Any]]:
    """The first network's heatmaps against each other's, where there are other pictures to hold them against."""
    drawn = [column for column in columns if column.heatmap and column.others]
    for first, second in ((drawn[0], other) for other in drawn[1:]):
        found = {second.card.name: heatmap_agreements(first, second, lambda done, total: None)}
        (agreed,) = map(_agreement_to_dict, agreement_tests(found))
        agreed["here"]["shifted"] = list(evidence.null_range(shifted_heatmaps(first, second)))
        yield {"networks": [first.card.name, second.card.name]} | agreed


def _to_dict(column: Compared) -> dict[str, Any]:
    target, heatmap, found = column.target, column.heatmap, column.probabilities
    tested: dict[str, GateAgreement] = {}
    if target is not None and column.others and column.spatial:
        every = [column.observation, *map(column.observation.of, column.others)]
        targets = [target, *(each.first_target for each in every[1:])]
        agreements = agreements_of(every, targets, lambda done, total: None)
        tested = {each.name: each for each in agreement_tests(agreements)}
    return {
        "name": column.card.name,
        "random weights": column.card.random,
        "parameters": column.card.parameters,
        "MACs": column.macs,
        "seconds": column.seconds,
        "top classes": None if found is None else [list(each) for each in analysis.top(found, column.labels)],
        "class": None if target is None else column.observation.targets[target],
        "probability": column.probability,
        "heatmap": heatmap and {**asdict(heatmap), "values": heatmap.values.tolist()},
        "channel gates": {gate.name: float(gate.values.mean()) for gate in column.averaged},
        "spatial gates": [_gate_to_dict(gate, column, tested) for gate in column.spatial],
        "blob in the middle": heatmap and asdict(agreement.agreement(agreement.centre_blob(GRID), heatmap.values)),
    }


def _gate_to_dict(gate: Gate, column: Compared, tested: Mapping[str, GateAgreement]) -> dict[str, Any]:
    found = {
        "name": gate.name,
        "minimum": gate.minimum,
        "maximum": gate.maximum,
        "nearly constant": analysis.map_stats(gate.values[0]).nearly_constant,
    }
    if column.heatmap:
        found["agreement"] = asdict(agreement.agreement(gate.values[0], column.heatmap.values))
    if gate.name in tested:
        found["rank correlation"] = _agreement_to_dict(tested[gate.name])
    return found


def _agreement_to_dict(found: GateAgreement) -> dict[str, Any]:
    return {
        "here": asdict(found.here) | {"rank": found.rank},
        "mean over pictures": asdict(found.over),
        "pictures": found.pictures,
    }


def _recipe(card: ModelCard) -> str:
    """By whom and on what a network was trained; empty where that is not known here."""
    if card.random:
        return "is not trained"
    if card.source == "own":
        return f"here on {card.training['data']}"
    if card.source == "converted":
        return f"by {card.training['by']} on {card.training['data']}"
    return "" if card.source in ("file", "code") else f"by {card.source}'s publisher"
