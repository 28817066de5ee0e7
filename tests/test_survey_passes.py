"""What is kept of a gate of each shape."""

import numpy as np
import pytest

from attention.records import Gate
from attention.survey import passes
from attention.survey.partials import ranked


def gate(kind, shape):
    values = np.random.default_rng(0).random((2, *shape), np.float32)
    return Gate("gate", kind, "sigmoid", values, (2, 8, 4, 4), float(values.min()), float(values.max()))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("channel", (5,)), ("spatial", (4, 64)), ("height", (7,)), ("token", (9,)), ("depth-width", (2, 3))],
)
def test_channels_places_and_short_gates_are_kept_as_they_are(kind, shape):
    given = gate(kind, shape)
    (block,), values = passes.gate_table((given,), 2)
    assert block.shape == shape and block.averaged == "" and block.by_channel == (kind == "channel")
    np.testing.assert_array_equal(values, given.values.reshape(2, -1))


def test_a_gate_of_one_value_a_picture_has_one_column():
    (block,), values = passes.gate_table((gate("sample", ()),), 2)
    assert block.shape == (1,) and values.shape == (2, 1)


@pytest.mark.parametrize(
    ("kind", "shape"), [("full", (5, 4, 3)), ("channel-height", (5, 4)), ("channel-depth", (5, 2))]
)
def test_a_gate_over_channels_and_places_is_averaged_over_the_places_and_says_so(kind, shape):
    given = gate(kind, shape)
    (block,), values = passes.gate_table((given,), 2)
    assert block.shape == (5,) and block.averaged == "the places" and block.by_channel
    np.testing.assert_allclose(values, [[given.values[n, c].mean() for c in range(5)] for n in range(2)], rtol=1e-6)


def test_a_large_map_is_averaged_over_tiles_of_which_the_last_are_smaller():
    given = gate("spatial", (130, 70))
    (block,), values = passes.gate_table((given,), 2)
    assert block.shape == (44, 24) and block.averaged == "tiles of 3 x 3 places"
    tiles = values.reshape(2, 44, 24)
    for row, column in ((0, 0), (20, 11), (43, 23)):
        tile = given.values[:, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
        np.testing.assert_allclose(tiles[:, row, column], tile.mean((1, 2)), rtol=1e-6)


def test_a_gate_of_very_many_tokens_is_averaged_over_all_of_them():
    given = gate("token", (5000,))
    (block,), values = passes.gate_table((given,), 2)
    assert block.shape == (1,) and block.averaged == "all of it"
    np.testing.assert_allclose(values[:, 0], given.values.mean(1), rtol=1e-6)


def test_the_gates_of_a_pass_stand_side_by_side():
    blocks, values = passes.gate_table((gate("channel", (2,)), gate("spatial", (2, 2)), gate("full", (3, 2, 2))), 2)
    assert values.shape == (2, 2 + 4 + 3)
    assert ranked(blocks).tolist() == [True] * 2 + [False] * 4 + [True] * 3
    assert passes.gate_table((), 2)[1].shape == (2, 0)
