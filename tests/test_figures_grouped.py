"""The figures of the grouped page hold the numbers they are given, and the diagram the partition it names."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention.charts import grouped as figures
from attention.charts import partition
from attention.charts.colours import OKABE_ITO
from attention.charts.partition import CELLS, LANES, Panel, colour, diagram, drawn_groups
from attention.charts.partition import chart as partition_chart
from attention.cost import PassCost
from attention.grouped import Convolution, convolutions, cost_of
from attention.grouped.experiments import Times

TITLES = ("Ordinary", "Grouped")


@st.composite
def partitions(draw):
    groups = draw(st.integers(1, 24))
    lit = draw(st.none() | st.integers(0, groups - 1))
    inputs, outputs = (groups * draw(st.integers(1, 6)) for _ in range(2))
    return convolution(inputs, outputs, groups), lit


def convolution(inputs, outputs, groups):
    return Convolution(inputs, outputs, (3, 3), groups, 28, 28, False)


def area(figure, column, fill=None):
    """The area of all solid boxes between the inputs and the outputs of a panel: the weights, drawn to scale."""
    return sum(
        (max(box[0]) - min(box[0])) * (max(box[1]) - min(box[1]))
        for shape in shapes(figure, column)
        if shape.line.width and fill in (None, shape.fillcolor)
        for box in boxes(shape)
        if min(box[0]) > 0.2 and max(box[0]) < 0.85
    )


def panels(layer):
    """The ordinary convolution, and the grouped one where there are groups."""
    return (1, 2) if layer.groups > 1 else (1,)


def shapes(figure, column):
    axis = "x" if column == 1 else f"x{column}"
    return [shape for shape in figure.layout.shapes if shape.xref == axis]


def boxes(shape):
    """The corners of each outline, their x and their y."""
    outlines = [outline.removeprefix("M").split("L") for outline in shape.path.split("Z")[:-1]]
    return [np.array([corner.split(",") for corner in corners], float).T for corners in outlines]


@pytest.mark.parametrize(("channels", "groups"), [(12, 2), (32, 4), (32, 8), (24, 3), (256, 8)])
def test_the_coloured_area_is_the_share_of_the_weights(channels, groups):
    figure = diagram(convolution(channels, channels, groups), TITLES)
    lane = 1 - 0.14  # the lanes of groups stand apart
    assert area(figure, 2) / lane == pytest.approx(area(figure, 1) / groups, rel=1e-4)


def test_an_ordinary_kernel_holds_every_colour_and_a_grouped_one_its_own():
    figure = diagram(convolution(12, 18, 6), TITLES)
    whole = area(figure, 1)
    assert [area(figure, 1, shade) / whole for shade in OKABE_ITO[:6]] == pytest.approx([1 / 6] * 6, rel=1e-4)
    assert [area(figure, 2, shade) > 0 for shade in OKABE_ITO] == [True] * 6 + [False] * 2


@pytest.mark.parametrize("channels", [4, 12, CELLS])
def test_few_channels_are_drawn_one_by_one(channels):
    figure = diagram(convolution(channels, channels, 2), TITLES)
    slices = [box for shape in shapes(figure, 1) if shape.line.width for box in boxes(shape)]
    assert len(slices) == channels**2 + channels + 2 * channels  # kernels, inputs, each output in two colours


def test_many_channels_are_bands_with_a_count():
    figure = diagram(convolution(256, 128, 8), TITLES)
    assert [note.text for note in figure.layout.annotations].count("× 32") == 16
    assert sum(len(boxes(shape)) for shape in shapes(figure, 2)) < 100


def test_one_group_is_drawn_once_and_not_called_groups():
    layer = convolution(8, 8, 1)
    chart = partition_chart(layer, cost_of(layer))
    assert shapes(chart.figure, 1) and not shapes(chart.figure, 2)
    assert [note.text for note in chart.figure.layout.annotations].count("Ordinary: 576 weights") == 1
    assert chart.alt == "Ordinary, every kernel reads every channel."
    assert tuple(chart.figure.layout.xaxis.domain) == (0, 1)  # on a phone its headings need all of it


@settings(max_examples=20)
@given(partitions())
def test_every_group_shown_is_numbered_and_those_left_out_are_counted(partition):
    layer, lit = partition
    texts = [note.text for note in diagram(layer, TITLES, lit).layout.annotations]
    shown = drawn_groups(layer.groups, lit)
    drawn = len(panels(layer))
    assert all(texts.count(str(group + 1)) == drawn for group in shown)
    left_out = sum(int(text.split()[1]) for text in texts if "more groups" in text)
    assert left_out == drawn * (layer.groups - len(shown))


@pytest.mark.parametrize("groups", [1, 2, 24])
def test_headings_stand_above_the_lanes_and_the_number_of_a_group_beside_its_own(groups):
    layer = convolution(48, 48, groups)
    for number in panels(layer):
        panel = Panel(layer, number == 1)
        notes = [note for note in diagram(layer, TITLES).layout.annotations if note.xref == panel.axis]
        lanes = panel.lanes()
        heads = [note for note in notes if "\n" in note.text]
        depth = 48 if panel.ordinary else 48 // groups
        assert heads[1].text == f"48 kernels\nof {layer.kernel[0]} × {layer.kernel[1]} × {depth}"
        assert len(heads) == 3 and all(note.y <= lanes[0].start and note.yanchor == "bottom" for note in heads)
        for group, lane in zip(panel.groups(), lanes, strict=True):
            (beside,) = (note for note in notes if note.text == str(group + 1))
            assert lane.start < beside.y < lane.end and beside.x < 0


@given(st.integers(1, 2048), st.integers(0, 2047))
def test_the_lit_group_is_always_shown(groups, lit):
    lit %= groups
    shown = drawn_groups(groups, lit)
    assert lit in shown and {0, groups - 1} <= set(shown)
    assert len(shown) <= LANES and shown == sorted(set(shown))


@settings(max_examples=20)
@given(partitions())
def test_a_lit_group_stands_out_and_without_one_none_does(partition):
    layer, lit = partition
    for column in panels(layer):
        solid = [shape for shape in shapes(diagram(layer, TITLES, lit), column) if shape.line.width]
        shown = drawn_groups(layer.groups, lit)
        bright = [group for group, shape in zip(shown, solid, strict=True) if shape.opacity > 0.5]
        assert bright == (shown if lit is None else [lit])


@settings(max_examples=20)
@given(partitions())
def test_a_click_names_the_group_under_it(partition):
    layer, lit = partition
    figure = diagram(layer, TITLES, lit)
    for column in panels(layer):
        lanes = Panel(layer, column == 1, lit).lanes()
        shown = drawn_groups(layer.groups, lit)
        axis = "x" if column == 1 else "x2"
        (targets,) = (trace for trace in figure.data if trace.mode == "markers" and trace.xaxis == axis)
        for y, group in zip(targets.y, targets.customdata, strict=True):
            lane = lanes[shown.index(group)]
            assert lane.start < y < lane.end


def test_the_hover_text_says_who_reads_whom():
    figure = diagram(convolution(12, 18, 6), TITLES)
    ordinary, in_groups = (trace for trace in figure.data if trace.mode == "markers")
    assert "Input 3–4 is read by all 18 kernels" in ordinary.text
    assert "Group 2: input 3–4 is read by kernels 4–6, which make output 4–6" in in_groups.text


def test_past_eight_groups_colours_repeat():
    assert [colour(group) for group in range(16)] == [*OKABE_ITO, *OKABE_ITO]


CONVOLUTION = Convolution(32, 32, (3, 3), 2, 28, 28, False)
COSTS = {1: 9216, 2: 4608, 4: 2304, 8: 1152, 16: 576, 32: 288}
TIMES = Times(replace(CONVOLUTION, groups=1), {1: 0.002, 4: 0.001}, runs=3, threads=1)


@pytest.mark.parametrize("form", [(6, 9, 3), (4, 4, 4), (5, 2, 1)])
def test_the_table_of_a_partition_has_a_row_for_each_group_with_its_own_channels(form):
    c1, c2, groups = form
    shape = Convolution(c1, c2, (3, 2), groups, 7, 5, False)
    table = partition.chart(shape, cost_of(shape)).table
    rows = list(zip(*(table[name] for name in table), strict=True))
    assert list(table)[:5] == ["group", "first input", "last input", "first output", "last output"]
    reads = [[c for c in range(1, c1 + 1) if (c - 1) // (c1 // groups) == group] for group in range(groups)]
    makes = [[c for c in range(1, c2 + 1) if (c - 1) // (c2 // groups) == group] for group in range(groups)]
    for number, (read, made, row) in enumerate(zip(reads, makes, rows, strict=True), start=1):
        own = 3 * 2 * len(read) * len(made)
        assert row == (number, read[0], read[-1], made[0], made[-1], own, own * groups)


LAYERS = convolutions(PassCost({}, {}, tuple((f"g{g}", replace(CONVOLUTION, groups=g)) for g in (1, 2, 32)), 0))


def test_the_curves_hold_the_costs_and_ring_the_one_in_use():
    figure = figures.curves(CONVOLUTION).figure
    parameters, macs = figure.data
    assert dict(zip(parameters.x, parameters.y, strict=True)) == COSTS
    assert list(macs.y) == [784 * n for n in COSTS.values()]
    assert parameters.marker.size.index(max(parameters.marker.size)) == 1
    assert "g = 2: 4,608" in [note.text for note in figure.layout.annotations]
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


def test_the_times_are_points_in_milliseconds_beside_a_line_of_theory():
    figure = figures.times(TIMES, 4).figure
    theory, measured, speed = figure.data
    assert (list(theory.y), list(measured.y)) == ([2.0, 0.5], [2.0, 1.0])
    np.testing.assert_allclose(speed.y, [2 * 784 * 9216 / 0.002 / 1e9, 2 * 784 * 2304 / 0.001 / 1e9])
    assert (theory.mode, measured.mode, speed.mode) == ("lines", "markers", "markers")
    assert figure.layout.showlegend


def test_an_answer_has_the_colour_of_the_input_that_it_answers_to():
    response = np.kron(np.eye(3, dtype=bool), np.ones((2, 4), dtype=bool))
    chart = figures.answers(response, groups=3)
    assert chart.alt == "Input channel 1 reaches 2 of 6 output channels, 1 of 3 groups."
    cells = chart.figure.data[0]
    steps = list(zip(cells.colorscale[::2], cells.colorscale[1::2], strict=True))
    for output in range(6):
        for channel in range(12):
            place = (cells.z[output][channel] - cells.zmin) / (cells.zmax - cells.zmin)
            (shade,) = {shade for (start, shade), (end, _) in steps if start < place < end}
            assert (shade == colour(channel // 4)) == response[output, channel]
            assert cells.customdata[output][channel] == ("answers" if response[output, channel] else "unchanged")


def test_the_equal_budget_holds_weights_and_errors():
    bars, fifty, hundred = figures.equal_budget().figure.data
    assert (list(bars.x)[:2], list(bars.y)[:2]) == (["1 × 64", "2 × 40"], [69_632, 69_760])
    assert (list(fifty.y)[:2], list(hundred.y)[:2]) == ([23.9, 23.0], [22.0, 21.7])


def test_a_layers_bar_is_as_long_as_it_would_be_without_groups():
    kept, saved = figures.savings(LAYERS).figure.data
    assert list(kept.x) == [4608, 288]
    assert [one + other for one, other in zip(kept.x, saved.x, strict=True)] == [9216, 9216]


FIGURES = {
    "diagram": lambda: diagram(convolution(32, 32, 4), TITLES),
    "curves": lambda: figures.curves(CONVOLUTION).figure,
    "times": lambda: figures.times(TIMES, 4).figure,
    "answers": lambda: figures.answers(np.eye(4, dtype=bool), groups=4).figure,
    "equal budget": lambda: figures.equal_budget().figure,
    "savings": lambda: figures.savings(LAYERS).figure,
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_leaves_its_background_and_text_to_the_theme_and_is_the_same_each_time(name):
    figure = FIGURES[name]()
    assert figure.layout.paper_bgcolor is None and figure.layout.plot_bgcolor is None
    assert figure.layout.font.color is None
    assert figure.to_json() == FIGURES[name]().to_json()


@pytest.mark.parametrize(("inputs", "outputs", "groups"), [(4, 4, 4), (6, 4, 2), (3, 9, 1)])
def test_a_cell_of_the_proof_is_that_of_the_input_and_the_output_whose_numbers_it_has(inputs, outputs, groups):
    response = np.random.default_rng(inputs).random((outputs, inputs)) < 0.5
    chart = figures.answers(response, groups=groups)
    (cells,) = chart.figure.data
    lit = {
        (int(i), int(o)) for i, column in zip(cells.x, cells.z.T, strict=True) for o in np.array(cells.y)[column > 0]
    }
    assert lit == {(i + 1, o + 1) for o in range(outputs) for i in range(inputs) if response[o, i]}
    assert list(chart.table) == ["output", *(f"input {i} disturbed" for i in range(1, inputs + 1))]
    rows = zip(chart.table["output"], *list(chart.table.values())[1:], strict=True)
    assert lit == {(i, output) for output, *row in rows for i, answers in enumerate(row, start=1) if answers}


def test_the_proof_is_numbered_as_far_as_there_are_channels():
    layout = figures.answers(np.eye(8, dtype=bool), groups=8).figure.layout
    assert layout.xaxis.constrain == layout.yaxis.constrain == "domain"


@given(partitions())
@settings(max_examples=20)
def test_every_outline_is_closed(drawn):
    settings, lit = drawn
    figure = diagram(settings, TITLES, lit)
    assert all(re.fullmatch(r"(M[^MZ]+Z)+", shape.path) for shape in figure.layout.shapes)
