"""Discovery of the gates: a mode of the calling thread that sees each torch function before and after it runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from attention.capture.calls import (
    CONSTANT,
    UNKNOWN,
    Call,
    TensorInfo,
    TensorInfos,
    new_preactivation,
    operation,
    tensors_in,
    tensors_written,
    writes_in_place,
)  # fmt: skip
from attention.capture.gates import Gates, TraceError, fused_attention
from attention.capture.matching import (
    OUT_OF_SIGHT,
    PRODUCTS,
    GateMatch,
    Product,
    Rejection,
    match_gate,
    multiplies_inside,
)  # fmt: skip
from attention.capture.propagation import info_of_output, info_of_product, makes_new_numbers
from attention.capture.steps import StepRecorder, features

Function = Callable[..., Any]
WRITING = ("__setitem__", "copy")
"""The operations that write into their first argument."""


class DiscoveryMode(TorchFunctionMode):
    """Keeps what is known of every tensor that depends on the input, and hands the products with a gate to `gates`."""

    def __init__(self, infos: TensorInfos, gates: Gates, recorder: StepRecorder | None) -> None:
        super().__init__()
        self._infos = infos
        self._gates = gates
        self._recorder = recorder
        self._outcome: GateMatch | Rejection | None = None

    def __torch_function__(
        self, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name, kwargs, self._outcome = operation(func), kwargs or {}, None
        parse = PRODUCTS.get(name)
        product = parse(args, kwargs) if parse else None
        if product is not None:
            infos = (self._infos.info_of(product.operands[0]), self._infos.info_of(product.operands[1]))
            outcome = match_gate(product, infos)
            if isinstance(outcome, GateMatch):
                return self._gate(func, product, infos, outcome)
            self._reject(outcome)
        output = call_unwatched(name, func, args, kwargs)
        self._follow_call(name, args, kwargs, output)
        return output

    def _reject(self, rejection: Rejection | None) -> None:
        self._outcome = rejection
        if rejection is not None:
            self._gates.reject(rejection)

    def _follow_call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if name in WRITING:
            self._follow_writing(Call(name, args, kwargs, self._infos))
        elif results := list(tensors_in((output,))):
            self._follow_results(Call(name, args, kwargs, self._infos), results)

    def _follow_results(self, call: Call, results: list[Tensor]) -> None:
        constant = not call.depends or makes_new_numbers(call.name)
        if constant:
            results = [tensor for tensor in results if tensor.is_floating_point()]
            known = UNKNOWN if any(isinstance(each, np.ndarray) for each in call.args) else CONSTANT
        else:
            self._look_inside(call)
        for tensor in results:
            call.output = tensor
            self._infos.put(tensor, known if constant else info_of_output(call))
            if self._recorder is not None and not constant:
                self._recorder.follow(call)

    def _look_inside(self, call: Call) -> None:
        """Writes down what multiplies and is no product, and what reads a tensor that nobody saw being made."""
        if self._outcome is None:
            self._reject(multiplies_inside(call))
        if self._outcome is None and any(info is UNKNOWN for info in call.infos):
            self._reject(OUT_OF_SIGHT)

    def _follow_writing(self, call: Call) -> None:
        """What is written into a part of a buffer is what the buffer holds."""
        target, source = call.args[0], call.inputs[-1]
        info = self._infos.info_of(source)
        if not info.depends or source is target:
            return
        for buffer in tensors_written(target, self._infos.living()):
            if buffer.is_floating_point():
                old = self._infos.info_of(buffer)
                known = old.depends and old.preactivations
                activation = "" if known and old.activation != info.activation else info.activation
                held = TensorInfo(new_preactivation(), old.axes, activation=activation, pooled=info.pooled)
                self._infos.put(buffer, held)

    def _gate(self, func: Function, product: Product, infos: tuple[TensorInfo, TensorInfo], match: GateMatch) -> Tensor:
        """Runs a product that has a gate, with its edit where there is one."""
        self._outcome, which, recorder = match, match.which, self._recorder
        gate, feature = product.operands[which], product.aligned[1 - which]
        if torch._C._functorch.is_functorch_wrapped_tensor(gate):
            raise TraceError("a gate runs under torch.func, whose tensors have no values of their own: trace it plain")
        owner, number, edited = self._gates.add(product.aligned[which], match)
        asked = recorder.asked(owner, number) if recorder is not None else ()
        before = features(feature, match.axes) if asked else None
        output = multiply(func, product, match, edited)
        self._infos.put(output, info_of_product(infos[1 - which], infos[which], match.samples))
        if recorder is not None and asked:
            recorder.keep(asked, gate, before, features(output, match.axes), turn=match.samples is not None)
        return output


def call_unwatched(name: str, func: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the call gives when nobody watches."""
    attended = fused_attention() if name == "multi_head_attention_forward" else None
    return func(*args, **kwargs) if attended is None else attended


def multiply(func: Function, product: Product, match: GateMatch, edited: Tensor | None) -> Tensor:
    """The product as the module wrote it, of the same operands in the same order, but for an edited gate."""
    if edited is None:
        return func(*product.args, **product.kwargs)
    if not product.operands[match.which].is_floating_point():  # a mask, which multiplies in the features' precision
        edited = edited.to(product.operands[1 - match.which].dtype)
    if writes_in_place(func) and product.positions[match.which] == 0:
        args, kwargs = product.replaced(match.which, edited.expand(match.shape).clone())
        return product.operands[match.which].copy_(func(*args, **kwargs))
    args, kwargs = product.replaced(match.which, edited)
    return func(*args, **kwargs)
