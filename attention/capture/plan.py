"""The plan of a pass: each call of a torch function that discovery saw, and what it noted of the call.

What discovery knows of a tensor follows from the calls alone: from their functions, their plain arguments, and which
tensors of which shapes they read. A pass that repeats them all has the same gates, whatever its numbers are.
"""

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from attention.capture.notes import CONSTANT, Note, fresh
from attention.capture.products import Verdict

Function = Callable[..., Any]


@dataclass(frozen=True, eq=False, slots=True)
class Mark:
    """One tensor of the pass, told from all others of it: what is noted of it, and its shape."""

    note: Note
    shape: torch.Size


Row = tuple[weakref.ref[Tensor], Mark]


class Marks:
    """The marks of living tensors, by identity."""

    def __init__(self, rows: dict[int, Row]) -> None:
        self.rows = rows

    def of(self, tensor: Tensor) -> Mark | None:
        row = self.rows.get(id(tensor))
        return row[1] if row is not None and row[0]() is tensor else None

    def put(self, tensor: Tensor, mark: Mark) -> None:
        self.rows[id(tensor)] = (weakref.ref(tensor), mark)


class Given(NamedTuple):
    """A tensor that no call of the pass made and that is not learned: its form counts, not which one it is."""

    constant: bool
    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype


class Sequence(NamedTuple):
    """A list, slice or tuple that is compared item by item."""

    items: tuple[Any, ...]


class Found(NamedTuple):
    """The call is a product with a gate, squashed by this function."""

    verdict: Verdict
    squash: str


Made = Mark | tuple[Mark | None, ...] | None
"""Of the tensor that a call returns, or of the several that it returns or writes into; None where none is noted."""


class Step(NamedTuple):
    """One call. A `Mark` or `Given` stands for each tensor among its arguments."""

    function: Function
    keywords: tuple[str, ...]
    arguments: tuple[Any, ...]
    made: Made
    found: Found | None
    name: str


class Plan(NamedTuple):
    """The calls of a pass over one batch."""

    batch: Mark
    learned: dict[int, Row]
    """The parameters and buffers."""
    steps: tuple[Step, ...] = ()

    def holds(self) -> bool:
        """Whether the parameters and buffers live and have the shapes that they had."""
        for reference, mark in self.learned.values():
            tensor = reference()
            if tensor is None or tensor.shape != mark.shape:
                return False
        return True


def empty(batch: Tensor) -> Plan:
    """The plan of a pass of which nothing is known."""
    return Plan(Mark(Note(fresh()), batch.shape), {})


def pattern(argument: Any, marks: Marks) -> Any:
    """What an argument is to the rules: equal for two arguments that are the same to them."""
    if isinstance(argument, Tensor):
        return marks.of(argument) or _given(argument)
    if isinstance(argument, slice):
        return Sequence(tuple(pattern(part, marks) for part in (argument.start, argument.stop, argument.step)))
    if isinstance(argument, tuple | list):
        items = tuple(pattern(item, marks) for item in argument)
        plain = isinstance(argument, tuple) and all(one is other for one, other in zip(items, argument, strict=True))
        return argument if plain else Sequence(items)
    return argument if isinstance(argument, _PLAIN) else object()  # what cannot be compared equals nothing


_PLAIN = (int, float, complex, str, type(None), type(...), torch.dtype, torch.device, torch.layout, torch.memory_format)


def _given(tensor: Tensor) -> Given:
    constant = isinstance(tensor, nn.Parameter) or not tensor.is_floating_point()
    stride = tensor.stride() if tensor.layout == torch.strided else ()
    return Given(constant, tensor.shape, stride, tensor.dtype)


def learned_rows(tensors: Iterable[Tensor], known: dict[int, Row]) -> dict[int, Row]:
    """The rows of the parameters and buffers; those that are known keep their marks."""
    marks = Marks(known)
    return {
        id(tensor): (weakref.ref(tensor), marks.of(tensor) or Mark(CONSTANT, tensor.shape))
        for tensor in tensors
        if not is_lazy(tensor)
    }
