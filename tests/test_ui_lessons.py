"""What a lesson asks and tells is so: right answers at the bounds of their words, and numbers counted by other code."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from torch import nn

from attention.records import Convolution
from attention.ui.lessons import grouped, se
from attention.ui.lessons.gated import candidates, whole_channel


def gate(values, hidden=2, **network):
    """A stand-in for a block with this gate, in a network with these numbers."""
    values = np.array(values, np.float32)
    seen = SimpleNamespace(
        inventory=SimpleNamespace(network=SimpleNamespace(**network), unlisted=()),
        blocks=[SimpleNamespace(channel=SimpleNamespace(values=values[None]))],
    )
    steps = SimpleNamespace(
        hidden={"average": np.zeros((1, hidden), np.float32)},
        squeezed={"average": np.zeros((1, len(values)), np.float32)},
    )
    return SimpleNamespace(values=values, gate=SimpleNamespace(name="g"), observation=seen, steps=steps)


def layer(c1=16, c2=24, groups=1, kernel=(3, 2)):
    """A lesson about a convolution of this form."""
    shape = Convolution(c1, c2, kernel, groups, 7, 5, True)
    return grouped.Lesson(SimpleNamespace(store=None, key="k"), SimpleNamespace(name="conv", convolution=shape))


def numbers(text):
    return [int(each.replace(",", "")) for each in re.findall(r"\d[\d,]*\b", text)]


@pytest.mark.parametrize(
    ("part", "right"),
    [
        *((part, "less than 1%") for part in (0, 1000)),
        *((part, "1 to 5%") for part in (1001, 5000)),
        *((part, "5 to 20%") for part in (5001, 20_000)),
        *((part, "more than 20%") for part in (20_001, 100_000)),
    ],
)
def test_the_share_of_attention_is_in_the_words_that_hold_it(part, right):
    step = se._cost(gate([0.5] * 6, hidden=3, parameters=100_000, attention_parameters=part))
    assert step.prediction.right == right in step.prediction.options
    assert f"{part:,} of 100,000 parameters, " in step.prediction.explanation
    assert "2 · 6 · 3 = 36 weights" in step.sentence
    assert sum(layer.weight.numel() for layer in (nn.Linear(6, 3), nn.Linear(3, 6))) == 36


@pytest.mark.parametrize(
    ("moved", "right"), [([], se.NONE), ([3], se.SOME), ([0, 1], se.SOME), ([0, 1, 4], se.ALL), (range(6), se.ALL)]
)
def test_how_many_gates_change_is_what_is_told(monkeypatch, moved, right):
    lesson = gate([0.5] * 6)
    changed = lesson.values.copy()
    for place in moved:
        changed[place] += 0.25 if place != 3 else -0.375
    monkeypatch.setattr(se, "_gates_with_corner_covered", lambda lesson: changed)
    asked = se._global(lesson).prediction
    assert asked.right == right in asked.options and "of the 6 gates" in asked.question
    assert asked.explanation.startswith(f"{len(moved)} of 6 gates change, ")
    if 3 in moved:
        assert asked.explanation.endswith("channel 3 most, by −0.375.")


@pytest.mark.parametrize("box", [(0, 0, 40, 40), (10, 0, 50, 40), (0, 6, 32, 38)])
def test_what_is_covered_is_the_upper_left_quarter_of_what_the_network_sees(box):
    white = Image.new("RGB", (60, 40), "white")
    made = []

    def of(picture):
        made.append(picture)
        gates = [SimpleNamespace(name=name, values=np.full((1, 2), value)) for name, value in (("h", 1), ("g", 2))]
        return SimpleNamespace(trace=SimpleNamespace(gates=gates))

    seen = SimpleNamespace(box=box, picture=SimpleNamespace(name="p", key="k", image=white), of=of)
    found = se._gates_with_corner_covered(
        SimpleNamespace(observation=seen, gate=SimpleNamespace(name="g", activation="sigmoid"))
    )
    assert found.tolist() == [2, 2]
    left, top, right, bottom = box
    expected = np.zeros((40, 60), bool)
    expected[top : top + (bottom - top) // 2, left : left + (right - left) // 2] = True
    (picture,) = made
    np.testing.assert_array_equal((np.asarray(picture.image) != 255).any(-1), expected)
    assert picture.key != "k"


@pytest.mark.parametrize(
    ("faster", "right"),
    [(3.39, "fewer than 4"), (3.41, "about 4"), (4.0, "about 4"), (4.59, "about 4"), (4.61, "more than 4")],
)
def test_a_time_is_about_as_many_times_less_within_fifteen_in_a_hundred(faster, right):
    lesson = layer()
    times = SimpleNamespace(seconds={1: faster, 4: 1.0})
    lesson.observation.store = SimpleNamespace(get=lambda kind, key, make: times)
    asked = grouped._faster(lesson).prediction
    assert asked.right == right and asked.options == ("fewer than 4", "about 4", "more than 4")
    assert asked.question.startswith("Is it 4 times as fast in 4 groups")
    assert asked.explanation.startswith("Measured on this machine")


@pytest.mark.parametrize("form", [{}, {"groups": 8}, {"c1": 6, "c2": 9, "kernel": (1, 3)}, {"c1": 8, "c2": 8}])
def test_the_weights_that_a_lesson_counts_are_those_of_the_layer(form):
    lesson = layer(**form)
    shape = lesson.convolution
    one, several = (
        nn.Conv2d(shape.in_channels, shape.out_channels, shape.kernel, groups=groups, bias=False).weight.numel()
        for groups in (1, shape.groups)
    )
    count, remain = grouped._count(lesson).prediction, grouped._remain(lesson).prediction
    assert count.right == f"{one:,}" and remain.right == f"{several:,}"
    for asked in (count, remain):
        assert asked.right in asked.options and len(set(asked.options)) == len(asked.options) >= 3
        assert numbers(asked.explanation.split(":")[0])[-1] == numbers(asked.right)[0]
    g = shape.groups
    assert f"{g} groups" in remain.question and numbers(remain.question) == [one, g]
    whole = numbers(grouped._rules(lesson).sentence)
    assert whole[:3] == [shape.in_channels, shape.in_channels // g, g]
    possible = [n for n in range(1, 99) if shape.in_channels % n == shape.out_channels % n == 0]
    assert numbers(grouped._rules(lesson).source)[1:] == possible
    assert numbers(grouped._remain(lesson).sentence)[:1] == [g]


@pytest.mark.parametrize(("c1", "c2", "groups"), [(16, 24, 4), (8, 8, 2), (12, 6, 3), (16, 8, 8)])
def test_who_answers_in_a_lesson_is_counted_one_by_one(c1, c2, groups):
    lesson = layer(c1, c2, groups)
    own = c2 // groups  # of a group
    apart, deep, shuffled = grouped._apart(lesson), grouped._deep(lesson), grouped._shuffled(lesson)
    assert apart.prediction.right == str(own)
    assert apart.prediction.explanation.startswith(f"{own} of {c2} outputs change")
    assert f"reaches {own} of {c2} outputs, in 1 of {groups} groups" in deep.sentence
    order = [group * own + place for place in range(own) for group in range(groups)]  # one of each group in turn
    reached = {at // own for at, output in enumerate(order) if output < own}
    assert shuffled.prediction.right == str(len(reached)) in shuffled.prediction.options
    told = f"{len(reached)} of {groups} groups, {len(reached) * own} of {c2} outputs."
    assert shuffled.prediction.explanation == told
    for step in (apart, shuffled):
        assert len(set(step.prediction.options)) == len(step.prediction.options)


def test_four_to_guess_among_are_the_ends_and_lie_evenly_between():
    values = np.random.default_rng(0).permutation(100) / 100
    order = np.argsort(-values).tolist()
    assert candidates(order) == sorted(order[place] for place in (0, 33, 66, 99))
    assert candidates([2, 0, 1, 3]) == [0, 1, 2, 3] and candidates([0]) == [0]


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(
    ("branches", "answers"),
    [
        (("average",), "W₂ ReLU(W₁ z)"),
        (("max",), "W₂ ReLU(W₁ z)"),
        (("average", "max"), "W₂ ReLU(W₁ mean) + W₂ ReLU(W₁ largest)"),
    ],
)
def test_the_formula_of_a_channel_gate_has_a_term_for_each_branch_and_says_what_it_leaves_out(
    branches, answers, biased
):
    layer = SimpleNamespace(biases=np.array([0, float(biased)]))
    steps = SimpleNamespace(squeezed=dict.fromkeys(branches), activation="ReLU", first=None, second=layer)
    told = whole_channel(
        SimpleNamespace(steps=steps, where="here", gate=SimpleNamespace(name="g", activation="sigmoid"))
    ).source
    assert f": s = σ({answers}), then x = s · u; σ is the sigmoid." in told
    assert ("leaves the biases of both layers out" in told) is biased
