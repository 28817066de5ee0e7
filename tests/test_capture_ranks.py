"""Features that are no pictures, and modules that return or take something else than one tensor."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from attention.capture import trace
from tests.ranks import CASES, CHANNELS, CONVOLUTIONS, Gated, features


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a network"])
@pytest.mark.parametrize(("rank", "keep", "kind"), CASES)
@torch.no_grad()
def test_the_values_are_the_gate_with_the_axes_that_it_varies_over(rank, keep, kind, inside):
    block, batch = Gated(rank, *keep).eval(), features(rank)
    network, seen = nn.Sequential(block), batch
    if inside:
        network = nn.Sequential(CONVOLUTIONS[rank](CHANNELS, CHANNELS, 1), nn.ReLU(), Padded(rank), block)
        seen = network[:-1](batch)
    found = trace(network, batch)
    expected = block.gate(seen)
    (gate,) = found.gates
    assert (gate.name, gate.kind, gate.activation) == (str(len(network) - 1), kind, "sigmoid")
    kept = [size for d, size in enumerate(expected.shape) if d == 0 or size > 1]
    np.testing.assert_array_equal(gate.values, expected.reshape(kept).numpy())
    assert gate.feature_shape == tuple(seen.shape)
    assert torch.equal(found.output, network(batch))
    zeros = trace(network, batch, edits={gate.name: np.zeros_like(gate.values)})
    assert not zeros.output.any()


class Padded(nn.Module):
    """What loses the axes of features where they are not followed."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.pad = (1, 1) * rank

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, self.pad) + 0.5


@dataclass
class Answer:
    logits: Tensor
    classes: list[str]


OUTPUTS = {
    "dict": lambda y: {"out": y, "aux": y.mean((2, 3))},
    "list": lambda y: [y, y + 1],
    "tuple": lambda y: (y, None, 3),
    "dataclass": lambda y: Answer(y, ["tench"]),
    "nothing": lambda y: None,
    "a number": lambda y: float(y.sum()),
}


class Returning(nn.Module):
    def __init__(self, shaped):
        super().__init__()
        self.block, self.shaped = Gated(2, "channel"), shaped

    def forward(self, x):
        return self.shaped(self.block(x))


@pytest.mark.parametrize("name", OUTPUTS)
@torch.no_grad()
def test_a_module_may_return_anything(name):
    module, batch = Returning(OUTPUTS[name]), features(2)
    found, plain = trace(module, batch), module(batch)
    assert [(gate.name, gate.kind) for gate in found.gates] == [("block", "channel")]
    assert type(found.output) is type(plain)
    assert repr(found.output) == repr(plain)


class Detector(nn.Module):
    """Takes pictures of their own sizes in a list, as detection networks do, and makes one batch of them."""

    def __init__(self, batched):
        super().__init__()
        self.batched, self.block = batched, Gated(2, "height width")

    def forward(self, pictures):
        return list(self.block(self.batched([picture - 0.5 for picture in pictures])))


def copied(pictures):
    buffer = pictures[0].new_full((len(pictures), *pictures[0].shape), 0)
    for number, picture in enumerate(pictures):
        buffer[number, :, : picture.shape[1], : picture.shape[2]].copy_(picture)
    return buffer


@pytest.mark.parametrize("batched", [torch.stack, copied], ids=["stacked", "copied"])
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_network_that_takes_a_list_iterates_over_the_batch(batched, mode):
    module, batch = Detector(batched), features(2)
    with mode():
        (gate,) = trace(module, batch).gates
    assert (gate.name, gate.kind) == ("block", "spatial")
    np.testing.assert_array_equal(gate.values, module.block.gate(batch - 0.5)[:, 0].detach().numpy())


@pytest.mark.parametrize("shape", [(2, CHANNELS, 6, 1), (2, CHANNELS, 1, 5), (2, CHANNELS, 1, 1)])
@torch.no_grad()
def test_a_map_that_is_one_pixel_wide_is_still_a_spatial_one(shape):
    block, batch = Gated(2, "height width"), torch.randn(shape)
    (gate,) = trace(block, batch).gates
    assert gate.kind == "spatial"
    np.testing.assert_array_equal(gate.values, block.gate(batch)[:, 0].numpy())
