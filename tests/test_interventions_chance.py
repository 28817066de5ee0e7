"""Random controls: edits at random places, the same for the same seed; many passes in a batch."""

import itertools
from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from attention import capture, interventions
from attention.analysis.predictions import PredictionError
from attention.interventions import Edit, EditedPasses, EditError, applying
from attention.layers import SE
from attention.records import Gate, StoppedError
from tests.own import BLOCKS, network, pictures


@cache
def traced(variant):
    with torch.no_grad():
        return capture.trace(network(variant), pictures())


@cache
def subject(variant):
    module = network(variant)
    tracer = capture.Tracer(module)
    with torch.no_grad():
        return EditedPasses(tracer, pictures()[:1], tracer(pictures()[:1]))


@pytest.mark.parametrize("variant", ["se", "cbam"])
def test_many_passes_in_a_batch_change_the_logits_as_one_at_a_time_does(variant):
    one = subject(variant)
    gates = one.before.gates
    passes = [interventions.applied([Edit("off", block=block)], gates) for block in BLOCKS]
    passes += [{}, interventions.applied([Edit("mean")], gates)]
    together = interventions.changes(one, passes)
    alone = [(one.edited(edits).output - one.before.output)[0].numpy() for edits in passes]
    np.testing.assert_allclose(together, alone, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(together[len(BLOCKS)], np.zeros(10))


def test_who_follows_hears_of_every_batch_and_can_stop_them():
    one, heard = subject("se"), []
    interventions.changes(one, [{}] * 17, heard.append)
    assert heard == [0, 8, 16]

    def stop(done):
        if done:
            raise StoppedError

    with pytest.raises(StoppedError):
        interventions.effect(one, "", [Edit("off", block=BLOCKS[0])], seed=0, draws=19, follow=stop)


def test_no_pass_changes_nothing():
    assert interventions.changes(subject("se"), []).shape == (0, 10)


@pytest.mark.parametrize(
    "edit",
    [
        Edit("off"),
        Edit("top", "channel", count=4),
        Edit("set", "channel", block=BLOCKS[0], points=((1, 0.0),)),
    ],
)
def test_the_random_control_is_the_same_for_the_same_seed_and_another_for_another(edit):
    one = subject("se")

    def drawn(seed):
        gates = one.before.gates
        return interventions.changes(
            one, [interventions.random_control([edit], gates, seed=seed, draw=n) for n in range(6)]
        )

    np.testing.assert_array_equal(drawn(1), drawn(1))
    assert not np.array_equal(drawn(1), drawn(2))
    assert len(np.unique(drawn(1), axis=0)) > 1


@pytest.mark.parametrize("draw", range(5))
def test_the_control_of_chosen_channels_is_as_many_others_with_the_same_values(draw):
    before = traced("se")
    edit = Edit("set", "channel", block=BLOCKS[0], points=((1, 0.25), (2, 0.25), (9, 0.75)))
    gate = before.gates[0]
    control = interventions.random_control([edit], before.gates, seed=0, draw=draw)[BLOCKS[0]]
    values = control(torch.from_numpy(gate.values)).numpy()
    moved = values != gate.values
    assert (moved.sum(1) == 3).all() and (moved == moved[:1]).all()
    for row, one in zip(values, moved, strict=True):
        assert sorted(row[one]) == [0.25, 0.25, 0.75]


def test_beside_an_edit_of_chosen_channels_the_others_stand_as_they_are():
    before = traced("se")
    edits = [Edit("top", "channel", block=BLOCKS[0], count=4), Edit("off", block=BLOCKS[1])]
    control = interventions.random_control(edits, before.gates, seed=0, draw=0)
    other = before.gates[1].values
    assert not np.array_equal(control[BLOCKS[0]](torch.from_numpy(before.gates[0].values)), before.gates[0].values)
    assert (control[BLOCKS[1]](torch.from_numpy(other)) == 1).all() and (other != 1).any()


@pytest.mark.parametrize(("action", "zeros"), [("top", 28), ("top-off", 4)])
def test_the_control_of_the_most_open_channels_is_as_many_random_ones(action, zeros):
    before = traced("se")
    control = interventions.random_control(
        [Edit(action, "channel", block=BLOCKS[0], count=4)], before.gates, seed=0, draw=0
    )
    values = control[BLOCKS[0]](torch.from_numpy(before.gates[0].values)).numpy()
    assert ((values == 0).sum(1) == zeros).all()
    kept = values != 0
    np.testing.assert_array_equal(values[kept], before.gates[0].values[kept])


@pytest.mark.parametrize("action", ["off", "mean", "shuffle"])
def test_the_control_of_a_whole_gate_deals_out_its_own_values(action):
    before = traced("se")
    gate = before.gates[3]
    edit = Edit(action, block=gate.name, seed=1 if action == "shuffle" else None)
    control = interventions.random_control([edit], before.gates, seed=0, draw=0)[gate.name]
    values = control(torch.from_numpy(gate.values)).numpy()
    np.testing.assert_array_equal(np.sort(values, 1), np.sort(gate.values, 1))
    assert not np.array_equal(values, gate.values)


@pytest.mark.parametrize("draw", range(8))
@pytest.mark.parametrize(("height", "width"), [(5, 5), (4, 7)])
def test_values_of_a_map_are_moved_together(height, width, draw):
    """Each place keeps its four neighbours, on the torus."""
    values = np.zeros((1, height, width), np.float32)
    gate = Gate("block", "spatial", "sigmoid", values, (1, 2, height, width), 0.0, 0.0)
    numbered = torch.arange(height * width, dtype=torch.float32).reshape(1, height, width)
    control = interventions.random_control([Edit("off", block=gate.name)], [gate], seed=3, draw=draw)[gate.name]
    moved = control(numbered)[0].long().numpy()

    def neighbours(grid):
        rows, columns = np.indices(grid.shape)
        sides = [(rows + down, columns + right) for down, right in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        near = [grid[row % grid.shape[0], column % grid.shape[1]] for row, column in sides]
        return {int(place): {int(each[row, column]) for each in near} for (row, column), place in np.ndenumerate(grid)}

    assert neighbours(moved) == neighbours(numbered[0].long().numpy())


def test_a_patch_stays_a_patch():
    before = traced("cbam")
    gate = next(gate for gate in before.gates if gate.kind == "spatial")
    height, width = gate.values.shape[1:]
    patch = [row * width + column for row in (2, 3) for column in (4, 5, 6)]
    edit = Edit("set", "spatial", block=gate.name, points=tuple((place, 0.0) for place in patch))
    for draw in range(5):
        control = interventions.random_control([edit], before.gates, seed=0, draw=draw)[gate.name]
        shut = (control(torch.ones(1, height, width))[0] == 0).numpy()
        rows, columns = (np.flatnonzero(shut.any(axis)) for axis in (1, 0))
        extent = sorted(len(side) for side in (rows, columns))
        assert extent == [2, 3] and shut.sum() == 6


def test_a_gate_of_one_number_has_nothing_to_deal_out():
    values = np.array([0.3], np.float32)
    gate = Gate("one", "sample", "sigmoid", values, (1, 4, 2, 2), 0.3, 0.3)
    for action in ("off", "mean", "shuffle"):
        edit = Edit(action, seed=1 if action == "shuffle" else None)
        function = interventions.applied([edit], [gate])["one"]
        control = interventions.random_control([edit], [gate], seed=0, draw=0)["one"]
        assert function(torch.from_numpy(values)).shape == control(torch.from_numpy(values)).shape == (1,)


def test_an_effect_is_the_edit_and_its_null():
    one, edits = subject("cbam"), [Edit("off", block=BLOCKS[3])]
    effect = interventions.effect(one, BLOCKS[3], edits, seed=5, draws=3)
    gates = one.before.gates
    change = (one.edited(interventions.applied(edits, gates)).output - one.before.output)[0].numpy()
    controls = [interventions.random_control(edits, gates, seed=5, draw=n) for n in range(3)]
    dealt = np.array([(one.edited(control).output - one.before.output)[0].numpy() for control in controls])
    np.testing.assert_allclose(effect.change, change, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(effect.null, change - dealt, rtol=1e-3, atol=1e-4)
    softmax = torch.from_numpy(np.stack([effect.before, effect.before + effect.change])).softmax(1)
    assert effect.probability(2) == pytest.approx(softmax[:, 2].tolist(), rel=1e-5)


def test_a_network_that_gives_no_logits_says_so():
    module = nn.Sequential(SE(8, 2))
    picture = torch.randn(1, 8, 4, 4)
    with torch.no_grad():
        one = EditedPasses(capture.Tracer(module), picture, capture.trace(module, picture))
    with pytest.raises(PredictionError, match="not a score for each class"):
        interventions.changes(one, [{}])


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", (3,)), ("3, 8-10", (3, 8, 9, 10)), (" 4 ,2-2,2", (2, 4)), ("0–1", (0, 1))],
)
def test_places_are_read_as_people_write_them(text, numbers):
    assert interventions.parse_ranges(text, 11) == numbers
    assert interventions.parse_ranges(interventions.format_ranges(numbers), 11) == numbers


@pytest.mark.parametrize("text", ["", "a", "11", "3, 11", "3-", "5-3", "-1", "1;2", "1,,2", "9" * 40])
def test_what_names_no_places_is_refused(text):
    with pytest.raises(EditError, match="0 to 10"):
        interventions.parse_ranges(text, 11)


def slow_orders(height, width):
    """Every map that a shift, a flip and a turn of a map of numbers make, by its rows."""
    orders = set()
    for down, right, mirrored in itertools.product(range(height), range(width), (False, True)):
        rows = [[(r - down) % height * width + (c - right) % width for c in range(width)] for r in range(height)]
        rows = [row[::-1] for row in rows] if mirrored else rows
        for turns in range(4):
            if height == width or turns % 2 == 0:
                orders.add(tuple(itertools.chain.from_iterable(rows)))
            rows = [list(column) for column in zip(*rows, strict=True)][::-1]
    return orders


@pytest.mark.parametrize(("height", "width", "draws"), [(3, 4, 1000), (3, 3, 1500), (1, 4, 200)])
def test_a_map_is_dealt_by_every_shift_flip_and_turn_that_keeps_its_form(height, width, draws):
    values = np.zeros((1, height, width), np.float32)
    gate = Gate("block", "spatial", "sigmoid", values, (1, 2, height, width), 0.0, 0.0)
    found = {tuple(applying._order(gate, 0, draw).tolist()) for draw in range(draws)}
    assert found == slow_orders(height, width)
