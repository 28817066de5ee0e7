"""The plan of a pass, and the mode that repeats it: each call of a torch function, and what discovery knew after it.

What discovery knows of a tensor follows from the calls alone: from their functions, their plain arguments, and which
tensors of which shapes they read. A pass that repeats them all has the same gates, whatever its numbers are.
"""

import operator
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from attention.capture.axes import volume_axes
from attention.capture.calls import (
    CONSTANT,
    TensorInfo,
    TensorInfos,
    TensorTable,
    new_preactivation,
    operation,
    tensors_in,
    tensors_written,
)
from attention.capture.discovery import WRITING, DiscoveryMode, Function, call_unwatched, multiply
from attention.capture.gates import Gates
from attention.capture.matching import PRODUCTS, GateMatch, Product, Rejection
from attention.capture.moves import CASTS
from attention.capture.propagation import NORMS, RULES
from attention.capture.steps import StepRecorder


@dataclass(frozen=True, eq=False, slots=True)
class PlanTensor:
    """One tensor of the pass, told from all others of it: what is known of it, and its shape."""

    info: TensorInfo
    shape: torch.Size
    slot: int
    """Where the mode keeps a reference to it: in the order in which the tensors of a pass are made."""


class LearnedTensor(NamedTuple):
    """A parameter or buffer."""

    tensor: Tensor
    entry: PlanTensor


class OutsideTensor(NamedTuple):
    """A tensor or array that no call of the pass made and that is not learned: its form counts, not which one it is."""

    constant: bool
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype | np.dtype[Any]


class Items(NamedTuple):
    """A list, slice or tuple that is compared item by item."""

    items: tuple[Any, ...]


Results = PlanTensor | tuple[PlanTensor | None, ...] | None
"""The tensor that a call returns, or the several that it returns or writes into; None where nothing is known of any."""


class PlannedCall(NamedTuple):
    """One call. A `PlanTensor` or `OutsideTensor` stands for a tensor among its arguments that is not learned."""

    function: Function
    keywords: tuple[str, ...]
    arguments: tuple[Any, ...]
    slot: int
    """Where its one result goes; `_NOWHERE` where nothing is known of it, `_SPECIAL` where there is more to do."""
    shape: torch.Size | None
    """That the result must have, where the arguments do not say so."""
    outcome: GateMatch | Rejection | None
    results: Results
    name: str


class Plan(NamedTuple):
    """The calls of a pass over one batch."""

    batch: PlanTensor
    learned: Mapping[int, LearnedTensor]
    """The parameters and buffers, by identity."""
    calls: tuple[PlannedCall, ...] = ()
    read: tuple[Tensor, ...] = ()
    """The parameters and buffers that a call reads, and whose shapes say something of what it makes."""
    shapes: tuple[torch.Size, ...] = ()
    slots: int = 1

    def is_valid(self) -> bool:
        """Whether none of them has got another shape, which the calls would not show."""
        return tuple(map(_SHAPE, self.read)) == self.shapes


_SHAPE = operator.attrgetter("shape")
_SHAPED_BY_ARGUMENTS = frozenset(
    word
    for line in (
        "relu relu6 sigmoid hardsigmoid hardswish silu gelu mish tanh leaky_relu elu hardtanh softmax exp pow clamp",
        "batch_norm group_norm layer_norm dropout add sub mul div mean sum amax permute transpose interpolate",
        "max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d conv2d conv1d linear flatten",
    )
    for word in line.split()
)
"""Operations whose result has the shape that their arguments' shapes and plain arguments give it, parameters, whose
shapes are checked before the pass, among them."""
_PERHAPS_ITSELF = frozenset(CASTS.split())
"""Operations that return the very tensor that they got where there is nothing to do."""


