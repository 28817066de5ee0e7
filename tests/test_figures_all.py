"""Laws of all figures: nothing is drawn where it is not seen, nothing is said of a point that the figure does not
hold, nothing looks like something else; and words that name the most of several do not hang on their order."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.colors import hex_to_rgb

from attention import comparison
from attention.analysis.evidence import OverPictures, Test
from attention.analysis.faithfulness import Curve, Faithfulness
from attention.analysis.usual import AgainstUsual
from attention.charts import (
    channels,
    comparing,
    grouped,
    interventions,
    network,
    partition,
    spatial,
    survey_figures,
    usual,
)
from attention.charts.chart import Chart
from attention.charts.colours import ACCENT
from attention.charts.overlay import Scale, Tile, sheet
from attention.grouped import cost_of
from attention.grouped.experiments import Times
from attention.kinds import CHANNEL, SPATIAL
from attention.records import Gate
from tests.charts import check_look
from tests.test_figures_channels import channel_gate
from tests.test_figures_grouped import convolution
from tests.test_figures_spatial import channel_steps, gate_map, spatial_steps
from tests.test_figures_surveys import FIGURES as OF_SURVEYS
from tests.test_figures_surveys import panel
from tests.test_figures_to_scale import HALF

BLOCKS = [f"b{number}" for number in range(5)]
UNITS = {"k": 1e3, "M": 1e6, "G": 1e9, "": 1.0}
MARGIN = 100
"""Pixels that plotly leaves above where it is not told."""


def numbers(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(count, np.float32)


def against_usual(*shape: int) -> AgainstUsual:
    random = np.random.default_rng(1)
    return AgainstUsual(random.random(shape), random.random((9, *shape)), random.random(shape))


def by_chance(count: int) -> list[Test]:
    return [Test(number / 2, 0.04, 0.04, 99, -number - 0.5, number + 0.5) for number in range(count)]


def faithful(low: float) -> Faithfulness:
    shares = np.linspace(0, 1, 3)
    return Faithfulness(Curve(shares, np.array([1, low, 0])), Curve(shares, np.array([0, 1 - low, 1])))


def square(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (6, 6))


def deleted() -> go.Figure:
    test = comparison.MapTest(faithful(0.1), tuple(map(faithful, np.linspace(0.3, 0.7, 40))))
    return comparing.deletion({"heatmap": test, "gate": test}, {"blob": test}, "blur").figure


def maps() -> dict[str, np.ndarray]:
    return {"one": numbers(30).reshape(5, 6) - 0.5, "other": numbers(30, 1).reshape(5, 6)}


FIGURES: dict[str, Callable[[], go.Figure]] = {
    "bars": lambda: channels.gate_bars(numbers(40), channels.drawn_channels(numbers(40), by_size=True), 3),
    "strip of a gate": lambda: channels.gate_strip(numbers(300), 70),
    "vector": lambda: channels.vector(numbers(9), 3, "mean"),
    "long vector": lambda: channels.vector(numbers(300), 3, "mean"),
    "difference": lambda: channels.difference(numbers(9), numbers(9, 1)).figure,
    "long difference": lambda: channels.difference(numbers(300), numbers(300, 1)).figure,
    "depth": lambda: channels.through_depth(spreads(), "b1", dict(zip(BLOCKS, BLOCKS, strict=True))).figure,
    "ratio": lambda: channels.ratio_curve([32, 64], 8).figure,
    "reweighted": lambda: sheet({"": [Tile("a", b"\x89PNG", (maps()["one"],))] * 3, "b": []}),
    "strip": lambda: network.strip_figure(BLOCKS, numbers(5), "b2"),
    "likely": lambda: network.class_bars(BLOCKS, [0.5, 0.3, 0.1, 0.05, 0.01]),
    "to scale": lambda: network.to_scale(HALF).figure,
    "colours": lambda: spatial.histogram(gate_map(), "viridis", Scale(0.3, 0.8)),
    "rows": lambda: spatial.profile(numbers(9), "height"),
    "columns": lambda: spatial.profile(numbers(9), "width"),
    "derivation": lambda: spatial.derivation(spatial_steps(), gate_map()).figure,
    "derivation of a small kernel": lambda: spatial.derivation(spatial_steps(3, ("max",)), gate_map()).figure,
    "features": lambda: spatial.features(maps(), "what").figure,
    "many features": lambda: spatial.features({f"{n}": each for n in range(3) for each in maps().values()}, "a").figure,
    "dials": lambda: spatial.dials(spatial_steps().before[0], numbers(12), gate_map(), "a").figure,
    "poolings": lambda: spatial.channel_pooling(channel_steps(), 3).figure,
    "branches": lambda: spatial.branches(channel_steps(), numbers(12), 3).figure,
    "pooled": lambda: spatial.spatial_pooling(spatial_steps()).figure,
    "edited": lambda: interventions.channels(numbers(9), numbers(9, 1), np.arange(9), (3, 5)),
    "painted": lambda: interventions.map_to_paint(gate_map(), (7, 29)),
    "classes": lambda: interventions.probabilities(BLOCKS, numbers(5), numbers(5, 1)),
    "chance": lambda: interventions.against_chance(-2.0, [0.5, 1.0, 0.7]),
    "in turn": lambda: interventions.turns(BLOCKS, numbers(15).reshape(5, 3) - 0.5, by_chance(5)),
    "moved gates": lambda: interventions.move_bars(BLOCKS, numbers(5), [True] + [False] * 4),
    "medians": lambda: medians(4),
    "agreement": lambda: comparing.agreement({"a": square(0), "b": square(1)}, shifts("ab"), []).figure,
    "agreement of heatmaps": lambda: comparing.heatmap_agreement(square(0), square(1)[0], ("a", "b")).figure,
    "deletion": deleted,
    "shuffled": lambda: shuffled().figure,
    "moved": lambda: comparing.move_bars(BLOCKS, numbers(5), [0.5] * 5, "another"),
    "profiles": lambda: comparing.profiles({"a": [numbers(9)] * 4, "b": [numbers(9, 1)] * 7}),
    "framed": lambda: comparing.picture_with_frame(b"\xff\xd8", (10, 20, 40, 60)),
    "groups": lambda: grouped.curves(convolution(64, 64, 4)).figure,
    "times": lambda: grouped.times(Times(convolution(64, 64, 4), {1: 4e-3, 2: 9e-4, 4: 7e-5}, 5, 1), 4).figure,
    "answers": lambda: grouped.answers(np.kron(np.eye(4, dtype=bool), np.ones((2, 2), bool)), groups=4).figure,
    "budget": lambda: grouped.equal_budget().figure,
    "partition": lambda: partition.chart(convolution(8, 8, 4), cost_of(convolution(8, 8, 4)), 1).figure,
    "usual map": lambda: usual.chart(against_usual(5, 6), "a", SPATIAL).figure,
    "usual channels": lambda: usual.chart(against_usual(9), "a", CHANNEL).figure,
    "unusual": lambda: unusual(BLOCKS).figure,
    "classes of a survey": lambda: survey_figures.excitation_role(
        [panel(7, chosen=3)], list("abcdefg"), band=True, own_scale=False
    ),
    **{f"{name} of a survey": make for name, make in OF_SURVEYS.items()},
}
each_figure = pytest.mark.parametrize("name", FIGURES)


@cache
def figure_of(name: str) -> go.Figure:
    return FIGURES[name]()


def shifts(names: str) -> dict[str, np.ndarray]:
    return {name: np.linspace(-1, 1, 25) for name in names}


def shuffled() -> Chart:
    found = {"heatmap": square(0)[:, :3], "gate": square(1)[:, :3]}
    return comparing.shuffling(found, found, ["head", "middle", "stem"], 1, (0.9, [0.1, 0.3]))


def medians(count: int) -> go.Figure:
    found = {f"row {number}": OverPictures(0.5 - number, -number, 1, 3, 4) for number in range(count)}
    return interventions.medians(found, "Explained.", "Finding.", 0).figure


def spreads() -> dict[str, Gate]:
    """Gates of which the third spreads most."""
    return {
        name: channel_gate(size * numbers(20, seed))
        for seed, (name, size) in enumerate(zip(BLOCKS, (3, 2, 9, 1, 4), strict=True))
    }


def unusual(names: list[str]) -> Chart:
    """Gates of which the third is the most unusual."""
    found = {name: against_usual(4 + BLOCKS.index(name)) for name in names}
    found["b2"] = replace(found["b2"], values=found["b2"].values + 5)
    return usual.through_depth(
        {(name, "channel"): each for name, each in found.items()}, {name: name for name in names}
    )


@each_figure
def test_each_has_the_look_of_all(name):
    check_look(figure_of(name))


@each_figure
def test_what_is_said_of_a_point_under_the_mouse_is_there_for_each_of_them(name):
    for trace in figure_of(name).data:
        said = getattr(trace, "hovertemplate", None) or ""
        shape = np.shape(trace.z) if trace.type == "heatmap" else (max(len(side) for side in held(trace, "xy")),)
        for place in re.findall(r"%\{(\w+)", said):
            if place == "fullData":
                assert trace.name
            elif not (trace.type == "heatmap" and place in "xy" and trace[place] is None):
                lengths = np.shape(np.asarray(trace[place], object))
                expected = {"x": shape[-1:], "y": shape[:1]}.get(place, shape) if trace.type == "heatmap" else shape
                assert lengths[: len(expected)] == expected, place
        assert said.endswith("</extra>") or not said  # or the name of the trace would stand beside it


def held(trace, names):
    return [trace[name] for name in names if trace[name] is not None]


def axis_of(figure: go.Figure, trace, side: str):
    return figure.layout[f"{side}axis{(trace[f'{side}axis'] or side)[1:]}"]


@each_figure
def test_nothing_lies_outside_of_an_axis_that_ends(name):
    figure = figure_of(name)
    for trace, side in itertools.product(figure.data, "xy"):
        axis = axis_of(figure, trace, side)
        values = trace[side] if trace[side] is not None else np.arange(0)
        if trace.type == "heatmap" and trace[side] is None:
            values = np.arange(np.shape(trace.z)[side == "x"])
        if axis.range is None or None in axis.range or axis.type == "log" or np.asarray(values).dtype.kind not in "fiu":
            continue
        values = np.asarray(values, float)
        if getattr(trace, "base", None) is not None and side == ("x" if trace.orientation == "h" else "y"):
            values = values + np.asarray(trace.base, float)
        if getattr(trace, "fill", None) == "toself":
            continue  # a band may be cut off
        assert np.nanmin(values, initial=np.inf) >= min(axis.range), side
        assert np.nanmax(values, initial=-np.inf) <= max(axis.range), side
        if trace.type == "heatmap":
            assert sorted(axis.range) == [values[0] - 0.5, values[-1] + 0.5]  # whole cells, and nothing beside them


@each_figure
def test_what_is_written_at_a_place_of_an_axis_can_be_seen_and_is_the_number_of_that_place(name):
    figure = figure_of(name)
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        places, words = axis.tickvals, axis.ticktext
        if places is None:
            continue
        assert len(set(places)) == len(places)
        if axis.range is not None and None not in axis.range and axis.type != "log":
            assert min(axis.range) <= min(places) and max(places) <= max(axis.range)
        if words is not None:
            assert len(words) == len(places) and all(isinstance(word, str) for word in words)
            assert len(set(words)) == len(words)
            if axis.type == "log":
                assert list(map(read, words)) == pytest.approx([float(place) for place in places])


def read(word: str) -> float:
    """A positive number as it is written below an axis."""
    digits, _, power = word.replace(",", "").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")).partition(" × 10")
    unit = digits.lstrip("0123456789.")
    return float(digits.removesuffix(unit)) * UNITS[unit] * 10.0 ** int(power or 0)


@each_figure
def test_the_first_of_several_rows_lies_at_the_top(name):
    figure = figure_of(name)
    for trace in figure.data:
        axis = axis_of(figure, trace, "y")
        names = axis.ticktext or words(trace.y)
        if len(names) > 2 and axis.type != "log" and axis.visible is not False:
            assert axis.autorange == "reversed" or axis.range[0] > axis.range[1]


@each_figure
def test_an_axis_with_numbers_says_of_what(name):
    figure = figure_of(name)
    named = {id(axis_of(figure, trace, side)) for trace in figure.data for side in "xy" if words(trace[side])}
    titled = [note for note in figure.layout.annotations if (note.yref or "").endswith(("paper", "domain"))]
    for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
        bare = axis.visible is False or axis.showticklabels is False or id(axis) in named
        if not bare and (axis.type == "log" or not axis.ticktext) and axis.tickformat != ".0%":
            assert axis.title.text or titled, axis.plotly_name


def words(values) -> list[str]:
    return [value for value in ([] if values is None else values) if isinstance(value, str)]


def panels(figure: go.Figure):
    """The parts of a figure that its pairs of axes take: left, right, bottom, top."""
    pairs = {(trace.xaxis or "x", trace.yaxis or "y") for trace in figure.data}
    for across, down in pairs:
        x, y = figure.layout[f"xaxis{across[1:]}"], figure.layout[f"yaxis{down[1:]}"]
        if not (x.overlaying or y.overlaying):
            yield (*(x.domain or (0, 1)), *(y.domain or (0, 1)))


@each_figure
def test_panels_lie_in_the_figure_and_not_upon_one_another(name):
    found = list(panels(figure_of(name)))
    for left, right, bottom, top in found:
        assert 0 <= left < right <= 1 + 1e-9 and 0 <= bottom < top <= 1 + 1e-9
    for one, other in itertools.combinations(found, 2):
        apart = [one[side + 1] <= other[side] or other[side + 1] <= one[side] for side in (0, 2)]
        assert any(apart), (one, other)


def sizes(part, inside=""):
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "size" and "font" in inside:
                yield value
            yield from sizes(value, key)
    elif isinstance(part, list | tuple):
        for each in part:
            yield from sizes(each, inside)


@each_figure
def test_type_can_be_read(name):
    found = [*sizes(figure_of(name).to_dict())]
    assert all(11 <= size <= 20 for size in found)


@each_figure
def test_no_two_entries_of_a_legend_look_alike(name):
    figure = figure_of(name)
    named = [trace for trace in figure.data if trace.type != "heatmap" and trace.showlegend is not False]
    if figure.layout.showlegend is False or len(named) < 2:
        return
    looks = [look(trace) for trace in named]
    assert len(set(looks)) == len(looks)


def look(trace) -> str:
    line, marker = (getattr(trace, part, None) for part in ("line", "marker"))
    of_line = [getattr(line, part, None) for part in ("color", "dash", "width")]
    of_marker = [getattr(marker, part, None) for part in ("color", "opacity", "symbol")]
    return str([trace.type, of_line, of_marker, getattr(trace, "fillcolor", None), trace.opacity])


def hues(figure: go.Figure) -> set[tuple[int, int, int]]:
    """The colours of whole traces, and of the points of those that have several but no scale."""
    found = set()
    for trace in figure.data:
        for part in (getattr(trace, "marker", None), getattr(trace, "line", None)):
            colour = getattr(part, "color", None)
            some = [colour] if isinstance(colour, str) else {*(colour if colour is not None else ())}
            if len(some) <= 2:
                found |= {hex_to_rgb(each) for each in some if isinstance(each, str) and each.startswith("#")}
    return found


@each_figure
def test_what_has_a_colour_of_its_own_can_be_told_from_all_else(name):
    for one, other in itertools.combinations(hues(figure_of(name)), 2):
        assert np.linalg.norm(np.subtract(one, other)) > 60, (one, other)


@each_figure
def test_what_stands_above_the_plot_has_room_there(name):
    layout = figure_of(name).layout
    margin = MARGIN if layout.margin.t is None else layout.margin.t
    for note in layout.annotations:
        above = note.yref == "paper" or (note.yref or "").endswith("domain")
        if above and note.y == 1 and note.yanchor == "bottom":
            assert margin >= (1 + note.text.count("\n")) * (note.font.size or 12)
    if layout.legend.yanchor == "bottom" and layout.showlegend is not False:
        inside = layout.height - margin - (80 if layout.margin.b is None else layout.margin.b)
        assert (layout.legend.y - 1) * inside + layout.legend.font.size <= margin
    if layout.legend.orientation == "h":
        assert layout.legend.x in (None, 0)  # it begins at the left edge


@each_figure
def test_what_is_written_beside_a_bar_or_a_dot_is_not_cut_off_at_the_edge_of_the_plot(name):
    for trace in figure_of(name).data:
        place = getattr(trace, "textposition", None)
        if getattr(trace, "text", None) is not None and place not in ("inside", "none", None):
            assert trace.cliponaxis is False


@each_figure
def test_a_frame_lies_round_whole_cells_and_can_be_seen(name):
    for shape in figure_of(name).layout.shapes:
        if shape.type == "rect" and name != "framed":
            sides = [(shape.x0, shape.x1)] + [(shape.y0, shape.y1)] * (not (shape.yref or "").endswith("domain"))
            for low, high in sides:
                assert low % 1 == high % 1 == 0.5 and low < high
            assert shape.fillcolor or (shape.line.color == ACCENT and shape.line.width >= 2)


GROWING = {
    "likely": lambda count: network.class_bars([f"{n}" for n in range(count)], numbers(count)),
    "classes": lambda count: interventions.probabilities(
        [f"{n}" for n in range(count)], numbers(count), numbers(count)
    ),
    "medians": medians,
    "moved": lambda count: comparing.move_bars([f"{n}" for n in range(count)], numbers(count), [], ""),
}


@pytest.mark.parametrize("name", GROWING)
def test_each_further_row_has_a_line_of_its_own_and_the_first_has_room(name):
    one, many = (GROWING[name](count).layout for count in (1, 41))
    assert (many.height - one.height) / 40 >= 20
    assert one.height - (one.margin.t or 0) - (one.margin.b or 0) >= 20


def backwards(given: dict) -> dict:
    return dict(reversed(given.items()))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda turn: channels.through_depth(turn(spreads()), "b0", {name: name for name in BLOCKS}).alt, "b2"),
        (lambda turn: unusual(list(turn(dict.fromkeys(BLOCKS)))).headline, "b2"),
        (lambda turn: comparing.agreement(turn(agreeing()), turn(shifts("abc")), []).headline, "Here b agrees"),
    ],
)  # fmt: skip
def test_which_of_several_is_said_to_be_the_most_does_not_hang_on_their_order(make, named):
    assert make(dict) == make(backwards) and named in make(dict)


def agreeing() -> dict[str, np.ndarray]:
    found = {name: square(seed) / 9 for seed, name in enumerate("abc")}
    found["b"][0, 0] = 0.9
    return found
