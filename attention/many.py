"""What holds over many pictures: one number a picture and block or gate, with its median, interval and signs.

Pictures are measured one after another, so a run can be stopped and gone on with; each number is one of its picture
alone, or against what is usual, so that the pictures count alike (rule 4 of docs/evidence.md: one is an example).
"""

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import Any, Literal

import numpy as np

from attention import comparison, images, interventions
from attention.analysis import agreement, evidence
from attention.analysis.evidence import OverPictures
from attention.files import reason_of
from attention.interventions import Given
from attention.kinds import SPATIAL
from attention.numbers import signed
from attention.observe import Observation, picture_of, read_picture
from attention.records import Floats, GatescopeError
from attention.survey import PictureList

Name = Literal["ablation", "agreement", "deletion"]
Off = Literal["neutral", "mean"]


@dataclass(frozen=True)
class Measure:
    """One number of a picture, and what is said of its median."""

    title: str
    """What the page calls it."""
    explained: str
    """What the number of a picture is; `{measure}` is what the network returns for a class."""
    begins: str
    """How the sentence of a row begins; `{row}` is a block or a gate."""


MEASURES: dict[Name, Measure] = {
    "ablation": Measure(
        "Each block off",
        "How far the {measure} of the network's first guess moves when all gates of a block are switched off.",
        "without {row} the {measure} of the first guess moves by",
    ),
    "agreement": Measure(
        "Gates against heatmaps",
        "The rank correlation of a spatial gate with the class heatmap (Grad-CAM of the last block, of the first "
        "guess) less that of the usual gate, its mean over the samples, with the same heatmap.",
        "{row} agrees with its picture's heatmap more than the usual gate does by",
    ),
    "deletion": Measure(
        "Deletion and insertion",
        "How much better the class heatmap (Grad-CAM of the last block, of the first guess) is than another map: by "
        "deletion the area under the curve that it is lower, by insertion that it is higher; what is missing is the "
        "mean colour. The other maps are a blob in the middle and the heatmap of another picture, a sample.",
        "the heatmap is better {row} by",
    ),
}
MEAN = "mean colour"
PictureRow = dict[str, Any]
"""`picture` and, where it could be measured, `class`, `probability` and `change`: a number by row; else `error`."""


def check(first: Observation, measure: Name) -> None:
    """Raises GatescopeError where the network, here on any picture, has nothing to measure."""
    _ = first.probabilities  # raises where the network has no classes
    if (measure == "ablation" and not first.blocks) or (measure == "agreement" and not _maps(first)):
        lacks = "applies no gates" if measure == "ablation" else "has no spatial gates"
        raise GatescopeError(f"{first.card.name} {lacks}; choose a network that does, such as cbam.")


def measure_pictures(
    first: Observation, pictures: PictureList, measure: Name, *, off: Off = "neutral", start: int = 0, cancel: Event
) -> Iterator[PictureRow]:
    """The pictures from number `start` on, one by one; ends early where `cancel` is set.

    `first` is the network on any picture, `off` what "off" means.
    """
    measured = _measure_function(first, measure, off)
    for number in range(start, len(pictures)):
        if cancel.is_set():
            return
        path = pictures.paths[number]
        try:
            one = first.of(picture_of(path, pictures.read(number)))
            target = int(one.probabilities.argmax())
            change = measured(one, target)
        except (OSError, zipfile.BadZipFile, GatescopeError) as error:
            yield {"picture": path, "error": reason_of(error)}
            continue
        yield {"picture": path, "class": one.labels[target], "probability": one.probabilities[target], "change": change}


def summarise(measured: Iterable[PictureRow]) -> dict[str, OverPictures]:
    """What holds over the pictures that have a row, by row, in the order of the first picture."""
    values: dict[str, list[float]] = {}
    for each in measured:
        for row, value in each.get("change", {}).items():
            values.setdefault(row, []).append(value)
    return {row: evidence.over_pictures(each) for row, each in values.items()}


def in_words(measure: Name, row: str, found: OverPictures, output: str) -> str:
    """What one row comes to, in a sentence; `output` is what the network returns for a class."""
    begins = MEASURES[measure].begins.format(row=row, measure=output)
    summary = f"{signed(found.median)} in the median ({found.interval})"
    return f"{begins} {summary}, the same sign in {found.alike} of {found.count}"


def _measure_function(first: Observation, measure: Name, off: Off) -> Callable[[Observation, int], dict[str, float]]:
    """What measures one picture and class."""
    if measure == "agreement":
        return _agreement
    samples = [read_picture(sample.path) for sample in images.samples()]
    if measure == "deletion":
        return partial(_deletion, others=[first.of(sample) for sample in samples[:2]])
    names = tuple(picture.name for picture in samples) if off == "mean" else ()
    given = {names: interventions.mean_gates([first.of(sample).trace for sample in samples])} if names else {}
    return partial(_ablation, names=names, given=given)


def _ablation(one: Observation, target: int, *, names: Sequence[str], given: Given) -> dict[str, float]:
    edits = [interventions.block_off(block.name, names) for block in one.blocks]
    functions = [interventions.applied([edit], one.trace.gates, given) for edit in edits]
    changes = interventions.changes(interventions.passes_of(one), functions)
    return {edit.block: float(change[target]) for edit, change in zip(edits, changes, strict=True)}


def _maps(one: Observation) -> dict[str, Floats]:
    """The spatial gates by the name of their block."""
    return {block.name: block.spatial.values[0] for block in one.blocks if block.spatial}


def _agreement(one: Observation, target: int) -> dict[str, float]:
    """A map that is the same everywhere agrees with nothing: 0."""
    heatmap, found = one.heatmap(target).values, one.against_usual

    def agree(values: Floats) -> float:
        return agreement.agreement(values, heatmap).correlation or 0.0

    return {
        block: agree(values) - agree(found[block, SPATIAL].usual.astype(np.float32))
        for block, values in _maps(one).items()
        if (block, SPATIAL) in found
    }


def _deletion(one: Observation, target: int, *, others: Sequence[Observation]) -> dict[str, float]:
    """`others` are of two samples: the heatmap of one that is another picture stands beside."""
    heatmap, other = one.heatmap(target).values, next(each for each in others if each.picture.key != one.picture.key)
    beside = {"a blob in the middle": agreement.centre_blob(heatmap.shape)}
    beside["that of another picture"] = other.heatmap(int(other.probabilities.argmax())).values
    how: dict[str, Any] = {"baseline": MEAN, "draws": 0, "report": lambda done, total: None}
    tested = comparison.test_maps(one, target, {"heatmap": heatmap}, beside, **how)
    deleted, inserted = tested.pop("heatmap").curves.areas
    better: dict[str, float] = {}
    for name, each in tested.items():
        lower, higher = each.curves.areas
        better |= {f"than {name} by deletion": lower - deleted, f"than {name} by insertion": inserted - higher}
    return better