def plan_of(batch: PlanTensor, learned: Mapping[int, LearnedTensor], calls: Iterable[PlannedCall], slots: int) -> Plan:
    """The plan of a pass that has run."""
    calls = tuple(calls)
    seen = {id(each) for call in calls if RULES.get(call.name) not in NORMS for each in call.arguments}
    read = [each for identity, each in learned.items() if identity in seen]
    shapes = tuple(entry.shape for _, entry in read)
    return Plan(batch, learned, calls, tuple(tensor for tensor, _ in read), shapes, slots)


def empty_plan(batch: Tensor) -> Plan:
    """The plan of a pass of which nothing is known."""
    axes = volume_axes(batch.shape) if batch.dim() == 5 else None
    return Plan(PlanTensor(TensorInfo(new_preactivation(), axes), batch.shape, 0), {})


_NUMBERS = frozenset((bool, int, float, type(None)))
_PLAIN = (int, float, complex, str, type(None), type(...), torch.dtype, torch.device, torch.layout, torch.memory_format)


def _outside(tensor: Tensor) -> OutsideTensor:
    constant = isinstance(tensor, nn.Parameter) or not tensor.is_floating_point()
    stride = tensor.stride() if tensor.layout == torch.strided else ()
    return OutsideTensor(constant, tensor.shape, stride, tensor.dtype)


def _outside_array(array: np.ndarray[Any, Any]) -> OutsideTensor:
    return OutsideTensor(False, array.shape, array.strides, array.dtype)


def _learned(tensors: Iterable[Tensor], known: Mapping[int, LearnedTensor]) -> dict[int, LearnedTensor]:
    """The parameters and buffers by identity; those that are known keep their entries."""
    return {
        id(tensor): known.get(id(tensor)) or LearnedTensor(tensor, PlanTensor(CONSTANT, tensor.shape, -1))
        for tensor in tensors
        if not is_lazy(tensor)
    }


class Constants(Protocol):
    """What is not computed from the input."""

    def learned(self) -> Iterable[Tensor]: ...

    def attribute_tensors(self) -> Iterable[Tensor]: ...


_SPECIAL, _NOWHERE = -1, -2
_END = PlannedCall(object, (), (), _SPECIAL, None, None, None, "")
"""Equal to no call."""
_NONE: dict[str, Any] = {}


def _no_tensor() -> None:
    """The reference of a slot that is not filled yet."""


