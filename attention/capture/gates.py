"""The gates of one pass: which module applies each, its values, and the edits of them."""

import difflib
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from attention.capture.axes import narrow_to
from attention.capture.matching import GateMatch, Rejection
from attention.records import Floats, Gate, GatescopeError, Rejected, owner_of

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


class Gates:
    """Collects the gates in the order of execution and applies the edits. `pictures` is the number of the batch."""

    def __init__(self, owners: "Owners", edits: Mapping[str, Edit], pictures: int) -> None:
        self._owners = owners
        self._edits = edits
        self._pictures = pictures
        self._applied: list[_AppliedGate] = []
        self._counts: Counter[str] = Counter()
        self._turns: Counter[tuple[str, tuple[int, int]]] = Counter()
        self._rejections: Counter[tuple[str, Rejection]] = Counter()

    def reject(self, rejection: Rejection) -> None:
        """Writes down that a product came close and applies no gate."""
        self._rejections[self._owners.running(), rejection] += 1

    def rejected(self) -> tuple[Rejected, ...]:
        """What came close, in the order in which it was first seen."""
        return tuple(Rejected(owner, *rejection, count) for (owner, rejection), count in self._rejections.items())

    def add(self, gate: Tensor, match: GateMatch) -> tuple[str, int, Tensor | None]:
        """Writes one gate down -> its owner, its number there, and the edited gate where it has an edit."""
        owner, layout = self._owners.running(), match.layout
        number = self._number(owner, match.samples)
        narrow = gate if gate.shape == layout.sizes else narrow_to(gate, match.varying, len(match.shape))
        self._applied.append(_AppliedGate(owner, number, own_copy(narrow), match))
        for name in possible_names(owner, number) if self._edits else ():
            if name in self._edits:
                edited = self._edited(name, layout.values(narrow), match.samples)
                return owner, number, _laid_out_like(layout.gate(edited), gate)
        return owner, number, None

    def _number(self, owner: str, samples: tuple[int, int] | None) -> int:
        """A loop over the pictures of a batch applies one gate, picture by picture: each turn counts from one."""
        if samples is None:
            self._counts[owner] += 1
            return self._counts[owner]
        self._turns[owner, samples] += 1
        self._counts[owner] = max(self._counts[owner], self._turns[owner, samples])
        return self._turns[owner, samples]

    def _edited(self, name: str, values: Tensor, samples: tuple[int, int] | None) -> Tensor:
        edit = self._edits[name]
        given = edit(values.clone()) if callable(edit) else edit
        if not isinstance(given, Tensor | np.ndarray):
            raise TraceError(f"the edit of {name!r} gives {type(given).__name__}, and must give an array or a tensor")
        edited, shape = torch.as_tensor(given), tuple(values.shape)
        if samples is not None and not callable(edit):
            shape = (self._pictures, *shape[1:])
        if tuple(edited.shape) != shape:
            raise TraceError(f"the edit of {name!r} has the shape {tuple(edited.shape)}, and the gate has {shape}")
        if samples is not None and not callable(edit):
            edited = edited[samples[0] : sum(samples)]
        dtype = values.dtype if values.is_floating_point() else torch.float32
        return edited.to(dtype=dtype, device=values.device)

    def by_name(self) -> dict[str, Gate]:
        """The gates by name: `#1`, `#2` ... where a module applied several, or is the network, which has no name. The
        turns of a loop over the pictures are put together in the order of the pictures."""
        values = to_host([each.match.layout.values(each.narrow, shaped=False) for each in self._applied])
        groups: dict[tuple[str, int], list[int]] = {}
        for index, each in enumerate(self._applied):
            groups.setdefault((each.owner, each.number), []).append(index)
        groups = self._apart_where_unlike(groups)
        several = {owner for owner, number in groups if number > 1 or not owner}
        gates = {}
        for (owner, number), group in groups.items():
            name = f"{owner}#{number}" if owner in several else owner
            turns = sorted(group, key=lambda index: self._applied[index].match.samples or ())
            match = self._applied[turns[0]].match
            parts = [values[index].reshape(self._applied[index].match.layout.shape) for index in turns]
            array, inner = np.concatenate(parts), match.shape[1:] if match.layout.holds_samples else match.shape
            gates[name] = _gate(name, match, array, match.shape if match.samples is None else (len(array), *inner))
        return self._with_makers(gates, several)

    def _with_makers(self, gates: dict[str, Gate], several: set[str]) -> dict[str, Gate]:
        """Which submodule made each gate of a module that applied several: a forward of `x = self.ca(x) * x`."""
        layers = {(each.owner, each.number): each.match.layers for each in self._applied if each.owner in several}
        if not layers:
            return gates
        holders = self._owners.holders(frozenset().union(*layers.values()))
        for (owner, number), weights in layers.items():
            makers = {_child(owner, holders.get(weight, owner)) for weight in weights}
            name = f"{owner}#{number}"
            if name in gates and len(makers) == 1:
                gates[name] = replace(gates[name], maker=makers.pop())
        return gates

    def _apart_where_unlike(self, groups: dict[tuple[str, int], list[int]]) -> dict[tuple[str, int], list[int]]:
        """The gates of a module whose turns over the pictures have different forms, each with a number of its own."""
        loose = {owner for (owner, _), group in groups.items() if not self._fit_together(group)}
        for name in self._edits:
            if owner_of(name) in loose:
                raise TraceError(f"an edit was given for {name!r}, whose gates have another form for each picture")
        numbers, apart = Counter[str](), {key: group for key, group in groups.items() if key[0] not in loose}
        for index, each in enumerate(self._applied):
            if each.owner in loose:
                numbers[each.owner] += 1
                apart[each.owner, numbers[each.owner]] = [index]
        return dict(sorted(apart.items(), key=lambda item: item[1][0]))

    def _fit_together(self, group: list[int]) -> bool:
        """Whether these are the turns of one loop: of other pictures each, and of one form."""
        if len(group) == 1:
            return True
        matches = [self._applied[index].match for index in group]
        ends = sorted((first, first + count) for first, count in (each.samples or (0, 0) for each in matches))
        disjoint = all(one[1] <= other[0] for one, other in itertools.pairwise(ends))
        return disjoint and len({(each.kind, each.layout.shape[1:]) for each in matches}) == 1


