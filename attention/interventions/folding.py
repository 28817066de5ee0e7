"""Channels that a gate treats alike for every picture, folded into the weights around it, each step checked.

A constant factor c of a channel is exact in one of two layers, where the network has it: in the convolution that reads
the product alone, as in an inverted residual block, or in the norm before the gate, as in a residual block, where a
shortcut and a ReLU stand behind. There the squeeze sees the channel times c, so W1's column of it is divided by c.
Either way the gate is left at 1 for that channel: W2's row of it becomes 0, and its bias large.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attention import capture
from attention.interventions.edits import EditError
from attention.numbers import amount, number
from attention.records import Floats, owner_of

OPEN = 30.0
"""A bias with which a sigmoid is 1 to within 1e-13."""
LEAST = 0.01
"""A factor below it is not divided by: the channel is nearly shut."""
EXACT = 1e-6
"""The largest difference of an output, as a share of the largest one, that counts as rounding in double precision."""
Channels = NDArray[np.bool_]


@dataclass(frozen=True)
class Folding:
    """What could be done with the constant channels of one gate."""

    gate: str
    channels: int
    """How many were folded in."""
    into: str
    """Dotted path of the layer that took the factors in; "" where none could."""
    where: str
    """`"before"` or `"after"` the gate; "" where none could."""


@dataclass(frozen=True)
class FoldCheck:
    """A folded network beside the one that it was made of, over pictures: what is called constant varies a little."""

    change: float
    """The largest change of an output."""
    outputs: float
    """The range of the outputs, to set it beside."""
    same_guess: int
    """For how many pictures the largest output is the same."""
    pictures: int


class FoldError(EditError):
    """A network none of whose gates has constant channels that can be folded in."""


@torch.no_grad()
def fold(
    module: nn.Module, picture: Tensor, channels: Mapping[str, tuple[Floats, Channels]]
) -> tuple[nn.Module, list[Folding]]:
    """A copy of a network with the constant channels of its gates folded in, and what was done gate by gate.

    `channels` has the mean of each gate by its name, (C,), and which of them are constant. `picture` (1, C, H, W) is
    one to check each step with: the copy has to answer it, in double precision, as the network does with these
    channels' gates set to their means. Raises FoldError where no gate can be folded.
    """
    folded, doubled = copy.deepcopy(module).cpu().double().eval(), picture.cpu().double()
    done = [_fold_gate(folded, doubled, name, mean, constant) for name, (mean, constant) in channels.items()]
    if not any(each.channels for each in done):
        raise FoldError("No gate of this network has constant channels that can be folded into the weights around it.")
    result = copy.deepcopy(module)
    result.load_state_dict(folded.state_dict())
    return result, done


@torch.no_grad()
def check(module: nn.Module, folded: nn.Module, pictures: Sequence[Tensor]) -> FoldCheck:
    """The two networks on each of these pictures, (1, C, H, W)."""
    before, after = (torch.cat([_output(each(picture)) for picture in pictures]).float() for each in (module, folded))
    same_guess = int((before.argmax(1) == after.argmax(1)).sum())
    return FoldCheck(float((after - before).abs().max()), float(before.max() - before.min()), same_guess, len(pictures))


def in_words(done: Sequence[Folding], checked: FoldCheck) -> str:
    """What was folded, where that is possible, and what it changed."""
    into = {where: sum(each.where == where for each in done) for where in ("before", "after")}
    places = {"before": "the norm before the gate", "after": "the convolution after the gate"}
    where = " and ".join(f"{count} into {places[each]}" for each, count in into.items() if count)
    left = [each.gate for each in done if not each.channels]
    rest = f" Nothing could be folded in {', '.join(left)}." if left else ""
    return (
        f"{amount(sum(each.channels for each in done), 'constant channel')} of "
        f"{amount(len(done) - len(left), 'gate')} are folded, {where}; each was checked to be exact where the gate is "
        f"its mean. What is called constant varies a little: over {amount(checked.pictures, 'picture')} the folded "
        f"network changes an output by {number(checked.change)} at most, where outputs range over "
        f"{number(checked.outputs)}, and has the same first guess for {checked.same_guess}.{rest}"
    )


def as_file(folded: nn.Module) -> bytes:
    """The weights as a safetensors file, which the dashboard and every command open as they do the network's own."""
    from safetensors.torch import save

    return save({name: value.contiguous() for name, value in folded.state_dict().items()})


