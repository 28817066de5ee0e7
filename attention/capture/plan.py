"""The plan of a pass: each call of a torch function that discovery saw, and what it noted of the call.

What discovery knows of a tensor follows from the calls alone: from their functions, their plain arguments, and which
tensors of which shapes they read. A pass that repeats them all has the same gates, whatever its numbers are.
"""

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from attention.capture.axes import volumes
from attention.capture.gates import Found, Refused
from attention.capture.notes import CONSTANT, Note, fresh
from attention.capture.rules import RULES, convolved, normalised, projected

Function = Callable[..., Any]


@dataclass(frozen=True, eq=False, slots=True)
class Mark:
    """One tensor of the pass, told from all others of it: what is noted of it, and its shape."""

    note: Note
    shape: torch.Size


class Learned(NamedTuple):
    """A parameter or buffer."""

    tensor: Tensor
    mark: Mark


class Marks:
    """The marks of living tensors, by identity."""

    def __init__(self, learned: Mapping[int, Learned]) -> None:
        self.learned = learned
        self.rows: dict[int, tuple[weakref.ref[Tensor], Mark]] = {}

    def of(self, tensor: Tensor) -> Mark | None:
        row = self.rows.get(id(tensor))
        if row is not None and row[0]() is tensor:
            return row[1]
        learned = self.learned.get(id(tensor))
        return None if learned is None else learned.mark

    def put(self, tensor: Tensor, mark: Mark) -> None:
        self.rows[id(tensor)] = (weakref.ref(tensor), mark)

    def living(self) -> Iterator[tuple[Tensor, Mark]]:
        """What the calls of the pass have made and what is still there."""
        for reference, mark in self.rows.values():
            tensor = reference()
            if tensor is not None:
                yield tensor, mark


class Given(NamedTuple):
    """A tensor that no call of the pass made and that is not learned: its form counts, not which one it is."""

    constant: bool
    shape: torch.Size
    stride: tuple[int, ...]
    dtype: torch.dtype


class Sequence(NamedTuple):
    """A list, slice or tuple that is compared item by item."""

    items: tuple[Any, ...]


Made = Mark | tuple[Mark | None, ...] | None
"""Of the tensor that a call returns, or of the several that it returns or writes into; None where none is noted."""


class Step(NamedTuple):
    """One call. A `Mark` or `Given` stands for a tensor among its arguments that is not learned."""

    function: Function
    keywords: tuple[str, ...]
    arguments: tuple[Any, ...]
    made: Made
    judgement: Found | Refused | None
    name: str


class Plan(NamedTuple):
    """The calls of a pass over one batch."""

    batch: Mark
    learned: Mapping[int, Learned]
    """The parameters and buffers, by identity."""
    steps: tuple[Step, ...] = ()
    shaped: tuple[Learned, ...] = ()
    """Those whose shape a rule reads, beside that of what is made of them."""

    def holds(self) -> bool:
        """Whether no parameter or buffer has got another shape that the calls would not show."""
        return all(tensor.shape == mark.shape for tensor, mark in self.shaped)


def planned(batch: Mark, learned: Mapping[int, Learned], steps: Iterable[Step]) -> Plan:
    """The plan of a pass that has run."""
    steps = tuple(steps)
    read = {id(each): each for step in steps if RULES.get(step.name) not in _LAYERS for each in step.arguments}
    return Plan(batch, learned, steps, tuple(each for identity, each in learned.items() if identity in read))


_LAYERS = (convolved, projected, normalised)


def empty(batch: Tensor) -> Plan:
    """The plan of a pass of which nothing is known."""
    axes = volumes(batch.shape) if batch.dim() == 5 else None
    return Plan(Mark(Note(fresh(), axes), batch.shape), {})


def argued(argument: Any, marks: Marks) -> Any:
    """An argument as a step keeps it: a parameter or buffer that no call wrote into stands for itself."""
    mark = pattern(argument, marks)
    known = marks.learned.get(id(argument)) if isinstance(argument, Tensor) else None
    return argument if known is not None and known.mark is mark else mark


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


def learned(tensors: Iterable[Tensor], known: Mapping[int, Learned]) -> dict[int, Learned]:
    """The parameters and buffers by identity; those that are known keep their marks."""
    return {
        id(tensor): known.get(id(tensor)) or Learned(tensor, Mark(CONSTANT, tensor.shape))
        for tensor in tensors
        if not is_lazy(tensor)
    }
