"""Several networks on one picture, side by side: which ones, which class, and a row for each kind of evidence."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st

from attention import analysis, comparison, numbers
from attention.analysis.agreement import TOP
from attention.charts import comparing, overlay
from attention.charts.chart import Chart
from attention.charts.overlay import Scale
from attention.comparison import Compared, pass_seconds
from attention.models import zoo
from attention.numbers import amount, extent, fixed, magnitude, span
from attention.observe import NetworkChoice, Observation, guarded
from attention.records import Floats, Gate, GatescopeError, Heatmap, ModelCard
from attention.ui import cache, jobs, widgets
from attention.ui.choosing import own_choices, zoo_choice
from attention.ui.compare import tabs
from attention.ui.widgets import literal, sentence

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from attention.attribution import Method

MOST = 4
USUAL = ("plain", "se", "cbam", "efficientnet-b0", "cbam-b0")


def _usual(card: ModelCard) -> list[str]:
    """Two others at most, of those that know the same classes where there are any."""
    others = [name for name in USUAL if name != card.name]
    alike = [name for name in others if zoo.card(name).labels == card.labels]
    return (alike or others)[:2]


def choose(observation: Observation) -> list[Observation]:
    """The sidebar's network first, then up to three others, on the same picture."""
    own = {choice.card.name: choice for choice in own_choices()}
    beside = _usual(observation.card)
    names = st.multiselect(
        f"Beside {literal(observation.card.name)}",
        [name for name in (*own, *zoo.names()) if name != observation.card.name],
        beside,
        max_selections=MOST - 1,
        key="beside",
        bind="query-params",
        accept_new_options=True,
        placeholder="Choose up to three networks",
    )
    others = [name for name in names if name != observation.card.name]
    cards = {name: card for name in others if name not in own and (card := _card(name))}
    random = _choose_random([card.name for card in cards.values() if card.source not in ("own", "converted")])
    choices = own | {name: zoo_choice(card, random=card.name in random) for name, card in cards.items()}
    return [
        observation,
        *(
            cache.observe(choices[name], observation.picture)
            for name in others
            if name in choices and _is_here(choices[name])
        ),
    ]


def seconds(observations: Sequence[Observation]) -> list[float]:
    """Seconds of one pass of the picture on this machine, of each network."""
    keys = " ".join(each.choice.key for each in observations)
    return cache.STORE.get("seconds", keys, lambda: pass_seconds(observations))


def _card(name: str) -> ModelCard | None:
    try:
        return zoo.card(name)
    except GatescopeError as error:
        st.error(f"{sentence(error)} It is left out.", icon=":material/error:")
        return None


