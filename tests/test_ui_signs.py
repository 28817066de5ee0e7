"""What is said of gates that leave 0 to 1, and of CBAM's gates in every order."""

from collections import OrderedDict
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from attention import analysis
from attention.analysis import Block, Order
from attention.analysis.gates import highest_ninth
from attention.analysis.usual import AgainstUsual, most_open
from attention.charts import explorable, gates, network, signs, spatial, surveys
from attention.comparison import Compared, to_dict, without_mean
from attention.interventions.applying import strongest
from attention.kinds import SPATIAL
from attention.layers import CBAM, SE
from attention.numbers import fixed
from attention.records import Gate
from attention.report import observation
from attention.ui import cbam, excitation, overview, widgets
from attention.ui.intervene import controls
from attention.ui.intervene.session import EditSession, History, Target
from attention.ui.lessons import cbam as lesson_cbam
from attention.ui.lessons import gated
from attention.ui.lessons import se as lesson_se
from tests.signed import Turning, TurningPlaces, Twice, seen


def gate(values, kind="channel", activation="sigmoid", name="a"):
    values = np.asarray(values, np.float32)[None]
    return Gate(name, kind, activation, values, (1, 4, 3, 3), float(values.min()), float(values.max()))


@pytest.mark.parametrize(("reach", "placed"), [(0.02, False), (0.4, True)])
def test_a_grey_card_is_most_open_there_only_where_a_place_was_named(reach, placed):
    values = np.linspace(0.5, 0.5 + reach, 9, dtype=np.float32).reshape(3, 3)
    found = AgainstUsual(values, np.stack([values, values / 2]), values)
    answer, more = cbam.headline(Block("a", None, gate(values, SPATIAL)), "a", {("a", SPATIAL): found})
    assert ("most open at the" in answer) is placed is ("grey card" in more)
    assert "As a whole it lies" in more and "above its usual mean" in more and "  " not in more


@pytest.mark.parametrize("scale", [1e-5, 0.5])
def test_maps_whose_written_changes_are_equal_are_called_alike(scale):
    one = seen(CBAM(16, 4))
    norm = one.network.module.blocks[0].spatial.gate.norm
    with torch.no_grad():
        norm.weight.fill_(1)
        weight = one.network.module.blocks[0].spatial.gate.conv.weight
        weight.zero_()[:, :, 3, 4] = scale
    lesson = gated.Gated(seen_again(one), one.blocks[0])
    step = lesson_cbam._sizes(lesson)
    written = step.prediction.explanation.split("by: ")[1].split("; ")
    numbers = [part.split(": ")[1].split(",")[0].rstrip(".") for part in written]
    assert (numbers[0] == numbers[1]) is (step.prediction.right == lesson_cbam.ALIKE)
    assert step.prediction.right in step.prediction.options
    assert (", so alike." in step.prediction.explanation) is (numbers[0] == numbers[1])
    assert (numbers[0] == numbers[1]) is (scale < 0.1)


def seen_again(one):
    """The same network, whose weights are others by now."""
    return replace(one, store=type(one.store)())


@pytest.mark.parametrize("other", [Twice, lambda channels: nn.Sequential(Twice(channels))])
def test_a_lesson_opens_on_a_block_that_it_can_show(other):
    one = seen(other(16), SE(16, 4), other(16))
    shown = gated.usual_block(one, one.blocks)
    assert shown.name == "blocks.1" and gated.Gated(one, shown).steps
    none = seen(Twice(16), Twice(16))
    assert gated.usual_block(none, none.blocks) in none.blocks


SIGNED = [0.489, -0.527, 0.05, -0.08, 0.2, -0.3]


@pytest.mark.parametrize(
    ("activation", "values", "said"),
    [
        ("tanh", [-0.5, 0.4], "between −1 and 1"),
        ("tanh", [0.1, 0.4], "between −1 and 1"),
        ("sigmoid", [0.1, 0.4], "between 0 and 1"),
        ("hardsigmoid", [0, 1], "between 0 and 1"),
        ("sigmoid", [0.1, 1.4], "from 0.100 to 1.400"),
        ("none", [-3, 0.5], "from −3.000 to 0.500"),
    ],
)
def test_a_gate_is_said_to_lie_between_the_bounds_of_its_activation(activation, values, said):
    assert signs.bounds(gate(values, activation=activation)) == said