def _gate(name: str, match: GateMatch, values: Floats, shape: tuple[int, ...]) -> Gate:
    low, high = np.minimum.reduce(values, axis=None), np.maximum.reduce(values, axis=None)
    return Gate(name, match.kind, match.activation, values, shape, float(low), float(high))


def _child(owner: str, path: str) -> str:
    """The submodule of the owner that a module inside it belongs to; "" where it is the owner, or elsewhere."""
    inside = path.removeprefix(f"{owner}.") if owner else path
    first = inside.partition(".")[0] if path != owner and (inside != path or not owner) else ""
    return f"{owner}.{first}".strip(".") if first else ""


def possible_names(owner: str, number: int) -> tuple[str, ...]:
    """What a gate may be called while it is not known yet whether its module will apply another."""
    return (owner, f"{owner}#1") if owner and number == 1 else (f"{owner}#{number}",)


def check_names(asked: Iterable[str], names: Iterable[str], what: str) -> None:
    """Raises TraceError where something was asked of a gate that the pass did not apply."""
    names = list(names)
    for name in asked:
        if name not in names:
            inside = [other for other in names if other.startswith(str(name))]
            near = inside[:4] or difflib.get_close_matches(str(name), names, n=4, cutoff=0.0)
            nearest = f"the nearest of its {len(names)} gates are {', '.join(map(repr, near))}"
            allowed = nearest if names else "it has none"
            raise TraceError(f"{what} {name!r}, which names no gate that this pass applied: {allowed}")


def to_host(tensors: Sequence[Tensor]) -> list[Floats]:
    """Float32 arrays of dense tensors that nobody writes over any more, and that need no gradient.

    This is the one place where values leave their device: all copies are under way before the one wait for them.
    """
    devices = {tensor.device for tensor in tensors if not tensor.is_cpu}
    copies = [tensor.to("cpu", torch.float32, non_blocking=True) for tensor in tensors] if devices else tensors
    for device in devices:
        getattr(torch, device.type).synchronize()  # torch.accelerator is newer than the oldest torch allowed
    return [(copy if copy.dtype is torch.float32 else copy.float()).numpy() for copy in copies]


def own_copy(tensor: Tensor) -> Tensor:
    """A dense copy on the same device: the module may write over its own tensor."""
    return (tensor.detach() if tensor.requires_grad else tensor).clone(memory_format=torch.contiguous_format)


def _laid_out_like(edited: Tensor, gate: Tensor) -> Tensor:
    """The edited gate, laid out in memory like the original, so that the product is laid out the same."""
    if edited.shape == gate.shape:
        return torch.empty_like(gate, dtype=edited.dtype).copy_(edited)
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
        self._parts = parts

    def holders(self, weights: frozenset[int]) -> dict[int, str]:
        """The paths of the modules that hold these parameters, which are named by their identity."""
        held = ((name, tensor) for name, part in self._parts.items() for tensor in part._parameters.values())
        return {id(tensor): name for name, tensor in held if id(tensor) in weights}

    def running(self) -> str:
        for call in _running_calls():
            name = self._names.get(id(call["self"]))
            if name is not None:
                inside = _running_node(call["self"])
                return f"{name}.{inside}".strip(".") if inside else name
        return ""


def _running_node(module: nn.Module) -> str:
    """The path of the module that a line of a torch.fx graph was traced from; "" where the graph does not say."""
    if not isinstance(module, torch.fx.GraphModule):
        return ""
    code, frame = type(module).forward.__code__, sys._getframe(1)
    while frame is not None and frame.f_code is not code:
        frame = frame.f_back  # type: ignore[assignment]
    lines = module._lineno_map or {}
    number = lines.get(frame.f_lineno - code.co_firstlineno) if frame is not None else None
    if number is None:
        return ""
    stack = list(module.graph.nodes)[number].meta.get("nn_module_stack") or {}
    paths = [path for path, _ in stack.values()]
    return paths[-1].removeprefix("L['self'].") if paths else ""


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
