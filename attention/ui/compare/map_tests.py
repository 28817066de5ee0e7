"""Two tests of maps: do they name the pixels that count, and do they depend on the network's weights at all?"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import streamlit as st

from attention import analysis, comparison
from attention.analysis import agreement, predictions
from attention.analysis.evidence import draws_for
from attention.analysis.faithfulness import BASELINES, KINDS
from attention.charts import comparing, overlay
from attention.charts.chart import by_map
from attention.comparison import Compared, MapTest
from attention.kinds import KINDS as GATE_KINDS
from attention.numbers import number
from attention.observe import Observation
from attention.records import Doubles, Floats
from attention.ui import jobs, widgets
from attention.ui.compare.tabs import choose_network, choose_other

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from torch import Tensor, nn

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
    chosen = choose_network(
        columns, "a heatmap of a class", lambda each: each.heatmap is not None and each.probability is not None
    )
    if chosen is None:
        return
    column = columns[chosen]
    observation = column.observation
    maps = _maps(column)
    other = observation.of(choose_other(observation))
    baseline = widgets.choose("What is missing becomes", BASELINES, key="missing", look="row")
    draws = draws_for(len(KINDS) * len(maps))
    passes = comparison.passes_to_test(len(maps), draws, len(BESIDE))
    widgets.say(
        "Pixels go, or come back, those of the highest values first. What is missing becomes the mean colour, which "
        "makes hard edges, or the picture blurred, with which RISE begins its insertion.",
        "removing",
    )
    key = (observation.key, other.key, column.target, *_stamp(column), *maps, baseline)
    said = jobs.cost(passes, 0, column.seconds)
    work = partial(_remove, column, maps, other, baseline=baseline, draws=draws)
    done = jobs.result_of("faithfulness", key, said, work)
    if done is not None:
        tested, beside = done
        widgets.show(comparing.deletion(tested, beside, baseline))


def draw_sanity(columns: Sequence[Compared]) -> None:
    """The same maps with the network's weights shuffled from the top down."""
    chosen = choose_network(
        columns,
        "a Grad-CAM heatmap of a class",
        lambda each: bool(each.heatmap and each.heatmap.layer and each.probability is not None),
    )
    if chosen is None:
        return
    column = columns[chosen]
    observation = column.observation
    layers = observation.layers
    steps = len(layers.blocks) + 1
    widgets.say(
        f"Each tensor's weights are put in a random order, in a copy, from the head down to one block after another, "
        f"by {SEEDS} seeds. Batch-norm's scales and shifts are shuffled too; its running means and variances stay. A "
        "map that stays the same although its own block is shuffled says nothing about what the network has learned.",
        "shuffling",
    )
    said = jobs.cost(SEEDS * PASSES * steps, SEEDS * steps, column.seconds)
    key = (observation.key, column.target, *_stamp(column))
    done = jobs.result_of("sanity", key, said, lambda report: _shuffle(observation, column, report))
    if done:
        _draw_shuffled(observation, column, done)


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


def _remove(
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
    import torch

    from attention import attribution

    batch, layers = observation.batch, observation.layers
    steps = len(layers.blocks) + 1
    found: list[list[Shuffled]] = []
    with torch.inference_mode(False):
        for seed in range(SEEDS):
            found.append([])
            for down_to, copy in attribution.randomised(observation.network.module, layers, seed):
                report(PASSES * (seed * steps + len(found[-1])), PASSES * SEEDS * steps)
                found[-1].append(_seen(column, down_to, copy, batch))
    return found


def _seen(column: Compared, down_to: str, copy: "nn.Module", batch: "Tensor") -> Shuffled:
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


def _draw_shuffled(observation: Observation, column: Compared, done: Sequence[Sequence[Shuffled]]) -> None:
    assert column.heatmap is not None
    originals = {"heatmap": column.heatmap.values, **{gate.name: gate.values[0] for gate in column.spatial}}
    depths = [each.down_to for each in done[0]]
    chosen = widgets.choose("Shuffled from the head down to", depths, key="down", look="slider")
    at = depths.index(chosen)
    titles = ["heatmap", *analysis.short_names([name for name in originals if name != "heatmap"])]
    correlations, similarities = (
        dict(zip(titles, _measured(originals, done, measure), strict=True))
        for measure in (agreement.rank_correlation, agreement.similarity)
    )
    assert column.probability is not None
    probabilities = (column.probability, [seed[-1].probability for seed in done])
    widgets.show(comparing.shuffled(correlations, similarities, depths, at, probabilities))
    maps = _draw_maps(observation, originals, done[0][at])
    widgets.data(shuffled_maps=by_map(maps))


def _measured(
    originals: dict[str, Floats], done: Sequence[Sequence[Shuffled]], measure: Callable[[Floats, Floats], float | None]
) -> Iterator[Doubles]:
    """For each map its likeness to the original, (seeds, depths); NaN where it is not defined."""
    for name, values in originals.items():
        yield np.array(
            [[measure(values, one.maps[name]) if name in one.maps else None for one in seed] for seed in done],
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
                widgets.picture(drawn, key=key, alt=f"{caption}.", caption=caption, table="shuffled_maps")
    return maps