def test_of_negative_gates_the_one_farthest_from_0_is_the_most_open():
    values = np.array(SIGNED, np.float32)
    assert analysis.by_openness(values).tolist() == sorted(range(6), key=lambda channel: -abs(SIGNED[channel]))
    assert gates.passing_in_words(gate(SIGNED, activation="tanh"), "b") == (
        "Block b: 0 of 6 channels are let through above 0.9 in size, 2 are held below 0.1 in size; the strongest is "
        "channel 1 at −0.527, which turns signs."
    )
    assert analysis.most_open_ninth(np.diag([-0.9, 0.1, 0.3])) == "upper left"
    assert most_open(values) == "1"
    assert not analysis.map_stats(np.float32([[-0.5, 0.05]])).nearly_shut
    assert analysis.map_stats(np.float32([[-0.09, 0.05]])).nearly_shut


def test_of_all_gates_the_least_and_the_most_open_are_told_by_the_mean_of_their_sizes():
    of = {"a": [-0.9, -0.8], "b": [0.4, 0.6], "c": [0.6, -0.6]}
    blocks = [Block(name, gate(values, activation="tanh", name=name), None) for name, values in of.items()]
    chart = network.openness(blocks)
    assert chart.alt == "3 gates in depth order; on average b is the most closed, a the most open."
    np.testing.assert_allclose(chart.table["mean"], [-0.85, 0.5, 0], atol=1e-6)


def test_a_report_frames_the_bar_of_the_channel_that_its_sentence_names():
    block = Block("b", gate(SIGNED, activation="tanh"), None)
    (section,) = observation._blocks(SimpleNamespace(blocks=(block,), names={"b": "b"}), {})
    _, bars = section.items
    (label,) = bars.figure.layout.annotations
    assert "the strongest is channel 1 at −0.527" in bars.alt and label.text.startswith("1: ")


@pytest.mark.parametrize(
    ("values", "what", "ends", "moves"),
    [
        ([0, 1], "a dial from 0 to 1", "at 0 they are shut off", "and a gate only moves them towards 0"),
        ([-0.5, 1], "a number", "below 0 their sign is turned", "and a gate below 0 turns their sign"),
        ([0.5, 1.5], "a number", "above 1 they grow", "and a gate above 1 moves them away from 0"),
        (
            [-0.5, 1.5],
            "a number",
            "below 0 their sign is turned, above 1 they grow",
            "and a gate below 0 turns their sign and one above 1 moves them away from 0",
        ),
    ],
)
def test_what_a_gate_does_to_features_is_said_of_the_values_that_it_has(values, what, ends, moves):
    told = signs.dial([np.float32([0.5]), np.float32(values)])
    assert told[0] == what and told[1].endswith(ends)
    assert signs.moves([np.float32(values)]) == moves
    maps = {"a": np.eye(3, dtype=np.float32)}
    assert f" {moves}." in spatial.features(maps, "Maps", gates=[np.float32(values)]).caption


def test_gates_that_leave_0_to_1_are_in_no_mean_and_are_named():
    some = [gate([0.25, 0.75], name="a"), gate([-0.5, 0.4], activation="tanh", name="b"), gate([0.5, 1.5], name="c")]
    blocks = [SimpleNamespace(gates=[each]) for each in some]
    one = SimpleNamespace(blocks=blocks, trace=SimpleNamespace(gates=some))
    outside = "since they leave 0 to 1: b, −0.500 to 0.400; c, 0.500 to 1.500."
    assert overview.headline(one) == (
        "With this picture, 1 channel gate has a mean of 0.500; 1 would be no gate at all. Not in a mean, " + outside
    )
    assert observation._answer(tuple(blocks)) == (
        "1 gate in 1 block has a mean of 0.500 over the gates; their values run from 0.25 to 0.75; 1 would be no gate "
        "at all. Not among them, " + outside
    )
    one.blocks = blocks[1:2]
    assert overview.headline(one) == "With this picture, all gates leave 0 to 1: b, −0.500 to 0.400."
    assert signs.in_no_mean(some[1:] * 3)[0].endswith("; and 3 others")


