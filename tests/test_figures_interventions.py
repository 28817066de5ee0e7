"""The figures of edited gates hold the numbers that they were given, in the colours that say what these are."""

import io

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image
from plotly.colors import hex_to_rgb

from attention.analysis.evidence import Test
from attention.charts import interventions as figures
from attention.charts import printed
from attention.charts.channels import vector
from attention.charts.chart import Chart
from attention.charts.colours import ACCENT, CHANGE, CHANNEL_GATE, NULL
from tests.charts import check_colours


def gate(channels, seed=0):
    return np.random.default_rng(seed).random(channels, np.float32)


def test_bars_are_after_and_ticks_before_and_the_chosen_are_framed():
    before, after = gate(12), gate(12, 1)
    bars, ticks = figures.channels(before, after, np.arange(12), (3, 5)).data
    np.testing.assert_array_equal(bars.y, after)
    np.testing.assert_array_equal(ticks.y, before)
    assert [number for number, colour in enumerate(bars.marker.line.color) if colour == ACCENT] == [3, 5]
    check_colours(bars.marker.color, after, CHANNEL_GATE)
    assert ticks.marker.line.color == NULL


@pytest.mark.parametrize("channels", [1, 256])
def test_every_channel_has_a_bar_where_they_are_not_too_many(channels):
    np.testing.assert_array_equal(figures.drawn_channels(gate(channels), ()), np.arange(channels))


def test_of_many_channels_the_most_open_and_the_chosen_have_a_bar():
    before = gate(1000)
    shown = figures.drawn_channels(before, (7, 8))
    wanted = {*np.argsort(-before, kind="stable")[: figures.TOP_BARS].tolist(), 7, 8}
    assert set(shown.tolist()) == wanted and (np.diff(shown) > 0).all()
    assert list(figures.channels(before, before, shown, (7,)).data[0].text) == shown.tolist()


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (7, 4), (40, 40), (56, 57), (112, 112)])
def test_patches_hold_every_cell_once_and_are_few(shape):
    patches = figures.patches(shape)
    assert sorted(cell for patch in patches for cell in patch) == list(range(shape[0] * shape[1]))
    assert len(patches) <= figures.MOST_CELLS**2
    side = figures.patch(shape)
    for patch in patches:
        rows, columns = np.divmod(patch, shape[1])
        assert np.ptp(rows) < side and np.ptp(columns) < side


def test_a_map_has_a_point_to_pick_for_each_patch_in_the_middle_of_its_cells():
    after = gate(6 * 5).reshape(6, 5)
    brush, heat, marks = figures.map_to_paint(after, (7, 29)).data
    np.testing.assert_array_equal(heat.z, after)
    assert (heat.zmin, heat.zmax) == (0, 1)
    assert list(zip(brush.y, brush.x, strict=True)) == list(np.ndindex(6, 5))
    assert list(zip(marks.y, marks.x, strict=True)) == [(1, 2), (5, 4)]
    coarse = figures.map_to_paint(gate(56 * 56).reshape(56, 56), ()).data[0]
    assert len(coarse.x) == 28 * 28 and (coarse.x[0], coarse.y[0]) == (0.5, 0.5)


def test_probabilities_stand_side_by_side_with_both_numbers():
    figure = figures.probabilities(["cat", "dog"], np.array([0.9, 0.1]), np.array([0.25, 0.75]))
    after, before = figure.data
    assert list(after.x) == [0.25, 0.75] and list(before.x) == [0.9, 0.1]
    assert list(figure.layout.yaxis2.ticktext) == [" 90.0% → 25.0%", " 10.0% → 75.0%"]
    assert figure.layout.yaxis2.range == figure.layout.yaxis.range


def test_a_long_name_takes_two_lines_beside_its_bar():
    labels = ["cat", "chambered nautilus", "standard poodle with a very long coat", "n" * 20]
    figure = figures.probabilities(labels, np.full(4, 0.25), np.full(4, 0.25))
    names = ["cat ", "chambered \nnautilus ", "standard \npoodle with a… ", "n" * 14 + " \n" + "n" * 6 + " "]
    assert list(figure.layout.yaxis.ticktext) == names


def test_a_change_stands_over_its_draws_on_an_axis_symmetric_about_zero():
    figure = figures.against_chance(-2.0, [0.5, 1.0])
    draws, change = figure.data
    assert list(draws.x) == [0.5, 1.0] and list(change.x) == [-2.0]
    assert draws.marker.color == NULL
    low, high = figure.layout.xaxis.range
    assert low == -high and low < -2


@pytest.mark.parametrize("pictures", [1, 3])
def test_blocks_in_turn_are_means_over_the_pictures_over_their_null_ranges(pictures):
    changes = np.arange(4 * pictures, dtype=np.float32).reshape(4, pictures)
    p = (0.01, 0.2, 0.05, 1)
    tests = [a_test(change, -1.0 - at, 0.5, p[at]) for at, change in enumerate(changes.mean(1))]
    figure = figures.turns(["a", "b", "c", "d"], changes, tests)
    band, *ticks, diamonds = figure.data
    np.testing.assert_allclose(diamonds.y, changes.mean(1))
    np.testing.assert_allclose(np.asarray(band.base, float), [-1, -2, -3, -4])
    np.testing.assert_allclose(np.asarray(band.base, float) + band.y, 0.5)
    assert [len(tick.y) for tick in ticks] == ([] if pictures == 1 else [12])
    reach = changes.mean(1).max()
    check_colours(diamonds.marker.color, changes.mean(1), CHANGE, -reach, reach)
    assert list(diamonds.marker.symbol) == ["diamond", "diamond-open", "diamond", "diamond-open"]


