"""Views of the gates of a survey: the role of excitation, selectivity and health by depth, maps, correct and wrong."""

from collections.abc import Callable

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from attention import analysis, survey
from attention.analysis.health import CONSTANT, HIGH, LOW
from attention.charts import surveys as figures
from attention.charts.chart import by_place
from attention.survey.result import GateSurvey
from attention.survey.statistics import GroupDifference, SurveyedHealth
from attention.ui import presenting, widgets
from attention.ui.survey import loading
from attention.ui.survey.selection import Selection, select, select_gate

MOST_PANELS = 8
SAMPLES = ["50", "200", "1000"]
SCALES = ["0 to 1", "Its own"]
SHARE = "Share between classes"


def draw_role(selection: Selection) -> None:
    """A panel for the last gate of each stage, and one for the block that is selected."""
    blocks = _blocks_of_stages(selection)
    if not blocks:
        st.info("This network has no gates by channel. “Where it looks” shows its maps.", icon=":material/info:")
        return
    settings, observation = presenting.slots()
    with settings.container(horizontal=True, vertical_alignment="bottom"):
        most = int(_choose("Channels, at most", SAMPLES, "sampled"))
        own = _choose("Scale", SCALES, "scale") == SCALES[1]
        band = st.toggle("One standard deviation", key="band", bind="query-params")
    panels = [_panel(selection, block, most) for block in blocks]

    def click() -> None:
        point = widgets.clicked("role")
        if point and "customdata" in point:
            panel, channel = point["customdata"]
            select(selection.survey, blocks[int(panel)], int(channel))

    headline = _role_headline(selection, blocks)
    figure = figures.excitation_role(panels, selection.class_names, band=band, own_scale=own)
    with observation:
        st.markdown(f"##### {headline}")
        widgets.chart(figure, key="role", alt=headline, on_select=click)
        st.caption(_role_caption(selection, blocks))
        _role_data(selection, blocks, panels)


def _blocks_of_stages(selection: Selection) -> list[str]:
    """The blocks that are drawn, in depth order."""
    gates = {name: each.channel for name, each in selection.survey.blocks.items() if each.channel}
    names = list(gates)
    wanted = {names[index] for index in survey.statistics.last_of_stages(list(gates.values()))[-MOST_PANELS:]}
    wanted |= {selection.block} & set(names)
    return [name for name in names if name in wanted]


def _choose(label: str, options: list[str], key: str) -> str:
    return widgets.choose(label, options, key=key, look="row")


def _gate(selection: Selection, block: str) -> GateSurvey:
    gate = selection.survey.blocks[block].channel
    assert gate is not None
    return gate


def _panel(selection: Selection, block: str, most: int) -> figures.RolePanel:
    gate = _gate(selection, block)
    channels = survey.statistics.evenly_spaced(gate.shape[0], most)
    classes = np.array(selection.classes, np.int64)
    return figures.RolePanel(
        title=f"{selection.short[block]}, {len(channels)} of {gate.shape[0]:,} channels",
        channels=channels,
        means=gate.classes.mean[np.ix_(classes, channels)],
        deviations=gate.classes.std[np.ix_(classes, channels)],
        average=survey.statistics.mean_over_classes(gate)[channels],
        chosen=selection.channel if block == selection.block else None,
    )


def _role_headline(selection: Selection, blocks: list[str]) -> str:
    shares = []
    for block in blocks:
        index, shuffled = loading.selectivity(
            selection.survey.key, _gate(selection, block).name, SHARE, selection.survey
        )
        if np.isfinite(index).any():
            shares.append((selection.short[block], float(np.nanmean(index)), float(np.nanmean(shuffled))))
    if not shares:
        return "There are not two classes with pictures here, so nothing can be said of classes."
    listed = ", ".join(f"{index:.1%} in {name}" for name, index, _ in shares)
    chance = max(shuffled for *_, shuffled in shares)
    return (
        f"Of the variance over the pictures, so much lies between the classes: {listed} (mean over the channels; at "
        f"most {chance:.2%} with shuffled classes)."
    )


def _role_caption(selection: Selection, blocks: list[str]) -> str:
    n = [
        f"{widgets.literal(selection.survey.names[number])} n = {selection.survey.counts[number]:,}"
        for number in selection.classes
    ]
    classes = int((selection.survey.counts > 0).sum())
    return (
        f"Mean gate of the pictures of a class: {'; '.join(n) or 'no class is chosen'}; dashed the mean over all "
        f"{classes:,} classes, n = {selection.pictures:,}. Channels are spread evenly over all of a gate. The "
        "panels are the last block of each stage, a run of gates with equally many channels, and the selected block. "
        "The standard deviation is that within a class. After figure 5 of arXiv 1709.01507. Click a point to select it."
    )


