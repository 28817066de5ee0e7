"""The plan of a pass, and the mode that repeats it: each call of a torch function, and what discovery knew after it.

What discovery knows of a tensor follows from the calls alone: from their functions, their plain arguments, and which
tensors of which shapes they read. A pass that repeats them all has the same gates, whatever its numbers are.
"""

import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from attention.capture.axes import volumes
from attention.capture.calls import CONSTANT, TensorInfo, TensorInfos, new_preactivation, operation, tensors_in
from attention.capture.discovery import WRITING, DiscoveryMode, Function, multiplied, run
from attention.capture.gates import Gates
from attention.capture.matching import PRODUCTS, GateMatch, Product, Rejection
from attention.capture.propagation import LAYERS, NORMS, RULES
from attention.capture.steps import Recorder


@dataclass(frozen=True, eq=False, slots=True)
class PlanTensor:
    """One tensor of the pass, told from all others of it: what is known of it, and its shape."""

    info: TensorInfo
    shape: torch.Size


class LearnedTensor(NamedTuple):
    """A parameter or buffer."""

    tensor: Tensor
    entry: PlanTensor


class PlanTensors:
    """Which tensor of the plan each living tensor is, by identity."""

    def __init__(self, learned: Mapping[int, LearnedTensor]) -> None:
        self.learned = learned
        self.rows: dict[int, tuple[weakref.ref[Tensor], PlanTensor]] = {}

    def of(self, tensor: Tensor) -> PlanTensor | None:
        row = self.rows.get(id(tensor))
        if row is not None and row[0]() is tensor:
            return row[1]
        learned = self.learned.get(id(tensor))
        return None if learned is None else learned.entry

    def put(self, tensor: Tensor, entry: PlanTensor) -> None:
        self.rows[id(tensor)] = (weakref.ref(tensor), entry)

    def living(self) -> Iterator[tuple[Tensor, PlanTensor]]:
        """What the calls of the pass have made and what is still there."""
        for reference, entry in self.rows.values():
            tensor = reference()
            if tensor is not None:
                yield tensor, entry


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
    results: Results
    outcome: GateMatch | Rejection | None
    name: str


class Plan(NamedTuple):
    """The calls of a pass over one batch."""

    batch: PlanTensor
    learned: Mapping[int, LearnedTensor]
    """The parameters and buffers, by identity."""
    calls: tuple[PlannedCall, ...] = ()
    shaped: tuple[LearnedTensor, ...] = ()
    """Those whose shape a rule reads, beside that of what is made of them."""

    def holds(self) -> bool:
        """Whether no parameter or buffer has got another shape that the calls would not show."""
        return all(tensor.shape == entry.shape for tensor, entry in self.shaped)


_SHAPES_UNREAD = (*LAYERS, *NORMS)
"""The rules that read no shape but that of what is made of their parameters."""


def plan_of(batch: PlanTensor, learned: Mapping[int, LearnedTensor], calls: Iterable[PlannedCall]) -> Plan:
    """The plan of a pass that has run."""
    calls = tuple(calls)
    read = {id(each): each for call in calls if RULES.get(call.name) not in _SHAPES_UNREAD for each in call.arguments}
    return Plan(batch, learned, calls, tuple(each for identity, each in learned.items() if identity in read))


def empty_plan(batch: Tensor) -> Plan:
    """The plan of a pass of which nothing is known."""
    axes = volumes(batch.shape) if batch.dim() == 5 else None
    return Plan(PlanTensor(TensorInfo(new_preactivation(), axes), batch.shape), {})


def _planned(argument: Any, known: PlanTensors) -> Any:
    """An argument as a planned call keeps it: a parameter or buffer that no call wrote into stands for itself."""
    form = _form(argument, known)
    learned = known.learned.get(id(argument)) if isinstance(argument, Tensor) else None
    return argument if learned is not None and learned.entry is form else form