def test_gates_that_share_out_1_are_in_no_mean_and_are_measured_by_an_even_share():
    shares = gate([0.5, 0.25, 0.125, 0.125], activation="softmax", name="s")
    some = [gate([0.25, 0.75], name="a"), shares]
    blocks = [SimpleNamespace(gates=[each]) for each in some]
    without = "since they share out 1 with any picture: s, 0.125 to 0.500."
    assert overview.headline(SimpleNamespace(blocks=blocks, trace=SimpleNamespace(gates=some))).endswith(
        f"1 channel gate has a mean of 0.500; 1 would be no gate at all. Not in a mean, {without}"
    )
    assert observation._answer(tuple(blocks)).endswith(f"at all. Not among them, {without}")
    assert observation._answer(tuple(blocks[1:])) == (
        "All gates, 1 in 1 block, share out 1 with any picture: s, 0.125 to 0.500."
    )
    assert gates.passing_in_words(shares, "b") == (
        "Block b: 4 channels share out 1, 1 gets more than an even 0.250; the strongest is channel 0 at 0.500."
    )


class Sharing(Twice):
    """One of a softmax over the channels, which share out 1."""

    def forward(self, features):
        return features * torch.softmax(self.gate(features), 1)[:, :, None, None]


def test_a_comparison_takes_no_mean_of_gates_that_share_out_1():
    some, none = (Compared(seen(*blocks), None, None, 1.0) for blocks in ([Sharing(16), SE(16)], [SE(16)]))
    assert [gate.activation for gate in some.averaged] == ["sigmoid"] and len(some.channel) == 2
    assert none.averaged == none.channel and without_mean(none) == ""
    which = f"Of 2 channel gates of {some.card.name}, 1 shares out 1 with any picture"
    assert without_mean(some) == f"{which}: the mean says nothing of this one."
    told = to_dict([some, none])
    assert [len(network["channel gates"]) for network in told["networks"]] == [1, 1]
    assert without_mean(some) in told["notes"] and "" not in told["notes"]


def test_the_lesson_and_the_page_say_the_bounds_and_the_openness_of_a_tanh():
    one = seen(Turning(16))
    lesson = gated.Gated(one, one.blocks[0])
    assert lesson.values.min() < 0
    sizes = np.abs(lesson.values[lesson.order])
    assert (np.diff(sizes) <= 0).all()
    steps = [make(lesson) for make in lesson_se.STEPS.values()]
    told = " ".join(step.sentence for step in steps)
    assert "between −1 and 1 by a hyperbolic tangent" in told and "between 0 and 1" not in told
    assert "from 0 to 1" not in told and "below 0 their sign is turned" in told
    assert "the farther from 0, the more open" in told
    asked = steps[2].prediction
    some = [int(option.split()[1]) for option in asked.options]
    assert asked.right == f"channel {max(some, key=lambda channel: abs(lesson.values[channel]))}"


def test_edits_and_blocks_to_explore_take_the_farthest_from_0_for_the_most_open():
    one = seen(Turning(16), TurningPlaces())
    channels, _ = one.trace.gates
    values = channels.values[0]
    order = sorted(range(16), key=lambda channel: -abs(values[channel]))
    assert values[order].min() < 0 and order != sorted(range(16), key=lambda channel: -values[channel])
    assert strongest(torch.from_numpy(channels.values), 5).tolist() == [order[:5]]
    explored = explorable.channel(one.steps(channels.name), values, channels.activation, "a")
    assert explored.figure["order"] == order and f"most open channel is {order[0]}." in explored.alt
    lesson = gated.Gated(one, next(block for block in one.blocks if block.spatial))
    made = np.tanh(lesson.spatial_steps.logits[0])
    np.testing.assert_allclose(made, lesson.map, atol=1e-5)
    np.testing.assert_allclose(lesson_cbam.both_sizes(lesson.spatial_steps, "tanh")[lesson_cbam.SEVEN], made, atol=1e-4)
    low = np.where(np.arange(made.size).reshape(made.shape) == 7, -0.999, made).astype(np.float32)
    chart = explorable.spatial(lesson.spatial_steps, low, "tanh", "a")
    assert chart.figure["squash"] == {"name": "hyperbolic tangent", "symbol": "tanh"}
    assert f"place is in row {7 // made.shape[1]}, column {7 % made.shape[1]}." in chart.alt
    assert "σ is the hyperbolic tangent" in lesson_cbam._kernel(lesson).source


