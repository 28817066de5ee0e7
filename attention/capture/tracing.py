"""One forward pass of a module, and every gate in it written down."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attention.capture.axes import volumes
from attention.capture.gates import Edit, Gates, TraceError, known
from attention.capture.mode import Follower
from attention.capture.notes import Note, Notes, fresh
from attention.capture.stack import Owners
from attention.capture.steps import Recorder
from attention.records import Trace


def trace(
    module: nn.Module, batch: Tensor, *, edits: Mapping[str, Edit] | None = None, steps: Iterable[str] = ()
) -> Trace:
    """Runs `module(batch)` once, as a plain call would, and finds its gates by what the pass does.

    The module is any eager one, in the mode (train or eval) that it is in, and may return anything; batch is a float
    tensor (N, C, H, W), (N, C, L) or (N, C, D, H, W). A detection network, which takes a list, iterates over it.
    Gradients and autocast follow the caller's setting. `Trace.output` equals the plain call's bit for bit, with
    one exception: `nn.TransformerEncoderLayer` leaves its fused path when it is watched, which may move the last
    bits. The batch is copied, so a module that writes into it writes into the copy.

    A gate's name is the path of the innermost module whose call was running ("" is the traced module itself);
    a module that applies several has them numbered `#1`, `#2` ... The values have the axes N, C, D, H, W that the
    gate varies over, N first: (N, H) of the kind "height", (N, C, W) of "channel-width", (N, L) of "token", which a
    map over a sequence is, (N, D, H, W) of "volume".

    `edits` maps names to an array or tensor of the values, or to a function from the tensor of the values, in
    the gate's own dtype, to one; the pass goes on with it. `steps` names the gates whose inner steps are kept.

    No gate: a GLU, where both sides vary over the same axes and are two parts of one tensor, or each one learned layer
    (linear or convolution, then perhaps a normalisation and an activation) of one tensor: w1(x) * sigmoid(w2(x)).
    `Trace.rejected` says which products came close. One of more layers than one on a side is reported as "full".

    Not found: torch.lerp, x / (1 + exp(-z)), gates inside compiled, scripted or numpy code, gates used as
    the weight of a convolution or matrix product.

    Raises TraceError for what cannot be traced, and for names that no gate of the pass has; what the module
    raises passes through.
    """
    parts = _parts(module)
    _check(batch)
    _batched(module, batch)
    edits, steps = dict(edits or {}), (steps,) if isinstance(steps, str) else tuple(steps)
    notes = Notes(tensor for part in parts.values() for tensor in _learned(part))
    gates = Gates(Owners(parts), edits)
    recorder = Recorder(steps)
    batch = batch.clone()
    notes.put(batch, Note(fresh(), volumes(batch.shape) if batch.dim() == 5 else None))
    with Follower(notes, gates, recorder if steps else None):
        output = module(batch)
    named = gates.named()
    known(edits, named, "an edit was given for")
    known(steps, named, "steps were asked for")
    kept = {name: recorder.steps(named[name]) for name in steps}
    return Trace(output, tuple(named.values()), kept, gates.rejected())


def _parts(module: Any) -> dict[str, nn.Module]:
    """The module and its submodules by path, all of which must be eager."""
    if not isinstance(module, nn.Module):
        raise TraceError(f"{type(module).__name__} cannot be traced: only a torch.nn.Module can")
    parts = dict(module.named_modules())
    for name, part in parts.items():
        if isinstance(part, torch.jit.ScriptModule):
            raise TraceError(f"{_named(name)} is scripted, and its operations cannot be seen: trace the eager module")
        if "_orig_mod" in part._modules or part._compiled_call_impl is not None:
            raise TraceError(f"{_named(name)} is compiled, and its operations cannot be seen: trace the eager module")
        if isinstance(part, nn.DataParallel) and part.device_ids:
            raise TraceError(f"{_named(name)} is DataParallel, which runs in other threads: trace its `.module`")
    return parts


def _learned(part: nn.Module) -> Iterator[Tensor]:
    yield from (tensor for tensor in part._parameters.values() if tensor is not None)
    yield from (tensor for tensor in part._buffers.values() if tensor is not None)


def _check(batch: Any) -> None:
    features = isinstance(batch, Tensor) and batch.is_floating_point() and batch.dim() in (3, 4, 5)
    if not features or not batch.numel():
        raise TraceError(
            f"the batch is {_described(batch)}, and must be a float tensor (N, C, H, W), (N, C, L) or (N, C, D, H, W)"
            " that is not empty"
        )


def _batched(module: nn.Module, batch: Tensor) -> None:
    """Torch's convolutions take a picture without a batch, and its axes would be misread."""
    kernel = next((weight for weight in module.parameters() if weight.dim() > 2), None)
    if kernel is not None and kernel.dim() == batch.dim() + 1 and 1 < kernel.shape[1] == len(batch):
        raise TraceError(
            f"the batch is {_described(batch)}, and the module's first layer takes {kernel.dim()} axes: put the axis N"
            " of the samples first"
        )


def _named(name: str) -> str:
    return f"the submodule {name!r}" if name else "the module"


def _described(batch: Any) -> str:
    if isinstance(batch, Tensor):
        return f"a tensor of {str(batch.dtype).removeprefix('torch.')} and shape {tuple(batch.shape)}"
    return f"of type {type(batch).__name__}"
