"""Laws of the channel figures: what is drawn is what was given, in colours that mean the same everywhere."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from plotly.colors import sample_colorscale

from attention import analysis
from attention.analysis import excitation_parameters
from attention.charts import channels, network
from attention.charts.colours import ACCENT, CHANGE, CHANNEL_GATE, FEATURES
from attention.records import Gate
from tests.charts import check_across, check_colours

UNIT = st.floats(0, 1, width=32)
few = settings(max_examples=20)  # a figure takes plotly a thousand times longer than its numbers take numpy
gates = arrays(np.float32, st.integers(1, channels.MOST_BARS), elements=UNIT)
many_gates = arrays(np.float32, st.integers(channels.MOST_BARS + 1, 700), elements=UNIT)
changes = arrays(np.float32, st.integers(1, 300), elements=st.floats(-1, 1, width=32))


def some_gate(size: int) -> np.ndarray:
    return np.random.default_rng(size).random(size, dtype=np.float32)


def channel_gate(values: np.ndarray, activation: str = "sigmoid") -> Gate:
    values = np.asarray(values, np.float32)[None]
    return Gate("a", "channel", activation, values, (1, values.size, 3, 3), float(values.min()), float(values.max()))


@given(gates, st.booleans())
def test_up_to_256_channels_every_one_is_shown_once(values, by_size):
    assert sorted(channels.drawn_channels(values, by_size=by_size)) == list(range(len(values)))


@given(gates)
def test_the_bars_stand_by_channel_or_by_size(values):
    assert (np.diff(channels.drawn_channels(values, by_size=False)) == 1).all()
    assert (np.diff(values[channels.drawn_channels(values, by_size=True)]) <= 0).all()


@given(many_gates, st.booleans())
def test_past_256_channels_the_largest_are_shown(values, by_size):
    order = channels.drawn_channels(values, by_size=by_size)
    hidden = np.delete(values, order)
    assert len(order) == channels.TOP_BARS
    assert values[order].min() >= hidden.max()


@few
@given(gates, st.booleans(), st.data())
def test_a_bar_is_as_high_and_as_blue_as_its_gate(values, by_size, data):
    chosen = data.draw(st.integers(0, len(values) - 1))
    order = channels.drawn_channels(values, by_size=by_size)
    (bars,) = channels.gate_bars(values, order, chosen).data
    np.testing.assert_array_equal(bars.y, values[order])
    check_colours(bars.marker.color, values[order], CHANNEL_GATE)
    np.testing.assert_array_equal(bars.customdata, order)


def test_the_thresholds_go_across_the_bars_and_a_neutral_gate_across_the_boxes():
    values = some_gate(8)
    bars = channels.gate_bars(values, np.arange(8), 0)
    assert check_across(bars) == 2 and [line.y0 for line in bars.layout.shapes] == [0.1, 0.9]
    boxes = network.boxes(["a", "b"], [values, values], 1)
    assert check_across(boxes) == 1 and [(line.y0, line.y1) for line in boxes.layout.shapes] == [(1, 1)]


@pytest.mark.parametrize("chosen", [None, 0, 2])
def test_each_gate_is_one_box_of_its_quartiles_and_only_the_chosen_one_stands_out(chosen):
    values = [some_gate(size) for size in (5, 8, 300)]
    drawn = {}
    for trace in network.boxes(list("abc"), values, chosen).data:
        fives = zip(*(trace[name] for name in ("lowerfence", "q1", "median", "q3", "upperfence")), strict=True)
        for place, five in zip(trace.x, fives, strict=True):
            np.testing.assert_allclose(five, np.percentile(values[place], [0, 25, 50, 75, 100]), rtol=1e-6)
            assert place not in drawn
            drawn[place] = trace.line.color == ACCENT
    assert drawn == {place: place == chosen for place in range(3)}


@few
@given(gates, st.data())
def test_only_the_chosen_bar_is_framed_and_named(values, data):
    chosen = data.draw(st.integers(0, len(values) - 1))
    order = channels.drawn_channels(values, by_size=True)
    figure = channels.gate_bars(values, order, chosen)
    assert [int(order[place]) for place, c in enumerate(figure.data[0].marker.line.color) if c == ACCENT] == [chosen]
    (label,) = figure.layout.annotations
    assert label.text == f"{chosen}: {values[chosen]:.3f}"
    assert order[label.x] == chosen


@pytest.mark.parametrize(("chosen", "highest"), [(212, 191), (20, 60), (120, 100)])
def test_the_name_of_the_chosen_bar_stands_above_all_that_it_reaches_over(chosen, highest):
    values = np.full(240, 0.1, np.float32)
    values[highest] = 2
    (label,) = channels.vector(values, chosen, "mean").layout.annotations
    assert (label.x, label.y) == (chosen, 2)


def test_a_chosen_channel_that_is_not_among_the_top_has_no_bar():
    values = some_gate(300)
    figure = channels.gate_bars(values, channels.drawn_channels(values, by_size=True), int(values.argmin()))
    assert not figure.layout.annotations
    assert ACCENT not in figure.data[0].marker.line.color


@few
@given(many_gates)
def test_the_strip_has_every_channel_in_reading_order_and_nothing_else(values):
    heat, *crosses = channels.gate_strip(values, 0).data
    cells = np.asarray(heat.z).ravel()
    np.testing.assert_array_equal(cells[: len(values)], values)
    assert np.isnan(cells[len(values) :]).all()
    crossed = [(row, column) for each in crosses for row, column in zip(each.y, each.x, strict=True)]
    assert crossed == [divmod(place, channels.STRIP_WIDTH) for place in range(len(values), len(cells))]
    assert np.asarray(heat.customdata).ravel().tolist() == list(range(len(cells)))
    assert (heat.zmin, heat.zmax) == (0, 1)


@pytest.mark.parametrize("chosen", [0, 63, 64, 299])
def test_the_strip_frames_the_cell_of_the_chosen_channel(chosen):
    figure = channels.gate_strip(some_gate(300), chosen)
    (frame,) = figure.layout.shapes
    column, row = (frame.x0 + frame.x1) / 2, (frame.y0 + frame.y1) / 2
    assert figure.data[0].customdata[int(row)][int(column)] == chosen


@few
@given(changes)
def test_a_difference_is_drawn_symmetric_about_zero(values):
    drawn = channels.difference_figure(values).data[0]
    reach = float(np.abs(values).max()) or 1.0
    if drawn.type == "heatmap":
        assert drawn.zmin == -drawn.zmax == -reach
    else:
        check_colours(drawn.marker.color, values, CHANGE, -reach, reach)


def test_a_difference_is_the_second_pictures_gate_less_the_firsts():
    first, second = np.array([0.1, 0.9, 0.5], np.float32), np.array([0.1, 0.2, 0.75], np.float32)
    chart = channels.difference(first, second)
    np.testing.assert_array_equal(chart.table["second - first"], second - first)
    np.testing.assert_array_equal(chart.figure.data[0].y, second - first)
    assert chart.headline.startswith(
        "2 of 3 channels differ by more than 0.1; most of all channel 1: 0.900 for the first"
    )


def test_a_difference_has_its_own_colours_and_names_the_channel_that_changed_most():
    values = np.array([0.1, -0.4, 0.2], np.float32)
    figure, named = channels.difference_figure(values), channels.difference_figure(values).layout.annotations
    check_colours(figure.data[0].marker.color, values, CHANGE, -0.4, 0.4)
    assert [label.text for label in named] == ["1: −0.400"]
    np.testing.assert_array_equal(figure.data[0].y, values)


@pytest.mark.parametrize("size", [8, channels.MOST_BARS, channels.MOST_BARS + 1, 2048])
def test_a_vector_is_drawn_whole(size):
    values = some_gate(size) - 0.5
    figure = channels.vector(values, 3, "mean")
    drawn = figure.data[0]
    assert figure.layout.xaxis.title.text == ("channel" if drawn.type == "bar" else None)
    numbers = drawn.y if drawn.type == "bar" else np.asarray(drawn.z).ravel()[:size]
    np.testing.assert_array_equal(numbers, values)


@few
@given(st.lists(gates, min_size=1, max_size=8), st.data())
def test_the_boxes_are_the_quartiles_of_each_block(blocks, data):
    chosen = data.draw(st.integers(0, len(blocks) - 1))
    names = [f"block {n}" for n in range(len(blocks))]
    figure = channels.through_depth(
        {name: channel_gate(values) for name, values in zip(names, blocks, strict=True)},
        names[chosen],
        {name: name for name in names},
    ).figure
    drawn = {}
    for box in figure.data:
        for place, *five in zip(box.x, box.lowerfence, box.q1, box.median, box.q3, box.upperfence, strict=True):
            drawn[place] = (five, box.line.color == ACCENT)
    assert sorted(drawn) == list(range(len(blocks)))
    for place, (five, framed) in drawn.items():
        np.testing.assert_allclose(five, np.percentile(blocks[place], [0, 25, 50, 75, 100]), atol=1e-6)
        assert framed == (place == chosen)


def test_a_gate_that_leaves_0_to_1_is_not_called_saturated():
    found = {"sigmoid": [0.01, 0.5, 1.0, 0.2], "1 + tanh": [0.5, 1.0, 1.2, 1.9], "softmax": [0.01, 0.02, 0.96, 0.01]}
    values = {name: channel_gate(np.array(gate), name) for name, gate in found.items()}
    chart = channels.through_depth(values, "sigmoid", {name: name for name in values})
    assert [tick.strip() for tick in chart.figure.layout.xaxis.ticktext] == [
        "sigmoid\n25% · 25%",
        "1 + tanh",
        "softmax",
    ]
    assert [analysis.can_saturate(gate) for gate in values.values()] == [True, False, False]
    shares = network.openness([SimpleNamespace(name=name, gates=[gate]) for name, gate in values.items()]).table
    np.testing.assert_equal(shares["below 0.05, or 0.95 and above"], [0.5, np.nan, np.nan])


def test_gates_are_said_to_spread_most_where_they_do_and_not_where_one_of_them_is_far():
    outlier, spread = np.r_[np.full(99, 0.9), 0.1], np.linspace(0.2, 0.9, 100)
    assert np.ptp(outlier) > np.ptp(spread)
    found = {"one": channel_gate(outlier), "all": channel_gate(spread)}
    told = channels.through_depth(found, "one", {name: name for name in found}).alt
    assert told.startswith(
        f"The gates spread most in block all: their standard deviation over the channels is {spread.std():.3f}"
    )


@pytest.mark.parametrize("current", [8, 3, None])
def test_the_curve_is_what_was_counted_and_marks_the_networks_ratio(current):
    sizes, ratios = [32, 64, 128], (1, 2, 4, 8, 16, 32)
    weights, whole = (
        tuple(excitation_parameters(sizes, ratio, biases=biases) for ratio in ratios) for biases in (False, True)
    )
    figure = channels.ratio_curve(sizes, current).figure
    assert [trace.y for trace in figure.data[:2]] == [whole, weights]
    marks = [(mark.x, mark.y) for mark in figure.data[2:]]
    assert marks == ([((8,), (whole[3],))] if current == 8 else [])
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


@given(arrays(np.float32, (3, 5), elements=st.floats(-4, 4, width=32)), UNIT)
def test_before_and_after_share_one_scale(before, gate):
    after = before * np.float32(gate)
    picture = np.asarray(Image.open(io.BytesIO(channels.before_after(before, after, side=5))))
    values = np.concatenate([before, after], axis=1)
    reach = float(values.max() - values.min()) or 1.0
    shares = np.clip((values.ravel() - values.min()) / reach, 0, 1)
    expected = 255 * np.array(sample_colorscale(FEATURES, shares.tolist(), colortype="tuple"))
    drawn = np.concatenate([picture[:, :5, :3], picture[:, -5:, :3]], axis=1).reshape(-1, 3)
    np.testing.assert_allclose(drawn, expected, atol=3)


@pytest.mark.parametrize("shape", [(1, 1), (20, 3), (7, 40)])
def test_before_and_after_keep_the_maps_shape(shape):
    width, height = Image.open(io.BytesIO(channels.before_after(np.zeros(shape), np.ones(shape)))).size
    assert max((width - 4) // 2, height) == 96
    assert (width - 4) / 2 / height == pytest.approx(shape[1] / shape[0], rel=0.15)


def test_the_same_numbers_give_the_same_bytes():
    values, many = some_gate(100), some_gate(500)
    both = {"a": channel_gate(values), "b": channel_gate(many)}
    makers = [
        lambda: channels.gate_bars(values, channels.drawn_channels(values, by_size=True), 5).to_json(),
        lambda: channels.gate_strip(many, 5).to_json(),
        lambda: channels.vector(values, 5, "mean").to_json(),
        lambda: channels.difference_figure(values).to_json(),
        lambda: channels.through_depth(both, "b", {"a": "a", "b": "b"}).figure.to_json(),
        lambda: channels.ratio_curve([8, 16], 2).figure.to_json(),
        lambda: channels.before_after(values.reshape(10, 10), values.reshape(10, 10)),
    ]
    for make in makers:
        assert make() == make()


@pytest.mark.parametrize(
    ("least", "ticks"),
    [
        (0.2, (0, 0.1, 0.5, 0.9, 1)),
        (-0.4, (-0.1, 0, 0.1, 0.5, 0.9, 1)),
        (-0.9, (-1, -0.9, -0.5, -0.1, 0, 0.1, 0.5, 0.9, 1)),
    ],
)
def test_the_axis_of_a_gate_is_numbered_as_far_down_as_it_goes(least, ticks):
    assert channels.gate_bars(np.float32([least, 1]), np.arange(2), 0).layout.yaxis.tickvals == ticks
