"""What a network stores and computes, counted by one pass over a copy that holds no numbers.

Multiply-accumulates are those of convolutions and matrix products, by the formulas of `torch.utils.flop_counter`,
which count two operations for each. Its FlopCounterMode itself is not used: it hooks into the modules of all threads,
those of other visitors too, and sees no shapes.
"""

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode  # torch's documents of extending it name it; no public one
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from attention.records import Convolution, GatescopeError


class CostError(GatescopeError):
    """A network that cannot be counted."""


@dataclass(frozen=True, eq=False)
class PassCost:
    """What one picture takes, by the dotted paths of the modules."""

    macs: dict[str, int]
    """Multiply-accumulates that a module computes itself, outside the modules in it."""
    outputs: dict[str, tuple[int, ...]]
    """Shape of the first tensor that a module's last call gave, without N."""
    convolutions: tuple[tuple[str, Convolution], ...]
    """The two-dimensional ones in the order of execution, each with the dotted path of the module that holds its
    weight; "" where no parameter of the network is the weight."""
    largest: int
    """Bytes of the largest tensor on the way."""
    note: str = ""
    """Said where it could not be counted without computing; empty where it could."""
    held: int = 0
    """Bytes of the parameters and buffers."""

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of the whole network."""
        return sum(self.macs.values())


F = TypeVar("F", bound=Callable[..., Any])


def _with_gradients(function: F) -> F:
    """Runs it with gradients. Inference mode would let operations through that are made of others, which have no
    formula of their own, and without gradients attention layers take a path of such."""
    return torch.inference_mode(mode=False)(torch.enable_grad()(function))


@_with_gradients
def measure(module: nn.Module, shape: Sequence[int]) -> PassCost:
    """Counts one pass in eval mode over an input of this shape, (N, ...). The module is copied, never run or changed.

    Raises CostError where neither a copy without numbers nor a full one can be run on this shape.
    """
    try:
        return measure_unallocated(meta_copy(module), shape)
    except Exception as error:  # whatever a module raises that looks at its numbers
        note = f"It cannot be counted without computing ({type(error).__name__}), so a copy of it was run."
    try:
        return _count_pass(copy.deepcopy(module), torch.zeros(tuple(shape)), note)
    except Exception as error:
        size = " × ".join(map(str, shape))
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CostError(f"{type(module).__name__} cannot be counted on an input of {size}: {reason}") from error


@_with_gradients
def measure_unallocated(module: nn.Module, shape: Sequence[int]) -> PassCost:
    """Counts one pass of a network without numbers that nobody else has: a small file can name a large one.

    Raises RuntimeError where it cannot see an input of this shape.
    """
    return _count_pass(module, torch.empty(tuple(shape), device="meta"))


@_with_gradients
def unallocated(build: Callable[[], nn.Module]) -> nn.Module:
    """A network on the meta device: all shapes, and none of the numbers. Raises what the building raises."""
    with torch.device("meta"):
        try:
            return build()
        except NotImplementedError:  # it works out its widths with tensors, whose numbers it then asks for
            with _ValuesOnCPU():
                return build().to("meta")


class _ValuesOnCPU(TorchFunctionMode):
    """Ranges, and numbers that are given, are there, whatever the device of the other tensors."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        ranges = {"device": "cpu"} if func in (torch.arange, torch.linspace, torch.tensor) else {}
        return func(*args, **ranges | (kwargs or {}))


def count_parameters(module: nn.Module) -> int:
    """The numbers that a network learns; those that have two names count once."""
    return sum(own_parameters(module).values())


def own_parameters(module: nn.Module) -> dict[str, int]:
    """Parameters that each module holds itself, by dotted path; one that several hold counts for the first."""
    own = dict.fromkeys((name for name, _ in module.named_modules()), 0)
    for name, parameter in module.named_parameters():  # each once
        own[name.rpartition(".")[0]] += parameter.numel()
    return own


def meta_copy(module: nn.Module) -> nn.Module:
    """A copy of the module on the meta device; its numbers are never copied."""
    known: dict[int, Any] = {}  # deepcopy's memo: what is in it is taken for a copy that is there already
    for parameter in module.parameters():
        known[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), parameter.requires_grad)
    for buffer in module.buffers():
        known[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(module, known)


def _count_pass(own: nn.Module, batch: Tensor, note: str = "") -> PassCost:
    """One pass of a module that nobody else has."""
    outputs: dict[str, tuple[int, ...]] = {}
    watch = _Watch({id(weight): name.removesuffix(".weight") for name, weight in own.named_parameters()})
    for name, part in own.eval().named_modules():
        part.register_forward_pre_hook(lambda _part, _inputs, name=name: watch.running.append(name))
        part.register_forward_hook(_exit_hook(watch, outputs, name))
    with watch:
        own(batch)
    macs = {name: flops // 2 for name, flops in watch.flops.items()}
    held = sum(tensor.numel() * tensor.element_size() for tensor in own.state_dict().values())
    return PassCost(macs, outputs, tuple(watch.convolutions), watch.largest, note, held)


def _exit_hook(watch: "_Watch", outputs: dict[str, tuple[int, ...]], name: str) -> Callable[..., None]:
    def leave(_part: nn.Module, _inputs: Any, output: Any) -> None:
        watch.running.pop()
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


class _Watch(TorchDispatchMode):
    """Sees every operation of the calling thread, and what it gives."""

    def __init__(self, names: dict[int, str]) -> None:
        super().__init__()
        self.names = names
        self.running: list[str] = []
        """The modules that run, the innermost last."""
        self.flops: Counter[str] = Counter()
        self.convolutions: list[tuple[str, Convolution]] = []
        self.largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if not func.is_view:  # a transposed weight takes no memory of its own
            sizes = [leaf.numel() * leaf.element_size() for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]
            self.largest = max([self.largest, *sizes])
        if formula := FORMULAS.get(func._overloadpacket):
            self.flops[self.running[-1] if self.running else ""] += formula(*args, **kwargs, out_val=result)
        if func._overloadpacket is torch.ops.aten.convolution:
            self.convolutions += self._convolution(result, *args)
        return result

    def _convolution(
        self, result: Tensor, features: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any
    ) -> Iterator[tuple[str, Convolution]]:
        """Arguments are those of `aten::convolution`; nothing where it is transposed, or not of two dimensions."""
        *_, transposed, _, groups = rest
        if weight.dim() == 4 and not transposed:
            outputs, _, *kernel = weight.shape
            height, width = result.shape[-2:]
            size = cast(tuple[int, int], tuple(kernel))
            run = Convolution(features.shape[1], outputs, size, groups, height, width, bias is not None)
            yield self.names.get(id(weight), ""), run


FORMULAS = {
    **flop_registry,
    # torch has formulas for the attention kernels of GPUs alone.
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: lambda query, key, value, *_, **__: sdpa_flop_count(
        query.shape, key.shape, value.shape
    ),
}
