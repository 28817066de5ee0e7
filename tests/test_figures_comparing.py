"""The comparison's figures hold the numbers that they were given."""

import re

import numpy as np
import pytest

from attention import comparison
from attention.analysis import evidence
from attention.analysis.faithfulness import Curve, Faithfulness
from attention.charts import comparing
from attention.charts.colours import NULL


def test_one_scale_runs_from_nothing_to_the_largest_value_of_all_maps():
    maps = [np.array([[-1, 2]], np.float32), np.array([[0, 5]], np.float32)]
    assert comparing.one_scale(maps) == (0, 5)
    assert comparing.one_scale([]) == (0, 1)
    assert comparing.one_scale([np.zeros((2, 2), np.float32)]) == (0, 1)


def test_single_pixels_do_not_set_the_scale_of_a_map_of_pixels():
    values = np.random.default_rng(0).random((100, 100)).astype(np.float32)
    values[0, 0] = 1000
    assert comparing.one_scale([values]).high == pytest.approx(0.995, abs=0.01)


def test_a_gate_is_ranked_among_other_pictures_and_tested_over_all_of_them():
    random = np.random.default_rng(0)
    habit, own = random.uniform(-0.1, 0.1, (2, 30, 30))
    own[np.arange(30), np.arange(30)] += 0.5
    shifts = {"habit": np.full(24, habit[0, 0] - 1), "own": np.linspace(-1, 1, 24)}
    chart = comparing.agreement({"habit": habit, "own": own}, shifts, ["habit"])
    assert chart.headline.startswith(
        "Over n = 30 pictures, gates agree with the heatmap of their own picture otherwise"
    )
    assert "own more (p = 0.02)" in chart.headline and "habit" not in chart.headline
    assert "Here own agrees the most" in chart.headline and "number 1 among the same gate for 30" in chart.headline
    assert chart.table["rank"] == [1 + int((habit[0, 1:] > habit[0, 0]).sum()), 1]
    assert chart.table["over pictures"] == pytest.approx([habit.diagonal().mean(), own.diagonal().mean()])
    assert chart.table["here, p"][1] == pytest.approx(1 / 30) and "below 0.033" in chart.caption
    assert "Nearly constant here, and so saying little: habit." in chart.caption
    dots = chart.figure.data[1::2]
    assert list(dots[0].x) == [habit[0, 0], own[0, 0]] and list(dots[1].marker.symbol) == ["circle-open", "circle"]
    more = int((shifts["own"] >= own[0, 0]).sum())
    assert f"at least as much in so many of 24 shifts: 0 for habit, {more} for own." in chart.caption
    assert chart.table["shifted, low"][0] == pytest.approx(habit[0, 0] - 1)
    none = comparing.agreement({"habit": habit}, shifts, [])
    assert "there is no evidence that a gate agrees" in none.headline


def numbers_of(text):
    """Every number written in a text, in order."""
    return [float(number.replace("−", "-")) for number in re.findall(r"(?<![\w.])−?\d+(?:\.\d+)?", text)]


@pytest.mark.parametrize("count", [2, 3, 30])
def test_every_number_in_the_words_of_an_agreement_is_one_of_the_measurement(count):
    found = np.random.default_rng(count).uniform(-0.2, 0.2, (count, count))
    found[np.arange(count), np.arange(count)] += 0.5
    shifts = np.linspace(-1, 1, 25)
    (tested,) = comparison.agreement_tests({"gate": found})
    observed, here = tested.over.observed, found[0, 0]
    rank = 1 + sum(other > here for other in found[0, 1:])
    least = float(f"{1 / count:.3g}")
    gates = comparing.agreement({"gate": found}, {"gate": shifts}, [])
    more = sum(shift >= here for shift in shifts)
    of_gates = [95, count - 1, least, count, 1, count, 95, tested.over.draws, 0, 25, more]
    assert numbers_of(gates.caption) == pytest.approx(of_gates, rel=1e-6)
    assert numbers_of(gates.headline)[-3:] == [round(here, 2), rank, count] and f"n = {count} p" in gates.headline
    heatmaps = comparing.heatmap_agreement(found, shifts, ("one", "other"))
    grid = list(comparison.GRID)
    of_maps = [*grid, 95, count - 1, 95, tested.over.draws, 0, 25, more]
    assert numbers_of(heatmaps.caption) == of_maps
    said = numbers_of(heatmaps.headline)
    expected = [count, observed, tested.over.low, tested.over.high, tested.over.p, here, count, rank]
    assert said == pytest.approx(expected, abs=0.006)
    assert ("agree more on the same picture" in heatmaps.headline) == tested.over.holds
    assert heatmaps.table["rank"] == [rank] and heatmaps.table["pictures"] == [count]
    few = comparing.agreement({"gate": -found, "other": found}, {"gate": shifts, "other": shifts}, ["gate", "other"])
    assert "over 2 gates" in few.caption and few.caption.count("gate, other.") == 1


def curve(*values):
    return Curve(np.linspace(0, 1, len(values)), np.array(values))


