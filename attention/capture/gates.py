"""The gates of one pass: which module applies each, its values, and the edits of them."""

import difflib
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attention.capture.axes import narrowed
from attention.capture.matching import GateMatch, Rejection
from attention.records import Floats, Gate, GatescopeError, Rejected

Edit = NDArray[Any] | Tensor | Callable[[Tensor], Any]
"""The gate's new values, or a function from the tensor of its values to them."""


class TraceError(GatescopeError):
    """A module, batch, edit or request that cannot be traced."""


class _AppliedGate(NamedTuple):
    """One gate of the pass. Its values stay on their device until the pass is over, which is sooner over for it."""

    owner: str
    number: int
    narrow: Tensor
    match: GateMatch

    def gate(self, name: str, values: Floats) -> Gate:
        match = self.match
        return Gate(name, match.kind, match.activation, values, match.shape, float(values.min()), float(values.max()))


class Gates:
    """Collects the gates in the order of execution and applies the edits."""

    def __init__(self, owners: "Owners", edits: Mapping[str, Edit]) -> None:
        self._owners = owners
        self._edits = edits
        self._applied: list[_AppliedGate] = []
        self._counts: dict[str, int] = {}
        self._rejections: Counter[tuple[str, Rejection]] = Counter()

    def reject(self, rejection: Rejection) -> None:
        """Writes down that a product came close and applies no gate."""
        self._rejections[self._owners.running(), rejection] += 1

    def rejected(self) -> tuple[Rejected, ...]:
        """What came close, in the order in which it was first seen."""
        return tuple(Rejected(owner, *rejection, count) for (owner, rejection), count in self._rejections.items())

    def add(self, gate: Tensor, match: GateMatch) -> tuple[str, int, Tensor | None]:
        """Writes one gate down -> its owner, its number there, and the edited gate where it has an edit."""
        owner = self._owners.running()
        number = self._counts[owner] = self._counts.get(owner, 0) + 1
        layout = match.layout
        narrow = gate if gate.shape == layout.sizes else narrowed(gate, match.varying, len(match.shape))
        self._applied.append(_AppliedGate(owner, number, own_copy(narrow), match))
        for name in possible_names(owner, number) if self._edits else ():
            if name in self._edits:
                edited = _edited(name, self._edits[name], layout.values(narrow))
                return owner, number, _alike(layout.gate(edited), gate)
        return owner, number, None

    def named(self) -> dict[str, Gate]:
        """The gates by name: `#1`, `#2` ... where a module applied several."""
        several = {owner for owner, count in self._counts.items() if count > 1}
        names = [f"{each.owner}#{each.number}" if each.owner in several else each.owner for each in self._applied]
        values = to_host([each.match.layout.values(each.narrow) for each in self._applied])
        gates = zip(names, self._applied, values, strict=True)
        return {name: applied.gate(name, array) for name, applied, array in gates}


def possible_names(owner: str, number: int) -> tuple[str, ...]:
    """What a gate may be called while it is not known yet whether its module will apply another."""
    return (owner, f"{owner}#1") if number == 1 else (f"{owner}#{number}",)


def check_names(asked: Iterable[str], names: Iterable[str], what: str) -> None:
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


def to_host(tensors: Sequence[Tensor]) -> list[Floats]:
    """Float32 arrays of tensors that nobody writes over any more.

    This is the one place where values leave their device: all copies are under way before the one wait for them.
    """
    copies = [tensor.detach().to("cpu", torch.float32, non_blocking=True).contiguous() for tensor in tensors]
    for device in {tensor.device for tensor in tensors if not tensor.is_cpu}:
        torch.accelerator.synchronize(device)
    return [copy.numpy() for copy in copies]


def own_copy(tensor: Tensor) -> Tensor:
    """A dense copy on the same device: the module may write over its own tensor."""
    return (tensor.detach() if tensor.requires_grad else tensor).clone(memory_format=torch.contiguous_format)


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


_CALL = nn.Module.__call__.__code__


def _running_calls() -> Iterator[dict[str, Any]]:
    """The `self`, `args` and `kwargs` of each `Module.__call__` that is running, innermost first.

    They are read from the Python stack of the calling thread, so nothing is put on a module. Reading a frame's
    variables may keep them alive until it returns; those of this one live as long anyway.
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code is _CALL:
            yield frame.f_locals
        frame = frame.f_back


class Owners:
    """Who applies a product: the innermost submodule of the traced one whose call is running."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        self._names = {id(part): name for name, part in parts.items()}

    def running(self) -> str:
        for call in _running_calls():
            name = self._names.get(id(call["self"]))
            if name is not None:
                return name
        return ""


def fused_attention() -> tuple[Tensor, Tensor | None] | None:
    """What the running `nn.MultiheadAttention` computes when nobody watches, as its last step returns it.

    Its fused path is shut while a mode is on, so its forward runs again, from a place where none is. None where
    it may have been called with other arguments than its forward got.
    """
    call = next(_running_calls(), None)
    if call is None or type(call["self"]).forward is not nn.MultiheadAttention.forward:
        return None
    module = call["self"]
    if module._forward_pre_hooks:
        return None
    output, weights = module.forward(*call["args"], **call["kwargs"])
    return output.transpose(0, 1) if module.batch_first and output.dim() == 3 else output, weights
