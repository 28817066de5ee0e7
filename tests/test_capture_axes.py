"""The bookkeeping of axes against tensors that carry their own coordinates."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from attention.capture import axes, trace
from attention.capture.axes import Layout
from attention.capture.calls import TensorInfo
from attention.capture.moves import reshaped
from tests import gallery
from tests.blocks import Function, linear

SHAPE = (2, 6, 4, 3)
LETTERS = "NCHW"


def followed(steps):
    """Coordinates (N, C, H, W) moved by permutations and reshapes, and what `axes` makes of the same moves.

    The moves end where a reshape cuts across an axis: nothing is known of the pieces.
    """
    coordinates = torch.stack(torch.meshgrid(*map(torch.arange, SHAPE), indexing="ij"), dim=-1)
    meaning = axes.standard_axes(SHAPE)
    for order, target in steps:
        if len(order) == coordinates.dim() - 1:
            coordinates = coordinates.permute(*order, -1)
            meaning = tuple(meaning[d] for d in order)
        meaning = axes.reshape_axes(meaning, coordinates.shape[:-1], target)
        coordinates = coordinates.reshape(*target, 4)
        if any(not axis and size > 1 for axis, size in zip(meaning, target, strict=True)):
            break
    return coordinates, meaning


def moves(*further):
    nested = [(2, 6, 4, 3), (2, 6, 12), (2, 12, 6), (4, 3, 4, 3), (2, 2, 3, 4, 3), (12, 12), (1, 2, 72), (144,)]
    return st.sampled_from([*nested, *further])


@given(st.lists(st.tuples(st.permutations(range(4)), moves((8, 18), (9, 16))), max_size=4))
def test_only_the_named_coordinates_change_along_a_dimension(steps):
    coordinates, meaning = followed(steps)
    assert len(meaning) == coordinates.dim() - 1
    for d, axis in enumerate(meaning):
        changed = {LETTERS[k] for k in range(4) if (coordinates != coordinates.narrow(d, 0, 1))[..., k].any()}
        if axis:
            assert math.prod(extent for _, extent in axis) == coordinates.shape[d]
            assert changed == {letter for letter, _ in axis}


@given(st.sets(st.integers(0, 3), min_size=1), moves((8, 18), (9, 16)))
def test_what_is_said_to_repeat_one_value_after_a_reshape_does_so(repeated, target):
    sizes = [1 if d in repeated else size for d, size in enumerate(SHAPE)]
    values = torch.arange(math.prod(sizes)).reshape(sizes).expand(SHAPE)
    moved = values.reshape(target)
    info = TensorInfo(frozenset(), constant=frozenset(repeated))
    found = reshaped(SimpleNamespace(info=info, tensor=values, output=moved)).constant
    assert found <= {d for d in range(moved.dim()) if (moved == moved.narrow(d, 0, 1)).all()}
    if target == SHAPE or len(repeated) == 4:
        assert found == (repeated if target == SHAPE else {*range(moved.dim())})


@given(moves(), moves())
def test_reshapes_there_and_back_lose_nothing(there, further):
    _, meaning = followed([((), there), ((), further), ((), SHAPE)])
    assert meaning == axes.standard_axes(SHAPE)


def test_a_reshape_across_the_axes_is_read_as_layers_lay_axes_out():
    across = axes.reshape_axes(None, SHAPE, (8, 18))
    assert across == ((), ())
    assert axes.fit_axes(((),) * 4, SHAPE) == axes.standard_axes(SHAPE)


@pytest.mark.parametrize(
    ("kept", "dims"), [("C", (0, 1)), ("HW", (0, 2, 3)), ("CHW", (0, 1, 2, 3)), ("CW", (0, 1, 3)), ("H", (0, 2))]
)
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 0, 2, 1)])
def test_values_and_gate_are_inverse_in_every_layout(kept, dims, order):
    """The values of a gate do not depend on how the product lays its axes out."""
    expected = torch.rand([SHAPE[d] for d in dims])
    gate = expected.reshape([size if d in dims else 1 for d, size in enumerate(SHAPE)]).permute(order)
    layout = Layout(tuple(axes.standard_axes(SHAPE)[d] for d in order), frozenset(kept))
    assert layout.shape == expected.shape
    assert torch.equal(layout.values(gate), expected)
    assert torch.equal(layout.gate(expected), gate)


def test_a_gate_that_is_the_same_for_all_samples_has_a_row_for_each():
    layout = Layout(axes.standard_axes(SHAPE), frozenset("C"))
    values = layout.values(torch.arange(6.0).reshape(1, 6, 1, 1))
    np.testing.assert_array_equal(values, np.tile(np.arange(6), (2, 1)))


def test_groups_folded_into_the_batch_unfold():
    folded = axes.reshape_axes(None, SHAPE, (4, 3, 4, 3))
    assert folded == ((("N", 2), ("C", 2)), (("C", 3),), (("H", 4),), (("W", 3),))
    layout = Layout(folded, frozenset("C"))
    gate = torch.rand(4, 3, 1, 1)
    assert torch.equal(layout.values(gate), gate.reshape(2, 6))
    assert torch.equal(layout.gate(gate.reshape(2, 6)), gate)


def test_windows_there_and_back_do_not_grow_the_axes():
    meaning, shape = axes.standard_axes((2, 8, 4, 4)), (2, 8, 4, 4)
    for _ in range(10):
        split = axes.reshape_axes(meaning, shape, (2, 8, 2, 2, 2, 2))
        windows = tuple(split[d] for d in (0, 2, 4, 3, 5, 1))
        flat = axes.reshape_axes(windows, (2, 2, 2, 2, 2, 8), (8, 4, 8))
        back = axes.reshape_axes(flat, (8, 4, 8), (2, 2, 2, 2, 2, 8))
        meaning = axes.reshape_axes(tuple(back[d] for d in (0, 5, 1, 3, 2, 4)), (2, 8, 2, 2, 2, 2), shape)
    assert meaning == axes.standard_axes(shape)


@pytest.mark.parametrize(
    ("letters", "kind"),
    [("C", "channel"), ("HW", "spatial"), ("CHW", "full"), ("CH", "channel-height"), ("L", "token"), ("CL", "full")],
)
def test_the_kind_says_what_the_gate_varies_over(letters, kind):
    assert axes.kind_of(frozenset(letters)) == kind


@given(
    st.tuples(st.integers(5, 9), st.integers(5, 9)), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2),
    st.integers(1, 3), st.booleans(),
)  # fmt: skip
def test_windows_are_beside_the_channels_and_where_they_begin_are_the_places(
    size, kernel, dilation, padding, stride, named
):
    """Beginnings of windows are counted one by one."""
    settings = {"kernel_size": kernel, "dilation": dilation, "padding": padding, "stride": stride}
    args, kwargs = ((None,), settings) if named else ((None, *settings.values()), {})
    shape = F.unfold(torch.zeros(2, 6, *size), **settings).shape
    begin = [
        sum(at + dilation * (kernel - 1) < extent + padding for at in range(-padding, extent + padding, stride))
        for extent in size
    ]
    expected = ((("N", 2),), (("C", 6), ("K", kernel**2)), (("H", begin[0]), ("W", begin[1])))
    assert axes.axes_after_unfold(axes.standard_axes((2, 6, *size)), shape, args, kwargs) == expected


def test_what_is_not_said_of_windows_is_torch_s_default():
    shape = F.unfold(torch.zeros(2, 6, 4, 5), 3).shape
    assert axes.axes_after_unfold(axes.standard_axes((2, 6, 4, 5)), shape, (None, 3), {})[2] == (("H", 2), ("W", 3))


def test_windows_of_a_picture_without_the_axis_of_samples_are_not_followed():
    shape = F.unfold(torch.zeros(6, 4, 5), 3).shape
    assert axes.axes_after_unfold(axes.standard_axes((2, 6, 4, 5))[1:], shape, (None, 3), {}) is None


@pytest.mark.parametrize("how", [{"dim": 1}, {"dim": -3}, {"dim": (1,)}, {"dim": [-2]}, {"axis": 2}])
@torch.no_grad()
def test_what_a_mean_leaves_keeps_its_axes(how):
    """Channels that came last are no places, as their position would have it, where one of the sides is gone."""

    def block(m, x):
        strip = x.permute(0, 2, 3, 1).mean(**how)
        return strip * torch.sigmoid(m.up(m.down(strip.mean(1)).relu()))[:, None]

    (gate,) = trace(Function(block, **linear()).eval(), gallery.features()).gates
    assert gate.kind == "channel"
