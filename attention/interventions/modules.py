"""Networks with edits, as torch modules: the whole one, and the rest of one from the first edited part on."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from attention.capture import Tracer, trace
from attention.interventions.applying import Function
from attention.records import Gate, owner_of, within


class SequentialResume:
    """The parts of a module in the order in which they stand, and what one picture is in front of one of them."""

    def __init__(self, module: nn.Module, picture: Tensor) -> None:
        self._module, self._picture = module, picture
        self._parts = tuple(_flat_children(module, ""))
        self.holds: bool | None = None
        """Whether the module is nothing else than its parts, one after another; None until that was checked."""
        self._tracers: dict[int, Tracer] = {}
        self._kept: tuple[int, Tensor] | None = None

    def check(self, output: Tensor) -> bool:
        """Whether the parts, one after another, give the module's own output to the last bit; costs one pass."""
        if self.holds is None:
            try:
                found = _run_parts([part for _, part in self._parts], self._picture.clone())
                self.holds = isinstance(found, Tensor) and torch.equal(found, output.to(found.device))
            except Exception:  # a part on what it was not made for can raise anything: this is no chain then
                self.holds = False
        return self.holds

    def start(self, names: Iterable[str]) -> int:
        """The first part that has one of these gates; 0 where that is not known."""
        return min((self._part(name) for name in names), default=0)

    def before(self, start: int, gates: Sequence[Gate]) -> tuple[Gate, ...]:
        """The gates that stand in front of a part."""
        return tuple(gate for gate in gates if self._part(gate.name) < start)

    def run(self, start: int, edits: Mapping[str, Function], count: int) -> tuple[Tensor, tuple[Gate, ...]]:
        """The output, and the gates from a part on, of `count` copies of the picture."""
        kept = self._kept
        if kept is None or kept[0] != start:
            parts = [part for _, part in self._parts[:start]]
            kept = self._kept = (start, _run_parts(parts, self._picture.clone()))
        if start not in self._tracers:
            self._tracers[start] = Tracer(_RemainingParts(self._module, [part for _, part in self._parts[start:]]))
        trace = self._tracers[start](kept[1].expand(count, *kept[1].shape[1:]), edits=edits)
        return trace.output, trace.gates

    def _part(self, gate: str) -> int:
        owner = owner_of(gate)
        return next((number for number, (name, _) in enumerate(self._parts) if within(owner, name)), 0)


class _RemainingParts(nn.Module):
    """The last parts of a chain; gates have the names that they have in the whole module."""

    def __init__(self, whole: nn.Module, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self._modules = whole._modules  # the same dictionary, since parts that are added would have other names
        self._chain = tuple(parts)
        self.training = whole.training

    def forward(self, features: Tensor) -> Tensor:
        return _run_parts(self._chain, features)


def _run_parts(parts: Sequence[nn.Module], features: Tensor) -> Tensor:
    """The parts one after another; a linear layer after a pooling gets its features flattened, as networks do."""
    for part in parts:
        features = part(features.flatten(1) if isinstance(part, nn.Linear) and features.dim() > 2 else features)
    return features


def _flat_children(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """The children by their paths, and of plain sequences theirs."""
    for name, part in module._modules.items():
        if part is not None and type(part).forward is nn.Sequential.forward:
            yield from _flat_children(part, f"{path}{name}.")
        elif part is not None:
            yield f"{path}{name}", part


class Edited(nn.Module):
    """Its output is that of the network with the edits; `edits` are by gate, for a batch of any size."""

    def __init__(self, network: nn.Module, edits: Mapping[str, Function]) -> None:
        super().__init__()
        self.network = network
        self.edits = edits

    def forward(self, batch: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, classes)."""
        return trace(self.network, batch, edits=self.edits).output
