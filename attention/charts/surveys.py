"""The charts of a survey: made once, shown on its page and held by its report."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attention import analysis
from attention.analysis.health import CONSTANT, HIGH, LOW
from attention.charts import survey_figures as figures
from attention.charts.chart import Chart, Columns, by_map, by_place, by_row
from attention.numbers import amount, extent, fixed, signed
from attention.records import Doubles
from attention.survey import statistics
from attention.survey.loaded import LoadedSurvey
from attention.survey.result import BINS, GateSurvey
from attention.survey.statistics import SHARE

MOST_PANELS = 8
MOST_CHANNELS = 24
"""Channels of one gate that are drawn for correct and for wrong predictions."""
MOST_CLASSES = 24
"""Classes of one channel that are drawn; of more, half of that number of the highest and of the lowest."""
MOST_MAPS = 12
CLEARLY = 0.1
"""A correlation that is nearer to 0 is said to be none."""
TOO_FEW = "Fewer than two pictures say nothing of what changes from picture to picture."
FEW = 10
"""Pictures of a class below which its mean is hardly known."""


@dataclass(frozen=True, eq=False)
class Selection:
    """What of a survey is looked at: a block, a channel and some classes, the same in all charts."""

    survey: LoadedSurvey
    block: str = ""
    """Empty where none is selected."""
    channel: int | None = None
    """None where the block has no gate by channel."""
    classes: tuple[int, ...] = ()

    @property
    def gate(self) -> GateSurvey | None:
        """The block's gate by channel."""
        return self.survey.blocks[self.block].channel if self.block else None

    @property
    def spatial(self) -> GateSurvey | None:
        """The block's map."""
        return self.survey.blocks[self.block].spatial if self.block else None

    @property
    def block_name(self) -> str:
        """What the block is called for short."""
        return self.survey.block_names[self.block]

    @property
    def called(self) -> str:
        """The same where it begins a sentence."""
        return analysis.block_called(self.block_name, first=True)

    @property
    def gate_number(self) -> int:
        """The number of the block's first gate among all gates, in depth order; -1 where no block is selected."""
        first = self.gate or self.spatial
        return next((number for number, gate in enumerate(self.survey.gates) if gate is first), -1)

    @property
    def class_names(self) -> list[str]:
        """The names of the classes that are selected."""
        return [self.survey.names[number] for number in self.classes]

    @property
    def n(self) -> str:
        """How many pictures each of them has."""
        counted = zip(self.class_names, self.classes, strict=True)
        return "; ".join(f"{name} n = {self.survey.counts[number]:,}" for name, number in counted)

    @property
    def pictures(self) -> int:
        """How many pictures the survey used."""
        return self.survey.result.pictures


def role_blocks(selection: Selection, *, few: bool = False) -> list[str]:
    """The blocks of the panels of `role`, in depth order: the last of each stage, and the one that is selected; of
    `few` the first of these, and the selected one."""
    gates = {name: block.channel for name, block in selection.survey.blocks.items() if block.channel}
    names = list(gates)
    wanted = {names[index] for index in statistics.last_of_stages(list(gates.values()))[-MOST_PANELS:]}
    wanted |= {selection.block} & set(names)
    in_order = [name for name in names if name in wanted]
    chosen = [selection.block] if selection.block in in_order else in_order[-1:]
    return list(dict.fromkeys(in_order[:1] + chosen)) if few else in_order