def test_blocks_in_turn_stand_without_a_band_until_there_are_draws():
    (diamonds,) = figures.turns(["a", "b"], np.ones((2, 1), np.float32), None).data
    assert list(diamonds.y) == [1, 1]


@pytest.mark.parametrize(("count", "said"), [(8, "channel"), (1152, "the most open before, and the chosen, of 1,152")])
def test_bars_of_some_channels_say_which_and_of_how_many(count, said):
    gate = np.linspace(0, 1, count, dtype=np.float32)
    order = figures.drawn_channels(gate, [3])
    assert figures.channels(gate, gate, order, [3]).layout.xaxis.title.text.startswith(said)


def test_gates_that_were_edited_by_hand_have_another_colour():
    bars = figures.move_bars(["a", "b"], [0.5, 0.1], [True, False]).data[0]
    assert list(bars.y) == [0.5, 0.1] and bars.marker.color[0] == ACCENT != bars.marker.color[1]


def test_gates_have_their_names_below_their_bars_until_there_are_too_many():
    names = [f"layer{stage}.{block}.{kind}" for stage in "1234" for block in "01" for kind in ("channel", "spatial")]
    for gates, axis in ((names, ("", True)), (names * 3, ("gates in depth order", False))):
        drawn = figures.move_bars(gates, [0.1] * len(gates), [False] * len(gates)).layout.xaxis
        assert (drawn.title.text or "", drawn.showticklabels) == axis and list(drawn.ticktext) == gates


def a_test(observed, low, high, p):
    return Test(observed, p, p, 99, low, high)


def test_a_printed_edit_is_a_diamond_over_its_null_range():
    first, second = a_test(1.0, -0.5, 0.5, 0.01), a_test(-1.0, 0, 0, 0.01)
    rows = [printed.EditRow("first", first, 0.2, 0.4), printed.EditRow("second", second, 0.2, 0.1)]
    pixels = np.asarray(Image.open(io.BytesIO(printed.edits(rows, "title", "note"))).convert("RGB")).astype(int)
    blue = np.argwhere(np.abs(pixels - (0x00, 0x72, 0xB2)).sum(-1) < 10)
    upper, lower = (blue[blue[:, 0] < blue[:, 0].mean()], blue[blue[:, 0] > blue[:, 0].mean()])
    assert upper[:, 1].mean() > lower[:, 1].mean() + pixels.shape[1] / 4  # 1 lies right of -1
    line = pixels[round(upper[:, 0].mean())]
    grey = np.flatnonzero((line == 0x8C).all(-1))  # from -0.5 to 0.5, on the line of the diamond at 1
    assert len(grey) > 50 and grey.max() < upper[:, 1].min()


@pytest.mark.parametrize("ground", printed.INKS)
def test_a_printed_figure_is_written_in_ink_on_the_paper_of_its_ground_without_a_frame(ground):
    rows = [printed.EditRow(name, a_test(1.0, -0.5, 0.5, 0.01), 0.2, 0.4) for name in ("first", "second")]
    pixels = np.asarray(Image.open(io.BytesIO(printed.edits(rows, "title", "note", ground=ground))).convert("RGB"))
    paper, ink = ((pixels == hex_to_rgb(colour)).all(-1) for colour in printed.INKS[ground])
    assert paper.mean() > 0.8 and ink.any()
    for edge in (paper[0], paper[-1], paper[:, 0], paper[:, -1]):
        assert edge.all()
    assert max(ink.mean(0).max(), ink.mean(1).max()) < 0.3  # text, and no line from side to side


def test_a_printed_figure_of_no_change_is_drawn():
    row = printed.EditRow("nothing", a_test(0.0, 0.0, 0.0, 1.0), 0.2, 0.2)
    assert printed.edits([row], "title", "note").startswith(b"\x89PNG")


@pytest.mark.parametrize(("change", "exponents"), [(3e-7, "power"), (0.004, "power"), (0.5, None), (2000.0, None)])
def test_changes_far_below_one_are_numbered_in_powers_of_ten(change, exponents):
    figure = Chart("chance", figures.against_chance(change, [-change, change / 2]), "It changes.").figure
    assert figure.layout.xaxis.exponentformat == exponents
    turns = Chart("turns", figures.turns(["a", "b"], np.full((2, 1), change), None), "It changes.").figure
    assert turns.layout.yaxis.exponentformat == exponents and turns.layout.xaxis.exponentformat is None


@pytest.mark.parametrize("values", [[np.nan, np.nan], [np.nan, np.inf], []])
def test_numbers_of_which_none_is_one_have_an_axis(values):
    figure = Chart("none", go.Figure(go.Scatter(x=[1, 2], y=np.array(values))), "Nothing.").figure
    assert figure.layout.xaxis.exponentformat is None


@pytest.mark.parametrize(("count", "step"), [(2, 1), (4, 1), (12, 1), (64, None)])
def test_few_channels_are_numbered_one_by_one(count, step):
    values = np.linspace(0, 1, count, dtype=np.float32)
    for figure in (figures.channels(values, values, np.arange(count), []), vector(values, None, "hidden unit")):
        assert figure.layout.xaxis.dtick == step


def test_a_gate_below_zero_is_on_the_axis_before_and_after():
    before, after = np.float32([-0.9, 0.5]), np.float32([0, 0])
    low, high = figures.channels(before, after, np.arange(2), ()).layout.yaxis.range
    assert low < -0.9 and high == 1.05
    assert figures.channels(after, after + 2, np.arange(2), ()).layout.yaxis.range == (0, 2.1)
