"""The gates of one pass, and what was asked of them: edits and inner steps."""

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from attention.capture.axes import Layout, narrowed
from attention.capture.products import Product
from attention.capture.stack import Owners
from attention.capture.verdicts import Verdict
from attention.records import Floats, Gate, GatescopeError, Rejected

Edit = NDArray[Any] | Tensor | Callable[[Tensor], Any]
"""The gate's new values, or a function from the tensor of its values to them."""


class TraceError(GatescopeError):
    """A module, batch, edit or request that cannot be traced."""


class Found(NamedTuple):
    """A product with a gate: what was judged, the gate's activation, and where its values stand."""

    verdict: Verdict
    activation: str
    layout: Layout
    place: int | None
    """Where the gate stands among the positional arguments, in the product's own form; None where it does not."""


def found(product: Product, verdict: Verdict, squash: str) -> Found:
    place, layout = product.places[verdict.which], Layout(verdict.axes, verdict.letters)
    plain = place if isinstance(place, int) and product.restore is None else None
    return Found(verdict, squash or "none", layout, plain)


class Refused(NamedTuple):
    """A product that came close: the activation of the side that might have been the gate, and why it is none."""

    activation: str
    reason: str


class _Applied(NamedTuple):
    """One gate of the pass. Its numbers are read after the pass, which is sooner over for it."""

    owner: str
    number: int
    narrow: Tensor
    found: Found

    def gate(self, name: str) -> Gate:
        verdict = self.found.verdict
        array = self.found.layout.values(self.narrow).contiguous().float().numpy()
        low, high = float(array.min()), float(array.max())
        return Gate(name, verdict.kind, self.found.activation, array, verdict.shape, low, high)


class Gates:
    """Collects the gates in the order of execution and applies the edits."""

    def __init__(self, owners: Owners, edits: Mapping[str, Edit]) -> None:
        self._owners = owners
        self._edits = edits
        self._applied: list[_Applied] = []
        self._counts: dict[str, int] = {}
        self._refused: Counter[tuple[str, Refused]] = Counter()

    def refuse(self, refused: Refused) -> None:
        """Writes down that a product came close and is no gate's."""
        self._refused[self._owners.running(), refused] += 1

    def rejected(self) -> tuple[Rejected, ...]:
        """What came close, in the order in which it was first seen."""
        return tuple(Rejected(owner, *refused, count) for (owner, refused), count in self._refused.items())

    def add(self, gate: Tensor, found: Found) -> tuple[str, int, Tensor | None]:
        """Writes one gate down -> its owner, its number there, and the edited gate where it has an edit."""
        owner = self._owners.running()
        number = self._counts[owner] = self._counts.get(owner, 0) + 1
        verdict, layout = found.verdict, found.layout
        narrow = gate if gate.shape == layout.sizes else narrowed(gate, verdict.varying, len(verdict.shape))
        self._applied.append(_Applied(owner, number, _copy(narrow), found))
        for name in spellings(owner, number) if self._edits else ():
            if name in self._edits:
                edited = _edited(name, self._edits[name], layout.values(narrow))
                return owner, number, _alike(layout.gate(edited), gate)
        return owner, number, None

    def named(self) -> dict[str, Gate]:
        """The gates by name: `#1`, `#2` ... where a module applied several."""
        several = {owner for owner, count in self._counts.items() if count > 1}
        return {
            (name := f"{each.owner}#{each.number}" if each.owner in several else each.owner): each.gate(name)
            for each in self._applied
        }


def spellings(owner: str, number: int) -> tuple[str, ...]:
    """What a gate may be called while it is not known yet whether its module will apply another."""
    return (owner, f"{owner}#1") if number == 1 else (f"{owner}#{number}",)


def known(asked: Iterable[str], names: Iterable[str], what: str) -> None:
    """Raises TraceError where something was asked of a gate that the pass did not apply."""
    names = list(names)
    for name in asked:
        if name not in names:
            inside = [other for other in names if other.startswith(str(name))]
            near = inside[:4] or difflib.get_close_matches(str(name), names, n=4, cutoff=0.0)
            allowed = (
                f"the nearest of its {len(names)} gates are {', '.join(map(repr, near))}" if names else "it has none"
            )
            raise TraceError(f"{what} {name!r}, which names no gate that this pass applied: {allowed}")


def numbers(tensor: Tensor) -> Floats:
    """A copy of the tensor as float32 numbers."""
    copy = torch.empty(tensor.shape, dtype=torch.float32)
    return copy.copy_(tensor.detach()).numpy()


def _copy(gate: Tensor) -> Tensor:
    """Dense, and of its own: the module may write over the gate."""
    return (gate.detach() if gate.requires_grad else gate).clone(memory_format=torch.contiguous_format)


def _edited(name: str, edit: Edit, values: Tensor) -> Tensor:
    given = edit(values.clone()) if callable(edit) else edit
    if not isinstance(given, Tensor | np.ndarray):
        raise TraceError(f"the edit of {name!r} gives {type(given).__name__}, and must give an array or a tensor")
    edited, shape = torch.as_tensor(given), tuple(values.shape)
    if edited.shape != values.shape:
        raise TraceError(f"the edit of {name!r} has the shape {tuple(edited.shape)}, and the gate has {shape}")
    return edited.to(dtype=values.dtype, device=values.device)


def _alike(edited: Tensor, gate: Tensor) -> Tensor:
    """The edited gate, laid out in memory like the original, so that the product is laid out the same."""
    if edited.shape == gate.shape:
        return torch.empty_like(gate).copy_(edited)
    return torch.broadcast_tensors(edited, gate)[0]