def role(
    selection: Selection, *, most: int = 50, own_scale: bool = False, band: bool = False, few: bool = False
) -> Chart:
    """The role of excitation: what each class makes of at most so many channels, a panel for each of `role_blocks`.

    `customdata` of a point is (panel, channel). Raises ValueError where no block has a gate by channel.
    """
    blocks = role_blocks(selection, few=few)
    panels = [_role_panel(selection, block, most) for block in blocks]
    headline = _role_headline(selection, blocks)
    classes = len(selection.survey.distinct_classes)
    caption = f"Dashed: the mean gate of all pictures, n = {selection.pictures:,}. "
    if classes:
        caption = (
            f"Mean gate of the pictures of a class: {selection.n or 'no class is chosen'}; dashed, all: the mean over "
            f"the {classes:,} classes, n = {selection.pictures:,}. What the class explains is the share of a channel's "
            "variance over the pictures that lies between the classes, in the mean over the channels. The standard "
            f"deviation{', the band,' if band else ''} is that within a class. "
        )
    caption += (
        "Channels are spread evenly over all of a gate. The panels are the last block of each stage, a run of gates "
        f"with equally many channels{', and the selected block' if selection.block else ''}. After figure 6 of arXiv "
        "1709.01507."
    )
    figure = figures.excitation_role(panels, selection.class_names, band=band, own_scale=own_scale)
    table = _role_table(selection, dict(zip(blocks, panels, strict=True)))
    return Chart("role", figure, headline, caption, headline, table)


def _role_gate(selection: Selection, block: str) -> GateSurvey:
    gate = selection.survey.blocks[block].channel
    assert gate is not None
    return gate


def _role_panel(selection: Selection, block: str, most: int) -> figures.RolePanel:
    gate = _role_gate(selection, block)
    channels = statistics.evenly_spaced(gate.shape[0], most)
    part = np.ix_(np.array(selection.classes, np.int64), channels)
    return figures.RolePanel(
        title=f"Block {selection.survey.block_names[block]}, {len(channels)} of {gate.shape[0]:,} channels",
        channels=channels,
        means=gate.classes.mean[part],
        deviations=gate.classes.std[part],
        average=statistics.mean_over_classes(gate)[channels],
        chosen=selection.channel if block == selection.block else None,
    )


def _role_headline(selection: Selection, blocks: Sequence[str]) -> str:
    shares = []
    for block in blocks:
        share = selection.survey.selectivity(SHARE)[_role_gate(selection, block).name]
        if np.isfinite(share.index).any():
            name = analysis.block_called(selection.survey.block_names[block])
            shares.append((name, float(np.nanmean(share.index))))
    if not shares and len(selection.survey.distinct_classes):
        return "No class has a second picture here, or no gate varies, so nothing can be said of classes."
    if not shares:
        return "All pictures are of one class here, so nothing can be said of classes."
    most, least = (by(shares, key=lambda share: share[1]) for by in (max, min))
    bound = statistics.share_bound(selection.survey.gates[0], len(shares))
    if most[1] <= bound:
        return (
            f"The class of a picture explains no more of the gates than chance: at most {most[1]:.1%}, in {most[0]}; "
            f"by chance up to {bound:.1%} in 95% of surveys."
        )
    elsewhere = f", the least in {least[0]}, {least[1]:.1%}" if len(shares) > 1 else ""
    return (
        f"The class of a picture explains {most[1]:.1%} of how the gates of {most[0]} vary{elsewhere}; by chance up to "
        f"{bound:.1%} in 95% of surveys."
    )


def _role_table(selection: Selection, panels: dict[str, figures.RolePanel]) -> Columns:
    """A row for each class, channel and block of the figure."""
    rows: list[tuple[object, ...]] = []
    for block, panel in panels.items():
        channels = panel.channels.tolist()
        for number, name in enumerate(selection.class_names):
            values = zip(channels, panel.means[number].tolist(), panel.deviations[number].tolist(), strict=True)
            rows += [(block, name, *value) for value in values]
        rows += [(block, "all", *value, None) for value in zip(channels, panel.average.tolist(), strict=True)]
    return by_row(("block", "class", "channel", "mean", "std"), rows)


