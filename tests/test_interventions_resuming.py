"""A pass that begins at the edited block gives what the whole pass gives, and where it cannot, the whole one runs."""

import numpy as np
import pytest
import torch
from torch import nn

from attention import capture, interventions
from attention.interventions import Edit, EditedPasses
from attention.interventions.modules import SequentialResume
from attention.layers import SE
from attention.models import zoo
from tests.own import BLOCKS, network, pictures


def subject(module, picture, *, chain=True):
    tracer = capture.Tracer(module)
    with torch.inference_mode():
        return EditedPasses(tracer, picture, tracer(picture), SequentialResume(module, picture) if chain else None)


def assert_alike(one, other):
    assert torch.equal(one.output, other.output)
    for gate, twin in zip(one.gates, other.gates, strict=True):
        assert (gate.name, gate.kind, gate.activation) == (twin.name, twin.kind, twin.activation)
        np.testing.assert_array_equal(gate.values, twin.values)


@pytest.mark.parametrize("variant", ["se", "cbam", "se-resnext"])
def test_every_block_off_is_the_same_whole_and_from_that_block_on(variant):
    module, picture = network(variant), pictures()[:1]
    resumed, whole = subject(module, picture), subject(module, picture, chain=False)
    resumed.check_resume()
    assert resumed.resume.holds
    for block in (*BLOCKS, BLOCKS[2], ""):
        edits = interventions.applied([Edit("off", block=block)], whole.before.gates)
        assert_alike(resumed.edited(edits), whole.edited(edits))
    two = interventions.applied([Edit("off", block=BLOCKS[6]), Edit("mean", block=BLOCKS[3])], whole.before.gates)
    assert_alike(resumed.edited(two), whole.edited(two))
    assert_alike(resumed.edited({}), whole.before)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", ["torchvision/mobilenet_v3_small", "timm/test_nfnet", "pytorchcv/seresnet10"])
def test_networks_of_the_libraries_are_chains_too(name):
    loaded = zoo.load(name, random=True)
    side = loaded.card.input_size
    picture = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    resumed, whole = subject(loaded.module, picture), subject(loaded.module, picture, chain=False)
    resumed.check_resume()
    assert resumed.resume.holds
    last = whole.before.gates[-1].name
    edits = interventions.applied([Edit("off", block=last)], whole.before.gates)
    assert resumed.resume.start(edits) > 0
    assert_alike(resumed.edited(edits), whole.edited(edits))


class Skipping(nn.Module):
    """Parts in another order than they stand, and a connection around them."""

    def __init__(self):
        super().__init__()
        self.second, self.first = SE(8, 2), nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head((self.second(self.first(x)) + x).mean((2, 3)))


@pytest.mark.parametrize("extra", [nn.Identity(), nn.Conv2d(3, 3, 1)], ids=["runs otherwise", "raises"])
def test_what_is_no_chain_runs_whole(extra):
    torch.manual_seed(0)
    module = Skipping().eval()
    module.extra = extra  # a part that the forward does not run
    one = subject(module, torch.randn(1, 8, 5, 5))
    edits = interventions.applied([Edit("off")], one.before.gates)
    moved = interventions.changes(one, [edits])[0]
    assert one.resume.holds is False
    np.testing.assert_allclose(moved, (one.edited(edits).output - one.before.output)[0], atol=1e-6)
    assert np.abs(moved).max() > 1e-3


def test_nothing_is_run_to_find_out_before_it_is_asked_for():
    one = subject(network("se"), pictures()[:1])
    one.edited(interventions.applied([Edit("off", block=BLOCKS[7])], one.before.gates))
    assert one.resume.holds is None
    interventions.changes(one, [{}])
    assert one.resume.holds is True


def test_a_pass_that_began_in_the_middle_leaves_nothing_on_the_network_or_the_picture():
    module, picture = network("cbam"), pictures()[:1]
    kept = picture.clone()
    one = subject(module, picture)
    off = interventions.applied([Edit("off", block=BLOCKS[5])], one.before.gates)
    first = interventions.changes(one, [off, off])
    np.testing.assert_array_equal(interventions.changes(one, [off, off]), first)
    with torch.inference_mode():
        assert torch.equal(module(picture), one.before.output) and torch.equal(picture, kept)
