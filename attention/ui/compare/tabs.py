"""What stands below the networks' columns: gates against the heatmap, channel gates, cost and training; whether maps
name the pixels that count, and whether they depend on the network's weights at all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import streamlit as st

from attention import analysis, comparison, images, numbers
from attention.analysis import agreement, predictions
from attention.analysis.evidence import draws_for
from attention.analysis.faithfulness import BASELINES, KINDS
from attention.charts import comparing, overlay
from attention.charts.chart import Chart, by_map, by_row
from attention.comparison import Compared, MapTest
from attention.kinds import KINDS as GATE_KINDS
from attention.numbers import attention_share, fixed, in_attention, magnitude, number
from attention.observe import Observation, Picture
from attention.records import Doubles, Floats
from attention.ui import cache, frame, jobs, widgets

if TYPE_CHECKING:
    from torch import Tensor, nn

YARDSTICK = "Another picture, as a yardstick"


def explain(columns: Sequence[Compared]) -> None:
    """The equations, and the numbers of all columns, folded."""
    box = st.expander("The equations", icon=":material/function:", key="equations", on_change="rerun")
    if box.open:
        with box:
            _explain_heatmap(columns)
    titles = ("network", "class", "probability", "layer", "least of the heatmap", "greatest of the heatmap")
    rows = [_row(column) for column in columns if column.heatmap and column.target is not None]
    heatmaps = {column.card.name: column.heatmap.values for column in columns if column.heatmap}
    gates = {
        f"{column.card.name}: {gate.name}": gate.values[0]
        for column in columns
        for gate in comparison.last_of_stages(column.spatial)
    }
    means = [(column.card.name, gate.name, float(gate.values.mean())) for column in columns for gate in column.averaged]
    widgets.data(
        heatmaps=by_row(titles, rows),
        class_heatmaps=by_map(heatmaps),
        stage_gates=by_map(gates),
        channel_means=by_row(("network", "gate", "mean"), means),
    )


def _row(column: Compared) -> tuple[object, ...]:
    assert column.heatmap and column.target is not None
    name = f"{column.card.name}{' (random weights)' * column.card.random}"
    found, label = column.heatmap, column.observation.targets[column.target]
    return name, label, column.probability, found.layer, found.minimum, found.maximum


def _explain_heatmap(columns: Sequence[Compared]) -> None:
    widgets.say(
        "Grad-CAM: $A^k$ is channel k of the layer's output, with Z places, and $y^c$ the logit of class c. What is "
        "negative is left out (Selvaraju et al., arXiv 1610.02391, eqs. 1 and 2).",
        "grad_cam",
    )
    st.latex(
        r"L^c = \mathrm{ReLU}\Big(\sum_k \alpha^c_k A^k\Big),\qquad "
        r"\alpha^c_k = \frac{1}{Z}\sum_{i,j}\frac{\partial y^c}{\partial A^k_{ij}}"
    )
    grids = {f"{len(each.heatmap.values)} × {each.heatmap.values.shape[1]}" for each in columns if each.heatmap}
    widgets.say(
        f"Here the maps have {' and '.join(sorted(grids)) or 'no'} places; they are enlarged bilinearly. Where average "
        "pooling and one linear layer alone follow the block, a place's value times 1/Z is what it adds to the logit, "
        "and one scale for all compares that; elsewhere values of two networks have no common measure.",
        "grids",
    )
    st.markdown(r"Overlap, of the fifths $T$ of the places with the largest values: $|T_1 \cap T_2| / |T_1|$.")


def draw_agreement(columns: Sequence[Compared]) -> None:
    """Each spatial gate against the class heatmap, beside the same gate for every other picture at hand."""
    column = choose_column(
        columns, "spatial gates and a heatmap", lambda column: bool(column.spatial and column.heatmap)
    )
    if column is None:
        return
    first = column.observation
    others = frame.other_pictures(first)
    widgets.say(
        "Does a spatial gate lie where the class heatmap lies? Its map is held against the heatmap of its own picture, "
        "and against those of all others at hand.",
        "gates",
    )

    def measure(report: jobs.Report) -> dict[str, Doubles]:
        at_hand = [first, *(first.of(own or cache.sample(name)) for name, own in others.items())]
        targets = [column.target or 0, *(each.first_target for each in at_hand[1:])]
        return comparison.agreements_of(at_hand, targets, report)

    count = len(others) + 1
    cost = jobs.cost(2 * count, count, column.seconds)
    agreements = jobs.result_of("agreement", (first.key, column.target, *others), cost, measure)
    if agreements is not None:
        names = analysis.gate_titles(column.spatial)
        looks = [analysis.map_stats(gate.values[0]) for gate in column.spatial]
        flat = [name for name, look in zip(names, looks, strict=True) if look.nearly_constant]
        assert column.heatmap is not None
        shifts = [agreement.shift_correlations(gate.values[0], column.heatmap.values) for gate in column.spatial]
        found, moved = (dict(zip(names, each, strict=True)) for each in (agreements.values(), shifts))
        widgets.show(comparing.agreement(found, moved, flat))


def draw_heatmaps(columns: Sequence[Compared]) -> None:
    """The first network's heatmaps against another's, beside those of every other picture at hand."""
    with_heatmap = [column for column in columns if column.heatmap]
    if len(with_heatmap) < 2:
        widgets.info("Fewer than two of these networks have a heatmap so far.")
        return
    first, names = with_heatmap[0], {column.card.name: column for column in with_heatmap[1:]}
    second = names[widgets.choose("With", names, key="with")]
    widgets.say(
        "Do the two networks' heatmaps agree because of the picture? Each is held against the other's of the same "
        "picture, and of all others at hand.",
        "pictures",
    )
    at_hand = frame.other_pictures(first.observation)

    def measure(report: jobs.Report) -> Doubles:
        pictures = [own or cache.sample(name) for name, own in at_hand.items()]
        return comparison.heatmap_agreements(replace(first, others=pictures), second, report)

    count = 2 * len(at_hand)
    cost = jobs.cost(2 * count, count, max(first.seconds, second.seconds))
    keys = [(each.observation.key, each.target, each.heatmap and each.heatmap.method) for each in (first, second)]
    agreements = jobs.result_of("heatmap_agreement", (*keys, *at_hand), cost, measure)
    if agreements is not None:
        moved = comparison.shifted_heatmaps(first, second)
        widgets.show(comparing.heatmap_agreement(agreements, moved, (first.card.name, second.card.name)))


def choose_column(columns: Sequence[Compared], wanted: str, has: Callable[[Compared], bool]) -> Compared | None:
    """The column that a part below is about; None, and said, where none has what is wanted."""
    named = {column.card.name: column for column in columns if has(column)}
    if not named:
        widgets.info(
            f"None of these networks has {wanted} so far: choose cbam, and start its heatmap where that is asked."
        )
        return None
    return named[widgets.choose("Network", named, key="of")]


def choose_other(observation: Observation, title: str) -> Picture:
    """A picture of something else."""
    return frame.named_picture(widgets.choose(title, frame.other_pictures(observation), key="other"))


def draw_channels(columns: Sequence[Compared]) -> None:
    """Every network's channel gates by depth."""
    gated = {column.card.name: [gate.values[0] for gate in column.channel] for column in columns if column.channel}
    if not gated:
        widgets.info("None of these networks has channel gates: choose se or cbam to see them.")
        return
    means = {
        column.card.name: fmean(float(gate.values.mean()) for gate in column.averaged)
        for column in columns
        if column.averaged
    }
    said = "; ".join(f"the mean gate of {name} is {fixed(mean)}" for name, mean in means.items())
    sentences = [f"Over all blocks, {said}." * bool(said), *map(comparison.without_mean, columns)]
    finding = " ".join(filter(None, sentences))
    st.markdown(widgets.literal(finding))
    alt = f"Channel gates by depth. {finding}"
    caption = "This picture. The line is the median of a block's channels, the band holds their middle half."
    widgets.show(Chart("profiles", comparing.profiles(gated), alt, caption, numbers="profiles"))
    rows = [(name, number, float(gate.mean())) for name, gates in gated.items() for number, gate in enumerate(gates, 1)]
    spread = analysis.five_numbers([gate for gates in gated.values() for gate in gates])
    widgets.data(profiles={**by_row(("network", "block", "mean"), rows), **spread})


