"""A gate against the same gate for other pictures, against slow twins; and what is said of it."""

import re

import numpy as np
import pytest

from attention import analysis, images
from attention.analysis.gates import ninths
from attention.analysis.health import CONSTANT
from attention.analysis.usual import AgainstUsual, UsualGates, views
from attention.charts import usual
from attention.kinds import CHANNEL, SPATIAL
from attention.models import zoo
from attention.observe import observe, read_picture
from attention.records import StoppedError
from attention.store import Store


def found(values, others, grey):
    return AgainstUsual(*(np.asarray(each, np.float32) for each in (values, others, grey)))


def random_case(shape, seed=0, count=6):
    random = np.random.default_rng(seed)
    return found(random.random(shape), random.random((count, *shape)), random.random(shape))


@pytest.mark.parametrize("shape", [(7,), (5, 5), (4, 6)])
def test_the_usual_gate_is_the_mean_over_the_other_pictures(shape):
    case = random_case(shape)
    for place in np.ndindex(*shape):
        mean = sum(float(other[place]) for other in case.others) / 6
        assert case.usual[place] == pytest.approx(mean, abs=1e-6)
        assert case.difference[place] == pytest.approx(case.values[place] - mean, abs=1e-6)


@pytest.mark.parametrize("shape", [(7,), (5, 5)])
def test_each_pictures_distance_is_that_from_the_mean_of_all_the_others(shape):
    case = random_case(shape, seed=1)
    every = [case.values, *case.others]
    for index, one in enumerate(every):
        rest = [other for place, other in enumerate(every) if place != index]
        squares = [(one[at] - sum(other[at] for other in rest) / len(rest)) ** 2 for at in np.ndindex(*shape)]
        assert case.distances[index] == pytest.approx((sum(squares) / len(squares)) ** 0.5)
    assert case.nearer_count == sum(other < case.distances[0] for other in case.distances[1:])


def test_a_picture_like_all_others_is_nearer_than_none_and_another_one_than_all():
    habit = np.linspace(0, 1, 9)
    others = habit + np.random.default_rng(0).normal(0, 0.05, (8, 9))
    assert found(others.mean(0), others, habit).nearer_count == 0
    assert found(1 - habit, others, habit).nearer_count == 8
    pair = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert found(pair[0], pair[1:], pair[0]).distances.tolist() == [1, 1]
    assert found(pair[0], pair[1:], pair[0]).nearer_count == 0  # as far is not nearer


def test_where_a_map_is_most_open_is_counted_over_the_others():
    case = random_case((5, 5), seed=2)
    assert case.same_place == sum(
        analysis.map_stats(other).place == analysis.map_stats(case.values).place for other in case.others
    )
    assert case.most_opened[0] == analysis.map_stats(case.difference.astype(np.float32)).place


def test_a_habit_of_position_is_called_one():
    habit = np.zeros((6, 6), np.float32)
    habit[4:, 4:] = 0.9
    here = habit.copy()
    here[:2, :2] = 0.2
    case = found(here, [habit] * 19, habit)
    assert usual.headline(case, "layer3.0", SPATIAL) == (
        "Block layer3.0 is most open at the lower right, as for 19 of 19 other pictures: that is a habit. With this "
        "picture it opens more than usual at the upper left."
    )
    assert usual.details(case, SPATIAL).startswith(
        "For a grey card it is most open there too. The ninth at the upper left is 0.200 above its usual mean. None "
        "of 19 other pictures have a ninth as far above its usual gate."
    )
    chart = usual.chart(case, "layer3.0", SPATIAL)
    assert list(chart.table) == ["row", "column", "this picture", "usual", "this less usual", "grey card"]
    other = found(here, [habit[::-1]] * 19, np.full((6, 6), 0.5))
    assert usual.headline(other, "layer3.0", SPATIAL) == (
        "Block layer3.0 is most open at the lower right, which is not its habit: of 19 other pictures, none has it "
        "there. With this picture it opens more than usual there, too."
    )
    assert "For a grey card it is most open at the" in usual.details(other, SPATIAL)


def test_a_map_that_is_nowhere_above_its_usual_one_is_not_said_to_open():
    case = found(np.eye(3) / 4, np.full((2, 3, 3), 0.5), np.zeros((3, 3)))
    assert "it opens nowhere more than is usual from picture to picture" in usual.headline(case, "a", SPATIAL)
    less = usual.chart(case, "a", SPATIAL).figure.data[2]
    assert (less.z.min(), less.z.max(), less.zmin, less.zmax) == (-0.5, -0.25, -0.5, 0.5)
    none = found([0.1, 0.2], [[0.4, 0.5]] * 2, [0, 0])
    assert usual.headline(none, "a", CHANNEL).endswith(", and no channel " + usual.MORE_THAN_ANY + ".")


