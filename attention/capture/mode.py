"""The pass, followed: a mode of the calling thread that sees each torch function before and after it runs."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from attention.capture import rules
from attention.capture.calls import Call, in_place, operation, tensors
from attention.capture.gates import Found, Gates, Refused, found
from attention.capture.notes import CONSTANT, Note, Notes, fresh
from attention.capture.products import PRODUCTS, Product
from attention.capture.stack import fused_attention
from attention.capture.steps import Recorder, features
from attention.capture.verdicts import MATRIX, Verdict, judged

Function = Callable[..., Any]
WRITING = ("__setitem__", "copy")
"""The operations that write into their first argument."""


class Follower(TorchFunctionMode):
    """Keeps a note of every tensor that depends on the input, and hands the products with a gate to `gates`."""

    def __init__(self, notes: Notes, gates: Gates, recorder: Recorder | None) -> None:
        super().__init__()
        self._notes = notes
        self._gates = gates
        self._recorder = recorder
        self._judgement: Found | Refused | None = None

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, kwargs = operation(func), kwargs or {}
        if name == "__iter__" and args[0].dim():
            return iter(self.__torch_function__(Tensor.unbind, types, args))
        parse = PRODUCTS.get(name)
        product = parse(args, kwargs) if parse else None
        if product is not None:
            notes = (self._notes.of(product.operands[0]), self._notes.of(product.operands[1]))
            verdict = judged(product, notes)
            if isinstance(verdict, Verdict):
                return self._gate(func, product, notes, found(product, verdict, notes[verdict.which].squash))
            if verdict is not None:
                self._refuse(notes[verdict.which].squash, verdict.reason)
        elif name in rules.MATRICES and (squash := rules.weighing(Call(name, args, kwargs, self._notes))):
            self._refuse(squash, MATRIX)
        output = run(name, func, args, kwargs)
        self._ran(name, args, kwargs, output)
        return output

    def _refuse(self, squash: str, reason: str) -> None:
        self._judgement = Refused(squash or "none", reason)
        self._gates.refuse(self._judgement)

    def _ran(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if name in WRITING:
            self._written(Call(name, args, kwargs, self._notes))
        elif made := [tensor for tensor in tensors((output,)) if tensor.is_floating_point()]:
            self._note(Call(name, args, kwargs, self._notes), made)

    def _note(self, call: Call, made: list[Tensor]) -> None:
        constant = not call.depends or rules.makes(call.name)
        for tensor in made:
            call.output = tensor
            self._notes.put(tensor, CONSTANT if constant else rules.note(call))
            if self._recorder is not None and not constant:
                self._recorder.follow(call)

    def _written(self, call: Call) -> None:
        """What is written into a part of a buffer is what the buffer holds."""
        target, source = call.args[0], call.inputs[-1]
        note = self._notes.of(source)
        if not note.depends or source is target:
            return
        for buffer in (target, target._base):
            if buffer is not None and buffer.is_floating_point():
                old = self._notes.of(buffer)
                known = old.depends and old.roots
                squash = "" if known and old.squash != note.squash else note.squash
                self._notes.put(buffer, Note(fresh(), old.axes, squash=squash, pooled=note.pooled))

    def _gate(self, func: Function, product: Product, notes: tuple[Note, Note], found: Found) -> Tensor:
        """Runs a product that has a gate, with its edit where there is one."""
        self._judgement, verdict, recorder = found, found.verdict, self._recorder
        which = verdict.which
        gate, feature = product.operands[which], product.aligned[1 - which]
        owner, number, edited = self._gates.add(product.aligned[which], found)
        asked = recorder.asked(owner, number) if recorder is not None else ()
        before = features(feature, verdict.axes) if asked else None
        output = multiplied(func, product, verdict, edited)
        self._notes.put(output, Note(fresh(), notes[1 - which].axes, pooled=notes[1 - which].pooled))
        if recorder is not None and asked:
            recorder.keep(asked, gate, before, features(output, verdict.axes))
        return output


def run(name: str, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the call gives when nobody watches."""
    attended = fused_attention() if name == "multi_head_attention_forward" else None
    return func(*args, **kwargs) if attended is None else attended


def multiplied(func: Function, product: Product, verdict: Verdict, edited: Tensor | None) -> Tensor:
    """The product as the module wrote it, of the same operands in the same order, but for an edited gate."""
    if edited is None:
        return func(*product.args, **product.kwargs)
    if in_place(func) and product.places[verdict.which] == 0:
        args, kwargs = product.replaced(verdict.which, edited.expand(verdict.shape).clone())
        return product.operands[verdict.which].copy_(func(*args, **kwargs))
    args, kwargs = product.replaced(verdict.which, edited)
    return func(*args, **kwargs)