def test_what_opens_with_the_most_open_channel_opens_with_the_one_farthest_from_0(monkeypatch):
    turning = Turning(16)
    nn.init.constant_(turning.up.bias[5:6], -3)
    one = seen(nn.Sequential(OrderedDict(channel=turning, spatial=TurningPlaces())))
    block, asked, shown = one.blocks[0], [], []
    assert one.trace.gates[0].values[0, 5] < -0.9
    monkeypatch.setattr(widgets, "choose_channel", lambda _, count, usual, **__: asked.append(usual) or usual)
    monkeypatch.setattr(widgets, "choose", lambda _, options, **__: options[-1])
    monkeypatch.setattr(widgets, "show", shown.append)
    excitation.choose(one, {block.name: block.channel}, block.name)
    cbam._draw_channel(one, block)
    cbam._draw_features(one, block)
    assert asked == [5, 5] and "Channel 5" in shown[-1].caption
    session = EditSession(one, History(), block.name, Target(block.name, kind="channel"))
    assert controls._first_edit(session, "set").points == ((5, 0.0),)


def test_the_lesson_s_most_open_ninth_is_the_one_farthest_from_0():
    turning = TurningPlaces()
    nn.init.constant_(turning.conv.bias, -1)
    one = seen(Turning(16), turning)
    lesson = gated.Gated(one, next(block for block in one.blocks if block.spatial))
    assert lesson.map.max() < 0
    asked = lesson_cbam._guess(lesson).prediction
    place, size = highest_ninth(-lesson.map)
    assert asked.right == place and f"The mean gate there is {fixed(size)};" in asked.explanation


def test_a_class_for_which_a_gate_turns_signs_the_most_has_it_the_most_open():
    means = np.array([[0.1], [-0.6], [0.3], [np.nan]])
    survey = SimpleNamespace(names=["a", "b", "c", "d"])
    of_gate = SimpleNamespace(overall=SimpleNamespace(mean=[-0.1], std=[0.2]), classes=SimpleNamespace(mean=means))
    told = surveys.channel_headline(SimpleNamespace(survey=survey, block_name="x"), of_gate, 0)
    assert told.endswith("most open for b (−0.600), least for a (0.100).")


class PlacesFirst(CBAM):
    """As a person writes it, from tensors alone; the project's own are modules."""

    def forward(self, features):
        features = features * self.spatial.gate(features)
        return features * self.channel.gate(features)


class Parallel(CBAM):
    def forward(self, features):
        return features * self.channel.gate(features) * self.spatial.gate(features)


class ParallelPlacesFirst(CBAM):
    def forward(self, features):
        return features * self.spatial.gate(features) * self.channel.gate(features)


class Added(CBAM):
    def forward(self, features):
        return features * self.channel.gate(features) + features * self.spatial.gate(features)