@pytest.mark.parametrize(("shape", "kind"), [((24,), CHANNEL), ((9, 9), SPATIAL)])
def test_what_hardly_differs_from_usual_is_not_said_to_and_it_is_counted_how_many_pictures_differ_as_far(shape, kind):
    """Gates that are noise are somewhere above their mean with every picture, and more than usual with one in 20."""
    told = set()
    for seed in range(40):
        case = random_case(shape, seed, count=39)
        small = 0.5 + (0.02 + 0.001 * seed) * np.array([case.values, *case.others])
        case = found(small[0], small[1:], np.full(shape, 0.5))
        rests = [np.delete(small, place, 0).mean(0) for place in range(40)]
        highest = [
            max(ninths(one - rest).values()) if one.ndim == 2 else (one - rest).max()
            for one, rest in zip(small, rests, strict=True)
        ]
        assert case.as_far == sum(other >= highest[0] for other in highest[1:])
        text = usual.headline(case, "a", kind)
        more = re.search("lets channel .* through more than usual|it opens more than usual", text) is not None
        assert more == (highest[0] >= CONSTANT and sum(other >= highest[0] for other in highest) / 40 <= 0.05)
        assert f"{case.as_far or 'None'} of 39 other pictures" in usual.details(case, kind)
        if kind == CHANNEL and not more and case.most_opened[1] > 0:
            channel = int(case.difference.argmax())
            both = f"{case.values[channel]:.3f}, usually {case.usual[channel]:.3f}"
            assert f"Most above its usual gate is channel {channel}: {both}." in usual.details(case, kind)
        told.add(more)
    assert kind == SPATIAL or told == {True, False}


@pytest.mark.parametrize(("shape", "kind"), [((4,), CHANNEL), ((3, 3), SPATIAL)])
def test_a_gate_that_is_the_same_everywhere_has_no_strongest(shape, kind):
    same = found(np.full(shape, 0.5), np.full((3, *shape), 0.5), np.full(shape, 0.5))
    assert usual.headline(same, "a", kind) == "Block a has the same gate everywhere, 0.500."
    assert usual.details(same, kind).startswith("As a whole it lies 0.000 from what is usual")


def test_a_channel_gate_is_named_by_what_is_not_usual_of_it():
    case = found([0.9, 0.5, 0.1, 0.95], [[0.2, 0.5, 0.8, 0.95]] * 19, [0.2, 0.5, 0.8, 0.9])
    assert usual.headline(case, "layer4.1", CHANNEL) == (
        "Block layer4.1 lets channel 0 through more than usual: its gate is 0.900 with this picture, 0.200 on average "
        "with others."
    )
    assert usual.details(case, CHANNEL).startswith(
        "None of 19 other pictures have a channel as far above its usual gate. Most below its usual gate is channel 2: "
        "0.100, usually 0.800. Its strongest channel is the strongest with 19 of 19 other pictures. For a grey card "
        "the strongest is the same."
    )
    few = found([0, 1], [[0.9, 0.5]] * 3, [0.9, 0.5])
    assert usual.headline(few, "a", CHANNEL) == (
        "Block a lets channel 1 through most, unlike with all 3 other pictures, and no channel more than is usual from "
        "picture to picture."
    )
    alone = usual.details(few, CHANNEL)
    assert "For a grey card the strongest is channel 0." in alone and "strongest with" not in alone
    chart = usual.chart(case, "layer4.1", CHANNEL)
    assert list(chart.table["this less usual"]) == pytest.approx([0.7, 0, -0.7, 0], abs=1e-6)