def _fold_gate(network: nn.Module, picture: Tensor, gate: str, mean: Floats, constant: Channels) -> Folding:
    """Folds one gate's constant channels into the network, in place, where that is exact."""
    chosen = torch.from_numpy(np.flatnonzero(constant & (mean >= LEAST)))
    if not len(chosen) or not (layers := _layers(network, picture, gate, len(mean))):
        return Folding(gate, 0, "", "")
    factors = torch.from_numpy(mean).double()[chosen]
    wanted = _output(capture.trace(network, picture, edits={gate: _set_channels(chosen, factors)}).output)
    before = copy.deepcopy(network.state_dict())
    for where, name in layers.candidates:
        _leave_open(layers, chosen)
        if where == "before":
            layers.first.weight[:, chosen] /= _along_inputs(factors, layers.first.weight)
            norm = network.get_submodule(name)
            assert isinstance(norm, nn.BatchNorm2d)
            norm.weight[chosen] *= factors
            norm.bias[chosen] *= factors
        else:
            weight = network.get_submodule(name).weight
            assert isinstance(weight, Tensor)
            weight[:, chosen] *= _along_inputs(factors, weight)
        found = _output(network(picture))
        if float((found - wanted).abs().max()) <= EXACT * max(1.0, float(wanted.abs().max())):
            return Folding(gate, len(chosen), name, where)
        network.load_state_dict(before)
    return Folding(gate, 0, "", "")


class _FoldedLayers(NamedTuple):
    """The layers of an excitation, and those that may take its factors in: where they stand, and their names."""

    first: nn.Linear | nn.Conv2d
    last: nn.Linear | nn.Conv2d
    candidates: Sequence[tuple[str, str]]


def _layers(network: nn.Module, picture: Tensor, gate: str, channels: int) -> _FoldedLayers | None:
    """None where the gate is not made by layers from C channels and back, the last with a bias, run for it alone."""
    order = _in_order(network, picture)
    owner = owner_of(gate)
    inside = [place for place, name in enumerate(order) if name.startswith(f"{owner}.")]
    own = [part for place in inside if isinstance(part := network.get_submodule(order[place]), (nn.Linear, nn.Conv2d))]
    makes = [part for part in own if part.weight.shape[0] == channels and part.bias is not None]
    reads = [part for part in own if part.weight.shape[1] == channels]
    if not makes or not reads:
        return None
    earlier = [
        name
        for name in order[: inside[0]]
        if isinstance(norm := network.get_submodule(name), nn.BatchNorm2d)
        and norm.affine
        and norm.num_features == channels
    ]
    later = [name for name in order[inside[-1] + 1 :] if _reads(network.get_submodule(name), channels)]
    candidates = [("after", name) for name in later[:1]] + [("before", name) for name in earlier[-1:]]
    return _FoldedLayers(reads[0], makes[-1], candidates)


def _in_order(network: nn.Module, picture: Tensor) -> list[str]:
    """The names of the modules without parts, as they are called."""
    order: list[str] = []
    leaves = [(name, part) for name, part in network.named_modules() if not any(part.children())]
    with ExitStack() as hooks:
        for name, part in leaves:
            hooks.enter_context(part.register_forward_hook(lambda *_, name=name: order.append(name)))
        network(picture)
    return order


def _reads(part: nn.Module, channels: int) -> bool:
    return isinstance(part, nn.Conv2d) and part.groups == 1 and part.in_channels == channels


def _leave_open(layers: _FoldedLayers, chosen: Tensor) -> None:
    """Leaves the gate of these channels at 1, whatever the picture."""
    assert layers.last.bias is not None
    layers.last.weight[chosen] = 0
    layers.last.bias[chosen] = OPEN


def _along_inputs(factors: Tensor, weight: Tensor) -> Tensor:
    """The factors along the axis of a layer's inputs."""
    return factors.reshape(1, -1, *[1] * (weight.dim() - 2))


def _set_channels(chosen: Tensor, factors: Tensor) -> Callable[[Tensor], Tensor]:
    def edit(values: Tensor) -> Tensor:
        values = values.clone()
        values[:, chosen] = factors.to(values)
        return values

    return edit


def _output(output: object) -> Tensor:
    if not isinstance(output, Tensor):
        raise FoldError(f"A network that is folded returns one tensor, and this one returns {type(output).__name__}.")
    return output
