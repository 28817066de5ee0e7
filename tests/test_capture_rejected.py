"""What `trace` says of products that came close: where, with which activation, why, and how often."""

import pytest
import torch
from torch import nn

from attention.capture import coverage, trace
from attention.capture.tracing import NOTHING
from attention.records import Rejected
from tests import gallery

ACTIVATION = "an activation: both sides come from the same tensor"
PARTS = "a GLU: two parts of one tensor"
PROJECTIONS = "a GLU: two projections of one tensor"
NORMALISATION = "pooled features without a learned layer, as in a normalisation"

MATRIX = "attention weights in a matrix product"
SCORES = "a matrix product of features"
UNBOUNDED = "neither side is bounded, and none is made of the other by several layers"
UNLEARNED = "the side of fewer axes is neither bounded nor learned from pooled features"
NEIGHBOURS = "weights over a neighbourhood, as in local attention"
OUT_OF_SIGHT = "a tensor made out of sight: by scripted code or numpy, or before the pass"

SAID = {
    "swish by hand": [("sigmoid", ACTIVATION, 1)],
    "mish by hand": [("tanh", ACTIVATION, 1)],
    "squared": [("none", ACTIVATION, 1)],
    "own mask": [("threshold", ACTIVATION, 2)],
    "halves of one tensor": [("sigmoid", PARTS, 1)],
    "normalised halves": [("sigmoid", PARTS, 1)],
    "simple halves": [("none", PARTS, 1)],
    "gated linear unit": [("sigmoid", PARTS, 1)],
    "two projections": [("sigmoid", PROJECTIONS, 1)],
    "gated convolution": [("sigmoid", PROJECTIONS, 1)],
    "gated tanh unit": [("tanh", PROJECTIONS, 1)],
    "tanh of a projection": [("tanh", PROJECTIONS, 1)],
    "two projections through silu": [("none", PROJECTIONS, 1)],
    "two branches": [("none", UNBOUNDED, 1)],
    "spatial gating unit": [("none", UNBOUNDED, 1)],
    "normalisation by hand": [("none", NORMALISATION, 1)],
    "by its deviation": [("none", NORMALISATION, 1)],
    "global response normalisation": [("none", NORMALISATION, 2)],
    "attention": [("none", SCORES, 1), ("softmax", MATRIX, 1)],
    "fused attention": [("softmax", MATRIX, 1)],
    "linear attention": [("none", SCORES, 2)],
    "diagonal": [("sigmoid", MATRIX, 1)],
    "local attention": [("none", UNLEARNED, 1), ("softmax", NEIGHBOURS, 1)],
    "local attention by windows": [("softmax", NEIGHBOURS, 1)],
    "local attention in rows": [("none", UNLEARNED, 1), ("softmax", NEIGHBOURS, 1)],
    "involution": [("none", UNLEARNED, 1)],
    "masks": [("threshold", "a mask of the same axes, from comparing what is not bounded", 1)],
    "stacked product": [("none", "a product along an axis by torch.prod", 1)],
    "contracted by tensordot": [("none", SCORES, 1)],
    "summed by einsum": [("sigmoid", MATRIX, 1)],
    "strips and their excitation": [("none", "both sides are pooled features", 1)],
    "an activation, opened by hand": [("sigmoid", ACTIVATION, 1)],
    "blend": [("sigmoid", "a blend of two tensors by torch.lerp", 1)],
    "quotient": [("sigmoid", "a quotient: features are divided by something computed from the input", 1)],
    "choice": [("step", "a choice by a mask that is computed from the input", 1)],
    "kernel of the picture": [("sigmoid", "a layer's weight that is computed from the input", 1)],
    "by a scripted gate": [("none", OUT_OF_SIGHT, 1)],
    "through numpy": [("none", OUT_OF_SIGHT, 1)],
    "through a copy of an array": [("none", OUT_OF_SIGHT, 1)],
}
FAR = ["matrix of weights", "layer scale", "drop path", "learned constant", "silu", "constant", "dropout"]


class ByARoot(nn.Module):
    """Features over the root of a number that is learned from their means."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        learned = self.mix(x.mean((2, 3), keepdim=True))
        return self.last((x * torch.rsqrt(learned.square() + 1)).mean((2, 3)))


class OfAPlace(ByARoot):
    """A number for each channel, learned from the means and from a single place."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(16, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        learned = self.mix(torch.cat([x.mean((2, 3)), x[:, :, 0, 0]], 1))
        return self.last((x * learned[:, :, None, None]).mean((2, 3)))


def test_what_is_joined_of_pooled_features_and_others_is_not_pooled():
    found = trace(OfAPlace().eval(), torch.rand(1, 3, 16, 16))
    assert found.gates == () and [each.reason for each in found.rejected] == [UNLEARNED]


def test_a_division_by_a_root_is_a_normalisation_also_where_something_was_learned_before():
    found = trace(ByARoot().eval(), torch.rand(1, 3, 16, 16))
    assert found.gates == () and [each.reason for each in found.rejected] == [NORMALISATION]


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
    """Only those of the blocks with gates that compute one by products have more to say."""
    rejected = trace(gallery.made(name), gallery.features()).rejected
    assert {each.reason for each in rejected} <= {NORMALISATION, ACTIVATION, MATRIX, SCORES}


@torch.no_grad()
def test_what_reads_a_tensor_made_out_of_sight_is_listed_where_it_reads_it():
    found = trace(gallery.made("by a scripted block"), gallery.features())
    assert found.rejected == (Rejected("mix", "none", OUT_OF_SIGHT, 1),)
    assert trace(gallery.made("recurrent"), gallery.features()).rejected[0].name == "cell"


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


@torch.no_grad()
def test_coverage_says_what_was_seen_and_where():
    glu, se = gallery.made("two projections"), gallery.made("expanded")
    network = nn.Sequential(se, nn.Sequential(glu, nn.ReLU(), glu), gallery.made("concurrent"))
    assert coverage(trace(network, gallery.features())) == (
        "2 gates with a number for each channel, from sigmoid: in “0”, “2”.",
        "1 gate with a number for each place, from sigmoid: in “2”.",
        "2 operations that came close and are no gate: a GLU: two projections of one tensor – in “1.0”.",
    )
    assert coverage(trace(gallery.made("attention"), gallery.features())) == (
        "No product here is a gate.",
        "1 operation that came close and is no gate: a matrix product of features – in the network itself.",
        "1 operation that came close and is no gate: attention weights in a matrix product – in the network itself.",
    )


@pytest.mark.parametrize("name", list(gallery.blocks()))
@torch.no_grad()
def test_coverage_has_each_gate_and_each_rejected_operation_once(name):
    found = trace(gallery.made(name), gallery.features())
    counts = [int(sentence.split()[0]) for sentence in coverage(found) if sentence[0].isdigit()]
    assert sum(counts) == len(found.gates) + sum(each.count for each in found.rejected)


@torch.no_grad()
def test_only_a_network_without_products_of_the_input_multiplies_nothing_by_what_it_computes():
    plain = nn.Sequential(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.SiLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert coverage(trace(plain, gallery.features())) == (NOTHING,)
    for name in ("layer scale", "drop path", "constant", "dropout"):
        assert coverage(trace(gallery.made(name).train(), gallery.features())) == (NOTHING,)
    for name in ("blend", "quotient", "involution", "by a scripted block", "fused attention", "by its deviation"):
        assert NOTHING not in coverage(trace(gallery.made(name), gallery.features()))