def draw_cost(columns: Sequence[Compared]) -> None:
    """Size, cost, measured time and origin of each network."""
    inventories = [column.observation.inventory for column in columns]
    rows = {
        "parameters": [magnitude(inventory.network.parameters) for inventory in inventories],
        "MACs": [magnitude(column.macs) for column in columns],
        "parameters in attention": [attention_share(inventory, "parameters") for inventory in inventories],
        "MACs in attention": [attention_share(inventory, "macs") for inventory in inventories],
        "time here, ms": [numbers.number(1000 * column.seconds) for column in columns],
        "input, px": [images.size_in_words(column.card.input_size) for column in columns],
        "classes": [f"{len(column.labels):,}" if column.labels else "none" for column in columns],
        "top-1": ["–" if column.card.accuracy is None else f"{column.card.accuracy:.1%}" for column in columns],
        "weights": [column.card.origin_of_weights for column in columns],
    }
    names = [column.card.name for column in columns]
    cells = [(name, *values) for name, values in rows.items()]
    st.markdown(widgets.as_table(("", *map(widgets.literal, names)), cells))
    st.caption(
        f"{comparison.TIMED} Top-1 of the own networks was measured on Imagenette's ten classes, that of the others "
        "published for ImageNet's thousand: the two do not compare."
    )
    measured: dict[str, Sequence[Any]] = {
        "network": names,
        "parameters": [inventory.network.parameters for inventory in inventories],
        "MACs": [column.macs for column in columns],
        "share of parameters in attention": [in_attention(inventory, "parameters") for inventory in inventories],
        "share of MACs in attention": [in_attention(inventory, "macs") for inventory in inventories],
        "shares are bounds": ["yes" if inventory.unlisted else "no" for inventory in inventories],
        "time here, ms": [1000 * column.seconds for column in columns],
        "input height, px": [images.sides(column.card.input_size)[0] for column in columns],
        "input width, px": [images.sides(column.card.input_size)[1] for column in columns],
        "classes": [len(column.labels) for column in columns],
        "top-1": [column.card.accuracy for column in columns],
        "weights": rows["weights"],
    }
    widgets.data(cost=measured)


