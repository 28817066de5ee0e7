"""The report of a survey: what every gate does over a whole folder of pictures, and whether it does anything."""

from collections.abc import Iterator, Sequence

import numpy as np

from attention import analysis
from attention.charts import surveys as figures
from attention.charts.chart import Chart, Columns
from attention.charts.network import plain
from attention.charts.numbers import number
from attention.report.document import Document, Section, Table
from attention.report.provenance import RANDOM, facts_table, flat
from attention.survey import GateSurvey, Result, statistics
from attention.survey.statistics import class_names, evenly_spaced, last_of_stages, mean_over_classes

MOST_CLASSES = 5
"""Lines in one panel."""
MOST_POINTS = 256
"""Of a line."""
MOST_MAPS = 12
ROLE = (
    "One line a class, dashed the mean over all classes; the band is one standard deviation within the class. The "
    "last gate of each run of gates with equally many channels stands for its stage "
    "(J. Hu et al., arXiv 1709.01507, section 7.2)."
)
SELECTIVITY = (
    "(highest − others) / (highest + others) of the class means of each channel, others being the mean of all classes "
    "but the highest (A. S. Morcos et al., arXiv 1803.06959, 2.3); grey: the classes shuffled once among the pictures."
)
HEALTH = (
    "Low and high: share of all values below 0.05, and of 0.95 and above. Dead: channels that are low for every "
    "picture. Open: channels that are high for every picture. Constant: channels whose standard deviation over the "
    "pictures is below 0.02, which the weights could take in. Deviation and entropy (bits) are means over the channels."
)


def surveyed(result: Result) -> Document:
    """The report of a survey."""
    by_channel = [gate for gate in result.gates if gate.by_channel]
    names = dict(zip(result.gates, _short(result.gates), strict=True))
    return Document(
        f"What do the gates of {result.provenance['network']['title']} do over {result.pictures:,} pictures?",
        _answer(result),
        _warnings(result),
        [
            _classes(result),
            *_role(result, by_channel, names),
            *_selectivity(by_channel, names),
            *_health(result.gates, names),
            *_maps(result, names),
            *_failures(result),
            _origin(result),
        ],
    )


def _short(gates: Sequence[GateSurvey]) -> list[str]:
    return analysis.short_names([gate.name for gate in gates]) if gates else []


def _answer(result: Result) -> str:
    if not result.gates:
        return "This network applied no gates."
    checked = [statistics.gate_health(gate) for gate in result.gates]
    constant = sum(health.constant * np.prod(gate.shape) for health, gate in zip(checked, result.gates, strict=True))
    whole = sum(np.prod(gate.shape) for gate in result.gates)
    most = max(range(len(checked)), key=lambda place: checked[place].deviation)
    return (
        f"{constant / whole:.0%} of the {whole:,} channels and places of {len(result.gates)} gates are constant over "
        f"the pictures; {result.gates[most].name} varies most, by {number(checked[most].deviation)} on average."
    )


def _warnings(result: Result) -> list[str]:
    found = [RANDOM] * bool(result.provenance["network"]["random"])
    if result.failures:
        whole = result.provenance["pictures"]["count"]
        found.append(f"{len(result.failures):,} of {whole:,} pictures could not be used; they are named below.")
    return found


def _classes(result: Result) -> Section:
    counts, rights = (np.zeros(len(result.classes), np.int64) for _ in range(2))
    for place, output, count in result.predictions:
        counts[place] += count
        rights[place] += count * bool(output == result.outputs[place])
    known = np.array(result.outputs) >= 0
    accuracy = [
        right / count if count and knows else None for right, count, knows in zip(rights, counts, known, strict=True)
    ]
    columns: Columns = {
        "class": class_names(result),
        "folder": result.classes,
        "pictures": counts.tolist(),
        "top-1": accuracy,
    }
    correct = "its classes are not the network's" if result.accuracy is None else f"top-1 {result.accuracy:.2%}"
    text = f"{result.pictures:,} pictures were used, in {len(result.classes):,} classes; {correct}."
    return Section("Which pictures?", [text, Table("classes", "Every class", columns, open=True)])


def _chosen(result: Result) -> list[int]:
    """Classes that have pictures, spread evenly over all of them."""
    counts = np.bincount(result.predictions[:, 0], result.predictions[:, 2], len(result.classes))
    used = np.flatnonzero(counts)
    return used[evenly_spaced(len(used), MOST_CLASSES)].tolist()


def _role(result: Result, gates: Sequence[GateSurvey], names: dict[GateSurvey, str]) -> Iterator[Section]:
    chosen, called = _chosen(result), class_names(result)
    if not gates or not chosen:
        return
    shown = [gates[place] for place in last_of_stages(gates)]
    panels = [_panel(gate, names[gate], chosen) for gate in shown]
    words = [f"{plain(called[number])}, n = {shown[0].classes.count[number]:,}" for number in chosen]
    figure = figures.excitation_role(panels, words, band=True, own_scale=False)
    apart = [float(np.ptp(gate.classes.mean[chosen], axis=0).mean()) for gate in shown]
    most = shown[int(np.argmax(apart))]
    alt = (
        f"Class means of {len(shown)} gates over their channels; the classes lie furthest apart in {most.name}, by "
        f"{number(max(apart))} on average over its channels."
    )
    columns: Columns = _table(result, shown)
    yield Section(
        "What is the role of excitation?",
        [alt, Chart("role", figure, alt, ROLE), Table("class-means", "Every class and channel", columns)],
    )