def _form(argument: Any, known: PlanTensors) -> Any:
    """What an argument is to the rules: equal for two arguments that are the same to them."""
    if isinstance(argument, Tensor):
        return known.of(argument) or _outside(argument)
    if isinstance(argument, slice):
        return Items(tuple(_form(part, known) for part in (argument.start, argument.stop, argument.step)))
    if isinstance(argument, tuple | list):
        items = tuple(_form(item, known) for item in argument)
        plain = isinstance(argument, tuple) and all(one is other for one, other in zip(items, argument, strict=True))
        return argument if plain else Items(items)
    if isinstance(argument, np.ndarray):
        return OutsideTensor(False, argument.shape, argument.strides, argument.dtype)
    return argument if isinstance(argument, _PLAIN) else object()  # what cannot be compared equals nothing


_PLAIN = (int, float, complex, str, type(None), type(...), torch.dtype, torch.device, torch.layout, torch.memory_format)


def _outside(tensor: Tensor) -> OutsideTensor:
    constant = isinstance(tensor, nn.Parameter) or not tensor.is_floating_point()
    stride = tensor.stride() if tensor.layout == torch.strided else ()
    return OutsideTensor(constant, tensor.shape, stride, tensor.dtype)


def _learned(tensors: Iterable[Tensor], known: Mapping[int, LearnedTensor]) -> dict[int, LearnedTensor]:
    """The parameters and buffers by identity; those that are known keep their entries."""
    return {
        id(tensor): known.get(id(tensor)) or LearnedTensor(tensor, PlanTensor(CONSTANT, tensor.shape))
        for tensor in tensors
        if not is_lazy(tensor)
    }


class Constants(Protocol):
    """What is not computed from the input."""

    def learned(self) -> Iterable[Tensor]: ...

    def held(self) -> Iterable[Tensor]: ...


_END = PlannedCall(object, (), (), None, None, "")
"""Equal to no call."""
_NONE: dict[str, Any] = {}