def _role_data(selection: Selection, blocks: list[str], panels: list[figures.RolePanel]) -> None:
    """A row for each class, channel and block of the figure."""
    rows: list[tuple[object, ...]] = []
    for block, panel in zip(blocks, panels, strict=True):
        for number, name in enumerate(selection.class_names):
            values = zip(
                panel.channels.tolist(), panel.means[number].tolist(), panel.deviations[number].tolist(), strict=True
            )
            rows += [(block, name, *value) for value in values]
        rows += [
            (block, "all", channel, mean, None)
            for channel, mean in zip(panel.channels.tolist(), panel.average.tolist(), strict=True)
        ]
    names = ("block", "class", "channel", "mean", "std")
    widgets.data(role=dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


DEFINITIONS = {
    "Share between classes": (
        r"\eta^2 = \frac{\sum_k n_k (m_k - m)^2}{\sum_i (x_i - m)^2}",
        "The share of a channel's variance over the pictures that lies between the classes: the correlation ratio "
        "squared, R. A. Fisher, Statistical Methods for Research Workers, 1925, section 45. It asks how well the class "
        "tells the gate, however little the gate moves.",
    ),
    "Class selectivity": (
        r"\frac{m_{\max} - m_{\mathrm{others}}}{m_{\max} + m_{\mathrm{others}}}",
        "The highest class mean against the mean of the other class means, A. S. Morcos et al., arXiv 1803.06959, "
        "section 2.3. It asks how far one class stands out: a gate that stays near one half comes to little.",
    ),
}


def draw_selectivity(selection: Selection) -> None:
    """The index of each gate's channels or places, and what it comes to with shuffled classes."""
    options = list(DEFINITIONS)
    index = widgets.choose("Index", options, key="index", look="row")
    gates, names = selection.survey.gates, selection.gate_names
    pairs = [
        figures.MeasuredIndex(*loading.selectivity(selection.survey.key, gate.name, index, selection.survey))
        for gate in gates
    ]
    means = [(_mean(pair.measured), _mean(pair.null), name) for pair, name in zip(pairs, names, strict=True)]
    known = [each for each in means if np.isfinite(each[0])]
    if not known:
        st.info("An index of classes needs two classes with pictures; here they are fewer.", icon=":material/info:")
        return
    most, least, chance = max(known), min(known), max(null for _, null, _ in known)
    headline = (
        f"{most[2]} is the most class-specific gate, {most[0]:.3f} in the mean over its channels or places, and "
        f"{least[2]} the least, {least[0]:.3f}; with shuffled classes it is {chance:.3f} at most."
    )
    _draw_boxes(selection, names, pairs, index, headline)
    with st.expander("How the index is defined", icon=":material/function:"):
        formula, words = DEFINITIONS[index]
        st.latex(formula)
        st.markdown(words)
    st.caption(
        f"A box holds the middle half of a gate's channels or places, its dot and line are the median, "
        f"its whiskers are the ends; grey with the classes shuffled once among the pictures. n = "
        f"{selection.pictures:,} pictures. Click the dot on a median to select its block."
    )
    measured, null, _ = (list(column) for column in zip(*means, strict=True))
    columns = {"mean": measured, **analysis.spread([pair.measured for pair in pairs]), "mean, shuffled": null}
    shuffled = {f"{name}, shuffled": each for name, each in analysis.spread([pair.null for pair in pairs]).items()}
    widgets.data(selectivity={"gate": [gate.name for gate in gates], **columns, **shuffled})


def draw_health(selection: Selection) -> None:
    """What share of each gate is saturated, dead or constant, and how much it says."""
    gates, names = selection.survey.gates, selection.gate_names
    checked = [loading.health(selection.survey.key, gate.name, selection.survey) for gate in gates]
    rows = [
        figures.GateNumbers(f"share of the values below {LOW}", [each.low for each in checked], 1.0),
        figures.GateNumbers(f"share of the values of {HIGH} and above", [each.high for each in checked], 1.0),
        figures.GateNumbers(
            f"share of the channels that never reach {LOW} (dead)", [each.dead for each in checked], 1.0
        ),
        figures.GateNumbers(
            f"share of the channels that never fall below {HIGH} (open)", [each.open for each in checked], 1.0
        ),
        figures.GateNumbers(
            f"share of the channels that are constant (deviation below {CONSTANT})",
            [each.constant for each in checked],
            1.0,
        ),
        figures.GateNumbers(
            "standard deviation over the pictures, mean over the channels", [each.deviation for each in checked]
        ),
        figures.GateNumbers(
            "entropy of a channel over the pictures, in bits (bins of 0.05)", [each.entropy for each in checked]
        ),
    ]
    headline = _health_headline(selection, checked)
    st.markdown(f"##### {headline}")
    widgets.chart(
        figures.gate_bars(names, rows, selection.gate_number),
        key="health",
        alt=headline,
        on_select=_clicker(selection, "health"),
    )
    st.caption(
        f"Each bar is one gate over n = {selection.pictures:,} pictures; of a map its places take the part of "
        "the channels. The weights after a constant channel could take its factor in: the gate would then be one "
        "channel smaller, and the output nearly the same. Click a bar to select its block."
    )
    columns = {name: [getattr(each, name) for each in checked] for name in vars(checked[0])}
    widgets.data(health={"gate": columns.pop("name"), **columns})


def _health_headline(selection: Selection, checked: list[SurveyedHealth]) -> str:
    gates = selection.survey.gates
    by_channel = [number for number, gate in enumerate(gates) if gate.by_channel]
    if not by_channel:
        return "There are no gates by channel; the bars are of maps and their places."
    constant = [round(checked[number].constant * gates[number].shape[0]) for number in by_channel]
    channels = sum(gates[number].shape[0] for number in by_channel)
    worst = max(by_channel, key=lambda number: checked[number].constant)
    return (
        f"{sum(constant):,} of {channels:,} channels of {len(by_channel)} gates hardly change from picture to picture "
        "and could be folded into the weights; "
        f"in {selection.gate_names[worst]} they are {checked[worst].constant:.0%}."
    )


def _draw_boxes(
    selection: Selection, names: list[str], pairs: list[figures.MeasuredIndex], index: str, headline: str
) -> None:
    st.markdown(f"##### {headline}")
    figure = figures.index_boxes(names, pairs, selection.gate_number, index.lower())
    widgets.chart(figure, key="selectivity", alt=headline, on_select=_clicker(selection, "selectivity"))


def _clicker(selection: Selection, key: str) -> Callable[[], None]:
    def click() -> None:
        if point := widgets.clicked(key):
            select_gate(selection.survey, round(float(point["x"])))

    return click


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def draw_maps(selection: Selection) -> None:
    """The mean maps of the block that is selected."""
    gate = selection.spatial
    if gate is None:
        _say_no_map(selection)
        return
    average = survey.statistics.mean_over_classes(gate)
    by_class = gate.classes.mean[list(selection.classes)]
    headline = _map_headline(selection, average, by_class)
    close = survey.statistics.closeness((gate.shape[0], gate.shape[1]))
    names = selection.class_names
    shown = [figures.gate_map("all classes", average), *map(figures.gate_map, names, by_class)]
    figure = figures.map_grid([*shown[:1], figures.closeness_map("closeness to the centre", close), *shown[1:]])
    st.markdown(f"##### {headline}")
    widgets.chart(figure, key="maps", alt=headline)
    n = [
        f"{widgets.literal(name)} n = {selection.survey.counts[number]:,}"
        for name, number in zip(names, selection.classes, strict=True)
    ]
    st.caption(
        f"Mean gate of each place, 0 (dark) to 1 (bright), the least and the greatest above each map: "
        f"{'; '.join(n) or 'no class is chosen'}; all classes, each counted alike, n = {selection.pictures:,}. "
        "Grey is no measurement: 1 at the very centre, 0 in the corners."
    )
    if names:
        _draw_changes(selection, average, by_class)
    apart = {f"{name} − all": values for name, values in zip(names, by_class - average, strict=True)}
    means = dict(zip(names, by_class, strict=True))
    widgets.data(maps=by_place({"all": average, "closeness to the centre": close, **means, **apart}))


def _say_no_map(selection: Selection) -> None:
    others = [selection.short[name] for name, each in selection.survey.blocks.items() if each.spatial]
    if others:
        st.info(f"{selection.block_name} has no map; {', '.join(others)} have one.", icon=":material/info:")
    else:
        st.info(
            f"{widgets.literal(selection.survey.title)} has no gates that vary over places. Try a survey of cbam.",
            icon=":material/info:",
        )


def _map_headline(selection: Selection, average: NDArray[np.float64], by_class: NDArray[np.float64]) -> str:
    bias = float(survey.statistics.centre_bias(average))
    if not np.isfinite(bias):
        return f"{selection.block_name}: the mean map is the same at all places."
    sentence = f"{selection.block_name}: the mean map and the closeness to the centre correlate with r = {bias:+.2f}"
    pulls = survey.statistics.centre_bias(by_class)
    each = [
        f"{widgets.literal(name)} {pull:+.2f}"
        for name, pull in zip(selection.class_names, pulls, strict=True)
        if np.isfinite(pull)
    ]
    return f"{sentence}{f' ({chr(44).join(each)})' if each else ''}.".replace(",", ", ")


def _draw_changes(selection: Selection, average: NDArray[np.float64], by_class: NDArray[np.float64]) -> None:
    apart = by_class - average
    reach = float(np.abs(apart).max()) or 1.0
    shown = [
        figures.change_map(f"{name} − all", values, reach)
        for name, values in zip(selection.class_names, apart, strict=True)
    ]
    most = selection.class_names[int(np.abs(apart).max((1, 2)).argmax())]
    alt = f"The map of {most} differs most from the mean over all classes, by {reach:.3f}."
    widgets.chart(figures.map_grid(shown), key="changes", alt=alt, table="maps")
    st.caption(f"{widgets.literal(alt)} All on one scale symmetric about 0: red more open than the mean, blue less.")


MOST_CHANNELS = 24


def draw_correctness(selection: Selection) -> None:
    """The difference through depth, and the channels of the selected block in which it is largest."""
    counts = [int(getattr(selection.survey.gates[0], group).count) for group in ("correct", "wrong")]
    if not min(counts):
        _say_nothing_to_compare(selection, counts)
        return
    effects = [survey.statistics.wrong_against_correct(gate) for gate in selection.survey.gates]
    sizes = [_mean_size(effect) for effect in effects]
    names = selection.gate_names
    most = int(np.nanargmax(sizes)) if np.isfinite(sizes).any() else 0
    headline = (
        f"Correct and wrong predictions differ most in {names[most]}: {sizes[most]:.3f} standard deviations in the "
        f"mean over its channels or places, where {effects[most].chance:.3f} is to be expected of chance."
    )
    numbers = figures.GateNumbers(
        "|wrong − correct| in standard deviations, mean over channels or places", sizes, null=effects[0].chance
    )

    def click() -> None:
        if point := widgets.clicked("correctness"):
            select_gate(selection.survey, round(float(point["x"])))

    st.markdown(f"##### {headline}")
    widgets.chart(
        figures.gate_bars(names, [numbers], selection.gate_number), key="correctness", alt=headline, on_select=click
    )
    st.caption(
        f"n = {counts[0]:,} correct, {counts[1]:,} wrong. Grey: what no difference at all comes to (Cohen's d, normal "
        "approximation). Classes that are hard have more wrong pictures, so part of this is a difference of classes."
    )
    _draw_correctness_of_channels(selection)
    widgets.data(correctness={"gate": [gate.name for gate in selection.survey.gates], "mean |d|": sizes})


def _say_nothing_to_compare(selection: Selection, counts: list[int]) -> None:
    if selection.survey.result.accuracy is None:
        sentence = "The network knows none of these classes by name, so nothing here is right or wrong."
    else:
        known = f"Of {sum(counts):,} pictures whose class the network knows"
        sentence = f"{known} it names {counts[1]:,} wrong: there is nothing to compare."
    st.info(sentence, icon=":material/info:")


def _mean_size(effect: GroupDifference) -> float:
    known = np.abs(effect.size[np.isfinite(effect.size)])
    return float(known.mean()) if len(known) else float("nan")


def _draw_correctness_of_channels(selection: Selection) -> None:
    gate, chosen = selection.gate, selection.channel
    if gate is None or chosen is None:
        return
    effect = survey.statistics.wrong_against_correct(gate)
    channels = np.argsort(-np.abs(effect.difference), kind="stable")[:MOST_CHANNELS].astype(np.int64)

    def click() -> None:
        point = widgets.clicked("correctness_channels")
        if point and "customdata" in point:
            select(selection.survey, selection.block, int(point["customdata"]))

    first = int(channels[0])
    headline = (
        f"{selection.block_name}: the largest difference is that of channel {first}, "
        f"{gate.correct.mean[first]:.3f} for correct predictions and {gate.wrong.mean[first]:.3f} for wrong ones."
    )
    figure = figures.correct_and_wrong(channels, gate.correct.mean[channels], gate.wrong.mean[channels], chosen)
    widgets.chart(figure, key="correctness_channels", alt=headline, on_select=click)
    st.markdown(headline)
    st.caption(
        f"The {len(channels)} of {gate.shape[0]:,} channels with the largest differences. Click a dot to select."
    )
    columns = {group: getattr(gate, group).mean[channels] for group in ("correct", "wrong")}
    widgets.data(correctness_channels={"channel": channels, **columns})
