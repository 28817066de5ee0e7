"""One forward pass of a module, and every gate in it written down."""

import operator
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from attention.capture.calls import tensors_in
from attention.capture.gates import Edit, Gates, Owners, TraceError, check_names
from attention.capture.replay import Plan, ReplayMode, empty_plan
from attention.capture.steps import AllKept, StepRecorder
from attention.kinds import KINDS
from attention.numbers import amount
from attention.records import Gate, Rejected, Steps, Trace, owner_of


def trace(
    module: nn.Module, batch: Tensor, *, edits: Mapping[str, Edit] | None = None, steps: Iterable[str] = ()
) -> Trace:
    """Runs `module(batch)` once, as a plain call would, and finds its gates by what the pass does.

    The module is any eager one in any mode, and may return anything; it gets a copy of the batch, a float tensor
    (N, C, H, W), (N, C, L) or (N, C, D, H, W). Gradients and autocast follow the caller's setting. `Trace.output`
    equals the plain call's bit for bit, but for `nn.TransformerEncoderLayer`, which leaves its fused path.

    A gate's name is the path of the innermost module whose call was running ("" is the traced module itself);
    a module that applies several has them numbered `#1`, `#2` ... The values have the axes that the gate varies over,
    N first: (N, H) of the kind "height", (N, C, W) of "channel-width", (N, L) of "token", a map over a sequence.

    `edits` maps names to an array or tensor of the values, or to a function from the tensor of the values, in
    the gate's own dtype, to one; the pass goes on with it. `steps` names the gates whose inner steps are kept.

    No gate is a GLU: two parts of one tensor, or w1(x) * sigmoid(w2(x)) where each side is one layer of x, perhaps
    normalised. With more layers on a side it is reported as "full", without an activation too if several layers made
    it of the features themselves. A loop over the pictures of the batch applies one gate. `Trace.rejected` says of
    whatever else multiplies two tensors of the pass why it is no gate, and names what scripted code or numpy made.

    Raises TraceError for what cannot be traced, and for names that no gate has; what the module raises passes through.
    """
    return Tracer(module)(batch, edits=edits, steps=steps)


class Tracer:
    """Traces one module many times: discovers its gates in the first pass over a shape, and replays that plan.

    `tracer(batch, edits=..., steps=...)` is `trace(module, batch, edits=..., steps=...)`, bit for bit: a replay
    checks each call of a torch function, its plain arguments and which tensors of which shapes it reads, and where
    one differs, the rest of the pass is followed as in discovery. Nothing runs twice, so train mode, random numbers
    and counters are safe. Passes with `steps` are followed from the start: their inner values are copied on the way.

    One tracer may serve many threads at a time. It keeps the module, and no tensor of a pass. Without `copy` the
    module gets the batch itself, which it may write over as in a plain call.
    """

    def __init__(self, module: nn.Module, *, copy: bool = True) -> None:
        self._module = module
        self._copy = copy
        self._structure = _Structure(module)

    def __call__(self, batch: Tensor, *, edits: Mapping[str, Edit] | None = None, steps: Iterable[str] = ()) -> Trace:
        edits, steps = dict(edits or {}), (steps,) if isinstance(steps, str) else tuple(steps)
        recorder = StepRecorder(steps)
        structure, gates = self._start(batch, edits)
        output = self._run(batch, structure, gates, recorder if steps else None)
        named = gates.by_name()
        check_names(edits, named, "an edit was given for")
        check_names(steps, named, "steps were asked for")
        kept = {name: recorder.steps(name, named[name]) for name in steps}
        return Trace(output, tuple(named.values()), kept, gates.rejected())

    def steps(self, batch: Tensor, names: Iterable[str]) -> dict[str, Steps | None]:
        """`Trace.steps` of these gates of a trace, by a pass that ends at the last of them.

        Raises TraceError where the pass is over and has not applied them all.
        """
        names = tuple(names)
        recorder = StepRecorder(names, until_kept=True)
        structure, gates = self._start(batch, {})
        try:
            self._run(batch, structure, gates, recorder)
        except AllKept:
            named = gates.by_name()
        else:
            named = gates.by_name()
            check_names(names, named, "steps were asked for")
        # A pass that ends at a module's first gate does not see that there is a second.
        return {name: recorder.steps(name, named.get(name) or named[name.removesuffix("#1")]) for name in names}

    def _start(self, batch: Tensor, edits: Mapping[str, Edit]) -> tuple["_Structure", Gates]:
        structure = self._structure
        if not structure.is_current():
            structure = self._structure = _Structure(self._module)
        _check(batch)
        return structure, Gates(structure.owners, edits, len(batch))

    def _run(self, batch: Tensor, structure: "_Structure", gates: Gates, recorder: StepRecorder | None) -> Any:
        """What the module returns; its gates are written down. Only a pass without steps is a replay."""
        plan = None if recorder else structure.plan(batch)
        if plan is None:
            _check_form(self._module, batch)
        if self._copy:
            batch = batch.clone()
        replay = ReplayMode(plan or empty_plan(batch), structure, gates=gates, recorder=recorder)
        replay.start(batch)
        with replay:
            output = self._module(batch)
        structure.keep(batch, replay.new_plan())
        return output


