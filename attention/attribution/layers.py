"""Which blocks of a network put out a map of places, and which non-linearities it computes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attention.records import GatescopeError

ACTIVATIONS = {"relu", "relu6", "hardtanh", "silu", "gelu", "hardswish", "elu", "celu", "selu", "leaky_relu"}
ACTIVATIONS |= {"prelu", "rrelu", "mish", "softplus"}


class AttributionError(GatescopeError):
    """A network, class or layer for which there is no such heatmap."""


@dataclass
class Layers:
    """What one pass found out about a network."""

    classes: int = 0
    finished: list[str] = field(default_factory=list)
    """Every module that was called, in the order in which the calls ended."""
    maps: dict[str, tuple[int, int]] = field(default_factory=dict)
    """The modules that put out one map (1, C, H, W) of more than one place, once, with its height and width."""
    blocks: tuple[str, ...] = ()
    """The blocks of the network among them, in the order in which they ended."""
    relus: int = 0
    """Calls of `nn.ReLU`."""
    others: set[str] = field(default_factory=set)
    """Non-linearities computed anywhere else than in an `nn.ReLU`; the smooth squashing of gates is not counted."""

    def layer(self, name: str | None) -> str:
        """The layer of this name, or else the last block. Raises AttributionError where it puts out no map."""
        if not self.blocks:
            raise AttributionError("No block of this network puts out a map of places, which Grad-CAM needs.")
        if name is not None and name not in self.maps:
            raise AttributionError(
                f"{name!r} puts out no map of places; the blocks that do are {self.blocks[0]} to {self.blocks[-1]}."
            )
        return name or self.blocks[-1]


class _Activations(TorchFunctionMode):
    """Writes down the non-linearities that are computed while `inside` is empty."""

    def __init__(self, others: set[str]) -> None:
        super().__init__()
        self.others = others
        self.inside: list[nn.Module] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "").removesuffix("_")
        if name in ACTIVATIONS and not self.inside:
            self.others.add(name)
        return function(*args, **kwargs or {})


@torch.no_grad()
def look(copy: nn.Module, shape: Sequence[int]) -> Layers:
    """One pass of an input of this shape (1, C, H, W) over a copy that nobody else uses.

    Raises AttributionError where the output is not (1, classes).
    """
    found = Layers()
    mode = _Activations(found.others)
    hooks = [hook for name, part in copy.named_modules() for hook in _watch(name, part, found, shape, mode)]
    with mode:
        first = next(copy.parameters(), torch.zeros(0))
        output = copy(torch.zeros(tuple(shape), device=first.device, dtype=first.dtype))
    for hook in hooks:
        hook.remove()
    if not isinstance(output, Tensor) or output.dim() != 2 or len(output) != 1:
        given = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"type {type(output).__name__}"
        raise AttributionError(f"The output for one picture has {given}; heatmaps need logits of shape (1, classes).")
    found.classes = output.shape[1]
    chosen = set(_blocks("", copy, found.maps))
    found.blocks = tuple(name for name in found.finished if name in chosen)
    return found


def _watch(
    name: str, part: nn.Module, found: Layers, shape: Sequence[int], mode: _Activations
) -> Iterable[torch.utils.hooks.RemovableHandle]:
    def end(module: nn.Module, inputs: Any, output: Any) -> None:
        if name in found.finished:
            found.maps.pop(name, None)
            return
        found.finished.append(name)
        if isinstance(output, Tensor) and _is_map(output.shape, shape):
            found.maps[name] = (output.shape[2], output.shape[3])

    yield part.register_forward_hook(end)
    if isinstance(part, nn.ReLU):
        yield part.register_forward_pre_hook(lambda module, inputs: mode.inside.append(module))
        yield part.register_forward_hook(_leave(found, mode))


def _leave(found: Layers, mode: _Activations) -> Callable[..., None]:
    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        found.relus += 1
        mode.inside.pop()

    return leave


def _is_map(output: Sequence[int], picture: Sequence[int]) -> bool:
    """Whether it is (N, C, H, W) in the proportions of the picture: (N, H, W, C) is not."""
    if len(output) != 4 or output[2] * output[3] < 2:
        return False
    (height, width), (tall, wide) = output[2:], picture[2:]
    return abs(height * wide - width * tall) <= max(tall, wide)


def _blocks(name: str, part: nn.Module, maps: dict[str, tuple[int, int]]) -> Iterable[str]:
    """The outermost modules with a convolution and a map that are not mere lists of such modules."""
    for short, child in part.named_children():
        path = f"{name}.{short}" if name else short
        if not any(isinstance(inner, nn.Conv2d) for inner in child.modules()):
            continue
        if path in maps and not _is_list(child):
            yield path
        else:
            yield from _blocks(path, child, maps)


def _is_list(part: nn.Module) -> bool:
    listed = isinstance(part, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    return listed and not any(isinstance(child, nn.Conv2d) for child in part.children())
