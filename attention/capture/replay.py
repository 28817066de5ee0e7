"""A pass that repeats a plan: its gates without notes and rules, as long as each call is the plan's."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from attention.capture.calls import operation, tensors
from attention.capture.gates import Gates
from attention.capture.mode import WRITING, Follower, Function, multiplied, run
from attention.capture.notes import CONSTANT, Note, Notes
from attention.capture.plan import Found, Made, Mark, Marks, Plan, Step, learned_rows, pattern
from attention.capture.products import PRODUCTS, Product, Verdict
from attention.capture.steps import Recorder

_END = Step(object, (), (), None, None, "")


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
        self._marks = Marks(plan.learned.copy())
        self._position = 0
        self._step: Step | None = (*plan.steps, _END)[0]
        self._steps: list[Step] = []
        self._found: Found | None = None

    def start(self, batch: Tensor) -> None:
        self._marks.put(batch, self._plan.batch)

    def departed(self) -> Plan | None:
        """The plan of this pass, where it has another than it was given."""
        return self._plan._replace(steps=(*self._steps, _END)) if self._step is None else None

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        step = self._step
        if step is None or not self._repeats(step, func, args, kwargs):
            return self._follow(func, types, args, kwargs or {})
        if step.found is not None:
            output = self._multiply(step, step.found, args, kwargs or {})
        elif kwargs:
            output = run(step.name, func, args, kwargs)
        else:
            output = func(*args)
        made = step.made
        if type(made) is Mark and isinstance(output, Tensor) and output.shape == made.shape:
            self._marks.rows[id(output)] = (weakref.ref(output), made)
        elif made is not None and not self._made_alike(made, _touched(step.name, args, output)):
            self._differ(step, args, kwargs or {}, output)
            return output
        self._position += 1
        self._step = self._plan.steps[self._position]
        return output

    def _repeats(self, step: Step, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> bool:
        """Whether the call has the function and arguments of the step, and reads what the same calls made."""
        if func is not step.function and func != step.function:
            return False
        if kwargs:
            if tuple(kwargs) != step.keywords:
                return False
            args = (*args, *kwargs.values())
        elif step.keywords:
            return False
        if len(args) != len(step.arguments):
            return False
        rows = self._marks.rows
        for given, expected in zip(args, step.arguments):  # noqa: B905 - a strict one costs more, and their lengths agree
            if given is not expected:
                row = rows.get(id(given))
                known = row is not None and row[1] is expected and row[0]() is given
                if not known and pattern(given, self._marks) != expected:
                    return False
        return True

    def _multiply(self, step: Step, found: Found, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        """Runs a product with a gate, with its edit where there is one."""
        product, verdict = PRODUCTS[step.name](args, kwargs), found.verdict
        assert product is not None
        *_, edited = self._gates.add(product.aligned[verdict.which], found.squash, verdict)
        return multiplied(step.function, product, verdict, edited)

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
        self._steps.append(step._replace(made=self._made(_touched(step.name, args, output))))

    def _depart(self) -> None:
        """From here on the pass is followed, with notes of what it has made so far."""
        self._steps, self._step = list(self._plan.steps[: self._position]), None
        tensors = list(self._learned())
        self._plan = self._plan._replace(learned=learned_rows(tensors, self._plan.learned))
        self._notes = Notes(tensors)
        for reference, mark in self._marks.rows.values():
            tensor = reference()
            if tensor is not None:
                self._notes.put(tensor, mark.note)
        for reference, mark in self._plan.learned.values():
            tensor = reference()
            if tensor is not None and self._marks.of(tensor) is None:
                self._marks.put(tensor, mark)

    def _follow(self, func: Function, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Runs a call as discovery does, and writes its step down."""
        if self._step is not None:
            self._depart()
        self._found, name = None, operation(func)
        arguments = tuple(pattern(argument, self._marks) for argument in (*args, *kwargs.values()))
        output = super().__torch_function__(func, types, args, kwargs)
        made = self._made(_touched(name, args, output))
        self._steps.append(Step(func, tuple(kwargs), arguments, made, self._found, name))
        return output

    def _made(self, touched: list[Tensor]) -> Made:
        marks = tuple(map(self._marked, touched))
        if not any(marks):
            return None
        return marks[0] if len(marks) == 1 else marks

    def _marked(self, tensor: Tensor) -> Mark | None:
        note = self._notes.get(tensor)
        if note is None:
            return None
        mark = Mark(note, tensor.shape)
        self._marks.put(tensor, mark)
        return mark

    def _gate(self, func: Function, product: Product, notes: tuple[Note, Note], verdict: Verdict) -> Tensor:
        self._found = Found(verdict, notes[verdict.which].squash)
        return super()._gate(func, product, notes, verdict)


def _touched(name: str, args: tuple[Any, ...], output: Any) -> list[Tensor]:
    """What a call returns, or writes into."""
    written = [args[0], args[0]._base] if name in WRITING else []
    return [*tensors((output,)), *(tensor for tensor in written if tensor is not None)]