def test_through_depth_the_most_unusual_gate_is_named():
    maps = np.random.default_rng(0).random((6, 4, 4))
    usual_map = found(np.full((4, 4), 0.5), maps, np.zeros((4, 4)))
    cases = {("a", SPATIAL): usual_map, ("b", CHANNEL): found([1, 0], [[0, 1]] * 4, [0, 1])}
    chart = usual.through_depth(cases, {"a": "first", "b": "second"})
    assert (
        "The gate of block second is the most unusual: with this picture it is farther from what is usual than with 4 "
        "of 4 others" in chart.headline
    )
    assert list(chart.table["other pictures"]) == [6, 4] and "for n = 6 other pictures" in chart.caption
    assert list(chart.table["distance"]) == [case.distances[0] for case in cases.values()]
    bars, dots = chart.figure.data
    middle = [np.percentile(case.distances[1:], [2.5, 97.5]) for case in cases.values()]
    np.testing.assert_allclose(np.transpose([bars.base, np.add(bars.base, bars.y)]), middle, atol=1e-6)
    np.testing.assert_allclose(np.transpose([chart.table["others from"], chart.table["others to"]]), middle, atol=1e-6)
    assert list(dots.y) == list(chart.table["distance"])
    both = {("a", CHANNEL if kind == SPATIAL else SPATIAL): case for (_, kind), case in cases.items()}
    assert usual.through_depth(both, {"a": "first"}).headline.startswith("The spatial gate of block first is the most")


@pytest.mark.parametrize("kinds", [(CHANNEL,), (SPATIAL, CHANNEL)])
def test_the_kind_of_a_gate_is_said_where_its_block_has_another_and_nowhere_else(kinds):
    cases = {("a", kind): found([1, 0], [[0, 1]] * (4 + place), [0, 1]) for place, kind in enumerate(kinds)}
    chart = usual.through_depth(cases | {("b", CHANNEL): found([0, 1], [[0, 1]] * 4, [0, 1])}, {"a": "a", "b": "b"})
    several = len(kinds) > 1
    assert any(f"The {kind} gate of" in chart.headline for kind in kinds) == several
    assert list(chart.table["gate"]) == [*(f"a.{kind}" if several else "a" for kind in kinds), "b"]
    assert list(chart.figure.layout.xaxis.ticktext) == list(chart.table["gate"])


def test_gates_that_are_as_unusual_as_the_first_are_counted():
    far = found([1, 0], [[0, 1]] * 4, [0, 1])
    cases = {(name, CHANNEL): far for name in "abc"} | {("d", CHANNEL): found([0, 1], [[0, 1]] * 4, [0, 1])}
    said = usual.through_depth(cases, dict(zip("abcd", "abcd", strict=True))).headline
    assert said.endswith("4 of 4 others; so are 2 other gates, by no larger multiple of the others' median distance.")


def test_a_picture_is_not_held_against_itself_nor_against_gates_of_another_size():
    at, one = ("a", CHANNEL), np.zeros(3, np.float32)
    gates = UsualGates({"p": {at: one}, "q": {at: one}, "r": {at: one}, "s": {at: np.zeros(4, np.float32)}}, {at: one})
    against = gates.against(at, one, "p")
    assert against is not None and against.count == 2
    assert gates.against(at, np.zeros(4, np.float32), "p") is None
    assert gates.against(("b", CHANNEL), one, "p") is None


def test_the_networks_usual_gates_are_those_of_a_trace_of_every_sample():
    network, store = zoo.load("se"), Store()
    sample, *rest = images.samples()
    observation = observe(network, read_picture(sample.path), store)
    assert not observation.has_usual_gates
    against = observation.against_usual
    assert observation.has_usual_gates
    assert list(against) == list(views(observation.blocks))
    others = [read_picture(each.path) for each in rest]
    gates = [observation.of(other).trace.gates[-1].values[0] for other in others]
    last = list(against.values())[-1]
    np.testing.assert_allclose(last.usual, np.mean(gates, axis=0), atol=1e-6)
    assert last.count == len(others)


def test_who_learns_what_is_usual_hears_of_every_pass_and_can_stop_them(monkeypatch):
    three = images.samples()[:3]
    monkeypatch.setattr(images, "samples", lambda: three)
    observation, heard = observe(zoo.load("se"), read_picture(three[0].path)), []

    def stop(done, total):
        if done == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        observation.learn_usual(stop)
    assert not observation.has_usual_gates
    observation.learn_usual(lambda *said: heard.append(said))
    assert heard == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_of_one_other_picture_it_is_not_said_what_is_usual():
    at, one = ("a", CHANNEL), np.array([0.1, 0.9], np.float32)
    pictures = {"own": {at: one}, "b": {at: one}, "c": {at: one}}
    assert UsualGates(pictures, {at: one}).against(at, one, "own").count == 2
    del pictures["c"]
    assert UsualGates(pictures, {at: one}).against(at, one, "own") is None