_PLANS = 8
_REGISTRIES = frozenset(nn.Module().__dict__)
_WITHOUT_TENSORS = frozenset((bool, int, float, str, type(None)))
_COMPILED = operator.attrgetter("_compiled_call_impl")


class _Structure:
    """The module's parts, and the plans of the passes through them by the form of the batch."""

    def __init__(self, module: nn.Module) -> None:
        parts = _parts(module)
        self.owners = Owners(parts)
        self._module = module
        self._parts = tuple(parts.values())
        self._children = [part._modules for part in self._parts]
        self._seen = [dict(children) for children in self._children]
        self._plans: dict[tuple[Any, ...], Plan] = {}

    def is_current(self) -> bool:
        """Whether the module has the same parts, and none has been compiled since."""
        return self._children == self._seen and not any(map(_COMPILED, self._parts))

    def learned(self) -> Iterator[Tensor]:
        return (tensor for part in self._parts for tensor in _learned(part))

    def attribute_tensors(self) -> Iterator[Tensor]:
        """The tensors that are plain attributes of a part, or stand in a list or dictionary there."""
        for part in self._parts:
            for name, value in part.__dict__.items():
                if type(value) not in _WITHOUT_TENSORS and name not in _REGISTRIES:
                    yield from tensors_in((value, list(value.values()) if isinstance(value, dict) else None))

    def plan(self, batch: Tensor) -> Plan | None:
        plan = self._plans.get(self._key(batch))
        return plan if plan is not None and plan.is_valid() else None

    def keep(self, batch: Tensor, plan: Plan | None) -> None:
        """Keeps the newest plans; those that read other parameters are gone with these."""
        if plan is not None:
            others = [(key, old) for key, old in self._plans.items() if old.learned.keys() == plan.learned.keys()]
            self._plans = dict(others[1 - _PLANS :]) | {self._key(batch): plan}

    def _key(self, batch: Tensor) -> tuple[Any, ...]:
        return (batch.shape, batch.dtype, self._module.training)


def _parts(module: Any) -> dict[str, nn.Module]:
    """The module and its submodules by path, all of which must be eager."""
    if not isinstance(module, nn.Module):
        raise TraceError(f"{type(module).__name__} cannot be traced: only a torch.nn.Module can")
    parts = dict(module.named_modules())
    for name, part in parts.items():
        if isinstance(part, torch.jit.ScriptModule):
            raise TraceError(f"{_label(name)} is scripted, and its operations cannot be seen: trace the eager module")
        if "_orig_mod" in part._modules or part._compiled_call_impl is not None:
            raise TraceError(f"{_label(name)} is compiled, and its operations cannot be seen: trace the eager module")
        if isinstance(part, nn.DataParallel) and part.device_ids:
            raise TraceError(f"{_label(name)} is DataParallel, which runs in other threads: trace its `.module`")
        if any(tensor.is_meta for tensor in _learned(part)):
            raise TraceError(f"{_label(name)} is on the device meta, where weights have no values: load them first")
    return parts