class ReplayMode(DiscoveryMode):
    """Checks each call against the plan, and follows the pass as discovery does from the first call that differs.

    The entries of the calls before hold what discovery would know by then, so no part of a pass runs twice: it may
    depart from its plan anywhere, in train mode and after edits. Discovery is the replay of an empty plan.
    `constants` gives the parameters, buffers and plain attributes; it is asked where the pass departs.
    """

    def __init__(self, plan: Plan, constants: Constants, *, gates: Gates, recorder: Recorder | None) -> None:
        super().__init__(TensorInfos(()), gates, recorder)
        self._plan = plan
        self._constants = constants
        self._known = PlanTensors(plan.learned)
        self._rows = self._known.rows
        self._coming: tuple[PlannedCall, ...] = (*plan.calls, _END)
        self._position = 0
        self._departed = False
        self._calls: list[PlannedCall] = []

    def start(self, batch: Tensor) -> None:
        self._known.put(batch, self._plan.batch)

    def departed(self) -> Plan | None:
        """The plan of this pass, where it has another than it was given."""
        return plan_of(self._plan.batch, self._known.learned, self._calls) if self._departed else None

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        function, keywords, arguments, results, outcome, name = call = self._coming[self._position]
        every, kwargs = (*args, *kwargs.values()) if kwargs else args, kwargs or _NONE
        if (func is not function and func != function) or tuple(kwargs) != keywords or len(every) != len(arguments):
            return self._follow(func, types, args, kwargs)
        for given, expected in zip(every, arguments):  # noqa: B905 - a strict one costs more, and their lengths agree
            if given is not expected:
                row = self._rows.get(id(given))
                known = row is not None and row[1] is expected and row[0]() is given
                if not known and not self._alike(given, expected):
                    return self._follow(func, types, args, kwargs)
        if outcome is not None:
            output = self._run_product(call, outcome, args, kwargs)
        else:
            output = run(name, func, args, kwargs) if kwargs else func(*args)
        if type(results) is PlanTensor and isinstance(output, Tensor) and output.shape == results.shape:
            self._rows[id(output)] = (weakref.ref(output), results)
        elif results is not None and not self._enter_results(results, _touched(name, args, output)):
            self._differ(call, args, kwargs, output)
            return output
        self._position += 1
        return output

    def _alike(self, given: Any, expected: Any) -> bool:
        """Whether an argument that is not the plan's very own is the same to the rules."""
        return not isinstance(expected, Tensor) and bool(_form(given, self._known) == expected)

    def _run_product(
        self, call: PlannedCall, outcome: GateMatch | Rejection, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Runs a product that came close, one with a gate with its edit where there is one."""
        if isinstance(outcome, Rejection):
            self._gates.reject(outcome)
            return run(call.name, call.function, args, kwargs)
        position = outcome.position
        gate = _product(call, args, kwargs).aligned[outcome.which] if position is None else args[position]
        *_, edited = self._gates.add(gate, outcome)
        if edited is None:
            return call.function(*args, **kwargs)
        return multiplied(call.function, _product(call, args, kwargs), outcome, edited)

    def _enter_results(self, results: Results, touched: list[Tensor]) -> bool:
        """Enters what the call made or wrote into; False where its number or shapes are not the plan's."""
        if not isinstance(results, tuple) or len(results) != len(touched):
            return False
        pairs = [(tensor, entry) for tensor, entry in zip(touched, results, strict=True) if entry is not None]
        if any(tensor.shape != entry.shape for tensor, entry in pairs):
            return False
        for tensor, entry in pairs:
            self._known.put(tensor, entry)
        return True

    def _differ(self, call: PlannedCall, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Departs after a call that is the plan's, but made something of another shape."""
        self._depart()
        self._follow_call(call.name, args, kwargs, output)
        self._calls.append(call._replace(results=self._results(call.name, args, output)))

    def _depart(self) -> None:
        """From here on the pass is followed, with what is known of all that it has made so far."""
        self._calls, self._departed = list(self._plan.calls[: self._position]), True
        self._coming, self._position = (_END,), 0
        parameters = list(self._constants.learned())
        self._known.learned = _learned(parameters, self._plan.learned)
        self._infos = TensorInfos([*parameters, *self._constants.held()])
        for tensor, entry in self._known.living():
            self._infos.put(tensor, entry.info)

    def _follow(self, func: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a call as discovery does, and plans it."""
        name = operation(func)
        if name == "__iter__" and args[0].dim():
            return super().__torch_function__(func, types, args)  # it comes again as the operation that is run
        if not self._departed:
            self._depart()
        self._outcome = None
        arguments = tuple(_planned(argument, self._known) for argument in (*args, *kwargs.values()))
        output = super().__torch_function__(func, types, args, kwargs)
        results = self._results(name, args, output)
        self._calls.append(PlannedCall(func, tuple(kwargs), arguments, results, self._outcome, name))
        return output

    def _results(self, name: str, args: tuple[Any, ...], output: Any) -> Results:
        entries = tuple(map(self._entered, _touched(name, args, output)))
        if not any(entries):
            return None
        return entries[0] if len(entries) == 1 and isinstance(output, Tensor) else entries

    def _entered(self, tensor: Tensor) -> PlanTensor | None:
        info = self._infos.get(tensor)
        if info is None:
            return None
        entry = PlanTensor(info, tensor.shape)
        self._known.put(tensor, entry)
        return entry


def _product(call: PlannedCall, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product:
    product = PRODUCTS[call.name](args, kwargs)
    assert product is not None
    return product


def _touched(name: str, args: tuple[Any, ...], output: Any) -> list[Tensor]:
    """What a call returns, or writes into."""
    written = [args[0], args[0]._base] if name in WRITING else []
    return [*tensors_in((output,)), *(tensor for tensor in written if tensor is not None)]
