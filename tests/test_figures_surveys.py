"""The figures of a survey draw the numbers that they were given: chance in grey, on axes that stay where they are."""

import numpy as np
import pytest

from attention.charts import survey_figures as figures
from attention.charts.chart import Chart
from attention.charts.colours import ACCENT, CHANGE, CHANNEL_GATE, NULL, SPATIAL_GATE
from attention.charts.survey_figures import ALL, CLASSES, FINDING
from attention.survey.statistics import Selectivity
from attention.ui.survey import selection
from tests.charts import check_colours, check_look, colours, texts

NAMES = ("a", "b", "c")


def panel(count=4, channels=5, chosen=None):
    random = np.random.default_rng(channels)
    means, deviations = random.random((count, channels)), random.random((count, channels)) / 9
    return figures.RolePanel("gate", 3 * np.arange(channels), means, deviations, random.random(channels), chosen)


def gate_boxes():
    """Indices of two gates: as they were measured, and by chance."""
    random = np.random.default_rng(0)
    pairs = [
        Selectivity(random.random(9), random.random(9) / 9),
        Selectivity(random.random(5), random.random(5) / 9),
    ]
    return pairs, figures.index_boxes(["one", "two"], pairs, 1, "index")


def gate_bars():
    rows = [figures.GateNumbers("share", [0.2, 0.9, 0.4], 1.0), figures.GateNumbers("size", [3.0, 1.0, 2.0], null=0.25)]
    return rows, figures.gate_bars(["one", "two", "three"], rows, 2)


def classes_of_a_channel():
    found = figures.ClassMeans(
        np.array([4, 7, 2]), NAMES, np.array([0.9, 0.5, 0.1]), np.array([0.1, 0.2, 0.05]), np.array([3, 4000, 5])
    )
    return found, figures.class_dots(found, 0.6, [7])


def correct_dots():
    return figures.correct_and_wrong(np.array([7, 2, 9]), np.array([0.1, 0.2, 0.3]), np.array([0.4, 0.6, 0.8]), 2)


def two_maps():
    values = np.arange(6).reshape(2, 3) / 5
    return figures.map_grid(
        [
            figures.gate_map("all", values),
            figures.change_map("a", -values, 2.0),
            figures.TitledMap("near", values, "Greys_r", (0.0, 1.0)),
        ]
    )


FIGURES = {
    "role": lambda: figures.excitation_role([panel(), panel()], list("wxyz"), band=True, own_scale=False),
    "boxes": lambda: gate_boxes()[1],
    "bars": lambda: gate_bars()[1],
    "histogram": lambda: figures.channel_histogram(np.arange(22)),
    "by class": lambda: classes_of_a_channel()[1],
    "right and wrong": correct_dots,
    "maps": two_maps,
}


@pytest.mark.parametrize("name", FIGURES)
def test_no_axis_moves_under_the_mouse(name):
    figure = Chart(name, FIGURES[name](), "What it shows.").figure
    axes = [*figure.select_xaxes(), *figure.select_yaxes()]
    assert axes and all(axis.fixedrange for axis in axes)


@pytest.mark.parametrize("name", FIGURES)
def test_each_figure_has_the_look_of_all(name):
    check_look(FIGURES[name]())


def test_the_role_of_excitation_is_a_line_a_class_and_their_mean_in_each_panel():
    panels = [panel(), panel(channels=6, chosen=3), panel(channels=7)]
    figure = figures.excitation_role(panels, list("wxyz"), band=False, own_scale=False)
    assert len(figure.data) == 3 * 5
    for place, each in enumerate(panels):
        lines = figure.data[5 * place : 5 * place + 5]
        assert [line.name for line in lines] == ["w", "x", "y", "z", "mean over all classes"]
        for line, values in zip(lines, [*each.means, each.average], strict=True):
            np.testing.assert_array_equal(line.x, each.channels)
            np.testing.assert_allclose(line.y, values, rtol=1e-6)
            assert line.to_plotly_json()["customdata"] == [
                [place, number] for number in each.channels
            ]  # no typed array
        assert [line.line.color for line in lines] == [*CLASSES[:4], ALL] and lines[-1].line.dash == "dash"
        assert len({line.xaxis for line in lines}) == 1
    assert len({line.xaxis for line in figure.data}) == 3
    assert {axis.range for axis in figure.select_yaxes()} == {(-0.02, 1.02)}
    (chosen,) = figure.layout.shapes
    assert (chosen.x0, chosen.x1, chosen.line.color, chosen.xref) == (3, 3, ACCENT, figure.data[5].xaxis)