def _panel(gate: GateSurvey, name: str, chosen: list[int]) -> figures.RolePanel:
    places = evenly_spaced(gate.shape[0], MOST_POINTS)
    part = np.ix_(np.array(chosen), places)
    average = mean_over_classes(gate)[places]
    return figures.RolePanel(name, places, gate.classes.mean[part], gate.classes.std[part], average, None)


def _table(result: Result, gates: Sequence[GateSurvey]) -> Columns:
    """Every class and channel of the gates."""
    called = class_names(result)
    rows = [
        (gate.name, called[number], channel, int(gate.classes.count[number]), *numbers)
        for gate in gates
        for number in np.flatnonzero(gate.classes.count)
        for channel, numbers in enumerate(
            zip(gate.classes.mean[number].tolist(), gate.classes.std[number].tolist(), strict=True)
        )
    ]
    heads = ("gate", "class", "channel", "n", "mean", "standard deviation")
    return dict(zip(heads, map(list, zip(*rows, strict=True)), strict=True))


def _selectivity(gates: Sequence[GateSurvey], names: dict[GateSurvey, str]) -> Iterator[Section]:
    found = [statistics.class_selectivity(gate) for gate in gates]
    if not any(np.isfinite(each.index).any() for each in found):
        return
    pairs = [figures.MeasuredIndex(each.index, each.shuffled) for each in found]
    figure = figures.index_boxes([names[gate] for gate in gates], pairs, -1, "class selectivity")
    index, shuffled = ([float(np.nanmean(getattr(each, side))) for each in found] for side in ("index", "shuffled"))
    most = int(np.nanargmax(index))
    alt = (
        f"{gates[most].name} is the most selective gate: {number(index[most])} on average over its "
        f"{gates[most].shape[0]} channels, {number(shuffled[most])} by chance."
    )
    shares = [float(np.nanmean(statistics.share_between(gate).index)) for gate in gates]
    columns: Columns = {
        "gate": [gate.name for gate in gates],
        "channels": [gate.shape[0] for gate in gates],
        "class selectivity": index,
        "the same of shuffled classes": shuffled,
        "share of the variance between classes": shares,
    }
    yield Section(
        "Which gates tell classes apart?",
        [
            alt,
            Chart("selectivity-figure", figure, alt, SELECTIVITY),
            Table("selectivity", "Means over the channels", columns),
        ],
    )


def _health(gates: Sequence[GateSurvey], names: dict[GateSurvey, str]) -> Iterator[Section]:
    if not gates:
        return
    found = [statistics.gate_health(gate) for gate in gates]
    rows = [
        figures.GateNumbers("values below 0.05", [each.low for each in found], 1.0),
        figures.GateNumbers("values of 0.95 and above", [each.high for each in found], 1.0),
        figures.GateNumbers("constant channels or places", [each.constant for each in found], 1.0),
        figures.GateNumbers("standard deviation over the pictures", [each.deviation for each in found]),
    ]
    figure = figures.gate_bars([names[gate] for gate in gates], rows, -1)
    idle = max(range(len(found)), key=lambda place: found[place].constant)
    alt = f"{found[idle].constant:.0%} of {gates[idle].name} is constant over the pictures, the most of all gates."
    facts = {name: [getattr(each, name) for each in found] for name in vars(found[0])}
    columns: Columns = {
        "gate": facts.pop("name"),
        "kind": facts.pop("kind"),
        "averaged over": [gate.averaged or "nothing" for gate in gates],
        "minimum": [float(gate.overall.minimum.min()) for gate in gates],
        "mean": [float(gate.overall.mean.mean()) for gate in gates],
        "maximum": [float(gate.overall.maximum.max()) for gate in gates],
        **facts,
    }
    yield Section(
        "Does each gate do anything?",
        [alt, Chart("health-figure", figure, alt, HEALTH), Table("health", "Every gate", columns)],
    )


def _maps(result: Result, names: dict[GateSurvey, str]) -> Iterator[Section]:
    gates = [gate for gate in result.gates if len(gate.shape) == 2 and not gate.by_channel]
    if not gates or not result.pictures:
        return
    shown = [gates[place] for place in evenly_spaced(len(gates), MOST_MAPS)]
    figure = figures.map_grid([figures.gate_map(names[gate], gate.overall.mean) for gate in shown])
    widest = max(shown, key=lambda gate: float(np.ptp(gate.overall.mean)))
    alt = (
        f"Of the mean maps of {len(shown)} of {len(gates)} spatial gates, that of {widest.name} differs most from "
        f"place to place: {number(float(widest.overall.mean.min()))} to {number(float(widest.overall.mean.max()))}."
    )
    caption = f"Means over {result.pictures:,} pictures on the scale of 0 to 1, each with its own minimum and maximum."
    yield Section("Where do the spatial gates look?", [alt, Chart("maps", figure, alt, caption)])


def _failures(result: Result) -> Iterator[Section]:
    if result.failures:
        columns: Columns = {
            "picture": [each.path for each in result.failures],
            "reason": [each.reason for each in result.failures],
        }
        title = f"{len(result.failures):,} pictures that could not be used"
        yield Section("What went wrong?", [Table("failures", title, columns, open=True)])


def _origin(result: Result) -> Section:
    return Section("What does this rest on?", [facts_table(flat(result.provenance))])
