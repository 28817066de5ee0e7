"""Two tests of maps: do they name the pixels that count, and do they depend on the network's weights at all?"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from attention import analysis
from attention.analysis import agreement
from attention.analysis.faithfulness import STEPS, Faithfulness, faithfulness, random_maps
from attention.charts import comparing, overlay
from attention.charts.chart import Columns, by_map
from attention.comparison import Compared
from attention.kinds import KINDS
from attention.observe import Observation
from attention.records import Floats
from attention.ui import jobs, widgets
from attention.ui.compare.tabs import choose_network

if TYPE_CHECKING:  # the page is painted before torch is loaded
    from torch import Tensor, nn

DRAWS = 5
AT_ONCE = 7
SEED = 0
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
    """Deletion and insertion in the order of the heatmap, of a spatial gate, and of random maps."""
    chosen = choose_network(columns, "a heatmap", lambda column: column.heatmap is not None)
    if chosen is None:
        return
    column = columns[chosen]
    observation = column.observation
    maps = _maps(column)
    passes = 2 * (len(maps) + DRAWS) * (STEPS + 1)
    st.markdown(
        "Pixels are replaced by the mean colour, or put back into a picture of it, those of the highest values first. "
        "(RISE begins the insertion with a blurred picture; here it begins with the mean colour.)"
    )
    key = (observation.key, column.target, *_stamp(column), *maps)
    said = jobs.cost(passes, 0, column.seconds)
    done = jobs.result_of("faithfulness", key, said, lambda report: _remove(observation, column, maps, report))
    if done is not None:
        _draw_curves(done, column)


def draw_sanity(columns: Sequence[Compared]) -> None:
    """The same maps with the network's weights shuffled from the top down."""
    chosen = choose_network(columns, "a Grad-CAM heatmap", lambda each: bool(each.heatmap and each.heatmap.layer))
    if chosen is None:
        return
    column = columns[chosen]
    observation = column.observation
    layers = observation.layers
    steps = len(layers.blocks) + 1
    st.markdown(
        "Each tensor's weights are put in a random order, in a copy, from the head down to one block after another. A "
        "map that stays the same although its own block is shuffled says nothing about what the network has learned."
    )
    said = jobs.cost(PASSES * steps, steps, column.seconds)
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


Curves = tuple[dict[str, Faithfulness], list[Faithfulness]]
"""The curves of the maps by name, and of the random ones."""


def _remove(observation: Observation, column: Compared, maps: dict[str, Floats], report: jobs.Report) -> Curves:
    picture = observation.network.transform(observation.image).numpy()
    grid = list(maps.values())[-1].shape
    rows = [*maps.values(), *random_maps((grid[0], grid[1]), DRAWS, SEED)]
    total = 2 * len(rows) * (STEPS + 1)
    done = 0

    def predict(pictures: Floats) -> NDArray[np.float64]:
        nonlocal done
        found = []
        for start in range(0, len(pictures), AT_ONCE):
            report(done, total)
            batch = pictures[start : start + AT_ONCE]
            found.append(_probabilities(observation, batch, column.target or 0))
            done += len(batch)
        return np.concatenate(found)

    curves = [faithfulness(picture, values, predict) for values in rows]
    return dict(zip(maps, curves, strict=False)), curves[len(maps) :]


def _probabilities(observation: Observation, pictures: Floats, target: int) -> NDArray[np.float64]:
    import torch

    with torch.inference_mode():
        batch = observation.network.batch(torch.from_numpy(pictures))
        return analysis.probabilities(observation.network.module(batch).float().cpu().numpy())[:, target]


def _draw_curves(done: Curves, column: Compared) -> None:
    maps, draws = done
    finding = " ".join(_judged(name, both, draws) for name, both in maps.items())
    st.markdown(finding)
    widgets.chart(comparing.curves(maps, draws), key="curves", alt=finding)
    st.caption(
        f"P of the class while pixels go or come back, {STEPS} steps. Random maps lie on the grid of the last map and "
        f"are enlarged as it is; seed {SEED}, n = {DRAWS}. Pictures with holes are unlike all that the network was "
        "trained on, so compare curves with the band, and not with 0 or 1."
    )
    every = {**maps, **{f"random {number}": draw for number, draw in enumerate(draws, 1)}}
    columns: dict[str, Sequence[float]] = {"share": next(iter(maps.values())).deletion.shares.tolist()}
    for name, both in every.items():
        columns[f"{name}: deletion"] = both.deletion.probabilities.tolist()
        columns[f"{name}: insertion"] = both.insertion.probabilities.tolist()
    widgets.data(curves=columns)