class ReplayMode(DiscoveryMode):
    """Checks each call against the plan, and follows the pass as discovery does from the first call that differs.

    The entries of the calls before hold what discovery would know by then, so no part of a pass runs twice: it may
    depart from its plan anywhere, in train mode and after edits. Discovery is the replay of an empty plan.
    `constants` gives the parameters, buffers and plain attributes; it is asked where the pass departs.
    """

    def __init__(self, plan: Plan, constants: Constants, *, gates: Gates, recorder: StepRecorder | None) -> None:
        super().__init__(TensorInfos(()), gates, recorder)
        self._plan = plan
        self._constants = constants
        self._learned = plan.learned
        self._references: list[Callable[[], Tensor | None]] = [_no_tensor] * plan.slots
        self._coming: tuple[PlannedCall, ...] = (*plan.calls, _END)
        self._position = 0
        self._departed = False
        self._calls: list[PlannedCall] = []
        self._entries: TensorTable[PlanTensor] = TensorTable()
        self._slots = plan.slots

    def start(self, batch: Tensor) -> None:
        self._references[0] = weakref.ref(batch)

    def new_plan(self) -> Plan | None:
        """The plan of this pass, where it has another than it was given."""
        return plan_of(self._plan.batch, self._learned, self._calls, self._slots) if self._departed else None

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        function, keywords, arguments, slot, shape, outcome, _, _ = self._coming[self._position]
        every: tuple[Any, ...] = (*args, *kwargs.values()) if kwargs else args
        if func is not function and func != function:
            return self._follow(func, types, args, kwargs or _NONE)
        if len(every) != len(arguments) or ((kwargs or keywords) and tuple(kwargs or ()) != keywords):
            return self._follow(func, types, args, kwargs or _NONE)
        references = self._references
        for given, expected in zip(every, arguments):  # noqa: B905 - a strict one costs more, and their lengths agree
            if given is not expected and not (
                references[expected.slot]() is given if type(expected) is PlanTensor else self._matches(given, expected)
            ):
                return self._follow(func, types, args, kwargs or _NONE)
        if slot == _SPECIAL:
            return self._run_special(args, kwargs or _NONE)
        if outcome is not None:
            output = self._run_product(args, kwargs or _NONE)
        else:
            output = func(*args, **kwargs) if kwargs else func(*args)
        if slot == _NOWHERE:
            self._position += 1
            return output
        if shape is not None and output.shape != shape:
            self._depart_after(args, kwargs or _NONE, output)
            return output
        references[slot] = weakref.ref(output)
        self._position += 1
        return output

    def _matches(self, given: Any, expected: Any) -> bool:
        """Whether an argument that is not the plan's very own is the same to the rules."""
        if type(expected) is PlanTensor:
            return self._references[expected.slot]() is given
        if type(expected) is Items:
            items = (given.start, given.stop, given.step) if isinstance(given, slice) else given
            if not isinstance(items, tuple | list) or len(items) != len(expected.items):
                return False
            pairs = zip(items, expected.items, strict=True)
            return all(one is other or self._matches(one, other) for one, other in pairs)
        if type(expected) is OutsideTensor:
            if isinstance(given, np.ndarray):
                return _outside_array(given) == expected
            return isinstance(given, Tensor) and not self._is_known(given) and _outside(given) == expected
        plain = isinstance(given, _PLAIN) or (
            isinstance(given, tuple) and all(isinstance(one, _PLAIN) for one in given)
        )
        return plain and not isinstance(expected, Tensor) and bool(given == expected)

    def _is_known(self, tensor: Tensor) -> bool:
        learned = self._learned.get(id(tensor))
        known = learned is not None and learned.tensor is tensor
        return known or any(reference() is tensor for reference in self._references)

    def _run_special(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a call of the plan that gives several tensors, or perhaps the very one that it got."""
        call = self._coming[self._position]
        if call.outcome is None:
            output = call_unwatched(call.name, call.function, args, kwargs)
        else:
            output = self._run_product(args, kwargs)
        if call.results is not None and not self._enter_results(call.results, self._outputs(call.name, args, output)):
            self._depart_after(args, kwargs, output)
            return output
        self._position += 1
        return output

    def _run_product(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a product that came close, one with a gate with its edit where there is one."""
        call = self._coming[self._position]
        match = call.outcome
        if not isinstance(match, GateMatch):
            assert match is not None
            self._gates.reject(match)
            return call_unwatched(call.name, call.function, args, kwargs)
        position = match.position
        gate = _product(call, args, kwargs).aligned[match.which] if position is None else args[position]
        *_, edited = self._gates.add(gate, match)
        if edited is None:
            return call.function(*args, **kwargs) if kwargs else call.function(*args)
        return multiply(call.function, _product(call, args, kwargs), match, edited)

    def _enter_results(self, results: Results, touched: list[Tensor]) -> bool:
        """Enters what the call made or wrote into; False where its number or shapes are not the plan's."""
        entries = results if isinstance(results, tuple) else (results,)
        if len(entries) != len(touched):
            return False
        pairs = [(tensor, entry) for tensor, entry in zip(touched, entries, strict=True) if entry is not None]
        if any(tensor.shape != entry.shape for tensor, entry in pairs):
            return False
        for tensor, entry in pairs:
            self._references[entry.slot] = weakref.ref(tensor)
        return True

    def _depart_after(self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Departs after a call that is the plan's, but made something of another shape."""
        call = self._coming[self._position]
        self._depart()
        self._outcome = call.outcome
        self._follow_call(call.name, args, kwargs, output)
        self._calls.append(self._planned_call(call[:3], call.name, args, output, self._outcome))

    def _depart(self) -> None:
        """From here on the pass is followed, with what is known of all that it has made so far."""
        self._calls, self._departed = list(self._plan.calls[: self._position]), True
        self._coming, self._position = (_END,), 0
        parameters = list(self._constants.learned())
        self._learned = _learned(parameters, self._plan.learned)
        self._infos = TensorInfos([*parameters, *self._constants.attribute_tensors()])
        entries = [self._plan.batch, *(entry for call in self._calls for entry in _entries(call.results))]
        for entry in entries:  # in the order of the pass: what was written into is what it is since then
            tensor = self._references[entry.slot]()
            if tensor is not None:
                self._entries.put(tensor, entry)
                self._infos.put(tensor, entry.info)
        self._slots = 1 + max(entry.slot for entry in entries)

    def _follow(self, func: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a call as discovery does, and plans it."""
        name = operation(func)
        if not self._departed:
            self._depart()
        arguments = tuple(self._plan_argument(argument) for argument in (*args, *kwargs.values()))
        output = super().__torch_function__(func, types, args, kwargs)
        head = (func, tuple(kwargs), arguments)
        self._calls.append(self._planned_call(head, name, args, output, self._outcome))
        return output

    def _planned_call(
        self,
        head: tuple[Any, ...],
        name: str,
        args: tuple[Any, ...],
        output: Any,
        outcome: GateMatch | Rejection | None,
    ) -> PlannedCall:
        results = self._results(name, args, output)
        special = name in _PERHAPS_ITSELF or name == "multi_head_attention_forward"
        slot = _NOWHERE if results is None else results.slot if isinstance(results, PlanTensor) else _SPECIAL
        shape = output.shape if isinstance(results, PlanTensor) and name not in _SHAPED_BY_ARGUMENTS else None
        function, keywords, arguments = head
        return PlannedCall(function, keywords, arguments, _SPECIAL if special else slot, shape, outcome, results, name)

    def _plan_argument(self, argument: Any) -> Any:
        """An argument as a planned call keeps it: a parameter or buffer that no call wrote into stands for itself."""
        if type(argument) in _NUMBERS:
            return argument
        if isinstance(argument, Tensor):
            entry, learned = self._entries.get(argument), self._learned.get(id(argument))
            return entry or (argument if learned is not None else _outside(argument))
        if isinstance(argument, slice):
            return Items(tuple(map(self._plan_argument, (argument.start, argument.stop, argument.step))))
        if isinstance(argument, tuple | list):
            items = tuple(map(self._plan_argument, argument))
            plain = isinstance(argument, tuple) and all(isinstance(each, _PLAIN) for each in argument)
            return argument if plain else Items(items)
        if isinstance(argument, np.ndarray):
            return _outside_array(argument)
        return argument if isinstance(argument, _PLAIN) else object()  # what cannot be compared equals nothing

    def _results(self, name: str, args: tuple[Any, ...], output: Any) -> Results:
        entries = tuple(map(self._enter, self._outputs(name, args, output)))
        if not any(entries):
            return None
        return entries[0] if len(entries) == 1 and isinstance(output, Tensor) else entries

    def _outputs(self, name: str, args: tuple[Any, ...], output: Any) -> list[Tensor]:
        """What a call returns, or writes into."""
        if name not in WRITING:
            return list(tensors_in((output,)))
        living = (tensor for reference in self._references if (tensor := reference()) is not None)
        return [*tensors_in((output,)), *tensors_written(args[0], self._infos.living() if self._departed else living)]

    def _enter(self, tensor: Tensor) -> PlanTensor | None:
        info = self._infos.get(tensor)
        if info is None:
            return None
        entry = PlanTensor(info, tensor.shape, self._slots)
        self._slots += 1
        self._entries.put(tensor, entry)
        return entry


def _entries(results: Results) -> tuple[PlanTensor, ...]:
    return tuple(entry for entry in (results if isinstance(results, tuple) else (results,)) if entry is not None)


def _product(call: PlannedCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product:
    product = PRODUCTS[call.name](args, kwargs)
    assert product is not None
    return product
