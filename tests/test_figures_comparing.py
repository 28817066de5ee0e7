"""The comparison's figures hold the numbers that they were given."""

import numpy as np
import pytest

from attention.analysis.faithfulness import Curve, Faithfulness
from attention.charts import comparing
from attention.charts.colours import ACCENT, NULL
from attention.charts.comparing import Against


def test_one_scale_runs_from_nothing_to_the_largest_value_of_all_maps():
    maps = [np.array([[-1, 2]], np.float32), np.array([[0, 5]], np.float32)]
    assert comparing.one_scale(maps) == (0, 5)
    assert comparing.one_scale([]) == (0, 1)
    assert comparing.one_scale([np.zeros((2, 2), np.float32)]) == (0, 1)


def test_single_pixels_do_not_set_the_scale_of_a_map_of_pixels():
    values = np.random.default_rng(0).random((100, 100)).astype(np.float32)
    values[0, 0] = 1000
    assert comparing.one_scale([values]).high == pytest.approx(0.995, abs=0.01)


def test_the_agreement_has_a_row_a_gate_and_its_null_in_grey():
    one = Against("overlap", [0.1, 0.9], [0.3, 0.2], 0.5, (0, 1))
    two = Against("rank", [None, 0.5], [0.1, 0.1], None, (-1, 1))
    figure = comparing.agreement(["a", "b"], [one, two], "its gate for another")
    other, gate, blob, *_ = figure.data
    assert list(gate.x) == [0.1, 0.9] and list(gate.y) == ["a", "b"] and gate.marker.color == ACCENT
    assert list(other.x) == [0.3, 0.2] and other.marker.color == NULL
    assert list(blob.x) == [0.5, 0.5] and blob.line.color == NULL
    assert len(figure.data) == 5  # the second has no blob


def curve(*values):
    return Curve(np.linspace(0, 1, len(values)), np.array(values))


def test_the_band_holds_the_lowest_and_the_highest_of_the_random_maps():
    draws = [Faithfulness(curve(1, low, 0), curve(0, high, 1)) for low, high in ((0.2, 0.9), (0.6, 0.1), (0.4, 0.5))]
    maps = {"heatmap": Faithfulness(curve(1, 0.05, 0), curve(0, 0.95, 1)), "gate": draws[0]}
    figure = comparing.curves(maps, draws)
    deletion, insertion = figure.data[:4], figure.data[4:]
    for (low, high, heatmap, gate), middles in ((deletion, (0.2, 0.6, 0.05, 0.2)), (insertion, (0.1, 0.9, 0.95, 0.9))):
        assert [trace.y[1] for trace in (low, high, heatmap, gate)] == pytest.approx(middles)
        assert heatmap.name == "heatmap" and gate.name == "gate" and high.fill == "tonexty"
    assert list(deletion[2].x) == [0, 50, 100]


def test_a_similarity_that_is_not_defined_has_no_colour():
    figure = comparing.similarity({"heatmap": [1.0, None], "gate": [0.5, -0.25]}, ["head", "stem"], 1)
    (cells,) = figure.data
    np.testing.assert_array_equal(cells.z, [[1, np.nan], [0.5, -0.25]])
    assert list(map(list, cells.text)) == [["1.00", "–"], ["0.50", "-0.25"]] and (cells.zmin, cells.zmax) == (-1, 1)
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0.5, 1.5)


def test_the_gates_that_moved_stand_in_the_order_given_beside_their_yardstick():
    bars, marks = comparing.moved(["a", "b"], [0.5, 0.1], [0.2, 0.4], "other").data
    assert list(bars.y) == ["a", "b"] and list(bars.x) == pytest.approx([0.5, 0.1])
    assert list(marks.x) == pytest.approx([0.2, 0.4]) and marks.marker.color == NULL
    assert len(comparing.moved(["a", "b"], [0.5, 0.1], [], "").data) == 1


def test_a_profile_is_the_median_and_the_middle_half_of_each_block():
    gates = [np.arange(5, dtype=np.float32) / 4, np.full(7, 0.5, np.float32)]
    low, high, middle = comparing.profiles({"se": gates}).data
    assert [list(trace.y) for trace in (low, middle, high)] == [[0.25, 0.5], [0.5, 0.5], [0.75, 0.5]]
    assert list(middle.x) == [1, 2]


def test_a_frame_stands_where_it_is_said_to_on_the_picture_and_any_part_of_it_can_be_framed():
    figure = comparing.framed(b"\xff\xd8", (10, 20, 40, 60))
    (patch,), (photo,) = figure.layout.shapes, figure.layout.images
    assert (patch.x0, patch.y0, patch.x1, patch.y1) == (10, 20, 40, 60)
    assert (photo.x, photo.y, photo.sizex, photo.sizey) == (0, 0, 100, 100)
    assert photo.source == "data:image/jpeg;base64,/9g="
    places = set(zip(figure.data[0].x, figure.data[0].y, strict=True))
    for left in range(95):
        assert any(left <= x <= left + 5 and left <= y <= left + 5 for x, y in places)
