"""A pass that repeats a plan: its gates without notes and rules, as long as each call is the plan's."""

from collections.abc import Callable, Iterable
from typing import Any
from weakref import ref

from torch import Tensor

from attention.capture.calls import operation, tensors
from attention.capture.gates import Found, Gates, Refused
from attention.capture.mode import WRITING, Follower, Function, multiplied, run
from attention.capture.notes import Notes
from attention.capture.plan import Made, Mark, Marks, Plan, Step, argued, learned, pattern, planned
from attention.capture.products import PRODUCTS, Product
from attention.capture.steps import Recorder

_END = Step(object, (), (), None, None, "")
"""Equal to no call."""
_NONE: dict[str, Any] = {}


class Replay(Follower):
    """Checks each call against the plan, and follows the pass as discovery does from the first call that differs.

    The marks of the calls before hold what discovery would know by then, so no part of a pass runs twice: it may
    depart from its plan anywhere, in train mode and after edits. Discovery is the replay of an empty plan.
    `learned` gives the parameters and buffers; it is called where the pass departs.
    """

    def __init__(
        self, plan: Plan, learned: Callable[[], Iterable[Tensor]], *, gates: Gates, recorder: Recorder | None
    ) -> None:
        super().__init__(Notes(()), gates, recorder)
        self._plan = plan
        self._learned = learned
        self._marks = Marks(plan.learned)
        self._rows = self._marks.rows
        self._coming: tuple[Step, ...] = (*plan.steps, _END)
        self._position = 0
        self._departed = False
        self._steps: list[Step] = []

    def start(self, batch: Tensor) -> None:
        self._marks.put(batch, self._plan.batch)

    def departed(self) -> Plan | None:
        """The plan of this pass, where it has another than it was given."""
        return planned(self._plan.batch, self._marks.learned, self._steps) if self._departed else None

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        function, keywords, arguments, made, judgement, name = step = self._coming[self._position]
        every, kwargs = (*args, *kwargs.values()) if kwargs else args, kwargs or _NONE
        if (func is not function and func != function) or tuple(kwargs) != keywords or len(every) != len(arguments):
            return self._follow(func, types, args, kwargs)
        for given, expected in zip(every, arguments):  # noqa: B905 - a strict one costs more, and their lengths agree
            if given is not expected:
                row = self._rows.get(id(given))
                known = row is not None and row[1] is expected and row[0]() is given
                if not known and not self._alike(given, expected):
                    return self._follow(func, types, args, kwargs)
        if judgement is not None:
            output = self._judged(step, judgement, args, kwargs)
        else:
            output = run(name, func, args, kwargs) if kwargs else func(*args)
        if type(made) is Mark and isinstance(output, Tensor) and output.shape == made.shape:
            self._rows[id(output)] = (ref(output), made)
        elif made is not None and not self._made_alike(made, _touched(name, args, output)):
            self._differ(step, args, kwargs, output)
            return output
        self._position += 1
        return output

    def _alike(self, given: Any, expected: Any) -> bool:
        """Whether an argument that is not the plan's very own is the same to the rules."""
        return not isinstance(expected, Tensor) and bool(pattern(given, self._marks) == expected)

    def _judged(self, step: Step, judgement: Found | Refused, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a product that came close, one with a gate with its edit where there is one."""
        if isinstance(judgement, Refused):
            self._gates.refuse(judgement)
            return step.function(*args, **kwargs)
        verdict, place = judgement.verdict, judgement.place
        gate = _product(step, args, kwargs).aligned[verdict.which] if place is None else args[place]
        *_, edited = self._gates.add(gate, judgement)
        if edited is None:
            return step.function(*args, **kwargs)
        return multiplied(step.function, _product(step, args, kwargs), verdict, edited)

    def _made_alike(self, made: Made, touched: list[Tensor]) -> bool:
        """Marks what the call made or wrote into; False where its number or shapes are not the plan's."""
        if not isinstance(made, tuple) or len(made) != len(touched):
            return False
        pairs = [(tensor, mark) for tensor, mark in zip(touched, made, strict=True) if mark is not None]
        if any(tensor.shape != mark.shape for tensor, mark in pairs):
            return False
        for tensor, mark in pairs:
            self._marks.put(tensor, mark)
        return True

    def _differ(self, step: Step, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Departs after a call that is the plan's, but made something of another shape."""
        self._depart()
        self._ran(step.name, args, kwargs, output)
        self._steps.append(step._replace(made=self._made(step.name, args, output)))

    def _depart(self) -> None:
        """From here on the pass is followed, with notes of what it has made so far."""
        self._steps, self._departed = list(self._plan.steps[: self._position]), True
        self._coming, self._position = (_END,), 0
        parameters = list(self._learned())
        self._marks.learned = learned(parameters, self._plan.learned)
        self._notes = Notes(parameters)
        for tensor, mark in self._marks.living():
            self._notes.put(tensor, mark.note)

    def _follow(self, func: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a call as discovery does, and writes its step down."""
        name = operation(func)
        if name == "__iter__" and args[0].dim():
            return super().__torch_function__(func, types, args)  # it comes again as the operation that is run
        if not self._departed:
            self._depart()
        self._judgement = None
        arguments = tuple(argued(argument, self._marks) for argument in (*args, *kwargs.values()))
        output = super().__torch_function__(func, types, args, kwargs)
        made = self._made(name, args, output)
        self._steps.append(Step(func, tuple(kwargs), arguments, made, self._judgement, name))
        return output

    def _made(self, name: str, args: tuple[Any, ...], output: Any) -> Made:
        marks = tuple(map(self._marked, _touched(name, args, output)))
        if not any(marks):
            return None
        return marks[0] if len(marks) == 1 and isinstance(output, Tensor) else marks

    def _marked(self, tensor: Tensor) -> Mark | None:
        note = self._notes.get(tensor)
        if note is None:
            return None
        mark = Mark(note, tensor.shape)
        self._marks.put(tensor, mark)
        return mark


def _product(step: Step, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Product:
    product = PRODUCTS[step.name](args, kwargs)
    assert product is not None
    return product


def _touched(name: str, args: tuple[Any, ...], output: Any) -> list[Tensor]:
    """What a call returns, or writes into."""
    written = [args[0], args[0]._base] if name in WRITING else []
    return [*tensors((output,)), *(tensor for tensor in written if tensor is not None)]
