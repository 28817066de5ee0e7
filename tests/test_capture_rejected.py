"""What `trace` says of products that came close: where, with which activation, why, and how often."""

import pytest
import torch
from torch import nn

from attention.capture import trace
from attention.records import Rejected
from tests import gallery

ACTIVATION = "an activation: both sides come from the same tensor"
PARTS = "a GLU: two parts of one tensor"
PROJECTIONS = "a GLU: two projections of one tensor"
NORMALISATION = "pooled features without a learned layer, as in a normalisation"

SAID = {
    "swish by hand": [("sigmoid", ACTIVATION, 1)],
    "mish by hand": [("tanh", ACTIVATION, 1)],
    "halves of one tensor": [("sigmoid", PARTS, 1)],
    "normalised halves": [("sigmoid", PARTS, 1)],
    "two projections": [("sigmoid", PROJECTIONS, 1)],
    "gated convolution": [("sigmoid", PROJECTIONS, 1)],
    "gated tanh unit": [("tanh", PROJECTIONS, 1)],
    "tanh of a projection": [("tanh", PROJECTIONS, 1)],
    "normalisation by hand": [("none", NORMALISATION, 1)],
    "global response normalisation": [("none", NORMALISATION, 1)],
    "attention": [("softmax", "attention weights in a matrix product", 1)],
}
FAR = ["layer scale", "drop path", "masks", "learned constant", "silu", "gated linear unit", "spatial gating unit"]


@pytest.mark.parametrize("name", SAID)
@torch.no_grad()
def test_what_came_close_is_listed_with_its_reason(name):
    found = trace(gallery.made(name), gallery.features())
    assert found.gates == ()
    assert found.rejected == tuple(Rejected("", *said) for said in SAID[name])


@pytest.mark.parametrize("name", FAR)
@torch.no_grad()
def test_what_is_far_from_a_gate_is_not_listed(name):
    assert trace(gallery.made(name).train(), gallery.features()).rejected == ()


@pytest.mark.parametrize("name", gallery.GATED)
@torch.no_grad()
def test_no_product_is_both_a_gate_and_rejected(name):
    """Of the blocks with gates, only those that compute one by products have more to say."""
    rejected = trace(gallery.made(name), gallery.features()).rejected
    assert {each.reason for each in rejected} <= {NORMALISATION}


@torch.no_grad()
def test_equal_ones_of_one_module_are_counted_and_others_are_apart():
    glu, swish = gallery.made("two projections"), gallery.made("swish by hand")
    network = nn.Sequential(glu, nn.ReLU(), glu, swish)
    expected = (Rejected("0", "sigmoid", PROJECTIONS, 2), Rejected("3", "sigmoid", ACTIVATION, 1))
    assert trace(network, gallery.features()).rejected == expected


class Cell(nn.Module):
    """Vectors that gate vectors, as a recurrent cell's do."""

    def __init__(self):
        super().__init__()
        self.read, self.keep = nn.Linear(gallery.CHANNELS, 4), nn.Linear(4, 4)

    def forward(self, features):
        state = torch.relu(self.read(features.mean((2, 3))))
        return state * torch.sigmoid(self.keep(state))


@torch.no_grad()
def test_vectors_that_gate_vectors_are_no_map():
    assert trace(Cell(), gallery.features()).rejected == (
        Rejected("", "sigmoid", "two vectors: there is no map to gate", 1),
    )
