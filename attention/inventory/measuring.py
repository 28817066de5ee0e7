"""What every module of a network computes and gives, from one pass over a copy that holds no numbers."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from attention.records import GatescopeError


class InventoryError(GatescopeError):
    """A network that cannot be counted."""


@dataclass(frozen=True)
class Measured:
    """Of the modules of a network, by dotted path, for one picture."""

    macs: dict[str, int]
    """Multiply-accumulates that a module computes itself, outside the modules in it."""
    outputs: dict[str, tuple[int, ...]]
    """Shape of the first tensor that a module's last call gave, without N."""
    note: str
    """Said where it could not be counted without computing; empty where it could."""


def measure(module: nn.Module, shape: Sequence[int]) -> Measured:
    """Counts one pass in eval mode over an input of this shape, (N, ...). The module is copied, never run or changed.

    Raises InventoryError where neither a copy without numbers nor a full one can be run on this shape.
    """
    try:
        return _measured(_shadow(module), torch.empty(tuple(shape), device="meta"))
    except Exception as error:  # whatever a module raises that looks at its numbers
        note = f"It cannot be counted without computing ({type(error).__name__}), so a copy of it was run."
    try:
        return _measured(copy.deepcopy(module), torch.zeros(tuple(shape)), note)
    except Exception as error:
        size = " × ".join(map(str, shape))
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InventoryError(f"{type(module).__name__} cannot be counted on an input of {size}: {reason}") from error


def _shadow(module: nn.Module) -> nn.Module:
    """A copy of the module on the meta device; its numbers are never copied."""
    known: dict[int, Any] = {}
    for parameter in module.parameters():
        known[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    for buffer in module.buffers():
        known[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(module, known)


def _measured(own: nn.Module, batch: Tensor, note: str = "") -> Measured:
    """One pass of a module that nobody else has. Gradients keep attention layers on the path that can be counted."""
    place = _Place()
    outputs: dict[str, tuple[int, ...]] = {}
    for name, part in own.eval().named_modules():
        part.register_forward_pre_hook(lambda _part, _inputs, name=name: place.enter(name))
        part.register_forward_hook(_leaving(place, outputs, name))
    with torch.enable_grad(), _Counter(place) as counter:
        own(batch)
    flops = {name: sum(counts.values()) for name, counts in counter.get_flop_counts().items() if name != "Global"}
    return Measured({name: count // 2 for name, count in flops.items()}, outputs, note)


def _leaving(place: "_Place", outputs: dict[str, tuple[int, ...]], name: str) -> Callable[..., None]:
    def leave(_part: nn.Module, _inputs: Any, output: Any) -> None:
        place.leave()
        tensor = _first(output)
        if tensor is not None:
            outputs[name] = tuple(tensor.shape[1:])

    return leave


def _first(output: Any) -> Tensor | None:
    """The first tensor of a module's output, which may be a tuple, a list or a dict."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return next((tensor for part in parts if (tensor := _first(part)) is not None), None)


class _Place:
    """Where the pass is. Torch's own tracker hooks every module of the process, those of other sessions too."""

    def __init__(self) -> None:
        self._running: list[str] = []

    @property
    def parents(self) -> set[str]:
        """What the counter books an operation on: the whole, and the innermost module that runs."""
        return {"Global", *self._running[-1:]}

    def enter(self, name: str) -> None:
        self._running.append(name)

    def leave(self) -> None:
        self._running.pop()

    def __enter__(self) -> "_Place":
        return self

    def __exit__(self, *_: object) -> None:
        self._running.clear()


class _Counter(FlopCounterMode):
    def __init__(self, place: _Place) -> None:
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # torch counts those of GPUs alone
        super().__init__(display=False, custom_mapping={fused: _attention})
        self.mod_tracker = place  # type: ignore[assignment]


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)