@pytest.mark.parametrize(
    ("block", "order", "reads", "dials"),
    [
        (CBAM(16, 4), Order(False, "in turn"), ("F", "F'"), "One dial for each channel, then one for each place."),
        (
            CBAM(16, 4, order="spatial-channel"),
            Order(True, "in turn"),
            ("F'", "F"),
            "One dial for each place, then one for each channel.",
        ),
        (
            PlacesFirst(16, 4),
            Order(True, "in turn"),
            ("F'", "F"),
            "One dial for each place, then one for each channel.",
        ),
        (
            Parallel(16, 4),
            Order(False, "read alike"),
            ("F", "F"),
            "each channel and one for each place, both read from the same features.",
        ),
        (
            ParallelPlacesFirst(16, 4),
            Order(True, "read alike"),
            ("F", "F"),
            "each place and one for each channel, both read from the same features.",
        ),
    ],
)
def test_two_gates_are_said_and_drawn_in_the_order_in_which_they_are_applied(block, order, reads, dials):
    torch.manual_seed(1)
    for parameter in block.parameters():  # so that each gate changes what the other would read
        nn.init.normal_(parameter)
    one = seen(block)
    lesson = gated.Gated(one, one.blocks[0])
    spatial_first = order.spatial_first
    assert lesson.order_of_gates == order
    assert (order.read_by_channel, order.read_by_spatial) == reads
    step = gated.dial(lesson)
    assert dials in step.sentence
    maps = [each for each in gated.dials(lesson, lesson.steps).figure.data if each.type == "heatmap"]
    notes = gated.dials(lesson, lesson.steps).figure.layout.annotations
    drawn = [note.text.replace("\n", " ").replace("<br>", " ") for note in notes]
    titles = ["× spatial gate", "× channel gate"] if spatial_first else ["× channel gate", "× spatial gate"]
    assert [" ".join(title.split()[:3]) for title in drawn if "×" in title] == titles
    first, last = (lesson.spatial_steps, lesson.steps) if spatial_first else (lesson.steps, lesson.spatial_steps)
    np.testing.assert_allclose(maps[0].z, first.before[0].mean(0), atol=1e-5)
    np.testing.assert_allclose(maps[-1].z, last.after[0].mean(0), atol=1e-4)
    stages = cbam._stages(one, one.blocks[0])
    kinds = ["before", *(f"after the {title.split()[1]} gate" for title in titles)]
    assert list(stages) == kinds
    np.testing.assert_array_equal(stages[kinds[-1]], last.after[0])
    for make, read in ((lesson_cbam._shared_mlp, reads[0]), (lesson_cbam._kernel, reads[1])):
        assert f"AvgPool}}({read})" in make(lesson).source


def test_what_is_not_multiplied_by_both_gates_is_not_drawn_as_if_it_were():
    torch.manual_seed(1)
    one = seen(Added(16, 4))
    (block,) = one.blocks
    lesson = gated.Gated(one, block)
    assert lesson.order_of_gates == Order(False, "apart")
    assert "neither weighs what the other has weighed" in gated.dial(lesson).sentence
    chart = gated.dials(lesson, lesson.steps)
    assert not any("spatial" in note.text for note in chart.figure.layout.annotations)
    maps = [each for each in chart.figure.data if each.type == "heatmap"]
    np.testing.assert_allclose(maps[-1].z, lesson.steps.after[0].mean(0), atol=1e-5)
    first = cbam.derivation_in_words(lesson.spatial_steps, block.spatial, lesson.order_of_gates)[0]
    assert first.startswith("**1 Features** F: ")
    stages = cbam._stages(one, block)
    assert list(stages) == ["before", "after the channel gate", "before the spatial gate", "after the spatial gate"]
    np.testing.assert_array_equal(stages["before the spatial gate"], stages["before"])
    np.testing.assert_array_equal(stages["after the spatial gate"], lesson.spatial_steps.after[0])
    assert "$F' = M_s F$" in lesson_cbam._reweight(lesson).source


def test_what_two_gates_have_to_do_with_each_other_is_said_only_where_their_steps_are_known():
    one = seen(CBAM(16, 4))
    (block,), gates_ = one.blocks, one.trace.gates
    channel, spatial = (one.steps(gate.name) for gate in gates_)
    for known in ((None, spatial), (channel, None), (None, None)):
        order = analysis.order_of(block, gates_, *known)
        assert order == Order(False, "unknown") and not order.in_chain
        assert (order.read_by_channel, order.read_by_spatial) == ("F", "F")
    assert analysis.order_of(block, gates_, channel, spatial).in_chain


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("spatial_first", [False, True])
def test_features_were_weighed_only_where_the_channel_gate_came_before(spatial_first, parallel):
    steps = SimpleNamespace(before=np.zeros((1, 16, 3, 3)), kernel=np.zeros((2, 7, 7)), normalised=False)
    first, *_, last = cbam.derivation_in_words(
        steps, gate([0.1, 0.9], SPATIAL), Order(spatial_first, "read alike" if parallel else "in turn")
    )
    weighed = "F': 16 channels that the channel gate has weighed; here"
    assert first.startswith(f"**1 Features** {'F: 16 channels; here' if spatial_first or parallel else weighed}")
    assert last.endswith("between 0 and 1.")
