"""One network: what `trace` finds against what the reference expects."""

import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from attention.capture import trace
from attention.records import owner_of
from benchmarks.discovery import networks, reference


class Row(NamedTuple):
    """What was found in one network. Gates are counted by the reference's types, false ones by the owner's class."""

    name: str
    size: str
    gates: Counter[str]
    missed: Counter[str]
    false: Counter[str]
    same_output: bool

    @property
    def exact(self) -> Counter[str]:
        """Those that were found where they are, with the axes over which they vary."""
        return self.gates - self.missed


def measure(name: str) -> Row:
    """Builds the network with random weights, and compares the two ways of counting on one batch of noise."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    module, batch = networks.build(name)
    with torch.no_grad():
        expected, plain = _seeded(reference.expected, module, batch)
        traced = _seeded(trace, module, batch)
    wanted = Counter((gate.owner, gate.kind) for gate in expected)
    found = Counter((owner_of(gate.name), gate.kind) for gate in traced.gates)
    types = {(gate.owner, gate.kind): gate.type for gate in expected}
    return Row(
        name,
        " × ".join(map(str, batch.shape[2:])),
        Counter(gate.type for gate in expected),
        Counter(types[each] for each in (wanted - found).elements()),
        Counter(_described(module, *each) for each in (found - wanted).elements()),
        same(plain, traced.output),
    )


Result = TypeVar("Result")


def _seeded(run: Callable[[nn.Module, Tensor], Result], module: nn.Module, batch: Tensor) -> Result:
    """Drop path and dropout draw the same numbers, and batch statistics start the same, in each run."""
    torch.manual_seed(1)
    state = {key: value.clone() for key, value in module.state_dict().items()} if module.training else None
    result = run(module, batch)
    if state is not None:
        module.load_state_dict(state)
    return result


def same(one: Any, other: Any) -> bool:
    """Whether two outputs, of whatever structure, are equal bit for bit."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def _described(module: nn.Module, owner: str, kind: str) -> str:
    part = type(module.get_submodule(owner))
    return f"{part.__module__}.{part.__qualname__} {kind}"