BESIDE = ("heatmap of the other picture", "blob in the middle")
SEEDS = 20
"""Orders in which the weights are put, each by a seed of its own."""
PASSES = 3
"""Forward ones of each step of shuffling: for the gates, for the layers of the copy, for the heatmap."""


class Shuffled(NamedTuple):
    """The maps of a network whose weights are shuffled from the head down to a block."""

    down_to: str
    maps: dict[str, Floats]
    """The heatmap and the spatial gates, by name."""
    probability: float
    """Probability of the class."""


def draw_faithfulness(columns: Sequence[Compared]) -> None:
    """Deletion and insertion in the order of the heatmap and of a spatial gate, each against random maps like it."""
    column = choose_column(
        columns, "a heatmap of a class", lambda each: each.heatmap is not None and each.probability is not None
    )
    if column is None:
        return
    observation = column.observation
    maps = _maps(column)
    other = observation.of(choose_other(observation, YARDSTICK))
    baseline = widgets.choose("What is missing becomes", BASELINES, key="missing", look="row")
    draws = draws_for(len(KINDS) * len(maps))
    passes = comparison.passes_to_test(len(maps), draws, len(BESIDE))
    widgets.say(
        "Pixels go, or come back, those of the highest values first. What is missing becomes the mean colour, which "
        "makes hard edges, or the picture blurred, with which RISE begins its insertion.",
        "removing",
    )
    key = (observation.key, other.key, column.target, *_stamp(column), *maps, baseline)
    cost = jobs.cost(passes, 0, column.seconds)
    work = partial(_test_maps, column, maps, other, baseline=baseline, draws=draws)
    tests = jobs.result_of("faithfulness", key, cost, work)
    if tests is not None:
        tested, beside = tests
        widgets.show(comparing.deletion(tested, beside, baseline))


def draw_sanity(columns: Sequence[Compared]) -> None:
    """The same maps with the network's weights shuffled from the top down."""
    column = choose_column(
        columns,
        "a Grad-CAM heatmap of a class",
        lambda each: bool(each.heatmap and each.heatmap.layer and each.probability is not None),
    )
    if column is None:
        return
    observation = column.observation
    steps = len(observation.layers.blocks) + 1
    widgets.say(
        f"Each tensor's weights are put in a random order, in a copy, from the head down to one block after another, "
        f"by {SEEDS} seeds. Batch-norm's scales and shifts are shuffled too; its running means and variances stay. A "
        "map that stays the same although its own block is shuffled says nothing about what the network has learned.",
        "shuffling",
    )
    cost = jobs.cost(SEEDS * PASSES * steps, SEEDS * steps, column.seconds)
    key = (observation.key, column.target, *_stamp(column))
    shuffled = jobs.result_of("sanity", key, cost, lambda report: _shuffle(observation, column, report))
    if shuffled:
        _draw_shuffled(observation, column, shuffled)


def _stamp(column: Compared) -> tuple[str, str]:
    """Which heatmap it is."""
    assert column.heatmap is not None
    return column.heatmap.method, column.heatmap.layer


def _maps(column: Compared) -> dict[str, Floats]:
    """The heatmap, and the spatial gate that is chosen."""
    assert column.heatmap is not None
    maps = {"heatmap": column.heatmap.values}
    gates = {gate.name: gate.values[0] for gate in column.spatial}
    if gates:
        name = widgets.choose("Spatial gate", gates, key="gate", default=list(gates)[-1])
        maps[f"gate {name}"] = gates[name]
    return maps


Tested = tuple[dict[str, MapTest], dict[str, MapTest]]
"""The maps in question, and those that stand beside them, by name."""