def test_as_many_classes_as_can_be_chosen_have_a_line_of_their_own_colour():
    assert len({*CLASSES}) >= selection.MOST_CLASSES and ACCENT not in CLASSES and ALL not in CLASSES


def test_the_scale_of_the_role_of_excitation_is_the_figures_own_where_that_is_asked_for():
    figure = figures.excitation_role([panel()], list("wxyz"), band=False, own_scale=True)
    assert [axis.range for axis in figure.select_yaxes()] == [None]


def test_the_band_reaches_one_deviation_to_both_sides():
    each = panel(count=1)
    band, line, _ = figures.excitation_role([each], ["w"], band=True, own_scale=False).data
    np.testing.assert_allclose(np.split(band.y, 2)[0], each.means[0] + each.deviations[0], rtol=1e-6)
    np.testing.assert_allclose(np.split(band.y, 2)[1][::-1], each.means[0] - each.deviations[0], rtol=1e-6)
    np.testing.assert_array_equal(np.split(band.x, 2)[1][::-1], line.x)


def test_a_box_is_the_quartiles_and_the_ends_and_chance_is_grey():
    pairs, figure = gate_boxes()
    seen, chosen, null = drawn_boxes = [trace for trace in figure.data if trace.type == "box"]
    assert [box.line.color for box in drawn_boxes] == [FINDING, ACCENT, NULL]
    for box, values in (
        (seen, [pairs[0].index]),
        (chosen, [pairs[1].index]),
        (null, [each.shuffled for each in pairs]),
    ):
        drawn = np.array([box.lowerfence, box.q1, box.median, box.q3, box.upperfence]).T
        np.testing.assert_allclose(drawn, [np.quantile(each, [0, 0.25, 0.5, 0.75, 1]) for each in values])
    medians = [trace for trace in figure.data if trace.type == "scatter"]
    assert [(dots.x[0], dots.y[0]) for dots in medians] == [(box.x[0], box.median[0]) for box in (seen, chosen)]
    assert [[round(place) for place in dots.x] for dots in medians] == [[0], [1]]  # what a click reads


def test_a_gate_whose_index_is_not_defined_has_no_box():
    nothing = Selectivity(np.full(3, np.nan), np.full(3, np.nan))
    pairs, _ = gate_boxes()
    figure = figures.index_boxes(["none", "two"], [nothing, pairs[1]], 1, "index")
    found = [(trace.name, len(trace.x)) for trace in figure.data if trace.type == "box"]
    assert found == [("the chosen gate", 1), ("classes shuffled", 1)]
    assert [list(trace.x) for trace in figure.data if trace.type == "scatter"] == [[1 + figures.BESIDE]]


def test_bars_have_a_row_a_number_and_chance_is_a_grey_line():
    rows, figure = gate_bars()
    bars, legend = figure.data[: len(rows)], figure.data[len(rows) :]
    assert {each.name: each.marker.color for each in legend} == {"the chosen gate": ACCENT, "other gates": FINDING}
    for row, drawn in zip(rows, bars, strict=True):
        np.testing.assert_allclose(drawn.y, row.values, rtol=1e-6)
        assert list(drawn.x) == [0, 1, 2] and list(drawn.marker.color) == [FINDING, FINDING, ACCENT]
    first, second = figure.select_yaxes()
    assert first.range == (0, 1.0) and second.range == (0, None)
    (null,) = figure.layout.shapes
    assert (null.y0, null.y1, null.line.color, null.yref) == (0.25, 0.25, NULL, figure.data[1].yaxis)
    assert [row.title for row in rows] == texts(figure)