def test_a_map_is_judged_by_random_maps_like_it_and_the_band_is_their_middle():
    random = np.random.default_rng(0)
    null = [Faithfulness(curve(1, low, 0), curve(0, high, 1)) for low, high in random.uniform(0.4, 0.6, (99, 2))]
    better = comparison.MapTest(Faithfulness(curve(1, 0.05, 0), curve(0, 0.95, 1)), tuple(null))
    like = comparison.MapTest(null[0], tuple(null[1:]))
    chart = comparing.deletion({"heatmap": better, "gate": like}, {"blob": comparison.MapTest(null[1])}, "blur")
    assert "heatmap: area 0.275 by deletion, better than random maps like it" in chart.headline
    assert "0.725 by insertion, better than random maps like it" in chart.headline
    assert chart.headline.count("no evidence of a difference") == 2 and chart.alt == chart.headline
    assert "becomes blur" in chart.caption and "over 4 areas" in chart.caption and "99 random maps" in chart.caption
    deletion, insertion = chart.figure.data[:5], chart.figure.data[5:]
    for traces, kind in ((deletion, "deletion"), (insertion, "insertion")):
        middles = [getattr(draw, kind).probabilities[1] for draw in null]
        assert [trace.y[1] for trace in traces[:2]] == pytest.approx(list(np.percentile(middles, (2.5, 97.5))))
        assert [trace.name for trace in traces[2:]] == ["heatmap", "gate", "blob"] and traces[1].fill == "tonexty"
    assert list(chart.table["share"]) == [0, 0.5, 1] and chart.table["heatmap: deletion"][1] == 0.05


def test_a_similarity_that_is_not_defined_has_no_colour():
    heatmap, gate = np.array([[1.0, np.nan], [1.0, 0.3]]), np.array([[0.5, -0.5], [0.5, 0.0], [0.5, 1.0]])[:2]
    chart = comparing.shuffling(
        {"heatmap": heatmap, "gate": gate}, {"heatmap": abs(gate), "gate": gate}, ["head", "stem"], 1, (0.9, [0.1, 0.3])
    )
    figure = chart.figure
    (cells,) = figure.data
    np.testing.assert_array_equal(cells.z, [[1, np.nan], [0.5, -0.25]])
    assert list(map(list, cells.text)) == [
        ["1.00\n1.00 to 1.00", "–"],
        ["0.50\n0.50 to 0.50", "−0.25\n−0.49 to −0.01"],
    ]
    assert (cells.zmin, cells.zmax) == (-1, 1)
    assert "is not defined" in chart.headline and "structural similarity 0.25 (0.01 to 0.49)" in chart.headline
    assert "P of the class is 20.0% in place of 90.0%" in chart.headline
    assert chart.table["map"] == ["heatmap"] * 2 + ["gate"] * 2
    assert chart.table["structural similarity, median"] == [0.5, 0.25, 0.5, -0.25]
    assert (figure.layout.shapes[0].x0, figure.layout.shapes[0].x1) == (0.5, 1.5)


def test_the_gates_that_moved_stand_in_the_order_given_beside_their_yardstick():
    bars, marks = comparing.move_bars(["a", "b"], [0.5, 0.1], [0.2, 0.4], "other").data
    assert list(bars.y) == ["a", "b"] and list(bars.x) == pytest.approx([0.5, 0.1])
    assert list(marks.x) == pytest.approx([0.2, 0.4]) and marks.marker.color == NULL
    assert len(comparing.move_bars(["a", "b"], [0.5, 0.1], [], "").data) == 1


def test_a_profile_is_the_median_and_the_middle_half_of_each_block():
    gates = [np.arange(5, dtype=np.float32) / 4, np.full(7, 0.5, np.float32)]
    low, high, middle = comparing.profiles({"se": gates}).data
    assert [list(trace.y) for trace in (low, middle, high)] == [[0.25, 0.5], [0.5, 0.5], [0.75, 0.5]]
    assert list(middle.x) == [1, 2]


def test_a_frame_stands_where_it_is_said_to_on_the_picture_and_any_part_of_it_can_be_framed():
    figure = comparing.picture_with_frame(b"\xff\xd8", (10, 20, 40, 60))
    (patch,), (photo,) = figure.layout.shapes, figure.layout.images
    assert (patch.x0, patch.y0, patch.x1, patch.y1) == (10, 20, 40, 60)
    assert (photo.x, photo.y, photo.sizex, photo.sizey) == (0, 0, 100, 100)
    assert photo.source == "data:image/jpeg;base64,/9g="
    places = set(zip(figure.data[0].x, figure.data[0].y, strict=True))
    for left in range(95):
        assert any(left <= x <= left + 5 and left <= y <= left + 5 for x, y in places)


def test_a_shift_that_agrees_as_much_is_one_of_those_that_agree_at_least_as_much():
    here = evidence.tests([0.5], [np.linspace(0, 1, 9)])
    told = comparing._shifts_in_words(["a"], here, {"a": np.array([0.4, 0.5, 0.5, 0.6])})
    assert "at least as much in so many of 4 shifts: 3 for a" in told