def selectivity(selection: Selection, index: str = SHARE) -> Chart | None:
    """One of the `INDICES` of every gate's channels or places, and what it comes to with shuffled classes.

    None where it says nothing of any gate. The x of a dot is nearest to the number of its gate.
    """
    survey = selection.survey
    indices = list(survey.selectivity(index).values())
    measured, null = [_mean(each.index) for each in indices], [_mean(each.shuffled) for each in indices]
    known = [place for place, value in enumerate(measured) if np.isfinite(value)]
    if not known:
        return None
    most, least = (end(known, key=lambda place: measured[place]) for end in (max, min))
    names = survey.gate_names
    highest = f"{fixed(measured[most])} in the mean over its channels or places"
    found = f"Gate {names[most]} is the most class-specific, {highest}, and gate {names[least]} the least, "
    found += fixed(measured[least])
    if len(known) == 1:
        found = f"Gate {names[most]}, the only one with this index, comes to {highest}"
    shares = [_mean(each.index) for each in survey.selectivity(SHARE).values()]
    share, bound = max(filter(np.isfinite, shares), default=0.0), statistics.share_bound(survey.gates[0], len(known))
    if share <= bound:
        found = (
            f"No gate is more class-specific than by chance, which gives the highest of {amount(len(known), 'gate')} a "
            f"share between classes of up to {fixed(bound)} in 95% of surveys; gate {names[most]} is the highest here, "
            f"{highest}"
        )
    elif index == SHARE:
        found += f"; by chance up to {fixed(bound)} in 95% of surveys"
    headline = f"{found}; with the classes shuffled once the highest is {fixed(max(null[place] for place in known))}."
    caption = (
        f"{index}. A box holds the middle half of a gate's channels or places, its dot and line are the median, its "
        f"whiskers are the ends; grey with the classes shuffled once among the pictures. n = {selection.pictures:,} "
        "pictures."
    )
    if (fewest := statistics.fewest_of_a_class(survey.gates[0])) < FEW:
        caption += f" The smallest class has {amount(fewest, 'picture')}: below {FEW}, its mean is hardly known."
    columns = {"mean": measured, **analysis.five_numbers([each.index for each in indices]), "mean, shuffled": null}
    shuffled = analysis.five_numbers([each.shuffled for each in indices])
    columns |= {f"{name}, shuffled": each for name, each in shuffled.items()}
    figure = figures.index_boxes(names, indices, selection.gate_number, index.lower())
    table: Columns = {"gate": [gate.name for gate in survey.gates], **columns}
    return Chart(statistics.INDICES[index].key, figure, headline, caption, headline, table)


def health(selection: Selection, *, few: bool = False) -> Chart:
    """What share of each gate is saturated, dead or constant, and how much it says; the x of a bar is its gate.

    Of `few`, the shares that are saturated and constant.
    """
    survey = selection.survey
    checked = list(survey.health().values())
    rows = [
        (f"share of values below {LOW}", "low", 1.0),
        (f"share of values of {HIGH} and above", "high", 1.0),
        (f"share that is dead: never reaches {LOW}", "dead", 1.0),
        (f"share that is open: never falls below {HIGH}", "open", 1.0),
        (f"share that is constant: deviation below {CONSTANT}", "constant", 1.0),
        ("standard deviation over the pictures, mean", "deviation", 0.0),
        ("entropy over the pictures in bits, mean", "entropy", 0.0),
    ]
    drawn = [row for row in rows if row[1] in ("low", "high", "constant")] if few else rows
    numbers = [figures.GateNumbers(title, [getattr(each, name) for each in checked], top) for title, name, top in drawn]
    headline = _health_headline(survey)
    caption = (
        f"Each bar is one gate over n = {amount(selection.pictures, 'picture')}: shares of its channels or places, and "
        "means over them; entropy in bins of 0.05. A constant channel does the same to every picture: that need not "
        "mean that the network can do without its factor."
    )
    table: dict[str, list[object]] = {
        "gate": [gate.name for gate in survey.gates],
        "kind": [gate.kind for gate in survey.gates],
        "averaged over": [gate.averaged or "nothing" for gate in survey.gates],
        "minimum": [float(gate.overall.minimum.min()) for gate in survey.gates],
        "mean": [float(gate.overall.mean.mean()) for gate in survey.gates],
        "maximum": [float(gate.overall.maximum.max()) for gate in survey.gates],
    }
    table |= {name: [getattr(each, name) for each in checked] for _, name, _ in rows}
    figure = figures.gate_bars(selection.survey.gate_names, numbers, selection.gate_number)
    return Chart("health", figure, headline, caption, headline, table)