def _judged(name: str, both: Faithfulness, draws: Sequence[Faithfulness]) -> str:
    """The areas of one map, and whether they lie outside those of all random ones."""
    deleted, inserted = ([getattr(draw, kind).area for draw in draws] for kind in ("deletion", "insertion"))
    verdicts = (
        "better" if both.deletion.area < min(deleted) else "worse" if both.deletion.area > max(deleted) else "within",
        "better"
        if both.insertion.area > max(inserted)
        else "worse"
        if both.insertion.area < min(inserted)
        else "within",
    )
    told = {"better": "better than all random maps", "worse": "worse than all of them", "within": "within theirs"}
    return (
        f"**{name}**: area {both.deletion.area:.3f} by deletion, {told[verdicts[0]]} "
        f"({min(deleted):.3f} to {max(deleted):.3f}); {both.insertion.area:.3f} by insertion, {told[verdicts[1]]} "
        f"({min(inserted):.3f} to {max(inserted):.3f})."
    )


def _shuffle(observation: Observation, column: Compared, report: jobs.Report) -> list[Shuffled]:
    import torch

    from attention import attribution

    batch = observation.batch
    layers = observation.layers
    total = PASSES * (len(layers.blocks) + 1)
    found: list[Shuffled] = []
    with torch.inference_mode(False):
        for down_to, copy in attribution.randomised(observation.network.module, layers, SEED):
            report(PASSES * len(found), total)
            found.append(_seen(column, down_to, copy, batch))
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
    maps |= {gate.name: gate.values[0] for gate in traced.gates if KINDS[gate.kind].is_map}
    found = analysis.probabilities(traced.output.numpy())[0]
    return Shuffled(down_to, maps, float(found[column.heatmap.target]))


def _draw_shuffled(observation: Observation, column: Compared, done: Sequence[Shuffled]) -> None:
    assert column.heatmap is not None
    originals = {"heatmap": column.heatmap.values, **{gate.name: gate.values[0] for gate in column.spatial}}
    depths = [each.down_to for each in done]
    chosen = widgets.choose("Shuffled from the head down to", depths, key="down", look="slider")
    at = depths.index(chosen)
    rows = dict(zip(_titles(originals), _similarities(originals, done), strict=True))
    last = rows["heatmap"][-1]
    finding = (
        "With all weights shuffled, the heatmap's rank correlation with the original is "
        f"{'not defined: it is the same everywhere' if last is None else f'{last:.2f}'}; P of the class is "
        f"{done[-1].probability:.1%} in place of {column.probability:.1%}."
    )
    st.markdown(finding)
    widgets.chart(comparing.similarity(rows, depths, at), key="similarity", alt=finding, table="shuffled")
    st.caption(
        "Rank correlation with the map of the trained weights, n = 1 picture, one order of the weights "
        f"(seed {SEED}). A gate sees nothing of what is above it: until its own block is shuffled it stays at 1 by "
        "construction."
    )
    maps = _draw_maps(observation, originals, done[at])
    shuffled: Columns = {"map": list(rows), **{d: [row[n] for row in rows.values()] for n, d in enumerate(depths)}}
    widgets.data(shuffled=shuffled, shuffled_maps=by_map(maps))


def _titles(originals: dict[str, Floats]) -> list[str]:
    return ["heatmap", *analysis.short_names([name for name in originals if name != "heatmap"])]


def _similarities(originals: dict[str, Floats], done: Sequence[Shuffled]) -> Iterator[list[float | None]]:
    for name, values in originals.items():
        yield [agreement.rank_correlation(values, each.maps[name]) if name in each.maps else None for each in done]


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
            span = f"{values.min():.3g} to {values.max():.3g}"
            with next(places):
                key = f"{name}_{'trained' if values is originals[name] else 'shuffled'}"
                caption = f"{name}, {title}: {span}"
                widgets.picture(drawn, key=key, alt=f"{caption}.", caption=caption, table="shuffled_maps")
    return maps
