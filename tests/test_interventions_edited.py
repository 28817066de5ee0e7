"""The class heatmap of an edited network is that of the network which the edit makes of it."""

import numpy as np
import pytest
import torch

from attention import interventions
from attention.attribution import Attributor
from attention.capture import trace
from attention.interventions import Edit
from attention.interventions.modules import Edited
from tests.own import BLOCKS, pictures
from tests.test_interventions import without

CLASS = 3


def edited(name):
    whole, smaller = without(name)
    gates = trace(whole, pictures()[:1]).gates
    return Edited(whole, interventions.applied([Edit("off", block=name)], gates)).eval(), whole, smaller


def heatmap(module):
    return Attributor(module)(pictures()[:1], CLASS)


@pytest.mark.parametrize("name", [BLOCKS[0], BLOCKS[-1]])
def test_the_heatmap_after_a_gate_is_off_is_that_of_the_network_built_without_it(name):
    module, whole, smaller = edited(name)
    after = heatmap(module)
    assert np.array_equal(after.values, heatmap(smaller).values)
    assert not np.array_equal(after.values, heatmap(whole).values)
    assert after.layer == f"network.{heatmap(whole).layer}"


def test_without_edits_it_is_the_network():
    _, whole, _ = edited(BLOCKS[0])
    module = Edited(whole, {})
    with torch.no_grad():
        assert torch.equal(module(pictures()), whole(pictures()))
    assert np.array_equal(heatmap(module).values, heatmap(whole).values)