def _health_headline(survey: LoadedSurvey) -> str:
    by_channel = [gate for gate in survey.gates if gate.by_channel]
    if not by_channel:
        return "There are no gates by channel; the bars are of maps and their places."
    if survey.result.pictures < 2:
        return TOO_FEW
    shares = {gate.name: survey.health()[gate.name].constant for gate in by_channel}
    constant = sum(round(shares[gate.name] * gate.shape[0]) for gate in by_channel)
    channels = sum(gate.shape[0] for gate in by_channel)
    largest = max(shares.values())
    worst = [
        name for name, gate in zip(survey.gate_names, survey.gates, strict=True) if shares.get(gate.name) == largest
    ]
    more = f" and {amount(len(worst) - 1, 'other gate')}" if worst[1:] else ""
    total = f"{amount(channels, 'channel')} of {amount(len(by_channel), 'gate')}"
    most = f"; the largest share of a gate's channels, {largest:.0%}, is in gate {worst[0]}{more}" if constant else ""
    return f"{constant:,} of {total} hardly change from picture to picture{most}."


def mean_maps(selection: Selection) -> list[Chart]:
    """The mean map of the selected block for each class, beside that over all; and how they differ from it.

    Empty where the block has no map.
    """
    gate = selection.spatial
    if gate is None:
        return []
    average, by_class = statistics.mean_over_classes(gate), gate.classes.mean[list(selection.classes)]
    close = statistics.closeness((gate.shape[0], gate.shape[1]))
    grey = figures.TitledMap("closeness to the centre", close, "Greys_r", (0.0, 1.0))  # since it is no measurement
    whole = "all classes" if len(selection.survey.distinct_classes) else "all pictures"
    maps = [figures.gate_map(whole, average), grey]
    maps += map(figures.gate_map, selection.class_names, by_class)
    headline = _map_headline(selection, average, by_class)
    over = f"{selection.n or 'no class is chosen'}; {whole}, each counted alike" if whole == "all classes" else whole
    caption = (
        f"Mean gate of each place, 0 (dark) to 1 (bright), the least and the greatest above each map: {over}, "
        f"n = {selection.pictures:,}: the usual gate, a habit of position. Grey is no measurement: 1 at the very "
        "centre, 0 in the corners."
    )
    names, apart = selection.class_names, by_class - average
    table = {"all": average, "closeness to the centre": close, **dict(zip(names, by_class, strict=True))}
    table |= {f"{name} − all": values for name, values in zip(names, apart, strict=True)}
    chart = Chart("maps", figures.map_grid(maps), headline, caption, headline, by_place(table))
    return [chart, _map_changes(selection, apart)] if names else [chart]


def _map_headline(selection: Selection, average: figures.Doubles, by_class: figures.Doubles) -> str:
    bias = float(statistics.centre_bias(average))
    if not np.isfinite(bias):
        return f"{selection.called}: the mean map is the same at all places."
    pulls = zip(selection.class_names, statistics.centre_bias(by_class), strict=True)
    each = ", ".join(f"{name} {signed(pull, 2)}" for name, pull in pulls if np.isfinite(pull))
    where = "towards" if bias > CLEARLY else "away from" if bias < -CLEARLY else "neither towards nor away from"
    sentence = (
        f"{selection.called}: over all pictures its gate opens {where} the middle (a correlation "
        f"with the closeness to the centre of {signed(bias, 2)}"
    )
    return f"{sentence}; {each})." if each else f"{sentence})."