def _choose_random(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return st.pills("With random weights", names, selection_mode="multi", key="random", bind="query-params")


def _is_here(choice: NetworkChoice) -> bool:
    if choice.here:
        return True
    card = choice.card
    st.info(
        f"The weights of {literal(card.name)} ({card.download / 1e6:,.0f} MB) are not on this machine: it is left out; "
        "open it in the sidebar to fetch them, or choose it above with random weights.",
        icon=":material/download:",
    )
    return False


SCALES = ("one for all", "each its own")
FIRST_GUESS = "the first guess"
SHARED = ((0.75, "nearly all of their most important places"), (0.5, "much"), (0.25, "some"), (0.0, "little"))
"""What an overlap of the top fifths from so much on is called; chance is 0.2."""
_HELP = (
    "Grad-CAM reads what a block puts out. The last block ends with the last convolution, where it is usually read: "
    "further up a map has more places, and says less about the class."
)


class Asked(NamedTuple):
    """What the controls above the columns say."""

    label: str
    method: str
    layers: dict[str, str]
    """The block that Grad-CAM reads, by the key of the view."""
    own_scale: bool
    own_guess: bool
    """Whether a network that does not know the class is asked about its own first guess."""

    def target(self, observation: Observation) -> int | None:
        """The class that a network is asked about; None where it does not know it."""
        if not observation.targets:
            return None
        found = comparison.class_index(observation.targets, self.label)
        return observation.first_target if found is None and self.own_guess else found


class Work(NamedTuple):
    """One heatmap that can be made."""

    observation: Observation
    target: int
    method: "Method"


def ask(views: Sequence[Observation]) -> Asked:
    """The class, the method, the blocks and the scale, by widgets in the place where this is called.

    The views are of networks that give a score for each class, one at least.
    """
    first = views[0]
    guess = first.targets[first.first_target].partition(",")[0]
    named = {
        comparison.short_label(label): label.partition(",")[0] for observation in views for label in observation.targets
    }
    labels = [FIRST_GUESS, *named.values()]
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    methods, left_out = _valid_methods(views)
    with controls:
        label = widgets.choose("Class", labels, key="class")
        how = widgets.choose("Heatmap", methods, key="method", help=left_out)
        ends = widgets.choose("Scale of the heatmaps", SCALES, key="heat")
        layers = _ask_blocks(views, how)
    first_guess = label == FIRST_GUESS
    return Asked(guess if first_guess else label, how, layers, ends == SCALES[1], first_guess)


def make_heatmaps(views: Sequence[Observation], asked: Asked, slowest: float) -> dict[str, Heatmap]:
    """By the key of the view: Grad-CAM at once, what takes many passes once it was started. Says why one has none.

    `slowest` is what a pass of the slowest network takes, in seconds.
    """
    work = [each for observation in views if (each := _work(observation, asked))]
    if all(each.method.passes(each.observation.shape, each.observation.layers).forward == 1 for each in work):
        return {observation.key: observation.heatmap(target, method) for observation, target, method in work}
    return _compute_heatmaps(work, asked, slowest) if work else {}


def _valid_methods(views: Sequence[Observation]) -> tuple[list[str], str | None]:
    """The methods that are valid for one of the networks at least, and why the others are not."""
    offered, left_out = [], []
    for name in _titles():
        reasons = [_method(name).obstacle(observation.layers) for observation in views]
        if all(reasons):
            left_out.append(f"{name} is valid for none of these networks. {literal(str(reasons[0]))}")
        else:
            offered.append(name)
    return offered, "\n\n".join(left_out) or None


def _titles(*, of_a_block: bool = False) -> list[str]:
    """What the methods are called; on demand those alone that read a block."""
    from attention.attribution import METHODS, reads_block

    return [each.title for name, each in METHODS.items() if reads_block(name) or not of_a_block]


def _ask_blocks(views: Sequence[Observation], method: str) -> dict[str, str]:
    """A choice for all networks that have the same blocks; by the key of the view."""
    alike: dict[tuple[str, ...], list[Observation]] = {}
    for observation in views:
        if blocks := observation.layers.blocks:
            alike.setdefault(blocks, []).append(observation)
    chosen: dict[str, str] = {}
    for number, (blocks, group) in enumerate(alike.items(), start=1):
        key, whose = f"layer{number}", ", ".join(observation.card.name.rpartition("/")[2] for observation in group)
        name = widgets.choose(
            "Block" if len(alike) == 1 else f"Block of {widgets.literal(whose)}",
            blocks,
            key=key,
            default=blocks[-1],
            disabled=method not in _titles(of_a_block=True),
            help=_HELP if number == 1 else None,
        )
        chosen |= {observation.key: name for observation in group}
    return chosen


def _method(title: str, layer: str | None = None) -> "Method":
    from attention.attribution import METHODS, make_method

    return make_method(next(name for name, each in METHODS.items() if each.title == title), layer)


def _work(observation: Observation, asked: Asked) -> Work | None:
    """What was asked for; None where it is not valid for the network, which is said."""
    target = asked.target(observation)
    if target is None:
        return None
    method = _method(asked.method, asked.layers.get(observation.key))
    if reason := method.obstacle(observation.layers):
        st.caption(f":material/block: {widgets.literal(observation.card.name)} has no heatmap here. {literal(reason)}")
        return None
    return Work(observation, target, method)


def _compute_heatmaps(work: Sequence[Work], asked: Asked, slowest: float) -> dict[str, Heatmap]:
    """None before they were started."""
    passes = [each.method.passes(each.observation.shape, each.observation.layers) for each in work]
    forward, backward = sum(each.forward for each in passes), sum(each.backward for each in passes)
    key = (asked.method, *((each.observation.key, each.target, each.method) for each in work))

    def run(report: jobs.Report) -> dict[str, Heatmap]:
        heatmaps, before = {}, 0
        for (observation, target, method), cost in zip(work, passes, strict=True):
            progress = _report_from(before, forward, report)
            with guarded(observation.card):
                heatmap = observation.attributor(observation.batch, target, method=method, progress=progress)
            heatmaps[observation.key] = heatmap
            before += cost.forward
        return heatmaps

    text = f"**{asked.method}** of {amount(len(work), 'network')}: {jobs.cost(forward, backward, slowest)}"
    return jobs.result_of("heatmap", key, text, run) or {}


def _report_from(before: int, total: int, report: jobs.Report) -> jobs.Report:
    """What a part of a job reports, as how far all of it is."""
    return lambda done, _: report(before + done, total)


SIDE = 420
"""Side of a picture in a column, in pixels."""
GATE = 200
"""Width of a spatial gate, in pixels."""
TABS = {
    "Gates against heatmap": tabs.draw_agreement,
    "Heatmaps against heatmaps": tabs.draw_heatmaps,
    "Channel gates": tabs.draw_channels,
    "Cost and training": tabs.draw_cost,
    "Deletion and insertion": tabs.draw_faithfulness,
    "Shuffled weights": tabs.draw_sanity,
}


def draw(observation: Observation) -> None:
    """The controls, the networks side by side, and what explains them in tabs."""
    observations = choose(observation)
    with st.container():  # what spins once stands in a place of its own, so that all below it keeps its place
        classifiers = [each for each in observations if each.targets]
        times_of_pass = seconds(observations)
    asked = ask(classifiers) if classifiers else None
    with widgets.room("answer"):
        answer = st.empty()
    width, height = observation.image.size  # known before the pictures have come, which then move nothing
    within = f"aspect-ratio: auto {width} / {height}; max-height: 80vh; object-fit: contain; object-position: left top;"
    st.html(f"<style>[data-testid='stMain'] .stImage img {{ {within} }}</style>")
    with st.container():
        heatmaps = make_heatmaps(classifiers, asked, max(times_of_pass)) if asked else {}
    columns = [
        Compared(each, asked and asked.target(each), heatmaps.get(each.key), time)
        for each, time in zip(observations, times_of_pass, strict=True)
    ]
    with answer.container():
        found, more = headline(columns, asked.label if asked else None)
        widgets.say(literal(found), "headline", "header")
        widgets.say(literal(more), "more")
    _draw_rows(columns, asked)
    for note in [*comparison.card_notes([each.card for each in columns]), *comparison.class_notes(columns)]:
        widgets.say(widgets.literal(note), note, "caption")
    tabs.explain(columns)
    widgets.tabs("about", TABS, columns)


def headline(columns: Sequence[Compared], label: str | None) -> tuple[str, str]:
    """Whether the networks' heatmaps agree, in plain words, and beside what maps reach that know nothing of the
    picture."""
    if len(columns) < 2:
        return "Choose another network to compare with.", ""
    if label is None:
        return "None of these networks gives a score for each class: here are their gates, sizes and times.", ""
    found = comparison.mean_overlaps(columns)
    mute = " and ".join(column.card.name for column in columns if column.heatmap and not column.speaks_for_class)
    without = f" Nothing in the heatmap of {mute} speaks for the class: it is left out." * bool(mute)
    if found is None:
        return f"Fewer than two of these networks have a heatmap of “{label}” so far.", without.strip()
    pairs, middle = found
    speaking = [column for column in columns if column.speaks_for_class and column.target is not None]
    asked = [column.observation.targets[column.target or 0].partition(",")[0] for column in speaking]
    same = len({comparison.short_label(name) for name in asked}) == 1
    what = f"“{asked[0]}”" if same else "their own first guesses"
    words = next(words for least, words in SHARED if pairs >= least)
    average = ", on average" * (len(speaking) > 2)
    return (
        f"The {len(speaking)} heatmaps of {what} share {words}: {pairs:.0%}, by chance {TOP:.0%}.",
        f"Take the fifth of the picture that matters most to each network: this share is the same{average}. A "
        f"blob in the middle of the picture, which knows nothing of it, would share {middle:.0%} with them.{without}",
    )


def network_name(card: ModelCard) -> str:
    """A network's name for markdown, marked where its weights are random."""
    return f"{widgets.literal(card.name)}{' (random weights)' * card.random}"


def _draw_rows(columns: Sequence[Compared], asked: Asked | None) -> None:
    """A row for each kind of evidence that one network at least has, with a cell for each network."""
    shared = comparing.one_scale([column.heatmap.values for column in columns if column.heatmap])

    def answer(column: Compared) -> None:
        if not asked or not column.observation.targets:
            st.info("It gives no score for each class.", icon=":material/help:")
            return
        own = column.heatmap and comparing.one_scale([column.heatmap.values])
        _draw_heatmap(column.observation, column, asked, own if asked.own_scale and own else shared)

    rows: dict[str, tuple[list[Compared], Callable[[Compared], None]]] = {
        "": (list(columns), answer),
        "The best guesses": ([each for each in columns if each.probabilities is not None], _draw_guesses),
        "Spatial gates, the last of each size, 0 to 1": ([each for each in columns if each.spatial], _draw_spatial),
        "Channel gates, the mean of each block": ([each for each in columns if each.channel], _draw_channel),
        "Size and time": (list(columns), lambda column: _draw_size(column, columns[0])),
    }
    for title, (having, draw_cell) in rows.items():
        if not having:
            continue
        without = " and ".join(network_name(each.card) for each in columns if each not in having)
        if title:
            widgets.say(f"**{title}**" + f" · {without}: none" * bool(without), f"row {title}")
        row = st.container(key=None if title else "heatmaps")
        for place, column in zip(row.columns(len(having), border=True), having, strict=True):
            with place:
                st.caption(network_name(column.card)) if title else st.markdown(f"**{network_name(column.card)}**")
                draw_cell(column)


def _draw_heatmap(observation: Observation, column: Compared, asked: Asked, scale: Scale) -> None:
    if column.target is None:
        st.info(f"It does not know the class “{literal(asked.label)}”: there is no heatmap.", icon=":material/help:")
        return
    label = literal(observation.targets[column.target].partition(",")[0])
    score = label if column.probabilities is None else f"P({label})"
    widgets.room(f"score_{observation.key}").metric(score, observation.answer(column.target))
    if column.heatmap is None:
        st.info("No heatmap yet, or none of this kind.", icon=":material/hourglass_empty:")
        return
    run = span(column.heatmap.minimum, column.heatmap.maximum)
    if column.heatmap.maximum <= 0:
        st.caption(":material/block: Nothing in this map speaks for the class.")
    rows, across = column.heatmap.values.shape
    where = f", at {column.heatmap.layer}, {rows}\u00a0×\u00a0{across}" if column.heatmap.layer else ""
    widgets.show(
        Chart(
            f"heatmap_{column.card.name}",
            _overlay(observation, column.heatmap.values, "inferno", scale),
            f"{asked.method} of {asked.label} in {column.card.name}: highest at the "
            f"{analysis.map_stats(column.heatmap.values).place}, values {run}.",
            f"{asked.method}{where}: {run}; colours run from {span(*scale)}" + comparing.completeness(column.heatmap),
            numbers="class_heatmaps",
        )
    )


def _draw_guesses(column: Compared) -> None:
    assert column.probabilities is not None
    top = analysis.top(column.probabilities, column.labels)
    rows = [(widgets.literal(label.partition(",")[0]), f"{probability:.1%}") for label, probability in top]
    widgets.say(widgets.as_table(("class", "P"), rows), f"guesses {column.card.name}")


def _draw_spatial(column: Compared) -> None:
    with st.container(horizontal=True, gap="small"):
        for gate in comparison.last_of_stages(column.spatial):
            _draw_gate(column.observation, gate)


def _draw_gate(observation: Observation, gate: Gate) -> None:
    rows, columns = gate.values.shape[1:]
    with st.container(width=GATE):
        laid = _overlay(observation, gate.values[0], "viridis", overlay.UNIT)
        key, run = f"gate_{observation.card.name}_{gate.name}", extent(gate.values)
        alt, caption = f"Spatial gate of {gate.name}, from {run}.", f"{rows} × {columns}: {run}"
        widgets.show(Chart(key, laid, alt, caption, numbers="stage_gates"))


def _draw_channel(column: Compared) -> None:
    if without := comparison.without_mean(column):
        st.caption(f":material/block: {widgets.literal(without)}")
    if not column.averaged:
        return
    means = np.array([gate.values.mean() for gate in column.averaged], np.float32)
    run = extent(means)
    blocks = amount(means.size, "block")
    alt = f"Mean channel gate of each of {blocks} of {column.card.name} in depth order, {run}."
    caption = f"Mean channel gate of {blocks}, first to last: {run}"
    widgets.show(Chart(f"means_{column.card.name}", overlay.cells(means), alt, caption, numbers="channel_means"))


def _draw_size(column: Compared, first: Compared) -> None:
    duration = f"{numbers.number(1000 * column.seconds)} ms a picture on this machine"
    if column is not first:
        ratio = column.seconds / first.seconds
        times = "about" if 0.8 <= ratio <= 1.25 else f"about {fixed(ratio, 1)} times"  # what a busy machine can move
        duration += f", {times} as long as {network_name(first.card)}"
    size = f"{magnitude(column.card.parameters)} parameters, {magnitude(column.macs)} MACs"
    widgets.say(f"{size}; {duration}", f"size {column.card.name}")


def _overlay(observation: Observation, values: Floats, colour_map: str, scale: Scale) -> bytes:
    picture, box = overlay.close_up(observation.image, observation.box, SIDE)
    return overlay.overlay(picture, values, box, colour_map=colour_map, scale=scale, opacity=0.6)
