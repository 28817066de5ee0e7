"""Which blocks of a network put out a map of places, and which non-linearities it computes."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from attention.records import GatescopeError

ACTIVATIONS = {"relu", "relu6", "hardtanh", "silu", "gelu", "hardswish", "elu", "celu", "selu", "leaky_relu"}
ACTIVATIONS |= {"prelu", "rrelu", "mish", "softplus"}
MOST_OTHERS = 8
"""Tokens that may stand before those of the places: a class token, one for distillation, registers."""


class AttributionError(GatescopeError):
    """A network, class or layer for which there is no such heatmap."""


@dataclass
class Layers:
    """What one pass found out about a network."""

    classes: int = 0
    finished: list[str] = field(default_factory=list)
    """Every module that was called, in the order in which the calls ended."""
    maps: dict[str, "Places"] = field(default_factory=dict)
    """The modules that put out one map of more than one place, once, and where in their output it lies."""
    blocks: tuple[str, ...] = ()
    """The blocks of the network among them, in the order in which they ended."""
    relus: int = 0
    """Calls of `nn.ReLU`."""
    bytes: int = 0
    """What all tensors on the way take together: no more is kept for a gradient back to the picture."""
    others: set[str] = field(default_factory=set)
    """Non-linearities computed anywhere else than in an `nn.ReLU`; the smooth squashing of gates is not counted."""

    def layer(self, name: str | None) -> str:
        """The layer of this name, or else the usual one, of which a network without blocks has none. Raises
        AttributionError where it puts out no map."""
        if name is not None and name not in self.maps:
            raise AttributionError(
                f"{name!r} puts out no map of places; the blocks that do are {self.blocks[0]} to {self.blocks[-1]}."
            )
        return name or self.usual

    @property
    def usual(self) -> str:
        """The last block; of one that puts out tokens beside those of places, such as a class token, the one before.

        Behind the last block such a network reads that token alone, and no place of its output has a gradient.
        """
        last, before = self.blocks[-1], self.blocks[-2:][0]
        alike = last in self.maps and self.maps[before] == self.maps[last]
        return before if self.maps[last].others and alike else last


class Places(NamedTuple):
    """Where a map of places (H, W) lies in the output of a module for one picture."""

    height: int
    width: int
    form: Literal["first", "last", "tokens"] = "first"
    """Channels first, (1, C, H, W); channels last, (1, H, W, C); a sequence, (1, L, C)."""
    others: int = 0
    """Tokens that stand before those of the places."""
    channels: int = 0

    def to_map(self, output: Tensor) -> Tensor:
        """(C, H, W) of an output for one picture."""
        if self.form == "first":
            return output[0]
        if self.form == "last":
            return output[0].movedim(-1, 0)
        places = output[0, self.others :]
        return places.T.reshape(places.shape[1], self.height, self.width)


class _Activations(TorchFunctionMode):
    """Writes down the non-linearities that are computed while `inside` is empty, and what all results take."""

    def __init__(self, found: Layers) -> None:
        super().__init__()
        self.found = found
        self.inside: list[nn.Module] = []

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "").removesuffix("_")
        if name in ACTIVATIONS and not self.inside:
            self.found.others.add(name)
        result = function(*args, **kwargs or {})
        # A view takes no memory of its own; torch has no public name for asking.
        if isinstance(result, Tensor) and not result._is_view() and all(result is not each for each in args):
            self.found.bytes += result.numel() * result.element_size()
        return result


@torch.no_grad()
def inspect_layers(copy: nn.Module, shape: Sequence[int]) -> Layers:
    """One pass of an input of this shape (1, C, H, W) over a copy that nobody else uses.

    Raises AttributionError where the output is not (1, classes).
    """
    found = Layers()
    mode = _Activations(found)
    hooks = [hook for name, part in copy.named_modules() for hook in _watch(name, part, found, shape, mode)]
    first = next(copy.parameters(), torch.zeros(0))
    nothing = torch.zeros(tuple(shape), device=first.device, dtype=first.dtype)
    with mode:
        output = copy(nothing)
    for hook in hooks:
        hook.remove()
    if not isinstance(output, Tensor) or output.dim() != 2 or len(output) != 1:
        given = f"shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"type {type(output).__name__}"
        raise AttributionError(f"The output for one picture has {given}; heatmaps need logits of shape (1, classes).")
    found.classes = output.shape[1]
    chosen = set(_blocks("", copy, found.maps))
    blocks = tuple(name for name in found.finished if name in chosen)
    wide = tuple(name for name in blocks if found.maps[name].channels > 1)  # one channel is a gate's, not features
    found.blocks = wide or blocks
    return found


def _watch(
    name: str, part: nn.Module, found: Layers, shape: Sequence[int], mode: _Activations
) -> Iterable[torch.utils.hooks.RemovableHandle]:
    def end(module: nn.Module, inputs: Any, output: Any) -> None:
        if name in found.finished:
            found.maps.pop(name, None)
            return
        found.finished.append(name)
        if isinstance(output, Tensor) and (places := _places(output.shape, shape)):
            found.maps[name] = places

    yield part.register_forward_hook(end)
    if isinstance(part, nn.ReLU):
        yield part.register_forward_pre_hook(lambda module, inputs: mode.inside.append(module))
        yield part.register_forward_hook(_leave(found, mode))


def _leave(found: Layers, mode: _Activations) -> Callable[..., None]:
    def leave(module: nn.Module, inputs: Any, output: Any) -> None:
        found.relus += 1
        mode.inside.pop()

    return leave


def _places(output: Sequence[int], picture: Sequence[int]) -> Places | None:
    """Where an output of this shape has a map in the proportions of the picture; None where it has none."""
    if len(output) == 4:
        _, *sizes = output
        if _is_map(sizes[1], sizes[2], picture):
            return Places(sizes[1], sizes[2], channels=sizes[0])
        return Places(sizes[0], sizes[1], "last", channels=sizes[2]) if _is_map(sizes[0], sizes[1], picture) else None
    if len(output) != 3:
        return None
    tall, wide = picture[2:]
    for others in range(min(MOST_OTHERS, output[1]) + 1):
        height = round(math.sqrt((output[1] - others) * tall / wide))
        width = (output[1] - others) // max(height, 1)
        if height * width == output[1] - others and _is_map(height, width, picture):
            return Places(height, width, "tokens", others, channels=output[2])
    return None


def _is_map(height: int, width: int, picture: Sequence[int]) -> bool:
    """Whether a map of this height and width has more than one place, in the proportions of a picture (1, C, H, W)."""
    tall, wide = picture[2:]
    return height * width > 1 and abs(height * wide - width * tall) <= max(tall, wide)


def _blocks(name: str, part: nn.Module, maps: dict[str, Places]) -> Iterable[str]:
    """The outermost modules with a convolution, or a linear layer over tokens, and a map, that are not mere lists."""
    for short, child in part.named_children():
        path = f"{name}.{short}" if name else short
        first = path not in maps or maps[path].form == "first"
        layers = (nn.Conv2d,) if first and not _over_tokens(path, maps) else (nn.Conv2d, nn.Linear)
        if not any(isinstance(inner, layers) for inner in child.modules()):
            continue
        if path in maps and not _is_list(child) and (first or not _holds_blocks(child)):
            yield path
        else:
            yield from _blocks(path, child, maps)


def _over_tokens(path: str, maps: dict[str, Places]) -> bool:
    """Whether a module in this one puts out tokens or channels last."""
    return any(name.startswith(f"{path}.") and places.form != "first" for name, places in maps.items())


def _holds_blocks(part: nn.Module) -> bool:
    """Whether somewhere in this module is a list of two or more parts with several linear layers each."""

    def has_several_layers(part: nn.Module) -> bool:
        return sum(isinstance(inner, nn.Linear) for inner in part.modules()) > 1

    lists = (inner for inner in part.modules() if isinstance(inner, nn.Sequential | nn.ModuleList))
    return any(sum(map(has_several_layers, inner.children())) > 1 for inner in lists)


def _is_list(part: nn.Module) -> bool:
    listed = isinstance(part, nn.Sequential | nn.ModuleList | nn.ModuleDict)
    return listed and not any(isinstance(child, nn.Conv2d | nn.Linear) for child in part.children())
