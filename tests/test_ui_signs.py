"""What is said of gates that leave 0 to 1, and of CBAM's gates in every order."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from attention.analysis import Block
from attention.analysis.usual import AgainstUsual
from attention.kinds import SPATIAL
from attention.layers import CBAM, SE
from attention.records import Gate
from attention.ui import cbam
from attention.ui.lessons import cbam as lesson_cbam
from attention.ui.lessons import gated
from tests.signed import Twice, seen


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