def _test_maps(
    column: Compared, maps: dict[str, Floats], other: Observation, report: jobs.Report, *, baseline: str, draws: int
) -> Tested:
    assert column.heatmap is not None and column.target is not None
    observation, grid = column.observation, column.heatmap.values.shape
    others = (other.heatmap(column.target).values, agreement.centre_blob((grid[0], grid[1])))
    beside = dict(zip(BESIDE, others, strict=True))
    how: dict[str, Any] = {"baseline": baseline, "draws": draws, "report": report}
    found = comparison.test_maps(observation, column.target, maps, beside, **how)
    return {name: found[name] for name in maps}, {name: found[name] for name in beside}


def _shuffle(observation: Observation, column: Compared, report: jobs.Report) -> list[list[Shuffled]]:
    """By seed, and then from the head down."""
    from attention import attribution

    batch, layers = observation.batch, observation.layers
    steps = len(layers.blocks) + 1
    found: list[list[Shuffled]] = []
    for seed in range(SEEDS):
        found.append([])
        for down_to, copy in attribution.shuffled_copies(observation.network.module, layers, seed):
            report(PASSES * (seed * steps + len(found[-1])), PASSES * SEEDS * steps)
            found[-1].append(_shuffled_maps(column, down_to, copy, batch))
    return found


def _shuffled_maps(column: Compared, down_to: str, copy: "nn.Module", batch: "Tensor") -> Shuffled:
    import torch

    from attention import capture
    from attention.attribution import Attributor, GradCam

    assert column.heatmap is not None
    with torch.no_grad():
        traced = capture.trace(copy, batch)
    heatmap = Attributor(copy)(batch, column.heatmap.target, method=GradCam(column.heatmap.layer))
    maps = {"heatmap": heatmap.values}
    maps |= {gate.name: gate.values[0] for gate in traced.gates if GATE_KINDS[gate.kind].is_map}
    outputs = column.observation.outputs
    found = analysis.probabilities(predictions.logits(traced.output, outputs), outputs)[0]
    return Shuffled(down_to, maps, float(found[column.heatmap.target]))


def _draw_shuffled(observation: Observation, column: Compared, shuffled: Sequence[Sequence[Shuffled]]) -> None:
    assert column.heatmap is not None
    originals = {"heatmap": column.heatmap.values, **{gate.name: gate.values[0] for gate in column.spatial}}
    depths = [each.down_to for each in shuffled[0]]
    chosen = widgets.choose("Shuffled from the head down to", depths, key="down", look="slider")
    at = depths.index(chosen)
    titles = ["heatmap", *analysis.short_names([name for name in originals if name != "heatmap"])]
    correlations, similarities = (
        dict(zip(titles, _likenesses(originals, shuffled, measure), strict=True))
        for measure in (agreement.rank_correlation, agreement.similarity)
    )
    assert column.probability is not None
    probabilities = (column.probability, [seed[-1].probability for seed in shuffled])
    widgets.show(comparing.shuffling(correlations, similarities, depths, at, probabilities))
    maps = _draw_maps(observation, originals, shuffled[0][at])
    widgets.data(shuffled_maps=by_map(maps))


def _likenesses(
    originals: dict[str, Floats], runs: Sequence[Sequence[Shuffled]], measure: Callable[[Floats, Floats], float | None]
) -> Iterator[Doubles]:
    """For each map its likeness to the original, (seeds, depths); NaN where it is not defined."""
    for name, values in originals.items():
        yield np.array(
            [[measure(values, one.maps[name]) if name in one.maps else None for one in seed] for seed in runs],
            np.float64,
        )


def _draw_maps(observation: Observation, originals: dict[str, Floats], shuffled: Shuffled) -> dict[str, Floats]:
    """The heatmap and the last spatial gate, before and after; what is drawn, by name."""
    names, maps = ["heatmap", *list(originals)[1:][-1:]], dict[str, Floats]()
    places = iter(st.columns(4))
    picture, box = overlay.close_up(observation.image, observation.box, 360)
    for name in names:
        for title, values in (("trained", originals[name]), (f"down to {shuffled.down_to}", shuffled.maps[name])):
            heat, maps[f"{name}, {title}"] = name == "heatmap", values
            scale = overlay.own_range(values) if heat else overlay.UNIT
            drawn = overlay.overlay(
                picture, values, box, colour_map="inferno" if heat else "viridis", scale=scale, opacity=0.6
            )
            span = f"{number(values.min())} to {number(values.max())}"
            with next(places):
                key = f"{name}_{'trained' if values is originals[name] else 'shuffled'}"
                caption = f"{name}, {title}: {span}"
                widgets.show(Chart(key, drawn, f"{caption}.", caption, numbers="shuffled_maps"))
    return maps