def _map_changes(selection: Selection, apart: figures.Doubles) -> Chart:
    reach = float(np.abs(apart).max()) or 1.0
    most = selection.class_names[int(np.abs(apart).max((1, 2)).argmax())]
    maps = [
        figures.change_map(f"{name} − all", values, reach)
        for name, values in zip(selection.class_names, apart, strict=True)
    ]
    alt = f"The map of {most} differs most from the mean over all classes, by {fixed(np.abs(apart).max())}."
    caption = f"{alt} All on one scale symmetric about 0: red more open than the mean, blue less."
    return Chart("changes", figures.map_grid(maps), alt, caption, numbers="maps")


def maps_by_depth(survey: LoadedSurvey) -> Chart | None:
    """The mean maps of the spatial gates, at most twelve, spread evenly over all; None where there are none."""
    gates = {name: gate for name, gate in zip(survey.gate_names, survey.gates, strict=True) if len(gate.shape) == 2}
    if not gates or not survey.result.pictures:
        return None
    names = [list(gates)[index] for index in statistics.evenly_spaced(len(gates), MOST_MAPS)]
    means = {name: gates[name].overall.mean for name in names}
    widest = max(names, key=lambda name: float(np.ptp(means[name])))
    headline = (
        f"Of the mean maps of {len(names)} of {len(gates)} spatial gates, that of {widest} differs most from place to "
        f"place: {extent(means[widest])}."
    )
    caption = (
        f"Means over {amount(survey.result.pictures, 'picture')}, the usual gates: a habit of position that says "
        "nothing of one picture. 0 (dark) to 1 (bright), the least and the greatest above."
    )
    figure = figures.map_grid([figures.gate_map(name, mean) for name, mean in means.items()])
    table = dict(zip(("gate", "row", "column", "mean"), by_map(means).values(), strict=True))
    return Chart("maps_by_depth", figure, headline, caption, headline, table)


def correctness(selection: Selection) -> list[Chart]:
    """Wrong against correct predictions: by gate, and the channels of the selected block that differ most.

    Empty where one of the two groups is. The x of a bar of the first is its gate, `customdata` of a dot of the second
    its channel.
    """
    survey = selection.survey
    counts = [int(summary.count) for gate in survey.gates[:1] for summary in (gate.correct, gate.wrong)]
    if not counts or not min(counts):
        return []
    differences = list(survey.differences().values())
    sizes = [_mean(np.abs(each.size)) for each in differences]
    mixes = [_mean(np.abs(each.by_classes)) for each in differences]
    names = survey.gate_names
    most = int(np.nanargmax(sizes)) if np.isfinite(sizes).any() else 0
    bound = differences[most].bound(len(sizes))
    verdict = (
        f", {'more than' if sizes[most] > bound else 'within'} what chance gives the largest of "
        f"{amount(len(sizes), 'gate')} (at most {fixed(bound)} in 95% of surveys)"
    )
    if sum(counts) < statistics.ENOUGH:
        verdict = f"; {amount(sum(counts), 'picture')} are too few to hold that against chance"
    headline = (
        f"Correct and wrong predictions differ most in gate {names[most]}: {fixed(sizes[most])} standard deviations in "
        f"the mean over its channels or places{verdict}. That some classes are harder would make {fixed(mixes[most])} "
        "by itself."
    )
    caption = (
        f"n = {counts[0]:,} correct, {counts[1]:,} wrong. Grey: what no difference comes to in the mean (Cohen's d, "
        "normal approximation, of many pictures); the bound of the largest holds however channels depend on one "
        "another. Below: what the classes' mix alone would make, each picture having its class's mean gate; hard "
        "classes have more wrong ones."
    )
    title = "|wrong − correct| in standard deviations, mean over channels or places"
    bars = [figures.GateNumbers(title, sizes, null=differences[0].chance)]
    bars.append(figures.GateNumbers("the same by the mix of classes alone", mixes))
    figure = figures.gate_bars(selection.survey.gate_names, bars, selection.gate_number)
    table: Columns = {"gate": [gate.name for gate in survey.gates], "mean |d|": sizes, "by the mix of classes": mixes}
    chart = Chart("correctness", figure, headline, caption, headline, table)
    gate, channel = selection.gate, selection.channel
    return [chart] if gate is None or channel is None else [chart, _correctness_of_channels(selection, gate, channel)]


