"""Which modules are running: read from the Python stack of the calling thread, so nothing is put on a module."""

import sys
from collections.abc import Iterator, Mapping
from types import FrameType
from typing import Any

from torch import Tensor, nn

_CALL = nn.Module.__call__.__code__


def _calls() -> Iterator[dict[str, Any]]:
    """The `self`, `args` and `kwargs` of each `Module.__call__` that is running, innermost first.

    Reading a frame's variables may keep them alive until it returns; those of this one live as long anyway.
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
        for call in _calls():
            name = self._names.get(id(call["self"]))
            if name is not None:
                return name
        return ""


def fused_attention() -> tuple[Tensor, Tensor | None] | None:
    """What the running `nn.MultiheadAttention` computes when nobody watches, as its last step returns it.

    Its fused path is shut while a mode is on, so its forward runs again, from a place where none is. None where
    it may have been called with other arguments than its forward got.
    """
    call = next(_calls(), None)
    if call is None or type(call["self"]).forward is not nn.MultiheadAttention.forward:
        return None
    module = call["self"]
    if module._forward_pre_hooks:
        return None
    output, weights = module.forward(*call["args"], **call["kwargs"])
    return output.transpose(0, 1) if module.batch_first and output.dim() == 3 else output, weights