@pytest.mark.parametrize(("below", "above"), [(0, 0), (3, 0), (0, 4), (3, 4)])
def test_a_histogram_draws_every_picture_once_and_the_ends_where_there_are_any(below, above):
    counts = np.array([below, *range(1, 21), above])
    figure = figures.channel_histogram(counts)
    (bars,) = figure.data
    assert list(bars.y) == [count for count in counts if count]
    within = (np.arange(20) + 0.5) / 20
    np.testing.assert_allclose([place for place in bars.x if 0 < place < 1], within)
    assert ("below 0" in figure.layout.xaxis.ticktext, "above 1" in figure.layout.xaxis.ticktext) == (
        below > 0,
        above > 0,
    )
    check_colours(bars.marker.color, bars.x, CHANNEL_GATE)


def test_a_class_is_a_dot_with_its_deviation_and_the_chosen_ones_stand_out():
    found, figure = classes_of_a_channel()
    dots, *legend = figure.data
    assert {each.name: each.marker.color for each in legend} == {"chosen classes": ACCENT, "other classes": FINDING}
    np.testing.assert_allclose(dots.x, found.means, rtol=1e-6)
    np.testing.assert_allclose(dots.error_x.array, found.deviations, rtol=1e-6)
    assert list(dots.marker.color) == [FINDING, ACCENT, FINDING]
    assert dots.error_x.color == NULL
    assert [tuple(each) for each in dots.customdata] == list(zip(found.numbers, found.counts, strict=True))
    assert dots.text == NAMES
    assert figure.layout.yaxis.ticktext == ("a (3)", "b (4,000)", "c (5)")
    (mean,) = figure.layout.shapes
    assert (mean.x0, mean.x1, mean.line.color) == (0.6, 0.6, ALL)


def test_correct_and_wrong_are_two_dots_a_channel_joined_by_a_grey_line():
    joined, correct, wrong = correct_dots().data
    np.testing.assert_allclose(correct.y, [0.1, 0.2, 0.3], rtol=1e-6)
    np.testing.assert_allclose(wrong.y, [0.4, 0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(joined.y.reshape(3, 3)[:, :2], np.stack([correct.y, wrong.y], 1))
    assert np.isnan(joined.y.reshape(3, 3)[:, 2]).all() and joined.line.color == NULL
    assert list(correct.customdata) == list(wrong.customdata) == [7, 2, 9]
    (chosen,) = correct_dots().layout.shapes
    assert (chosen.x0, chosen.x1) == (0.5, 1.5)


def test_a_channel_that_is_not_among_those_drawn_is_not_marked():
    figure = figures.correct_and_wrong(np.array([7, 2]), np.array([0.1, 0.2]), np.array([0.4, 0.6]), 5)
    assert not figure.layout.shapes


def test_each_map_is_drawn_on_its_scale_with_its_ends_written_above():
    figure = two_maps()
    gate, change, near = figure.data
    values = np.arange(6).reshape(2, 3) / 5
    for drawn, expected in ((gate, values), (change, -values), (near, values)):
        np.testing.assert_allclose(drawn.z, expected, rtol=1e-6)
    assert [(each.zmin, each.zmax) for each in figure.data] == [(0, 1), (-2, 2), (0, 1)]
    for drawn, scale in ((gate, SPATIAL_GATE), (change, CHANGE), (near, "Greys_r")):
        assert [colour for _, colour in drawn.colorscale] == colours(scale)
    assert texts(figure) == ["all\n0.000 to 1.000", "a\n−1.000 to 0.000", "near\n0.000 to 1.000"]
    assert all(axis.autorange == "reversed" for axis in figure.select_yaxes())  # the first row lies above


def test_a_map_has_its_own_name_with_a_hyphen_in_it():
    figure = figures.map_grid([figures.gate_map("x-ray", np.array([[-0.5, 0.25]]))])
    assert texts(figure) == ["x-ray\n−0.500 to 0.250"]


def test_maps_beyond_the_width_go_to_another_row():
    figure = figures.map_grid([figures.gate_map(str(number), np.eye(2)) for number in range(figures.MAPS_ACROSS + 1)])
    heights = {axis.domain for axis in figure.select_yaxes()}
    assert len(heights) == 2 and len(figure.data) == figures.MAPS_ACROSS + 1
