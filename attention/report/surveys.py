"""The report of a survey: what every gate does over a whole folder of pictures, and whether it does anything."""

from collections.abc import Iterator

import numpy as np

from attention.charts import surveys
from attention.charts.chart import Columns, by_row
from attention.charts.surveys import Selection
from attention.numbers import amount, number
from attention.report.document import Document, Item, Section, Table, flatten, origin
from attention.survey import GateSurvey, LoadedSurvey, Result
from attention.survey.statistics import INDICES, evenly_spaced

MOST_CLASSES = 5
"""Lines in one panel."""
MOST_POINTS = 256
"""Channels of one panel."""


def survey_report(survey: LoadedSurvey) -> Document:
    """The report of a survey: the charts of its page, with no block selected and classes spread evenly over all."""
    result = survey.result
    used = survey.distinct_classes
    selection = Selection(survey, classes=tuple(used[evenly_spaced(len(used), MOST_CLASSES)].tolist()))
    return Document(
        f"What do the gates of {survey.title} do over {amount(result.pictures, 'picture')}?",
        _answer(survey),
        list(survey.warnings("they are named below")),
        [_classes(survey), *_charts(selection), *_failures(result), origin(flatten(result.provenance))],
        survey.title,
    )


def _charts(selection: Selection) -> Iterator[Section]:
    """Nothing of gates that are not there."""
    survey = selection.survey
    if not survey.gates or not survey.result.pictures:
        return
    if blocks := surveys.role_blocks(selection):
        gates = [gate for block in blocks if (gate := survey.blocks[block].channel)]
        every = Table("class-means", "Every class and channel", _class_means(survey, gates))
        items: list[Item] = [surveys.role(selection, most=MOST_POINTS, band=True), every]
        yield Section("What is the role of excitation?", items)
    if charts := [chart for index in INDICES if (chart := surveys.selectivity(selection, index))]:
        yield Section("Which gates tell classes apart?", charts)
    yield Section("Does each gate do anything?", [surveys.health(selection)])
    if maps := surveys.maps_by_depth(survey):
        yield Section("Where are the spatial gates open?", [maps])
    if charts := surveys.correctness(selection):
        yield Section("Do gates differ where the network is wrong?", charts)


def _answer(survey: LoadedSurvey) -> str:
    if not survey.gates:
        return "This network applied no gates that stand for channels or for the places of a picture."
    sizes = {gate.name: int(np.prod(gate.shape)) for gate in survey.gates}
    if survey.result.pictures < 2:
        return surveys.TOO_FEW
    health, whole = survey.health(), sum(sizes.values())
    constant = sum(each.constant * sizes[name] for name, each in health.items())
    most = max(health.values(), key=lambda each: each.deviation)
    return (
        f"{constant / whole:.0%} of the {whole:,} channels and places of {amount(len(sizes), 'gate')} are constant "
        f"over the pictures; {most.name} varies most, by {number(most.deviation)} on average."
    )


def _classes(survey: LoadedSurvey) -> Section:
    result = survey.result
    columns: Columns = {
        "class": survey.names,
        "folder": result.classes,
        "pictures": survey.counts.tolist(),
        "top-1": [right / (right + wrong) if right + wrong else None for right, wrong in result.right_and_wrong],
    }
    correct = "its classes are not the network's" if result.accuracy is None else f"top-1 {result.accuracy:.2%}"
    used = amount(result.pictures, "picture was", "pictures were")
    text = f"{used} used, in {amount(len(result.classes), 'class', 'classes')}; {correct}."
    return Section("Which pictures?", [text, Table("classes", "Every class", columns, open=True)])


def _class_means(survey: LoadedSurvey, gates: list[GateSurvey]) -> Columns:
    """Every class and channel of the gates."""
    rows = [
        (gate.name, survey.names[label], channel, int(gate.classes.count[label]), *numbers)
        for gate in gates
        for label in np.flatnonzero(gate.classes.count)
        for channel, numbers in enumerate(
            zip(gate.classes.mean[label].tolist(), gate.classes.std[label].tolist(), strict=True)
        )
    ]
    heads = ("gate", "class", "channel", "n", "mean", "standard deviation")
    return by_row(heads, rows)


def _failures(result: Result) -> Iterator[Section]:
    if result.failures:
        columns: Columns = {
            "picture": [each.path for each in result.failures],
            "reason": [each.reason for each in result.failures],
        }
        title = f"{amount(len(result.failures), 'picture')} that could not be used"
        yield Section("What went wrong?", [Table("failures", title, columns, open=True)])
