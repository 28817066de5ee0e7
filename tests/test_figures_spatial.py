"""The figures of a spatial gate show the record's numbers, each on the scale it names."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attention.charts import overlay, spatial
from attention.charts.colours import CHANGE, COLOUR_MAPS, SPATIAL_GATE
from attention.charts.overlay import Scale
from attention.numbers import fixed
from attention.records import ChannelSteps, SpatialSteps
from tests.charts import check_colours, colours, texts

CHANNELS, SIZE = 12, 6


def spatial_steps(kernel=7, names=("average", "max"), channels=CHANNELS):
    random = np.random.default_rng(0)
    before = random.normal(size=(1, channels, SIZE, SIZE)).astype(np.float32)
    pooled = {"average": before.mean(1), "max": before.max(1)}
    weights = random.normal(size=(len(names), kernel, kernel)).astype(np.float32)
    return SpatialSteps({name: pooled[name] for name in names}, weights, before, before / 2, False, None, None)


def channel_steps(names=("average", "max")):
    random = np.random.default_rng(1)
    vectors = {name: random.normal(size=(1, CHANNELS)).astype(np.float32) for name in names}
    features = random.normal(size=(1, CHANNELS, SIZE, SIZE)).astype(np.float32)
    return ChannelSteps(vectors, vectors, vectors, features, features, "relu", False, None, None)


def gate_map():
    return np.linspace(0.2, 0.9, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def ends(heatmap):
    return heatmap.zmin, heatmap.zmax


@settings(max_examples=20)
@given(st.lists(st.floats(-0.5, 1.5, width=32), min_size=1, max_size=60))
def test_the_histogram_counts_every_place_once(values):
    figure = spatial.histogram(np.array([values], np.float32), "viridis", overlay.UNIT)
    counts = [0] * spatial.BINS
    for value in values:
        counts[min(max(int(np.searchsorted(np.linspace(0, 1, spatial.BINS + 1), value, "right")) - 1, 0), 24)] += 1
    assert np.array(figure.data[0].y) * len(values) / 100 == pytest.approx(counts, abs=1e-4)


@pytest.mark.parametrize("colour_map", COLOUR_MAPS)
def test_the_histogram_is_the_legend_of_the_overlay(colour_map):
    scale = Scale(0.3, 0.8)
    figure = spatial.histogram(gate_map(), colour_map, scale)
    for bars in figure.data:
        check_colours(bars.marker.color, bars.x, COLOUR_MAPS[colour_map], *scale)
    ticks = figure.layout.xaxis.ticktext
    assert (ticks[0], ticks[-1]) == ("0.30", "0.80")
    assert tuple(figure.layout.xaxis.range) == scale


def test_the_histogram_of_a_constant_map_has_one_bar():
    values = np.full((3, 3), 0.4, np.float32)
    shares = np.array(spatial.histogram(values, "viridis", overlay.own_range(values)).data[0].y)
    assert sorted(shares)[-2:] == [0, 100]


def test_the_derivation_shows_the_records_own_arrays():
    steps, gate = spatial_steps(), gate_map()
    sheet, average, first, strongest, second, last = spatial.derivation(steps, gate).figure.data
    np.testing.assert_array_equal(sheet.z, spatial.contact_sheet(steps.before[0]))
    np.testing.assert_array_equal(average.z, steps.pooled["average"][0])
    np.testing.assert_array_equal(strongest.z, steps.pooled["max"][0])
    np.testing.assert_array_equal(np.stack([first.z, second.z]), steps.kernel)
    np.testing.assert_array_equal(last.z, gate)


def test_in_the_derivation_each_panel_has_the_scale_of_its_kind():
    steps = spatial_steps()
    _, average, first, strongest, second, last = spatial.derivation(steps, gate_map()).figure.data
    assert ends(average) == (steps.pooled["average"].min(), steps.pooled["average"].max())
    assert ends(strongest) == (steps.pooled["max"].min(), steps.pooled["max"].max())
    reach = np.abs(steps.kernel).max()
    assert ends(first) == ends(second) == (-reach, reach)
    assert colours(first.colorscale) == colours(CHANGE)
    assert ends(last) == (0, 1)
    assert colours(last.colorscale) == colours(SPATIAL_GATE)


def test_in_the_derivation_minimum_and_maximum_stand_beside_each_panel():
    steps, gate = spatial_steps(), gate_map()
    figure = spatial.derivation(steps, gate).figure
    for heatmap in figure.data:
        low, high = np.nanmin(heatmap.z), np.nanmax(heatmap.z)
        assert any(f"{fixed(low)} to {fixed(high)}" in text for text in texts(figure))


@pytest.mark.parametrize(("kernel", "numbered"), [(1, True), (3, True), (7, False)])
def test_a_small_kernel_has_its_weights_written_out(kernel, numbered):
    heatmaps = spatial.derivation(spatial_steps(kernel), gate_map()).figure.data
    assert [heatmap.texttemplate is not None for heatmap in heatmaps] == [
        False,
        False,
        numbered,
        False,
        numbered,
        False,
    ]


@pytest.mark.parametrize("name", ["average", "max"])
def test_a_gate_that_pools_once_is_drawn_with_one_map(name):
    steps = spatial_steps(names=(name,))
    _, pooled, kernel, _ = spatial.derivation(steps, gate_map()).figure.data
    np.testing.assert_array_equal(pooled.z, steps.pooled[name][0])
    np.testing.assert_array_equal(kernel.z, steps.kernel[0])


def test_a_kernel_of_zeros_and_constant_features_are_drawn():
    steps = spatial_steps()
    flat = {name: np.zeros_like(values) for name, values in steps.pooled.items()}
    still = SpatialSteps(flat, steps.kernel * 0, steps.before * 0, steps.after * 0, False, None, None)
    for heatmap in spatial.derivation(still, gate_map()).figure.data:
        assert heatmap.zmin < heatmap.zmax


def test_the_first_row_of_a_map_is_on_top():
    figure = spatial.derivation(spatial_steps(), gate_map()).figure
    assert all(axis.range[0] > axis.range[1] for axis in figure.select_yaxes())


@pytest.mark.parametrize("channels", [1, 5, 9, 40])
def test_the_contact_sheet_holds_the_strongest_channels_and_gaps(channels):
    features = np.random.default_rng(0).normal(size=(channels, 4, 4)).astype(np.float32)
    sheet = spatial.contact_sheet(features)
    shown = sorted(range(channels), key=lambda channel: -float(np.abs(features[channel]).mean()))[:9]
    for place, channel in enumerate(shown):
        top, left = 5 * (place // 3), 5 * (place % 3)
        np.testing.assert_array_equal(sheet[top : top + 4, left : left + 4], features[channel])
    assert np.isfinite(sheet).sum() == len(shown) * 16


def test_features_share_one_scale_and_show_it_once():
    chart = spatial.features({"before": gate_map(), "after": gate_map() / 2}, "Channel 3")
    figure, scale = chart.figure, (gate_map().min() / 2, gate_map().max())
    assert [ends(heatmap) for heatmap in figure.data] == [scale, scale]
    assert f"{fixed(scale[0])} black to {fixed(scale[1])} white" in chart.caption
    assert [heatmap.showscale for heatmap in figure.data] == [False, True]
    np.testing.assert_array_equal(figure.data[1].z, gate_map() / 2)


def test_the_branches_add_up_to_the_gate():
    steps = channel_steps()
    gate = sigmoid(steps.branches["average"] + steps.branches["max"])[0]
    average, strongest, total, last = (np.array(line.y) for line in spatial.branches(steps, gate, 3).figure.data)
    np.testing.assert_array_equal(average, steps.branches["average"][0])
    np.testing.assert_array_equal(strongest, steps.branches["max"][0])
    np.testing.assert_allclose(total, average + strongest)
    np.testing.assert_allclose(last, sigmoid(total), rtol=1e-6)


def test_all_branches_and_their_sum_have_one_axis_and_the_gate_its_own():
    steps = channel_steps()
    figure = spatial.branches(steps, sigmoid(steps.branches["max"][0]), 0).figure
    *rows, gate = [tuple(axis.range) for axis in figure.select_yaxes()]
    assert len(set(rows)) == 1
    low, high = rows[0]
    assert low == -high
    assert high >= max(np.abs(line.y).max() for line in figure.data[:-1])
    assert gate == (0, 1.02)


def test_a_single_branch_needs_no_sum():
    steps = channel_steps(("average",))
    figure = spatial.branches(steps, sigmoid(steps.branches["average"][0]), 0).figure
    assert [note.text for note in figure.select_annotations()] == ["MLP of the mean", "gate"]


def test_the_chosen_channel_is_marked_in_every_row():
    steps = channel_steps()
    lines = spatial.branches(steps, sigmoid(steps.branches["max"][0]), 7).figure.layout.shapes
    assert [(line.x0, line.x1, line.yref, line.y0, line.y1) for line in lines] == [(7, 7, "paper", 0, 1)]


def test_before_and_after_its_gates_the_features_of_a_block_have_one_scale_that_holds_both():
    before = np.stack([np.full((2, 3), 10.0), np.full((2, 3), -8.0)]).astype(np.float32)  # their mean is 1
    chart = spatial.dials(before, np.float32([1, 0]), np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), "a block")
    assert "A gate is a number for each of 2 channels" in chart.caption and "and one for each place" in chart.caption
    alone = spatial.dials(before, None, np.linspace(0, 1, 6, dtype=np.float32).reshape(2, 3), "a block")
    assert "A gate is a number for each place" in alone.caption
    first, _, _, last = (each for each in chart.figure.data if each.type == "heatmap")
    assert ends(first) == ends(last) == (0, 5)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_title_above_a_map_has_room_where_the_map_is_as_high_as_it_can_be(count):
    before, gate = np.random.default_rng(0).normal(size=(4, 6, 6)).astype(np.float32), gate_map()
    charts = [spatial.features({f"channel {number}": before[number] for number in range(count)}, "Channels")]
    charts += [spatial.dials(before, np.ones(4, np.float32), gate if count == 4 else None, "a block")] * (count > 2)
    for chart in charts:
        layout = chart.figure.layout
        inner = layout.height - layout.margin.t - layout.margin.b
        for note in layout.annotations:
            above = layout[note.yref.replace(" domain", "").replace("y", "yaxis")].domain[1]
            room = layout.margin.t + (1 - above) * inner
            assert len(note.text.split("\n")) * 1.3 * note.font.size <= room, (chart.key, note.text)


@pytest.mark.parametrize(("side", "title", "places"), [("height", "row", "y"), ("width", "column", "x")])
def test_a_gate_along_a_side_lies_as_that_side_lies_in_the_picture(side, title, places):
    """The first row is the upper one."""
    values, gates = np.linspace(-0.5, 1.5, 6, dtype=np.float32), "xy".replace(places, "")
    figure = spatial.profile(values, side)
    (bars,), place = figure.data, figure.layout[f"{places}axis"]
    np.testing.assert_array_equal(bars[places], range(6))
    np.testing.assert_array_equal(bars[gates], values)
    assert place.title.text == title and (place.autorange == "reversed") == (side == "height")
    assert figure.layout[f"{gates}axis"].title.text == "gate" and figure.layout[f"{gates}axis"].range == (-0.5, 1.5)
