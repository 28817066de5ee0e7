"""What chance does: edits at random places, the same for the same seed; many passes in a batch."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from attention import capture, interventions
from attention.interventions import Edit, EditedPasses, EditError
from attention.layers import SE
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
def test_the_random_band_is_the_same_for_the_same_seed_and_another_for_another(edit):
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
def test_the_twin_of_chosen_channels_is_as_many_others_with_the_same_values(draw):
    before = traced("se")
    edit = Edit("set", "channel", block=BLOCKS[0], points=((1, 0.25), (2, 0.25), (9, 0.75)))
    gate = before.gates[0]
    twin = interventions.random_control([edit], before.gates, seed=0, draw=draw)[BLOCKS[0]]
    values = twin(torch.from_numpy(gate.values)).numpy()
    moved = values != gate.values
    assert (moved.sum(1) == 3).all() and (moved == moved[:1]).all()
    for row, one in zip(values, moved, strict=True):
        assert sorted(row[one]) == [0.25, 0.25, 0.75]


@pytest.mark.parametrize(("action", "zeros"), [("top", 28), ("top-off", 4)])
def test_the_twin_of_the_most_open_channels_is_as_many_random_ones(action, zeros):
    before = traced("se")
    twin = interventions.random_control(
        [Edit(action, "channel", block=BLOCKS[0], count=4)], before.gates, seed=0, draw=0
    )
    values = twin[BLOCKS[0]](torch.from_numpy(before.gates[0].values)).numpy()
    assert ((values == 0).sum(1) == zeros).all()
    kept = values != 0
    np.testing.assert_array_equal(values[kept], before.gates[0].values[kept])


def test_the_twin_of_a_whole_gate_deals_out_the_same_changes():
    before = traced("se")
    gate = before.gates[3]
    edit = Edit("off", block=gate.name)
    values = torch.from_numpy(gate.values)
    change = interventions.applied([edit], before.gates)[gate.name](values) - values
    twin = interventions.random_control([edit], before.gates, seed=0, draw=0)[gate.name](values) - values
    np.testing.assert_allclose(np.sort(twin.numpy(), 1), np.sort(change.numpy(), 1), atol=1e-6)
    assert not np.allclose(twin.numpy(), change.numpy())


def test_a_band_holds_what_lies_between_its_ends():
    band = interventions.null_range([0.5, -1.0, 0.25])
    assert band == (-1.0, 0.5, 3)
    assert band.holds(-1.0) and band.holds(0.0) and not band.holds(0.51) and not band.holds(-1.01)


def test_a_block_off_in_turn_is_the_edit_and_its_twins():
    one = subject("cbam")
    turn = interventions.ablate_block(one, BLOCKS[3], seed=5, draws=3)
    off = interventions.applied([Edit("off", block=BLOCKS[3])], one.before.gates)
    twins = [
        interventions.random_control([Edit("off", block=BLOCKS[3])], one.before.gates, seed=5, draw=n) for n in range(3)
    ]
    assert set(off) == {f"{BLOCKS[3]}.channel", f"{BLOCKS[3]}.spatial"}
    np.testing.assert_allclose(turn.change, (one.edited(off).output - one.before.output)[0], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(turn.draws, interventions.changes(one, twins), rtol=1e-3, atol=1e-4)


def test_a_network_that_gives_no_logits_says_so():
    module = nn.Sequential(SE(8, 2))
    picture = torch.randn(1, 8, 4, 4)
    with torch.no_grad():
        one = EditedPasses(capture.Tracer(module), picture, capture.trace(module, picture))
    with pytest.raises(EditError, match="no vector of logits"):
        interventions.changes(one, [{}])


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", (3,)), ("3, 8-10", (3, 8, 9, 10)), (" 4 ,2-2,2", (2, 4)), ("0–1", (0, 1))],
)
def test_places_are_read_as_people_write_them(text, numbers):
    assert interventions.parse_ranges(text, 11) == numbers
    assert interventions.parse_ranges(interventions.format_ranges(numbers), 11) == numbers


@pytest.mark.parametrize("text", ["", "a", "11", "3-", "5-3", "-1", "1;2", "1,,2", "9" * 40])
def test_what_names_no_places_is_refused(text):
    with pytest.raises(EditError, match="0 to 10"):
        interventions.parse_ranges(text, 11)