def _learned(part: nn.Module) -> Iterator[Tensor]:
    yield from (tensor for tensor in part._parameters.values() if tensor is not None)
    yield from (tensor for tensor in part._buffers.values() if tensor is not None)


def _check(batch: Any) -> None:
    if torch._C._functorch.peek_interpreter_stack() is not None:
        raise TraceError("it is called under torch.func (vmap, jvp ...), whose tensors have no values: trace it plain")
    features = isinstance(batch, Tensor) and batch.is_floating_point() and batch.dim() in (3, 4, 5)
    if not features or not batch.numel():
        raise TraceError(
            f"the batch is {_describe(batch)}, and must be a float tensor (N, C, H, W), (N, C, L) or (N, C, D, H, W)"
            " that is not empty"
        )


def _check_form(module: nn.Module, batch: Tensor) -> None:
    """Torch's convolutions take a picture without a batch, and its axes would be misread."""
    kernel = next((weight for weight in module.parameters() if weight.dim() > 2), None)
    if kernel is not None and kernel.dim() == batch.dim() + 1 and 1 < kernel.shape[1] == len(batch):
        raise TraceError(
            f"the batch is {_describe(batch)}, and the module's first layer takes {kernel.dim()} axes: put the axis N"
            " of the samples first"
        )


def _label(name: str) -> str:
    return f"the submodule {name!r}" if name else "the module"


def _describe(batch: Any) -> str:
    if isinstance(batch, Tensor):
        return f"a tensor of {str(batch.dtype).removeprefix('torch.')} and shape {tuple(batch.shape)}"
    return f"of type {type(batch).__name__}"


NOTHING = "Nothing here multiplies features by something computed from them."
NO_GATE = "No product here is a gate."
_NAMED = 3
"""How many modules a sentence names."""


def coverage(trace: Trace) -> tuple[str, ...]:
    """One sentence for each kind and activation of the gates, and one for each reason of what is no gate.

    Every product of two tensors that depend on the input is in one of them, wherever torch's functions compute it.
    """
    if not trace.gates and not trace.rejected:
        return (NOTHING,)
    return (*(_gates(trace.gates) if trace.gates else [NO_GATE]), *_rejections(trace.rejected))


def _gates(gates: Sequence[Gate]) -> list[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for gate in gates:
        groups.setdefault((KINDS[gate.kind].number_for, gate.activation), []).append(owner_of(gate.name))
    return [
        f"{amount(len(names), 'gate')} with a number for {number}, "
        f"{'without a bounded activation' if activation == 'none' else f'from {activation}'}: {_places(names)}."
        for (number, activation), names in groups.items()
    ]


def _rejections(rejected: Sequence[Rejected]) -> list[str]:
    counts: Counter[str] = Counter()
    names: dict[str, list[str]] = {}
    for each in rejected:
        counts[each.reason] += each.count
        names.setdefault(each.reason, []).append(each.name)
    return [
        f"{amount(count, 'operation')} that came close and {'is' if count == 1 else 'are'} no gate: "
        f"{reason} – {_places(names[reason])}."
        for reason, count in counts.items()
    ]


def _places(names: Iterable[str]) -> str:
    """Where, by the paths of the modules: the first few, and how many more."""
    paths = list(dict.fromkeys(names))
    shown = ", ".join(f"“{path}”" if path else "the network itself" for path in paths[:_NAMED])
    return f"in {shown} and {len(paths) - _NAMED} more" if len(paths) > _NAMED else f"in {shown}"