def _correctness_of_channels(selection: Selection, gate: GateSurvey, channel: int) -> Chart:
    difference = selection.survey.differences()[gate.name].difference
    channels = np.argsort(-np.abs(difference), kind="stable")[:MOST_CHANNELS].astype(np.int64)
    correct, wrong, first = gate.correct.mean[channels], gate.wrong.mean[channels], int(channels[0])
    headline = (
        f"{selection.called}: the largest difference is that of channel {first}, {fixed(correct[0])} for "
        f"correct predictions and {fixed(wrong[0])} for wrong ones."
    )
    caption = f"The {len(channels)} of {gate.shape[0]:,} channels with the largest differences."
    figure = figures.correct_and_wrong(channels, correct, wrong, channel)
    table = {"channel": channels, "correct": correct, "wrong": wrong}
    return Chart("correctness_channels", figure, headline, caption, headline, table)


def channel_headline(selection: Selection, gate: GateSurvey, channel: int) -> str:
    """What is to be said of one channel of the selected block's gate."""
    mean, std = gate.overall.mean[channel], gate.overall.std[channel]
    sentence = (
        f"Channel {channel} of {analysis.block_called(selection.block_name)}: {fixed(mean)} on average over the "
        f"pictures, with a standard deviation of {fixed(std)}"
    )
    means = gate.classes.mean[:, channel]
    if np.isfinite(means).sum() < 2:
        return f"{sentence}."
    sizes = np.abs(means)
    high, low = int(np.nanargmax(sizes)), int(np.nanargmin(sizes))
    names = selection.survey.names
    ends = f"most open for {names[high]} ({fixed(means[high])}), least for {names[low]} ({fixed(means[low])})"
    return f"{sentence}; {ends}."


def channel_values(gate: GateSurvey, channel: int) -> Chart:
    """How the values of one channel are spread over the pictures."""
    counts, low, high = gate.histogram[channel], gate.overall.minimum[channel], gate.overall.maximum[channel]
    where = f"near {fixed((int(counts[1:-1].argmax()) + 0.5) / BINS, 2)}" if counts[1:-1].any() else "beyond 0 to 1"
    alt = f"Channel {channel}: how many of {amount(int(counts.sum()), 'picture')} have which gate; most lie {where}."
    caption = f"n = {amount(int(gate.overall.count), 'picture')}, from {fixed(low)} to {fixed(high)}."
    edges = ["below 0", *(f"from {fixed(number / BINS, 2)}" for number in range(BINS)), "above 1"]
    table = {"gate": edges, "pictures": counts}
    return Chart("channel_values", figures.channel_histogram(counts), alt, caption, table=table)


def channel_classes(selection: Selection, gate: GateSurvey, channel: int) -> Chart:
    """What each class makes of one channel; `customdata` of a dot begins with its class."""
    survey, means, deviations = selection.survey, gate.classes.mean[:, channel], gate.classes.std[:, channel]
    usable = np.flatnonzero(survey.counts)
    order: NDArray[np.int64] = usable[np.argsort(-means[usable], kind="stable")]
    half = MOST_CLASSES // 2
    drawn = order if len(order) <= MOST_CLASSES else np.concatenate([order[:half], order[-half:]])
    labels = [survey.names[number] for number in drawn]
    by_class = figures.ClassMeans(drawn, labels, means[drawn], deviations[drawn], survey.counts[drawn])
    left_out = f"The {half} highest and the {half} lowest of {len(order):,} classes. "
    caption = f"{left_out if len(drawn) < len(order) else ''}Dashed: the mean over all pictures. In brackets n."
    figure = figures.class_dots(by_class, float(gate.overall.mean[channel]), selection.classes)
    names = [survey.names[number] for number in order]
    table: Columns = {"class": names, "mean": means[order], "std": deviations[order], "n": survey.counts[order]}
    return Chart("channel_classes", figure, channel_headline(selection, gate, channel), caption, table=table)


def _mean(values: Doubles) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
